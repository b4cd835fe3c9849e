//! The contract between a mechanism on the client side and whoever drives it.
//!
//! As on the server side, a mechanism only returns what to do next: send this response, wait for the server, answer this
//! question, or give up. When the server reports success, the driver asks [`AwaitChallenge::succeeded`]: the mechanism
//! has the last word, because a server may claim success without having proven anything (RFC 5802 §3).
//!
//! States consume themselves. To cancel, drop the state and send `*`.

use std::fmt;

use crate::channel_binding::ChannelBindings;
use crate::digest_md5::DigestMd5Session;
use crate::layer::{LayerPolicy, SecurityLayer};
use crate::mechanism::Mechanism;
use crate::scram::derive::Derivation;
use crate::secret::Secret;
use crate::verifier::{MAX_SCRAM_ITERATIONS, MIN_SCRAM_ITERATIONS};

/// Names, facts about the connection, and the randomness, for one client exchange.
#[derive(Debug, Clone)]
pub struct ClientParams {
    /// Whose credentials.
    pub authcid: String,
    /// Whom to act as; `None` = as ourselves.
    pub authzid: Option<String>,
    /// The server's host name as the user knows it.
    pub host: String,
    /// The port of the connection, if it is to be told the server: OAUTHBEARER does.
    pub port: Option<u16>,
    /// Fresh from a CSPRNG, at least 128 bits, printable ASCII without `,`.
    pub nonce: String,
    /// What this connection can be bound by. Leave it empty in a client that would not choose a `-PLUS` form.
    pub channel_bindings: ChannelBindings,
    /// The server announces the channel-binding form of the mechanism (`-PLUS`).
    pub plus_offered: bool,
    /// The driver is going to put the first response on the AUTH line. LOGIN cares: without it the server's first
    /// prompt comes first; and DIGEST-MD5, which takes up an earlier exchange only so.
    pub initial_response: bool,
    /// Fewest SCRAM iterations to accept (RFC 7677 §4).
    pub min_iterations: u32,
    /// Most SCRAM iterations to accept: the server chooses them, we pay (RFC 5802 §9).
    pub max_iterations: u32,
    /// Which security layers to agree on: none inside TLS (LAYER-08).
    pub layers: LayerPolicy,
    /// The realm to authenticate in. `None` = the domain of the user name if the server offers it, else the first it offers (RFC 2831
    /// §2.1.2).
    pub realm: Option<String>,
    /// The memory of DIGEST-MD5's exchanges with this server, by which the next one is shorter (RFC 2831 §2.2).
    pub digest_md5_session: Option<DigestMd5Session>,
}

impl ClientParams {
    /// An exchange for `authcid` acting as himself, without channel binding and security layer, with the default bounds on
    /// iterations.
    pub fn new(
        authcid: impl Into<String>,
        host: impl Into<String>,
        nonce: impl Into<String>,
    ) -> Self {
        Self {
            authcid: authcid.into(),
            authzid: None,
            host: host.into(),
            port: None,
            nonce: nonce.into(),
            channel_bindings: ChannelBindings::default(),
            plus_offered: false,
            initial_response: false,
            min_iterations: MIN_SCRAM_ITERATIONS,
            max_iterations: MAX_SCRAM_ITERATIONS,
            layers: LayerPolicy::NEVER,
            realm: None,
            digest_md5_session: None,
        }
    }
}

/// What the driver of a client exchange does next.
pub enum ClientStep {
    /// Send these octets; they can hold the password. As the very first step they are the initial response, or the answer to an
    /// empty challenge.
    Respond(Secret, Box<dyn AwaitChallenge>),
    /// The server speaks first: begin without an initial response.
    Wait(Box<dyn AwaitChallenge>),
    /// Answer this and hand the answer to the state.
    Ask(ClientQuestion, Box<dyn AwaitClientAnswer>),
    /// Cancel: the exchange cannot succeed, or must not.
    Abort(ClientFault),
}

impl ClientStep {
    /// Send these octets, whose memory is taken over and wiped, and hand the server's challenge to `state`.
    pub fn respond(octets: impl Into<Vec<u8>>, state: impl AwaitChallenge + 'static) -> Self {
        Self::Respond(Secret::new(octets), Box::new(state))
    }
}

impl fmt::Debug for ClientStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(octets, _) => write!(f, "Respond({} octets)", octets.expose().len()),
            Self::Wait(_) => f.write_str("Wait"),
            Self::Ask(question, _) => f.debug_tuple("Ask").field(question).finish(),
            Self::Abort(fault) => f.debug_tuple("Abort").field(fault).finish(),
        }
    }
}

/// A client exchange that waits for the server.
pub trait AwaitChallenge: Send {
    /// Takes the server's decoded challenge.
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep;

    /// The server reported success. Says whether it may: `Err` means that it has not proven what it must prove, and the
    /// connection is to be dropped.
    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault>;

    /// The server reported failure. Says what it told of the reason inside of the exchange, if anything.
    fn refused(self: Box<Self>) -> Option<ClientFault> {
        None
    }
}

/// A client exchange that waits for its own side.
pub trait AwaitClientAnswer: Send {
    /// Takes the answer to the question asked.
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep;
}

/// What a client mechanism needs from its own side.
#[derive(Debug, Clone)]
pub enum ClientQuestion {
    /// The password. Answer: [`ClientAnswer::Password`].
    Password,
    /// The bearer token. Answer: [`ClientAnswer::Token`].
    Token,
    /// A slow key derivation. Answer: [`ClientAnswer::Derived`].
    Derive(Derivation),
    /// The server's message: what do I say next? Answer: [`ClientAnswer::PassThrough`].
    PassThrough {
        /// The mechanism that our own side speaks.
        mechanism: &'static Mechanism,
        /// The server's host name as the user knows it.
        host: String,
        /// Whom to act as; `None` = as ourselves.
        authzid: Option<String>,
        /// Which security layers to agree on.
        layers: LayerPolicy,
        /// The server's message; `None` = we speak first.
        message: Option<Vec<u8>>,
    },
}

/// The answer to a [`ClientQuestion`].
#[derive(Debug)]
pub enum ClientAnswer {
    /// To `Password`: the octets as the user gave them, not prepared.
    Password(Secret),
    /// To `Token`.
    Token(Secret),
    /// To `Derive`: what [`Derivation`] yields.
    Derived(Secret),
    /// To `PassThrough`.
    PassThrough(ClientPassThroughStep),
    /// It cannot be had (cancelled, out of time).
    Unavailable,
}

/// What our own side, which speaks the mechanism itself, wants to happen.
pub enum ClientPassThroughStep {
    /// Send this response and come back with the challenge.
    Respond(Vec<u8>),
    /// Send this response; after it the server may report success.
    Last {
        /// The response.
        response: Vec<u8>,
        /// The security layer agreed on.
        layer: Option<Box<dyn SecurityLayer>>,
    },
    /// Cancel.
    Abort(ClientFault),
}

impl fmt::Debug for ClientPassThroughStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(octets) => write!(f, "Respond({} octets)", octets.len()),
            Self::Last { response, .. } => write!(f, "Last({} octets)", response.len()),
            Self::Abort(fault) => f.debug_tuple("Abort").field(fault).finish(),
        }
    }
}

/// A client exchange that succeeded.
#[derive(Default)]
pub struct ClientSuccess {
    /// Protection that begins with the first octet after the server's success reply, in both directions.
    pub layer: Option<Box<dyn SecurityLayer>>,
}

impl fmt::Debug for ClientSuccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSuccess")
            .field("layer", &self.layer.as_ref().map(|layer| layer.describe()))
            .finish()
    }
}

/// Why a client gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFault {
    /// Our own user name cannot be sent in this mechanism.
    NameUnusable,
    /// Our own nonce is empty or not printable: a fault of the driver.
    NonceUnusable,
    /// Our own password cannot be sent in this mechanism.
    PasswordUnusable,
    /// Our own token cannot be sent: it is empty, or not printable.
    TokenUnusable,
    /// The question was not answered: the secret or the derived key is not to be had.
    Unavailable,
    /// Our own side, which speaks the mechanism itself, cannot go on: no ticket, or the server's message is not valid. The
    /// text says which.
    Context(String),
    /// The mechanism binds the channel and this connection offers nothing to bind to.
    BindingUnavailable,
    /// The server offers no protection of the connection that we may agree to.
    LayerUnavailable,
    /// The server's message is not one of this mechanism; the text says which part.
    Malformed(&'static str),
    /// The server says something after the exchange was over.
    UnexpectedChallenge,
    /// The server's nonce does not continue ours (RFC 5802 §5.1).
    NonceMismatch,
    /// The server asks for this many iterations, outside of the bounds.
    IterationsOutOfBounds(u64),
    /// The server refuses the proof: the password is wrong (`e=invalid-proof`, `e=unknown-user`).
    ProofRefused,
    /// The server refuses the token; the status of its error document, one word, such as `invalid_token` or `401`.
    TokenRefused(String),
    /// The server ends the exchange with another error value of RFC 5802 §7.
    ServerError(&'static str),
    /// The server claims success without having shown that it knows the password. Drop the connection.
    ServerNotProven,
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameUnusable => f.write_str("the user name cannot be used with this mechanism"),
            Self::NonceUnusable => f.write_str("the nonce is empty or not printable"),
            Self::PasswordUnusable => {
                f.write_str("the password cannot be used with this mechanism")
            }
            Self::TokenUnusable => f.write_str("the token is empty or not printable"),
            Self::Unavailable => f.write_str("the secret is not available"),
            Self::Context(why) => write!(f, "the security context cannot be established: {why}"),
            Self::BindingUnavailable => f.write_str("the connection offers no channel binding"),
            Self::LayerUnavailable => {
                f.write_str("the server offers no security layer that may be agreed to")
            }
            Self::Malformed(what) => write!(f, "the server's message is malformed: {what}"),
            Self::UnexpectedChallenge => {
                f.write_str("the server goes on after the exchange was over")
            }
            Self::NonceMismatch => f.write_str("the server's nonce does not continue the client's"),
            Self::IterationsOutOfBounds(n) => write!(
                f,
                "the server asks for {n} iterations, which is out of bounds"
            ),
            Self::ProofRefused => f.write_str("the server refuses the user name or password"),
            Self::TokenRefused(status) if status.is_empty() => {
                f.write_str("the server refuses the token")
            }
            Self::TokenRefused(status) => write!(f, "the server refuses the token: {status}"),
            Self::ServerError("channel-bindings-dont-match") => f.write_str(
                "the server sees another TLS connection than ours; somebody may stand between",
            ),
            Self::ServerError("server-does-support-channel-binding") => f.write_str(
                "the server offers channel binding and its announcement did not; somebody may stand between",
            ),
            Self::ServerError(value) => write!(f, "the server ends the exchange: {value}"),
            Self::ServerNotProven => {
                f.write_str("the server did not prove knowledge of the password")
            }
        }
    }
}

impl std::error::Error for ClientFault {}

/// Everything is said; only the server's verdict is missing.
pub(crate) struct AwaitOutcome;

impl AwaitChallenge for AwaitOutcome {
    fn challenge(self: Box<Self>, _challenge: &[u8]) -> ClientStep {
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

/// As [`AwaitOutcome`], where the last message showed no password: some servers want one more, empty message before they
/// give their verdict (AUTH-22).
pub(crate) struct AwaitOutcomeOrEmpty;

impl AwaitChallenge for AwaitOutcomeOrEmpty {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        if challenge.is_empty() {
            return ClientStep::respond(Vec::new(), AwaitOutcome);
        }
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::{self, Needs, VerifierKind};
    use crate::pairing::knows;

    proptest::proptest! {
        /// Whatever a server says to a client, the exchange ends without panic, and SCRAM without success (AUTH-21).
        #[test]
        fn no_noise_is_a_server(
            which in 0..mechanism::ALL.len(),
            challenges in proptest::collection::vec(
                "\\PC{0,30}|[a-zA-Z0-9=+/,\u{0} ]{0,40}|r=n[a-z]{0,4},s=[A-Z]{4},i=(1|4096|4097|99999999999)|[ve]=[A-Za-z0-9+/]{43}=",
                1..4,
            ),
        ) {
            let mechanism = mechanism::ALL[which];
            let user = knows("pencil");
            let mut challenges = challenges.iter();
            let mut step = (mechanism.client)(ClientParams::new("user", "h", "n"));
            for _ in 0..20 {
                step = match step {
                    ClientStep::Ask(question, state) => state.answer(user(question)),
                    ClientStep::Abort(_) => return Ok(()),
                    ClientStep::Respond(_, state) | ClientStep::Wait(state) => {
                        let Some(challenge) = challenges.next() else {
                            let believed = state.succeeded().is_ok();
                            let proves_itself =
                                matches!(mechanism.needs, Needs::Verifier(VerifierKind::Scram(_)));
                            proptest::prop_assert!(!(believed && proves_itself));
                            return Ok(());
                        };
                        state.challenge(challenge.as_bytes())
                    }
                };
            }
            proptest::prop_assert!(false, "the exchange does not end: {:?}", step);
        }
    }

    #[test]
    fn faults_are_told_in_full_sentences_without_the_peers_words() {
        for fault in [
            ClientFault::NameUnusable,
            ClientFault::NonceUnusable,
            ClientFault::PasswordUnusable,
            ClientFault::TokenUnusable,
            ClientFault::TokenRefused("invalid_token".to_owned()),
            ClientFault::TokenRefused(String::new()),
            ClientFault::Unavailable,
            ClientFault::Context("no ticket".to_owned()),
            ClientFault::BindingUnavailable,
            ClientFault::LayerUnavailable,
            ClientFault::Malformed("nonce"),
            ClientFault::UnexpectedChallenge,
            ClientFault::NonceMismatch,
            ClientFault::IterationsOutOfBounds(7),
            ClientFault::ProofRefused,
            ClientFault::ServerError("other-error"),
            ClientFault::ServerError("channel-bindings-dont-match"),
            ClientFault::ServerError("server-does-support-channel-binding"),
            ClientFault::ServerNotProven,
        ] {
            assert!(fault.to_string().starts_with("the "), "{fault}");
        }
    }
}
