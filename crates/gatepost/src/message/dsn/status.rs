//! The status of a notice, for machines: fields about the message, then a block about each recipient (RFC 3464 §2).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::super::fixup::date;
use super::{Diagnostic, Fate, Notice, Report};

impl Notice<'_> {
    pub(super) fn status(&self) -> String {
        let mut text = String::new();
        if let Some(id) = self.envelope_id {
            let _ = write!(
                text,
                "Original-Envelope-Id: {}\r\n",
                self.plain(id.as_str())
            );
        }
        let _ = write!(
            text,
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            self.plain(self.reporting_mta),
            date(self.arrived)
        );
        for report in self.reports {
            text.push_str(&self.block(report));
        }
        text
    }

    fn block(&self, report: &Report) -> String {
        let mut text = "\r\n".to_owned();
        if let Some(original) = &report.original {
            // RFC 6533 §3: an address of type utf-8 is written as in ORCPT; any other is decoded.
            let value = if original.address_type().eq_ignore_ascii_case("utf-8") {
                original
                    .to_wire(self.utf8)
                    .split_once(';')
                    .map_or_else(String::new, |(_, address)| address.to_owned())
            } else {
                original.address().to_owned()
            };
            let _ = write!(
                text,
                "Original-Recipient: {}; {}\r\n",
                self.plain(original.address_type()),
                self.address(&value)
            );
        }
        let recipient = &report.recipient;
        let address_type = if recipient.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        let action = match report.fate {
            Fate::Failed => "failed",
            Fate::Delayed { .. } => "delayed",
            Fate::Relayed => "relayed",
        };
        let _ = write!(
            text,
            "Final-Recipient: {address_type}; {}\r\nAction: {action}\r\nStatus: {}\r\n",
            self.address(recipient.as_str()),
            self.plain(&report.status)
        );
        if let Some(hop) = &report.next_hop {
            let _ = write!(text, "Remote-MTA: dns; {}\r\n", self.plain(&domain(hop)));
        }
        let (kind, words) = match &report.diagnostic {
            Diagnostic::Reply(reply) => ("smtp", reply),
            Diagnostic::Ours(words) => ("x-gatepost", words),
        };
        let _ = write!(
            text,
            "Diagnostic-Code: {kind}; {}\r\nLast-Attempt-Date: {}\r\n",
            self.plain(words),
            date(self.now)
        );
        if let Fate::Delayed { tried_for } = report.fate {
            let _ = write!(
                text,
                "Will-Retry-Until: {}\r\n",
                date(self.after(tried_for))
            );
        }
        text
    }
}

/// The name of a server as a domain or, if it is an address, as a literal (RFC 3464 §2.3.5, RFC 5321 §4.1.3).
fn domain(name: &str) -> String {
    match name.parse() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => name.to_owned(),
    }
}
