//! Whether the time of a refusal tells which names exist.
//!
//! Wrong passwords for the user and for nobody take turns, each on a connection of its own; what is compared is the time from the last line
//! of the client to the reply. Few are tried, because each is a failed login of a real user. So few show a server that looks for
//! the password only of those who exist, and say nothing of differences below that.

use std::io;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::login::Login;
use super::question::Question;
use super::report::{Finding, Verdict};

/// Failed logins of each of the two. Fewer than the five after which the first programs lock a user out.
pub(super) const ROUNDS: usize = 4;

/// How much longer one must take to count, if all of one take longer than all of the other.
const FACTOR: f64 = 1.5;

/// Below this the network makes the difference.
const LEAST: Duration = Duration::from_millis(2);

const TIMING: Question = Question {
    name: "timing",
    section: "RFC 4422 §3.6",
    requirement: "AUTH-27",
    breaks: "anybody can find out who has an account here, and try passwords only for those",
};

/// Tries, and compares.
pub(super) fn ask(login: &Login<'_>) -> Finding {
    let mechanism = ["PLAIN", "LOGIN"]
        .into_iter()
        .find(|name| login.channel.offers(name));
    let Some(mechanism) = mechanism else {
        return TIMING.finding(Verdict::Skipped, "neither PLAIN nor LOGIN is offered");
    };
    match measure(login, mechanism) {
        Ok((user, nobody)) => {
            let (verdict, found) = compare(&user, &nobody);
            TIMING.finding(verdict, &found)
        }
        Err(error) => TIMING.finding(Verdict::Skipped, &error.to_string()),
    }
}

type Times = Vec<Duration>;

fn measure(login: &Login<'_>, mechanism: &str) -> io::Result<(Times, Times)> {
    let nobody = match login.user.split_once('@') {
        Some((_, domain)) => format!("gatepost-probe@{domain}"),
        None => "gatepost-probe".to_owned(),
    };
    let (mut of_user, mut of_nobody) = (Times::new(), Times::new());
    for round in 0..ROUNDS {
        // Each goes first as often as the other.
        if round % 2 == 0 {
            of_user.push(refusal(login, mechanism, login.user)?);
            of_nobody.push(refusal(login, mechanism, &nobody)?);
        } else {
            of_nobody.push(refusal(login, mechanism, &nobody)?);
            of_user.push(refusal(login, mechanism, login.user)?);
        }
    }
    Ok((of_user, of_nobody))
}

/// How long a server takes to refuse this name with a password that is made up, always the same: some count it once.
fn refusal(login: &Login<'_>, mechanism: &str, name: &str) -> io::Result<Duration> {
    const PASSWORD: &str = "gatepost-probe";
    let mut connection = login.connect()?;
    let last = if mechanism == "PLAIN" {
        let message = STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        format!("AUTH PLAIN {message}")
    } else {
        connection.ask("AUTH LOGIN")?;
        connection.ask(&STANDARD.encode(name))?;
        STANDARD.encode(PASSWORD)
    };
    let began = Instant::now();
    let reply = connection.ask(&last)?;
    let took = began.elapsed();
    if reply.is("535") {
        Ok(took)
    } else {
        Err(io::Error::other(format!(
            "{}: no refusal to measure",
            reply.text()
        )))
    }
}

/// They differ if every one of the one side took longer than every one of the other, and by far.
fn compare(user: &[Duration], nobody: &[Duration]) -> (Verdict, String) {
    let (of_user, of_nobody) = (median(user), median(nobody));
    let (shorter, longer) = (of_user.min(of_nobody), of_user.max(of_nobody));
    let ratio = longer.as_secs_f64() / shorter.as_secs_f64().max(f64::MIN_POSITIVE);
    let apart = user.iter().max() < nobody.iter().min() || nobody.iter().max() < user.iter().min();
    let found = format!(
        "{:.1} ms for the user, {:.1} ms for nobody (medians of {}, ratio {ratio:.1})",
        of_user.as_secs_f64() * 1000.0,
        of_nobody.as_secs_f64() * 1000.0,
        user.len()
    );
    if apart && ratio >= FACTOR && longer.saturating_sub(shorter) >= LEAST {
        (Verdict::Fault, format!("{found}: the times differ"))
    } else {
        (Verdict::Ok, format!("{found}: no difference to see"))
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare_millis(user: [u64; 4], nobody: [u64; 4]) -> Verdict {
        let [user, nobody] = [user, nobody].map(|side| side.map(Duration::from_millis));
        compare(&user, &nobody).0
    }

    // AUTH-27.
    #[test]
    fn only_a_difference_without_exception_and_by_far_counts() {
        assert_eq!(
            compare_millis([30, 31, 90, 30], [1, 1, 2, 1]),
            Verdict::Fault
        );
        assert_eq!(
            compare_millis([1, 1, 2, 1], [30, 31, 90, 30]),
            Verdict::Fault
        );
        // One of nobody's took as long.
        assert_eq!(compare_millis([30, 31, 90, 30], [1, 1, 31, 1]), Verdict::Ok);
        // All longer, but little.
        assert_eq!(
            compare_millis([33, 34, 33, 35], [30, 31, 30, 32]),
            Verdict::Ok
        );
        // By far, but within what a network does.
        assert_eq!(compare_millis([2, 2, 2, 2], [1, 1, 1, 1]), Verdict::Ok);
    }
}
