//! Sends a message with SCRAM, which shows the server no password and has it prove that it knows it; TLS from the first octet.
//!
//! ```text
//! cargo run --example scram -- smtp.example.com 465 me@example.com you@example.net <password.txt
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use gatepost_client::{
    Address, Connector, CredentialFault, Credentials, Envelope, Error, MechanismChoice, TlsMode,
    mechanism,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, recipient] = arguments.as_slice() else {
        return Err(
            "usage: scram HOST PORT USER RECIPIENT, and the password on standard input".into(),
        );
    };
    let password = std::io::read_to_string(std::io::stdin())?;
    let message = format!(
        "From: {user}\r\nTo: {recipient}\r\nSubject: by SCRAM\r\n\r\nThe server has never seen the password.\r\n"
    );

    let mut client = Connector::new(host, port.parse()?, TlsMode::Implicit)
        .connect()
        .await?;
    // No mechanism weaker than this one, whatever the server offers.
    let scram = MechanismChoice::AtLeast(&mechanism::SCRAM_SHA_256);
    let credentials = Credentials::new(user, password.trim_end());
    match client.authenticate(&credentials, scram).await {
        Ok(mechanism) => println!("authenticated by {mechanism}"),
        Err(Error::Credential(CredentialFault::NoUsableMechanism { offered, .. })) => {
            return Err(format!(
                "this server knows no SCRAM; it offers {}",
                offered.join(", ")
            )
            .into());
        }
        Err(error) => return Err(error.into()),
    }
    let envelope = Envelope::new(
        Address::parse(user)?,
        [Address::parse(recipient)?],
        message.as_bytes(),
    );
    let report = client.send(&envelope, message.as_bytes()).await?;
    client.quit().await;
    println!("{:?}", report.final_reply.map(|reply| reply.to_string()));
    Ok(())
}
