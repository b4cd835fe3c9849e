//! The directory: whoever knows accounts and answers a mechanism's questions.

use std::future::Future;
use std::pin::Pin;

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
}
