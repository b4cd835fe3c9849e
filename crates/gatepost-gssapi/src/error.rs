//! What the library says when a call fails.

use std::fmt;

use gatepost_sasl::gssapi::ContextFault;

use crate::abi::{self, Word};
use crate::buffer::Filled;
use crate::library::Library;

/// `ERROR_TABLE_BASE_krb5`, from which the minor codes of MIT Kerberos count upwards.
const KRB5_BASE: i32 = -1_765_328_384;

/// Minor codes, above the base, that tell of our own files: the replay cache, the keytab. Neither a replay nor a key that is not there
/// is one of them: a ticket can be altered so that it names any key.
const OWN_FILES: [std::ops::RangeInclusive<i32>; 5] =
    [159..=162, 164..=172, 179..=180, 182..=184, 235..=235];

/// Minor codes of the system, that tell of files and room: `EPERM`, `ENOENT`, `EIO`, `ENOMEM`, `EACCES`, `ENFILE`, `EMFILE`, `ENOSPC`,
/// `EROFS`, `EDQUOT`.
const OWN_SYSTEM: [i32; 10] = [1, 2, 5, 12, 13, 23, 24, 28, 30, 122];

/// Most messages the library may string together for one status.
const MOST_MESSAGES: usize = 8;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    major: Word,
    minor: Word,
    text: String,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The peer's: its token is forged, expired, repeated, or for somebody else.
    Peer,
    /// Ours: no key, no ticket, no file, no memory.
    Ours,
}

impl Error {
    /// The error of a status. The library is asked at once, because it keeps texts per thread and only for a while.
    pub(crate) fn of(library: &'static Library, major: Word, minor: Word) -> Self {
        let general = messages(library, major, abi::MAJOR_STATUS);
        let detail = match minor {
            0 => String::new(),
            _ => messages(library, minor, abi::MINOR_STATUS),
        };
        // A failure that is not further specified says so at length.
        let text = match (major & abi::ERRORS, detail.is_empty()) {
            (_, true) => general,
            (abi::FAILURE, false) => detail,
            (_, false) => format!("{general}: {detail}"),
        };
        Self { major, minor, text }
    }

    /// A fault of the arguments, before the library is asked.
    pub(crate) fn unusable(what: &str) -> Self {
        Self {
            major: abi::FAILURE,
            minor: 0,
            text: what.to_owned(),
        }
    }

    /// The peer does what the library lets pass and we do not.
    pub(crate) fn unacceptable(what: &str) -> Self {
        Self {
            major: abi::COMPLETE,
            minor: 0,
            text: what.to_owned(),
        }
    }

    /// Whose fault it is when a peer's token was being worked on.
    pub fn blame(&self) -> Blame {
        match self.major & abi::ERRORS {
            abi::CREDENTIAL_EXPIRED => Blame::Ours,
            // Not "no credential": that is what a token of a mechanism gets which we do not accept.
            abi::FAILURE if self.is_of_own_files() => Blame::Ours,
            _ => Blame::Peer,
        }
    }

    fn is_of_own_files(&self) -> bool {
        let minor = self.minor.cast_signed();
        let krb5 = minor.wrapping_sub(KRB5_BASE);
        OWN_SYSTEM.contains(&minor) || OWN_FILES.iter().any(|codes| codes.contains(&krb5))
    }
}

fn messages(library: &'static Library, status: Word, kind: std::ffi::c_int) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut more: Word = 0;
    for _ in 0..MOST_MESSAGES {
        let mut minor: Word = 0;
        let mut text = Filled::empty(library);
        // SAFETY: all pointers are to live locals; the mechanism is a constant; `text` is empty.
        let major = unsafe {
            (library.display_status)(
                &raw mut minor,
                status,
                kind,
                abi::KRB5.as_ptr(),
                &raw mut more,
                text.slot(),
            )
        };
        if major != abi::COMPLETE {
            break;
        }
        texts.push(text.text());
        if more == 0 {
            break;
        }
    }
    texts.join(", ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            write!(f, "GSS-API status {:#x}, {:#x}", self.major, self.minor)
        } else {
            f.write_str(&self.text)
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ContextFault {
    fn from(error: Error) -> Self {
        match error.blame() {
            Blame::Peer => Self::Rejected(error.to_string()),
            Blame::Ours => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GSS-08: "Kerberos failures (clock skew, replay) → 535 5.7.8; KDC/keytab trouble → 454 4.7.0."
    #[test]
    fn gss_08_whose_fault_a_status_is() {
        let krb5 = |code: i32| (KRB5_BASE + code).cast_unsigned();
        let rows = [
            // Clock skew, repeated request, expired ticket, wrong service, altered message.
            (abi::FAILURE, krb5(37), Blame::Peer),
            (abi::FAILURE, krb5(34), Blame::Peer),
            (abi::FAILURE, krb5(32), Blame::Peer),
            (abi::FAILURE, krb5(144), Blame::Peer),
            (abi::FAILURE, krb5(31), Blame::Peer),
            // KRB5_RC_REPLAY, KRB5_KT_NOTFOUND, KRB5_KT_KVNONOTFOUND, EINVAL.
            (abi::FAILURE, krb5(163), Blame::Peer),
            (abi::FAILURE, krb5(181), Blame::Peer),
            (abi::FAILURE, krb5(230), Blame::Peer),
            (abi::FAILURE, 22, Blame::Peer),
            // GSS_S_DEFECTIVE_TOKEN, GSS_S_DUPLICATE_TOKEN.
            (9 << 16, 0, Blame::Peer),
            (2, 0, Blame::Peer),
            (abi::FAILURE, 0, Blame::Peer),
            // GSS_S_NO_CRED: a token of another mechanism than the credential's.
            (7 << 16, 0, Blame::Peer),
            // An expired ticket of ours.
            (abi::CREDENTIAL_EXPIRED, 0, Blame::Ours),
            // EACCES, ENOSPC; KRB5_RC_IO_PERM, KRB5_KT_IOERR, KRB5_KT_FORMAT.
            (abi::FAILURE, 13, Blame::Ours),
            (abi::FAILURE, 28, Blame::Ours),
            (abi::FAILURE, krb5(169), Blame::Ours),
            (abi::FAILURE, krb5(184), Blame::Ours),
            (abi::FAILURE, krb5(235), Blame::Ours),
        ];
        for (major, minor, blame) in rows {
            let error = Error {
                major,
                minor,
                text: String::new(),
            };
            assert_eq!(error.blame(), blame, "{error}");
        }
    }
}
