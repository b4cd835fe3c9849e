//! The two servers under load: Gatepost, and the generator's durable sink.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::generator::Generator;

/// A server process as the measurements see it.
pub(crate) trait Server {
    /// Its name in the table and in errors.
    fn name(&self) -> &'static str;
    /// Its listener with implicit TLS.
    fn address(&self) -> &str;
    /// The file of accounts.
    fn users(&self) -> &str;
    /// Its process.
    fn process(&self) -> u32;

    /// Processor time used so far, by all its threads.
    fn processor_seconds(&self) -> Result<f64, String> {
        // proc(5): fields 14 and 15 count in hundredths of a second; the name before them, in parentheses, may hold spaces.
        let stat = self.proc_file("stat")?;
        let fields = stat
            .rsplit_once(')')
            .map(|(_, fields)| fields.split_whitespace());
        let times = fields.map(|fields| {
            fields
                .skip(11)
                .take(2)
                .filter_map(|it| it.parse::<f64>().ok())
        });
        Ok(times.map_or(0.0, Iterator::sum) / 100.0)
    }

    /// Octets of memory it has in use.
    fn resident_octets(&self) -> Result<f64, String> {
        let status = self.proc_file("status")?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kibibytes
            .map(|kibibytes| kibibytes * 1024.0)
            .ok_or_else(|| format!("bench: {} has no memory", self.name()))
    }

    /// Text of a file that the system keeps about the process.
    fn proc_file(&self, name: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{name}", self.process());
        std::fs::read_to_string(&path).map_err(|error| format!("bench: {path}: {error}"))
    }
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gatepost, with a `hold` route for all mail.
pub(crate) struct Gatepost {
    process: Running,
    directory: PathBuf,
    address: String,
    users: String,
}

impl Gatepost {
    /// Installs it in the scratch directory, adds the accounts and starts it.
    pub(crate) fn start(program: &Path, scratch: &Path, users: &Path) -> Result<Self, String> {
        let directory = scratch.join("gatepost");
        make_certificate(program, &directory)?;
        let configuration = directory.join("gatepost.toml");
        let text = r#"
hostname = "bench.test"
data = "data"
[tls]
certificate = "certificate.pem"
key = "key.pem"
[[listener]]
name = "bench"
address = "127.0.0.1:0"
tls = "implicit"
[[route]]
hold = true
"#;
        std::fs::write(&configuration, text).map_err(|error| format!("bench: {error}"))?;
        add_accounts(program, &configuration, users)?;
        let mut process = Running(
            Command::new(program)
                .arg("serve")
                .arg("-c")
                .arg(&configuration)
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| format!("bench: {}: {error}", program.display()))?,
        );
        let mut log = BufReader::new(process.0.stderr.take().ok_or("bench: no pipe")?);
        let address = listening(&mut log)?;
        // Read like a log collector would, and thrown away.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self {
            process,
            directory,
            address,
            users: users.display().to_string(),
        })
    }

    /// The files of certificate and key.
    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        (
            self.directory.join("certificate.pem"),
            self.directory.join("key.pem"),
        )
    }
}

impl Server for Gatepost {
    fn name(&self) -> &'static str {
        "gatepost"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn users(&self) -> &str {
        &self.users
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }
}

/// The certificate that a development server makes for itself.
fn make_certificate(program: &Path, directory: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg("dev").arg("--dir").arg(directory);
    for listener in ["--smtp", "--smtps", "--legacy", "--http"] {
        command.arg(listener).arg("127.0.0.1:0");
    }
    let mut process = Running(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("bench: {}: {error}", program.display()))?,
    );
    let said = BufReader::new(process.0.stdout.take().ok_or("bench: no pipe")?).lines();
    let ready = said.map_while(Result::ok).any(|line| line == "ready");
    if ready {
        Ok(())
    } else {
        Err("bench: gatepost dev does not become ready".to_owned())
    }
}

fn add_accounts(program: &Path, configuration: &Path, users: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(users).map_err(|error| format!("bench: {error}"))?;
    for (name, password) in text.lines().filter_map(|line| line.split_once(':')) {
        let mut child = Command::new(program)
            .args(["account", "add", name, "--password-stdin", "-c"])
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("bench: {}: {error}", program.display()))?;
        let given = child
            .stdin
            .take()
            .is_some_and(|mut stdin| stdin.write_all(password.as_bytes()).is_ok());
        let added = child.wait().is_ok_and(|status| status.success());
        if !(given && added) {
            return Err(format!("bench: gatepost account add {name} failed"));
        }
    }
    Ok(())
}

/// The address of the first listener that the log names.
fn listening(log: &mut impl BufRead) -> Result<String, String> {
    let mut said = String::new();
    let mut line = String::new();
    while log.read_line(&mut line).is_ok_and(|octets| octets > 0) {
        if line.contains(" event=listening ")
            && let Some((_, rest)) = line.split_once(" address=")
            && let Some(address) = rest.split_whitespace().next()
        {
            return Ok(address.to_owned());
        }
        said.push_str(&line);
        line.clear();
    }
    Err(format!(
        "bench: gatepost serve ends instead of listening:\n{said}"
    ))
}

/// The generator's durable sink: TLS, AUTH without looking, one file, one sync for all that wait.
pub(crate) struct Sink {
    process: Running,
    address: String,
    users: String,
}

impl Sink {
    pub(crate) fn start(
        generator: &Generator,
        scratch: &Path,
        users: &Path,
        (certificate, key): (PathBuf, PathBuf),
    ) -> Result<Self, String> {
        let address = free_address().map_err(|error| format!("bench: {error}"))?;
        let process = Command::new(generator.program())
            .args(["sink", "--listen-tls", &address, "--fsync", "--cert"])
            .arg(certificate)
            .arg("--key")
            .arg(key)
            .arg("--users")
            .arg(users)
            .arg("--log")
            .arg(scratch.join("sink.log"))
            .spawn()
            .map(Running)
            .map_err(|error| format!("bench: {}: {error}", generator.program().display()))?;
        let mut sink = Self {
            process,
            address,
            users: users.display().to_string(),
        };
        while std::net::TcpStream::connect(&sink.address).is_err() {
            if !matches!(sink.process.0.try_wait(), Ok(None)) {
                return Err("bench: the sink ends instead of listening".to_owned());
            }
            thread::yield_now();
        }
        Ok(sink)
    }
}

impl Server for Sink {
    fn name(&self) -> &'static str {
        "sink"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn users(&self) -> &str {
        &self.users
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }
}

/// An address of this machine that was free a moment ago.
fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
