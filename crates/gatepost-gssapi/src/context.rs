//! Security contexts, of either side.

use std::ffi::c_int;
use std::ptr;

use gatepost_sasl::gssapi::{ContextFault, Establishing, Names, Protection, SecurityContext};

use crate::abi::{self, Word};
use crate::buffer::{Filled, lent};
use crate::credential::Credential;
use crate::error::Error;
use crate::library::Library;
use crate::name::Name;

/// A security context with a peer.
pub struct Context {
    library: &'static Library,
    credential: Credential,
    side: Side,
    handle: abi::ContextHandle,
    /// What it does, once it is established.
    flags: Word,
}

enum Side {
    /// The server's, which accepts a client's ticket.
    Acceptor,
    /// The client's, which shows a ticket to this service.
    Initiator { target: Name },
}

// SAFETY: a context is not bound to the thread that made it; whatever changes it needs it exclusively, which `&mut` says.
unsafe impl Send for Context {}

impl Context {
    /// A context that accepts tickets for the keys of this credential.
    pub fn acceptor(credential: Credential) -> Self {
        Self::new(credential, Side::Acceptor)
    }

    /// A context with `service` on `host`, by the ticket of this credential.
    pub fn initiator(credential: Credential, service: &str, host: &str) -> Result<Self, Error> {
        let target = Name::service(credential.library(), &format!("{service}@{host}"))?;
        Ok(Self::new(credential, Side::Initiator { target }))
    }

    fn new(credential: Credential, side: Side) -> Self {
        Self {
            library: credential.library(),
            credential,
            side,
            handle: ptr::null_mut(),
            flags: 0,
        }
    }

    fn accept(&mut self, token: &[u8]) -> Result<Establishing, Error> {
        let library = self.library;
        let mut minor: Word = 0;
        let mut token = lent(token);
        let mut reply = Filled::empty(library);
        // SAFETY: all pointers are to live locals or fields; the context is none or the one that earlier calls made; `token`
        // describes the caller's octets; null channel bindings are none (RFC 4752 §3.2); a null place for the client's name,
        // the mechanism, flags, lifetime and delegated credential means that they are not wanted.
        let major = unsafe {
            (library.accept_context)(
                &raw mut minor,
                &raw mut self.handle,
                self.credential.handle(),
                &raw mut token,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                reply.slot(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.established(major, minor, &reply)
    }

    fn initiate(&mut self, target: abi::NameHandle, token: &[u8]) -> Result<Establishing, Error> {
        const WANTED: Word =
            abi::MUTUAL | abi::REPLAY | abi::SEQUENCE | abi::INTEGRITY | abi::CONFIDENTIALITY;
        let library = self.library;
        let mut minor: Word = 0;
        let mut token = lent(token);
        let mut reply = Filled::empty(library);
        // SAFETY: all pointers are to live locals or fields; the context is none or the one that earlier calls made; `token`
        // describes the caller's octets; null channel bindings are none (RFC 4752 §3.1); a null place for the mechanism,
        // flags and lifetime means that they are not wanted.
        let major = unsafe {
            (library.init_context)(
                &raw mut minor,
                self.credential.handle(),
                &raw mut self.handle,
                target,
                abi::KRB5.as_ptr(),
                WANTED,
                0,
                ptr::null_mut(),
                &raw mut token,
                ptr::null_mut(),
                reply.slot(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let step = self.established(major, minor, &reply)?;
        // RFC 4752 §3.1: a server that has not proven itself is not one.
        if step.established && self.flags & abi::MUTUAL == 0 {
            return Err(Error::unacceptable("the server did not prove its identity"));
        }
        Ok(step)
    }

    /// What a call of the establishment came to.
    fn established(
        &mut self,
        major: Word,
        minor: Word,
        reply: &Filled,
    ) -> Result<Establishing, Error> {
        // Bits that only inform tell of repeated and old tokens, which end it as well.
        if major != abi::COMPLETE && major != abi::CONTINUE_NEEDED {
            return Err(Error::of(self.library, major, minor));
        }
        let established = major == abi::COMPLETE;
        if established {
            self.flags = self.inquire(None)?;
        }
        Ok(Establishing {
            token: reply.octets().to_vec(),
            established,
        })
    }

    /// The flags; and the names of initiator and target, where there is a place for them.
    fn inquire(&self, names: Option<(&mut Name, &mut Name)>) -> Result<Word, Error> {
        if self.handle.is_null() {
            return Err(Error::unusable("the context is not established"));
        }
        let mut minor: Word = 0;
        let mut flags: Word = 0;
        let (initiator, target) = names.map_or((ptr::null_mut(), ptr::null_mut()), |(from, to)| {
            (from.slot(), to.slot())
        });
        // SAFETY: the context is one of the library's; the places for names are null or the caller's; the others are live
        // locals, or null for what is not wanted.
        let major = unsafe {
            (self.library.inquire_context)(
                &raw mut minor,
                self.handle,
                initiator,
                target,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut flags,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        match major {
            abi::COMPLETE => Ok(flags),
            _ => Err(Error::of(self.library, major, minor)),
        }
    }

    /// The library takes a null context for none, and says so; but only established ones have flags.
    fn check(&self) -> Result<(), Error> {
        if self.handle.is_null() || self.flags & abi::INTEGRITY == 0 {
            return Err(Error::unusable("the context is not established"));
        }
        Ok(())
    }
}

fn as_flag(protection: Protection) -> c_int {
    c_int::from(protection == Protection::Confidentiality)
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let mut minor: Word = 0;
        // SAFETY: the context is one of the library's and is deleted once; no token about it is wanted.
        unsafe {
            (self.library.delete_context)(&raw mut minor, &raw mut self.handle, ptr::null_mut())
        };
    }
}

impl SecurityContext for Context {
    fn establish(&mut self, token: &[u8]) -> Result<Establishing, ContextFault> {
        let step = match &self.side {
            Side::Acceptor => self.accept(token),
            Side::Initiator { target } => {
                let target = target.handle();
                self.initiate(target, token)
            }
        };
        Ok(step?)
    }

    fn names(&self) -> Result<Names, ContextFault> {
        let mut initiator = Name::none(self.library);
        let mut target = Name::none(self.library);
        self.inquire(Some((&mut initiator, &mut target)))?;
        Ok(Names {
            initiator: initiator.text()?,
            target: target.text()?,
        })
    }

    fn provides(&self, protection: Protection) -> bool {
        let flag = match protection {
            Protection::Integrity => abi::INTEGRITY,
            Protection::Confidentiality => abi::CONFIDENTIALITY,
        };
        self.flags & flag != 0
    }

    fn wrap(&mut self, message: &[u8], protection: Protection) -> Result<Vec<u8>, ContextFault> {
        self.check()?;
        let mut minor: Word = 0;
        let mut encrypted: c_int = 0;
        let mut message = lent(message);
        let mut token = Filled::empty(self.library);
        // SAFETY: the context is one of the library's; the other pointers are to live locals; `message` describes the caller's
        // octets.
        let major = unsafe {
            (self.library.wrap)(
                &raw mut minor,
                self.handle,
                as_flag(protection),
                0,
                &raw mut message,
                &raw mut encrypted,
                token.slot(),
            )
        };
        if major != abi::COMPLETE {
            return Err(Error::of(self.library, major, minor).into());
        }
        if protection == Protection::Confidentiality && encrypted == 0 {
            return Err(Error::unusable("the library did not encrypt the message").into());
        }
        Ok(token.octets().to_vec())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, Protection), ContextFault> {
        self.check()?;
        let mut minor: Word = 0;
        let mut encrypted: c_int = 0;
        let mut token = lent(token);
        let mut message = Filled::empty(self.library);
        // SAFETY: the context is one of the library's; the other pointers are to live locals, or null for the quality of
        // protection, which is not wanted; `token` describes the caller's octets.
        let major = unsafe {
            (self.library.unwrap)(
                &raw mut minor,
                self.handle,
                &raw mut token,
                message.slot(),
                &raw mut encrypted,
                ptr::null_mut(),
            )
        };
        // Bits that only inform say that a token came twice, late, or after a gap.
        if major != abi::COMPLETE {
            return Err(Error::of(self.library, major, minor).into());
        }
        let protection = match encrypted {
            0 => Protection::Integrity,
            _ => Protection::Confidentiality,
        };
        Ok((message.octets().to_vec(), protection))
    }

    fn wrap_size_limit(
        &mut self,
        protection: Protection,
        token_octets: u32,
    ) -> Result<u32, ContextFault> {
        self.check()?;
        let mut minor: Word = 0;
        let mut limit: Word = 0;
        // SAFETY: the context is one of the library's; the other pointers are to live locals.
        let major = unsafe {
            (self.library.wrap_size_limit)(
                &raw mut minor,
                self.handle,
                as_flag(protection),
                0,
                token_octets,
                &raw mut limit,
            )
        };
        match major {
            abi::COMPLETE => Ok(limit),
            _ => Err(Error::of(self.library, major, minor).into()),
        }
    }
}
