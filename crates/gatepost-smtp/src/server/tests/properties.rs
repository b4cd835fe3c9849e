//! T-02: whatever a client sends and whatever the program answers, nothing is committed without
//! MAIL and a granted RCPT in the same transaction; and how the octets are cut changes nothing.

use proptest::prelude::*;

use super::harness::{Driver, PLAIN_OK, PLAIN_WRONG};
use crate::server::{Answer, Input, Output, Profile, Request, SessionEvent};
use crate::{Refusal, TlsFacts};

enum Act {
    Send(&'static str),
    /// Answer the outstanding request with yes.
    Yes,
    No,
    WrongKind,
    Wait(u64),
}

/// What a client may send, and how often compared to the rest.
const LINES: &[(u64, &str)] = &[
    (6, "MAIL FROM:<user@example.com>\r\n"),
    (6, "RCPT TO:<a@example.net>\r\n"),
    (1, "MAIL FROM:<user@example.com> BODY=BINARYMIME\r\n"),
    (4, "DATA\r\n"),
    (4, "A: b\r\n\r\nbody\r\n.\r\n"),
    (3, "BDAT 11\r\nA: b\r\n\r\nc\r\n"),
    (2, "BDAT 6 LAST\r\nRSET\r\n"),
    (2, "BDAT 0 LAST\r\n"),
    (1, "BDAT 0\r\n"),
    (1, "BDAT 30\r\n"),
    (1, "EHLO x\r\n"),
    (2, ".\r\n"),
    (2, "AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0\r\n"),
    (1, "AUTH LOGIN\r\n"),
    (1, "*\r\n"),
    (1, "RSET\r\n"),
    (1, "MAIL FROM:<broken\r\n"),
    (1, "RCPT TO:<broken\r\n"),
    (1, "\n.\n"),
    (1, "NOOP\n"),
    (1, "D"),
];

fn line() -> impl Strategy<Value = &'static str> {
    let total = LINES.iter().map(|(weight, _)| weight).sum();
    (0..total).prop_map(weighted)
}

fn weighted(mut number: u64) -> &'static str {
    for &(weight, line) in LINES {
        if number < weight {
            return line;
        }
        number -= weight;
    }
    "BDAT x\r\n"
}

/// Numbers that are the same for the same seed: a hundred thousand sequences are more than a
/// strategy that can shrink each of them draws in a few seconds.
struct Dice(u64);

impl Dice {
    /// xorshift64*.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn act(&mut self, asked: bool) -> Act {
        match self.below(20) {
            0 => Act::Wait(self.below(200)),
            1 => Act::No,
            2 => Act::WrongKind,
            3..18 if asked => Act::Yes,
            _ => {
                let total: u64 = LINES.iter().map(|(weight, _)| weight).sum();
                // One number more: a line that ends the connection, rarely.
                let extra = u64::from(self.below(10) == 0);
                Act::Send(weighted(self.below(total + extra)))
            }
        }
    }
}

/// What the program knows, checked at every request.
#[derive(Default)]
struct Program {
    mail: bool,
    granted: u32,
    draft: bool,
    headers: bool,
}

impl Program {
    fn yes(&mut self, request: &Request) {
        match request {
            Request::Mail { .. } => {
                assert!(!self.mail, "MAIL twice in one transaction");
                *self = Self {
                    mail: true,
                    ..Self::default()
                };
            }
            Request::Rcpt { .. } => {
                assert!(self.mail);
                self.granted += 1;
            }
            Request::Content => {
                assert!(self.mail && self.granted > 0);
                self.draft = true;
            }
            Request::Headers { .. } => {
                assert!(self.draft && !self.headers);
                self.headers = true;
            }
            Request::Commit => {
                assert!(
                    self.mail && self.granted > 0 && self.draft && self.headers,
                    "a commit without its grounds"
                );
                *self = Self::default();
            }
            Request::Ehlo { .. } | Request::BeginAuth { .. } | Request::Sasl(_) => {}
        }
    }
}

/// Returns how many messages were committed.
fn run(dice: &mut Dice) -> usize {
    let profile = Profile {
        require_auth: false,
        ..super::harness::submission()
    };
    let mut driver = Driver::new(profile, Some(TlsFacts::default()));
    driver.prompt = false;
    driver.send(b"EHLO x\r\n");
    let mut program = Program::default();
    for _ in 0..dice.below(60) {
        let act = dice.act(driver.asked.is_some());
        match act {
            Act::Send(text) => driver.handle(Input::Bytes(text.as_bytes())),
            Act::Wait(seconds) => drop(driver.wait(seconds)),
            Act::Yes => {
                if let Some((_, request)) = &driver.asked {
                    program.yes(request);
                    driver.answer();
                }
            }
            Act::No | Act::WrongKind => {
                if let Some((id, request)) = driver.asked.take() {
                    let commit = matches!(request, Request::Commit);
                    if commit {
                        program = Program::default();
                    }
                    let answer = match act {
                        Act::No => Answer::Refuse(Refusal::TemporaryFailure),
                        _ if commit => Answer::Proceed,
                        _ => Answer::Committed { id: "none".into() },
                    };
                    driver.handle(Input::Answer(id, answer));
                }
            }
        }
        for event in std::mem::take(&mut driver.events) {
            match event {
                SessionEvent::TransactionReset => {
                    assert!(program.mail, "a reset of nothing");
                    program = Program::default();
                }
                SessionEvent::Refused {
                    command: "BDAT", ..
                } => assert!(!program.mail, "MAIL is needed again"),
                _ => {}
            }
        }
    }
    driver.committed.len()
}

#[test]
fn the_dice_reach_the_end_of_a_transaction() {
    let committed: usize = (1..2_000_u64).map(|seed| run(&mut Dice(seed << 20))).sum();
    assert!(committed > 100, "{committed}");
}

/// Sequences a run of the tests tries.
fn sequences() -> ProptestConfig {
    let soak = std::env::var_os("GATEPOST_SOAK").is_some();
    ProptestConfig::with_cases(if soak { 1_000_000 } else { 100_000 })
}

proptest! {
    #![proptest_config(sequences())]

    #[test]
    fn t_02_v_20_no_commit_without_its_grounds(seed in 1..u64::MAX) {
        run(&mut Dice(seed));
    }
}

proptest! {
    #[test]
    fn how_octets_are_cut_changes_nothing(
        lines in proptest::collection::vec(line(), 0..25),
        cuts in proptest::collection::vec(0_usize..600, 0..10),
    ) {
        let input = format!("EHLO x\r\n{PLAIN_WRONG}\r\n{PLAIN_OK}\r\n{}", lines.concat());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        cuts.push(input.len());
        let mut whole = Driver::tls();
        let expected = whole.send(input.as_bytes());
        let mut pieces = Driver::tls();
        let (mut replies, mut start) = (String::new(), 0);
        for cut in cuts {
            replies += &pieces.send(&input.as_bytes()[start..cut]);
            start = cut;
        }
        prop_assert_eq!(replies, expected);
        prop_assert_eq!(&pieces.committed, &whole.committed);
        prop_assert_eq!(&pieces.events, &whole.events);
    }

    #[test]
    fn any_octets_at_all(octets in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let mut driver = Driver::legacy();
        driver.prompt = true;
        driver.session.handle(Input::Bytes(&octets), driver.now);
        while let Some(output) = driver.session.poll() {
            prop_assert!(!matches!(output, Output::Body(_)));
        }
    }
}
