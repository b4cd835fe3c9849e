//! A fault as it is written: `MECHANISM:STEP[:FAULT]`.
//!
//! The mechanism is a name or a pattern that ends in `*`. A fault that ends in `-once` happens the first time only, in the life of the
//! server. What cannot happen is refused, with what may have been meant.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gatepost_sasl::{Mechanism, Needs, mechanism};

use super::Fault;
use super::kind::{Act, KINDS, Kind, PAUSE, Step};
use crate::config::suggest::nearest;

/// Latest slow reply: longer than any client waits for one (RFC 5321 §4.5.3.2.6).
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Replies of an exchange that have a number.
const MOST_REPLIES: u8 = 20;

/// What is wrong, and what next.
pub(super) type Misread = (String, String);

impl Fault {
    pub(super) fn read(written: &str) -> Result<Self, Misread> {
        let mut parts = written.splitn(3, ':');
        let (Some(pattern), Some(step), what) = (parts.next(), parts.next(), parts.next()) else {
            return Err((
                "this is not MECHANISM:STEP or MECHANISM:STEP:FAULT".to_owned(),
                "write it as in plain:first:close; --fault list shows what there is".to_owned(),
            ));
        };
        let named = mechanisms(pattern)?;
        let step = read_step(step)?;
        if !named.iter().any(|mechanism| step.is_in(mechanism)) {
            return Err((
                format!("{pattern} has no step {step}"),
                format!("it has {}", steps(&named)),
            ));
        }
        let (what, once) = match what.map(|it| (it, it.strip_suffix("-once"))) {
            Some((_, Some(what))) => (Some(what), true),
            Some((what, None)) => (Some(what), false),
            None => (None, false),
        };
        let (what, pause) = match what.and_then(|it| it.split_once('=')) {
            Some((what, pause)) => (Some(what), Some(pause)),
            None => (what, None),
        };
        let kind = match what {
            Some(name) => named_kind(name)?,
            None => first_possible(pattern, &named, step)?,
        };
        let pause = match pause {
            Some(pause) if kind.act == Act::Slow => read_pause(pause)?,
            Some(_) => {
                return Err((
                    format!("{} takes no value", kind.name),
                    format!("write {}", kind.name),
                ));
            }
            None => PAUSE,
        };
        let mechanisms: Vec<_> = named.into_iter().filter(|it| kind.fits(it, step)).collect();
        if mechanisms.is_empty() {
            return Err((
                format!("{} cannot happen at {pattern}:{step}", kind.name),
                format!("it is for {}, step {}", kind.family, kind.place),
            ));
        }
        Ok(Self {
            written: written.to_owned(),
            mechanisms,
            step,
            kind,
            pause,
            left: once.then(|| AtomicBool::new(true)),
        })
    }
}

/// The mechanisms of a development server but GSSAPI: it has no Kerberos realm of its own.
fn offered() -> impl Iterator<Item = &'static Mechanism> {
    let mechanisms = mechanism::ALL.iter().copied();
    mechanisms.filter(|mechanism| mechanism.needs != Needs::PassThrough)
}

fn mechanisms(pattern: &str) -> Result<Vec<&'static Mechanism>, Misread> {
    let lower = pattern.to_ascii_lowercase();
    let fits = |mechanism: &&'static Mechanism| {
        let name = mechanism.name.to_ascii_lowercase();
        match lower.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == lower,
        }
    };
    let found: Vec<_> = offered().filter(fits).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let next = match mechanism::by_name(pattern) {
        Some(_) => "a development server does not offer it".to_owned(),
        None => meant(&lower, offered().map(|it| it.name.to_ascii_lowercase())),
    };
    Err((format!("there is no mechanism {pattern} here"), next))
}

fn read_step(word: &str) -> Result<Step, Misread> {
    let named = [Step::Reply(1), Step::Challenge, Step::Final, Step::Outcome];
    if let Some(step) = named.into_iter().find(|step| step.to_string() == word) {
        return Ok(step);
    }
    if let Ok(number) = word.parse()
        && (1..=MOST_REPLIES).contains(&number)
    {
        return Ok(Step::Reply(number));
    }
    Err((
        format!("there is no step {word}"),
        format!(
            "{}; or the number of a reply, 1 to {MOST_REPLIES}",
            meant(word, named.map(|step| step.to_string()))
        ),
    ))
}

fn named_kind(name: &str) -> Result<&'static Kind, Misread> {
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| {
        let next = meant(name, KINDS.iter().map(|kind| kind.name.to_owned()));
        (format!("there is no fault {name}"), next)
    })
}

fn first_possible(
    pattern: &str,
    named: &[&'static Mechanism],
    step: Step,
) -> Result<&'static Kind, Misread> {
    let possible = |kind: &&Kind| named.iter().any(|mechanism| kind.fits(mechanism, step));
    KINDS.iter().find(possible).ok_or_else(|| {
        (
            format!("nothing can happen at {pattern}:{step}"),
            "--fault list shows what can happen where".to_owned(),
        )
    })
}

fn read_pause(written: &str) -> Result<Duration, Misread> {
    let pause = match written.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => (written.strip_suffix('s'))
            .and_then(|number| number.parse().ok())
            .map(Duration::from_secs),
    };
    pause
        .filter(|pause| *pause <= LONGEST_PAUSE)
        .ok_or_else(|| {
            (
                format!("{written} is no time to be slow by"),
                format!(
                    "write it as in slow=5s or slow=200ms; at most {}s",
                    LONGEST_PAUSE.as_secs()
                ),
            )
        })
}

fn steps(named: &[&'static Mechanism]) -> String {
    let all = [Step::Reply(1), Step::Challenge, Step::Final, Step::Outcome];
    let theirs = all
        .into_iter()
        .filter(|step| named.iter().any(|it| step.is_in(it)));
    let words: Vec<_> = theirs.map(|step| step.to_string()).collect();
    format!("{}, and numbers", words.join(", "))
}

fn meant(word: &str, known: impl IntoIterator<Item = String>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match nearest(word, known.iter().map(String::as_str)) {
        Some(it) => format!("did you mean {it}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Fault {
        Fault::read(written).unwrap_or_else(|fault| panic!("{written}: {fault:?}"))
    }

    fn names(fault: &Fault) -> Vec<&str> {
        fault.mechanisms.iter().map(|it| it.name).collect()
    }

    #[test]
    fn what_is_written_is_what_is_meant() {
        let fault = read("scram-sha-256:final:wrong-signature");
        assert_eq!(
            (names(&fault), fault.step),
            (vec!["SCRAM-SHA-256"], Step::Final)
        );
        assert!(fault.kind.name == "wrong-signature" && fault.left.is_none());
        let fault = read("LOGIN:2:slow=200ms");
        assert_eq!(
            (fault.step, fault.pause),
            (Step::Reply(2), Duration::from_millis(200))
        );
        let fault = read("*:outcome:454-once");
        assert!(fault.kind.name == "454" && fault.left.is_some());
        assert!(names(&fault).contains(&"ANONYMOUS") && !names(&fault).contains(&"GSSAPI"));
        let fault = read("cram-md5:1:slow=3s-once");
        assert_eq!(fault.pause, Duration::from_secs(3));
        assert!(fault.left.is_some());
        assert_eq!(
            names(&read("scram-sha-1*:challenge:wrong-nonce")),
            ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]
        );
        // Of all mechanisms, those it can happen to.
        assert_eq!(names(&read("*:final:wrong-rspauth")), ["DIGEST-MD5"]);
        assert_eq!(
            names(&read("*:outcome:error-json")),
            ["OAUTHBEARER", "XOAUTH2"]
        );
    }

    #[test]
    fn without_a_fault_the_first_possible_one_is_meant() {
        for (written, name) in [
            ("scram-sha-512-plus:final", "wrong-signature"),
            ("digest-md5:final", "wrong-rspauth"),
            ("scram-*:challenge", "wrong-nonce"),
            ("login:challenge", "other-prompt"),
            ("plain:first", "close"),
            ("cram-md5:2", "close"),
            ("xoauth2:outcome", "454"),
        ] {
            assert_eq!(read(written).kind.name, name, "{written}");
        }
    }

    #[test]
    fn a_wrong_word_is_told_with_the_right_one() {
        for (written, what, next) in [
            ("plain", "this is not MECHANISM:STEP", "plain:first:close"),
            (
                "scram-sha256:final",
                "there is no mechanism scram-sha256 here",
                "did you mean scram-sha-256?",
            ),
            (
                "kerberos:final",
                "there is no mechanism kerberos here",
                "known here: external, ",
            ),
            (
                "gssapi:first",
                "there is no mechanism gssapi here",
                "does not offer it",
            ),
            (
                "plain:frist",
                "there is no step frist",
                "did you mean first?; or the number",
            ),
            ("plain:0", "there is no step 0", "1 to 20"),
            (
                "plain:final:close",
                "plain has no step final",
                "it has first, outcome, and numbers",
            ),
            (
                "digest-md5:final:wrong-rsauth",
                "there is no fault wrong-rsauth",
                "did you mean wrong-rspauth?",
            ),
            (
                "login:first:wrong-signature",
                "wrong-signature cannot happen at login:first",
                "it is for scram-*, step final",
            ),
            (
                "plain:first:454",
                "454 cannot happen at plain:first",
                "it is for *, step outcome",
            ),
            (
                "plain:first:close=1s",
                "close takes no value",
                "write close",
            ),
            ("plain:first:slow=soon", "soon is no time", "slow=200ms"),
            ("plain:first:slow=3600s", "3600s is no time", "at most 900s"),
        ] {
            let Err(misread) = Fault::read(written) else {
                panic!("{written} was taken");
            };
            assert!(
                misread.0.contains(what) && misread.1.contains(next),
                "{written}: {misread:?}"
            );
        }
    }
}
