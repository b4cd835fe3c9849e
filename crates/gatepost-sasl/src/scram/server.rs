//! The server's side of SCRAM.
//!
//! States: `AwaitClientFirst` → asks for the verifier → `AwaitClientFinal` → done. Everything the client chose is checked
//! again in its final message: header and binding, both nonces, proof; all are computed, then judged together.
//!
//! A directory answers for unknown users and for users without keys as for known ones, with a fake verifier (SCR-18,
//! SCR-19); this file treats them alike. On failure no `e=` is sent: the outcome is a refusal (SCR-10).

use subtle::ConstantTimeEq;

use super::Variant;
use super::keys::{auth_message, proof_is_right, server_signature};
use super::message::{
    BindingFlag, ClientFinal, ClientFirst, ServerFinal, ServerFirst, check_nonce, print_binding,
};
use super::verifier::ScramVerifier;
use crate::identity::{Authcid, Authzid};
use crate::prep;
use crate::server::ServerParams;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, Question, Refusal, ServerStep, Verdict,
};
use crate::verifier::Verifier;

pub(super) fn begin(
    variant: &'static Variant,
    params: ServerParams,
    initial_response: Option<&[u8]>,
) -> ServerStep {
    if check_nonce(&params.nonce).is_err() {
        return ServerStep::refused(Refusal::Unavailable);
    }
    let state = Box::new(AwaitClientFirst { variant, params });
    match initial_response {
        Some(message) => state.respond(message),
        None => ServerStep::Challenge(Vec::new(), state),
    }
}

struct AwaitClientFirst {
    variant: &'static Variant,
    params: ServerParams,
}

impl AwaitResponse for AwaitClientFirst {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        match self.read(response) {
            Ok((question, state)) => ServerStep::Ask(question, Box::new(state)),
            Err(refusal) => ServerStep::refused(refusal),
        }
    }
}

impl AwaitClientFirst {
    fn read(self, message: &[u8]) -> Result<(Question, AwaitVerifier), Refusal> {
        // An empty message is well-formed base64 and no message of ours: not a syntax error in the protocol above (AUTH-05).
        if message.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        let first = ClientFirst::parse(message).map_err(|_| Refusal::Malformed)?;
        let binding = [
            first.gs2_header.as_bytes(),
            self.binding_octets(first.flag)?,
        ]
        .concat();
        // PREP-01: a name that cannot be prepared, or of which nothing is left, ends the exchange.
        if prep::saslprep_query(&first.username).map_or(true, |prepared| prepared.is_empty()) {
            return Err(Refusal::Malformed);
        }
        let authcid = Authcid::parse(&first.username).map_err(|_| Refusal::Malformed)?;
        let authzid = first.authzid.as_deref().map(Authzid::parse).transpose();
        let question = Question::Verifier {
            mechanism: self.variant.mechanism,
            authcid: authcid.clone(),
            authzid: authzid.map_err(|_| Refusal::Malformed)?,
        };
        let state = AwaitVerifier {
            variant: self.variant,
            authcid,
            binding: print_binding(&binding),
            client_first_bare: first.bare.to_owned(),
            nonce: format!("{}{}", first.nonce, self.params.nonce),
        };
        Ok((question, state))
    }

    /// The channel-binding octets this flag calls for, or why it must not be (RFC 5802 §6).
    fn binding_octets(&self, flag: BindingFlag<'_>) -> Result<&[u8], Refusal> {
        match flag {
            // SCR-14: accepted under the bare name too; it is only stronger.
            BindingFlag::Used(name) => self
                .params
                .channel_bindings
                .by_name(name)
                .ok_or(Refusal::CredentialsInvalid),
            // SCR-12: somebody has taken the -PLUS name out of the list that the client saw.
            BindingFlag::NotOffered if self.params.plus_offered => Err(Refusal::CredentialsInvalid),
            _ if self.variant.mechanism.binds_channel => Err(Refusal::CredentialsInvalid),
            BindingFlag::NotOffered | BindingFlag::Unsupported => Ok(&[]),
        }
    }
}

struct AwaitVerifier {
    variant: &'static Variant,
    authcid: Authcid,
    /// What `c=` must say.
    binding: String,
    client_first_bare: String,
    nonce: String,
}

impl AwaitAnswer for AwaitVerifier {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Verifier {
                verifier: Verifier::Scram(verifier),
                verdict,
            } if verifier.hash() == self.variant.hash => {
                let server_first =
                    ServerFirst::print(&self.nonce, verifier.salt(), verifier.iterations());
                let state = AwaitClientFinal {
                    exchange: *self,
                    server_first: server_first.clone(),
                    verifier,
                    verdict,
                };
                ServerStep::Challenge(server_first.into_bytes(), Box::new(state))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

struct AwaitClientFinal {
    exchange: AwaitVerifier,
    server_first: String,
    verifier: ScramVerifier,
    verdict: Verdict,
}

impl AwaitResponse for AwaitClientFinal {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        let Ok(last) = ClientFinal::parse(response) else {
            return ServerStep::refused(Refusal::Malformed);
        };
        let auth_message = auth_message(
            &self.exchange.client_first_bare,
            &self.server_first,
            last.without_proof,
        );
        let binding_is_right = last
            .binding
            .as_bytes()
            .ct_eq(self.exchange.binding.as_bytes());
        let nonce_is_right = last.nonce.as_bytes().ct_eq(self.exchange.nonce.as_bytes());
        let proof_is_right = proof_is_right(&self.verifier, &auth_message, &last.proof);
        if !(bool::from(binding_is_right & nonce_is_right) & proof_is_right) {
            return ServerStep::refused(Refusal::CredentialsInvalid);
        }
        let signature = server_signature(&self.verifier, &auth_message);
        let AwaitVerifier {
            variant, authcid, ..
        } = self.exchange;
        ServerStep::Done(
            Outcome::of(variant.mechanism, authcid, self.verdict)
                .with_final_data(Some(ServerFinal::print_signature(&signature).into_bytes())),
        )
    }
}
