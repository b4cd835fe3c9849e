//! The server's side of DIGEST-MD5.
//!
//! States: `AwaitDigest` → asks for the user's hashes → done, with our own proof as final data and the layer that was
//! agreed. Everything that was ours to choose is compared with what came back: nonce, count, protection. A directory that
//! keeps its secrets checks the whole response itself; it cannot key a layer. A client that takes up an earlier exchange begins
//! in `resumption`.
//!
//! The service in the `digest-uri` must be ours; the host in it is not compared, because clients put in whatever name or
//! address they connected by (DIG-10). It is in the digest all the same.

use subtle::{Choice, ConstantTimeEq};

use super::directive::Malformed;
use super::keys::{SessionKey, Side, Terms, UserHash};
use super::message::{Challenge, Response, ResponseAuth};
use super::protection::{Cipher, Protection};
use super::resumption::{self, ExchangeId};
use super::{DIGEST_MD5, DigestMd5Hashes, FIRST_USE, SERVICE, layer};
use crate::identity::{Authcid, Authzid};
use crate::layer::{LayerPolicy, LayerStrength};
use crate::prep;
use crate::server::ServerParams;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, Question, Refusal, ServerStep, Verdict,
};
use crate::verifier::Verifier;

/// An initial response takes up an earlier exchange (RFC 2831 §2.2). One that cannot is answered like none: by a challenge (DIG-20).
pub(super) fn begin(params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    if params.nonce.is_empty() || !params.nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
        return ServerStep::refused(Refusal::Unavailable);
    }
    match initial_response {
        Some(octets) => resumption::begin(params, octets),
        None => challenge(params, false),
    }
}

/// Our first word. `stale`: what the client said before was right but for its nonce.
pub(super) fn challenge(params: ServerParams, stale: bool) -> ServerStep {
    let challenge = Challenge::print(&params.realms, &params.nonce, params.layers, stale);
    let state = AwaitDigest {
        params,
        challenge: challenge.clone(),
    };
    ServerStep::Challenge(challenge, Box::new(state))
}

struct AwaitDigest {
    params: ServerParams,
    challenge: Vec<u8>,
}

impl AwaitResponse for AwaitDigest {
    fn respond(self: Box<Self>, octets: &[u8]) -> ServerStep {
        match self.read(octets) {
            Ok(attempt) => ServerStep::Ask(
                attempt.verifier_question(),
                Box::new(Judging {
                    attempt,
                    said: *self,
                    response: octets.to_vec(),
                }),
            ),
            Err(refusal) => ServerStep::refused(refusal),
        }
    }
}

impl AwaitDigest {
    fn read(&self, octets: &[u8]) -> Result<Attempt, Refusal> {
        let attempt = Attempt::read(octets, self.params.layers)?;
        // DIG-13, DIG-08.
        let nonce_is_ours = attempt.terms.nonce.ct_eq(self.params.nonce.as_bytes());
        if !bool::from(nonce_is_ours) || attempt.terms.count() != FIRST_USE {
            return Err(Refusal::CredentialsInvalid);
        }
        Ok(attempt)
    }
}

/// A well-formed response, of what may be chosen.
pub(super) struct Attempt {
    authcid: Authcid,
    authzid: Option<Authzid>,
    realm: String,
    digest: [u8; 16],
    /// Largest buffer the client takes.
    maxbuf: u32,
    pub(super) terms: Terms,
}

impl Attempt {
    pub(super) fn read(octets: &[u8], layers: LayerPolicy) -> Result<Self, Refusal> {
        if octets.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        let response = Response::parse(octets).map_err(|Malformed(_)| Refusal::Malformed)?;
        if response.username.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        if !offered(layers, response.protection) || !is_our_service(&response.digest_uri) {
            return Err(Refusal::Malformed);
        }
        let authzid = match response.authzid.as_deref() {
            None | Some(b"") => None,
            Some(name) => Some(Authzid::parse(&text(name, true)?)),
        };
        let authcid = Authcid::parse(&text(&response.username, response.utf8)?);
        Ok(Self {
            authcid: authcid.map_err(|_| Refusal::Malformed)?,
            authzid: authzid.transpose().map_err(|_| Refusal::Malformed)?,
            realm: text(&response.realm, response.utf8)?,
            digest: response.digest,
            maxbuf: response.maxbuf,
            terms: Terms {
                nonce: response.nonce,
                cnonce: response.cnonce,
                nonce_count: response.nonce_count,
                protection: response.protection,
                digest_uri: response.digest_uri,
                authzid: response.authzid,
            },
        })
    }

    pub(super) fn verifier_question(&self) -> Question {
        Question::Verifier {
            mechanism: &DIGEST_MD5,
            authcid: self.authcid.clone(),
            authzid: self.authzid.clone(),
        }
    }

    /// The hash with which the client's digest is right, and the session key. All hashes of the realm are tried (DIG-06).
    pub(super) fn fitting<'a>(
        &self,
        hashes: &'a DigestMd5Hashes,
    ) -> Option<(&'a UserHash, SessionKey)> {
        let fits = |user: &'a UserHash| {
            let key = SessionKey::new(user, &self.terms);
            let right: Choice = key.digest(&self.terms, Side::Client).ct_eq(&self.digest);
            bool::from(right).then_some((user, key))
        };
        hashes.of_realm(&self.realm).filter_map(fits).last()
    }

    /// The digest was right: the directory's verdict, and our own proof.
    pub(super) fn proven(self, key: &SessionKey, verdict: Verdict) -> ServerStep {
        let proof = ResponseAuth::print(key.digest(&self.terms, Side::Server));
        let layer = layer::agreed(key, self.terms.protection, Side::Server, self.maxbuf);
        ServerStep::Done(
            Outcome::of(&DIGEST_MD5, self.authcid, verdict)
                .with_final_data(Some(proof))
                .with_layer(layer),
        )
    }
}

fn offered(layers: LayerPolicy, protection: Protection) -> bool {
    match protection {
        Protection::None => layers.allows(LayerStrength::None),
        Protection::Integrity => layers.allows(LayerStrength::Integrity),
        Protection::Confidentiality(cipher) => {
            layers.allows(LayerStrength::Confidentiality)
                && Cipher::allowed(layers).any(|allowed| allowed == cipher)
        }
    }
}

/// `smtp/host` or `smtp/host/name` (DIG-10).
fn is_our_service(digest_uri: &[u8]) -> bool {
    let mut parts = digest_uri.splitn(2, |octet| *octet == b'/');
    let service = parts.next().unwrap_or_default();
    service.eq_ignore_ascii_case(SERVICE.as_bytes()) && parts.next().is_some()
}

/// UTF-8 where the client says so; where it does not, whichever of UTF-8 and ISO-8859-1 it seems to be (LC-40).
fn text(octets: &[u8], utf8: bool) -> Result<String, Refusal> {
    let text = match std::str::from_utf8(octets) {
        Ok(text) => Some(text.to_owned()),
        Err(_) if utf8 => None,
        Err(_) => prep::name_text(octets),
    };
    text.ok_or(Refusal::Malformed)
}

/// A response to our challenge, waiting for the user's hashes.
struct Judging {
    attempt: Attempt,
    said: AwaitDigest,
    response: Vec<u8>,
}

impl Judging {
    fn judged(self, hashes: &DigestMd5Hashes, verdict: Verdict) -> ServerStep {
        let Some((user, key)) = self.attempt.fitting(hashes) else {
            return ServerStep::refused(Refusal::CredentialsInvalid);
        };
        if let (Some(exchanges), Verdict::Accepted(_)) = (&self.said.params.resumable, &verdict) {
            exchanges.remember(ExchangeId::of(user, &self.attempt.terms));
        }
        self.attempt.proven(&key, verdict)
    }

    fn ask_check(self) -> ServerStep {
        let Attempt {
            authcid,
            authzid,
            terms,
            ..
        } = self.attempt;
        if terms.protection != Protection::None {
            return ServerStep::refused(Refusal::Unavailable);
        }
        let question = Question::Response {
            mechanism: &DIGEST_MD5,
            authcid: authcid.clone(),
            authzid,
            challenge: self.said.challenge,
            response: self.response,
        };
        ServerStep::Ask(question, Box::new(AwaitChecked(authcid)))
    }
}

impl AwaitAnswer for Judging {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Verifier {
                verifier: Verifier::DigestMd5(hashes),
                verdict,
            } => self.judged(&hashes, verdict),
            Answer::SecretKept => self.ask_check(),
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

struct AwaitChecked(Authcid);

impl AwaitAnswer for AwaitChecked {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            // A client that is not shown our proof gives up (DIG-15): a yes without it is none.
            Answer::Checked {
                verdict: Verdict::Accepted(_),
                proof: None,
            } => ServerStep::refused(Refusal::Unavailable),
            Answer::Checked { verdict, proof } => {
                ServerStep::Done(Outcome::of(&DIGEST_MD5, self.0, verdict).with_final_data(proof))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}
