//! An SMTP submission client that authenticates.
//!
//! ```no_run
//! use gatepost_client::{Address, Connector, Credentials, Envelope, MechanismChoice, TlsMode};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let message = b"From: me@example.com\r\nTo: you@example.net\r\nSubject: Hello\r\n\r\nHello!\r\n";
//! let connector = Connector::new("smtp.example.com", 587, TlsMode::StartTls);
//! let mut client = connector.connect().await?;
//! client.authenticate(&Credentials::new("me@example.com", "secret"), MechanismChoice::Strongest).await?;
//! let envelope = Envelope::new(Address::parse("me@example.com")?, [Address::parse("you@example.net")?], message);
//! let report = client.send(&envelope, message).await?;
//! assert!(report.recipients.iter().all(Result::is_ok));
//! client.quit().await;
//! # Ok(())
//! # }
//! ```
//!
//! TLS is verified against the name given to [`Connector::new`], always. A password leaves only over TLS, unless
//! [`Connector::allow_clear_password`] says otherwise for this server. [`Error`] sorts failures by whose fault they are.
//!
//! The dialogue itself is [`gatepost_smtp::client::ClientSession`], which knows no sockets; this crate is the loop around it.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod answer;
mod client;
mod connect;
mod driver;
mod error;
mod stream;
mod tls;
mod trace;

pub use client::{Client, Credentials};
pub use connect::{Connector, TlsMode};
pub use error::{AddressError, ChannelError, Error};
pub use tls::Roots;
pub use trace::Seen;

pub use gatepost_sasl::{Mechanism, Secret, mechanism};
pub use gatepost_smtp::client::{
    Capabilities, ChannelFault, Chunking, ClientFailure, ContentMeter, CredentialFault, Envelope,
    ExchangeFault, Extension, InitialResponsePolicy, Lack, Limits, MechanismChoice, ProtocolFault,
    Recipient, SendReport, Stage, Timeouts,
};
pub use gatepost_smtp::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
pub use gatepost_smtp::{
    Address, Body, ForwardPath, Reply, ReplyCode, ReversePath, Submitter, TlsFacts,
};
