//! The library, found and opened once per process.

use std::error::Error as _;
use std::sync::OnceLock;

use libloading::Library as File;

use crate::abi;

/// MIT Kerberos on Linux; the number is that of its binary interface.
const FILE: &str = "libgssapi_krb5.so.2";

/// The functions of the loaded library. It stays loaded.
pub struct Library {
    pub(crate) import_name: abi::ImportName,
    pub(crate) display_name: abi::DisplayName,
    pub(crate) release_name: abi::ReleaseName,
    pub(crate) release_buffer: abi::ReleaseBuffer,
    pub(crate) display_status: abi::DisplayStatus,
    pub(crate) acquire_credential_from: abi::AcquireCredentialFrom,
    pub(crate) release_credential: abi::ReleaseCredential,
    pub(crate) accept_context: abi::AcceptContext,
    pub(crate) init_context: abi::InitContext,
    pub(crate) inquire_context: abi::InquireContext,
    pub(crate) delete_context: abi::DeleteContext,
    pub(crate) wrap: abi::Wrap,
    pub(crate) unwrap: abi::Unwrap,
    pub(crate) wrap_size_limit: abi::WrapSizeLimit,
    /// Keeps the functions where they are.
    _file: File,
}

/// The library cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Kerberos library cannot be loaded: {why}; install the package libgssapi-krb5-2")]
pub struct LoadError {
    why: String,
}

impl From<libloading::Error> for LoadError {
    fn from(error: libloading::Error) -> Self {
        // The system's words name the file.
        let why = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        Self { why }
    }
}

impl Library {
    /// The library, loaded by the first call. What that call found holds for the life of the process.
    pub fn load() -> Result<&'static Self, LoadError> {
        static LOADED: OnceLock<Result<Library, LoadError>> = OnceLock::new();
        LOADED
            .get_or_init(|| Self::open(FILE))
            .as_ref()
            .map_err(LoadError::clone)
    }

    fn open(file: &str) -> Result<Self, LoadError> {
        // SAFETY: the library's initialisers make its tables and locks; they need nothing from us and change nothing of ours.
        let file = unsafe { File::new(file) }?;
        // SAFETY: each name stands beside the type that the library's C header declares for it.
        let library = unsafe {
            Self {
                import_name: function(&file, "gss_import_name")?,
                display_name: function(&file, "gss_display_name")?,
                release_name: function(&file, "gss_release_name")?,
                release_buffer: function(&file, "gss_release_buffer")?,
                display_status: function(&file, "gss_display_status")?,
                acquire_credential_from: function(&file, "gss_acquire_cred_from")?,
                release_credential: function(&file, "gss_release_cred")?,
                accept_context: function(&file, "gss_accept_sec_context")?,
                init_context: function(&file, "gss_init_sec_context")?,
                inquire_context: function(&file, "gss_inquire_context")?,
                delete_context: function(&file, "gss_delete_sec_context")?,
                wrap: function(&file, "gss_wrap")?,
                unwrap: function(&file, "gss_unwrap")?,
                wrap_size_limit: function(&file, "gss_wrap_size_limit")?,
                _file: file,
            }
        };
        Ok(library)
    }
}

/// A function of the library, to be used no longer than the library is loaded.
///
/// # Safety
///
/// `F` must be the function type of this name.
unsafe fn function<F: Copy>(file: &File, name: &str) -> Result<F, libloading::Error> {
    // SAFETY: the caller vouches for the type.
    let symbol = unsafe { file.get::<F>(name) }?;
    Ok(*symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_names_the_package() {
        let Err(error) = Library::open("libgssapi_krb5.so.none") else {
            panic!("there is no such library");
        };
        let text = error.to_string();
        assert!(text.contains("libgssapi_krb5.so.none"), "{text}");
        assert!(
            text.ends_with("install the package libgssapi-krb5-2"),
            "{text}"
        );
    }
}
