//! Puts the files in their places, readable for whoever will run the server and for nobody else.
//!
//! When root sets up a machine that has the service's user, data, key and password belong to that user.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, lchown};
use std::path::Path;
use std::time::SystemTime;

use rustix::process::geteuid;

use super::configuration::Configuration;
use super::machine;
use super::plan::{CertificateSource, Destination, Plan};
use super::report::Report;
use crate::cli::CommandError;
use crate::net::tls::own_ca;

/// Writes everything but the accounts.
pub(super) fn write(plan: &Plan, report: &mut Report) -> Result<(), CommandError> {
    if let Some(directory) = plan.file.parent() {
        make_directory(directory, 0o755)?;
    }
    if !plan.data.exists() {
        make_directory(&plan.data, 0o700)?;
        if let Some((user, group)) = machine::service_user() {
            lchown(&plan.data, Some(user), Some(group))
                .map_err(|error| failed(&plan.data, &error))?;
        }
    }
    if let CertificateSource::Trial(directory) = &plan.certificate {
        make_directory(directory, 0o755)?;
        let ips = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let names = [plan.hostname.as_str(), "localhost"];
        let files = own_ca::issue(directory, &names, &ips, SystemTime::now())
            .map_err(|error| CommandError::Failed(error.to_string()))?;
        hand_over(&files.key, plan)?;
        for file in [files.certificate, files.key, directory.join("ca.pem")] {
            report.wrote.push(file.display().to_string());
        }
    }
    if let Destination::Smarthost(hop) = &plan.destination
        && let Some(password) = &hop.password
    {
        write_file(&hop.password_file, password.as_bytes(), 0o600, plan.replace)?;
        hand_over(&hop.password_file, plan)?;
        report.wrote.push(hop.password_file.display().to_string());
    }
    // Last: a configuration that is there is complete.
    write_file(
        &plan.file,
        Configuration(plan).to_string().as_bytes(),
        0o644,
        plan.replace,
    )?;
    report.wrote.push(plan.file.display().to_string());
    Ok(())
}

/// Gives everything in the data directory to its owner, who runs the server.
pub(super) fn hand_over_data(plan: &Plan) -> Result<(), CommandError> {
    let entries = fs::read_dir(&plan.data).map_err(|error| failed(&plan.data, &error))?;
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            hand_over(&entry.path(), plan)?;
        }
    }
    Ok(())
}

/// Gives the file to the data directory's owner. Only root can, and only root needs to.
fn hand_over(file: &Path, plan: &Plan) -> Result<(), CommandError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let given = fs::metadata(&plan.data)
        .and_then(|owner| lchown(file, Some(owner.uid()), Some(owner.gid())));
    given.map_err(|error| failed(file, &error))
}

fn make_directory(path: &Path, mode: u32) -> Result<(), CommandError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| failed(path, &error))
}

/// Writes beside and renames, so that what was there stays whole until what is new is whole.
fn write_file(path: &Path, text: &[u8], mode: u32, replace: bool) -> Result<(), CommandError> {
    let written = || -> io::Result<()> {
        let draft = path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        file.write_all(text)?;
        file.sync_all()?;
        if replace {
            return fs::rename(&draft, path);
        }
        // Unlike a rename, a link does not replace what somebody put there meanwhile.
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        linked
    };
    written().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::Failed(format!(
        "{}: {error}\n    check that you may write there, or name another place with -o and --data",
        path.display()
    ))
}
