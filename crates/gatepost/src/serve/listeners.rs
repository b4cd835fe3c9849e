//! The listeners of the program, which a changed configuration adds, removes and changes.
//!
//! Two steps: [`Listeners::bind`] does all that can fail and changes nothing; [`Listeners::change`] cannot fail. A listener is the same
//! one as before when its address is; its sessions go on under the settings they began with. One that is gone accepts nothing more, and
//! its sessions end in their own time.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Bound, ServeError};
use crate::config::resolved;
use crate::net::listener::Listener;
use crate::net::service::ListenerContext;

/// The listeners that are open.
#[derive(Default)]
pub(super) struct Listeners {
    open: Vec<Open>,
    last: u64,
}

struct Open {
    number: u64,
    /// As configured; its port may be 0.
    address: SocketAddr,
    bound: Bound,
    settings: watch::Sender<Arc<ListenerContext>>,
}

/// A listener that was added, to be run.
pub(super) struct Added {
    /// Names it to [`Listeners::is_open`].
    pub(super) number: u64,
    pub(super) bound: Bound,
    pub(super) listener: Listener,
}

impl Listeners {
    /// Binds the addresses that are not open yet: for each listener its socket, or none where it is.
    pub(super) fn bind(
        &self,
        wanted: &[resolved::Listener],
    ) -> Result<Vec<Option<TcpListener>>, ServeError> {
        wanted
            .iter()
            .map(|listener| match self.place_of(listener) {
                Some(_) => Ok(None),
                None => super::bind(listener.address).map(Some),
            })
            .collect()
    }

    /// Opens, changes and closes, so that those that are open are these. Gives what was added, and what is gone.
    pub(super) fn change(
        &mut self,
        wanted: Vec<(&resolved::Listener, Option<TcpListener>, ListenerContext)>,
    ) -> (Vec<Added>, Vec<Bound>) {
        let mut former = std::mem::take(&mut self.open);
        let mut added = Vec::new();
        for (listener, socket, context) in wanted {
            let context = Arc::new(context);
            let known = former.iter().position(|open| open.is(listener));
            if let Some(place) = known {
                let mut open = former.swap_remove(place);
                open.bound.name.clone_from(&listener.name);
                open.settings.send_replace(context);
                self.open.push(open);
            } else if let Some(socket) = socket {
                added.push(self.add(listener, socket, context));
            }
        }
        let gone = former.into_iter().map(|open| open.bound).collect();
        (added, gone)
    }

    /// Whether this listener has not been closed by [`Self::change`].
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.iter().any(|open| open.number == number)
    }

    fn add(
        &mut self,
        listener: &resolved::Listener,
        socket: TcpListener,
        context: Arc<ListenerContext>,
    ) -> Added {
        self.last += 1;
        let number = self.last;
        let bound = Bound {
            name: listener.name.clone(),
            address: socket.local_addr().unwrap_or(listener.address),
        };
        let (settings, told) = watch::channel(context);
        self.open.push(Open {
            number,
            address: listener.address,
            bound: bound.clone(),
            settings,
        });
        Added {
            number,
            bound,
            listener: Listener::new(socket, told),
        }
    }

    fn place_of(&self, listener: &resolved::Listener) -> Option<usize> {
        self.open.iter().position(|open| open.is(listener))
    }
}

impl Open {
    /// Addresses are listeners' identities, except those whose port the system chooses.
    fn is(&self, listener: &resolved::Listener) -> bool {
        self.address == listener.address
            && (self.address.port() != 0 || self.bound.name == listener.name)
    }
}
