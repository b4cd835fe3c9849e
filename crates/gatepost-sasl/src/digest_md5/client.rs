//! The client's side of DIGEST-MD5.
//!
//! States: `AwaitFirstChallenge` → asks for the password → `AwaitProof` → outcome. A challenge with `stale=true` instead of the
//! proof is answered once more without asking again (DIG-21). Until the server's proof has been seen to be right, a reported
//! success is an error (DIG-15, AUTH-21).
//!
//! The strongest protection that both sides allow is taken.

use subtle::ConstantTimeEq;

use super::keys::{SessionKey, Side, Terms, UserHash, down_converted, latin_1, user_hash};
use super::message::{Challenge, Response, ResponseAuth};
use super::protection::{Cipher, Protection};
use super::{MAXBUF, SERVICE, layer};
use crate::client::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientParams, ClientQuestion,
    ClientStep, ClientSuccess,
};
use crate::identity::{Authcid, Authzid};
use crate::layer::{LayerPolicy, LayerStrength, SecurityLayer};
use crate::prep;

pub(super) fn begin(params: ClientParams) -> ClientStep {
    // Names that SASLprep refuses go as they are: RFC 2831 knows nothing of it.
    let prepared = |name: &str| prep::saslprep_query(name).unwrap_or_else(|_| name.to_owned());
    let authcid = prepared(&params.authcid);
    let authzid = params
        .authzid
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(prepared);
    if Authcid::parse(&authcid).is_err()
        || authzid
            .as_deref()
            .is_some_and(|name| Authzid::parse(name).is_err())
    {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    if params.nonce.is_empty() || !params.nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
        return ClientStep::Abort(ClientFault::NonceUnusable);
    }
    ClientStep::Wait(Box::new(AwaitFirstChallenge(User {
        authcid,
        authzid,
        cnonce: params.nonce,
        digest_uri: format!("{SERVICE}/{}", params.host),
        layers: params.layers,
    })))
}

/// What stays the same, whatever the server asks.
struct User {
    authcid: String,
    authzid: Option<String>,
    cnonce: String,
    digest_uri: String,
    layers: LayerPolicy,
}

struct AwaitFirstChallenge(User);

impl AwaitChallenge for AwaitFirstChallenge {
    fn challenge(self: Box<Self>, octets: &[u8]) -> ClientStep {
        match Choice::of(self.0, octets) {
            Ok(choice) => ClientStep::Ask(ClientQuestion::Password, Box::new(choice)),
            Err(fault) => ClientStep::Abort(fault),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

/// What we take of what the server offers.
struct Choice {
    user: User,
    challenge: Challenge,
    /// Empty if the server names none.
    realm: Vec<u8>,
    protection: Protection,
}

impl Choice {
    fn of(user: User, octets: &[u8]) -> Result<Self, ClientFault> {
        let challenge = Challenge::parse(octets)?;
        Ok(Self {
            realm: realm(&user.authcid, &challenge),
            protection: protection(user.layers, &challenge)?,
            user,
            challenge,
        })
    }

    /// The octets in which a text of ours is sent, and those in which it is hashed (DIG-06).
    fn encoded(&self, text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.challenge.utf8 {
            return Some((text.as_bytes().to_vec(), down_converted(text).to_vec()));
        }
        let octets = latin_1(text)?.to_vec();
        Some((octets.clone(), octets))
    }

    /// `H(user:realm:password)` and the user name as it is sent.
    fn user(&self, password: &[u8]) -> Result<(UserHash, Vec<u8>), ClientFault> {
        let (sent, username) = self
            .encoded(&self.user.authcid)
            .ok_or(ClientFault::NameUnusable)?;
        let password = prep::key_password(password);
        let password = match std::str::from_utf8(password.expose()) {
            Ok(text) if self.challenge.utf8 => down_converted(text),
            Ok(text) => latin_1(text).ok_or(ClientFault::PasswordUnusable)?,
            Err(_) => password.expose().to_vec().into(),
        };
        let realm = match std::str::from_utf8(&self.realm) {
            Ok(text) if self.challenge.utf8 => down_converted(text),
            _ => self.realm.clone().into(),
        };
        Ok((user_hash(&username, &realm, &password), sent))
    }

    /// Answers the challenge.
    fn respond(self, (hash, username): (UserHash, Vec<u8>), last: bool) -> ClientStep {
        let terms = Terms {
            nonce: self.challenge.nonce,
            cnonce: self.user.cnonce.clone().into_bytes(),
            nonce_count: b"00000001".to_vec(),
            protection: self.protection,
            digest_uri: self.user.digest_uri.clone().into_bytes(),
            authzid: self.user.authzid.clone().map(String::into_bytes),
        };
        let key = SessionKey::new(&hash, &terms);
        let message = Response {
            username: username.clone(),
            realm: self.realm.clone(),
            nonce: terms.nonce.clone(),
            cnonce: terms.cnonce.clone(),
            nonce_count: terms.nonce_count.clone(),
            protection: terms.protection,
            maxbuf: MAXBUF,
            digest_uri: terms.digest_uri.clone(),
            digest: key.digest(&terms, Side::Client),
            authzid: terms.authzid.clone(),
            utf8: self.challenge.utf8,
        }
        .print();
        let state = AwaitProof {
            proof: key.digest(&terms, Side::Server),
            layer: layer::agreed(&key, terms.protection, Side::Client, self.challenge.maxbuf),
            again: (!last).then_some(Again {
                user: self.user,
                realm: self.realm,
                utf8: self.challenge.utf8,
                hash,
                username,
            }),
        };
        ClientStep::respond(message, state)
    }
}

impl AwaitClientAnswer for Choice {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if password.expose().is_empty() {
            return ClientStep::Abort(ClientFault::PasswordUnusable);
        }
        match self.user(password.expose()) {
            Ok(user) => self.respond(user, false),
            Err(fault) => ClientStep::Abort(fault),
        }
    }
}

/// DIG-04: the one that is the user's domain, else the first, else the empty one.
fn realm(authcid: &str, challenge: &Challenge) -> Vec<u8> {
    let domain = authcid
        .rsplit_once('@')
        .map(|(_, domain)| domain.as_bytes());
    let is_domain =
        |realm: &&Vec<u8>| domain.is_some_and(|domain| realm.eq_ignore_ascii_case(domain));
    let own = challenge.realms.iter().find(is_domain);
    own.or(challenge.realms.first())
        .cloned()
        .unwrap_or_default()
}

/// The strongest protection that both sides allow (LAYER-08).
fn protection(ours: LayerPolicy, challenge: &Challenge) -> Result<Protection, ClientFault> {
    // RC4 first, where there is nothing to choose between it and 3DES: Cyrus SASL with OpenSSL 3 offers 3DES and then cannot
    // do it.
    let cipher = Cipher::allowed(ours)
        .filter(|cipher| challenge.ciphers.contains(cipher))
        .min_by_key(|cipher| *cipher != Cipher::Rc4);
    LayerStrength::ALL
        .into_iter()
        .rev()
        .filter(|strength| ours.allows(*strength) && challenge.strengths.contains(strength))
        .find_map(|strength| match strength {
            LayerStrength::None => Some(Protection::None),
            LayerStrength::Integrity => Some(Protection::Integrity),
            LayerStrength::Confidentiality => cipher.map(Protection::Confidentiality),
        })
        .filter(|protection| challenge.maxbuf as usize > protection.overhead())
        .ok_or(ClientFault::LayerUnavailable)
}

struct AwaitProof {
    /// What the server must show.
    proof: [u8; 16],
    layer: Option<Box<dyn SecurityLayer>>,
    /// What is needed to answer a fresh nonce; once.
    again: Option<Again>,
}

struct Again {
    user: User,
    realm: Vec<u8>,
    utf8: bool,
    hash: UserHash,
    username: Vec<u8>,
}

impl AwaitChallenge for AwaitProof {
    fn challenge(self: Box<Self>, octets: &[u8]) -> ClientStep {
        match (ResponseAuth::parse(octets), self.again) {
            (Ok(proof), _) if proof.ct_eq(&self.proof).into() => {
                let state = Proven {
                    layer: self.layer,
                    may_repeat: true,
                };
                ClientStep::respond(Vec::new(), state)
            }
            (Ok(_), _) => ClientStep::Abort(ClientFault::ServerNotProven),
            (Err(_), Some(again)) if is_stale(octets) => again.respond(octets),
            (Err(malformed), _) => ClientStep::Abort(malformed.into()),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

fn is_stale(octets: &[u8]) -> bool {
    Challenge::parse(octets).is_ok_and(|challenge| challenge.stale)
}

impl Again {
    /// Answers a fresh nonce with the hash we have; it fits only the same realm in the same character set.
    fn respond(self, octets: &[u8]) -> ClientStep {
        match Choice::of(self.user, octets) {
            Ok(choice) if choice.realm == self.realm && choice.challenge.utf8 == self.utf8 => {
                choice.respond((self.hash, self.username), true)
            }
            Ok(_) => ClientStep::Abort(ClientFault::Malformed("realm")),
            Err(fault) => ClientStep::Abort(fault),
        }
    }
}

/// The server has shown that it knows the password.
struct Proven {
    layer: Option<Box<dyn SecurityLayer>>,
    /// Some servers want one more, empty message before they give their verdict (AUTH-22).
    may_repeat: bool,
}

impl AwaitChallenge for Proven {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        if challenge.is_empty() && self.may_repeat {
            let state = Self {
                layer: self.layer,
                may_repeat: false,
            };
            return ClientStep::respond(Vec::new(), state);
        }
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess { layer: self.layer })
    }
}
