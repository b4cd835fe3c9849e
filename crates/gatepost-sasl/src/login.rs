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
    standard: "draft-murchison-sasl-login-00",
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
        ClientStep::respond(username, state)
    } else {
        ClientStep::Wait(Box::new(AwaitUsernamePrompt { username }))
    }
}

struct AwaitUsernamePrompt {
    username: Vec<u8>,
}

impl AwaitChallenge for AwaitUsernamePrompt {
    fn challenge(self: Box<Self>, _prompt: &[u8]) -> ClientStep {
        ClientStep::respond(self.username, AwaitPasswordPrompt { unasked: None })
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
                ClientStep::respond(username, AwaitPasswordPrompt { unasked: None })
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
                ClientStep::respond(password.expose().to_vec(), AwaitOutcome)
            }
            ClientAnswer::Password(_) => ClientStep::Abort(ClientFault::PasswordUnusable),
            _ => ClientStep::Abort(ClientFault::Unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::{Ending, Pairing, granted, knows, untouched};
    use crate::{Answer, Outcome};

    fn respond(step: ServerStep, prompt: &[u8], response: &[u8]) -> ServerStep {
        match step {
            ServerStep::Challenge(challenge, state) => {
                assert_eq!(challenge, prompt);
                state.respond(response)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Runs the server without initial response and returns what it asks, or the refusal.
    fn said(username: &[u8], password: &[u8]) -> Result<(String, Vec<u8>), Refusal> {
        let step = (LOGIN.server)(ServerParams::default(), None);
        let step = respond(step, b"Username:", username);
        asked(respond(step, b"Password:", password))
    }

    fn asked(step: ServerStep) -> Result<(String, Vec<u8>), Refusal> {
        match step {
            ServerStep::Ask(
                Question::Password {
                    authcid,
                    authzid: None,
                    password,
                    ..
                },
                _,
            ) => Ok((authcid.as_str().to_owned(), password.expose().to_vec())),
            ServerStep::Done(Outcome::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    // LOG-01, LOG-03, LOG-10, LC-01, LC-02: draft-murchison-sasl-login §3.
    #[test]
    fn the_prompts_are_exact_with_and_without_initial_response() {
        let expected = Ok(("tim".to_owned(), b"tanstaaftanstaaf".to_vec()));
        assert_eq!(said(b"tim", b"tanstaaftanstaaf"), expected);
        let step = (LOGIN.server)(ServerParams::default(), Some(b"tim"));
        assert_eq!(
            asked(respond(step, b"Password:", b"tanstaaftanstaaf")),
            expected
        );
        // LOG-04: the protocol above turns = into no initial response.
        assert_eq!(LOGIN.initial_response, InitialResponse::EqualsMeansAbsent);
    }

    // LOG-07: one line end or NUL of the name is dropped, none of the password.
    #[test]
    fn one_trailing_line_end_of_the_name_is_dropped() {
        for name in ["tim\r\n", "tim\n", "tim\0", "tim"] {
            assert_eq!(said(name.as_bytes(), b"x").unwrap().0, "tim", "{name:?}");
        }
        for name in ["tim\n\n", "tim\0\0", "tim\r", "t\nim", "t\0im"] {
            assert_eq!(
                said(name.as_bytes(), b"x"),
                Err(Refusal::Malformed),
                "{name:?}"
            );
        }
        assert_eq!(said(b"tim", b"x\n").unwrap().1, b"x\n");
    }

    // LOG-06: what is wrong with the name shows only after the password.
    #[test]
    fn empty_names_and_passwords() {
        assert_eq!(said(b"", b"x"), Err(Refusal::CredentialsEmpty));
        assert_eq!(said(b"\n", b"x"), Err(Refusal::CredentialsEmpty));
        assert_eq!(said(b"tim", b""), Err(Refusal::CredentialsEmpty));
    }

    // LOG-07.
    #[test]
    fn long_names_and_passwords() {
        let (fits, too_long) = (vec![b'u'; 1024], vec![b'u'; 1025]);
        assert!(said(&fits, &fits).is_ok());
        assert_eq!(said(&too_long, b"x"), Err(Refusal::Malformed));
        assert_eq!(said(b"tim", &too_long), Err(Refusal::Malformed));
        assert_eq!(said(b"tim", b"x\0y"), Err(Refusal::Malformed));
    }

    fn exchange(initial_response: bool, wire: &dyn Fn(usize, Vec<u8>) -> Vec<u8>) -> Ending {
        Pairing {
            mechanism: &LOGIN,
            server: ServerParams::default(),
            client: ClientParams {
                initial_response,
                ..ClientParams::new("user@example.com", "h", "unused")
            },
            user: &knows("secret"),
            directory: &|_| Answer::Verdict(granted("user@example.com")),
            wire,
        }
        .run()
    }

    // LOG-02: by position, whatever the prompts say.
    #[test]
    fn the_client_ignores_what_the_prompts_say() {
        for prompt in [
            "Username:",
            "username:",
            "User Name\0",
            "Password\0",
            "",
            "\u{1f600}",
        ] {
            let ending = exchange(false, &|number, message| {
                if matches!(number, 0 | 2) {
                    prompt.as_bytes().to_vec()
                } else {
                    message
                }
            });
            let [_, username, _, password] = &ending.messages[..] else {
                panic!("{ending:?}");
            };
            assert_eq!(
                (&username[..], &password[..]),
                (&b"user@example.com"[..], &b"secret"[..])
            );
            assert!(ending.server_let_him_in() && ending.client_is_content());
        }
    }

    // LOG-05: a name on the AUTH line that the server ignored is sent again, once.
    #[test]
    fn the_client_repeats_an_ignored_name_once() {
        let ending = exchange(true, &untouched);
        assert_eq!(
            ending.messages,
            [&b"user@example.com"[..], b"Password:", b"secret"]
        );

        let step = (LOGIN.client)(ClientParams {
            initial_response: true,
            ..ClientParams::new("tim", "h", "unused")
        });
        let ClientStep::Respond(_, state) = step else {
            panic!("{step:?}");
        };
        let step = state.challenge(b"USERNAME:");
        let ClientStep::Respond(again, state) = step else {
            panic!("{step:?}");
        };
        assert_eq!(again.expose(), b"tim");
        assert!(matches!(
            state.challenge(b"Username:"),
            ClientStep::Ask(ClientQuestion::Password, _)
        ));
    }

    #[test]
    fn the_client_does_not_send_what_cannot_be_sent() {
        let params = ClientParams::new("a\r\nb", "h", "unused");
        assert!(matches!(
            (LOGIN.client)(params),
            ClientStep::Abort(ClientFault::NameUnusable)
        ));
        for (answer, fault) in [
            (
                ClientAnswer::Password(Secret::new("")),
                ClientFault::PasswordUnusable,
            ),
            (ClientAnswer::Unavailable, ClientFault::Unavailable),
        ] {
            assert!(
                matches!(Box::new(AwaitSecret).answer(answer), ClientStep::Abort(f) if f == fault)
            );
        }
    }

    // SASL-07: a server that asks on after the password gets nothing more.
    #[test]
    fn the_client_says_nothing_after_the_password() {
        let ClientStep::Respond(_, state) =
            Box::new(AwaitSecret).answer(ClientAnswer::Password(Secret::new("x")))
        else {
            panic!("the password is sent");
        };
        assert!(matches!(
            state.challenge(b"Password:"),
            ClientStep::Abort(ClientFault::UnexpectedChallenge)
        ));
    }
}
