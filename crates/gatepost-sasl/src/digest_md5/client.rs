//! The client's side of DIGEST-MD5.
//!
//! States: `AwaitFirstChallenge` → asks for the password → `AwaitProof` → outcome. A challenge with `stale=true` instead of the
//! proof is answered once more without asking again (DIG-21). Until the server's proof has been seen to be right, a reported
//! success is an error (DIG-15, AUTH-21). A client that has a [`DigestMd5Session`] of this server begins in `session`.
//!
//! The strongest protection that both sides allow is taken.

use subtle::ConstantTimeEq;

use super::keys::{SessionKey, Side, Terms, UserHash, down_converted, latin_1, user_hash};
use super::message::{Challenge, Response, ResponseAuth};
use super::protection::{Cipher, Protection};
use super::session::{self, DigestMd5Session, Nonces};
use super::{FIRST_USE, MAXBUF, SERVICE, layer};
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
    let user = User {
        identity: Identity {
            authcid,
            authzid,
            digest_uri: format!("{SERVICE}/{}", params.host),
            realm: params.realm,
            layers: params.layers,
        },
        cnonce: params.nonce,
        session: params.digest_md5_session,
    };
    if params.initial_response {
        return session::begin(user);
    }
    wait(user)
}

/// The server begins.
pub(super) fn wait(user: User) -> ClientStep {
    ClientStep::Wait(Box::new(AwaitFirstChallenge(user)))
}

/// What stays the same, whatever the server asks.
pub(super) struct User {
    pub(super) identity: Identity,
    cnonce: String,
    pub(super) session: Option<DigestMd5Session>,
}

/// Who, where, and on what conditions: an exchange is taken up again only by the same.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    authcid: String,
    authzid: Option<String>,
    digest_uri: String,
    /// The realm to take, if it is not to be found in the challenge.
    realm: Option<String>,
    pub(super) layers: LayerPolicy,
}

impl Identity {
    /// Everything that goes into the digests but the secret.
    pub(super) fn terms(&self, nonces: Nonces, protection: Protection) -> Terms {
        Terms {
            nonce: nonces.nonce,
            cnonce: nonces.cnonce,
            nonce_count: format!("{:08x}", nonces.count).into_bytes(),
            protection,
            digest_uri: self.digest_uri.clone().into_bytes(),
            authzid: self.authzid.clone().map(String::into_bytes),
        }
    }
}

struct AwaitFirstChallenge(User);

impl AwaitChallenge for AwaitFirstChallenge {
    fn challenge(self: Box<Self>, octets: &[u8]) -> ClientStep {
        match Choice::of(self.0, octets) {
            Ok(choice) => choice.ask(),
            Err(fault) => ClientStep::Abort(fault),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

/// How the server wants names and password to be hashed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Manner {
    /// Empty if the server names none.
    pub(super) realm: Vec<u8>,
    /// Otherwise ISO-8859-1.
    pub(super) utf8: bool,
}

impl Manner {
    /// The octets in which a text of ours is sent, and those in which it is hashed (DIG-06).
    fn encoded(&self, text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.utf8 {
            return Some((text.as_bytes().to_vec(), down_converted(text).to_vec()));
        }
        let octets = latin_1(text)?.to_vec();
        Some((octets.clone(), octets))
    }

    /// `H(user:realm:password)` and the user name as it is sent.
    pub(super) fn credentials(
        &self,
        identity: &Identity,
        password: &[u8],
    ) -> Result<Credentials, ClientFault> {
        if password.is_empty() {
            return Err(ClientFault::PasswordUnusable);
        }
        let (sent, username) = self
            .encoded(&identity.authcid)
            .ok_or(ClientFault::NameUnusable)?;
        let password = prep::key_password(password);
        let password = match std::str::from_utf8(password.expose()) {
            Ok(text) if self.utf8 => down_converted(text),
            Ok(text) => latin_1(text).ok_or(ClientFault::PasswordUnusable)?,
            Err(_) => password.expose().to_vec().into(),
        };
        let realm = match std::str::from_utf8(&self.realm) {
            Ok(text) if self.utf8 => down_converted(text),
            _ => self.realm.clone().into(),
        };
        Ok(Credentials {
            manner: self.clone(),
            hash: user_hash(&username, &realm, &password),
            username: sent,
        })
    }
}

/// What proves the user, in the manner it was made for.
pub(super) struct Credentials {
    pub(super) manner: Manner,
    hash: UserHash,
    username: Vec<u8>,
}

impl Credentials {
    /// The response on these terms, and the key of the exchange.
    pub(super) fn respond(&self, terms: &Terms) -> (Vec<u8>, SessionKey) {
        let key = SessionKey::new(&self.hash, terms);
        let message = Response {
            username: self.username.clone(),
            realm: self.manner.realm.clone(),
            nonce: terms.nonce.clone(),
            cnonce: terms.cnonce.clone(),
            nonce_count: terms.nonce_count.clone(),
            protection: terms.protection,
            maxbuf: MAXBUF,
            digest_uri: terms.digest_uri.clone(),
            digest: key.digest(terms, Side::Client),
            authzid: terms.authzid.clone(),
            utf8: self.manner.utf8,
        };
        (message.print(), key)
    }
}

/// What we take of what the server offers.
pub(super) struct Choice {
    user: User,
    challenge: Challenge,
    realm: Vec<u8>,
    protection: Protection,
}

impl Choice {
    pub(super) fn of(user: User, octets: &[u8]) -> Result<Self, ClientFault> {
        let challenge = Challenge::parse(octets)?;
        Ok(Self {
            realm: realm(&user.identity, &challenge),
            protection: protection(user.identity.layers, &challenge)?,
            user,
            challenge,
        })
    }

    pub(super) fn ask(self) -> ClientStep {
        ClientStep::Ask(ClientQuestion::Password, Box::new(self))
    }

    /// Whether these credentials serve, and the server says that they are right (DIG-21).
    pub(super) fn takes(&self, credentials: &Credentials) -> bool {
        self.challenge.stale && self.manner() == credentials.manner
    }

    fn manner(&self) -> Manner {
        Manner {
            realm: self.realm.clone(),
            utf8: self.challenge.utf8,
        }
    }

    /// Answers the challenge. `last`: not once more, whatever the server says of its nonce.
    pub(super) fn respond(self, credentials: Credentials, last: bool) -> ClientStep {
        let nonces = Nonces {
            nonce: self.challenge.nonce,
            cnonce: self.user.cnonce.clone().into_bytes(),
            count: FIRST_USE,
        };
        let terms = self.user.identity.terms(nonces, self.protection);
        let (message, key) = credentials.respond(&terms);
        let proof = key.digest(&terms, Side::Server);
        let layer = layer::agreed(&key, terms.protection, Side::Client, self.challenge.maxbuf);
        let state = AwaitProof {
            proof,
            layer,
            terms,
            user: self.user,
            credentials,
            last,
        };
        ClientStep::respond(message, state)
    }
}

impl AwaitClientAnswer for Choice {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        let manner = self.manner();
        match manner.credentials(&self.user.identity, password.expose()) {
            Ok(credentials) => self.respond(credentials, false),
            Err(fault) => ClientStep::Abort(fault),
        }
    }
}

/// DIG-04: the one that was asked for, else the one that is the user's domain, else the first, else the empty one.
fn realm(identity: &Identity, challenge: &Challenge) -> Vec<u8> {
    let offered = |name: &str| {
        let realms = challenge.realms.iter();
        realms
            .filter(|realm| realm.eq_ignore_ascii_case(name.as_bytes()))
            .map(Vec::clone)
            .next()
    };
    if let Some(wanted) = &identity.realm {
        return offered(wanted).unwrap_or_else(|| wanted.clone().into_bytes());
    }
    let domain = identity.authcid.rsplit_once('@');
    let own = domain.and_then(|(_, domain)| offered(domain));
    own.or_else(|| challenge.realms.first().cloned())
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
    terms: Terms,
    user: User,
    credentials: Credentials,
    last: bool,
}

impl AwaitChallenge for AwaitProof {
    fn challenge(self: Box<Self>, octets: &[u8]) -> ClientStep {
        match ResponseAuth::parse(octets) {
            Ok(proof) if proof.ct_eq(&self.proof).into() => {
                if let Some(session) = &self.user.session {
                    session.keep(&self.user.identity, &self.credentials.manner, &self.terms);
                }
                proven(self.layer)
            }
            Ok(_) => ClientStep::Abort(ClientFault::ServerNotProven),
            Err(_) if !self.last && is_stale(octets) => self.again(octets),
            Err(malformed) => ClientStep::Abort(malformed.into()),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

impl AwaitProof {
    /// Answers a fresh nonce with the hash we have; it fits only the same realm in the same character set.
    fn again(self, octets: &[u8]) -> ClientStep {
        match Choice::of(self.user, octets) {
            Ok(choice) if choice.takes(&self.credentials) => choice.respond(self.credentials, true),
            Ok(_) => ClientStep::Abort(ClientFault::Malformed("realm")),
            Err(fault) => ClientStep::Abort(fault),
        }
    }
}

fn is_stale(octets: &[u8]) -> bool {
    Challenge::parse(octets).is_ok_and(|challenge| challenge.stale)
}

/// The server's proof is right: acknowledges it.
pub(super) fn proven(layer: Option<Box<dyn SecurityLayer>>) -> ClientStep {
    let state = Proven {
        layer,
        may_repeat: true,
    };
    ClientStep::respond(Vec::new(), state)
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
