//! Speaks GSSAPI for a client that has a ticket, by the system's Kerberos library.
//!
//! One step is a call of that library, which may ask a key distribution centre and take seconds: it runs on the blocking pool. What lies
//! between two steps is an [`Initiator`], kept in the [`Conversation`] of the command that authenticates.

use std::sync::{Arc, Mutex, PoisonError};

use gatepost_gssapi::{Context, Credential, Library};
use gatepost_sasl::gssapi::{Initiator, InitiatorFault, InitiatorStep, LayerSet};
use gatepost_sasl::{ClientFault, ClientPassThroughStep};

/// The service's name in tickets (RFC 4954 §4).
const SERVICE: &str = "smtp";

/// What is between two messages of an exchange. Clones are the same conversation.
#[derive(Clone, Default)]
pub(crate) struct Conversation(Arc<Mutex<Option<Initiator>>>);

/// What an exchange is about.
pub(crate) struct Target {
    pub(crate) cache: Option<String>,
    pub(crate) host: String,
    pub(crate) authzid: Option<String>,
    pub(crate) layers: LayerSet,
}

impl Conversation {
    /// What to say to the server's message, or first of all.
    pub(crate) async fn step(
        &self,
        target: Target,
        message: Option<Vec<u8>>,
    ) -> ClientPassThroughStep {
        let begun = self.kept();
        let work = tokio::task::spawn_blocking(move || match (message, begun) {
            (Some(message), Some(initiator)) => initiator.challenge(&message).map_err(fault_of),
            (_, _) => begin(&target),
        });
        match work.await {
            Ok(Ok(InitiatorStep::Respond(response, initiator))) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(initiator);
                ClientPassThroughStep::Respond(response)
            }
            Ok(Ok(InitiatorStep::Last { response, layer })) => {
                ClientPassThroughStep::Last { response, layer }
            }
            Ok(Err(fault)) => ClientPassThroughStep::Abort(fault),
            Err(_) => ClientPassThroughStep::Abort(ClientFault::Unavailable),
        }
    }

    fn kept(&self) -> Option<Initiator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn begin(target: &Target) -> Result<InitiatorStep, ClientFault> {
    let library = Library::load().map_err(|error| ClientFault::Context(error.to_string()))?;
    let context = Credential::from_cache(library, target.cache.as_deref())
        .and_then(|ticket| Context::initiator(ticket, SERVICE, &target.host))
        .map_err(|error| ClientFault::Context(error.to_string()))?;
    Initiator::begin(Box::new(context), target.layers, target.authzid.as_deref()).map_err(fault_of)
}

fn fault_of(fault: InitiatorFault) -> ClientFault {
    match fault {
        InitiatorFault::Malformed => ClientFault::Malformed("the offer of security layers"),
        other => ClientFault::Context(other.to_string()),
    }
}
