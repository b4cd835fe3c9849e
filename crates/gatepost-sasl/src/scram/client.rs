//! The client's side of SCRAM.
//!
//! States: `AwaitServerFirst` → asks for the password → asks for the derivation → `AwaitServerFinal` → outcome. The server's
//! nonce and iteration count are judged before anything is asked or computed. Until the server's signature has been seen
//! to be right, a reported success is an error (AUTH-21).

use subtle::ConstantTimeEq;

use super::Variant;
use super::derive::Derivation;
use super::keys::{auth_message, client_proof, expected_server_signature};
use super::message::{ClientFinal, ServerFinal, ServerFirst, check_nonce, text};
use crate::channel_binding::ChannelBindings;
use crate::client::{
    AwaitChallenge, AwaitClientAnswer, AwaitOutcomeOrEmpty, ClientAnswer, ClientFault,
    ClientParams, ClientQuestion, ClientStep, ClientSuccess,
};
use crate::{prep, saslname};

pub(super) fn begin(variant: &'static Variant, params: ClientParams) -> ClientStep {
    match first_message(variant, params) {
        Ok((message, state)) => ClientStep::respond(message.into_bytes(), state),
        Err(fault) => ClientStep::Abort(fault),
    }
}

fn first_message(
    variant: &'static Variant,
    params: ClientParams,
) -> Result<(String, AwaitServerFirst), ClientFault> {
    check_nonce(&params.nonce).map_err(|_| ClientFault::NonceUnusable)?;
    let (flag, binding_octets) =
        binding_flag(variant, &params.channel_bindings, params.plus_offered)?;
    let authzid = match params.authzid.as_deref() {
        None | Some("") => String::new(),
        Some(name) => format!("a={}", prepared_name(name)?),
    };
    let gs2_header = format!("{flag},{authzid},");
    let bare = format!("n={},r={}", prepared_name(&params.authcid)?, params.nonce);
    let state = AwaitServerFirst {
        variant,
        binding: [gs2_header.as_bytes(), binding_octets].concat(),
        client_first_bare: bare.clone(),
        nonce: params.nonce,
        iterations: params.min_iterations..=params.max_iterations,
    };
    Ok((gs2_header + &bare, state))
}

/// SCR-13: bind if this is a `-PLUS` mechanism; say `y` if we could and the server does not offer it; else `n`.
fn binding_flag<'a>(
    variant: &Variant,
    bindings: &'a ChannelBindings,
    plus_offered: bool,
) -> Result<(String, &'a [u8]), ClientFault> {
    match bindings.preferred() {
        Some((name, octets)) if variant.mechanism.binds_channel => {
            Ok((format!("p={name}"), octets))
        }
        None if variant.mechanism.binds_channel => Err(ClientFault::BindingUnavailable),
        Some(_) if !plus_offered => Ok(("y".to_owned(), &[])),
        _ => Ok(("n".to_owned(), &[])),
    }
}

fn prepared_name(name: &str) -> Result<String, ClientFault> {
    prep::saslprep_query(name)
        .ok()
        .filter(|prepared| !prepared.is_empty())
        .map(|prepared| saslname::escape(&prepared))
        .ok_or(ClientFault::NameUnusable)
}

struct AwaitServerFirst {
    variant: &'static Variant,
    /// GS2 header and channel-binding octets.
    binding: Vec<u8>,
    client_first_bare: String,
    nonce: String,
    iterations: std::ops::RangeInclusive<u32>,
}

impl AwaitChallenge for AwaitServerFirst {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        match self.read(challenge) {
            Ok(state) => ClientStep::Ask(ClientQuestion::Password, Box::new(state)),
            Err(fault) => ClientStep::Abort(fault),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

impl AwaitServerFirst {
    fn read(self, challenge: &[u8]) -> Result<AwaitPassword, ClientFault> {
        let server_first = text(challenge)?;
        // RFC 5802 §7 puts e= into the last message only; a server that refuses the first one has no other place.
        if let Ok(ServerFinal::Error(value)) = ServerFinal::parse(server_first) {
            return Err(fault_of(value));
        }
        let parsed = ServerFirst::parse(server_first)?;
        // SCR-05: it begins with ours, and is longer.
        if parsed
            .nonce
            .strip_prefix(self.nonce.as_str())
            .is_none_or(str::is_empty)
        {
            return Err(ClientFault::NonceMismatch);
        }
        if parsed.salt.is_empty() {
            return Err(ClientFault::Malformed("salt"));
        }
        let iterations = u32::try_from(parsed.iterations)
            .ok()
            .filter(|iterations| self.iterations.contains(iterations))
            .ok_or(ClientFault::IterationsOutOfBounds(parsed.iterations))?;
        Ok(AwaitPassword {
            variant: self.variant,
            client_first_bare: self.client_first_bare,
            server_first: server_first.to_owned(),
            without_proof: ClientFinal::print_without_proof(&self.binding, parsed.nonce),
            salt: parsed.salt,
            iterations,
        })
    }
}

struct AwaitPassword {
    variant: &'static Variant,
    client_first_bare: String,
    server_first: String,
    without_proof: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl AwaitClientAnswer for AwaitPassword {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if password.expose().is_empty() {
            return ClientStep::Abort(ClientFault::PasswordUnusable);
        }
        let derivation = Derivation {
            hash: self.variant.hash,
            password: prep::key_password(password.expose()),
            salt: self.salt,
            iterations: self.iterations,
        };
        let state = AwaitSaltedPassword {
            variant: self.variant,
            auth_message: auth_message(
                &self.client_first_bare,
                &self.server_first,
                &self.without_proof,
            ),
            without_proof: self.without_proof,
        };
        ClientStep::Ask(ClientQuestion::Derive(derivation), Box::new(state))
    }
}

struct AwaitSaltedPassword {
    variant: &'static Variant,
    auth_message: String,
    without_proof: String,
}

impl AwaitClientAnswer for AwaitSaltedPassword {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let hash = self.variant.hash;
        match answer {
            ClientAnswer::Derived(salted_password)
                if salted_password.expose().len() == hash.output_len() =>
            {
                let proof = client_proof(hash, &salted_password, &self.auth_message);
                let state = AwaitServerFinal {
                    signature: expected_server_signature(
                        hash,
                        &salted_password,
                        &self.auth_message,
                    ),
                };
                let message = ClientFinal::print(&self.without_proof, &proof);
                ClientStep::respond(message.into_bytes(), state)
            }
            _ => ClientStep::Abort(ClientFault::Unavailable),
        }
    }
}

struct AwaitServerFinal {
    signature: Vec<u8>,
}

impl AwaitChallenge for AwaitServerFinal {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        match text(challenge).and_then(ServerFinal::parse) {
            Ok(ServerFinal::Signature(signature)) if signature.ct_eq(&self.signature).into() => {
                ClientStep::respond(Vec::new(), AwaitOutcomeOrEmpty)
            }
            Ok(ServerFinal::Signature(_)) => ClientStep::Abort(ClientFault::ServerNotProven),
            Ok(ServerFinal::Error(value)) => ClientStep::Abort(fault_of(value)),
            Err(malformed) => ClientStep::Abort(malformed.into()),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

/// SCR-11.
fn fault_of(error: &'static str) -> ClientFault {
    match error {
        "invalid-proof" | "unknown-user" => ClientFault::ProofRefused,
        other => ClientFault::ServerError(other),
    }
}
