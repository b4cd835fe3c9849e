//! Whose fault it was, and what to do next.

use gatepost_client::{
    AddressError, ChannelError, ChannelFault, ClientFailure, CredentialFault, Error, Lack, Stage,
};

use gatepost_sasl::Needs;

use super::target::Target;

/// The error with whose fault it is before it and what to do next behind it.
pub(super) fn explain(error: &Error, target: &Target) -> String {
    let whose = match error {
        Error::Address(_) => "cannot begin",
        Error::Channel(_) | Error::Timeout(_) => "connection",
        Error::Credential(_) | Error::Downgrade(_) => "authentication",
        Error::Server(_) => "server",
        Error::Content(_) => "message",
    };
    match next_step(error, target) {
        Some(step) => format!("{whose}: {error}\n    {step}"),
        None => format!("{whose}: {error}"),
    }
}

fn next_step(error: &Error, target: &Target) -> Option<&'static str> {
    Some(match error {
        Error::Address(AddressError::Roots { .. }) if target.dev => {
            "is the development server running? start it with `gatepost dev`"
        }
        Error::Address(AddressError::Roots { .. }) => {
            "give a PEM file with the certificate authority, or leave --ca out"
        }
        Error::Address(AddressError::Certificate { fault, .. }) => return Some(fault.next_step()),
        Error::Address(_) | Error::Content(_) | Error::Downgrade(_) => return None,
        Error::Channel(fault) => return of_channel(fault, target),
        Error::Credential(fault) => of_credential(fault),
        Error::Timeout(_) => {
            "try again; when it happens often, something between here and the server swallows data"
        }
        Error::Server(ClientFailure::Refused { stage, reply }) => {
            return of_refusal(*stage, reply.code.is_transient());
        }
        Error::Server(ClientFailure::Unsupported(Lack::EightBitMime | Lack::BinaryMime)) => {
            "encode the message as quoted-printable or base64"
        }
        Error::Server(ClientFailure::Unsupported(Lack::SmtpUtf8)) => {
            "use ASCII addresses, or a server that knows internationalized mail"
        }
        Error::Server(ClientFailure::Unsupported(Lack::Size { .. })) => {
            "send less, or use another server"
        }
        Error::Server(_) => "look at the dialogue with -v; this may be no mail server",
    })
}

fn of_channel(fault: &ChannelError, target: &Target) -> Option<&'static str> {
    Some(match fault {
        ChannelError::Connect { .. } if target.dev => {
            "start the development server with `gatepost dev`"
        }
        ChannelError::Connect { .. } => "check host and port, and whether the server runs",
        ChannelError::Tls { .. } if target.dev => {
            "was the development server started with --dir? then name the same here"
        }
        ChannelError::Tls { .. } => {
            "for a private certificate authority, name its PEM file with --ca"
        }
        ChannelError::Certificate { given: true, .. } => {
            "have it signed by an authority of the server's, or made known there; it must be for clients, and not have ended"
        }
        ChannelError::Certificate { given: false, .. } => "give one with --certificate and --key",
        ChannelError::SpeaksClear { .. } => "use --tls starttls",
        ChannelError::Session(ChannelFault::SpeaksTls | ChannelFault::Closed(Stage::Greeting)) => {
            "try --tls implicit"
        }
        ChannelError::Session(ChannelFault::StartTlsNotOffered) => {
            "use the port with --tls implicit (465), or --tls none if you trust every wire between here and the server"
        }
        ChannelError::Session(_) | ChannelError::System { .. } => return None,
    })
}

fn of_credential(fault: &CredentialFault) -> &'static str {
    match fault {
        CredentialFault::NotOffered => {
            "this port may take mail without --user, or AUTH is on another port (587, 465)"
        }
        CredentialFault::CertificateUnused { shown: true, .. } => {
            "have the certificate made known to the server as that of an account"
        }
        CredentialFault::CertificateUnused { shown: false, .. } => {
            "give one with --certificate and --key; the server must ask for it (a Gatepost: listener.client_ca or client_certificates)"
        }
        CredentialFault::NoUsableMechanism { .. } | CredentialFault::TooWeak { .. } => {
            "leave --auth out to use the strongest one, or protect the connection with --tls"
        }
        CredentialFault::Refused { reply, .. } if reply.code.is_transient() => {
            "the credential may be right: try again later"
        }
        CredentialFault::Refused { mechanism, .. } if mechanism.requires_tls() => {
            "get a new access token: it may have expired, or be for another server or scope"
        }
        CredentialFault::Refused { mechanism, .. } if mechanism.needs == Needs::Certificate => {
            "have the certificate made known to the server as that of an account; with --user, of one that may act as that"
        }
        CredentialFault::Refused { .. } => "check user name and password",
        CredentialFault::Exchange { .. } => {
            "look at the dialogue with -v; another mechanism (--auth) may work"
        }
    }
}

fn of_refusal(stage: Stage, transient: bool) -> Option<&'static str> {
    Some(match stage {
        _ if transient => "try again later",
        Stage::Mail => "the server may want authentication (--user), or another sender (--from)",
        Stage::Greeting | Stage::Hello => "this server does not serve clients like this one",
        _ => return None,
    })
}
