//! The server, when a client begins with the nonce of an earlier exchange (RFC 2831 §2.2).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::super::keys::{SessionKey, Side, Terms};
use super::super::protection::Protection;
use super::super::{DIGEST_MD5, DigestMd5Hashes, ExchangeId, ResumableExchanges, TakenUp};
use super::{chris, smtp};
use crate::pairing::granted;
use crate::{
    Answer, LayerPolicy, Outcome, Question, Refusal, Secret, ServerParams, ServerStep, Verdict,
    Verifier,
};

/// Remembers everything.
#[derive(Debug, Default)]
pub(super) struct Memory {
    counts: Mutex<HashMap<ExchangeId, u32>>,
    pub(super) too_late: AtomicBool,
}

impl ResumableExchanges for Memory {
    fn remember(&self, exchange: ExchangeId) {
        self.counts.lock().unwrap().insert(exchange, 1);
    }

    fn take_up(&self, exchange: ExchangeId, count: u32) -> TakenUp {
        let mut counts = self.counts.lock().unwrap();
        let too_late = self.too_late.load(Ordering::Relaxed);
        match counts.get_mut(&exchange) {
            None => TakenUp::Unknown,
            Some(last) if !too_late && *last + 1 == count => {
                *last = count;
                TakenUp::Next
            }
            Some(_) => TakenUp::Stale,
        }
    }
}

/// A server of the realm of RFC 2831 §4, and what it remembers.
struct Bench {
    memory: Arc<Memory>,
    password: &'static str,
    verdict: Verdict,
}

/// How a server answers an initial response.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Proof(String),
    /// With `stale=true` or without.
    Challenge {
        stale: bool,
    },
    Refused(Refusal),
}

impl Bench {
    fn new() -> Self {
        Self {
            memory: Arc::default(),
            password: "secret",
            verdict: granted("chris"),
        }
    }

    /// After the first exchange on these terms.
    fn after(terms: &Terms) -> Self {
        let bench = Self::new();
        let ServerStep::Challenge(_, state) = bench.begin("OA6MG9tEQGm2hh", None) else {
            panic!("the server speaks first");
        };
        let step = state.respond(response(terms).as_bytes());
        assert!(matches!(bench.said(step), Said::Proof(_)));
        bench
    }

    fn begin(&self, nonce: &str, initial: Option<&str>) -> ServerStep {
        let params = ServerParams {
            nonce: nonce.to_owned(),
            realms: vec!["elwood.innosoft.com".to_owned()],
            layers: LayerPolicy::ANY,
            resumable: Some(self.memory.clone()),
            ..ServerParams::default()
        };
        (DIGEST_MD5.server)(params, initial.map(str::as_bytes))
    }

    fn answer(&self, question: &Question) -> Answer {
        let (name, realms) = (question.authcid().unwrap(), ["elwood.innosoft.com"]);
        let password = Secret::new(self.password);
        let hashes = DigestMd5Hashes::derive(name.as_str(), realms, &password);
        Answer::Verifier {
            verifier: Verifier::DigestMd5(hashes),
            verdict: self.verdict.clone(),
        }
    }

    fn said(&self, step: ServerStep) -> Said {
        match step {
            ServerStep::Ask(question, state) => self.said(state.answer(self.answer(&question))),
            ServerStep::Challenge(challenge, _) => {
                let text = String::from_utf8(challenge).unwrap();
                assert!(text.contains("nonce=\"NEW\""), "{text}");
                Said::Challenge {
                    stale: text.contains(",stale=true,"),
                }
            }
            ServerStep::Done(Outcome::Authenticated(success)) => {
                Said::Proof(String::from_utf8(success.final_data.unwrap()).unwrap())
            }
            ServerStep::Done(Outcome::Refused(refusal)) => Said::Refused(refusal),
        }
    }

    /// What it says to this initial response.
    fn to(&self, initial: &str) -> Said {
        self.said(self.begin("NEW", Some(initial)))
    }
}

/// The response of chris on these terms.
fn response(terms: &Terms) -> String {
    let digest = SessionKey::new(&chris(), terms).digest(terms, Side::Client);
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let cipher = terms.protection.cipher();
    let cipher = cipher.map_or(String::new(), |it| format!(",cipher={}", it.name()));
    format!(
        "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"{}\",nc={},cnonce=\"{}\",digest-uri=\"{}\",response={:032x},qop={}{cipher}",
        text(&terms.nonce),
        text(&terms.nonce_count),
        text(&terms.cnonce),
        text(&terms.digest_uri),
        u128::from_be_bytes(digest),
        terms.protection.qop(),
    )
}

fn nth(count: u32) -> Terms {
    Terms {
        nonce_count: format!("{count:08x}").into_bytes(),
        ..smtp()
    }
}

// DIG-20: the published nonces with the next count, and so on.
#[test]
fn dig_20_the_next_count_goes_on_where_the_last_exchange_ended() {
    let bench = Bench::after(&smtp());
    let second = response(&nth(2));
    assert!(second.contains("response=40323efe01b9576367b6c61d84184161"));
    let proof = Said::Proof("rspauth=1b21a13ea6558d2547c51a5f64f83fbc".to_owned());
    assert_eq!(bench.to(&second), proof);
    for count in 3..20 {
        assert!(matches!(bench.to(&response(&nth(count))), Said::Proof(_)));
    }
}

// T-18, DIG-13, DIG-20: a recorded exchange does not open anything a second time, on this connection or another, and nobody who
// replays it puts the client out of step.
#[test]
fn t_18_a_recorded_exchange_replayed() {
    let bench = Bench::after(&smtp());
    let recorded = [response(&smtp()), response(&nth(2))];
    assert!(matches!(bench.to(&recorded[1]), Said::Proof(_)));
    for replayed in &recorded {
        assert_eq!(bench.to(replayed), Said::Challenge { stale: true });
        let ServerStep::Challenge(_, state) = bench.begin("NEW", None) else {
            panic!("the server speaks first");
        };
        let step = state.respond(replayed.as_bytes());
        assert_eq!(bench.said(step), Said::Refused(Refusal::CredentialsInvalid));
    }
    let skipped = response(&nth(4));
    assert_eq!(bench.to(&skipped), Said::Challenge { stale: true });
    assert!(matches!(bench.to(&response(&nth(3))), Said::Proof(_)));
}

// DIG-20, T-18: whoever has not proven the password before learns nothing about it, and does not count.
#[test]
fn dig_20_t_18_what_is_not_known_is_challenged_and_nothing_said_about_it() {
    let bench = Bench::after(&smtp());
    let plain = Said::Challenge { stale: false };
    let right = response(&nth(2));
    let never_issued = Terms {
        nonce: b"invented".to_vec(),
        ..nth(2)
    };
    let other_cnonce = Terms {
        cnonce: b"invented".to_vec(),
        ..nth(2)
    };
    for initial in [
        right.replace("40323e", "40323f"),
        right.replace("nc=00000002", "nc=00000003"),
        right.replace("chris", "joe"),
        right.replace("elwood.innosoft.com\",nonce", "other\",nonce"),
        right.replace("smtp/", "imap/"),
        response(&never_issued),
        response(&other_cnonce),
        "rubbish".to_owned(),
        String::new(),
    ] {
        assert_eq!(bench.to(&initial), plain, "{initial}");
    }
    assert!(
        matches!(bench.to(&right), Said::Proof(_)),
        "the count stands"
    );

    // A former password opens nothing, and neither password is told from a wrong one.
    let mut changed = Bench::after(&smtp());
    changed.password = "changed";
    assert_eq!(changed.to(&right), plain);
    let new = super::super::keys::user_hash(b"chris", b"elwood.innosoft.com", b"changed");
    let digest = SessionKey::new(&new, &nth(2)).digest(&nth(2), Side::Client);
    let guessed = format!("{:032x}", u128::from_be_bytes(digest));
    let guessed = right.replace("40323efe01b9576367b6c61d84184161", &guessed);
    assert_eq!(changed.to(&guessed), plain);
}

// DIG-20: too old, and in the words that spare the user a question.
#[test]
fn dig_20_an_old_nonce_is_stale() {
    let bench = Bench::after(&smtp());
    bench.memory.too_late.store(true, Ordering::Relaxed);
    let right = response(&nth(2));
    assert_eq!(bench.to(&right), Said::Challenge { stale: true });
    let wrong = right.replace("40323e", "40323f");
    assert_eq!(bench.to(&wrong), Said::Challenge { stale: false });
}

// DIG-17, DIG-18: a layer would have the keys of the first connection again.
#[test]
fn a_layer_is_never_taken_up_again() {
    use super::super::protection::Cipher;
    for protection in [
        Protection::Integrity,
        Protection::Confidentiality(Cipher::Rc4),
    ] {
        let layered = |count| Terms {
            protection,
            ..nth(count)
        };
        let bench = Bench::after(&layered(1));
        let second = bench.to(&response(&layered(2)));
        assert_eq!(second, Said::Challenge { stale: true }, "{protection:?}");
        // Nor is it taken off.
        let bare = bench.to(&response(&nth(2)));
        assert_eq!(bare, Said::Challenge { stale: false }, "{protection:?}");
    }
}

// CODE-07: what the directory says of the account holds every time.
#[test]
fn an_account_that_is_disabled_meanwhile_does_not_come_in() {
    let mut bench = Bench::after(&smtp());
    bench.verdict = Verdict::Refused(Refusal::AccountDisabled);
    let said = bench.to(&response(&nth(2)));
    assert_eq!(said, Said::Refused(Refusal::AccountDisabled));

    // And who is refused the first time has nothing to take up.
    let mut bench = Bench::new();
    bench.verdict = Verdict::Refused(Refusal::AccountDisabled);
    let ServerStep::Challenge(_, state) = bench.begin("OA6MG9tEQGm2hh", None) else {
        panic!("the server speaks first");
    };
    let step = state.respond(response(&smtp()).as_bytes());
    assert_eq!(bench.said(step), Said::Refused(Refusal::AccountDisabled));
    bench.verdict = granted("chris");
    let said = bench.to(&response(&nth(2)));
    assert_eq!(said, Said::Challenge { stale: false });
}

// A directory that keeps its secrets has not seen the challenge; one that is down is not a reason to ask once more.
#[test]
fn other_answers_of_the_directory() {
    let bench = Bench::after(&smtp());
    for (answer, expected) in [
        (Answer::SecretKept, Said::Challenge { stale: false }),
        (Answer::Unavailable, Said::Refused(Refusal::Unavailable)),
    ] {
        let ServerStep::Ask(_, state) = bench.begin("NEW", Some(&response(&nth(2)))) else {
            panic!("the hashes are asked for");
        };
        assert_eq!(bench.said(state.answer(answer)), expected);
    }
}
