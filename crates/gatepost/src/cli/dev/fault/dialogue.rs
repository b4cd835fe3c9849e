//! Faults of speaking: what a session replies in an exchange, changed on its way to the client.
//!
//! Follows the dialogue from outside: each line of the client is answered by one reply, in order, until an exchange has succeeded;
//! behind that nothing is looked at any more, so that content and security layers pass as they are. Before it, the client can only
//! send command lines and responses.
//!
//! ```text
//!   Commands ── reply to AUTH ──> Exchange ── any but 334 ──> Commands | Over (235)
//!                                    │ a challenge of our own was sent
//!                                    └──> Interlude ── the client's line ──> as before
//! ```
//!
//! A client that sends a command behind an exchange without waiting (PIPELINING) gets its replies in order, but its next line counts as
//! the answer to a challenge of our own.

use std::collections::VecDeque;
use std::sync::Arc;

use gatepost_sasl::{Mechanism, mechanism};
use gatepost_smtp::ReplyCode;
use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::ServerSession;
use gatepost_smtp::short_id::SessionId;

use super::change::{challenge, changed, content, is_proof};
use super::kind::{Act, Step};
use super::{Fault, Faults};
use crate::net::interposer::{Deed, Interposer, Relayed};

/// Octets of a client's line that are looked at: an AUTH command with its mechanism, or `*`.
const LINE_LENGTH: usize = 64;

/// SCRAM's error message (RFC 5802 §7).
const SERVER_ERROR: &[u8] = b"e=other-error";

/// One connection's dialogue.
pub(super) struct Dialogue {
    faults: Arc<Faults>,
    session: SessionId,
    greeted: bool,
    /// The beginning of the client's line, as far as it has come.
    line: Vec<u8>,
    /// Lines that are not answered yet, with the mechanism of those that begin an exchange.
    unanswered: VecDeque<Option<&'static Mechanism>>,
    exchange: Option<Exchange>,
    interlude: Option<Interlude>,
    /// The next reply becomes a refusal.
    refusing: bool,
    /// An exchange has succeeded.
    over: bool,
}

/// An exchange under way.
struct Exchange {
    mechanism: &'static Mechanism,
    replies: u8,
    challenged: bool,
}

/// The client answers a challenge of which the session knows nothing.
enum Interlude {
    /// These replies follow.
    Held(Vec<u8>),
    /// A refusal follows.
    Refusal,
}

/// A reply of an exchange, by all that it may be called.
pub(super) struct Moment {
    pub(super) mechanism: &'static Mechanism,
    number: u8,
    /// What the challenge says; none at the outcome.
    content: Option<Vec<u8>>,
    first_content: bool,
}

impl Moment {
    pub(super) fn is(&self, step: Step) -> bool {
        match step {
            Step::Reply(number) => number == self.number,
            Step::Challenge => self.first_content,
            Step::Final => self.content.as_deref().is_some_and(is_proof),
            Step::Outcome => self.content.is_none(),
        }
    }

    pub(super) fn is_challenge(&self) -> bool {
        self.content.is_some()
    }
}

impl Dialogue {
    pub(super) fn new(faults: Arc<Faults>, session: SessionId) -> Self {
        Self {
            faults,
            session,
            greeted: false,
            line: Vec::new(),
            unanswered: VecDeque::new(),
            exchange: None,
            interlude: None,
            refusing: false,
            over: false,
        }
    }

    /// A whole line of the client, or the end of one.
    fn line_ended(&mut self, relayed: &mut Relayed) {
        let line = std::mem::take(&mut self.line);
        let cancelled = line.trim_ascii_end() == b"*";
        match self.interlude.take() {
            None => self.unanswered.push_back(begun(&line)),
            Some(Interlude::Refusal) => {
                self.unanswered.push_back(None);
                self.refusing = !cancelled;
                relayed.to_session.extend_from_slice(b"*\r\n");
            }
            // What has succeeded cannot be taken back, but the client need not hear of it.
            Some(Interlude::Held(_)) if cancelled => {
                relayed.tell(&self.refusal(Refusal::AuthAborted));
                relayed.to_peer.push(Deed::Close);
            }
            Some(Interlude::Held(replies)) => relayed.tell(&replies),
        }
    }

    /// One whole reply of the session.
    fn reply(&mut self, reply: &[u8], relayed: &mut Relayed) {
        if !std::mem::replace(&mut self.greeted, true) {
            return relayed.tell(reply);
        }
        let begun = self.unanswered.pop_front().flatten();
        if std::mem::take(&mut self.refusing) {
            self.exchange = None;
            return relayed.tell(&self.refusal(Refusal::CredentialsInvalid));
        }
        let exchange = self.exchange.take().or_else(|| begun.map(Exchange::new));
        let Some(mut exchange) = exchange else {
            return relayed.tell(reply);
        };
        let code = reply.get(..3).and_then(ReplyCode::parse);
        let moment = exchange.replied(code, reply);
        self.over = code == Some(ReplyCode::AUTH_SUCCEEDED);
        if moment.is_challenge() {
            self.exchange = Some(exchange);
        }
        let faults = Arc::clone(&self.faults);
        let mut reply = Some(reply.to_vec());
        let mut closes = false;
        for fault in faults.striking(&moment, self.session) {
            closes |= matches!(
                fault.kind.act,
                Act::Close | Act::CloseAfter | Act::ServiceClosing
            );
            reply = reply.and_then(|it| self.changed(it, fault, &moment, relayed));
        }
        if let Some(reply) = reply {
            relayed.tell(&reply);
        }
        if closes {
            relayed.to_peer.push(Deed::Close);
        }
    }

    /// The reply after this fault; none when there is none any more.
    fn changed(
        &mut self,
        reply: Vec<u8>,
        fault: &Fault,
        moment: &Moment,
        relayed: &mut Relayed,
    ) -> Option<Vec<u8>> {
        match fault.kind.act {
            Act::Close => return None,
            Act::Slow => relayed.to_peer.push(Deed::Wait(fault.pause)),
            Act::ServiceClosing => return Some(self.refusal(Refusal::ShuttingDown)),
            Act::TwoLines => return Some(two_lines(&reply)),
            Act::Change(change) => {
                let content = moment.content.as_deref().unwrap_or_default();
                return Some(changed(content, change));
            }
            Act::Withhold => {
                relayed.to_session.extend_from_slice(b"\r\n");
                self.unanswered.push_front(None);
                return None;
            }
            Act::ServerError => {
                self.interlude = Some(Interlude::Refusal);
                return Some(challenge(SERVER_ERROR));
            }
            Act::ExtraChallenge => {
                self.interlude = Some(Interlude::Held(reply));
                return Some(challenge(b""));
            }
            // The one is for the directory, the other for later.
            Act::Decide(_) | Act::CloseAfter => {}
        }
        Some(reply)
    }

    fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        ServerSession::refuse(refusal, self.session)
    }
}

impl Interposer for Dialogue {
    fn peer_said(&mut self, octets: &[u8]) -> Relayed {
        let mut relayed = Relayed::default();
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            if self.interlude.is_none() {
                relayed.to_session.extend_from_slice(piece);
                if self.over {
                    continue;
                }
            }
            let room = LINE_LENGTH.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                self.line_ended(&mut relayed);
            }
        }
        relayed
    }

    fn session_said(&mut self, octets: &[u8]) -> Relayed {
        let mut relayed = Relayed::default();
        let mut rest = octets;
        while !rest.is_empty() {
            if let Some(Interlude::Held(replies)) = &mut self.interlude {
                replies.extend_from_slice(rest);
                break;
            }
            if self.over {
                relayed.tell(rest);
                break;
            }
            let (reply, more) = first_reply(rest);
            rest = more;
            self.reply(reply, &mut relayed);
        }
        relayed
    }
}

impl Exchange {
    fn new(mechanism: &'static Mechanism) -> Self {
        Self {
            mechanism,
            replies: 0,
            challenged: false,
        }
    }

    fn replied(&mut self, code: Option<ReplyCode>, reply: &[u8]) -> Moment {
        self.replies = self.replies.saturating_add(1);
        let said = if code == Some(ReplyCode::CHALLENGE) {
            Some(content(reply).unwrap_or_default())
        } else {
            None
        };
        let says_something = said.as_ref().is_some_and(|said| !said.is_empty());
        let first_content =
            says_something && !std::mem::replace(&mut self.challenged, says_something);
        Moment {
            mechanism: self.mechanism,
            number: self.replies,
            content: said,
            first_content,
        }
    }
}

/// The mechanism of a line that is an AUTH command.
fn begun(line: &[u8]) -> Option<&'static Mechanism> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let verb = words.next()?;
    words
        .next()
        .filter(|_| verb.eq_ignore_ascii_case("AUTH"))
        .and_then(mechanism::by_name)
}

/// Splits the first reply off, with all its lines (RFC 5321 §4.2.1).
fn first_reply(replies: &[u8]) -> (&[u8], &[u8]) {
    let mut length = 0;
    for line in replies.split_inclusive(|octet| *octet == b'\n') {
        length += line.len();
        if line.get(3) != Some(&b'-') {
            break;
        }
    }
    replies.split_at(length)
}

/// The same reply, said in two lines.
fn two_lines(reply: &[u8]) -> Vec<u8> {
    let mut first = reply.to_vec();
    if let Some(separator) = first.get_mut(3) {
        *separator = b'-';
    }
    [&first, reply].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Observer;

    fn dialogue(written: &[&str]) -> Dialogue {
        let written: Vec<_> = written.iter().map(|&it| it.to_owned()).collect();
        let faults = Faults::read(&written, Observer::new(Vec::new()))
            .unwrap_or_else(|_| panic!("{written:?}"));
        let mut dialogue = Dialogue::new(Arc::new(faults), SessionId::new("K7Q2").unwrap());
        assert_eq!(
            told(dialogue.session_said(b"220 localhost\r\n")),
            ["220 localhost\r\n"]
        );
        dialogue
    }

    fn told(relayed: Relayed) -> Vec<String> {
        assert_eq!(relayed.to_session, b"");
        let said = |deed| match deed {
            Deed::Tell(octets) => String::from_utf8(octets).unwrap(),
            other => format!("{other:?}"),
        };
        relayed.to_peer.into_iter().map(said).collect()
    }

    /// The client says this, in pieces of this size; the session hears all of it.
    fn says(dialogue: &mut Dialogue, octets: &[u8], size: usize) {
        let heard = octets.chunks(size).map(|piece| {
            let relayed = dialogue.peer_said(piece);
            assert_eq!(relayed.to_peer, []);
            relayed.to_session
        });
        assert_eq!(heard.collect::<Vec<_>>().concat(), octets);
    }

    #[test]
    fn lines_may_come_in_pieces_of_any_size() {
        for size in [1, 2, 7, 100] {
            let mut dialogue = dialogue(&["login:2:close-after", "login:challenge:empty"]);
            says(&mut dialogue, b"EHLO x\r\naUtH login\r\n", size);
            let replies =
                dialogue.session_said(b"250-localhost\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n");
            assert_eq!(
                told(replies),
                ["250-localhost\r\n250 AUTH LOGIN\r\n334 \r\n"]
            );
            says(&mut dialogue, b"ZGV2\r\n", size);
            let replies = dialogue.session_said(b"334 UGFzc3dvcmQ6\r\n");
            assert_eq!(told(replies), ["334 UGFzc3dvcmQ6\r\n", "Close"]);
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut dialogue = dialogue(&["plain:first"]);
        for _ in 0..100 {
            says(&mut dialogue, &[b'x'; 4096], 4096);
        }
        assert!(dialogue.line.len() <= LINE_LENGTH);
    }

    #[test]
    fn behind_a_success_everything_passes_as_it_is() {
        let mut dialogue = dialogue(&["*:outcome:two-lines", "*:first:421"]);
        says(&mut dialogue, b"AUTH CRAM-MD5\r\n", 100);
        let replies = dialogue.session_said(b"334 PGE+\r\n");
        assert_eq!(told(replies).len(), 2, "421, and closed");
        says(&mut dialogue, b"eA==\r\n", 100);
        // What follows in the same octets may be protected already.
        let replies = dialogue.session_said(b"235 ok\r\n\0\0\0\x05AUTH\n");
        assert_eq!(told(replies), ["235-ok\r\n235 ok\r\n\0\0\0\x05AUTH\n"]);
        says(&mut dialogue, b"AUTH PLAIN x\r\n", 3);
        assert_eq!(told(dialogue.session_said(b"250 ok\r\n")), ["250 ok\r\n"]);
    }

    /// AUTH-21: the session hears the empty line that the client was never asked for.
    #[test]
    fn a_withheld_proof_is_acknowledged_in_the_clients_place() {
        let mut dialogue = dialogue(&["scram-sha-1:final:no-signature"]);
        says(&mut dialogue, b"AUTH SCRAM-SHA-1 biws\r\n", 100);
        assert_eq!(
            told(dialogue.session_said(b"334 cj14\r\n")),
            ["334 cj14\r\n"]
        );
        says(&mut dialogue, b"Yz1i\r\n", 100);
        // v=
        let relayed = dialogue.session_said(b"334 dj0=\r\n");
        assert_eq!(
            (&relayed.to_session[..], &relayed.to_peer[..]),
            (&b"\r\n"[..], &[][..])
        );
        assert_eq!(told(dialogue.session_said(b"235 ok\r\n")), ["235 ok\r\n"]);
    }
}
