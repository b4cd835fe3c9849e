//! The directory: whoever knows accounts and answers a mechanism's questions.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_sasl::{Answer, Mechanism, Question};

use super::channel::Channel;
use super::hash::Lane;
use crate::config::network::Network;

/// On whose behalf a question is asked.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The connection.
    pub channel: Channel,
    /// The network the peer is in (IPv4 /24, IPv6 /64), which slow work is fair between.
    pub network: Network,
    /// Whether the peer has succeeded before.
    pub lane: Lane,
    /// The exchange, for a directory that speaks its mechanism itself.
    pub conversation: Conversation,
}

/// What a directory that speaks a mechanism itself keeps from one message of an exchange to the next. It belongs to the exchange
/// and goes with it, however that ends. Clones are the same conversation.
#[derive(Clone, Default)]
pub struct Conversation(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Conversation {
    /// Takes what was kept; `None` at the beginning, and when the last answer was not waited for.
    pub fn resume<T: 'static>(&self) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.and_then(|kept| kept.downcast().ok()).map(|kept| *kept)
    }

    /// Keeps this until the next message.
    pub fn suspend<T: Send + 'static>(&self, state: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(state));
    }
}

/// Nothing of what it holds: keys, maybe.
impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conversation")
    }
}

/// An answer on its way. Dropping it takes the question back.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// A source of accounts and verdicts.
///
/// An answer takes the same path and time for names that exist and names that do not (AUTH-27), and says
/// [`Answer::Unavailable`] for everything that is not a judgement about the client. A directory need not bound its own
/// time: whoever asks does.
pub trait Directory: Send + Sync {
    /// Answers one question.
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a>;

    /// Whether at least one of its accounts could complete this mechanism on such a channel. What none could is not
    /// announced (SCR-19).
    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool;

    /// The realms that its users belong to, in the order to offer them (RFC 2831 §2.1.1).
    fn realms(&self) -> &[String] {
        &[]
    }
}
