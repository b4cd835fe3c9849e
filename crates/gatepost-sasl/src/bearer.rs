//! What OAUTHBEARER and XOAUTH2 have in common: fields between ^A, a bearer token, and an error document that the client
//! acknowledges.
//!
//! ```text
//!   C: key=value ^A … auth=Bearer token ^A ^A
//!   S: success                             or the error document (JSON)
//!   C:                                     anything; it says nothing more
//!   S:                                     failure
//! ```
//!
//! Server: a message without a usable token is a client that asks where to get one (RFC 7628 §4.3). It is put to the
//! directory as an empty token, and never succeeds whatever the directory answers.
//! Client: sends the token once. What the error document says of the reason is kept for [`AwaitChallenge::refused`].
//!
//! Standards: RFC 7628 §3, RFC 6750 §2.1.

use crate::client::{
    AwaitChallenge, AwaitClientAnswer, AwaitOutcome, ClientAnswer, ClientFault, ClientQuestion,
    ClientStep, ClientSuccess,
};
use crate::identity::Authzid;
use crate::mechanism::Mechanism;
use crate::secret::Secret;
use crate::server::client_first;
use crate::step::{Answer, AwaitAnswer, AwaitResponse, Outcome, Question, Refusal, ServerStep};

/// Between the fields, and behind the last one once more.
pub(crate) const SEPARATOR: char = '\u{1}';

/// Longest status of an error document that is kept.
const MAX_STATUS: usize = 40;

/// The fields of a message. Unknown ones are ignored (OAB-01).
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) auth: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads `key=value ^A` any number of times, and the ^A that ends the message. No field that matters comes twice.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let text = text.strip_suffix(SEPARATOR).ok_or(Refusal::Malformed)?;
        if !text.is_empty() && !text.ends_with(SEPARATOR) {
            return Err(Refusal::Malformed);
        }
        let mut fields = Self::default();
        for field in text.split_terminator(SEPARATOR) {
            let (key, value) = field.split_once('=').ok_or(Refusal::Malformed)?;
            let place = match key {
                "user" => &mut fields.user,
                "auth" => &mut fields.auth,
                "host" => &mut fields.host,
                "port" => &mut fields.port,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Refusal::Malformed);
            }
        }
        Ok(fields)
    }

    /// The bearer token; empty where there is none, or one of another scheme. The scheme's name has no case (OAB-03, XOA-01).
    pub(crate) fn token(&self) -> Result<Secret, Refusal> {
        let (scheme, token) = match self.auth.unwrap_or_default().split_once(' ') {
            Some((scheme, token)) => (scheme, token.trim_matches(' ')),
            None => ("", ""),
        };
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Ok(Secret::new(""));
        }
        if !is_token(token.as_bytes()) && !token.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(Secret::new(token))
    }
}

/// Visible characters only. RFC 6750 §2.1 allows fewer; issuers of old tokens did not ask it.
fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_graphic)
}

/// What a client's message comes to.
pub(crate) struct Presented {
    pub(crate) authzid: Option<Authzid>,
    pub(crate) token: Secret,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

/// The server's side; `parse` reads a message that says something.
pub(crate) fn server(
    mechanism: &'static Mechanism,
    initial_response: Option<&[u8]>,
    parse: fn(&str) -> Result<Presented, Refusal>,
) -> ServerStep {
    client_first(initial_response, move |message| {
        match text(message).and_then(parse) {
            Ok(presented) => ask(mechanism, presented),
            Err(refusal) => ServerStep::refused(refusal),
        }
    })
}

/// A lone ^A acknowledges an error document. As a first message it says nothing, not even that (RFC 7628 §3.1).
fn text(message: &[u8]) -> Result<&str, Refusal> {
    if message.is_empty() || message == b"\x01" {
        return Err(Refusal::CredentialsEmpty);
    }
    std::str::from_utf8(message).map_err(|_| Refusal::Malformed)
}

/// Has the directory judge the token.
fn ask(mechanism: &'static Mechanism, presented: Presented) -> ServerStep {
    let state = AwaitJudgement {
        mechanism,
        refusal: if presented.token.expose().is_empty() {
            Refusal::CredentialsEmpty
        } else {
            Refusal::CredentialsInvalid
        },
    };
    let question = Question::Token {
        mechanism,
        authzid: presented.authzid,
        token: presented.token,
        host: presented.host,
        port: presented.port,
    };
    ServerStep::Ask(question, Box::new(state))
}

struct AwaitJudgement {
    mechanism: &'static Mechanism,
    /// How it ends if the directory refuses the token.
    refusal: Refusal,
}

impl AwaitAnswer for AwaitJudgement {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::TokenRefused { document } => {
                ServerStep::Challenge(document, Box::new(AwaitAcknowledgement(self.refusal)))
            }
            // Only the directory knows whom the token names. Nobody gets in with no token.
            Answer::Verdict(verdict) if self.refusal == Refusal::CredentialsInvalid => {
                ServerStep::Done(Outcome::named_by_grant(self.mechanism, verdict))
            }
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

/// The client has the error document. Whatever it says, the exchange is lost (OAB-05, XOA-04).
struct AwaitAcknowledgement(Refusal);

impl AwaitResponse for AwaitAcknowledgement {
    fn respond(self: Box<Self>, _response: &[u8]) -> ServerStep {
        ServerStep::refused(self.0)
    }
}

/// Begins a client exchange whose message is `before`, the token, and two ^A.
pub(crate) fn client(before: String, acknowledgement: &'static [u8]) -> ClientStep {
    let state = AwaitToken {
        before,
        acknowledgement,
    };
    ClientStep::Ask(ClientQuestion::Token, Box::new(state))
}

struct AwaitToken {
    before: String,
    acknowledgement: &'static [u8],
}

impl AwaitClientAnswer for AwaitToken {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Token(token) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if !is_token(token.expose()) {
            return ClientStep::Abort(ClientFault::TokenUnusable);
        }
        let message = [self.before.as_bytes(), token.expose(), b"\x01\x01"].concat();
        ClientStep::respond(message, AwaitTokenVerdict(self.acknowledgement))
    }
}

struct AwaitTokenVerdict(&'static [u8]);

impl AwaitChallenge for AwaitTokenVerdict {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        if challenge.is_empty() {
            return ClientStep::respond(self.0, AwaitOutcome);
        }
        let state = AwaitFailure {
            status: status(challenge).map(str::to_owned),
        };
        ClientStep::respond(self.0, state)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

/// The error document was acknowledged; only failure can follow.
struct AwaitFailure {
    status: Option<String>,
}

impl AwaitChallenge for AwaitFailure {
    fn challenge(self: Box<Self>, _challenge: &[u8]) -> ClientStep {
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::TokenRefused(self.status.unwrap_or_default()))
    }

    fn refused(self: Box<Self>) -> Option<ClientFault> {
        self.status.map(ClientFault::TokenRefused)
    }
}

/// The member `status` of a JSON object, if it is one short word: it is shown to people (OAB-06). Whatever else the document
/// is, there is none.
fn status(document: &[u8]) -> Option<&str> {
    let mut rest = std::str::from_utf8(document).ok()?;
    let mut depth = 0_usize;
    let mut key = None;
    let mut value_follows = false;
    loop {
        let next = rest.chars().next()?;
        rest = rest.get(next.len_utf8()..)?;
        match next {
            '"' => {
                let (text, after) = string(rest)?;
                rest = after;
                match (depth, value_follows) {
                    (1, true) if key == Some("status") => return is_word(text).then_some(text),
                    (1, false) => key = Some(text),
                    _ => {}
                }
            }
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.checked_sub(1)?,
            ':' if depth == 1 => value_follows = true,
            ',' if depth == 1 => value_follows = false,
            _ => {}
        }
    }
}

/// A JSON string up to its closing quote, as written, and what comes behind it.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn is_word(text: &str) -> bool {
    (1..=MAX_STATUS).contains(&text.len())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests;
