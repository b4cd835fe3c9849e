//! The security layer: frames of four octets of length and one wrapped token (RFC 4752 §3.3).

use super::context::{ContextFault, Protection, SecurityContext};
use crate::layer::{LayerFault, SecurityLayer};

/// The longest frame we take, in octets without its length: what Cyrus SASL and the JDK say of themselves, and far beyond a line.
pub const MAX_FRAME: u32 = 0xffff;

/// Octets of a frame's length.
const HEAD: usize = 4;

/// An established context as a layer.
pub(super) struct Layer {
    context: Box<dyn SecurityContext>,
    protection: Protection,
    /// The longest message whose token the peer takes.
    message_limit: usize,
}

impl Layer {
    /// A layer whose frames are not longer than `max_frame` octets. `None` when not one octet fits such a frame.
    pub(super) fn new(
        mut context: Box<dyn SecurityContext>,
        protection: Protection,
        max_frame: u32,
    ) -> Result<Option<Self>, ContextFault> {
        let limit = context.wrap_size_limit(protection, max_frame)?;
        let message_limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok((message_limit > 0).then_some(Self {
            context,
            protection,
            message_limit,
        }))
    }
}

impl SecurityLayer for Layer {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        for message in plain.chunks(self.message_limit) {
            let token = self
                .context
                .wrap(message, self.protection)
                .map_err(|_| LayerFault::Exhausted)?;
            let length = u32::try_from(token.len()).map_err(|_| LayerFault::TooLong)?;
            wire.extend_from_slice(&length.to_be_bytes());
            wire.extend_from_slice(&token);
        }
        Ok(())
    }

    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
        let Some((head, rest)) = wire.split_first_chunk::<HEAD>() else {
            return Ok(0);
        };
        let length = u32::from_be_bytes(*head);
        // LAYER-05: before anything waits for that many octets.
        if length > MAX_FRAME {
            return Err(LayerFault::TooLong);
        }
        let length = usize::try_from(length).map_err(|_| LayerFault::TooLong)?;
        let Some(token) = rest.get(..length) else {
            return Ok(0);
        };
        let (message, protection) = self
            .context
            .unwrap(token)
            .map_err(|_| LayerFault::Corrupt)?;
        // What was agreed to be encrypted and came in clear is not what the peer agreed to send.
        if protection != self.protection {
            return Err(LayerFault::Corrupt);
        }
        plain.extend_from_slice(&message);
        Ok(HEAD + length)
    }

    fn describe(&self) -> &'static str {
        match self.protection {
            Protection::Integrity => "GSSAPI integrity",
            Protection::Confidentiality => "GSSAPI confidentiality",
        }
    }
}
