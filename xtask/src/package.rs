//! `cargo xtask package`: the Debian package, `target/package/gatepost_VERSION_ARCHITECTURE.deb`.
//!
//! Builds the program, lets it write its man pages and completions, lays out the tree of `package/tree.rs`, and hands that to
//! `dpkg-deb`. What stands in the package besides the program is in `packaging/`. The same commit and toolchain give the same
//! octets: every time in it is that of the commit. Needs dpkg-dev and binutils, and to build libssl-dev and pkg-config.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

mod tree;

use tree::Tree;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The Debian revision: a package of a higher one replaces those before
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    revision: u32,
    /// Package this program instead of building one with the profile `release`
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Compress little: for packages that are only tried
    #[arg(long)]
    quick: bool,
    /// Whose package this is
    #[arg(
        long,
        value_name = "NAME <ADDRESS>",
        default_value = "Gatepost developers <gatepost@packages.example>"
    )]
    maintainer: String,
    /// Where to leave it
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    out: PathBuf,
}

/// Makes the package and says where it is.
pub(crate) fn run(arguments: &Arguments) -> Result<String, String> {
    let moment = Moment::of_commit()?;
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let version = format!("{}-{}", env!("CARGO_PKG_VERSION"), arguments.revision);
    let architecture = answer(Command::new("dpkg").arg("--print-architecture"))?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|e| format!("{}: {e}", arguments.out.display()))?;
    let work = arguments.out.join(format!("work-{version}"));
    let tree = Tree::lay_out(&work, &binary, &version, &arguments.maintainer, &moment)?;
    tree.write_control(&version, &architecture, &arguments.maintainer)?;
    let level = if arguments.quick { "-z0" } else { "-z9" };
    let package = arguments
        .out
        .join(format!("gatepost_{version}_{architecture}.deb"));
    command(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", level, "--build"])
            .arg(tree.root())
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", &moment.seconds),
    )?;
    std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    Ok(format!("package: {}", package.display()))
}

/// The time of the commit that is packaged.
struct Moment {
    /// Seconds since 1970.
    seconds: String,
    /// `2026-01-31`
    day: String,
    /// As mail writes it.
    rfc5322: String,
}

impl Moment {
    fn of_commit() -> Result<Self, String> {
        let told = answer(Command::new("git").args(["log", "-1", "--format=%ct%n%cs%n%cD"]))?;
        let mut lines = told.lines().map(str::to_owned);
        match (lines.next(), lines.next(), lines.next()) {
            (Some(seconds), Some(day), Some(rfc5322)) => Ok(Self {
                seconds,
                day,
                rfc5322,
            }),
            _ => Err("package: git names no commit: build from a clone".into()),
        }
    }
}

/// Builds the program for release; where it is.
fn build() -> Result<PathBuf, String> {
    command(Command::new(env!("CARGO")).args([
        "build",
        "--package",
        "gatepost",
        "--release",
        "--locked",
        // TLS 1.0 and 1.1 for old devices, by the OpenSSL of the system that it is installed on.
        "--features",
        "legacy-tls",
    ]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    Ok(target.join("release/gatepost"))
}

/// Runs a program that must succeed.
fn command(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| absent(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("package: {command:?} failed, see above"))
    }
}

/// What a program that must succeed says, without the last line end.
fn answer(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| absent(command, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("package: {command:?} failed: {}", said.trim()))
    }
}

fn absent(command: &Command, error: &std::io::Error) -> String {
    let program = Path::new(command.get_program()).display();
    format!(
        "package: {program}: {error}\n    packages are built on Debian with: apt-get install dpkg-dev binutils libssl-dev pkg-config"
    )
}
