//! What a development server offers only when it is told of something outside: the keys of a Kerberos realm, and an address for TLS that
//! most programs refuse by now.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use crate::cli::CommandError;
use crate::config::resolved::{Kerberos, OldVersion, TlsVersions};
use crate::net::tls::own_ca;

/// Where the certificate of old TLS is, with an authority of its own: old TLS endangers the key.
const OLD_TLS: &str = "old-tls";

/// The account that tickets open, whatever the realm: `dev@EXAMPLE.COM` is `dev`.
pub(super) const TICKET_ACCOUNT: &str = "dev";

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Offer GSSAPI, with the key of smtp/HOST in this keytab: a ticket of `dev` in that realm opens the account
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// One more legacy listener, with STARTTLS from TLS 1.0 on (the packages have it, others build with --features legacy-tls)
    #[arg(long, value_name = "ADDR")]
    pub(super) old_tls: Option<SocketAddr>,
}

impl Asked {
    pub(super) fn kerberos(&self) -> Option<Kerberos> {
        let keytab = self.keytab.clone()?;
        Some(Kerberos {
            keytab,
            principal: None,
            realms: Vec::new(),
        })
    }

    /// The address for old TLS, and a certificate for it.
    pub(super) fn old_tls(
        &self,
        directory: &Path,
    ) -> Result<Option<(SocketAddr, TlsVersions)>, CommandError> {
        let Some(address) = self.old_tls else {
            return Ok(None);
        };
        let place = directory.join(OLD_TLS);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&place)
            .map_err(|error| CommandError::Failed(format!("{}: {error}", place.display())))?;
        let files = own_ca::issue(&place, &["localhost"], &[address.ip()], SystemTime::now())
            .map_err(|error| CommandError::Failed(error.to_string()))?;
        let least = OldVersion::V1_0;
        Ok(Some((address, TlsVersions::Old { least, files })))
    }
}

/// Its authority.
pub(super) fn old_tls_authority(directory: &Path) -> PathBuf {
    directory.join(OLD_TLS).join("ca.pem")
}
