//! What a route proves itself with, kept in files: a password, a token, a ticket, a certificate and its key.
//!
//! The files are read again after [`FRESH`], so that a changed password takes effect without a restart. Each content has a generation
//! number: connections of another generation are not used again, and a lane that was paused because the password was refused opens when
//! the number changes. A route with several files has the sum of their generations, none of which ever falls.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatepost_client::{Certificate, Credential, Credentials, Error};
use gatepost_sasl::Secret;

use crate::config::resolved::{CertificateFiles, RouteAuth, SecretFile};

/// The longest content accepted, in octets: more is a wrong file.
const MAX_OCTETS: usize = 64 * 1024;

/// How long a content is taken to be the one in the file.
pub const FRESH: Duration = Duration::from_secs(1);

/// The files of a route.
#[derive(Debug)]
pub struct RouteCredential {
    secret: SecretFile,
    /// With a password, a token or a ticket.
    file: Option<PasswordFile>,
    certificate: Option<CertificateFile>,
}

/// What the files held when they were read.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What proves the user.
    pub credential: Credential,
    /// What is shown in TLS.
    pub certificate: Option<Certificate>,
    /// Changes with every change of the files' content.
    pub generation: u64,
}

impl Proof {
    /// What to authenticate with. A ticket and a certificate name their owner themselves, so that the user of the route is whom to act as.
    pub fn credentials(&self, auth: &RouteAuth) -> Credentials {
        let credential = self.credential.clone();
        let names_itself = matches!(credential, Credential::Ticket(_) | Credential::Certificate);
        Credentials {
            authcid: auth.user.clone(),
            authzid: (names_itself && !auth.user.is_empty()).then(|| auth.user.clone()),
            credential,
        }
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    /// For a file that holds a secret.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// For a certificate or its key; with what to do.
    #[error("{0:#}")]
    Certificate(Error),
}

impl RouteCredential {
    /// Of a route that authenticates so. The files need not be there yet.
    pub fn new(auth: &RouteAuth) -> Self {
        let file = |what, path: &PathBuf| Some(PasswordFile::new(what, path.clone()));
        Self {
            secret: auth.secret.clone(),
            file: match &auth.secret {
                SecretFile::Password(path) => file("password", path),
                SecretFile::Token(path) => file("token", path),
                SecretFile::Ticket(path) => file("ticket", path),
                SecretFile::Certificate(_) => None,
            },
            certificate: auth.shown().map(CertificateFile::new),
        }
    }

    /// What there is to prove it with now.
    pub async fn read(&self, now: Instant) -> Result<Proof, ProofFault> {
        let password = match &self.file {
            Some(file) => Some(file.read(now).await?),
            None => None,
        };
        let shown = match &self.certificate {
            Some(file) => Some(file.read(now).await?),
            None => None,
        };
        let generation = password.as_ref().map_or(0, |it| it.generation)
            + shown.as_ref().map_or(0, |(_, generation)| *generation);
        Ok(Proof {
            credential: match (&self.secret, password) {
                (SecretFile::Ticket(cache), _) => {
                    Credential::Ticket(Some(format!("FILE:{}", cache.display())))
                }
                (SecretFile::Token(_), Some(token)) => Credential::Token(token.secret),
                (_, Some(password)) => Credential::Password(password.secret),
                (_, None) => Credential::Certificate,
            },
            certificate: shown.map(|(certificate, _)| certificate),
            generation,
        })
    }
}

/// The files of a certificate and its key.
#[derive(Debug)]
struct CertificateFile {
    certificate: PasswordFile,
    key: PasswordFile,
    /// What was made of the contents of this generation: keys are costly to read, and each attempt asks.
    made: Mutex<Option<(u64, Certificate)>>,
}

impl CertificateFile {
    fn new(files: &CertificateFiles) -> Self {
        Self {
            certificate: PasswordFile::new("certificate", files.certificate.clone()),
            key: PasswordFile::new("key", files.key.clone()),
            made: Mutex::default(),
        }
    }

    async fn read(&self, now: Instant) -> Result<(Certificate, u64), ProofFault> {
        let certificate = self.certificate.read(now).await?;
        let key = self.key.read(now).await?;
        let generation = certificate.generation + key.generation;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pair)) = made.as_ref().filter(|(of, _)| *of == generation) {
            return Ok((pair.clone(), generation));
        }
        let places = [&self.certificate, &self.key].map(|file| file.path.display().to_string());
        let pair = Certificate::from_pem(
            certificate.secret.expose(),
            key.secret.expose(),
            places.each_ref().map(String::as_str),
        );
        let pair = pair.map_err(|fault| ProofFault::Certificate(fault.into()))?;
        *made = Some((generation, pair.clone()));
        Ok((pair, generation))
    }
}

/// A file that holds a password, or another secret, and nothing else; one trailing line end is not part of it.
#[derive(Debug)]
pub struct PasswordFile {
    /// What it holds, for people.
    what: &'static str,
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    password: Password,
    read_at: Instant,
}

/// A password and its generation.
#[derive(Debug, Clone)]
pub struct Password {
    /// The password.
    pub secret: Secret,
    /// Changes with every change of the file's content.
    pub generation: u64,
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// The file cannot be read.
    #[error("{what} file {path}: {fault}")]
    Unreadable {
        /// What it would hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        fault: std::io::Error,
    },
    /// The file holds nothing, or far too much.
    #[error("{what} file {path} does not hold a {what}")]
    NoPassword {
        /// What it would hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
}

impl PasswordFile {
    /// A secret of this kind in this file, which need not be there yet.
    pub fn new(what: &'static str, path: PathBuf) -> Self {
        Self {
            what,
            path,
            known: Mutex::default(),
        }
    }

    /// The password as it is now.
    pub async fn read(&self, now: Instant) -> Result<Password, PasswordFault> {
        let fresh = self
            .known()
            .as_ref()
            .filter(|known| now < known.read_at + FRESH)
            .map(|known| known.password.clone());
        match fresh {
            Some(password) => Ok(password),
            None => self.read_file().await.map(|secret| self.learn(secret, now)),
        }
    }

    async fn read_file(&self) -> Result<Secret, PasswordFault> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        let read = read.map_err(std::io::Error::other).flatten();
        let mut octets = read.map_err(|fault| PasswordFault::Unreadable {
            what: self.what,
            path: self.path.clone(),
            fault,
        })?;
        let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        octets.truncate(length);
        if octets.is_empty() || octets.len() > MAX_OCTETS {
            return Err(PasswordFault::NoPassword {
                what: self.what,
                path: self.path.clone(),
            });
        }
        Ok(Secret::new(octets))
    }

    fn learn(&self, secret: Secret, now: Instant) -> Password {
        let mut known = self.known();
        let generation = match known.as_ref().map(|known| &known.password) {
            Some(password) if password.secret.ct_eq(&secret) => password.generation,
            Some(password) => password.generation + 1,
            None => 1,
        };
        let password = Password { secret, generation };
        *known = Some(Known {
            password: password.clone(),
            read_at: now,
        });
        password
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn directory(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("gatepost-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    #[tokio::test]
    async fn one_line_end_is_cut_and_changes_are_counted() {
        let directory = directory("password-file");
        let path = directory.0.join("password");
        let file = PasswordFile::new("password", path.clone());
        let mut now = Instant::now();
        assert!(matches!(
            file.read(now).await,
            Err(PasswordFault::Unreadable { .. })
        ));
        let table: &[(&[u8], &[u8], u64)] = &[
            (b"s3cret", b"s3cret", 1),
            (b"s3cret\n", b"s3cret", 1),
            (b"s3cret\r\n", b"s3cret", 1),
            (b"s3cret\n\n", b"s3cret\n", 2),
            (b" s3cret ", b" s3cret ", 3),
            (b"s3cret", b"s3cret", 4),
        ];
        for (content, secret, generation) in table {
            std::fs::write(&path, content).unwrap();
            now += FRESH;
            let password = file.read(now).await.unwrap();
            assert_eq!(
                (password.secret.expose(), password.generation),
                (*secret, *generation),
                "{content:?}"
            );
        }
        std::fs::write(&path, "changed").unwrap();
        assert_eq!(
            file.read(now).await.unwrap().secret.expose(),
            b"s3cret",
            "read a moment ago"
        );
        for content in [Vec::new(), b"\n".to_vec(), vec![b'x'; MAX_OCTETS + 1]] {
            std::fs::write(&path, content).unwrap();
            now += FRESH;
            assert!(matches!(
                file.read(now).await,
                Err(PasswordFault::NoPassword { .. })
            ));
        }
    }
}
