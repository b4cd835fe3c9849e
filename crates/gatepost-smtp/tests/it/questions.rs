//! Every question a mechanism can ask, and every answer to it, through the whole session (SASL-07, CODE-09).

use gatepost_sasl::mechanism::{CRAM_MD5, LOGIN, PLAIN, SCRAM_SHA_256};
use gatepost_sasl::{Mechanism, Refusal, Secret};
use gatepost_smtp::server::{AuthEnd, SessionEvent};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::probe::{CERTIFICATE, PASS_THROUGH, TOKEN};
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::Cuts;

use crate::bench::{NAME, authenticate, base64, client, codes, greeted, say};

/// How the only exchange so far has ended, in a word.
fn end(bench: &ServerBench) -> String {
    let mut ends = bench.events.iter().filter_map(|event| match event {
        SessionEvent::AuthEnded { end, .. } => Some(match end {
            AuthEnd::Won(identity) => format!("{} as {}", identity.login(), identity.acts_as()),
            AuthEnd::Lost(refusal) => refusal.label().to_owned(),
            AuthEnd::Aborted(cause) => format!("{cause:?}"),
        }),
        _ => None,
    });
    let end = ends.next().expect("the exchange has ended");
    assert!(ends.next().is_none(), "an exchange ends once");
    end
}

/// Both sessions by one mechanism, with the surroundings changed by `change`.
fn both(mechanism: &'static Mechanism, change: impl Fn(&mut Loopback)) -> Loopback {
    let (server, client) = (greeted_later(mechanism), client([authenticate(mechanism)]));
    let mut pair = Loopback::new(server, client, &Cuts::Whole);
    change(&mut pair);
    assert!(pair.run());
    pair
}

fn greeted_later(mechanism: &'static Mechanism) -> ServerBench {
    crate::bench::server(&[mechanism])
}

#[test]
fn password() {
    for mechanism in [&PLAIN, &LOGIN] {
        let good = both(mechanism, |_| ());
        assert_eq!(end(&good.server), "user@example.com as user@example.com");
        let wrong = both(mechanism, |pair| {
            pair.client.user.password = Some(Secret::new("wrong"));
        });
        assert_eq!(end(&wrong.server), "credentials-invalid");
        let down = both(mechanism, |pair| pair.server.program.directory.down = true);
        assert_eq!(end(&down.server), "directory-unavailable");
        assert!(
            down.client.last_end().contains("454 4.7.0"),
            "{}",
            down.client.last_end()
        );
    }
}

#[test]
fn verifier() {
    for mechanism in [&SCRAM_SHA_256, &CRAM_MD5] {
        let good = both(mechanism, |_| ());
        assert_eq!(end(&good.server), "user@example.com as user@example.com");
        let wrong = both(mechanism, |pair| {
            pair.client.user.password = Some(Secret::new("wrong"));
        });
        assert_eq!(end(&wrong.server), "credentials-invalid");
        let unknown = both(mechanism, |pair| {
            pair.server.program.directory.accounts.clear();
        });
        assert_eq!(end(&unknown.server), "credentials-invalid");
        let down = both(mechanism, |pair| pair.server.program.directory.down = true);
        assert_eq!(end(&down.server), "directory-unavailable");
    }
}

/// A right proof of an account that must not come in: the verdict beside the verifier counts.
#[test]
fn verifier_with_a_verdict_that_is_no() {
    for mechanism in [&SCRAM_SHA_256, &CRAM_MD5] {
        let disabled = both(mechanism, |pair| {
            pair.server.program.directory.refused =
                vec![(NAME.to_owned(), Refusal::AccountDisabled)];
        });
        assert_eq!(end(&disabled.server), "account-disabled");
        let wrong = both(mechanism, |pair| {
            pair.server.program.directory.refused =
                vec![(NAME.to_owned(), Refusal::AccountDisabled)];
            pair.client.user.password = Some(Secret::new("wrong"));
        });
        assert_eq!(
            end(&wrong.server),
            "credentials-invalid",
            "CODE-07: nothing is told without the password"
        );
    }
}

/// The directory gives nothing away and checks the response itself.
#[test]
fn response() {
    let kept = |pair: &mut Loopback| pair.server.program.directory.keeps_secrets = true;
    let good = both(&CRAM_MD5, kept);
    assert_eq!(end(&good.server), "user@example.com as user@example.com");
    let wrong = both(&CRAM_MD5, |pair| {
        kept(pair);
        pair.client.user.password = Some(Secret::new("wrong"));
    });
    assert_eq!(end(&wrong.server), "credentials-invalid");
    // SCRAM's server must know the keys: with a directory that keeps them it cannot be done now.
    assert_eq!(
        end(&both(&SCRAM_SHA_256, kept).server),
        "directory-unavailable"
    );
}

#[test]
fn pass_through() {
    let good = both(&PASS_THROUGH, |_| ());
    assert_eq!(end(&good.server), "user@example.com as user@example.com");
    assert_eq!(good.client.last_end(), "authenticated by X-PASS-THROUGH");
    let wrong = both(&PASS_THROUGH, |pair| {
        pair.client.user.password = Some(Secret::new("wrong"));
    });
    assert_eq!(end(&wrong.server), "credentials-invalid");
    let down = both(&PASS_THROUGH, |pair| {
        pair.server.program.directory.down = true;
    });
    assert_eq!(end(&down.server), "directory-unavailable");
}

#[test]
fn pass_through_from_no_message_at_all() {
    let mut bench = greeted(&[&PASS_THROUGH]);
    assert_eq!(
        say(&mut bench, "AUTH X-PASS-THROUGH"),
        format!("334 {}\n", base64("name?"))
    );
    let asked = say(&mut bench, &base64(NAME));
    assert_eq!(
        asked,
        format!("334 {}\n", base64("password of user@example.com?"))
    );
    let welcome = say(&mut bench, &base64("user@example.com secret"));
    assert_eq!(welcome, format!("334 {}\n", base64("welcome")));
    assert_eq!(codes(&say(&mut bench, "")), ["235 2.7.0"]);
}

#[test]
fn token() {
    let known = |pair: &mut Loopback| {
        pair.server.program.directory.tokens = vec![("t0ken".to_owned(), NAME.to_owned())];
        pair.client.user.token = Some(Secret::new("t0ken"));
    };
    let good = both(&TOKEN, known);
    assert_eq!(end(&good.server), "user@example.com as user@example.com");
    assert_eq!(good.client.last_end(), "authenticated by X-TOKEN");
    let unknown = both(&TOKEN, |pair| {
        known(pair);
        pair.client.user.token = Some(Secret::new("stolen"));
    });
    assert_eq!(end(&unknown.server), "credentials-invalid");
    // The error document is sent, answered, and only then refused.
    let explained = both(&TOKEN, |pair| {
        known(pair);
        pair.client.user.token = Some(Secret::new("expired"));
        pair.server.program.directory.token_error = Some(b"{\"status\":\"401\"}".to_vec());
    });
    assert_eq!(end(&explained.server), "credentials-invalid");
    let said = String::from_utf8(explained.from_server).unwrap();
    assert!(
        said.contains(&format!(
            "334 {}\r\n535 5.7.8 ",
            base64("{\"status\":\"401\"}")
        )),
        "{said}"
    );
    let none = both(&TOKEN, |_| ());
    assert!(
        none.client
            .last_end()
            .contains("the secret is not available"),
        "{}",
        none.client.last_end()
    );
}

#[test]
fn certificate() {
    let good = both(&CERTIFICATE, |pair| {
        pair.server.program.directory.certificate_of = Some(NAME.to_owned());
    });
    assert_eq!(end(&good.server), "user@example.com as user@example.com");
    // AUTH-06: an empty initial response is an equals sign.
    let said = String::from_utf8(good.from_client).unwrap();
    assert!(said.contains("AUTH X-CERTIFICATE =\r\n"), "{said}");
    let none = both(&CERTIFICATE, |_| ());
    assert_eq!(end(&none.server), "credentials-invalid");

    let mut bench = greeted(&[&CERTIFICATE]);
    bench.program.directory.certificate_of = Some(NAME.to_owned());
    bench.program.directory.accounts[0].may_act_as = vec!["shared@example.com".to_owned()];
    assert_eq!(
        codes(&say(
            &mut bench,
            &format!("AUTH X-CERTIFICATE {}", base64("shared@example.com"))
        )),
        ["235 2.7.0"]
    );
    assert_eq!(end(&bench), "user@example.com as shared@example.com");
}
