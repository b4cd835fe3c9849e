//! The closed set of events.
//!
//! Each event is a struct of plain values in one of the modules here. [`Record`] tells a sink its name, its level and its fields, so
//! that the log has one writer for all.

mod delivery;
mod process;
mod session;

use std::fmt::Display;

pub use delivery::{DeliveryAttempt, DeliveryOutcome, NoticeQueued};
pub use process::{
    AccountChanged, CertificateExpires, Draining, Fault, Listening, LogGap, QueueChanged,
    ReloadRefused, Reloaded, Started, Stopped,
};
pub use session::{
    AuthAttempt, AuthResult, ClientCertificateSeen, CommandRefused, ConnectionClosed,
    ConnectionRefused, FaultInjected, MessageAccepted, PasswordExposed, QuirkSeen, TicketRefused,
    TlsFailed, TlsSeen, TokenRefused,
};

macro_rules! events {
    ($($name:ident,)+) => {
        /// Something that happened.
        #[derive(Debug, Clone)]
        pub enum Event {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        impl Event {
            /// The event as a record: name, level, reason and fields.
            pub fn record(&self) -> &dyn Record {
                match self { $(Self::$name(record) => record,)+ }
            }
        }

        $(impl From<$name> for Event {
            fn from(record: $name) -> Self { Self::$name(record) }
        })+
    };
}

events! {
    Started,
    Listening,
    Draining,
    Stopped,
    Reloaded,
    ReloadRefused,
    CertificateExpires,
    LogGap,
    Fault,
    AccountChanged,
    QueueChanged,
    ConnectionRefused,
    ConnectionClosed,
    TlsFailed,
    ClientCertificateSeen,
    AuthAttempt,
    TokenRefused,
    CommandRefused,
    QuirkSeen,
    FaultInjected,
    PasswordExposed,
    TicketRefused,
    MessageAccepted,
    DeliveryAttempt,
    NoticeQueued,
}

/// How much an event matters to who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only when looking closely.
    Debug,
    /// The normal course of things, refusals included: they are the peer's affair.
    Info,
    /// Something the operator should look at in time.
    Warn,
    /// Something is broken now.
    Error,
}

impl Level {
    /// The level as it stands in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What every event can say about itself.
pub trait Record {
    /// The name of this kind of event, constant.
    fn name(&self) -> &'static str;

    /// How much it matters.
    fn level(&self) -> Level {
        Level::Info
    }

    /// Why, where there is a why: one of a closed set of words, [`Reason`](super::reason::Reason) or the label of a refusal.
    fn reason(&self) -> Option<&'static str> {
        None
    }

    /// Shows the fields in the order they are to be written, the peer's address first, without the reason.
    fn fields(&self, to: &mut dyn Fields);
}

/// Receives the fields of an event. Keys are constant words; texts may hold anything a peer sent.
pub trait Fields {
    /// A text.
    fn text(&mut self, key: &'static str, value: &str);

    /// A number.
    fn number(&mut self, key: &'static str, value: u64);
}

impl dyn Fields + '_ {
    /// A text, if there is one.
    pub fn some(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A value by its display form.
    pub fn show(&mut self, key: &'static str, value: impl Display) {
        self.text(key, &value.to_string());
    }

    /// A value by its display form, if there is one.
    pub fn some_shown(&mut self, key: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.show(key, value);
        }
    }

    /// A span of time, in whole milliseconds; the key says so by ending in `_ms`.
    pub fn millis(&mut self, key: &'static str, value: std::time::Duration) {
        self.number(key, u64::try_from(value.as_millis()).unwrap_or(u64::MAX));
    }
}
