//! A key distribution centre of MIT Kerberos for the length of a test: two realms that trust each other, on a port of its own, in a
//! directory of its own. Programs find it by the environment that [`Kdc::command`] gives them.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::child::run;

/// The realm of the server, and one whose users it need not know.
const REALMS: [&str; 2] = ["EXAMPLE.TEST", "OTHER.TEST"];

/// Everybody's.
const PASSWORD: &str = "gate post";

/// How many ports are tried: another program may take one before the centre does.
const TRIES: usize = 5;

pub(super) struct Kdc {
    directory: TempDir,
    _process: Child,
}

impl Kdc {
    /// A centre that knows these principals, `name@REALM`, all with one password, and has keys of these services in a keytab.
    pub(super) async fn start(users: &[&str], services: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        write_settings(place, 0);
        for realm in REALMS {
            let mut create = command(place, "kdb5_util");
            create.args(["create", "-s", "-P", "master", "-r", realm]);
            checked(&mut create, "").await;
            administer(place, realm, &queries(realm, users, services, place)).await;
        }
        for _ in 0..TRIES {
            let port = free_port();
            write_settings(place, port);
            if let Some(process) = listening(place).await {
                return Self {
                    directory,
                    _process: process,
                };
            }
        }
        panic!("krb5kdc finds no port");
    }

    /// The directory of the centre, with `krb5.conf`, the keytab and the caches.
    pub(super) fn place(&self) -> &Path {
        self.directory.path()
    }

    /// The keys of the services.
    pub(super) fn keytab(&self) -> PathBuf {
        self.directory.path().join("keytab")
    }

    /// A file for something else.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program that asks this centre and no other.
    pub(super) fn command(&self, program: &str) -> Command {
        command(self.directory.path(), program)
    }

    /// Gets `user` a ticket for tickets, and one for each of these services. Gives the name of its cache.
    pub(super) async fn ticket(&self, user: &str, services: &[&str]) -> String {
        let cache = format!("FILE:{}", self.file(&user.replace('/', "-")).display());
        let mut kinit = self.command("kinit");
        checked(kinit.args(["-c", &cache, user]), &format!("{PASSWORD}\n")).await;
        for service in services {
            checked(self.command("kvno").args(["-c", &cache, service]), "").await;
        }
        cache
    }
}

fn command(place: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C")
        .env("KRB5_CONFIG", place.join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", place.join("kdc.conf"))
        .env("KRB5RCACHEDIR", place)
        .env("KRB5CCNAME", "FILE:/nonexistent/ticket")
        .kill_on_drop(true);
    command
}

/// What administration makes in a realm: its users, the services of the first one, and the key that the realms share.
fn queries(realm: &str, users: &[&str], services: &[&str], place: &Path) -> String {
    let [ours, other] = REALMS;
    let mut queries = format!("addprinc -pw shared krbtgt/{ours}@{other}\n");
    let here = |name: &&&str| name.ends_with(&format!("@{realm}"));
    for user in users.iter().filter(here) {
        let _ = writeln!(queries, "addprinc -pw \"{PASSWORD}\" {user}");
    }
    for service in services.iter().filter(here) {
        let keytab = place.join("keytab");
        let _ = writeln!(queries, "addprinc -randkey {service}");
        let _ = writeln!(queries, "ktadd -k {} {service}", keytab.display());
    }
    queries
}

async fn administer(place: &Path, realm: &str, queries: &str) {
    let mut kadmin = command(place, "kadmin.local");
    let said = checked(kadmin.args(["-r", realm]), queries).await;
    assert_eq!(
        said.matches("created.").count(),
        queries.matches("addprinc").count(),
        "{said}"
    );
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The centre, if it can have its port.
async fn listening(place: &Path) -> Option<Child> {
    let mut kdc = command(place, "krb5kdc");
    kdc.arg("-n");
    for realm in REALMS {
        kdc.args(["-r", realm]);
    }
    let mut process = kdc
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("krb5kdc is installed (package krb5-kdc)");
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    while let Ok(Some(line)) = said.next_line().await {
        if line.contains("starting...") {
            // It says nothing more that anybody waits for.
            tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
            return Some(process);
        }
    }
    None
}

async fn checked(command: &mut Command, input: &str) -> String {
    let output = run(command, input).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    said
}

fn write_settings(place: &Path, port: u16) {
    let mut known = String::new();
    let mut kept = String::new();
    for realm in REALMS {
        let place = place.join(realm);
        let place = place.display();
        let _ = write!(known, "{realm} = {{\nkdc = 127.0.0.1:{port}\n}}\n");
        let _ = write!(
            kept,
            "{realm} = {{\ndatabase_name = {place}.db\nkey_stash_file = {place}.stash\nacl_file = {place}.acl\nmax_life = 1h\n}}\n"
        );
    }
    let [ours, _] = REALMS;
    let settings = format!(
        "[libdefaults]\ndefault_realm = {ours}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
         dns_canonicalize_hostname = false\nrdns = false\n\
         ignore_acceptor_hostname = true\n[realms]\n{known}[domain_realm]\nlocalhost = {ours}\n"
    );
    std::fs::write(place.join("krb5.conf"), settings).unwrap();
    let settings = format!(
        "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n{kept}\
         [logging]\nkdc = STDERR\nadmin_server = STDERR\n"
    );
    std::fs::write(place.join("kdc.conf"), settings).unwrap();
}
