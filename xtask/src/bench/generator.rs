//! The load generator: an external program and its command line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::server::Server;

/// Accounts that the load is spread over.
const USERS: &str = "64";

/// Seconds before a measurement that do not count.
const WARM_UP: &str = "1";

/// Seconds that idle connections are kept: long enough to look at the server meanwhile.
const HOLD: &str = "3";

/// A kind of load.
pub(crate) struct Shape {
    pub(crate) scenario: &'static str,
    pub(crate) mechanism: &'static str,
    /// Messages of a connection.
    pub(crate) messages: u32,
}

impl Shape {
    pub(crate) const fn new(
        scenario: &'static str,
        mechanism: &'static str,
        messages: u32,
    ) -> Self {
        Self {
            scenario,
            mechanism,
            messages,
        }
    }
}

/// What the generator reports of a load.
#[derive(Deserialize)]
pub(crate) struct Load {
    /// Messages per second.
    #[serde(rename = "msgs_per_s")]
    pub(crate) rate: f64,
    /// Messages accepted, those of the warm-up included.
    #[serde(rename = "accepted_total")]
    pub(crate) accepted: u32,
    /// Messages and connections that failed.
    pub(crate) failed: u64,
    /// How they failed, and how often.
    #[serde(rename = "fail")]
    pub(crate) faults: BTreeMap<String, u64>,
    /// From the final dot to the 250.
    #[serde(rename = "data_ms")]
    pub(crate) latency: Option<Latency>,
}

/// Percentiles, in milliseconds.
#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What the generator reports while connections are open, and when it has seen which of them still answer.
#[derive(Deserialize)]
struct Idle {
    open: u32,
    alive: Option<u32>,
}

/// The program and how much load it makes.
pub(crate) struct Generator {
    program: PathBuf,
    sessions: String,
    seconds: String,
}

impl Generator {
    pub(crate) fn new(program: &Path, sessions: u32, seconds: u32) -> Result<Self, String> {
        let generator = Self {
            program: program.to_owned(),
            sessions: sessions.to_string(),
            seconds: seconds.to_string(),
        };
        // Found out before anything is built and started.
        generator.output(&["genusers", "--n", "1", "--domain", "bench.test"])?;
        Ok(generator)
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Writes the file of users, `name:password` lines, and returns its path.
    pub(crate) fn users(&self, scratch: &Path) -> Result<PathBuf, String> {
        let users = self.output(&["genusers", "--n", USERS, "--domain", "bench.test"])?;
        let file = scratch.join("users");
        std::fs::write(&file, users)
            .map_err(|error| format!("bench: {}: {error}", file.display()))?;
        Ok(file)
    }

    /// Sends for the time of a measurement.
    pub(crate) fn load(&self, server: &impl Server, shape: &Shape) -> Result<Load, String> {
        let messages = shape.messages.to_string();
        let mut arguments = target("bench", server, shape.mechanism);
        arguments.extend(["--sessions", &self.sessions, "--size", "8192"].map(str::to_owned));
        arguments.extend(["--messages-per-session", &messages].map(str::to_owned));
        arguments.extend(["--warmup", WARM_UP, "--duration", &self.seconds].map(str::to_owned));
        self.report(&arguments)
    }

    /// Logs every account in, one after the other.
    pub(crate) fn authenticate_all(&self, server: &impl Server) -> Result<(), String> {
        let mut arguments = target("bench", server, "plain");
        arguments.extend(["--sessions", "1", "--auth-only", "--total", USERS].map(str::to_owned));
        let load: Load = self.report(&arguments)?;
        if load.failed == 0 {
            Ok(())
        } else {
            let (name, faults) = (server.name(), load.faults);
            Err(format!("bench: {name} refuses to authenticate: {faults:?}"))
        }
    }

    /// Opens authenticated connections, looks at the server while they are idle, and returns what was seen.
    pub(crate) fn idle<T>(
        &self,
        server: &impl Server,
        connections: u32,
        look: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        let count = connections.to_string();
        let mut arguments = target("idle", server, "plain");
        arguments.extend(["--connections", &count, "--hold", HOLD].map(str::to_owned));
        let mut child = Command::new(&self.program)
            .args(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.does_not_start(&error))?;
        let mut reports = BufReader::new(child.stdout.take().ok_or("bench: no pipe")?).lines();
        let mut next = || {
            let line = reports.next().and_then(Result::ok).unwrap_or_default();
            self.parse::<Idle>(&arguments, &line)
        };
        let open = next()?;
        let seen = look()?;
        let alive = next()?.alive;
        let _ = child.wait();
        if open.open != connections || alive != Some(connections) {
            let (name, open) = (server.name(), open.open);
            return Err(format!(
                "bench: {name}: of {count} idle connections {open} opened, {alive:?} lived"
            ));
        }
        Ok(seen)
    }

    fn report<T: DeserializeOwned>(&self, arguments: &[String]) -> Result<T, String> {
        let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.output(&given)?;
        self.parse(arguments, &output)
    }

    fn parse<T: DeserializeOwned>(&self, arguments: &[String], output: &str) -> Result<T, String> {
        serde_json::from_str(output).map_err(|error| {
            let program = self.program.display();
            format!(
                "bench: {program} {}: {error}: {output}",
                arguments.join(" ")
            )
        })
    }

    fn output(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.does_not_start(&error))?;
        if !output.status.success() {
            let program = self.program.display();
            return Err(format!(
                "bench: {program} {}: {}",
                arguments.join(" "),
                output.status
            ));
        }
        String::from_utf8(output.stdout).map_err(|error| format!("bench: {error}"))
    }

    fn does_not_start(&self, error: &std::io::Error) -> String {
        format!(
            "bench: the load generator {} does not start: {error}\n    name one with --load PROGRAM; docs/reference/bench.md says what it must understand",
            self.program.display()
        )
    }
}

/// The command, and where and as whom to connect.
fn target(command: &str, server: &impl Server, mechanism: &str) -> Vec<String> {
    let (address, users) = (server.address(), server.users());
    [
        command, "--addr", address, "--tls", "implicit", "--auth", mechanism, "--users", users,
    ]
    .map(str::to_owned)
    .to_vec()
}
