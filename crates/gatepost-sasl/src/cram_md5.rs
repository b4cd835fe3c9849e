//! CRAM-MD5 (RFC 2195, draft-ietf-sasl-crammd5-09): HMAC-MD5 of a challenge under the password.
//!
//! It proves nothing about the server, has no authzid and no channel binding, and one recorded exchange can be searched
//! for the password off line: for old devices only.
//!
//! Server: the response is split at its last space, the digest is read in any case, and line ends or NULs after it are
//! dropped. A directory that keeps its secrets (`SecretKept`) is asked to check the response itself. Client: does not look
//! into the challenge.

use subtle::ConstantTimeEq;

use crate::client::{
    AwaitChallenge, AwaitClientAnswer, AwaitOutcomeOrEmpty, ClientAnswer, ClientFault,
    ClientParams, ClientQuestion, ClientStep, ClientSuccess,
};
use crate::hmac_md5::HmacMd5Contexts;
use crate::identity::Authcid;
use crate::mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};
use crate::prep;
use crate::server::ServerParams;
use crate::step::{Answer, AwaitAnswer, AwaitResponse, Outcome, Question, Refusal, ServerStep};
use crate::verifier::Verifier;

/// CRAM-MD5.
pub static CRAM_MD5: Mechanism = Mechanism {
    name: "CRAM-MD5",
    standard: "RFC 2195",
    strength: 10,
    initial_response: InitialResponse::Refused,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Verifier(VerifierKind::CramMd5),
    server,
    client,
};

fn server(params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    let ServerParams { nonce, host, .. } = params;
    if initial_response.is_some() {
        return ServerStep::refused(Refusal::Malformed);
    }
    let fits = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>@".contains(&b))
    };
    if !fits(&nonce) || !fits(&host) {
        return ServerStep::refused(Refusal::Unavailable);
    }
    let challenge = format!("<{nonce}@{host}>").into_bytes();
    ServerStep::Challenge(challenge.clone(), Box::new(AwaitDigest { challenge }))
}

struct AwaitDigest {
    challenge: Vec<u8>,
}

impl AwaitResponse for AwaitDigest {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        match Attempt::parse(self.challenge, response) {
            Ok(attempt) => attempt.ask_verifier(),
            Err(refusal) => ServerStep::refused(refusal),
        }
    }
}

/// A well-formed response to a challenge.
struct Attempt {
    challenge: Vec<u8>,
    response: Vec<u8>,
    authcid: Authcid,
    digest: [u8; 16],
}

impl Attempt {
    fn parse(challenge: Vec<u8>, response: &[u8]) -> Result<Self, Refusal> {
        let response = trim_line_end(response);
        if response.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        // The last space: names may hold spaces (CRAM-03).
        let mut parts = response.rsplitn(2, |octet| *octet == b' ');
        let (Some(digest), Some(name)) = (parts.next(), parts.next()) else {
            return Err(Refusal::Malformed);
        };
        let digest = parse_hex(digest).ok_or(Refusal::Malformed)?;
        if name.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        let name = prep::name_text(name).ok_or(Refusal::Malformed)?;
        Ok(Self {
            challenge,
            response: response.to_vec(),
            authcid: Authcid::parse(&name).map_err(|_| Refusal::Malformed)?,
            digest,
        })
    }

    fn ask_verifier(self) -> ServerStep {
        let question = Question::Verifier {
            mechanism: &CRAM_MD5,
            authcid: self.authcid.clone(),
            authzid: None,
        };
        ServerStep::Ask(question, Box::new(AwaitContexts(self)))
    }

    fn ask_check(self) -> ServerStep {
        let question = Question::Response {
            mechanism: &CRAM_MD5,
            authcid: self.authcid.clone(),
            authzid: None,
            challenge: self.challenge,
            response: self.response,
        };
        ServerStep::Ask(
            question,
            Box::new(AwaitChecked {
                authcid: self.authcid,
            }),
        )
    }
}

struct AwaitContexts(Attempt);

impl AwaitAnswer for AwaitContexts {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        let Self(attempt) = *self;
        match answer {
            Answer::Verifier {
                verifier: Verifier::CramMd5(contexts),
                verdict,
            } => {
                if contexts
                    .mac(&attempt.challenge)
                    .ct_eq(&attempt.digest)
                    .into()
                {
                    ServerStep::Done(Outcome::of(&CRAM_MD5, attempt.authcid, verdict))
                } else {
                    ServerStep::refused(Refusal::CredentialsInvalid)
                }
            }
            Answer::SecretKept => attempt.ask_check(),
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

struct AwaitChecked {
    authcid: Authcid,
}

impl AwaitAnswer for AwaitChecked {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Checked { verdict, .. } => {
                ServerStep::Done(Outcome::of(&CRAM_MD5, self.authcid, verdict))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

/// Devices encode what `echo` or a C string gave them (CRAM-04).
fn trim_line_end(mut octets: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n' | 0] = octets {
        octets = rest;
    }
    octets
}

fn parse_hex(text: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *octet = (*octet << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(digest)
}

fn client(params: ClientParams) -> ClientStep {
    // Names that SASLprep refuses go as they are: the servers that still ask for CRAM-MD5 know nothing of it.
    let name = prep::saslprep_query(&params.authcid).unwrap_or(params.authcid);
    if Authcid::parse(&name).is_err() {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    ClientStep::Wait(Box::new(AwaitNonce { name }))
}

struct AwaitNonce {
    name: String,
}

impl AwaitChallenge for AwaitNonce {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        if challenge.is_empty() {
            return ClientStep::Abort(ClientFault::Malformed("the challenge is empty"));
        }
        let state = AwaitPassword {
            name: self.name,
            challenge: challenge.to_vec(),
        };
        ClientStep::Ask(ClientQuestion::Password, Box::new(state))
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

struct AwaitPassword {
    name: String,
    challenge: Vec<u8>,
}

impl AwaitClientAnswer for AwaitPassword {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if password.expose().is_empty() {
            return ClientStep::Abort(ClientFault::PasswordUnusable);
        }
        let digest = u128::from_be_bytes(HmacMd5Contexts::derive(&password).mac(&self.challenge));
        let response = format!("{} {digest:032x}", self.name);
        ClientStep::respond(response.into_bytes(), AwaitOutcomeOrEmpty)
    }
}

#[cfg(test)]
mod tests;
