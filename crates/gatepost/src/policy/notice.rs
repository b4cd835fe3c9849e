//! Notices that another server passes on through an account (RFC 3461 §6, RFC 3464).
//!
//! A server that hands its mail to us with a credential hands us its delivery status notices as well. Their author is that server,
//! not an address of the account, so that the rule about `From` would refuse every one and their readers would never hear.
//!
//! What passes is narrow, since an author that is not checked can be forged: the null reverse-path, a delivery status report, and
//! one author whose local part is `MAILER-DAEMON` or `postmaster`. Nobody's personal address can be claimed that way.

use gatepost_smtp::path::ReversePath;

use crate::message::entity::Entity;
use crate::message::headers::HeaderSection;
use crate::message::mailbox;

/// Whose notices these are, at any domain.
const AUTHORS: &[&str] = &["mailer-daemon", "postmaster"];

/// Whether the message is a notice that its author may send through any account.
pub(super) fn is_passed_on(path: &ReversePath, section: &HeaderSection<'_>) -> bool {
    *path == ReversePath::Null
        && is_report(section)
        && section.named("Resent-From").next().is_none()
        && is_by_a_server(section)
}

fn is_report(section: &HeaderSection<'_>) -> bool {
    let entity = Entity::of(section, "text/plain");
    section.named("Content-Type").count() == 1
        && entity.media_type == "multipart/report"
        && entity
            .report_type
            .is_some_and(|report| report.eq_ignore_ascii_case(b"delivery-status"))
}

fn is_by_a_server(section: &HeaderSection<'_>) -> bool {
    let mut fields = section.named("From").chain(section.named("Sender"));
    let (Some(from), None) = (fields.next(), fields.next()) else {
        return false;
    };
    if from.has_gap() || !from.is("From") {
        return false;
    }
    let mailboxes = mailbox::parse_list(from.value()).unwrap_or_default();
    let [author] = mailboxes.as_slice() else {
        return false;
    };
    AUTHORS
        .iter()
        .any(|local| author.local().eq_ignore_ascii_case(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str =
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n";

    fn is_notice(path: &str, header: &str) -> bool {
        let section = HeaderSection::scan(header.as_bytes()).unwrap();
        is_passed_on(&ReversePath::parse(path).unwrap(), &section)
    }

    #[test]
    fn only_a_report_of_a_server_passes() {
        let from = "From: Mail Delivery System <MAILER-DAEMON@mail.example>\r\n";
        assert!(is_notice("<>", &format!("{from}{REPORT}")));
        assert!(is_notice(
            "<>",
            &format!("From: postmaster@x.example\r\n{REPORT}")
        ));
        assert!(!is_notice("me@own.example", &format!("{from}{REPORT}")));
        assert!(!is_notice("<>", from));
        let forged = [
            "From: ceo@bank.example\r\n",
            "From: mailer-daemon.ceo@bank.example\r\n",
            "From: MAILER-DAEMON@mail.example, ceo@bank.example\r\n",
            "From: MAILER-DAEMON@mail.example\r\nFrom: ceo@bank.example\r\n",
            "From: MAILER-DAEMON@mail.example\r\nSender: ceo@bank.example\r\n",
            "From: MAILER-DAEMON@mail.example\r\nResent-From: ceo@bank.example\r\n",
            "From: \"ceo@bank.example\" <MAILER-DAEMON@mail.example\r\n",
            "From : MAILER-DAEMON@mail.example\r\n",
            "Sender: MAILER-DAEMON@mail.example\r\n",
            "",
        ];
        for header in forged {
            assert!(!is_notice("<>", &format!("{header}{REPORT}")), "{header:?}");
        }
        for other in [
            "Content-Type: text/plain; report-type=delivery-status\r\n",
            "Content-Type: multipart/report; boundary=b\r\n",
            "Content-Type: multipart/report; report-type=feedback-report\r\n",
        ] {
            assert!(!is_notice("<>", &format!("{from}{other}")), "{other:?}");
            assert!(!is_notice("<>", &format!("{from}{REPORT}{other}")));
        }
    }
}
