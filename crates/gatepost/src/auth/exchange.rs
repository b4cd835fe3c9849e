//! One exchange, from AUTH to its end, for any protocol: SMTP is one caller.
//!
//! ```text
//!   Exchange::open(authenticator, peer, mechanism) ──> Exchange and ServerParams
//!       the caller runs the mechanism; for each Question:  exchange.answer(question).await ──> Answer
//!   exchange.close(End)                                 how the mechanism said it ended
//! ```
//!
//! The exchange holds the guard's ticket and settles it: as soon as a directory judges, or when it is closed with the
//! mechanism's own judgement (a SCRAM proof). Dropped, it counts as aborted. Every answer comes within [`DEADLINE`]
//! plus the guard's patience.

use std::time::Duration;

use gatepost_sasl::{
    Answer, Authcid, Authzid, Mechanism, PassThroughStep, Question, Refusal, ServerParams, Verdict,
};
use tokio::time;

use super::Authenticator;
use super::channel::Peer;
use super::directory::{Asker, Conversation};
use super::guard::{Admission, Fingerprint, Ticket};
use super::hash::Lane;
use crate::store::verifiers::MAX_PASSWORD;

/// Longest time a directory gets for one answer; then it is [`Answer::Unavailable`].
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Octets of randomness in a nonce.
const NONCE_LEN: usize = 18;

/// A running exchange.
pub struct Exchange {
    authenticator: Authenticator,
    peer: Peer,
    /// Until something is judged.
    ticket: Option<Ticket>,
    lane: Lane,
    conversation: Conversation,
    claim: Claim,
}

/// Whom the client says it is, as it said it: for logs and pages.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Authentication identity, once the exchange has come so far.
    pub authcid: Option<Authcid>,
    /// Authorization identity, if the client named one.
    pub authzid: Option<Authzid>,
    /// What a guest said of himself (RFC 4505).
    pub trace: Option<String>,
}

/// How the mechanism ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a proven identity.
    Won,
    /// With a wrong guess: a judgement that the credentials are not valid, whatever the reply said.
    Lost,
    /// Without a judgement on a guess: cancelled, cut off, malformed, empty, not answered, or refused in spite of the
    /// right credentials.
    Aborted,
}

impl Exchange {
    /// Begins an exchange. Refused when the mechanism is not to be had on this channel (any more), whoever the user is.
    pub fn open(
        authenticator: &Authenticator,
        peer: Peer,
        mechanism: &'static Mechanism,
    ) -> Result<(Self, ServerParams), Refusal> {
        if !authenticator.offers(mechanism, &peer.channel) {
            return Err(Refusal::MechanismTooWeak);
        }
        let params = ServerParams {
            host: authenticator.hostname().to_owned(),
            nonce: nonce()?,
            channel_bindings: peer.channel.bindings.clone(),
            plus_offered: authenticator.offers_bound(&peer.channel),
            realms: authenticator.directory().realms().to_vec(),
            layers: peer.channel.layers,
            resumable: Some(authenticator.exchanges()),
            ..ServerParams::default()
        };
        let ticket = Some(authenticator.guard().open(peer.address));
        Ok((
            Self {
                authenticator: authenticator.clone(),
                peer,
                ticket,
                lane: Lane::Strangers,
                conversation: Conversation::default(),
                claim: Claim::default(),
            },
            params,
        ))
    }

    /// Answers a question of the mechanism, not before the guard allows it. Dropping the future takes the question
    /// back.
    pub async fn answer(&mut self, question: Question) -> Answer {
        self.claim = Claim {
            authcid: question.authcid().cloned(),
            authzid: question.authzid().cloned(),
            trace: match &question {
                Question::Anonymous { trace, .. } => trace.clone(),
                _ => None,
            },
        };
        if !self.admitted(&question).await {
            return Answer::Unavailable;
        }
        let answer = match answered_unasked(&question) {
            Some(refusal) => Answer::Verdict(Verdict::Refused(refusal)),
            None => self.ask(&question).await,
        };
        if let Answer::PassThrough(PassThroughStep::Done {
            authcid, authzid, ..
        }) = &answer
        {
            self.claim = Claim {
                authcid: authcid.clone(),
                authzid: authzid.clone(),
                trace: None,
            };
        }
        if let Some(end) = judgement(&question, &answer) {
            self.settle(end, self.authenticator.fingerprint(&question));
        }
        answer
    }

    async fn ask(&self, question: &Question) -> Answer {
        let asker = Asker {
            channel: self.peer.channel.clone(),
            network: super::guard::network(self.peer.address),
            lane: self.lane,
            conversation: self.conversation.clone(),
        };
        let answering = self.authenticator.directory().answer(question, &asker);
        time::timeout(DEADLINE, answering)
            .await
            .unwrap_or(Answer::Unavailable)
    }

    /// Whom the client said it is.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Ends the exchange as the mechanism did.
    pub fn close(mut self, end: End) {
        self.settle(end, None);
    }

    async fn admitted(&mut self, question: &Question) -> bool {
        let (Some(ticket), Some(authcid)) = (&mut self.ticket, question.authcid()) else {
            return true;
        };
        let account = self.authenticator.account_key(authcid);
        match ticket.admit(account, time::Instant::now().into_std()) {
            Admission::Known => self.lane = Lane::Known,
            Admission::Now => {}
            Admission::After(wait) => time::sleep(wait).await,
            Admission::Later => return false,
        }
        true
    }

    fn settle(&mut self, end: End, secret: Option<Fingerprint>) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let now = time::Instant::now().into_std();
        match end {
            End::Won => ticket.won(now),
            End::Lost => ticket.lost(secret, now),
            End::Aborted => ticket.aborted(),
        }
    }
}

/// What is refused before any directory sees it: some take an empty password for an anonymous success (T-25), and hash
/// any length.
fn answered_unasked(question: &Question) -> Option<Refusal> {
    let Question::Password { password, .. } = question else {
        return None;
    };
    let octets = password.expose();
    if octets.iter().all(|octet| *octet == 0) {
        return Some(Refusal::CredentialsEmpty);
    }
    (octets.len() > MAX_PASSWORD).then_some(Refusal::CredentialsInvalid)
}

/// The end that an answer decides by itself; a verifier leaves it to the mechanism.
fn judgement(question: &Question, answer: &Answer) -> Option<End> {
    match answer {
        Answer::Verdict(verdict)
        | Answer::Checked { verdict, .. }
        | Answer::PassThrough(PassThroughStep::Done { verdict, .. }) => Some(match verdict {
            Verdict::Accepted(_) => End::Won,
            Verdict::Refused(Refusal::CredentialsInvalid) => End::Lost,
            // An empty field is no guess; whoever is refused for another reason proved his credential or was not
            // judged.
            Verdict::Refused(_) => End::Aborted,
        }),
        // Who has no token and asks where to get one has guessed nothing (RFC 7628 §4.3).
        Answer::TokenRefused { .. } => Some(match question {
            Question::Token { token, .. } if token.expose().is_empty() => End::Aborted,
            _ => End::Lost,
        }),
        Answer::Verifier { .. }
        | Answer::SecretKept
        | Answer::PassThrough(_)
        | Answer::Unavailable => None,
    }
}

/// Printable, unique and not to be guessed (RFC 5802 §5.1, RFC 2195 §2).
fn nonce() -> Result<String, Refusal> {
    use base64::Engine as _;
    let mut octets = [0_u8; NONCE_LEN];
    getrandom::fill(&mut octets).map_err(|_| Refusal::Unavailable)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    // V-42: never the same, and of at least 128 bits.
    #[test]
    fn v_42_nonces_are_all_different() {
        let drawn: HashSet<String> = (0..100_000).map(|_| nonce().unwrap()).collect();
        assert_eq!(drawn.len(), 100_000);
        // Base64: six bits a letter.
        assert!(drawn.iter().all(|nonce| nonce.len() * 6 >= 128));
    }
}
