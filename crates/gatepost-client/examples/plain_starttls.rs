//! Sends a message with a user name and a password, by PLAIN inside STARTTLS: what every provider offers on port 587.
//!
//! ```text
//! cargo run --example plain_starttls -- smtp.example.com 587 me@example.com you@example.net <password.txt
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use gatepost_client::{
    Address, Connector, Credentials, Envelope, MechanismChoice, TlsMode, mechanism,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, recipient] = arguments.as_slice() else {
        return Err(
            "usage: plain_starttls HOST PORT USER RECIPIENT, and the password on standard input"
                .into(),
        );
    };
    let password = std::io::read_to_string(std::io::stdin())?;
    let message = format!(
        "From: {user}\r\nTo: {recipient}\r\nSubject: by PLAIN\r\n\r\nSent inside STARTTLS.\r\n"
    );

    let mut client = Connector::new(host, port.parse()?, TlsMode::StartTls)
        .connect()
        .await?;
    client
        .authenticate(
            &Credentials::new(user, password.trim_end()),
            MechanismChoice::Only(&mechanism::PLAIN),
        )
        .await?;
    let envelope = Envelope::new(
        Address::parse(user)?,
        [Address::parse(recipient)?],
        message.as_bytes(),
    );
    let report = client.send(&envelope, message.as_bytes()).await?;
    client.quit().await;

    for (recipient, outcome) in envelope.recipients.iter().zip(report.recipients) {
        match outcome {
            Ok(reply) => println!("accepted for {}: {reply}", recipient.path),
            Err(reply) => println!("refused for {}: {reply}", recipient.path),
        }
    }
    Ok(())
}
