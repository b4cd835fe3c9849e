//! The buffers of a session and the chain raw octets → security layer → lines, in both directions.
//!
//! Without a layer raw octets are lines. The layer is switched on behind the CRLF of the 235: what
//! has come in already and is not yet worked off is then protected data, what goes out from there
//! on is sealed (RFC 4954 §4; LAYER-02).

use gatepost_sasl::{LayerFault, SecurityLayer};

/// Most octets a layer may leave unopened; a layer that needs more than this for one buffer is
/// broken (LAYER-05).
const MAX_SEALED: usize = 1 << 20;

/// Buffers of one session; empty ones hold no memory.
#[derive(Default)]
pub(super) struct Wire {
    input: Waiting,
    /// What is to be written to the peer.
    output: Vec<u8>,
    layer: Option<Box<Layered>>,
}

/// What has come in and is not worked off: the octets from `start`. Nothing is moved while they are
/// worked off.
#[derive(Default)]
pub(super) struct Waiting {
    octets: Vec<u8>,
    start: usize,
}

impl Waiting {
    /// What is left to be worked off.
    pub(super) fn rest(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// These octets are done with.
    pub(super) fn advance(&mut self, used: usize) {
        self.start = (self.start + used).min(self.octets.len());
    }

    /// The end of the buffer, behind what is left. What is done with is given up when it is the
    /// larger part.
    fn end(&mut self) -> &mut Vec<u8> {
        if self.start > self.octets.len() / 2 {
            self.octets.drain(..self.start);
            self.start = 0;
        }
        &mut self.octets
    }
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
        self.input.rest().len()
            + self
                .layer
                .as_ref()
                .map_or(0, |layered| layered.sealed.len())
    }

    /// Memory held by buffers, in octets.
    pub(super) fn capacity(&self) -> usize {
        let layered = |layered: &Layered| layered.sealed.capacity() + layered.replies.capacity();
        self.input.octets.capacity()
            + self.output.capacity()
            + self.layer.as_deref().map_or(0, layered)
    }

    /// The layer's description, if there is one.
    pub(super) fn layer(&self) -> Option<&str> {
        self.layer.as_ref().map(|layered| layered.layer.describe())
    }

    /// Octets can be worked off where they stand: nothing waits before them and nothing has to be
    /// opened.
    pub(super) fn is_direct(&self) -> bool {
        self.is_idle() && self.layer.is_none()
    }

    /// Nothing waits to be worked off.
    pub(super) fn is_idle(&self) -> bool {
        self.input.rest().is_empty()
    }

    /// Takes octets from the peer.
    pub(super) fn receive(&mut self, octets: &[u8]) -> Result<(), LayerFault> {
        if let Some(layered) = &mut self.layer {
            layered.sealed.extend_from_slice(octets);
            return self.open();
        }
        self.input.end().extend_from_slice(octets);
        Ok(())
    }

    /// Takes what waits out, to work it off; what is left of it comes back by [`Self::give_back`].
    pub(super) fn take_input(&mut self) -> Waiting {
        std::mem::take(&mut self.input)
    }

    /// Keeps what could not be worked off yet.
    pub(super) fn give_back(&mut self, input: Waiting) {
        if !input.rest().is_empty() {
            self.input = input;
        }
    }

    /// Switches `layer` on: replies written so far go out as they are, what follows is sealed. What has come in while the last
    /// answer was waited for is opened.
    pub(super) fn switch_on(&mut self, layer: Box<dyn SecurityLayer>) -> Result<(), LayerFault> {
        let waiting = self.take_input();
        self.layer = Some(Box::new(Layered {
            layer,
            sealed: Vec::new(),
            replies: Vec::new(),
        }));
        self.receive(waiting.rest())
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
        let plain = self.input.end();
        while let Some(rest) = layered.sealed.get(opened..).filter(|rest| !rest.is_empty()) {
            match layered.layer.open(rest, plain)? {
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
