//! The way between the session and the transport: octets out, replies in, and the security layer, if any, around both.
//!
//! Without a layer, what is sent goes straight to the output buffer and what comes is cut into replies. [`Wire::protect`] puts a
//! layer in at an exact octet: everything already received but not yet taken as a reply is opened by it, and everything sent from
//! then on is sealed (RFC 4954 §4). [`Wire::restart`] forgets all of it for a TLS handshake.

use gatepost_sasl::{LayerFault, SecurityLayer};

use super::failure::{ChannelFault, ClientFailure, ProtocolFault, Stage};
use super::reply_decoder::{ReplyDecoder, ReplyFault};
use crate::reply::Reply;

/// Most octets of one incomplete protected buffer: twice what any mechanism here agrees to.
const PROTECTED_LIMIT: usize = 128 * 1024;

#[derive(Default)]
pub(super) struct Wire {
    out: Vec<u8>,
    decoder: ReplyDecoder,
    layer: Option<Layered>,
    fault: Option<LayerFault>,
}

/// A layer and the received octets it could not open yet.
struct Layered {
    layer: Box<dyn SecurityLayer>,
    sealed: Vec<u8>,
}

/// Why no further reply can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireFault {
    Reply(ReplyFault),
    Layer(LayerFault),
}

impl WireFault {
    pub(super) fn at(self, stage: Stage) -> ClientFailure {
        match self {
            Self::Reply(fault) => ClientFailure::Protocol {
                stage,
                fault: ProtocolFault::Reply(fault),
            },
            Self::Layer(fault) => ClientFailure::Channel(ChannelFault::Layer(fault)),
        }
    }
}

impl Wire {
    /// Queues plain octets for sending.
    pub(super) fn send(&mut self, plain: &[u8]) {
        self.send_with(|out| out.extend_from_slice(plain));
    }

    /// Queues what `write` appends to the buffer it is given; spares a copy where there is no layer.
    pub(super) fn send_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(layered) = &mut self.layer else {
            return write(&mut self.out);
        };
        let mut plain = Vec::new();
        write(&mut plain);
        if !plain.is_empty() {
            let sealed = layered.layer.seal(&plain, &mut self.out);
            self.fault = self.fault.or(sealed.err());
        }
    }

    /// What the driver writes and clears.
    pub(super) fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Takes octets from the transport.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        match &mut self.layer {
            None => self.decoder.push(bytes),
            Some(layered) => {
                layered.sealed.extend_from_slice(bytes);
                let opened = layered.open_into(&mut self.decoder);
                self.fault = self.fault.or(opened.err());
            }
        }
    }

    /// The next whole reply.
    pub(super) fn next_reply(&mut self) -> Result<Option<Reply>, WireFault> {
        match self.decoder.next().map_err(WireFault::Reply)? {
            Some(reply) => Ok(Some(reply)),
            None => self
                .fault
                .map_or(Ok(None), |fault| Err(WireFault::Layer(fault))),
        }
    }

    /// Whether anything was received that no reply accounts for.
    pub(super) fn holds_more(&self) -> bool {
        self.decoder.holds_more()
            || self
                .layer
                .as_ref()
                .is_some_and(|layered| !layered.sealed.is_empty())
    }

    /// Received octets that are no reply so far.
    pub(super) fn peek(&self) -> &[u8] {
        self.decoder.peek()
    }

    /// Puts a layer in, from the next octet on in both directions.
    pub(super) fn protect(&mut self, layer: Box<dyn SecurityLayer>) {
        let rest = std::mem::take(&mut self.decoder).into_rest();
        self.layer = Some(Layered {
            layer,
            sealed: Vec::new(),
        });
        self.receive(&rest);
    }

    /// Forgets everything received: what came in clear says nothing about the peer inside TLS.
    pub(super) fn restart(&mut self) {
        self.decoder = ReplyDecoder::default();
    }
}

impl Layered {
    fn open_into(&mut self, decoder: &mut ReplyDecoder) -> Result<(), LayerFault> {
        let mut taken = 0;
        let mut plain = Vec::new();
        loop {
            let rest = self.sealed.get(taken..).unwrap_or_default();
            let consumed = if rest.is_empty() {
                0
            } else {
                self.layer.open(rest, &mut plain)?
            };
            if consumed == 0 {
                break;
            }
            taken += consumed.min(rest.len());
        }
        self.sealed.drain(..taken);
        decoder.push(&plain);
        if self.sealed.len() > PROTECTED_LIMIT {
            Err(LayerFault::TooLong)
        } else {
            Ok(())
        }
    }
}
