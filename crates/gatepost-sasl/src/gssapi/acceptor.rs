//! The server's side of RFC 4752, around a context of the library.

use std::fmt;

use super::context::{ContextFault, Names, Protection, SecurityContext};
use super::layer::{Layer, MAX_FRAME};
use super::negotiation::{Choice, LayerSet, Offer};
use crate::layer::SecurityLayer;

/// An exchange on the server's side. A fault consumes it.
pub struct Acceptor {
    context: Box<dyn SecurityContext>,
    /// Layers to offer, of those that the context provides.
    layers: LayerSet,
    phase: Phase,
}

enum Phase {
    Establishing,
    /// Our last token went out; the client acknowledges it.
    Acknowledging,
    Offered(Offer),
}

/// What to do next.
pub enum AcceptorStep {
    /// Send this and hand the response to the acceptor.
    Challenge(Vec<u8>, Acceptor),
    /// The exchange is over, and the client has proven its ticket.
    Agreed(Agreement),
}

/// What both sides have agreed on.
pub struct Agreement {
    /// Whose ticket it was, and for whom.
    pub names: Names,
    /// Whom the client asks to act as, as sent; `None` = whom its ticket names.
    pub authzid: Option<Vec<u8>>,
    /// Protection from here on, if there is any.
    pub layer: Option<Box<dyn SecurityLayer>>,
}

/// Why an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptorFault {
    /// The client's message is not the one that comes next, or chooses what was not offered.
    Malformed,
    /// The library says no.
    Context(ContextFault),
}

impl From<ContextFault> for AcceptorFault {
    fn from(fault: ContextFault) -> Self {
        Self::Context(fault)
    }
}

impl Acceptor {
    /// An exchange that offers these layers as far as the context provides them.
    pub fn new(context: Box<dyn SecurityContext>, layers: LayerSet) -> Self {
        Self {
            context,
            layers,
            phase: Phase::Establishing,
        }
    }

    /// Takes the client's next message. While the context is established, this may take as long as the library.
    pub fn respond(mut self, message: &[u8]) -> Result<AcceptorStep, AcceptorFault> {
        match self.phase {
            Phase::Establishing => {
                let step = self.context.establish(message)?;
                if !step.established {
                    return Ok(AcceptorStep::Challenge(step.token, self));
                }
                // GSS-03: the last token goes alone and is acknowledged; without one the offer goes at once.
                if step.token.is_empty() {
                    return self.offer();
                }
                self.phase = Phase::Acknowledging;
                Ok(AcceptorStep::Challenge(step.token, self))
            }
            Phase::Acknowledging if message.is_empty() => self.offer(),
            Phase::Acknowledging => Err(AcceptorFault::Malformed),
            Phase::Offered(offer) => self.agree(message, offer),
        }
    }

    fn offer(mut self) -> Result<AcceptorStep, AcceptorFault> {
        let layers = self.layers.and(provided(&*self.context));
        let offer = Offer::new(layers, MAX_FRAME);
        let challenge = self
            .context
            .wrap(&offer.to_octets(), Protection::Integrity)?;
        self.phase = Phase::Offered(offer);
        Ok(AcceptorStep::Challenge(challenge, self))
    }

    fn agree(mut self, message: &[u8], offer: Offer) -> Result<AcceptorStep, AcceptorFault> {
        let (octets, _) = self.context.unwrap(message)?;
        let choice = Choice::parse(&octets, offer).ok_or(AcceptorFault::Malformed)?;
        let names = self.context.names()?;
        let layer = match choice.protection {
            None => None,
            Some(protection) => Some(
                Layer::new(self.context, protection, choice.max_frame)?
                    .ok_or(AcceptorFault::Malformed)?,
            ),
        };
        Ok(AcceptorStep::Agreed(Agreement {
            names,
            authzid: (!choice.authzid.is_empty()).then_some(choice.authzid),
            layer: layer.map(|layer| Box::new(layer) as Box<dyn SecurityLayer>),
        }))
    }
}

/// The layers a context can carry; "none" is always one of them.
pub(super) fn provided(context: &dyn SecurityContext) -> LayerSet {
    let mut layers = LayerSet::NONE;
    if context.provides(Protection::Integrity) {
        layers = layers.or(LayerSet::INTEGRITY);
    }
    if context.provides(Protection::Confidentiality) {
        layers = layers.or(LayerSet::CONFIDENTIALITY);
    }
    layers
}

impl fmt::Debug for AcceptorStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(octets, _) => write!(f, "Challenge({} octets)", octets.len()),
            Self::Agreed(agreement) => f.debug_tuple("Agreed").field(agreement).finish(),
        }
    }
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agreement")
            .field("names", &self.names)
            .field(
                "authzid",
                &self.authzid.as_deref().map(String::from_utf8_lossy),
            )
            .field("layer", &self.layer.as_ref().map(|layer| layer.describe()))
            .finish()
    }
}
