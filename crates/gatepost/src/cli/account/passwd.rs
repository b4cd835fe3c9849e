//! Lines of `name:password`, with or without more fields behind: Dovecot's passwd-file, Apache's htpasswd, Exim's lookup
//! files, `/etc/shadow`.
//!
//! The password is `{SCHEME}value`, or a crypt(3) string; in clear it is `{PLAIN}value`. Of Dovecot's further fields only those that
//! take rights away are read: an account that may not log in there is imported disabled, and one that may log in only from
//! some networks is not imported, because it could log in from everywhere here.

use super::import::{Line, account};
use crate::control::account::WireKind;
use crate::control::portable::PortableAccount;

/// The place of Dovecot's extra fields.
const EXTRA: usize = 7;

pub(super) fn parse(text: &str, kind: WireKind) -> Vec<Line> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| (number, read(line.trim_end(), kind)))
        .collect()
}

fn read(line: &str, kind: WireKind) -> Result<PortableAccount, String> {
    let (name, rest) = line
        .split_once(':')
        .ok_or("this is not name:password; is it another format? see --format")?;
    let (password, _) = rest.split_once(':').unwrap_or((rest, ""));
    if password.is_empty() {
        return Err("it has no password".to_owned());
    }
    if password == "x" || password.starts_with(['!', '*']) {
        return Err("no password opens this account: its password field is locked".to_owned());
    }
    let mut account = account(name, kind, password);
    // Values of extra fields may contain colons themselves.
    let extra = rest.splitn(EXTRA, ':').nth(EXTRA - 1).unwrap_or_default();
    for field in extra.split_whitespace() {
        match field.split_once('=').map_or(field, |(key, _)| key) {
            "nologin" | "deny" => account.enabled = false,
            "nopassword" => return Err("it needs no password there".to_owned()),
            "allow_nets" => {
                return Err("its logins are limited to networks (allow_nets), which is not kept here: take the field out to let it log in from everywhere".to_owned());
            }
            _ => {}
        }
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<PortableAccount, String> {
        let mut lines = parse(line, WireKind::Password);
        assert_eq!(lines.len(), 1, "{line}");
        lines.remove(0).1
    }

    #[test]
    fn lines_of_dovecot_apache_and_shadow_are_read() {
        for (line, name, kept, enabled) in [
            (
                "fred@example.com:{SSHA}abc=",
                "fred@example.com",
                "{SSHA}abc=",
                true,
            ),
            (
                "fred:{PLAIN}a pass:1000:1000::/home/fred::",
                "fred",
                "{PLAIN}a pass",
                true,
            ),
            ("fred:{PLAIN}x::::::nologin=y", "fred", "{PLAIN}x", false),
            (
                "fred:{PLAIN}x::::::userdb_mail=maildir:~/Mail deny",
                "fred",
                "{PLAIN}x",
                false,
            ),
            ("fred:$apr1$abc$def", "fred", "$apr1$abc$def", true),
            (
                "root:$6$salt$hash:19700:0:99999:7:::",
                "root",
                "$6$salt$hash",
                true,
            ),
        ] {
            let account = one(line).unwrap();
            assert_eq!(account.name, name);
            assert_eq!(account.enabled, enabled, "{line}");
            assert_eq!(account.credentials[0].verifiers[0].expose(), kept, "{line}");
        }
    }

    #[test]
    fn comments_are_left_out_and_lines_keep_their_number() {
        let text = "# users\n\nfred:{PLAIN}x\r\n#barney:{PLAIN}y\nwilma\n";
        let lines = parse(text, WireKind::Legacy);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].0, 3);
        let fred = lines[0].1.as_ref().unwrap();
        assert_eq!(fred.credentials[0].verifiers[0].expose(), "{PLAIN}x");
        assert_eq!(fred.credentials[0].kind, WireKind::Legacy);
        assert_eq!(lines[1].0, 5);
        assert!(lines[1].1.is_err());
    }

    #[test]
    fn what_would_give_more_rights_than_before_is_not_imported() {
        for (line, says) in [
            ("fred:", "no password"),
            ("fred::1000:1000", "no password"),
            ("fred:!:19700::::::", "locked"),
            ("fred:!$6$salt$hash:19700::::::", "locked"),
            ("fred:*", "locked"),
            ("fred:x:1000:1000:Fred:/home/fred:/bin/sh", "locked"),
            ("fred:{PLAIN}x::::::allow_nets=192.0.2.0/24", "allow_nets"),
            ("fred:{PLAIN}x::::::nopassword", "needs no password"),
        ] {
            let why = one(line).unwrap_err();
            assert!(why.contains(says), "{line}: {why}");
        }
    }
}
