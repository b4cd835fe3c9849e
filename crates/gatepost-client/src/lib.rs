#![doc = include_str!("../README.md")]
//!
//! ## How it is built
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
pub mod blocking;
mod certificate;
mod client;
mod connect;
mod driver;
mod end_point;
mod error;
mod kerberos;
mod pins;
mod stream;
mod tls;
mod trace;

pub use certificate::{Certificate, CertificateFault};
pub use client::{Client, Credential, Credentials};
pub use connect::{Connector, TlsMode};
pub use end_point::server_end_point;
pub use error::{AddressError, ChannelError, Downgrade, Error};
pub use pins::{MechanismPins, MemoryPins, PinKey};
pub use tls::Roots;
pub use trace::Seen;

pub use gatepost_sasl::{
    DigestMd5Session, LayerPolicy, LayerStrength, Mechanism, Secret, mechanism,
};
pub use gatepost_smtp::client::{
    Capabilities, ChannelFault, Chunking, ClientFailure, ContentMeter, CredentialFault, Envelope,
    ExchangeFault, Extension, InitialResponsePolicy, Lack, Limits, MechanismChoice, ProtocolFault,
    Recipient, SendReport, Stage, Timeouts,
};
pub use gatepost_smtp::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
pub use gatepost_smtp::{
    Address, Body, ForwardPath, Reply, ReplyCode, ReversePath, Submitter, TlsFacts,
};
