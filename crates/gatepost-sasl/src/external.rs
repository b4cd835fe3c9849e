//! EXTERNAL (RFC 4422 appendix A): the client is whoever its connection has already proven, such as by a TLS certificate.
//!
//! One message: the authorization identity, or nothing, which asks for the one that belongs to the certificate. The directory
//! knows whose certificate it is, so it also names the authcid.

use crate::client::{AwaitOutcomeOrEmpty, ClientFault, ClientParams, ClientStep};
use crate::identity::Authzid;
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::server::{AwaitGrant, ServerParams, client_first};
use crate::step::{Question, Refusal, ServerStep};

/// EXTERNAL.
pub static EXTERNAL: Mechanism = Mechanism {
    name: "EXTERNAL",
    standard: "RFC 4422 appendix A",
    strength: 120,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Certificate,
    server,
    client,
};

fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    client_first(initial_response, check)
}

fn check(message: &[u8]) -> ServerStep {
    let authzid = match message {
        [] => None,
        octets => match str::from_utf8(octets).map(Authzid::parse) {
            Ok(Ok(authzid)) => Some(authzid),
            _ => return ServerStep::refused(Refusal::Malformed),
        },
    };
    let mechanism = &EXTERNAL;
    ServerStep::Ask(
        Question::Certificate { mechanism, authzid },
        Box::new(AwaitGrant { mechanism }),
    )
}

fn client(params: ClientParams) -> ClientStep {
    let authzid = params.authzid.unwrap_or_default();
    if authzid.is_empty() || Authzid::parse(&authzid).is_ok() {
        return ClientStep::respond(authzid, AwaitOutcomeOrEmpty);
    }
    ClientStep::Abort(ClientFault::NameUnusable)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::pairing::{Ending, Pairing, granted, knows, untouched};
    use crate::{Answer, Outcome, Verdict};

    /// The authzid that is asked about, or the refusal.
    fn asked(step: ServerStep) -> Result<Option<String>, Refusal> {
        match step {
            ServerStep::Ask(Question::Certificate { authzid, .. }, _) => {
                Ok(authzid.map(|name| name.as_str().to_owned()))
            }
            ServerStep::Done(Outcome::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn said(message: &[u8]) -> Result<Option<String>, Refusal> {
        asked((EXTERNAL.server)(ServerParams::default(), Some(message)))
    }

    fn run(authzid: Option<&str>, answer: &dyn Fn() -> Answer) -> Ending {
        Pairing {
            mechanism: &EXTERNAL,
            server: ServerParams::default(),
            client: ClientParams {
                authzid: authzid.map(str::to_owned),
                ..ClientParams::new("", "h", "unused")
            },
            user: &knows("never asked"),
            directory: &|_| answer(),
            wire: &untouched,
        }
        .run()
    }

    // EXT-02: "Message = authzid UTF-8 or empty".
    #[test]
    fn ext_02_the_message_is_the_authzid_or_empty() {
        let published = BASE64.decode("ZnJlZEBleGFtcGxlLmNvbQ==").unwrap();
        assert_eq!(said(&published), Ok(Some("fred@example.com".to_owned())));
        assert_eq!(said(b""), Ok(None));
        assert_eq!(
            said("J\u{fc}rgen".as_bytes()),
            Ok(Some("J\u{fc}rgen".to_owned()))
        );
        for bad in [&b"fred\0"[..], b"a\rb", b"J\xfcrgen", &[b'x'; 1025]] {
            assert_eq!(said(bad), Err(Refusal::Malformed), "{bad:?}");
        }
    }

    // V-08: "EXTERNAL message with 0..3 NULs and 64 KiB".
    #[test]
    fn v_08_octets_that_are_no_name() {
        for (octet, many) in [(0, 1), (0, 2), (0, 3), (0, 65_536), (b'x', 65_536)] {
            assert_eq!(said(&vec![octet; many]), Err(Refusal::Malformed));
        }
    }

    // EXT-02: `AUTH EXTERNAL`, an empty challenge, an empty line.
    #[test]
    fn ext_02_without_initial_response_there_is_one_empty_challenge() {
        for (response, authzid) in [(&b""[..], None), (b"fred", Some("fred".to_owned()))] {
            let ServerStep::Challenge(challenge, state) =
                (EXTERNAL.server)(ServerParams::default(), None)
            else {
                panic!("the client is to speak");
            };
            assert_eq!(challenge, b"");
            assert_eq!(asked(state.respond(response)), Ok(authzid));
        }
    }

    // EXT-03, EXT-07, SASL-07.
    #[test]
    fn ext_03_the_outcome_is_the_directorys_in_one_round() {
        let ending = run(None, &|| Answer::Verdict(granted("scans@example.com")));
        assert_eq!(ending.messages, [b""]);
        assert!(ending.client_is_content());
        let Some(Outcome::Authenticated(success)) = ending.server else {
            panic!("he is let in");
        };
        assert_eq!(success.identity.authcid().as_str(), "scans@example.com");
        let ending = run(Some("shared"), &|| Answer::Verdict(granted("scans")));
        assert_eq!(ending.messages, [b"shared"]);
        assert!(ending.server_let_him_in());
        for (answer, refusal) in [
            (
                Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
                Refusal::CredentialsInvalid,
            ),
            (Answer::Verdict(granted("")), Refusal::Unavailable),
            (Answer::SecretKept, Refusal::Unavailable),
            (Answer::Unavailable, Refusal::Unavailable),
        ] {
            let step = (EXTERNAL.server)(ServerParams::default(), Some(b""));
            let ServerStep::Ask(_, state) = step else {
                panic!("{step:?}");
            };
            let step = state.answer(answer);
            assert!(
                matches!(step, ServerStep::Done(Outcome::Refused(r)) if r == refusal),
                "{step:?}"
            );
        }
    }

    #[test]
    fn the_client_does_not_send_what_cannot_be_sent() {
        let params = ClientParams {
            authzid: Some("a\0b".to_owned()),
            ..ClientParams::new("", "h", "unused")
        };
        let step = (EXTERNAL.client)(params);
        assert!(matches!(step, ClientStep::Abort(ClientFault::NameUnusable)));
    }
}
