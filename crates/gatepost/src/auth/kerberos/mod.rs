//! Kerberos: speaks GSSAPI (RFC 4752) with the keys of a keytab, and says which account a ticket's owner is.
//!
//! One step of an exchange is a call of the system's Kerberos library, which reads the keytab and writes its replay cache; it runs on
//! the blocking pool, at most [`AT_A_TIME`] steps at once. What lies between two steps is the [`Acceptor`], kept in the exchange's
//! [`Conversation`](super::directory::Conversation).
//!
//! The keytab is opened for each exchange, so that a new key is used at once. Only keys of the service `smtp` are, and where
//! `kerberos.principal` is set only that one's.
//!
//! Failure behaviour: a ticket that the library rejects, or whose owner is nobody here, is a wrong credential (535), and the library's
//! words go to the log; a keytab or cache that cannot be used is no judgement (454), and a fault in the log (GSS-08).
//!
//! Standards: RFC 4752, RFC 4954 §4.

mod principal;

use std::path::Path;

use gatepost_gssapi::{Context, Credential, Library};
use gatepost_sasl::gssapi::{
    Acceptor, AcceptorFault, AcceptorStep, Agreement, ContextFault, LayerSet,
};
use gatepost_sasl::{
    Answer, Authcid, Authzid, Mechanism, Needs, PassThroughStep, Question, Refusal, Verdict,
};
use tokio::sync::Semaphore;

use self::principal::User;
use super::account_grant::AccountGrants;
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};
use crate::config::network::Network;
use crate::config::resolved::Kerberos;
use crate::observe::Observer;
use crate::observe::event::{Fault, TicketRefused};
use crate::observe::reason::Reason;

/// Steps in the library at the same time: each takes a thread, and waits for the replay cache's disk.
const AT_A_TIME: usize = 16;

/// The service's name in tickets (AUTH-25).
const SERVICE: &str = "smtp";

/// Speaks GSSAPI for the accounts.
pub struct KerberosDirectory {
    library: &'static Library,
    settings: Kerberos,
    grants: AccountGrants,
    observer: Observer,
    places: Semaphore,
}

impl KerberosDirectory {
    /// A directory with the keys of this keytab. Fails, with what to do, where the library cannot be loaded.
    pub fn new(
        settings: Kerberos,
        grants: AccountGrants,
        observer: Observer,
    ) -> Result<Self, String> {
        Ok(Self {
            library: Library::load().map_err(|error| error.to_string())?,
            settings,
            grants,
            observer,
            places: Semaphore::new(AT_A_TIME),
        })
    }

    async fn step(&self, message: Vec<u8>, asker: &Asker) -> Answer {
        let begun = asker.conversation.resume::<Acceptor>();
        let (library, keytab) = (self.library, self.settings.keytab.clone());
        let layers = LayerSet::from(asker.channel.layers);
        let Ok(place) = self.places.acquire().await else {
            return Answer::Unavailable;
        };
        let step = tokio::task::spawn_blocking(move || {
            let acceptor = match begun {
                Some(acceptor) => acceptor,
                None => begin(library, &keytab, layers)?,
            };
            acceptor.respond(&message)
        })
        .await;
        drop(place);
        match step {
            Ok(Ok(AcceptorStep::Challenge(challenge, acceptor))) => {
                asker.conversation.suspend(acceptor);
                Answer::PassThrough(PassThroughStep::Challenge(challenge))
            }
            Ok(Ok(AcceptorStep::Agreed(agreement))) => self.agreed(agreement, asker.network),
            Ok(Err(fault)) => self.refused(fault, asker.network),
            Err(_) => Answer::Unavailable,
        }
    }

    /// The client has proven its ticket: who is that here, and may he act as he asks to?
    fn agreed(&self, agreement: Agreement, network: Network) -> Answer {
        let Agreement {
            names,
            authzid,
            layer,
        } = agreement;
        let asked = authzid.map(|octets| authzid_of(&octets)).transpose();
        let verdict = match &asked {
            Ok(authzid) => self.verdict(&names.initiator, &names.target, authzid.as_ref()),
            Err(refusal) => Err(*refusal),
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(refusal) => {
                let detail = format!("a ticket of {} for {}", names.initiator, names.target);
                self.observer.emit(TicketRefused { network, detail });
                Verdict::Refused(refusal)
            }
        };
        Answer::PassThrough(PassThroughStep::Done {
            verdict,
            authcid: Authcid::parse(&names.initiator).ok(),
            authzid: asked.ok().flatten(),
            final_data: None,
            layer,
        })
    }

    /// `Err` where the ticket itself is of no use here.
    fn verdict(
        &self,
        client: &str,
        target: &str,
        authzid: Option<&Authzid>,
    ) -> Result<Verdict, Refusal> {
        let nobody = Refusal::CredentialsInvalid;
        let (service, own_realm) = principal::service(target).ok_or(nobody)?;
        let only = self.settings.principal.as_deref();
        if only.is_some_and(|only| only != service && only != target) {
            return Err(nobody);
        }
        let user = User::parse(client).ok_or(nobody)?;
        let accounts = user.accounts(own_realm, &self.settings.realms);
        let account = accounts.iter().find(|name| self.grants.exists(name));
        let account = account.ok_or(nobody)?;
        let grant = |authzid| self.grants.proven(account, "kerberos", authzid);
        let verdict = grant(authzid);
        let itself = authzid.is_some_and(|authzid| user.is(authzid.as_str()));
        Ok(match verdict {
            Verdict::Refused(Refusal::CredentialsInvalid) if itself => grant(None),
            verdict => verdict,
        })
    }

    fn refused(&self, fault: AcceptorFault, network: Network) -> Answer {
        let refusal = match fault {
            AcceptorFault::Malformed => Refusal::Malformed,
            AcceptorFault::Context(ContextFault::Rejected(detail)) => {
                self.observer.emit(TicketRefused { network, detail });
                Refusal::CredentialsInvalid
            }
            AcceptorFault::Context(ContextFault::Unavailable(detail)) => {
                self.observer.emit(Fault {
                    part: "kerberos",
                    reason: Reason::Unavailable,
                    detail: format!("keytab {}: {detail}", self.settings.keytab.display()),
                });
                return Answer::Unavailable;
            }
        };
        Answer::PassThrough(PassThroughStep::Done {
            verdict: Verdict::Refused(refusal),
            authcid: None,
            authzid: None,
            final_data: None,
            layer: None,
        })
    }
}

impl Directory for KerberosDirectory {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            match question {
                Question::PassThrough { message, .. } => {
                    let message = message.clone().unwrap_or_default();
                    self.step(message, asker).await
                }
                _ => Answer::Unavailable,
            }
        })
    }

    /// The library is there; a keytab that is not says so when it is needed, and may come.
    fn completes(&self, mechanism: &Mechanism, _: &Channel) -> bool {
        mechanism.needs == Needs::PassThrough
    }
}

/// What keeps GSSAPI from working with these settings, if anything does: what, and what to do about it.
pub fn trouble(settings: &Kerberos) -> Option<String> {
    let library = match Library::load() {
        Ok(library) => library,
        Err(error) => return Some(error.to_string()),
    };
    let fault = credential(library, &settings.keytab).err()?;
    Some(format!(
        "kerberos.keytab: {}: {fault}",
        settings.keytab.display()
    ))
}

fn begin(
    library: &'static Library,
    keytab: &Path,
    layers: LayerSet,
) -> Result<Acceptor, AcceptorFault> {
    // Whatever is wrong with our own keys is not the client's fault.
    let credential = credential(library, keytab)
        .map_err(|error| ContextFault::Unavailable(error.to_string()))?;
    Ok(Acceptor::new(
        Box::new(Context::acceptor(credential)),
        layers,
    ))
}

fn credential(
    library: &'static Library,
    keytab: &Path,
) -> Result<Credential, gatepost_gssapi::Error> {
    Credential::from_keytab(library, &format!("FILE:{}", keytab.display()), SERVICE)
}

fn authzid_of(octets: &[u8]) -> Result<Authzid, Refusal> {
    let text = std::str::from_utf8(octets).map_err(|_| Refusal::Malformed)?;
    Authzid::parse(text).map_err(|_| Refusal::Malformed)
}
