//! Sends a message to a server whose certificate a private authority has signed, and trusts no other authority.
//!
//! ```text
//! cargo run --example custom_roots -- smtp.lan 587 me@example.com you@example.net ca.pem <password.txt
//! ```
//!
//! There is no switch that turns verification off: whoever has the certificate of the authority needs none, and whoever has not cannot
//! know who gets the password.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::Path;

use gatepost_client::{
    Address, ChannelError, Connector, Credentials, Envelope, Error, MechanismChoice, Roots, TlsMode,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, recipient, authority] = arguments.as_slice() else {
        return Err("usage: custom_roots HOST PORT USER RECIPIENT CA.PEM, and the password on standard input".into());
    };
    let password = std::io::read_to_string(std::io::stdin())?;
    let message = format!(
        "From: {user}\r\nTo: {recipient}\r\nSubject: to a private server\r\n\r\nIts certificate was verified.\r\n"
    );

    let connector = Connector::new(host, port.parse()?, TlsMode::StartTls)
        .roots(Roots::from_pem_file(Path::new(authority))?);
    let mut client = match connector.connect().await {
        Ok(client) => client,
        Err(error @ Error::Channel(ChannelError::Tls { .. })) => {
            return Err(format!("{authority} has not signed for {host}: {error}").into());
        }
        Err(error) => return Err(error.into()),
    };
    let tls = client
        .tls()
        .map(|tls| format!("{} {}", tls.version, tls.cipher));
    println!("protected by {}", tls.unwrap_or_default());
    let credentials = Credentials::new(user, password.trim_end());
    client
        .authenticate(&credentials, MechanismChoice::Strongest)
        .await?;
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
