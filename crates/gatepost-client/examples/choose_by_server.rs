//! Looks at what the server offers before deciding how to authenticate and in which form to send, without an asynchronous runtime.
//!
//! ```text
//! cargo run --example choose_by_server -- smtp.example.com 587 me@example.com you@example.net <password.txt
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use gatepost_client::{
    Address, Connector, Credentials, Envelope, Extension, MechanismChoice, Notify, TlsMode,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, recipient] = arguments.as_slice() else {
        return Err(
            "usage: choose_by_server HOST PORT USER RECIPIENT, and the password on standard input"
                .into(),
        );
    };
    let password = std::io::read_to_string(std::io::stdin())?;
    let port: u16 = port.parse()?;
    // The two ports of RFC 8314.
    let mode = if port == 465 {
        TlsMode::Implicit
    } else {
        TlsMode::StartTls
    };

    let mut client = Connector::new(host, port, mode).connect_blocking()?;
    let offered = client.capabilities().clone();
    println!("mechanisms: {}", offered.mechanisms.join(" "));
    println!("size limit: {:?}", offered.size);

    // The strongest that is offered and that this channel may carry; with TLS that may be PLAIN, without it never.
    let credentials = Credentials::new(user, password.trim_end());
    let mechanism = client.authenticate(&credentials, MechanismChoice::Strongest)?;
    println!("chosen: {mechanism}");

    // A server that takes 8-bit content gets it as it is, any other gets it encoded.
    let (encoding, body) = if offered.has(Extension::EightBitMime) {
        ("8bit", "Gr\u{fc}\u{df}e\r\n")
    } else {
        ("quoted-printable", "Gr=C3=BC=C3=9Fe\r\n")
    };
    let message = format!(
        "From: {user}\r\nTo: {recipient}\r\nSubject: as the server likes it\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
    );
    let mut envelope = Envelope::new(
        Address::parse(user)?,
        [Address::parse(recipient)?],
        message.as_bytes(),
    );
    // Goes only to a server that offers DSN; with another it would be lost in silence, so say so.
    for recipient in &mut envelope.recipients {
        recipient.notify = Some(Notify::On {
            success: true,
            failure: true,
            delay: false,
        });
    }
    if !offered.has(Extension::Dsn) {
        println!("this server sends no notice of success");
    }
    let report = client.send(&envelope, message.as_bytes())?;
    client.quit();
    println!(
        "{encoding}: {:?}",
        report.final_reply.map(|reply| reply.to_string())
    );
    Ok(())
}
