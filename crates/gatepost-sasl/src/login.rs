//! LOGIN (draft-murchison-sasl-login): name and password on a line each, after a prompt each.
//!
//! Server: the prompts are `Username:` and `Password:`, to the octet, always; devices compare them. An empty name runs to
//! the end and fails there, so that both sides stay in step. One trailing line end or NUL of the name is dropped: devices
//! encode with `echo`. Client: answers by position and ignores what the prompts say, except that a server which ignored
//! the name on the AUTH line and asks for it again gets it again.

use crate::client::{
    AwaitChallenge, AwaitClientAnswer, AwaitOutcome, ClientAnswer, ClientFault, ClientParams,
    ClientQuestion, ClientStep, ClientSuccess,
};
use crate::identity::Authcid;
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::prep;
use crate::secret::Secret;
use crate::server::{AwaitVerdict, MAX_PASSWORD_OCTETS, ServerParams};
use crate::step::{AwaitResponse, Question, Refusal, ServerStep};

/// LOGIN.
pub static LOGIN: Mechanism = Mechanism {
    name: "LOGIN",
    strength: 20,
    initial_response: InitialResponse::EqualsMeansAbsent,
    exposes_password: true,
    quit_aborts: true,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Password,
    server,
    client,
};

const USERNAME_PROMPT: &[u8] = b"Username:";
const PASSWORD_PROMPT: &[u8] = b"Password:";

fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    match initial_response {
        Some(username) => Box::new(AwaitUsername).respond(username),
        None => ServerStep::Challenge(USERNAME_PROMPT.to_vec(), Box::new(AwaitUsername)),
    }
}

struct AwaitUsername;

impl AwaitResponse for AwaitUsername {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        let state = AwaitPassword {
            username: parse_username(response),
        };
        ServerStep::Challenge(PASSWORD_PROMPT.to_vec(), Box::new(state))
    }
}

/// LOG-06, LOG-07: what is wrong with a name is said only after the password.
fn parse_username(octets: &[u8]) -> Result<Authcid, Refusal> {
    let octets = octets
        .strip_suffix(b"\r\n")
        .or_else(|| octets.strip_suffix(b"\n"))
        .or_else(|| octets.strip_suffix(b"\0"))
        .unwrap_or(octets);
    if octets.is_empty() {
        return Err(Refusal::CredentialsEmpty);
    }
    let name = prep::name_text(octets).ok_or(Refusal::Malformed)?;
    Authcid::parse(&name).map_err(|_| Refusal::Malformed)
}

struct AwaitPassword {
    username: Result<Authcid, Refusal>,
}

impl AwaitResponse for AwaitPassword {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        let authcid = match self.username {
            Ok(authcid) => authcid,
            Err(refusal) => return ServerStep::refused(refusal),
        };
        if response.is_empty() {
            return ServerStep::refused(Refusal::CredentialsEmpty);
        }
        // A NUL would end the password early in directories written in C.
        if response.len() > MAX_PASSWORD_OCTETS || response.contains(&0) {
            return ServerStep::refused(Refusal::Malformed);
        }
        let question = Question::Password {
            mechanism: &LOGIN,
            authcid: authcid.clone(),
            authzid: None,
            password: Secret::new(response),
        };
        ServerStep::Ask(
            question,
            Box::new(AwaitVerdict {
                mechanism: &LOGIN,
                authcid,
            }),
        )
    }
}

fn client(params: ClientParams) -> ClientStep {
    if Authcid::parse(&params.authcid).is_err() {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    let username = params.authcid.into_bytes();
    if params.initial_response {
        let state = AwaitPasswordPrompt {
            unasked: Some(username.clone()),
        };
        ClientStep::Respond(username, Box::new(state))
    } else {
        ClientStep::Wait(Box::new(AwaitUsernamePrompt { username }))
    }
}

struct AwaitUsernamePrompt {
    username: Vec<u8>,
}

impl AwaitChallenge for AwaitUsernamePrompt {
    fn challenge(self: Box<Self>, _prompt: &[u8]) -> ClientStep {
        ClientStep::Respond(
            self.username,
            Box::new(AwaitPasswordPrompt { unasked: None }),
        )
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

struct AwaitPasswordPrompt {
    /// The name, if it went out before the server asked for it and may have to be repeated.
    unasked: Option<Vec<u8>>,
}

impl AwaitChallenge for AwaitPasswordPrompt {
    fn challenge(self: Box<Self>, prompt: &[u8]) -> ClientStep {
        match self.unasked {
            // LOG-05: SubEtha and FakeSMTP ignore the name on the AUTH line.
            Some(username) if asks_for_username(prompt) => {
                ClientStep::Respond(username, Box::new(AwaitPasswordPrompt { unasked: None }))
            }
            _ => ClientStep::Ask(ClientQuestion::Password, Box::new(AwaitSecret)),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

fn asks_for_username(prompt: &[u8]) -> bool {
    prompt
        .windows(4)
        .any(|window| window.eq_ignore_ascii_case(b"user"))
}

struct AwaitSecret;

impl AwaitClientAnswer for AwaitSecret {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        match answer {
            ClientAnswer::Password(password) if !password.expose().is_empty() => {
                ClientStep::Respond(password.expose().to_vec(), Box::new(AwaitOutcome))
            }
            ClientAnswer::Password(_) => ClientStep::Abort(ClientFault::PasswordUnusable),
            _ => ClientStep::Abort(ClientFault::Unavailable),
        }
    }
}
