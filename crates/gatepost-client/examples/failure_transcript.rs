//! Shows the dialogue with a server, with secrets hidden, and what the error at its end says: for a bug report that can be shared.
//!
//! ```text
//! cargo run --example failure_transcript -- smtp.example.com 587 me@example.com <password.txt
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use gatepost_client::{Client, Connector, Credentials, Error, MechanismChoice, Seen, TlsMode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user] = arguments.as_slice() else {
        return Err(
            "usage: failure_transcript HOST PORT USER, and the password on standard input".into(),
        );
    };
    let password = std::io::read_to_string(std::io::stdin())?;
    let connector = Connector::new(host, port.parse()?, TlsMode::StartTls).watch(show);
    match log_in(&connector, &Credentials::new(user, password.trim_end())).await {
        Ok(client) => client.quit().await,
        Err(error) => explain(&error),
    }
    Ok(())
}

async fn log_in(connector: &Connector, credentials: &Credentials) -> Result<Client, Error> {
    let mut client = connector.connect().await?;
    client
        .authenticate(credentials, MechanismChoice::Strongest)
        .await?;
    Ok(client)
}

/// The library hides what is secret; what the server says may hold anything, so it is escaped here.
fn show(seen: Seen<'_>) {
    match seen {
        Seen::Sent(line) => println!("C: {}", line.escape_debug()),
        Seen::SentAuth(command) => println!("C: {} (hidden)", command.escape_debug()),
        Seen::SentSecret => println!("C: (hidden)"),
        Seen::SentContent(octets) => println!("C: ({octets} octets of message)"),
        Seen::Received(line) => println!("S: {}", line.escape_debug()),
        Seen::TlsStarted(tls) => println!("-- {} {}", tls.version, tls.cipher),
    }
}

fn explain(error: &Error) {
    let fault = match error {
        Error::Address(_) => "what was given here",
        Error::Channel(_) | Error::Timeout(_) => "the way to the server",
        Error::Credential(_) | Error::Downgrade(_) => "the credentials",
        Error::Server(_) => "the server",
        Error::Content(_) => "the message",
    };
    println!("fault: {fault}");
    println!("error: {error:#}");
    println!("worth trying again: {}", error.is_transient());
    if let Some(reply) = error.reply() {
        println!("code: {}", reply.code);
    }
}
