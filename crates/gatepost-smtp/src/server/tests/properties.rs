//! T-02: whatever a client sends and whatever the program answers, nothing is committed without
//! MAIL and a granted RCPT in the same transaction; and how the octets are cut changes nothing.

use proptest::prelude::*;

use super::harness::{Driver, PLAIN_OK, PLAIN_WRONG};
use crate::server::{Answer, Input, Output, Profile, Request, SessionEvent};
use crate::{Refusal, TlsFacts};

#[derive(Clone, Debug)]
enum Act {
    Send(String),
    /// Answer the outstanding request with yes.
    Yes,
    No,
    WrongKind,
    Wait(u64),
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("MAIL FROM:<user@example.com>\r\n"),
        4 => Just("RCPT TO:<a@example.net>\r\n"),
        4 => Just("DATA\r\n"),
        4 => Just("A: b\r\n\r\nbody\r\n.\r\n"),
        2 => Just("EHLO x\r\n"),
        2 => Just(".\r\n"),
        2 => Just("AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0\r\n"),
        1 => Just("AUTH LOGIN\r\n"),
        1 => Just("*\r\n"),
        1 => Just("RSET\r\n"),
        1 => Just("MAIL FROM:<broken\r\n"),
        1 => Just("RCPT TO:<broken\r\n"),
        1 => Just("\n.\n"),
        1 => Just("NOOP\n"),
        1 => Just("D"),
    ]
    .prop_map(str::to_owned)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => line().prop_map(Act::Send),
        5 => Just(Act::Yes),
        1 => Just(Act::No),
        1 => Just(Act::WrongKind),
        1 => (0_u64..200).prop_map(Act::Wait),
    ]
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

fn run(acts: &[Act]) {
    let profile = Profile {
        require_auth: false,
        ..super::harness::submission()
    };
    let mut driver = Driver::new(profile, Some(TlsFacts::default()));
    driver.prompt = false;
    driver.send(b"EHLO x\r\n");
    let mut program = Program::default();
    for act in acts {
        match act {
            Act::Send(text) => driver.handle(Input::Bytes(text.as_bytes())),
            Act::Wait(seconds) => drop(driver.wait(*seconds)),
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
        if driver
            .events
            .drain(..)
            .any(|event| event == SessionEvent::TransactionReset)
        {
            assert!(program.mail, "a reset of nothing");
            program = Program::default();
        }
    }
}

proptest! {
    #[test]
    fn t_02_no_commit_without_its_grounds(acts in proptest::collection::vec(act(), 0..60)) {
        run(&acts);
    }

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
