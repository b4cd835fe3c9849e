//! PLAIN and SCRAM-SHA-256 by `gatepost-sasl`, with a directory of one account.

use gatepost_sasl::mechanism::{PLAIN, SCRAM_SHA_256};
use gatepost_sasl::{
    Answer, Authcid, AwaitResponse, Grant, Hash, Outcome, Question, Refusal, ScramVerifier,
    ServerParams, ServerStep, Verdict, Verifier, prep,
};
use subtle::ConstantTimeEq as _;

use crate::credentials::{self, NAME, PASSWORD};

/// The directory.
pub struct Server {
    verifier: ScramVerifier,
}

impl Server {
    /// Derives the account's keys.
    pub fn new() -> Self {
        Self {
            verifier: credentials::verifier(Hash::Sha256),
        }
    }

    /// A whole exchange of PLAIN. Names and passwords are prepared, as the server's directory does.
    pub fn plain(&self, message: &[u8]) -> bool {
        let params = params(String::new());
        let ServerStep::Ask(question, state) = (PLAIN.server)(params, Some(message)) else {
            return false;
        };
        let Question::Password {
            authcid, password, ..
        } = &question
        else {
            return false;
        };
        let password = str::from_utf8(password.expose()).unwrap_or_default();
        let password = prep::saslprep_query(password).unwrap_or_default();
        let right = bool::from(password.as_bytes().ct_eq(PASSWORD.as_bytes()));
        let verdict = verdict(authcid, right);
        let_in(state.answer(Answer::Verdict(verdict)))
    }

    /// The first half of SCRAM-SHA-256, under a nonce: the state, and what is sent.
    pub fn first(&self, nonce: String, message: &[u8]) -> (Box<dyn AwaitResponse>, Vec<u8>) {
        let ServerStep::Ask(question, state) = (SCRAM_SHA_256.server)(params(nonce), Some(message))
        else {
            panic!("the client's message is a good one");
        };
        let authcid = question.authcid().expect("SCRAM names somebody");
        let answer = Answer::Verifier {
            verifier: Verifier::Scram(self.verifier.clone()),
            verdict: verdict(authcid, true),
        };
        let ServerStep::Challenge(challenge, state) = state.answer(answer) else {
            panic!("the verifier is of the right kind");
        };
        (state, challenge)
    }

    /// The second half.
    pub fn last(state: Box<dyn AwaitResponse>, message: &[u8]) -> bool {
        let_in(state.respond(message))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

fn params(nonce: String) -> ServerParams {
    ServerParams {
        host: "mail.example.com".to_owned(),
        nonce,
        ..ServerParams::default()
    }
}

fn verdict(authcid: &Authcid, right: bool) -> Verdict {
    let name = prep::saslprep_query(authcid.as_str()).unwrap_or_default();
    if !right || name != NAME {
        return Verdict::Refused(Refusal::CredentialsInvalid);
    }
    Verdict::Accepted(Grant {
        login: name.clone(),
        acts_as: name,
        credential: "password".to_owned(),
    })
}

fn let_in(step: ServerStep) -> bool {
    matches!(step, ServerStep::Done(Outcome::Authenticated(_)))
}
