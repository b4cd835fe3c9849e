//! Which reverse-path and which authors an account may use (RFC 6409 §6.1, SMTP-10, SMTP-12).
//!
//! - The reverse-path is an address of the account, or null: notices and read receipts use it, so it is no cause for
//!   refusal by itself (SMTP-11).
//! - There is one `From` field, and each of its mailboxes is an address of the account. What readers may read differently
//!   counts as not owned (T-03). The same holds for every `Resent-From`.
//! - A notice that another server passes on has that server as its author ([`notice`](super::notice)).
//! - A `Sender` that is not an address of the account, or is no address at all, is removed, not refused: old programs put
//!   a login there (SUBM-01, SUBM-06). So is one of several.

use gatepost_smtp::path::ReversePath;
use gatepost_smtp::reply::Refusal;

use super::actor::Actor;
use super::decision::Decision;
use super::notice;
use crate::config::resolved::MissingFrom;
use crate::message::fixup::Changes;
use crate::message::headers::{Field, HeaderSection};
use crate::message::mailbox::{self, Mailbox};
use crate::observe::reason::Reason;

/// What is done about the authors of a message beyond checking them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorRules {
    /// What happens without `From`.
    pub missing_from: MissingFrom,
    /// Name the first address of the account in `Sender` where `From` is another one.
    pub add_sender: bool,
}

/// May the account use this reverse-path? One that was switched off during the session may use none.
pub fn check_reverse_path(actor: &Actor<'_>, path: &ReversePath) -> Result<(), Decision> {
    if !actor.enabled {
        return Err(
            Decision::new(Refusal::AccountDisabled, Reason::AccountDisabled)
                .with("account", actor.identity.acts_as()),
        );
    }
    match path.address() {
        None => Ok(()),
        Some(address) if actor.owns(address.local(), address.domain()) => Ok(()),
        Some(address) => Err(
            Decision::new(Refusal::SenderNotOwned, Reason::SenderNotAllowed)
                .with("account", actor.identity.acts_as())
                .with("sender", address.as_str()),
        ),
    }
}

/// May the account be the author of this message? If so, what has to change in its header for that.
pub fn check_authors(
    actor: &Actor<'_>,
    path: &ReversePath,
    section: &HeaderSection<'_>,
    rules: AuthorRules,
) -> Result<Changes, Decision> {
    let mut changes = Changes::default();
    if notice::is_passed_on(path, section) {
        return Ok(changes);
    }
    let mut authors = Vec::new();
    for field in section.named("From") {
        if !authors.is_empty() {
            return Err(not_owned(actor, "more than one From field"));
        }
        authors = owned_mailboxes(actor, field)?;
    }
    for field in section.named("Resent-From") {
        owned_mailboxes(actor, field)?;
    }
    remove_foreign(actor, section, "Sender", &mut changes);
    remove_foreign(actor, section, "Resent-Sender", &mut changes);
    let has_sender =
        section.named("Sender").next().is_some() && !changes.remove.contains(&"Sender");
    let sender = match authors.as_slice() {
        [] => {
            let author = added_author(actor, path, rules.missing_from)?;
            changes.add.push(("From", author));
            None
        }
        _ if has_sender => None,
        [author] if rules.add_sender => account_address(actor, author),
        [_] => None,
        // RFC 5322 §3.6.2: with several authors, Sender says which of them sent it.
        [_, _, ..] => own_address(actor, path),
    };
    changes.add.extend(sender.map(|sender| ("Sender", sender)));
    Ok(changes)
}

/// The mailboxes in the field, all of which are the account's.
fn owned_mailboxes(actor: &Actor<'_>, field: &Field<'_>) -> Result<Vec<Mailbox>, Decision> {
    if field.has_gap() {
        return Err(not_owned(actor, "white space before the colon"));
    }
    let mailboxes =
        mailbox::parse_list(field.value()).map_err(|fault| not_owned(actor, &fault.to_string()))?;
    match mailboxes
        .iter()
        .find(|mailbox| !actor.owns(mailbox.local(), mailbox.domain()))
    {
        None => Ok(mailboxes),
        Some(foreign) => Err(not_owned(actor, &foreign.to_string())),
    }
}

fn remove_foreign(
    actor: &Actor<'_>,
    section: &HeaderSection<'_>,
    name: &'static str,
    changes: &mut Changes,
) {
    let mut fields = section.named(name);
    let kept = match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(field), None) => owned_mailboxes(actor, field).is_ok_and(|owned| owned.len() == 1),
        (Some(_), Some(_)) => false,
    };
    if !kept {
        changes.remove.push(name);
    }
}

fn added_author(
    actor: &Actor<'_>,
    path: &ReversePath,
    missing: MissingFrom,
) -> Result<String, Decision> {
    let added = match missing {
        MissingFrom::Refuse => None,
        MissingFrom::Add => own_address(actor, path),
    };
    added.ok_or_else(|| {
        Decision::new(Refusal::NoHeaderFrom, Reason::HeaderFromNotAllowed)
            .with("account", actor.identity.acts_as())
    })
}

/// The address the message is sent with: the reverse-path, which was checked, or the account's first.
fn own_address(actor: &Actor<'_>, path: &ReversePath) -> Option<String> {
    path.address()
        .or(actor.addresses.first())
        .map(ToString::to_string)
}

/// The first address of the account, if the author is another one (SUBM-01). An account's addresses are valid mailboxes.
fn account_address(actor: &Actor<'_>, author: &Mailbox) -> Option<String> {
    let first = actor.addresses.first()?;
    let is_author = first.local().eq_ignore_ascii_case(author.local())
        && first.domain().eq_ignore_ascii_case(author.domain());
    (!is_author).then(|| first.to_string())
}

fn not_owned(actor: &Actor<'_>, from: &str) -> Decision {
    Decision::new(Refusal::HeaderFromNotOwned, Reason::HeaderFromNotAllowed)
        .with("account", actor.identity.acts_as())
        .with("from", from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;
    use gatepost_smtp::path::Address;

    fn with_actor<T>(check: impl FnOnce(&Actor<'_>) -> T) -> T {
        let identity = fixture::identity("me");
        let addresses =
            ["me@own.example", "alias@other.example"].map(|text| Address::parse(text).unwrap());
        check(&Actor {
            identity: &identity,
            addresses: &addresses,
            enabled: true,
        })
    }

    fn authors(header: &str, missing: MissingFrom) -> Result<Changes, Refusal> {
        let path = ReversePath::parse("alias@other.example").unwrap();
        let section = HeaderSection::scan(header.as_bytes()).unwrap();
        let rules = AuthorRules {
            missing_from: missing,
            add_sender: false,
        };
        with_actor(|actor| check_authors(actor, &path, &section, rules))
            .map_err(|decision| decision.refusal)
    }

    // SMTP-10, SMTP-11, SMTP-12, V-47
    #[test]
    fn reverse_paths() {
        let table = [
            ("<>", true),
            ("me@own.example", true),
            ("ME@OWN.Example", true),
            ("alias@other.example", true),
            ("you@own.example", false),
            ("me@other.example", false),
            ("me@own.example.evil", false),
            ("me@sub.own.example", false),
            ("me+tag@own.example", false),
            ("\"me@own.example\"@evil.example", false),
            ("\"me\"@own.example", true),
            ("me%own.example@evil.example", false),
            ("me@[192.0.2.1]", false),
        ];
        for (text, allowed) in table {
            let path = ReversePath::parse(text).unwrap();
            assert_eq!(
                with_actor(|actor| check_reverse_path(actor, &path)).is_ok(),
                allowed,
                "{text}"
            );
        }
        let foreign = ReversePath::parse("you@own.example").unwrap();
        let decision = with_actor(|actor| check_reverse_path(actor, &foreign)).unwrap_err();
        assert_eq!(
            (decision.refusal, decision.detail().as_str()),
            (Refusal::SenderNotOwned, "account=me sender=you@own.example")
        );
    }

    // EAI-02: what is compared is the mailbox, not its spelling.
    #[test]
    fn eai_02_addresses_beyond_ascii() {
        let identity = fixture::identity("me");
        let addresses = ["m\u{e9}@b\u{fc}cher.example"].map(|text| Address::parse(text).unwrap());
        let actor = Actor {
            identity: &identity,
            addresses: &addresses,
            enabled: true,
        };
        let table = [
            ("m\u{e9}@b\u{fc}cher.example", true),
            ("ME\u{301}@xn--bcher-kva.example", true),
            ("M\u{c9}@B\u{dc}CHER.EXAMPLE", true),
            ("me@b\u{fc}cher.example", false),
            ("m\u{e9}@bucher.example", false),
            ("m\u{e8}@b\u{fc}cher.example", false),
            // Cyrillic: looks the same, and is another mailbox.
            ("m\u{435}\u{301}@b\u{fc}cher.example", false),
        ];
        let rules = AuthorRules {
            missing_from: MissingFrom::Refuse,
            add_sender: false,
        };
        for (text, owned) in table {
            let path = ReversePath::parse(text).unwrap();
            assert_eq!(check_reverse_path(&actor, &path).is_ok(), owned, "{text}");
            let header = format!("From: Me <{text}>\r\n");
            let section = HeaderSection::scan(header.as_bytes()).unwrap();
            assert_eq!(
                check_authors(&actor, &path, &section, rules).is_ok(),
                owned,
                "{text}"
            );
        }
    }

    // T-03, V-48: each author is the account's own in every reading, or the message is refused.
    #[test]
    fn authors_are_addresses_of_the_account() {
        let own = [
            "From: me@own.example\r\n",
            "fRoM: Me <ME@own.example>\r\n",
            "From: me@own.example\r\nResent-From: alias@other.example\r\nResent-From: me@own.example\r\n",
            "From: me@own.example\r\nReply-To: anyone@bank.example\r\n",
            "From: me@own.example\r\nX-From: victim@bank.example\r\n",
            // Below the first line that is no field there is text, and the completed message says so.
            "From: me@own.example\r\nno field\r\nFrom: victim@bank.example\r\n",
            "From: me@own.example\r\nFrom\r\n : victim@bank.example\r\n",
        ];
        for header in own {
            assert_eq!(
                authors(header, MissingFrom::Refuse),
                Ok(Changes::default()),
                "{header:?}"
            );
        }
        let foreign = [
            "From: victim@bank.example\r\n",
            "From: you@own.example\r\n",
            "From: scanner\r\n",
            "From:\r\n",
            "From : me@own.example\r\n",
            "From\t: victim@bank.example\r\n",
            "From: me@own.example\r\nFrom: me@own.example\r\n",
            "From: me@own.example\r\nFROM: victim@bank.example\r\n",
            "From: me@own.example\r\nFrom : victim@bank.example\r\n",
            "From: me@own.example, victim@bank.example\r\n",
            "From: me@own.example,\r\n victim@bank.example\r\n",
            "From: victim@bank.example <me@own.example>\r\n",
            "From: me@own.example\r\nResent-From: victim@bank.example\r\n",
            "From: me@own.example\r\nResent-From : me@own.example\r\n",
            "From: me@own.example\0\r\n",
        ];
        for header in foreign {
            for missing in [MissingFrom::Refuse, MissingFrom::Add] {
                assert_eq!(
                    authors(header, missing),
                    Err(Refusal::HeaderFromNotOwned),
                    "{header:?}"
                );
            }
        }
    }

    // SUBM-09
    #[test]
    fn a_missing_from_is_refused_or_added() {
        for header in [
            "",
            "Subject: x\r\n",
            "text\r\nFrom: me@own.example\r\n",
            " From: me@own.example\r\n",
        ] {
            assert_eq!(
                authors(header, MissingFrom::Refuse),
                Err(Refusal::NoHeaderFrom),
                "{header:?}"
            );
            let added = authors(header, MissingFrom::Add).unwrap();
            assert_eq!(
                added.add,
                [("From", "alias@other.example".to_owned())],
                "{header:?}"
            );
        }
    }

    // SUBM-01, SUBM-06, SUBM-09
    #[test]
    fn a_foreign_sender_is_removed_and_several_authors_get_one() {
        let kept = [
            "",
            "Sender: me@own.example\r\n",
            "Sender: Me <alias@other.example>\r\n",
        ];
        for sender in kept {
            assert_eq!(
                authors(
                    &format!("From: me@own.example\r\n{sender}"),
                    MissingFrom::Refuse
                ),
                Ok(Changes::default())
            );
        }
        let removed = [
            "Sender: trever\r\n",
            "Sender: victim@bank.example\r\n",
            "Sender : me@own.example\r\n",
            "Sender: me@own.example, me@own.example\r\n",
            "Sender: me@own.example\r\nSender: me@own.example\r\n",
            "Sender:\r\n",
        ];
        for sender in removed {
            let changes = authors(
                &format!("{sender}From: me@own.example\r\n"),
                MissingFrom::Refuse,
            )
            .unwrap();
            assert_eq!(
                (changes.remove.as_slice(), changes.add.len()),
                (["Sender"].as_slice(), 0),
                "{sender:?}"
            );
        }
        let several = "From: me@own.example, alias@other.example\r\n";
        for (sender, added) in [
            ("", true),
            ("Sender: trever\r\n", true),
            ("Sender: me@own.example\r\n", false),
        ] {
            let changes = authors(&format!("{several}{sender}"), MissingFrom::Refuse).unwrap();
            assert_eq!(
                changes.add == [("Sender", "alias@other.example".to_owned())],
                added,
                "{sender:?}"
            );
        }
        let resent = authors(
            "From: me@own.example\r\nResent-Sender: x@y.example\r\n",
            MissingFrom::Refuse,
        )
        .unwrap();
        assert_eq!(resent.remove, ["Resent-Sender"]);
    }

    // SUBM-01: "Add/replace `Sender` (8.1) when From ≠ identity and policy asks; must be a valid mailbox."
    #[test]
    fn a_sender_names_the_account_where_that_is_asked_for() {
        let path = ReversePath::parse("alias@other.example").unwrap();
        let rules = AuthorRules {
            missing_from: MissingFrom::Refuse,
            add_sender: true,
        };
        let table = [
            ("From: alias@other.example\r\n", Some("me@own.example")),
            ("From: ME@own.example\r\n", None),
            (
                "From: alias@other.example\r\nSender: alias@other.example\r\n",
                None,
            ),
            (
                "From: alias@other.example\r\nSender: trever\r\n",
                Some("me@own.example"),
            ),
        ];
        for (header, added) in table {
            let section = HeaderSection::scan(header.as_bytes()).unwrap();
            let changes = with_actor(|actor| check_authors(actor, &path, &section, rules)).unwrap();
            let expected: Vec<_> = added
                .map(|it| ("Sender", it.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(changes.add, expected, "{header:?}");
        }
    }
}
