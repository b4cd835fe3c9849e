//! ANONYMOUS (RFC 4505): the client says that it does not say who it is.
//!
//! One message: the trace, by which a guest may let himself be found (an e-mail address, a name), or nothing. It is a remark, never
//! an identity: whom a guest acts for, if guests are let in at all, is the directory's affair.

use crate::client::{AwaitOutcomeOrEmpty, ClientFault, ClientParams, ClientStep};
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::server::{AwaitGrant, ServerParams, client_first};
use crate::step::{Question, Refusal, ServerStep};

/// Longest trace in characters (RFC 4505 §2).
const MAX_TRACE: usize = 255;

/// ANONYMOUS.
pub static ANONYMOUS: Mechanism = Mechanism {
    name: "ANONYMOUS",
    standard: "RFC 4505",
    strength: 1,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Nothing,
    server,
    client,
};

fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    client_first(initial_response, check)
}

fn check(message: &[u8]) -> ServerStep {
    let trace = match str::from_utf8(message) {
        Ok("") => None,
        Ok(trace) if is_trace(trace) => Some(trace.to_owned()),
        _ => return ServerStep::refused(Refusal::Malformed),
    };
    let mechanism = &ANONYMOUS;
    ServerStep::Ask(
        Question::Anonymous { mechanism, trace },
        Box::new(AwaitGrant { mechanism }),
    )
}

/// RFC 4505 §3: no control characters, and no more than 255 characters.
fn is_trace(text: &str) -> bool {
    text.chars().count() <= MAX_TRACE && !text.chars().any(char::is_control)
}

/// The authcid, if there is one, is the trace.
fn client(params: ClientParams) -> ClientStep {
    if is_trace(&params.authcid) {
        return ClientStep::respond(params.authcid, AwaitOutcomeOrEmpty);
    }
    ClientStep::Abort(ClientFault::NameUnusable)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::pairing::{Pairing, granted, knows, untouched};
    use crate::{Answer, Outcome, Verdict};

    /// The trace, or the refusal.
    fn asked(step: ServerStep) -> Result<Option<String>, Refusal> {
        match step {
            ServerStep::Ask(Question::Anonymous { trace, .. }, _) => Ok(trace),
            ServerStep::Done(Outcome::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn said(message: &[u8]) -> Result<Option<String>, Refusal> {
        asked((ANONYMOUS.server)(ServerParams::default(), Some(message)))
    }

    // ANON-01: "trace info ≤255 chars, not identity; may be empty". RFC 4505 §4.
    #[test]
    fn anon_01_a_trace_of_up_to_255_characters_or_none() {
        let published = BASE64.decode("c2lyaGM=").unwrap();
        assert_eq!(said(&published), Ok(Some("sirhc".to_owned())));
        assert_eq!(said(b""), Ok(None));
        let longest = "\u{fc}".repeat(255);
        assert_eq!(said(longest.as_bytes()), Ok(Some(longest.clone())));
        for bad in [
            format!("{longest}x").as_bytes(),
            b"sirhc\r\nEHLO",
            b"a\0b",
            b"\xff",
        ] {
            assert_eq!(said(bad), Err(Refusal::Malformed), "{bad:?}");
        }
        let ServerStep::Challenge(challenge, state) =
            (ANONYMOUS.server)(ServerParams::default(), None)
        else {
            panic!("the client is to speak");
        };
        assert_eq!(challenge, b"");
        assert_eq!(asked(state.respond(b"sirhc")), Ok(Some("sirhc".to_owned())));
    }

    // ANON-01, SASL-07.
    #[test]
    fn anon_01_whom_a_guest_acts_for_is_the_directorys_affair() {
        let run = |answer: &dyn Fn() -> Answer| {
            Pairing {
                mechanism: &ANONYMOUS,
                server: ServerParams::default(),
                client: ClientParams::new("sirhc", "h", "unused"),
                user: &knows("never asked"),
                directory: &|_| answer(),
                wire: &untouched,
            }
            .run()
        };
        let ending = run(&|| Answer::Verdict(granted("dropbox@example.com")));
        assert_eq!(ending.messages, [b"sirhc"]);
        assert!(ending.client_is_content());
        let Some(Outcome::Authenticated(success)) = ending.server else {
            panic!("he is let in");
        };
        assert_eq!(success.identity.authcid().as_str(), "dropbox@example.com");
        let refused = Verdict::Refused(Refusal::CredentialsInvalid);
        let ending = run(&|| Answer::Verdict(refused.clone()));
        assert_eq!(ending.refusal(), Some(Refusal::CredentialsInvalid));
        assert_eq!(
            run(&|| Answer::Unavailable).refusal(),
            Some(Refusal::Unavailable)
        );
    }

    #[test]
    fn the_client_does_not_send_what_cannot_be_sent() {
        for trace in ["a\0b".to_owned(), "x".repeat(256)] {
            let step = (ANONYMOUS.client)(ClientParams::new(trace, "h", "unused"));
            assert!(matches!(step, ClientStep::Abort(ClientFault::NameUnusable)));
        }
    }
}
