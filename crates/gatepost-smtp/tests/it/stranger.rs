//! A mechanism that neither AUTH loop has ever heard of (SASL-01): every octet in a challenge, empty challenges and responses, the server
//! first, data with success, a security layer.

use gatepost_smtp::server::{AbortCause, AuthEnd, SessionEvent};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::probe::{STRANGER, TOKEN};
use gatepost_testkit::split::Cuts;

use crate::bench::{NAME, authenticate, base64, client, codes, greeted, say, server};

#[test]
fn both_loops_carry_it() {
    for cuts in [Cuts::Whole, Cuts::Octets, Cuts::Random(7)] {
        let (server, client) = (server(&[&STRANGER]), client([authenticate(&STRANGER)]));
        let mut pair = Loopback::new(server, client, &cuts);
        assert!(pair.run());
        assert_eq!(
            pair.client.last_end(),
            "authenticated by X-STRANGER_2",
            "{cuts:?}"
        );
        let identity = pair.server.session.identity().unwrap();
        assert_eq!((identity.login(), identity.mechanism()), (NAME, &STRANGER));
    }
}

/// What the loop must know of it is a fact of the mechanism: it is announced, takes no initial response, and QUIT ends it.
#[test]
fn its_facts_are_obeyed() {
    let mut bench = server(&[&STRANGER]);
    let ehlo = say(&mut bench, "EHLO x");
    assert!(ehlo.contains("\n250-AUTH X-STRANGER_2\n"), "{ehlo}");
    assert_eq!(
        codes(&say(&mut bench, "AUTH X-STRANGER_2 dXNlcg==")),
        ["501 5.7.0"]
    );
    let challenge = say(&mut bench, "auth x-stranger_2");
    let mut octets: Vec<u8> = (0..=255).collect();
    octets.extend(b"1896.697170952");
    assert_eq!(challenge, format!("334 {}\n", base64(octets)));
    assert_eq!(codes(&say(&mut bench, "quit")), ["501 5.7.0", "221 2.0.0"]);
    let aborted = bench.events.iter().any(|event| {
        matches!(
            event,
            SessionEvent::AuthEnded {
                end: AuthEnd::Aborted(AbortCause::Quit),
                ..
            }
        )
    });
    assert!(aborted && bench.closed);
}

/// AUTH-13: a mechanism with long messages gets the long buffer, another one does not.
#[test]
fn auth_13_long_lines_are_a_fact_of_the_mechanism() {
    let token = "t".repeat(30_000);
    let mut bench = greeted(&[&TOKEN, &STRANGER]);
    bench.program.directory.tokens = vec![(token.clone(), NAME.to_owned())];
    let line = format!("AUTH X-TOKEN {}", base64(&token));
    assert_eq!(codes(&say(&mut bench, &line)), ["235 2.7.0"]);

    let mut bench = greeted(&[&TOKEN, &STRANGER]);
    say(&mut bench, "AUTH X-STRANGER_2");
    assert_eq!(codes(&say(&mut bench, &base64(&token))), ["500 5.5.6"]);
}
