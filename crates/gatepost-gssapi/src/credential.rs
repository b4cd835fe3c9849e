//! Credentials: the keys of a keytab, the ticket of a credential cache.
//!
//! Where they are is said in the call (`gss_acquire_cred_from`, an extension of MIT Kerberos), not in the environment.

use std::ffi::{CStr, CString, c_int};
use std::fmt;
use std::ptr;

use crate::abi::{self, Word};
use crate::error::Error;
use crate::library::Library;
use crate::name::Name;

/// A credential inside the library, freed when dropped.
pub struct Credential {
    library: &'static Library,
    handle: abi::CredentialHandle,
}

// SAFETY: MIT Kerberos locks a credential while it is used; it is not bound to a thread.
unsafe impl Send for Credential {}

impl Credential {
    /// The keys of `service` (`smtp`: on any host) in this keytab, to accept contexts with. Fails when the file cannot be
    /// read or holds no such key. Repeated requests are recognised by the library's replay cache.
    pub fn from_keytab(
        library: &'static Library,
        keytab: &str,
        service: &str,
    ) -> Result<Self, Error> {
        let service = Name::service(library, service)?;
        Self::acquire(
            library,
            Some(&service),
            abi::ACCEPT,
            Some((c"keytab", keytab)),
        )
    }

    /// The ticket of this credential cache (`FILE:/run/gatepost/ticket`; the default one when absent), to initiate contexts with.
    /// Fails when there is none or it has expired.
    pub fn from_cache(library: &'static Library, cache: Option<&str>) -> Result<Self, Error> {
        let store = cache.map(|cache| (c"ccache", cache));
        Self::acquire(library, None, abi::INITIATE, store)
    }

    fn acquire(
        library: &'static Library,
        name: Option<&Name>,
        usage: c_int,
        store: Option<(&CStr, &str)>,
    ) -> Result<Self, Error> {
        let store = store
            .map(|(key, value)| Ok((key, CString::new(value)?)))
            .transpose()
            .map_err(|_: std::ffi::NulError| Error::unusable("a file name with a NUL in it"))?;
        let mut elements: Vec<abi::KeyValue> = store
            .iter()
            .map(|(key, value)| abi::KeyValue {
                key: key.as_ptr(),
                value: value.as_ptr(),
            })
            .collect();
        let store = abi::KeyValueSet {
            count: Word::from(!elements.is_empty()),
            elements: elements.as_mut_ptr(),
        };
        let mut mechanisms = abi::OidSet {
            count: 1,
            elements: abi::KRB5.as_ptr(),
        };
        let mut minor: Word = 0;
        let mut acquired = Self {
            library,
            handle: ptr::null_mut(),
        };
        // SAFETY: all pointers are to live locals; `store` describes `elements`, whose texts live as long; the name is one of
        // the library's or null for any; what mechanisms and lifetime come of it is not wanted.
        let major = unsafe {
            (library.acquire_credential_from)(
                &raw mut minor,
                name.map_or(ptr::null_mut(), Name::handle),
                abi::LONGEST,
                &raw mut mechanisms,
                usage,
                &raw const store,
                &raw mut acquired.handle,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        match major {
            abi::COMPLETE => Ok(acquired),
            _ => Err(Error::of(library, major, minor)),
        }
    }

    pub(crate) fn library(&self) -> &'static Library {
        self.library
    }

    pub(crate) fn handle(&self) -> abi::CredentialHandle {
        self.handle
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor: Word = 0;
        // SAFETY: the credential is one of the library's and is released once.
        unsafe { (self.library.release_credential)(&raw mut minor, &raw mut self.handle) };
    }
}

/// Nothing of what it holds.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}
