//! What a server exchange is given at its beginning, how one begins whose client speaks first, and the states several mechanisms share.

use std::sync::Arc;

use crate::channel_binding::ChannelBindings;
use crate::digest_md5::ResumableExchanges;
use crate::identity::Authcid;
use crate::layer::LayerPolicy;
use crate::mechanism::Mechanism;
use crate::step::{Answer, AwaitAnswer, AwaitResponse, Outcome, Refusal, ServerStep};

/// Longest password in octets that a mechanism passes on. RFC 4616 §2 asks for at least 255.
pub(crate) const MAX_PASSWORD_OCTETS: usize = 1024;

/// Facts about the connection, and the randomness, for one server exchange.
#[derive(Debug, Clone, Default)]
pub struct ServerParams {
    /// Our host name, as in CRAM-MD5's `<nonce@host>`.
    pub host: String,
    /// Fresh from a CSPRNG, at least 128 bits, printable ASCII without `,` `<` `>` `@`. Drawn by the driver, so that a
    /// published exchange can be replayed.
    pub nonce: String,
    /// What this connection can be bound by.
    pub channel_bindings: ChannelBindings,
    /// The channel-binding form of the mechanism (`-PLUS`) was announced on this connection (RFC 5802 §6).
    pub plus_offered: bool,
    /// Old clients write their name as the authzid and leave the authcid empty, which RFC 4616 §2 forbids. With this set,
    /// such a message is read as if the name stood in the place of the authcid; without, it is refused.
    pub authzid_without_authcid: bool,
    /// The realms whose users the directory knows, in the order to offer them (RFC 2831 §2.1.1).
    pub realms: Vec<String>,
    /// Which security layers may be agreed on: none inside TLS, unless it is asked for (LAYER-07).
    pub layers: LayerPolicy,
    /// Exchanges that clients may take up again (RFC 2831 §2.2); without it, none.
    pub resumable: Option<Arc<dyn ResumableExchanges>>,
}

/// Begins an exchange whose client speaks first: with its initial response, or asked for by an empty challenge (RFC 4954 §4).
pub(crate) fn client_first(
    initial_response: Option<&[u8]>,
    check: impl FnOnce(&[u8]) -> ServerStep + Send + 'static,
) -> ServerStep {
    match initial_response {
        Some(message) => check(message),
        None => ServerStep::Challenge(Vec::new(), Box::new(AwaitFirstMessage(check))),
    }
}

struct AwaitFirstMessage<F>(F);

impl<F: FnOnce(&[u8]) -> ServerStep + Send> AwaitResponse for AwaitFirstMessage<F> {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        (self.0)(response)
    }
}

/// Waits for a directory that knows what the mechanism does not: who it is.
pub(crate) struct AwaitGrant {
    pub(crate) mechanism: &'static Mechanism,
}

impl AwaitAnswer for AwaitGrant {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Verdict(verdict) => {
                ServerStep::Done(Outcome::named_by_grant(self.mechanism, verdict))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

/// Waits for the directory to judge a password.
pub(crate) struct AwaitVerdict {
    pub(crate) mechanism: &'static Mechanism,
    pub(crate) authcid: Authcid,
}

impl AwaitAnswer for AwaitVerdict {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Verdict(verdict) => {
                ServerStep::Done(Outcome::of(self.mechanism, self.authcid, verdict))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}
