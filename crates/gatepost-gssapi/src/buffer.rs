//! Octets that the library allocated, and octets of ours that it reads.

use std::ptr;
use std::slice;

use crate::abi::{self, Word};
use crate::library::Library;

/// Octets for the library to read during one call. It takes a mutable pointer by its declaration and writes nothing.
pub(crate) fn lent(octets: &[u8]) -> abi::Buffer {
    abi::Buffer {
        length: octets.len(),
        value: octets.as_ptr().cast_mut().cast(),
    }
}

/// A buffer that the library fills, given back to it when dropped.
pub(crate) struct Filled {
    library: &'static Library,
    buffer: abi::Buffer,
}

impl Filled {
    /// An empty one, to be filled by one call.
    pub(crate) fn empty(library: &'static Library) -> Self {
        Self {
            library,
            buffer: abi::Buffer {
                length: 0,
                value: ptr::null_mut(),
            },
        }
    }

    /// For the call that fills it.
    pub(crate) fn slot(&mut self) -> *mut abi::Buffer {
        &raw mut self.buffer
    }

    pub(crate) fn octets(&self) -> &[u8] {
        if self.buffer.value.is_null() {
            return &[];
        }
        // SAFETY: the library filled both fields, and what they describe stays until the buffer is released in `drop`.
        unsafe { slice::from_raw_parts(self.buffer.value.cast(), self.buffer.length) }
    }

    /// As text; the library's messages and names are UTF-8 or ASCII.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let mut minor: Word = 0;
        // SAFETY: the buffer is empty or was filled by the library, and is released once.
        unsafe { (self.library.release_buffer)(&raw mut minor, &raw mut self.buffer) };
    }
}
