//! Which mechanism an AUTH command means, and whether it may be begun as it was asked for.

use gatepost_sasl::{InitialResponse, Mechanism, Secret, mechanism};

use super::{ServerSession, SessionEvent};
use crate::command::AuthArgument;
use crate::reply::Refusal;

/// An AUTH command that may be obeyed, before the program has agreed to begin.
pub(super) struct Opening {
    pub(super) mechanism: &'static Mechanism,
    /// `None` = not given, empty = `=` (AUTH-05).
    pub(super) initial_response: Option<Secret>,
    /// Its length as base64.
    pub(super) response_length: usize,
}

impl ServerSession {
    /// Reads the argument of AUTH; `length` is that of the whole line.
    pub(super) fn opening(&mut self, argument: &[u8], length: usize) -> Result<Opening, Refusal> {
        let AuthArgument {
            mechanism,
            initial_response: wire,
            quirks,
        } = AuthArgument::parse(argument)?;
        let mechanism = self
            .offer()
            .choose(mechanism)
            .inspect_err(|_| self.notice_exposed_password(argument))?;
        if length > self.auth_line_limit(mechanism) {
            return Err(Refusal::AuthLineTooLong);
        }
        let wire = initial_response(mechanism, wire)?;
        let response = wire
            .map(|wire| self.decoded(wire).ok_or(Refusal::Base64Invalid))
            .transpose()?;
        self.quirks(quirks);
        let response_length = wire.map_or(0, <[u8]>::len);
        Ok(Opening {
            mechanism,
            initial_response: response,
            response_length,
        })
    }

    /// What AUTH can choose from.
    fn offer(&self) -> Offer<'_> {
        let tls_would_help = self.tls.is_none() && self.profile.tls.offers_starttls();
        Offer {
            mechanisms: &self.offered,
            tls_would_help,
            named: self.profile.mechanisms.as_deref(),
        }
    }

    /// CAP-13, LC-32: a password came over a clear channel, although it will not even be looked at.
    pub(super) fn notice_exposed_password(&mut self, argument: &[u8]) {
        let Ok(AuthArgument {
            mechanism,
            initial_response: Some(_),
            ..
        }) = AuthArgument::parse(argument)
        else {
            return;
        };
        // Where an initial response can be left out by `=`, it is a user name: no password has come
        // yet.
        let shows = |known: &&Mechanism| {
            known.exposes_password && known.initial_response == InitialResponse::Optional
        };
        if let Some(mechanism) = mechanism::by_name(mechanism).filter(shows)
            && self.offer().tls_would_help
        {
            self.event(SessionEvent::PasswordExposed { mechanism });
        }
    }
}

/// The mechanisms offered at the last EHLO, and why others may be missing.
#[derive(Clone, Copy, Debug)]
struct Offer<'a> {
    mechanisms: &'a [&'static Mechanism],
    /// The channel is clear and TLS could be had: more would be offered there.
    tls_would_help: bool,
    /// The only ones that could be, if the listener names them.
    named: Option<&'a [&'static Mechanism]>,
}

impl Offer<'_> {
    /// Unknown, in need of TLS, or no mechanism offered at all (CODE-05).
    fn choose(self, name: &str) -> Result<&'static Mechanism, Refusal> {
        let offered = self
            .mechanisms
            .iter()
            .find(|mechanism| mechanism.name.eq_ignore_ascii_case(name));
        match offered {
            Some(mechanism) => Ok(mechanism),
            // CODE-05: a mechanism we know and offer under TLS only.
            None if self.tls_would_help && self.would_be_offered(name) => {
                Err(Refusal::EncryptionRequired)
            }
            None if self.mechanisms.is_empty() && !self.tls_would_help => {
                Err(Refusal::AuthDisabled)
            }
            None => Err(Refusal::MechanismUnknown),
        }
    }

    /// Whether `name` is a mechanism of this listener that shows the password to whoever listens.
    fn would_be_offered(self, name: &str) -> bool {
        mechanism::by_name(name).is_some_and(|mechanism| {
            mechanism.exposes_password && self.named.is_none_or(|named| named.contains(&mechanism))
        })
    }
}

/// What an initial response on the wire means to `mechanism`: its base64, or nothing (AUTH-05,
/// AUTH-09, LOG-04).
fn initial_response<'a>(
    mechanism: &Mechanism,
    wire: Option<&'a [u8]>,
) -> Result<Option<&'a [u8]>, Refusal> {
    match (wire, mechanism.initial_response) {
        (None, _) | (Some(b"="), InitialResponse::EqualsMeansAbsent) => Ok(None),
        (Some(_), InitialResponse::Refused) => Err(Refusal::InitialResponseRefused),
        (Some(b"="), InitialResponse::Optional | InitialResponse::Resumes) => Ok(Some(b"")),
        (Some(base64), _) => Ok(Some(base64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_rows_4_5_and_14() {
        let plain = mechanism::by_name("PLAIN").unwrap();
        let rows = [
            (&[plain][..], false, "pLaIn", Ok(plain)),
            (
                &[plain][..],
                false,
                "FOOBAR",
                Err(Refusal::MechanismUnknown),
            ),
            (&[plain][..], false, "LOGIN", Err(Refusal::MechanismUnknown)),
            (&[][..], true, "LOGIN", Err(Refusal::EncryptionRequired)),
            (&[][..], true, "FOOBAR", Err(Refusal::MechanismUnknown)),
            (&[][..], false, "PLAIN", Err(Refusal::AuthDisabled)),
        ];
        let unnamed = Offer {
            mechanisms: &[],
            tls_would_help: true,
            named: Some(&[plain]),
        };
        assert_eq!(unnamed.choose("LOGIN"), Err(Refusal::MechanismUnknown));
        assert_eq!(unnamed.choose("PLAIN"), Err(Refusal::EncryptionRequired));
        for (mechanisms, tls_would_help, name, expected) in rows {
            assert_eq!(
                Offer {
                    mechanisms,
                    tls_would_help,
                    named: None,
                }
                .choose(name),
                expected,
                "{name}"
            );
        }
    }

    // AUTH-05, AUTH-09, LOG-04
    #[test]
    fn auth_05_auth_09_log_04_what_an_initial_response_means() {
        let of = |rule| Mechanism {
            initial_response: rule,
            ..*mechanism::by_name("PLAIN").unwrap()
        };
        let (optional, login, server_first) = (
            of(InitialResponse::Optional),
            of(InitialResponse::EqualsMeansAbsent),
            of(InitialResponse::Refused),
        );
        assert_eq!(initial_response(&optional, None), Ok(None));
        assert_eq!(initial_response(&optional, Some(b"=")), Ok(Some(&b""[..])));
        assert_eq!(initial_response(&login, Some(b"=")), Ok(None));
        assert_eq!(
            initial_response(&login, Some(b"dGlt")),
            Ok(Some(&b"dGlt"[..]))
        );
        assert_eq!(
            initial_response(&server_first, Some(b"=")),
            Err(Refusal::InitialResponseRefused)
        );
        assert_eq!(initial_response(&server_first, None), Ok(None));
    }
}
