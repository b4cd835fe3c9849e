//! The client's side of RFC 4752, around a context of the library.

use std::fmt;

use super::acceptor::provided;
use super::context::{ContextFault, Protection, SecurityContext};
use super::layer::{Layer, MAX_FRAME};
use super::negotiation::{Choice, LayerSet, Offer};
use crate::layer::SecurityLayer;

/// An exchange on the client's side. A fault consumes it.
pub struct Initiator {
    context: Box<dyn SecurityContext>,
    /// Layers to accept, of those that the context provides.
    layers: LayerSet,
    /// Whom to act as; empty = whom the ticket names.
    authzid: Vec<u8>,
    phase: Phase,
}

enum Phase {
    Establishing,
    /// The context stands; the server's offer is next.
    Established,
}

/// What to do next.
pub enum InitiatorStep {
    /// Send this and hand the challenge to the initiator.
    Respond(Vec<u8>, Initiator),
    /// Send this as the last response; then the server's verdict is all that is missing.
    Last {
        /// The response.
        response: Vec<u8>,
        /// Protection from the server's success reply on, if there is any.
        layer: Option<Box<dyn SecurityLayer>>,
    },
}

/// Why an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitiatorFault {
    /// The server's message is not an offer.
    Malformed,
    /// The server offers no layer that we accept.
    NoLayer,
    /// The library says no.
    Context(ContextFault),
}

impl From<ContextFault> for InitiatorFault {
    fn from(fault: ContextFault) -> Self {
        Self::Context(fault)
    }
}

impl fmt::Display for InitiatorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the offer of security layers"),
            Self::NoLayer => {
                f.write_str("the server offers no security layer that may be used here")
            }
            Self::Context(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for InitiatorFault {}

impl Initiator {
    /// An exchange that accepts these layers as far as the context provides them, the strongest first. Gives the first
    /// message.
    pub fn begin(
        mut context: Box<dyn SecurityContext>,
        layers: LayerSet,
        authzid: Option<&str>,
    ) -> Result<InitiatorStep, InitiatorFault> {
        let step = context.establish(&[])?;
        let phase = if step.established {
            Phase::Established
        } else {
            Phase::Establishing
        };
        let initiator = Self {
            context,
            layers,
            authzid: authzid.unwrap_or_default().as_bytes().to_vec(),
            phase,
        };
        Ok(InitiatorStep::Respond(step.token, initiator))
    }

    /// Takes the server's next message.
    pub fn challenge(mut self, message: &[u8]) -> Result<InitiatorStep, InitiatorFault> {
        match self.phase {
            Phase::Establishing => {
                let step = self.context.establish(message)?;
                if step.established {
                    self.phase = Phase::Established;
                }
                // GSS-03: also when there is no token left to send.
                Ok(InitiatorStep::Respond(step.token, self))
            }
            Phase::Established => self.choose(message),
        }
    }

    fn choose(mut self, message: &[u8]) -> Result<InitiatorStep, InitiatorFault> {
        let (octets, _) = self.context.unwrap(message)?;
        let offer = Offer::parse(&octets).ok_or(InitiatorFault::Malformed)?;
        let wanted = self.layers.and(provided(&*self.context));
        let protection = match offer.strongest_of(wanted) {
            Some(LayerSet::NONE) => None,
            Some(LayerSet::INTEGRITY) => Some(Protection::Integrity),
            Some(_) => Some(Protection::Confidentiality),
            None => return Err(InitiatorFault::NoLayer),
        };
        let choice = Choice {
            protection,
            max_frame: protection.map_or(0, |_| MAX_FRAME),
            authzid: self.authzid,
        };
        let response = self
            .context
            .wrap(&choice.to_octets(), Protection::Integrity)?;
        let layer = match protection {
            None => None,
            Some(protection) => Some(
                Layer::new(self.context, protection, offer.max_frame)?
                    .ok_or(InitiatorFault::Malformed)?,
            ),
        };
        Ok(InitiatorStep::Last {
            response,
            layer: layer.map(|layer| Box::new(layer) as Box<dyn SecurityLayer>),
        })
    }
}

impl fmt::Debug for InitiatorStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(octets, _) => write!(f, "Respond({} octets)", octets.len()),
            Self::Last { response, layer } => f
                .debug_struct("Last")
                .field("response", &response.len())
                .field("layer", &layer.as_ref().map(|layer| layer.describe()))
                .finish(),
        }
    }
}
