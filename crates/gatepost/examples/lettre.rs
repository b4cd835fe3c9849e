//! lettre as a client of `gatepost dev`: the program of `docs/guide/application-tests.md`.

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let authority = Certificate::from_pem(&std::fs::read("mail/ca.pem")?)?;
    let tls = TlsParameters::builder("localhost".to_owned())
        .add_root_certificate(authority)
        .build()?;
    let transport = SmtpTransport::builder_dangerous("localhost")
        .port(2587)
        .tls(Tls::Required(tls))
        .credentials(Credentials::new(
            "dev@localhost".to_owned(),
            "gatepost".to_owned(),
        ))
        .build();
    let message = Message::builder()
        .from("dev@localhost".parse::<Mailbox>()?)
        .to("you@example.com".parse::<Mailbox>()?)
        .subject("Hello")
        .body("It works.".to_owned())?;
    transport.send(&message)?;
    Ok(())
}
