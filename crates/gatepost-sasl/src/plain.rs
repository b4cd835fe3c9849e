//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`, in one message.
//!
//! Server: exactly two NULs, or the message is malformed; an empty authcid or password is refused without asking. Octets
//! that are not UTF-8 come from old clients: a name is then read as Windows-1252, a password goes on as received.
//! Client: asks for the password, sends one message, and accepts nothing more from the server but its verdict.

use crate::client::{
    AwaitClientAnswer, AwaitOutcome, ClientAnswer, ClientFault, ClientParams, ClientQuestion,
    ClientStep,
};
use crate::identity::{Authcid, Authzid};
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::prep;
use crate::secret::Secret;
use crate::server::{AwaitVerdict, MAX_PASSWORD_OCTETS, ServerParams};
use crate::step::{AwaitResponse, Question, Refusal, ServerStep};

/// PLAIN.
pub static PLAIN: Mechanism = Mechanism {
    name: "PLAIN",
    strength: 30,
    initial_response: InitialResponse::Optional,
    exposes_password: true,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Password,
    server,
    client,
};

fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    match initial_response {
        Some(message) => check(message),
        None => ServerStep::Challenge(Vec::new(), Box::new(AwaitMessage)),
    }
}

struct AwaitMessage;

impl AwaitResponse for AwaitMessage {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        check(response)
    }
}

fn check(message: &[u8]) -> ServerStep {
    match parse(message) {
        Ok((authcid, question)) => ServerStep::Ask(
            question,
            Box::new(AwaitVerdict {
                mechanism: &PLAIN,
                authcid,
            }),
        ),
        Err(refusal) => ServerStep::refused(refusal),
    }
}

fn parse(message: &[u8]) -> Result<(Authcid, Question), Refusal> {
    // An empty message is well-formed base64 and no message of ours: not a syntax error in the protocol above (AUTH-05).
    if message.is_empty() {
        return Err(Refusal::CredentialsEmpty);
    }
    let mut fields = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Refusal::Malformed);
    };
    if authcid.is_empty() || password.is_empty() {
        return Err(Refusal::CredentialsEmpty);
    }
    if password.len() > MAX_PASSWORD_OCTETS {
        return Err(Refusal::Malformed);
    }
    let authcid = Authcid::parse(&name(authcid)?).map_err(|_| Refusal::Malformed)?;
    // RFC 4616 §2: an empty authzid asks for the one that belongs to the authcid.
    let authzid = match authzid {
        [] => None,
        octets => Some(Authzid::parse(&name(octets)?).map_err(|_| Refusal::Malformed)?),
    };
    let question = Question::Password {
        mechanism: &PLAIN,
        authcid: authcid.clone(),
        authzid,
        password: Secret::new(password),
    };
    Ok((authcid, question))
}

fn name(octets: &[u8]) -> Result<String, Refusal> {
    prep::name_text(octets).ok_or(Refusal::Malformed)
}

fn client(params: ClientParams) -> ClientStep {
    let authzid = params.authzid.unwrap_or_default();
    let names_fit = Authcid::parse(&params.authcid).is_ok()
        && (authzid.is_empty() || Authzid::parse(&authzid).is_ok());
    if !names_fit {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    let state = AwaitPassword {
        names: format!("{authzid}\0{}\0", params.authcid),
    };
    ClientStep::Ask(ClientQuestion::Password, Box::new(state))
}

struct AwaitPassword {
    /// The message up to the password.
    names: String,
}

impl AwaitClientAnswer for AwaitPassword {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if password.expose().is_empty() || password.expose().contains(&0) {
            return ClientStep::Abort(ClientFault::PasswordUnusable);
        }
        let message = [self.names.as_bytes(), password.expose()].concat();
        ClientStep::Respond(message, Box::new(AwaitOutcome))
    }
}
