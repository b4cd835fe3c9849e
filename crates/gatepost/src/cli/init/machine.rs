//! What the machine already says: its name, the service's user, where files belong, whether there is a certificate.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::config::resolved::TlsFiles;

/// Where the configuration of an installed Gatepost is.
const SYSTEM: &str = "/etc/gatepost";

/// The user and group that an installed Gatepost runs as.
const SERVICE: &str = "gatepost";

/// Where the configuration belongs.
pub(super) fn configuration_file() -> PathBuf {
    if geteuid().is_root() || Path::new(SYSTEM).is_dir() {
        Path::new(SYSTEM).join("gatepost.toml")
    } else {
        PathBuf::from("gatepost.toml")
    }
}

/// Where accounts and mail belong, for a configuration in this file.
pub(super) fn data_directory(file: &Path) -> PathBuf {
    if file.starts_with(SYSTEM) {
        PathBuf::from("/var/lib/gatepost")
    } else {
        file.with_file_name("gatepost-data")
    }
}

/// The full name of this machine, if it has one: what the kernel says, or the first name in the hosts file beside that.
pub(super) fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    full_name(name.trim(), &hosts)
}

fn full_name(name: &str, hosts: &str) -> Option<String> {
    if name.contains('.') {
        return Some(name.to_owned());
    }
    let names = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>())
        .find(|names| names.contains(&name))?;
    let full = names.into_iter().find(|other| {
        other
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })?;
    Some(full.to_owned())
}

/// The certificate that this machine has for the name, where the usual tools leave it.
pub(super) fn certificate(hostname: &str) -> Option<TlsFiles> {
    let system = Path::new(SYSTEM);
    let certbot = Path::new("/etc/letsencrypt/live").join(hostname);
    [
        TlsFiles {
            certificate: system.join("fullchain.pem"),
            key: system.join("key.pem"),
        },
        TlsFiles {
            certificate: certbot.join("fullchain.pem"),
            key: certbot.join("privkey.pem"),
        },
    ]
    .into_iter()
    .find(|files| files.certificate.exists() && files.key.exists())
}

/// Every address of this machine: of both families where it has both.
pub(super) fn everywhere(port: u16) -> SocketAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if TcpListener::bind((six, 0)).is_ok() {
        SocketAddr::new(six, port)
    } else {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
    }
}

/// Who will run the server, when root writes the files and the machine has a user for it.
pub(super) fn service_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    user_in(&fs::read_to_string("/etc/passwd").ok()?)
}

fn user_in(passwd: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != SERVICE {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_from_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tmail.example.com mail # ours\n";
        let table = [
            ("mail.example.org", Some("mail.example.org")),
            ("mail", Some("mail.example.com")),
            ("localhost", None),
            ("other", None),
        ];
        for (name, expected) in table {
            assert_eq!(full_name(name, hosts).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_service_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\ngatepost2:x:7:7::/:/bin/false\ngatepost:x:998:997::/var/lib/gatepost:/usr/sbin/nologin\n";
        assert_eq!(user_in(passwd), Some((998, 997)));
        assert_eq!(user_in("root:x:0:0::/root:/bin/sh\n"), None);
    }
}
