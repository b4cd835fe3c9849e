//! The server's side of DIGEST-MD5.
//!
//! States: `AwaitDigest` → asks for the user's hashes → done, with our own proof as final data and the layer that was
//! agreed. Everything that was ours to choose is compared with what came back: nonce, count, protection. A directory that
//! keeps its secrets checks the whole response itself; it cannot key a layer.
//!
//! The service in the `digest-uri` must be ours; the host in it is not compared, because clients put in whatever name or
//! address they connected by (DIG-10). It is in the digest all the same.

use subtle::{Choice, ConstantTimeEq};

use super::directive::Malformed;
use super::keys::{SessionKey, Side, Terms, UserHash};
use super::message::{Challenge, Response, ResponseAuth};
use super::protection::{Cipher, Protection};
use super::{DIGEST_MD5, DigestMd5Hashes, SERVICE, layer};
use crate::identity::{Authcid, Authzid};
use crate::layer::{LayerPolicy, LayerStrength};
use crate::prep;
use crate::server::ServerParams;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, Question, Refusal, ServerStep, Verdict,
};
use crate::verifier::Verifier;

/// The count of a nonce that is used for the first time (RFC 2831 §2.1.2).
const FIRST_USE: &[u8] = b"00000001";

/// An initial response would take up an earlier exchange (RFC 2831 §2.2). None is remembered, so that it is answered like
/// one that has been forgotten: by a new challenge (DIG-20).
pub(super) fn begin(params: ServerParams, _initial_response: Option<&[u8]>) -> ServerStep {
    if params.nonce.is_empty() || !params.nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
        return ServerStep::refused(Refusal::Unavailable);
    }
    let challenge = Challenge::print(&params.realms, &params.nonce, params.layers);
    let state = AwaitDigest {
        nonce: params.nonce,
        layers: params.layers,
        challenge: challenge.clone(),
    };
    ServerStep::Challenge(challenge, Box::new(state))
}

struct AwaitDigest {
    nonce: String,
    layers: LayerPolicy,
    challenge: Vec<u8>,
}

impl AwaitResponse for AwaitDigest {
    fn respond(self: Box<Self>, octets: &[u8]) -> ServerStep {
        match self.read(octets) {
            Ok(attempt) => ServerStep::Ask(attempt.verifier_question(), Box::new(attempt)),
            Err(refusal) => ServerStep::refused(refusal),
        }
    }
}

impl AwaitDigest {
    fn read(self, octets: &[u8]) -> Result<Attempt, Refusal> {
        if octets.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        let response = Response::parse(octets).map_err(|Malformed(_)| Refusal::Malformed)?;
        if response.username.is_empty() {
            return Err(Refusal::CredentialsEmpty);
        }
        if !self.offered(response.protection) || !is_our_service(&response.digest_uri) {
            return Err(Refusal::Malformed);
        }
        // DIG-13, DIG-08.
        let nonce_is_ours = response.nonce.ct_eq(self.nonce.as_bytes());
        if !bool::from(nonce_is_ours) || response.nonce_count != FIRST_USE {
            return Err(Refusal::CredentialsInvalid);
        }
        let authzid = match response.authzid.as_deref() {
            None | Some(b"") => None,
            Some(name) => Some(Authzid::parse(&text(name, true)?)),
        };
        let authcid = Authcid::parse(&text(&response.username, response.utf8)?);
        Ok(Attempt {
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
            challenge: self.challenge,
            response: octets.to_vec(),
        })
    }

    fn offered(&self, protection: Protection) -> bool {
        match protection {
            Protection::None => self.layers.allows(LayerStrength::None),
            Protection::Integrity => self.layers.allows(LayerStrength::Integrity),
            Protection::Confidentiality(cipher) => {
                self.layers.allows(LayerStrength::Confidentiality)
                    && Cipher::allowed(self.layers).any(|allowed| allowed == cipher)
            }
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

/// A well-formed response to our challenge.
struct Attempt {
    authcid: Authcid,
    authzid: Option<Authzid>,
    realm: String,
    digest: [u8; 16],
    /// Largest buffer the client takes.
    maxbuf: u32,
    terms: Terms,
    challenge: Vec<u8>,
    response: Vec<u8>,
}

impl Attempt {
    fn verifier_question(&self) -> Question {
        Question::Verifier {
            mechanism: &DIGEST_MD5,
            authcid: self.authcid.clone(),
            authzid: self.authzid.clone(),
        }
    }

    /// Judges the digest, then hands the verdict on.
    fn judged(self, hashes: &DigestMd5Hashes, verdict: Verdict) -> ServerStep {
        let Some(key) = self.fitting_key(hashes) else {
            return ServerStep::refused(Refusal::CredentialsInvalid);
        };
        let proof = ResponseAuth::print(key.digest(&self.terms, Side::Server));
        let layer = layer::agreed(&key, self.terms.protection, Side::Server, self.maxbuf);
        ServerStep::Done(
            Outcome::of(&DIGEST_MD5, self.authcid, verdict)
                .with_final_data(Some(proof))
                .with_layer(layer),
        )
    }

    /// The session key under which the client's digest is right. All hashes of the realm are tried (DIG-06).
    fn fitting_key(&self, hashes: &DigestMd5Hashes) -> Option<SessionKey> {
        let fits = |user: &UserHash| {
            let key = SessionKey::new(user, &self.terms);
            let right: Choice = key.digest(&self.terms, Side::Client).ct_eq(&self.digest);
            bool::from(right).then_some(key)
        };
        hashes.of_realm(&self.realm).filter_map(fits).last()
    }

    fn ask_check(self) -> ServerStep {
        if self.terms.protection != Protection::None {
            return ServerStep::refused(Refusal::Unavailable);
        }
        let question = Question::Response {
            mechanism: &DIGEST_MD5,
            authcid: self.authcid.clone(),
            authzid: self.authzid,
            challenge: self.challenge,
            response: self.response,
        };
        ServerStep::Ask(question, Box::new(AwaitChecked(self.authcid)))
    }
}

impl AwaitAnswer for Attempt {
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
