//! `gatepost account`: who may submit.
//!
//! Each command is done by the running server, through its control socket, or here when none runs. A password comes on
//! standard input or is generated and shown once; it is never an argument, where every local user could read it.

mod csv;
mod export;
mod import;
mod passwd;

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::cli::{CommandError, ConfigFile, complain, print};
use crate::config;
use crate::control::account::{AccountView, WireKind};
use crate::control::command::{Command, Control, Done};
use crate::control::socket;
use crate::control::wire_secret::WirePassword;
use crate::observe::Observer;
use crate::serve;
use crate::store::Store;

/// Octets read from standard input at most: more than the longest password.
const MAX_INPUT: u64 = 4096;
/// Letters of a generated password, without those that look alike; 32 of them, 5 bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Their number: 24 × 5 = 120 bits.
const GENERATED: usize = 24;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Add an account
    Add(Add),
    /// List accounts
    List(List),
    /// Show one account
    Show(Named),
    /// Give an account a new password
    Password(Password),
    /// Say which SASL mechanisms a credential is for
    Mechanisms(Mechanisms),
    /// Switch an account off: it keeps everything and may do nothing
    Disable(Named),
    /// Switch an account on again
    Enable(Named),
    /// Remove an account and its credentials
    Remove(Named),
    /// Add the accounts of a file: of Dovecot, Apache, a spreadsheet, or from an export
    Import(import::Import),
    /// Print all accounts, one line of JSON each
    Export(export::Export),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Login name
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Login name; if it is an address, also the first address the account may send as
    name: String,
    /// A further address the account may send as; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    #[command(flatten)]
    options: PasswordOptions,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Password {
    /// Login name
    name: String,
    #[command(flatten)]
    options: PasswordOptions,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, args = ["only", "all"])]
pub(super) struct Mechanisms {
    /// Login name
    name: String,
    /// The only mechanisms, by name, with commas between them; for others it is as if the credential were not there
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "all"
    )]
    only: Vec<String>,
    /// All mechanisms, as it is without this command
    #[arg(long)]
    all: bool,
    /// The legacy credential, not the password
    #[arg(long)]
    legacy: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
struct PasswordOptions {
    /// Read the password from standard input; otherwise one is generated and shown once
    #[arg(long)]
    password_stdin: bool,
    /// Make it a legacy credential: for old devices, works on legacy listeners and nowhere else
    #[arg(long)]
    legacy: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does the command.
pub(super) fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments {
        Arguments::Add(Add {
            name,
            addresses,
            options,
            file,
        }) => set(&file, &options, |password, kind| Command::AccountAdd {
            name,
            addresses,
            password,
            kind,
        }),
        Arguments::Password(Password {
            name,
            options,
            file,
        }) => set(&file, &options, |password, kind| Command::AccountPassword {
            name,
            password,
            kind,
        }),
        Arguments::Mechanisms(mechanisms) => mechanisms.run(),
        Arguments::List(List { json, file }) => list(&file, json),
        Arguments::Show(named) => act(named, |name| Command::AccountShow { name }, details),
        Arguments::Disable(named) => act(named, switch(false), |account| {
            format!(
                "{} is disabled: no login, and no further message from sessions that are open",
                account.name
            )
        }),
        Arguments::Enable(named) => act(named, switch(true), |account| {
            format!("{} is enabled", account.name)
        }),
        Arguments::Remove(named) => act(
            named,
            |name| Command::AccountRemove { name },
            |account| {
                format!(
                    "{} is removed: its open sessions can send nothing more; messages accepted from it before stay queued and are delivered",
                    account.name
                )
            },
        ),
        Arguments::Import(import) => import.run(),
        Arguments::Export(export) => export.run(),
    }
}

impl Mechanisms {
    fn run(self) -> Result<(), CommandError> {
        let named = Named {
            name: self.name,
            json: self.json,
            file: self.file,
        };
        let kind = if self.legacy {
            WireKind::Legacy
        } else {
            WireKind::Password
        };
        let mechanisms = Some(self.only).filter(|_| !self.all);
        let command = |name| Command::AccountMechanisms {
            name,
            kind,
            mechanisms,
        };
        act(named, command, details)
    }
}

fn switch(enabled: bool) -> impl FnOnce(String) -> Command {
    move |name| Command::AccountEnable { name, enabled }
}

/// Does something to one account and tells of it.
fn act(
    named: Named,
    command: impl FnOnce(String) -> Command,
    tell: impl FnOnce(&AccountView) -> String,
) -> Result<(), CommandError> {
    let Done::Account(account) = execute(&named.file, command(named.name))? else {
        return Err(mismatch());
    };
    if named.json {
        print(&serde_json::json!({ "account": account }).to_string());
    } else {
        print(&tell(&account));
    }
    Ok(())
}

/// Everything there is to know of an account, a line each.
fn details(account: &AccountView) -> String {
    let listed = |items: &[String], none: &str| match items {
        [] => none.to_owned(),
        some => some.join(", "),
    };
    let mut lines = vec![
        account.name.clone(),
        format!("  enabled: {}", if account.enabled { "yes" } else { "no" }),
        format!("  may send as: {}", listed(&account.addresses, "nobody")),
    ];
    if !account.acts_as.is_empty() {
        lines.push(format!("  may act for: {}", account.acts_as.join(", ")));
    }
    if account.credentials.is_empty() {
        lines.push("  no credential: `gatepost account password` gives it a password".to_owned());
    }
    for credential in &account.credentials {
        let only = credential.mechanisms.as_ref();
        let only = only.map(|names| format!(", by {} only", names.join(" or ")));
        lines.push(format!(
            "  credential {}{}{}: {}",
            credential.label,
            match credential.kind {
                WireKind::Password => "",
                WireKind::Legacy => ", on legacy listeners only",
            },
            only.unwrap_or_default(),
            credential.verifiers.join(", ")
        ));
    }
    lines.join("\n")
}

fn set(
    file: &ConfigFile,
    options: &PasswordOptions,
    command: impl FnOnce(WirePassword, WireKind) -> Command,
) -> Result<(), CommandError> {
    let (password, generated) = if options.password_stdin {
        (password_from_stdin()?, false)
    } else {
        (generate()?, true)
    };
    let kind = if options.legacy {
        WireKind::Legacy
    } else {
        WireKind::Password
    };
    let done = execute(file, command(WirePassword::new(&password), kind))?;
    let Done::Account(account) = done else {
        return Err(mismatch());
    };
    let shown = generated.then(|| password.as_str());
    if options.json {
        let mut value = serde_json::json!({ "account": account });
        if let (Some(password), Some(object)) = (shown, value.as_object_mut()) {
            object.insert("password".to_owned(), password.into());
        }
        print(&value.to_string());
        return Ok(());
    }
    print(&describe(&account));
    if let Some(password) = shown {
        print(&format!(
            "password: {password}\n(shown this once; it is not kept in readable form)"
        ));
    }
    Ok(())
}

fn list(file: &ConfigFile, json: bool) -> Result<(), CommandError> {
    let Done::Accounts { accounts } = execute(file, Command::AccountList {})? else {
        return Err(mismatch());
    };
    if json {
        print(&serde_json::json!({ "accounts": accounts }).to_string());
        return Ok(());
    }
    if accounts.is_empty() {
        complain("there are no accounts yet; add one with `gatepost account add NAME`");
    }
    for account in &accounts {
        print(&describe(account));
    }
    Ok(())
}

/// One line: name, addresses, credentials.
fn describe(account: &AccountView) -> String {
    let addresses = match account.addresses.as_slice() {
        [] => "no address: may send nothing".to_owned(),
        some => some.join(" "),
    };
    let credentials: Vec<_> = account
        .credentials
        .iter()
        .map(|credential| credential.label.as_str())
        .collect();
    let disabled = if account.enabled { "" } else { "  disabled" };
    format!(
        "{}  <{addresses}>  credentials: {}{disabled}",
        account.name,
        credentials.join(", ")
    )
}

/// By the server if one runs on these accounts, otherwise here.
pub(super) fn execute(file: &ConfigFile, command: Command) -> Result<Done, CommandError> {
    let config = config::load(&file.config)
        .map_err(|error| CommandError::Failed(format!("configuration cannot be used\n{error}")))?;
    let failed = |error: &dyn std::fmt::Display| CommandError::Failed(error.to_string());
    if let Some(done) = socket::ask(&config.data, &command).map_err(|error| failed(&error))? {
        return done.map_err(|error| failed(&error));
    }
    let store = Store::open(&config.data, serve::costs(&config)).map_err(|error| failed(&error))?;
    Control::new(store, Observer::new(Vec::new()))
        .run(command, "command")
        .map_err(|error| failed(&error))
}

fn mismatch() -> CommandError {
    CommandError::Failed(
        "the server answered another question: restart it, its version differs from this one"
            .to_owned(),
    )
}

/// Everything up to the end of standard input, without one line end.
fn password_from_stdin() -> Result<Zeroizing<String>, CommandError> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        complain("type the password, Enter, then Ctrl-D (it will be visible)");
    }
    let mut input = Zeroizing::new(String::with_capacity(4096));
    stdin
        .by_ref()
        .take(MAX_INPUT)
        .read_to_string(&mut input)
        .map_err(|error| {
            CommandError::Failed(format!(
                "cannot read the password from standard input: {error}"
            ))
        })?;
    let password = input.strip_suffix('\n').map_or(input.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    if password.is_empty() {
        return Err(CommandError::Usage("no password on standard input: write it there, or leave --password-stdin out to have one generated".to_owned()));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// A password to be typed once into a mail program or a device.
pub(super) fn generate() -> Result<Zeroizing<String>, CommandError> {
    let mut octets = Zeroizing::new([0_u8; GENERATED]);
    getrandom::fill(octets.as_mut()).map_err(|error| {
        CommandError::Failed(format!("the system gives no random octets: {error}"))
    })?;
    let letters = octets
        .iter()
        .filter_map(|octet| LETTERS.get(usize::from(octet & 31)));
    Ok(Zeroizing::new(
        letters.map(|letter| char::from(*letter)).collect(),
    ))
}
