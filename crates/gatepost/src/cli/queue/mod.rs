//! `gatepost queue`: mail that is on its way.
//!
//! Each act is done by the running server, through its control socket, or here when none runs: then by the owner of the queue's
//! files, so that none of them ends up with somebody else. Changes of many messages say how many they are before `--yes` makes them.

mod table;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, Subcommand, ValueEnum};

use tokio::sync::watch;

use self::table::{ChangedTable, DetailsTable, PageTable, StatsTable};
use crate::cli::output::Form;
use crate::cli::{CommandError, ConfigFile, complain};
use crate::config::resolved::Config;
use crate::config::{self, parse_time};
use crate::control::backup::Snapshot;
use crate::control::command::{Command, Control, Done};
use crate::control::queue::filter::{Filter, WireState};
use crate::control::queue::{Asker, QueueAct, QueueDesk, QueueDone, What, Which};
use crate::control::socket;
use crate::delivery::Settings;
use crate::observe::Observer;
use crate::queue::{Queue, SpoolOptions};
use crate::serve;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// List queued messages, newest first
    List(List),
    /// Show one message: envelope, how it came, where each recipient stands
    Show(Show),
    /// Keep messages until someone releases them
    Hold(Change),
    /// Send held messages, whatever held them
    Release(Change),
    /// Try messages now instead of at their next attempt
    Retry(Change),
    /// Forget messages; nobody is told, unless --bounce
    Delete(Delete),
    /// Say how much is queued, for whom and since when
    Stats(Stats),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    conditions: Conditions,
    /// At most so many messages
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Go on behind this message: the next page
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Queue id of the message
    id: String,
    /// Also print its header section
    #[arg(long)]
    headers: bool,
    /// Print the message itself, octet by octet, and nothing else
    #[arg(long, conflicts_with_all = ["headers", "json"])]
    raw: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// Queue ids of the messages
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    ids: Vec<String>,
    /// All messages that fit the conditions
    #[arg(long)]
    all: bool,
    /// With --all: do it; without this they are only counted
    #[arg(long, requires = "all")]
    yes: bool,
    #[command(flatten)]
    conditions: Conditions,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    change: Change,
    /// Tell the senders that their message is not delivered
    #[arg(long)]
    bounce: bool,
}

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
struct Conditions {
    /// Only in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only from senders like this; `*` stands for anything, `<>` is the sender of notices
    #[arg(long, value_name = "PATTERN")]
    sender: Option<String>,
    /// Only to recipients like this
    #[arg(long, value_name = "PATTERN")]
    recipient: Option<String>,
    /// Only submitted by accounts like this
    #[arg(long, value_name = "PATTERN")]
    account: Option<String>,
    /// Only if the last reply to a recipient, or the reason why it is held, is like this
    #[arg(long, value_name = "PATTERN")]
    reply: Option<String>,
    /// Only what has been here for at least so long: 30s, 5m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    older_than: Option<u64>,
    /// Only what has been here for less than so long
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    newer_than: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Being delivered, or waiting for it
    Queued,
    /// Kept until someone releases it
    Held,
    /// Kept and shown, never sent
    Captured,
}

fn seconds(text: &str) -> Result<u64, String> {
    parse_time(text).map(|span| span.as_secs())
}

impl Conditions {
    fn filter(self) -> Filter {
        Filter {
            state: self.state.map(|state| match state {
                State::Queued => WireState::Queued,
                State::Held => WireState::Held,
                State::Captured => WireState::Captured,
            }),
            sender: self.sender,
            recipient: self.recipient,
            account: self.account,
            reply: self.reply,
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }

    fn is_any(&self) -> bool {
        self.state.is_some()
            || self.sender.is_some()
            || self.recipient.is_some()
            || self.account.is_some()
            || self.reply.is_some()
            || self.older_than.is_some()
            || self.newer_than.is_some()
    }
}

/// Does the command.
pub(super) fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments {
        Arguments::List(list) => list.run(),
        Arguments::Show(show) => show.run(),
        Arguments::Hold(change) => change.run(What::Hold),
        Arguments::Release(change) => change.run(What::Release),
        Arguments::Retry(change) => change.run(What::Retry),
        Arguments::Delete(Delete { change, bounce }) => change.run(What::Delete { bounce }),
        Arguments::Stats(Stats { form, file }) => {
            let QueueDone::Stats(stats) = execute(&file, QueueAct::Stats {})? else {
                return Err(mismatch());
            };
            form.print(&StatsTable(stats));
            Ok(())
        }
    }
}

impl List {
    fn run(self) -> Result<(), CommandError> {
        let act = QueueAct::List {
            filter: self.conditions.filter(),
            before: self.before,
            limit: self.limit,
        };
        let QueueDone::List(page) = execute(&self.file, act)? else {
            return Err(mismatch());
        };
        self.form.print(&PageTable(page));
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), CommandError> {
        if self.raw {
            return self.write_octets();
        }
        let act = QueueAct::Show { id: self.id };
        let QueueDone::Message(details) = execute(&self.file, act)? else {
            return Err(mismatch());
        };
        self.form.print(&DetailsTable {
            details: *details,
            headers: self.headers,
        });
        Ok(())
    }

    fn write_octets(&self) -> Result<(), CommandError> {
        let mut desk = Desk::find(&self.file)?;
        let mut from = 0;
        loop {
            let id = self.id.clone();
            let QueueDone::Part(part) = desk.ask(QueueAct::Read { id, from })? else {
                return Err(mismatch());
            };
            let octets = BASE64.decode(&part.octets).map_err(|_| mismatch())?;
            from += octets.len() as u64;
            let written = std::io::stdout().lock().write_all(&octets);
            // A reader that went away has what it wanted.
            if part.is_last || written.is_err() {
                return Ok(());
            }
        }
    }
}

impl Change {
    fn run(self, what: What) -> Result<(), CommandError> {
        if !self.all && self.conditions.is_any() {
            return Err(CommandError::Usage(
                "conditions go with --all; messages named by id are changed whatever they are"
                    .to_owned(),
            ));
        }
        let count_only = self.all && !self.yes;
        let which = if self.all {
            let filter = self.conditions.filter();
            Which::Matching { filter, count_only }
        } else {
            Which::Ids(self.ids)
        };
        let QueueDone::Changed(changed) = execute(&self.file, QueueAct::Change { what, which })?
        else {
            return Err(mismatch());
        };
        let (matched, refused) = (changed.matched, changed.refused.len());
        self.form.print(&ChangedTable { what, changed });
        if count_only && matched > 0 {
            return Err(CommandError::Failed(
                "nothing was changed: the same command with --yes does it".to_owned(),
            ));
        }
        if refused > 0 {
            return Err(CommandError::Failed(format!(
                "{refused} of {matched} were not changed"
            )));
        }
        Ok(())
    }
}

fn execute(file: &ConfigFile, act: QueueAct) -> Result<QueueDone, CommandError> {
    Desk::find(file)?.ask(act)
}

/// Where acts on the queue are done.
enum Desk {
    /// In the running server.
    Server { config: Box<Config> },
    /// Here.
    Here {
        runtime: tokio::runtime::Runtime,
        desk: QueueDesk,
    },
}

impl Desk {
    fn find(file: &ConfigFile) -> Result<Self, CommandError> {
        let config = config::load(&file.config)
            .map_err(|error| failed(&format!("configuration cannot be used\n{error}")))?;
        if socket::is_served(&config.data).map_err(|error| failed(&error))? {
            return Ok(Self::Server {
                config: Box::new(config),
            });
        }
        let runtime = runtime()?;
        let queue = {
            let _inside = runtime.enter();
            open(&config.data)?
        };
        let observer = Observer::new(Vec::new());
        let (_, settings) = watch::channel(Settings::from(&config));
        let desk = QueueDesk::new(queue, settings, observer);
        Ok(Self::Here { runtime, desk })
    }

    fn ask(&mut self, act: QueueAct) -> Result<QueueDone, CommandError> {
        let operator = operator();
        match self {
            Self::Server { config } => {
                let command = Command::Queue { act, operator };
                let answer = socket::ask(&config.data, &command).map_err(|error| failed(&error))?;
                let Some(answer) = answer else {
                    return Err(failed(&"the server has just stopped: try again"));
                };
                match answer.map_err(|error| failed(&error))? {
                    Done::Queue(done) => Ok(done),
                    _ => Err(mismatch()),
                }
            }
            Self::Here { runtime, desk } => {
                let asker = Asker {
                    by: "command",
                    operator,
                };
                let done = runtime.block_on(desk.run(act, &asker));
                done.map_err(|error| failed(&error))
            }
        }
    }
}

/// A consistent copy of the data directory, made by the server, or here when none runs.
pub(super) fn snapshot(file: &ConfigFile) -> Result<Snapshot, CommandError> {
    let config = config::load(&file.config)
        .map_err(|error| failed(&format!("configuration cannot be used\n{error}")))?;
    let command = Command::Snapshot {};
    let answer = socket::ask(&config.data, &command).map_err(|error| failed(&error))?;
    let done = if let Some(done) = answer {
        done
    } else {
        let runtime = runtime()?;
        let _inside = runtime.enter();
        let queue = open(&config.data)?;
        let store =
            Store::open(&config.data, serve::costs(&config)).map_err(|error| failed(&error))?;
        let observer = Observer::new(Vec::new());
        let (_, settings) = watch::channel(Settings::from(&config));
        let desk = QueueDesk::new(queue, settings, observer.clone());
        Control::new(store, observer)
            .with_queue(desk)
            .run(command, "command")
    };
    match done.map_err(|error| failed(&error))? {
        Done::Snapshot(snapshot) => Ok(snapshot),
        _ => Err(mismatch()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| failed(&format!("cannot start threads: {error}")))
}

/// Opens the queue of a data directory in this process.
fn open(data: &Path) -> Result<Queue, CommandError> {
    let directory = data.join("queue");
    let owner = std::fs::metadata(&directory).map_err(|error| {
        failed(&format!(
            "{}: {error}\n    no server has run on this data directory yet, or this user may not look into it",
            directory.display()
        ))
    })?;
    if owner.uid() != rustix::process::geteuid().as_raw() {
        return Err(failed(&format!(
            "no server runs, and the queue in {} belongs to another user\n    run this as that user (uid {}), for example by `sudo -u`, or start the server",
            directory.display(),
            owner.uid()
        )));
    }
    let options = SpoolOptions {
        on_alarm: std::sync::Arc::new(|alarm| complain(&format!("queue: {alarm:?}"))),
        ..SpoolOptions::default()
    };
    let (queue, report) = Queue::open(&directory, options).map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::WouldBlock => "another process has it open, and no server answers at its control socket: see which with `fuser`",
            _ => "check that the disk is there and has room",
        };
        failed(&format!("{}: {error}\n    {next}", directory.display()))
    })?;
    for damage in &report.damage {
        complain(&format!("set aside when the queue was opened: {damage:?}"));
    }
    Ok(queue)
}

/// The name of whoever asks, for the log: the person behind `sudo`, if there is one.
fn operator() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let mut names = named
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    names
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn failed(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::Failed(error.to_string())
}

fn mismatch() -> CommandError {
    failed(&"the server answered another question: restart it, its version differs from this one")
}
