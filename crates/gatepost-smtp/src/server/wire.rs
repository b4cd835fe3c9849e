//! The buffers of a session and the chain raw octets → security layer → lines, in both directions.
//!
//! Without a layer raw octets are lines. The layer is switched on behind the CRLF of the 235: what has come in already
//! and is not yet worked off is then protected data, what goes out from there on is sealed (RFC 4954 §4; LAYER-02).

use gatepost_sasl::{LayerFault, SecurityLayer};

/// Most octets a layer may leave unopened; a layer that needs more than this for one buffer is broken (LAYER-05).
const MAX_SEALED: usize = 1 << 20;

/// Buffers of one session; empty ones hold no memory.
#[derive(Default)]
pub(super) struct Wire {
    /// What has come in and is not worked off.
    input: Vec<u8>,
    /// What is to be written to the peer.
    output: Vec<u8>,
    layer: Option<Box<Layered>>,
}

struct Layered {
    layer: Box<dyn SecurityLayer>,
    /// Protected octets that are not opened yet.
    sealed: Vec<u8>,
    /// Replies that are not sealed yet.
    replies: Vec<u8>,
}

impl Wire {
    /// Where replies are written.
    pub(super) fn replies(&mut self) -> &mut Vec<u8> {
        match &mut self.layer {
            Some(layered) => &mut layered.replies,
            None => &mut self.output,
        }
    }

    /// What the driver writes to the peer.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Octets waiting to be worked off.
    pub(super) fn waiting(&self) -> usize {
        self.input.len()
            + self
                .layer
                .as_ref()
                .map_or(0, |layered| layered.sealed.len())
    }

    /// Memory held by buffers, in octets.
    pub(super) fn capacity(&self) -> usize {
        let layered = |layered: &Layered| layered.sealed.capacity() + layered.replies.capacity();
        self.input.capacity() + self.output.capacity() + self.layer.as_deref().map_or(0, layered)
    }

    /// The layer's description, if there is one.
    pub(super) fn layer(&self) -> Option<&str> {
        self.layer.as_ref().map(|layered| layered.layer.describe())
    }

    /// Octets can be worked off where they stand: nothing waits before them and nothing has to be opened.
    pub(super) fn is_direct(&self) -> bool {
        self.input.is_empty() && self.layer.is_none()
    }

    /// Nothing waits to be worked off.
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty()
    }

    /// Takes octets from the peer.
    pub(super) fn receive(&mut self, octets: &[u8]) -> Result<(), LayerFault> {
        if let Some(layered) = &mut self.layer {
            layered.sealed.extend_from_slice(octets);
            return self.open();
        }
        self.input.extend_from_slice(octets);
        Ok(())
    }

    /// Takes what waits out, to work it off; what is left of it comes back by [`Self::give_back`].
    pub(super) fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Keeps what could not be worked off yet.
    pub(super) fn give_back(&mut self, mut input: Vec<u8>, used: usize) {
        input.drain(..used.min(input.len()));
        if !input.is_empty() {
            self.input = input;
        }
    }

    /// Switches `layer` on: replies written so far go out as they are, what follows is sealed.
    pub(super) fn switch_on(&mut self, layer: Box<dyn SecurityLayer>) {
        self.layer = Some(Box::new(Layered {
            layer,
            sealed: Vec::new(),
            replies: Vec::new(),
        }));
    }

    /// Seals what has been replied. Call it before the output is written.
    pub(super) fn seal(&mut self) -> Result<(), LayerFault> {
        let Some(layered) = &mut self.layer else {
            return Ok(());
        };
        if layered.replies.is_empty() {
            return Ok(());
        }
        let replies = std::mem::take(&mut layered.replies);
        layered.layer.seal(&replies, &mut self.output)
    }

    /// Forgets all input and the layer: TLS begins (RFC 3207 §4.2; TLS-04).
    pub(super) fn forget(&mut self) {
        *self = Self {
            output: std::mem::take(&mut self.output),
            ..Self::default()
        };
    }

    /// Opens all complete buffers.
    fn open(&mut self) -> Result<(), LayerFault> {
        let Some(layered) = &mut self.layer else {
            return Ok(());
        };
        let mut opened = 0;
        while let Some(rest) = layered.sealed.get(opened..).filter(|rest| !rest.is_empty()) {
            match layered.layer.open(rest, &mut self.input)? {
                0 => break,
                used => opened += used,
            }
        }
        layered.sealed.drain(..opened.min(layered.sealed.len()));
        if layered.sealed.len() > MAX_SEALED {
            Err(LayerFault::TooLong)
        } else {
            Ok(())
        }
    }
}
