//! Types, constants and functions of `libgssapi_krb5.so.2` as its C header declares them (RFC 2744 appendix A).

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// `OM_uint32`.
pub(crate) type Word = u32;

/// `gss_OID_desc`.
#[repr(C)]
pub(crate) struct Oid {
    length: Word,
    elements: *const c_void,
}

// SAFETY: the elements of every value of this type are constants of this file, which nobody writes to.
unsafe impl Sync for Oid {}

impl Oid {
    const fn of(elements: &'static [u8]) -> Self {
        Self {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "identifiers are a few octets long"
            )]
            length: elements.len() as Word,
            elements: elements.as_ptr().cast(),
        }
    }

    /// The pointer that functions want, which do not write through it.
    pub(crate) fn as_ptr(&'static self) -> *mut Self {
        ptr::from_ref(self).cast_mut()
    }
}

/// Kerberos V5: 1.2.840.113554.1.2.2 (RFC 4121 §4.1).
pub(crate) static KRB5: Oid = Oid::of(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]);

/// A name of the form `service@host`: 1.2.840.113554.1.2.1.4 (RFC 2743 §4.1).
pub(crate) static HOST_BASED_SERVICE: Oid =
    Oid::of(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04]);

/// `gss_OID_set_desc`.
#[repr(C)]
pub(crate) struct OidSet {
    pub(crate) count: usize,
    pub(crate) elements: *mut Oid,
}

/// `gss_buffer_desc`.
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) length: usize,
    pub(crate) value: *mut c_void,
}

/// `gss_key_value_element_desc`.
#[repr(C)]
pub(crate) struct KeyValue {
    pub(crate) key: *const c_char,
    pub(crate) value: *const c_char,
}

/// `gss_key_value_set_desc`.
#[repr(C)]
pub(crate) struct KeyValueSet {
    pub(crate) count: Word,
    pub(crate) elements: *mut KeyValue,
}

/// `gss_name_t`, `gss_cred_id_t`, `gss_ctx_id_t`: null stands for none.
pub(crate) type NameHandle = *mut c_void;
pub(crate) type CredentialHandle = *mut c_void;
pub(crate) type ContextHandle = *mut c_void;

/// Bits of `gss_init_sec_context` and `gss_inquire_context`.
pub(crate) const MUTUAL: Word = 2;
pub(crate) const REPLAY: Word = 4;
pub(crate) const SEQUENCE: Word = 8;
pub(crate) const CONFIDENTIALITY: Word = 16;
pub(crate) const INTEGRITY: Word = 32;

/// `gss_cred_usage_t`.
pub(crate) const INITIATE: c_int = 1;
pub(crate) const ACCEPT: c_int = 2;

/// Major status.
pub(crate) const COMPLETE: Word = 0;
pub(crate) const CONTINUE_NEEDED: Word = 1;
pub(crate) const CREDENTIAL_EXPIRED: Word = 11 << 16;
pub(crate) const FAILURE: Word = 13 << 16;
/// Calling errors, routine errors: everything but the bits that only inform.
pub(crate) const ERRORS: Word = 0xffff_0000;

/// What `gss_display_status` is asked about.
pub(crate) const MAJOR_STATUS: c_int = 1;
pub(crate) const MINOR_STATUS: c_int = 2;

/// `GSS_C_INDEFINITE`: as long as possible.
pub(crate) const LONGEST: Word = Word::MAX;

pub(crate) type ImportName =
    unsafe extern "C" fn(*mut Word, *mut Buffer, *mut Oid, *mut NameHandle) -> Word;
pub(crate) type DisplayName =
    unsafe extern "C" fn(*mut Word, NameHandle, *mut Buffer, *mut *mut Oid) -> Word;
pub(crate) type ReleaseName = unsafe extern "C" fn(*mut Word, *mut NameHandle) -> Word;
pub(crate) type ReleaseBuffer = unsafe extern "C" fn(*mut Word, *mut Buffer) -> Word;
pub(crate) type DisplayStatus =
    unsafe extern "C" fn(*mut Word, Word, c_int, *mut Oid, *mut Word, *mut Buffer) -> Word;
pub(crate) type AcquireCredentialFrom = unsafe extern "C" fn(
    *mut Word,
    NameHandle,
    Word,
    *mut OidSet,
    c_int,
    *const KeyValueSet,
    *mut CredentialHandle,
    *mut *mut OidSet,
    *mut Word,
) -> Word;
pub(crate) type ReleaseCredential = unsafe extern "C" fn(*mut Word, *mut CredentialHandle) -> Word;
pub(crate) type AcceptContext = unsafe extern "C" fn(
    *mut Word,
    *mut ContextHandle,
    CredentialHandle,
    *mut Buffer,
    *mut c_void,
    *mut NameHandle,
    *mut *mut Oid,
    *mut Buffer,
    *mut Word,
    *mut Word,
    *mut CredentialHandle,
) -> Word;
pub(crate) type InitContext = unsafe extern "C" fn(
    *mut Word,
    CredentialHandle,
    *mut ContextHandle,
    NameHandle,
    *mut Oid,
    Word,
    Word,
    *mut c_void,
    *mut Buffer,
    *mut *mut Oid,
    *mut Buffer,
    *mut Word,
    *mut Word,
) -> Word;
pub(crate) type InquireContext = unsafe extern "C" fn(
    *mut Word,
    ContextHandle,
    *mut NameHandle,
    *mut NameHandle,
    *mut Word,
    *mut *mut Oid,
    *mut Word,
    *mut c_int,
    *mut c_int,
) -> Word;
pub(crate) type DeleteContext =
    unsafe extern "C" fn(*mut Word, *mut ContextHandle, *mut Buffer) -> Word;
pub(crate) type Wrap = unsafe extern "C" fn(
    *mut Word,
    ContextHandle,
    c_int,
    Word,
    *mut Buffer,
    *mut c_int,
    *mut Buffer,
) -> Word;
pub(crate) type Unwrap = unsafe extern "C" fn(
    *mut Word,
    ContextHandle,
    *mut Buffer,
    *mut Buffer,
    *mut c_int,
    *mut Word,
) -> Word;
pub(crate) type WrapSizeLimit =
    unsafe extern "C" fn(*mut Word, ContextHandle, c_int, Word, Word, *mut Word) -> Word;
