//! Which versions of TLS a listener speaks. Old ones are for the devices of a named network, with a certificate that nothing else has.
//!
//! Standards: RFC 8996 (TLS 1.0 and 1.1), RFC 7568 (SSL 3.0).

use std::ops::Range;

use super::Resolver;
use crate::config::raw::{Placed, Table};
use crate::config::resolved::{ListenerProfile, OldVersion, TlsFiles, TlsMode, TlsVersions};

impl Resolver<'_> {
    /// `None` only when a fault was added.
    pub(super) fn tls_versions(
        &mut self,
        table: &Table<'_>,
        tls: TlsMode,
        profile: ListenerProfile,
    ) -> Option<TlsVersions> {
        if self.names_ssl(table) {
            return None;
        }
        let word = table.text("tls_versions", self.faults);
        if let Some(Placed { span, .. }) = word.as_ref().filter(|_| tls == TlsMode::None) {
            self.fault(
                span,
                "listener.tls_versions: this listener has no TLS",
                "set tls = \"starttls\" or \"implicit\", or leave tls_versions out",
            );
        }
        let least = match word.as_ref().map(|it| it.value.as_str()) {
            Some("1.0") => OldVersion::V1_0,
            Some("1.1") => OldVersion::V1_1,
            current => {
                self.no_certificate_of_its_own(table);
                let newest = current == Some("1.3");
                return Some(if newest {
                    TlsVersions::Newest
                } else {
                    TlsVersions::Current
                });
            }
        };
        let span = word.map_or(table.span.clone(), |it| it.span);
        self.boxed(table, &span, profile);
        let files = self.own_certificate(table, &span)?;
        Some(TlsVersions::Old { least, files })
    }

    /// Says why there is no SSL, and what to do instead: who writes it has a device that needs it.
    fn names_ssl(&mut self, table: &Table<'_>) -> bool {
        let written = table.as_written("tls_versions");
        let ssl = written.filter(|it| it.value.to_ascii_lowercase().starts_with("ssl"));
        if let Some(Placed { value, span }) = &ssl {
            self.fault(
                span,
                format!("listener.tls_versions: {value:?} is not possible: no library has SSL any more, as it protects nothing (RFC 7568); RC4 and 3DES are gone in the same way"),
                "a device that knows nothing newer gets tls = \"none\" and profile = \"legacy\", on a network of its own",
            );
        }
        ssl.is_some()
    }

    /// Old TLS hardly protects a password: the same box as for clear text, and nobody outside of it.
    fn boxed(&mut self, table: &Table<'_>, span: &Range<usize>, profile: ListenerProfile) {
        if profile != ListenerProfile::Legacy || !table.has("networks") {
            self.fault(
                span,
                "listener.tls_versions: TLS 1.0 and 1.1 are for legacy listeners with networks",
                "give the devices a listener with profile = \"legacy\" and their networks, for example networks = [\"192.168.7.0/24\"]",
            );
        }
        for option in ["client_certificates", "client_ca"] {
            if table.has(option) {
                self.fault(
                    span,
                    format!("listener.{option}: not with TLS 1.0 or 1.1"),
                    "ask for certificates on a listener with tls_versions = \"1.2\"",
                );
            }
        }
        if table.has("plus_on_tls12") {
            self.fault(
                span,
                "listener.plus_on_tls12: not with TLS 1.0 or 1.1, where the -PLUS mechanisms are offered anyway",
                "leave plus_on_tls12 out: clients bind by tls-unique here",
            );
        }
    }

    fn own_certificate(&mut self, table: &Table<'_>, span: &Range<usize>) -> Option<TlsFiles> {
        let certificate = table.path("certificate", self.base, self.faults);
        let key = table.path("key", self.base, self.faults);
        if let (Some(certificate), Some(key)) = (certificate, key) {
            return Some(TlsFiles {
                certificate: certificate.value,
                key: key.value,
            });
        }
        if !table.has("certificate") || !table.has("key") {
            self.fault(
                span,
                "listener.tls_versions: TLS 1.0 and 1.1 need a certificate and key of this listener's own",
                "set certificate and key; run: openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -subj /CN=mail.example.com -out old-devices.pem -keyout old-devices.key",
            );
        }
        None
    }

    fn no_certificate_of_its_own(&mut self, table: &Table<'_>) {
        for option in ["certificate", "key"] {
            if table.has(option) {
                self.fault(
                    &table.span,
                    format!("listener.{option}: only listeners with TLS 1.0 or 1.1 have their own"),
                    "name it in [tls], or in [[tls.more]] for a further host name",
                );
            }
        }
    }

    /// A key whose use with old TLS can be attacked must be worth nothing elsewhere. Copies of a file are found when it is read.
    pub(super) fn apart_from(&mut self, span: &Range<usize>, own: &TlsFiles, shared: &[&TlsFiles]) {
        let same = |it: &&TlsFiles| it.certificate == own.certificate || it.key == own.key;
        if shared.iter().any(same) {
            self.fault(
                span,
                format!(
                    "listener.certificate: {} is that of other listeners",
                    own.certificate.display()
                ),
                "old TLS would endanger its key: make one for the old devices alone",
            );
        }
    }
}
