//! The authentication service behind a protocol that is not SMTP: tickets, directories that fail, names that do not
//! exist, passwords that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatepost::auth::Authenticator;
use gatepost::auth::channel::Channel;
use gatepost::auth::directory::{Answering, Asker, Directory};
use gatepost::auth::exchange::{DEADLINE, End, Exchange};
use gatepost::auth::guard::{Rules, Tally};
use gatepost::store::CredentialKind::{Legacy, Password};
use gatepost_sasl::{Answer, Authcid, Grant, Mechanism, Question, Refusal, Secret, Verdict};
use tokio::time::{self, Instant};

use crate::toy_protocol::{House, Login, from, legacy, log_in, named, new_password, tls};

const HOME: &str = "198.51.100.7";

#[tokio::test]
async fn a_caller_that_is_not_smtp_authenticates_by_every_mechanism() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "flintstone")]);
    for mechanism in ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"] {
        let ended = log_in(
            &house.authenticator,
            from(HOME, legacy()),
            Login::new(mechanism, "Fred", "flintstone"),
        )
        .await;
        let identity = ended.outcome.unwrap().identity;
        assert_eq!(
            (
                identity.login(),
                identity.credential(),
                identity.authcid().as_str()
            ),
            ("fred", "legacy", "Fred"),
            "{mechanism}"
        );
    }
    assert_eq!(
        house.authenticator.guard().tally(),
        Tally {
            opened: 4,
            won: 4,
            lost: 0,
            aborted: 0
        }
    );
}

#[tokio::test]
async fn a_ticket_is_settled_as_won_lost_or_aborted() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    for mechanism in ["SCRAM-SHA-256", "PLAIN", "LOGIN"] {
        let before = house.authenticator.guard().tally();
        let login = |password| {
            log_in(
                &house.authenticator,
                from(HOME, tls()),
                Login::new(mechanism, "fred", password),
            )
        };
        assert!(login("flintstone").await.won(), "{mechanism}");
        assert_eq!(
            login("rubble").await.refusal(),
            Some(Refusal::CredentialsInvalid),
            "{mechanism}"
        );
        let (exchange, _) =
            Exchange::open(&house.authenticator, from(HOME, tls()), named(mechanism)).unwrap();
        exchange.close(End::Aborted);
        drop(Exchange::open(&house.authenticator, from(HOME, tls()), named(mechanism)).unwrap());
        let expected = Tally {
            opened: before.opened + 4,
            won: before.won + 1,
            lost: before.lost + 1,
            aborted: before.aborted + 2,
        };
        assert_eq!(house.authenticator.guard().tally(), expected, "{mechanism}");
    }
}

/// The directory's verdict is charged when it falls, so that hanging up before the reply saves nothing.
#[tokio::test]
async fn t_10_a_guess_counts_although_the_client_hangs_up_before_the_reply() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    let (mut exchange, _) =
        Exchange::open(&house.authenticator, from(HOME, tls()), named("PLAIN")).unwrap();
    let answer = exchange.answer(password_question("fred", b"rubble")).await;
    assert!(matches!(
        answer,
        Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid))
    ));
    drop(exchange);
    assert_eq!(
        house.authenticator.guard().tally(),
        Tally {
            opened: 1,
            won: 0,
            lost: 1,
            aborted: 0
        }
    );
}

/// SCR-18, SCR-19, AUTH-27: a name that does not exist looks like one that does.
#[tokio::test]
async fn scr_18_an_unknown_name_looks_like_a_known_one_and_the_same_after_a_restart() {
    let mut house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        for name in ["fred", "Barney", "barney", "wilma"] {
            let ended = log_in(
                &house.authenticator,
                from(HOME, tls()),
                Login::new("SCRAM-SHA-256", name, "rubble"),
            )
            .await;
            assert_eq!(ended.refusal(), Some(Refusal::CredentialsInvalid), "{name}");
            assert_eq!(ended.challenges.len(), 1, "{name}");
            let first = String::from_utf8(ended.challenges[0].clone()).unwrap();
            let (nonce, rest) = first.split_once(",s=").unwrap();
            seen.push((name, nonce.len(), rest.to_owned()));
        }
        house = house.restarted();
    }
    let (before, after) = seen.split_at(4);
    assert_eq!(before, after, "salts are stable over a restart");
    let shape = |(_, nonce, rest): &(_, usize, String)| {
        (
            *nonce,
            rest.len(),
            rest.split_once(",i=").unwrap().1.to_owned(),
        )
    };
    assert!(
        seen.iter().all(|one| shape(one) == shape(&seen[0])),
        "{seen:?}"
    );
    assert_eq!(
        before[1].2, before[2].2,
        "spellings of one name have one salt"
    );
    assert_ne!(before[1].2, before[3].2, "names have salts of their own");
}

/// CRAM-09, PLAIN-09, V-41: the same replies, in the same number, for names that exist and names that do not.
#[tokio::test]
async fn auth_27_every_mechanism_says_the_same_of_known_unknown_and_keyless_names() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "flintstone")]);
    house.add("keyless", &[(Password, "flintstone")]);
    for mechanism in ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"] {
        for name in ["fred", "keyless", "nobody", "no body", "ñobody"] {
            let ended = log_in(
                &house.authenticator,
                from(HOME, legacy()),
                Login::new(mechanism, name, "rubble"),
            )
            .await;
            let rounds = if mechanism == "LOGIN" {
                2
            } else {
                usize::from(mechanism != "PLAIN")
            };
            assert_eq!(
                (ended.refusal(), ended.challenges.len()),
                (Some(Refusal::CredentialsInvalid), rounds),
                "{mechanism} {name}"
            );
        }
    }
}

/// T-24, V-29.
#[tokio::test]
async fn t_24_a_changed_password_is_forgotten_at_once() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let login = |password| {
            log_in(
                &house.authenticator,
                from(HOME, tls()),
                Login::new(mechanism, "fred", password),
            )
        };
        house
            .store
            .set_password("fred", new_password(Password, "flintstone"))
            .unwrap();
        assert!(login("flintstone").await.won() && login("flintstone").await.won());
        house
            .store
            .set_password("FRED", new_password(Password, "quarry"))
            .unwrap();
        assert!(!login("flintstone").await.won(), "{mechanism}");
        assert!(login("quarry").await.won(), "{mechanism}");
    }
}

#[tokio::test]
async fn a_disabled_account_is_told_only_after_its_right_password() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    house.add("wilma", &[(Password, "pebbles")]);
    let login = |mechanism, password| {
        log_in(
            &house.authenticator,
            from(HOME, tls()),
            Login::new(mechanism, "fred", password),
        )
    };
    assert!(
        login("PLAIN", "flintstone").await.won(),
        "so that the password is remembered"
    );
    house.store.set_enabled("fred", false).unwrap();
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256"] {
        assert_eq!(
            login(mechanism, "flintstone").await.refusal(),
            Some(Refusal::AccountDisabled),
            "{mechanism}"
        );
        assert_eq!(
            login(mechanism, "rubble").await.refusal(),
            Some(Refusal::CredentialsInvalid),
            "{mechanism}"
        );
    }
    house.store.set_enabled("fred", true).unwrap();
    assert!(login("PLAIN", "flintstone").await.won());
}

/// T-04: an identity to act as is compared after preparation, and granted or refused like a wrong password.
#[tokio::test]
async fn t_04_an_authorization_identity_needs_a_grant() {
    let house = House::new();
    for name in ["fred", "wilma", "barney"] {
        house.add(name, &[(Password, "flintstone")]);
    }
    house.store.grant_acts_as("fred", "wilma").unwrap();
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        for (authzid, acts_as) in [
            (None, Some("fred")),
            (Some("fred"), Some("fred")),
            (Some("ＦＲＥＤ"), Some("fred")),
            (Some("Wilma"), Some("wilma")),
            (Some("barney"), None),
            (Some("nobody"), None),
        ] {
            let login = Login {
                authzid,
                ..Login::new(mechanism, "fred", "flintstone")
            };
            let ended = log_in(&house.authenticator, from(HOME, tls()), login).await;
            let acted = ended
                .outcome
                .as_ref()
                .ok()
                .map(|success| success.identity.acts_as());
            assert_eq!(acted, acts_as, "{mechanism} {authzid:?}");
            assert_eq!(
                ended.refusal(),
                acts_as.is_none().then_some(Refusal::CredentialsInvalid)
            );
        }
    }
    house.store.set_enabled("wilma", false).unwrap();
    let login = Login {
        authzid: Some("wilma"),
        ..Login::new("PLAIN", "fred", "flintstone")
    };
    assert!(
        !log_in(&house.authenticator, from(HOME, tls()), login)
            .await
            .won()
    );
}

/// PREP-03, PREP-04, PREP-07: what was stored prepared is found however the client spells it.
#[tokio::test]
async fn prep_03_spellings_of_one_password_are_that_password() {
    let house = House::new();
    house.add("fred", &[(Password, "s\u{e9}cret\u{2168}")]);
    house.add("emoji", &[(Password, "fox\u{1f98a}")]);
    let answer = |name: &'static str, password: &'static [u8]| {
        let opened = Exchange::open(&house.authenticator, from(HOME, tls()), named("PLAIN"));
        async move {
            let answer = opened
                .unwrap()
                .0
                .answer(password_question(name, password))
                .await;
            matches!(answer, Answer::Verdict(Verdict::Accepted(_)))
        }
    };
    assert!(answer("fred", "s\u{e9}cret\u{2168}".as_bytes()).await);
    assert!(answer("fred", "se\u{301}cretIX".as_bytes()).await);
    assert!(answer("fred", b"s\xe9cretIX").await, "CP1252");
    assert!(!answer("fred", b"secretIX").await);
    assert!(answer("emoji", "fox\u{1f98a}".as_bytes()).await);
}

/// A directory of which the test says what it does.
struct Scripted {
    asked: Arc<AtomicUsize>,
    takes: Duration,
    answers: fn() -> Answer,
}

impl Directory for Scripted {
    fn answer<'a>(&'a self, _question: &'a Question, _asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            time::sleep(self.takes).await;
            (self.answers)()
        })
    }

    fn completes(&self, _mechanism: &Mechanism, _channel: &Channel) -> bool {
        true
    }
}

fn scripted(takes: Duration, answers: fn() -> Answer) -> (Authenticator, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let directory = Scripted {
        asked: Arc::clone(&asked),
        takes,
        answers,
    };
    (
        Authenticator::new("smtp.example.com", Box::new(directory), Rules::default()),
        asked,
    )
}

fn refused() -> Answer {
    Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid))
}

fn password_question(name: &str, password: &[u8]) -> Question {
    Question::Password {
        mechanism: named("PLAIN"),
        authcid: Authcid::parse(name).unwrap(),
        authzid: None,
        password: Secret::new(password),
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_down_or_too_slow_is_no_judgement() {
    for (takes, answers) in [
        (Duration::ZERO, (|| Answer::Unavailable) as fn() -> Answer),
        (DEADLINE * 2, refused),
    ] {
        let (authenticator, asked) = scripted(takes, answers);
        let began = Instant::now();
        for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256"] {
            let ended = log_in(
                &authenticator,
                from(HOME, tls()),
                Login::new(mechanism, "fred", "flintstone"),
            )
            .await;
            assert_eq!(ended.refusal(), Some(Refusal::Unavailable), "{mechanism}");
        }
        assert!(began.elapsed() <= 3 * DEADLINE);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(
            authenticator.guard().tally(),
            Tally {
                opened: 3,
                won: 0,
                lost: 0,
                aborted: 3
            }
        );
    }
}

/// T-25, V-29.
#[tokio::test]
async fn t_25_an_empty_secret_reaches_no_directory_and_is_no_guess() {
    let (authenticator, asked) = scripted(Duration::ZERO, || {
        let grant = Grant {
            login: "fred".into(),
            acts_as: "fred".into(),
            credential: "anonymous".into(),
        };
        Answer::Verdict(Verdict::Accepted(grant))
    });
    let too_long = vec![b'x'; 1025];
    let cases: [(&[u8], Refusal); 3] = [
        (b"", Refusal::CredentialsEmpty),
        (b"\0\0", Refusal::CredentialsEmpty),
        (&too_long, Refusal::CredentialsInvalid),
    ];
    for (password, expected) in cases {
        let (mut exchange, _) =
            Exchange::open(&authenticator, from(HOME, tls()), named("PLAIN")).unwrap();
        let answer = exchange.answer(password_question("fred", password)).await;
        assert!(
            matches!(answer, Answer::Verdict(Verdict::Refused(refusal)) if refusal == expected)
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(
        authenticator.guard().tally(),
        Tally {
            opened: 3,
            won: 0,
            lost: 1,
            aborted: 2
        }
    );
}

/// AUTH-18: guesses are answered later and later, then with "try later"; the owner at home does not notice.
#[tokio::test(start_paused = true)]
async fn auth_18_guessing_is_slowed_before_anything_is_judged() {
    let (authenticator, asked) = scripted(Duration::ZERO, refused);
    let mut waits = Vec::new();
    for guess in 0..10 {
        let began = Instant::now();
        let guess = format!("guess{guess}");
        log_in(
            &authenticator,
            from("192.0.2.1", tls()),
            Login::new("PLAIN", "fred", &guess),
        )
        .await;
        // Tokio's timer rounds up to its next millisecond.
        waits.push(began.elapsed().as_millis() / 10 * 10);
    }
    // One after the other, each waits for the spacing the one before it took.
    assert_eq!(waits, [0, 0, 0, 0, 0, 0, 500, 1000, 2000, 4000]);
    let mut answered_now = 0;
    let mut crowd = tokio::task::JoinSet::new();
    for guess in 0..50 {
        let authenticator = authenticator.clone();
        crowd.spawn(async move {
            let guess = format!("crowd{guess}");
            log_in(
                &authenticator,
                from("192.0.2.1", tls()),
                Login::new("PLAIN", "fred", &guess),
            )
            .await
            .refusal()
        });
    }
    while let Some(refusal) = crowd.join_next().await {
        answered_now += usize::from(refusal.unwrap() == Some(Refusal::CredentialsInvalid));
    }
    assert!(
        answered_now <= 2,
        "{answered_now} guesses at once were judged"
    );
    assert_eq!(asked.load(Ordering::Relaxed), 10 + answered_now);
}

#[tokio::test]
async fn a_question_can_be_taken_back() {
    let (authenticator, asked) = scripted(Duration::from_secs(3600), refused);
    let (mut exchange, _) =
        Exchange::open(&authenticator, from(HOME, tls()), named("PLAIN")).unwrap();
    {
        let mut answering =
            std::pin::pin!(exchange.answer(password_question("fred", b"flintstone")));
        tokio::select! {
            biased;
            _ = &mut answering => panic!("answered"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    drop(exchange);
    assert_eq!(authenticator.guard().tally().aborted, 1);
}

#[tokio::test]
async fn t_50_nothing_of_an_exchange_shows_a_secret() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "flintstone")]);
    let account = house.store.accounts().remove(0);
    let question = password_question("fred", b"flintstone");
    let shown = format!(
        "{account:?} {question:?} {:?} {:?}",
        house.store,
        house.store.seal()
    );
    assert!(
        !shown.contains("flintstone")
            && !shown.contains("argon2id$")
            && !shown.contains("SCRAM-SHA-256$"),
        "{shown}"
    );
}
