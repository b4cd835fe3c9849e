//! Names of services and principals.

use std::ptr;

use crate::abi::{self, Word};
use crate::buffer::{Filled, lent};
use crate::error::Error;
use crate::library::Library;

/// A name inside the library, freed when dropped.
pub(crate) struct Name {
    library: &'static Library,
    handle: abi::NameHandle,
}

// SAFETY: a name is not bound to the thread that made it, and is never changed.
unsafe impl Send for Name {}

impl Name {
    /// A service on a host, `smtp@mail.example.com`; a service alone stands for it on any host.
    pub(crate) fn service(library: &'static Library, name: &str) -> Result<Self, Error> {
        let mut minor: Word = 0;
        let mut text = lent(name.as_bytes());
        let mut imported = Self::none(library);
        // SAFETY: all pointers are to live locals, `text` describes `name`, the type is a constant.
        let major = unsafe {
            (library.import_name)(
                &raw mut minor,
                &raw mut text,
                abi::HOST_BASED_SERVICE.as_ptr(),
                imported.slot(),
            )
        };
        match major {
            abi::COMPLETE => Ok(imported),
            _ => Err(Error::of(library, major, minor)),
        }
    }

    /// No name yet, to be filled by one call.
    pub(crate) fn none(library: &'static Library) -> Self {
        Self {
            library,
            handle: ptr::null_mut(),
        }
    }

    /// For the call that fills it, while it is empty.
    pub(crate) fn slot(&mut self) -> *mut abi::NameHandle {
        &raw mut self.handle
    }

    pub(crate) fn handle(&self) -> abi::NameHandle {
        self.handle
    }

    /// As text: a principal as `name@REALM`, with backslashes before what would be read otherwise.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let mut minor: Word = 0;
        let mut text = Filled::empty(self.library);
        // SAFETY: the name is one of the library's or none; the pointers are to live locals; the type is not wanted.
        let major = unsafe {
            (self.library.display_name)(&raw mut minor, self.handle, text.slot(), ptr::null_mut())
        };
        match major {
            abi::COMPLETE => Ok(text.text()),
            _ => Err(Error::of(self.library, major, minor)),
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor: Word = 0;
        // SAFETY: the name is one of the library's and is released once.
        unsafe { (self.library.release_name)(&raw mut minor, &raw mut self.handle) };
    }
}
