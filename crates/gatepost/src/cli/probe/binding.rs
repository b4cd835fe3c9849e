//! Whether SCRAM protects against somebody between client and server, who takes `-PLUS` from the list that the client sees, changes the
//! header of its first message, or has a TLS connection of his own to each side.
//!
//! Each attack is played with the right password, so that only what protects against it can be the reason of the refusal; before, the same
//! login without the attack must have worked. A server that withstands all of them has counted three failed logins of this user.

use gatepost_sasl::{ChannelBindings, Mechanism, mechanism};

use super::connection::Connection;
use super::login::{Login, Manner};
use super::question::Question;
use super::report::{Finding, Report, Verdict};

const DOWNGRADE: Question = Question {
    name: "plus-downgrade",
    section: "RFC 5802 §6",
    requirement: "SCR-12",
    breaks: "who sits between client and server takes the binding away, and neither of them notices",
};

const HEADER: Question = Question {
    name: "plus-header",
    section: "RFC 5802 §7",
    requirement: "SCR-07",
    breaks: "who sits between client and server changes the first message, and neither of them notices",
};

const WRONG_BINDING: Question = Question {
    name: "plus-wrong-binding",
    section: "RFC 5802 §6",
    requirement: "CB-09",
    breaks: "the binding protects against nobody: a server in between, with a certificate it should not have, can log in",
};

const UNBOUND: Question = Question {
    name: "scram-unbound",
    section: "RFC 5802 §6",
    requirement: "SCR-12",
    breaks: "clients that could bind, and say so, cannot log in",
};

/// Plays the attacks, where the server offers to bind; else asks whether it takes a client that could.
pub(super) fn ask(login: &Login<'_>, report: &mut Report) {
    let bare = [
        &mechanism::SCRAM_SHA_512,
        &mechanism::SCRAM_SHA_256,
        &mechanism::SCRAM_SHA_1,
    ]
    .into_iter()
    .find(|bare| login.channel.offers(bare.name));
    let Some(bare) = bare else {
        return report.add(UNBOUND.finding(Verdict::Skipped, "no SCRAM without -PLUS"));
    };
    if let Err(reason) = attempt(login, |_| unbound(bare)) {
        let found = format!("{bare} does not let this user in: {reason}");
        return report.add(UNBOUND.finding(Verdict::Skipped, &found));
    }
    let plus =
        mechanism::by_name(&format!("{bare}-PLUS")).filter(|plus| login.channel.offers(plus.name));
    match plus {
        Some(plus) => attack(login, bare, plus, report),
        None => report.add(match attempt(login, |_| could_bind(bare)) {
            Ok(said) => UNBOUND.finding(Verdict::Ok, &said),
            Err(said) => UNBOUND.finding(
                Verdict::Fault,
                &format!("{said}: a client that could bind must be taken"),
            ),
        }),
    }
}

fn attack(
    login: &Login<'_>,
    bare: &'static Mechanism,
    plus: &'static Mechanism,
    report: &mut Report,
) {
    report.add(withstood(&DOWNGRADE, attempt(login, |_| could_bind(bare))));
    let altered = |_: &Connection| Manner {
        altered: say_cannot_bind,
        ..could_bind(bare)
    };
    report.add(withstood(&HEADER, attempt(login, altered)));
    let right = |connection: &Connection| bound(plus, connection.bindings());
    report.add(match attempt(login, right) {
        Ok(_) => withstood(
            &WRONG_BINDING,
            attempt(login, |_| bound(plus, some_binding())),
        ),
        Err(reason) => {
            let found = format!("{plus} does not let this user in: {reason}");
            WRONG_BINDING.finding(Verdict::Skipped, &found)
        }
    });
}

/// What the server said when it let the user in; or when it did not, or why our side gave up.
fn attempt(
    login: &Login<'_>,
    manner: impl FnOnce(&Connection) -> Manner,
) -> Result<String, String> {
    let mut connection = login.connect().map_err(|error| error.to_string())?;
    let manner = manner(&connection);
    let reply = login
        .run(&mut connection, &manner)
        .map_err(|error| error.to_string())?;
    let said = reply.text().to_owned();
    if reply.is("235") { Ok(said) } else { Err(said) }
}

/// An attack that let the user in went unnoticed.
fn withstood(question: &Question, attacked: Result<String, String>) -> Finding {
    match attacked {
        Ok(said) => question.finding(Verdict::Fault, &format!("{said}: must be refused")),
        Err(said) => question.finding(Verdict::Ok, &said),
    }
}

/// A client that cannot bind (flag `n`).
fn unbound(mechanism: &'static Mechanism) -> Manner {
    bound(mechanism, ChannelBindings::default())
}

/// A client that could bind, and sees no offer to (flag `y`).
fn could_bind(mechanism: &'static Mechanism) -> Manner {
    Manner {
        plus_offered: false,
        ..bound(mechanism, some_binding())
    }
}

/// A client that binds to this, where the mechanism does.
fn bound(mechanism: &'static Mechanism, bindings: ChannelBindings) -> Manner {
    Manner {
        mechanism,
        bindings,
        plus_offered: true,
        altered: |_| {},
    }
}

/// The binding of some other connection.
fn some_binding() -> ChannelBindings {
    ChannelBindings {
        tls_exporter: Some([0; 32]),
        ..ChannelBindings::default()
    }
}

/// Turns the flag `y` of a first message into `n`. What the client says later still tells of `y`.
fn say_cannot_bind(first: &mut [u8]) {
    if let Some(flag) = first.first_mut() {
        *flag = b'n';
    }
}
