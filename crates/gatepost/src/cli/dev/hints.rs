//! What a development server prints: where it listens and how to send, ready to paste.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::ACCOUNT;
use super::asked::old_tls_authority;
use super::fault::Faults;
use crate::admin::token::Token;
use crate::serve::{Bound, reachable};

/// The text.
pub(super) struct Hints<'a> {
    /// The listeners: STARTTLS, implicit TLS, legacy, and that of old TLS if there is one.
    pub(super) bound: &'a [Bound],
    /// The web pages, and the token that changes through their API need.
    pub(super) pages: Option<(SocketAddr, &'a Token)>,
    /// A token from the pages costs the API token.
    pub(super) guarded: bool,
    /// The account's password.
    pub(super) password: &'a str,
    /// What it gets wrong.
    pub(super) faults: &'a Faults,
    /// Where the certificate authority is.
    pub(super) directory: &'a Path,
}

impl fmt::Display for Hints<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [smtp, smtps, legacy, old_tls @ ..] = self.bound else {
            return Ok(());
        };
        let [smtp, smtps, legacy] = [smtp, smtps, legacy].map(|it| reachable(it.address));
        let password = self.password;
        let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"]
            .map(|file| quoted(&self.directory.join(file).display().to_string()));
        writeln!(
            f,
            "Gatepost development server: mail is captured here and never sent on.\n"
        )?;
        write!(f, "{}", self.faults)?;
        writeln!(f, "  account    {ACCOUNT}")?;
        writeln!(f, "  password   {password}")?;
        writeln!(f, "  STARTTLS   {smtp}")?;
        writeln!(f, "  TLS        {smtps}")?;
        writeln!(f, "  legacy     {legacy}  (clear text, every mechanism)")?;
        if let [old_tls, ..] = old_tls {
            let address = reachable(old_tls.address);
            let ca = quoted(&old_tls_authority(self.directory).display().to_string());
            writeln!(
                f,
                "  old TLS    {address}  (STARTTLS from TLS 1.0 on, CA {ca})"
            )?;
        }
        writeln!(f, "  CA         {ca}")?;
        writeln!(
            f,
            "  client     {certificate}, {key}  (TLS certificate of {ACCOUNT}, for EXTERNAL)"
        )?;
        if let Some((http, token)) = self.pages {
            writeln!(f, "  web        http://{}/", reachable(http))?;
            writeln!(f, "  tokens     http://{}/tokens", reachable(http))?;
            writeln!(f, "  API token  {}", token.reveal())?;
        }
        writeln!(f)?;
        writeln!(f, "Send a message by pasting one of these:\n")?;
        let program = program();
        writeln!(
            f,
            "  echo {password} | {program} send {smtp} --user {ACCOUNT} --password-stdin --ca {ca} --to you@example.com"
        )?;
        writeln!(
            f,
            "  swaks --server {smtp} --tls --auth PLAIN --auth-user {ACCOUNT} --auth-password {password} --from {ACCOUNT} \
             --to you@example.com"
        )?;
        writeln!(
            f,
            "  printf 'From: {ACCOUNT}\\nTo: you@example.com\\nSubject: Hello\\n\\nIt works.\\n' | curl --ssl-reqd --cacert {ca} \
             --user {ACCOUNT}:{password} --mail-from {ACCOUNT} --mail-rcpt you@example.com --upload-file - smtp://{smtp}"
        )?;
        let Some((http, api_token)) = self.pages else {
            return Ok(());
        };
        let price = if self.guarded {
            format!("--oauth2-bearer {} ", api_token.reveal())
        } else {
            String::new()
        };
        writeln!(
            f,
            "  printf 'From: {ACCOUNT}\\nTo: you@example.com\\nSubject: Token\\n\\nIt works.\\n' | curl --ssl-reqd --cacert {ca} \
             --user {ACCOUNT} --oauth2-bearer $(curl --silent {price}http://{}/api/tokens/raw) --mail-from {ACCOUNT} \
             --mail-rcpt you@example.com --upload-file - smtp://{smtp}",
            reachable(http)
        )
    }
}

/// How this program is called: by its name when the shell found it by that, by its path otherwise.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let path = match std::env::current_exe() {
        Ok(path) if called.as_encoded_bytes().contains(&b'/') => path,
        _ => PathBuf::from(called),
    };
    quoted(&path.display().to_string())
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:@".contains(&byte));
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
