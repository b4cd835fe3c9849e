//! `gatepost dev --fault`: a server that gets one thing wrong, for people who test what their client does then.
//!
//! Two seams, both outside of what serves: `verdict` stands in the directory's place and decides otherwise; `dialogue` stands between
//! session and client, above TLS, and changes how it is said. No session, mechanism or directory knows of either, and nothing but this
//! command can put them there.
//!
//! A fault happens to every connection, each time; one that ends in `-once` the first time in the life of the server, so that a client
//! that comes back on another connection succeeds.

mod change;
mod dialogue;
mod kind;
mod verdict;
mod written;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_sasl::Mechanism;
use gatepost_smtp::short_id::SessionId;

use crate::cli::CommandError;
use crate::net::interposer::{Interposer, Interposers};
use crate::observe::Observer;
use crate::observe::event::FaultInjected;
use crate::serve::Interposed;
use dialogue::{Dialogue, Moment};
use kind::{Act, Decision, KINDS, Kind, Step};
use verdict::Misjudging;

/// Shows the table in place of running.
pub(super) const LIST: &str = "list";

/// A fault that was asked for.
struct Fault {
    /// As it was asked for.
    written: String,
    mechanisms: Vec<&'static Mechanism>,
    step: Step,
    kind: &'static Kind,
    pause: Duration,
    /// Whether it is still to happen; of one that happens each time, nothing.
    left: Option<AtomicBool>,
}

/// All faults of a server.
pub(super) struct Faults {
    faults: Vec<Fault>,
    observer: Observer,
}

impl Faults {
    /// Reads what the command line says.
    pub(super) fn read(written: &[String], observer: Observer) -> Result<Self, CommandError> {
        let read = |written: &String| {
            Fault::read(written).map_err(|(what, next)| {
                CommandError::Usage(format!("--fault {written}: {what}\n    {next}"))
            })
        };
        let faults = written.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { faults, observer })
    }

    /// Puts them where they happen; nothing where there are none.
    pub(super) fn interposed(self: &Arc<Self>) -> Interposed {
        if self.faults.is_empty() {
            return Interposed::default();
        }
        let faults = Arc::clone(self);
        Interposed {
            directory: Some(Box::new(|directory| {
                Box::new(Misjudging { directory, faults })
            })),
            interposers: Some(Arc::new(Dialogues(Arc::clone(self)))),
        }
    }

    /// What the directory is to say to somebody it would let in.
    fn decision(&self, mechanism: &Mechanism) -> Option<Decision> {
        self.faults.iter().find_map(|fault| match fault.kind.act {
            Act::Decide(decision) if fault.is_for(mechanism) && fault.strikes() => {
                self.report(fault, mechanism, None);
                Some(decision)
            }
            _ => None,
        })
    }

    /// What is to happen to a reply, in the order of the command line.
    fn striking(&self, moment: &Moment, session: SessionId) -> Vec<&Fault> {
        let strikes = |fault: &&Fault| fault.concerns(moment) && fault.strikes();
        let struck: Vec<_> = self.faults.iter().filter(strikes).collect();
        for fault in &struck {
            self.report(fault, moment.mechanism, Some(session));
        }
        struck
    }

    fn report(&self, fault: &Fault, mechanism: &Mechanism, session: Option<SessionId>) {
        self.observer.emit(FaultInjected {
            session: session.map(|it| it.to_string()),
            mechanism: mechanism.name.to_owned(),
            fault: fault.written.clone(),
        });
    }
}

impl Fault {
    fn is_for(&self, mechanism: &Mechanism) -> bool {
        self.mechanisms.iter().any(|it| **it == *mechanism)
    }

    /// Whether this is the reply it happens to.
    fn concerns(&self, moment: &Moment) -> bool {
        self.is_for(moment.mechanism)
            && moment.is(self.step)
            && match self.kind.act {
                Act::Decide(_) => false,
                Act::Change(_) | Act::Withhold | Act::ServerError => moment.is_challenge(),
                _ => true,
            }
    }

    /// Whether it happens now.
    fn strikes(&self) -> bool {
        self.left
            .as_ref()
            .is_none_or(|left| left.swap(false, Ordering::Relaxed))
    }
}

/// What the server says of itself at its start.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            return Ok(());
        }
        writeln!(f, "THIS SERVER MISBEHAVES, as it was asked to:\n")?;
        for fault in &self.faults {
            let when = if fault.left.is_some() {
                ", the first time"
            } else {
                ""
            };
            writeln!(f, "  {}{when}\n      {}", fault.written, fault.kind.server)?;
            writeln!(
                f,
                "      a right client {} ({})",
                fault.kind.client, fault.kind.section
            )?;
        }
        writeln!(f)
    }
}

/// Makes a dialogue for each connection.
struct Dialogues(Arc<Faults>);

impl Interposers for Dialogues {
    fn begin(&self, session: SessionId) -> Box<dyn Interposer> {
        Box::new(Dialogue::new(Arc::clone(&self.0), session))
    }
}

/// The table of all faults.
pub(super) struct List;

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "gatepost dev --fault MECHANISM:STEP[:FAULT], more than once if wanted\n"
        )?;
        writeln!(
            f,
            "  MECHANISM  a name as in AUTH, or a pattern: scram-*, *"
        )?;
        writeln!(f, "  STEP       first      the reply to the AUTH command")?;
        writeln!(f, "             2, 3, …    the second reply, the third")?;
        writeln!(
            f,
            "             challenge  the first challenge that says something"
        )?;
        writeln!(
            f,
            "             final      the challenge with the server's own proof"
        )?;
        writeln!(
            f,
            "             outcome    the reply that ends the exchange"
        )?;
        writeln!(
            f,
            "  FAULT      one of these; with -once behind it, the first time only\n"
        )?;
        for kind in &KINDS {
            writeln!(
                f,
                "  {:<16} {}, step {}",
                kind.name, kind.family, kind.place
            )?;
            writeln!(f, "      the server   {}", kind.server)?;
            writeln!(f, "      the client   {} ({})", kind.client, kind.section)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_has_the_table_as_it_is() {
        let page = include_str!("../../../../../../docs/reference/faults.md");
        let row = |kind: &Kind| {
            let Kind {
                name,
                family,
                place,
                server,
                client,
                section,
                ..
            } = kind;
            format!("| `{name}` | `{family}` | {place} | {server} | {client} ({section}) |\n")
        };
        let table: String = KINDS.iter().map(row).collect();
        assert!(
            page.ends_with(&table),
            "docs/reference/faults.md has to end in\n{table}"
        );
    }

    #[test]
    fn every_fault_is_possible_somewhere_and_its_name_its_own() {
        for kind in &KINDS {
            let possible = |step: &&str| Fault::read(&format!("*:{step}:{}", kind.name)).is_ok();
            assert!(
                ["first", "challenge", "final", "outcome"]
                    .iter()
                    .any(possible),
                "{}",
                kind.name
            );
            assert_eq!(KINDS.iter().filter(|it| it.name == kind.name).count(), 1);
        }
    }

    #[test]
    fn once_is_once() {
        let fault = Fault::read("plain:first:close-once").unwrap();
        assert_eq!(
            [fault.strikes(), fault.strikes(), fault.strikes()],
            [true, false, false]
        );
        let fault = Fault::read("plain:first:close").unwrap();
        assert_eq!([fault.strikes(), fault.strikes()], [true, true]);
    }
}
