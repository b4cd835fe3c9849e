//! A connection that is ready for commands.

use std::fmt;
use std::sync::atomic::Ordering;

use gatepost_sasl::{Mechanism, Secret};
use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::{
    Authentication, Capabilities, ClientCommand, Completed, CredentialFault, Envelope, Means,
    MechanismChoice, SendReport,
};
use tokio::io::AsyncRead;

use crate::connect::{Connector, Pins};
use crate::driver::Driver;
use crate::error::{AddressError, ChannelError, Downgrade, Error};
use crate::pins::{self, MechanismPins, PinKey};

/// Who we are, and the proof of it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose password or token it is.
    pub authcid: String,
    /// Whom to act as; `None` = as ourselves.
    pub authzid: Option<String>,
    /// The proof.
    pub credential: Credential,
}

/// A secret that proves an identity. Its kind says which mechanisms can be used.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password, as the user gave it.
    Password(Secret),
    /// An OAuth access token, for OAUTHBEARER and XOAUTH2. It is never sent without TLS.
    Token(Secret),
    /// The Kerberos ticket in this credential cache (`FILE:/run/user/1000/ticket`), for GSSAPI; in the default one when absent. The
    /// system's Kerberos library is loaded for it.
    Ticket(Option<String>),
    /// The certificate that the connector shows in TLS ([`Connector::certificate`]), for EXTERNAL.
    Certificate,
    /// None: ANONYMOUS, for a drop box that takes mail from anybody.
    Nothing,
}

impl Credential {
    fn means(&self) -> Means {
        match self {
            Self::Password(_) => Means::Password,
            Self::Token(_) => Means::Token,
            Self::Ticket(_) => Means::Ticket,
            Self::Certificate => Means::Certificate,
            Self::Nothing => Means::Nothing,
        }
    }
}

impl Credentials {
    /// A name and its password.
    pub fn new(authcid: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self {
            authcid: authcid.into(),
            authzid: None,
            credential: Credential::Password(Secret::new(password)),
        }
    }

    /// A name and an OAuth access token for it.
    pub fn with_token(authcid: impl Into<String>, token: impl Into<Vec<u8>>) -> Self {
        Self {
            authcid: authcid.into(),
            authzid: None,
            credential: Credential::Token(Secret::new(token)),
        }
    }

    /// The Kerberos ticket in this credential cache, or in the default one; it says whose it is.
    pub fn with_ticket(cache: Option<String>) -> Self {
        Self {
            authcid: String::new(),
            authzid: None,
            credential: Credential::Ticket(cache),
        }
    }

    /// The certificate of [`Connector::certificate`], which the server knows whose it is. It proves nothing on a connection whose server
    /// did not ask for it.
    pub fn with_certificate() -> Self {
        Self {
            authcid: String::new(),
            authzid: None,
            credential: Credential::Certificate,
        }
    }

    /// Nobody, who leaves `trace`, an address or a name of up to 255 characters, or nothing, for those who run the server (RFC 4505 §2).
    pub fn anonymous(trace: impl Into<String>) -> Self {
        Self {
            authcid: trace.into(),
            authzid: None,
            credential: Credential::Nothing,
        }
    }

    /// Whom to act as, for an account that may act for others.
    #[must_use]
    pub fn acting_as(mut self, authzid: impl Into<String>) -> Self {
        self.authzid = Some(authzid.into());
        self
    }

    /// V-50: no mechanism has a place for these octets, and a line end is a mistake wherever it comes from.
    fn check(&self) -> Result<(), AddressError> {
        let credential = match &self.credential {
            Credential::Password(password) => ("password", password.expose()),
            Credential::Token(token) => ("token", token.expose()),
            Credential::Ticket(cache) => (
                "ticket cache",
                cache.as_deref().unwrap_or_default().as_bytes(),
            ),
            Credential::Certificate | Credential::Nothing => ("", &b""[..]),
        };
        let parts = [
            ("user name", self.authcid.as_bytes()),
            (
                "name to act as",
                self.authzid.as_deref().unwrap_or_default().as_bytes(),
            ),
            credential,
        ];
        match parts
            .iter()
            .find(|(_, part)| part.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)))
        {
            Some((name, _)) => Err(AddressError::Credentials(name)),
            None => Ok(()),
        }
    }
}

/// A connection to a server. If the future of a command is dropped, the dialogue is out of step and the connection of no further
/// use: [`is_open`](Self::is_open) says so.
pub struct Client {
    driver: Driver,
    /// How it was made.
    connector: Connector,
}

impl Client {
    pub(crate) fn new(driver: Driver, connector: Connector) -> Self {
        Self { driver, connector }
    }

    /// Proves who we are. Returns the mechanism that did it. After an error the connection may still be open, unauthenticated. One on
    /// which an exchange bound to it failed is not used for the next: a new one takes its place (RFC 9266 §4.1).
    pub async fn authenticate(
        &mut self,
        credentials: &Credentials,
        choice: MechanismChoice,
    ) -> Result<&'static Mechanism, Error> {
        credentials.check()?;
        let may_bind = !matches!(choice, MechanismChoice::Only(it) if !it.binds_channel);
        if may_bind && self.driver.session().binding_is_spent() {
            *self = self.connector.connect().await?;
        }
        match (self.connector.pins.clone(), choice) {
            (Some(Pins(pins)), MechanismChoice::Strongest) => {
                let key = PinKey {
                    host: self.driver.host().to_owned(),
                    port: self.connector.port,
                    user: credentials.authcid.clone(),
                };
                self.authenticate_as_before(credentials, &*pins, &key).await
            }
            _ => self.authenticate_by(credentials, choice).await,
        }
    }

    /// T-17: no weaker than the last time, and what is stronger is remembered.
    async fn authenticate_as_before(
        &mut self,
        credentials: &Credentials,
        pins: &dyn MechanismPins,
        key: &PinKey,
    ) -> Result<&'static Mechanism, Error> {
        let known = pins.pinned(key).map_err(Downgrade::Unknown)?;
        let floor = known.and_then(pins::floor);
        let choice = floor.map_or(MechanismChoice::Strongest, MechanismChoice::AtLeast);
        match self.authenticate_by(credentials, choice).await {
            Ok(mechanism) => {
                let now = pins::floor(mechanism);
                if now.map(|it| it.strength) > floor.map(|it| it.strength) {
                    pins.pin(key, mechanism);
                }
                Ok(mechanism)
            }
            Err(Error::Credential(CredentialFault::TooWeak { offered, .. })) => {
                Err(Error::Downgrade(Downgrade::Weaker {
                    before: known,
                    offered,
                    how_to_lift: pins.how_to_lift(),
                }))
            }
            Err(error) => Err(error),
        }
    }

    async fn authenticate_by(
        &mut self,
        credentials: &Credentials,
        choice: MechanismChoice,
    ) -> Result<&'static Mechanism, Error> {
        let request = Authentication {
            authzid: credentials.authzid.clone(),
            means: credentials.credential.means(),
            port: Some(self.driver.port()),
            choice,
            assume_offered: self.connector.assume_offered,
            initial_response: self.connector.initial_response,
            layers: self.connector.layers,
            realm: self.connector.realm.clone(),
            digest_md5_session: self.connector.digest_md5_session.clone(),
            ..Authentication::new(credentials.authcid.as_str(), self.driver.host(), nonces()?)
        };
        let command = ClientCommand::Authenticate(request);
        match self
            .driver
            .run(
                command,
                Some(&credentials.credential),
                &mut tokio::io::empty(),
            )
            .await?
        {
            Completed::Authenticated { mechanism } => Ok(mechanism),
            _ => Err(Driver::out_of_order()),
        }
    }

    /// Sends one message, in as many transactions as the server's limits on recipients make necessary. `message` may have any line ends.
    /// `Ok` says that the first transaction came to its end: whether for better or worse stands in the report, per recipient.
    ///
    /// A message that is not in memory goes by [`send_from`](Self::send_from).
    pub async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<SendReport, Error> {
        let mut report = self.send_from(envelope, message).await?;
        while let Some(rest) = envelope.left_over(&report).filter(|_| self.is_open()) {
            // What is known of the others is not lost with the connection.
            let Ok(further) = self.send_from(&rest, message).await else {
                break;
            };
            report = report.followed_by(further);
        }
        Ok(report)
    }

    /// Sends one message whose content is read as the server takes it, so that its size does not matter. `content` may have any line
    /// ends. It can be read only once, so this is one transaction: recipients for whom the server has no room in it are in
    /// [`SendReport::left_over`].
    pub async fn send_from(
        &mut self,
        envelope: &Envelope,
        mut content: impl AsyncRead + Unpin + Send,
    ) -> Result<SendReport, Error> {
        let command = ClientCommand::Send(envelope.clone());
        match self.driver.run(command, None, &mut content).await {
            Ok(Completed::Sent(report)) => Ok(report),
            Ok(_) => Err(Driver::out_of_order()),
            Err(error) => {
                if error.is_chunking_unknown() {
                    self.connector
                        .chunking_unknown
                        .store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    /// RSET: shows that the connection is alive and at the beginning.
    pub async fn reset(&mut self) -> Result<(), Error> {
        self.driver
            .run(ClientCommand::Reset, None, &mut tokio::io::empty())
            .await
            .map(drop)
    }

    /// Says good-bye and closes. Nothing depends on whether the server answers.
    pub async fn quit(mut self) {
        self.driver.quit().await;
    }

    /// Whether a further message can be sent, as far as is known without asking: the connection is open, and the server has not announced
    /// that it takes no more messages on it (RFC 9422).
    pub fn is_open(&self) -> bool {
        self.driver.is_open() && self.driver.session().takes_another_message()
    }

    /// What the server announced on the channel as it is now: before [`send`](Self::send), what form a message must have.
    pub fn capabilities(&self) -> &Capabilities {
        self.driver.session().capabilities()
    }

    /// The TLS connection underneath, if there is one. Its name has been verified.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.driver.session().tls()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.driver.host())
            .field("session", self.driver.session())
            .finish_non_exhaustive()
    }
}

/// 128 bits each, in hexadecimal.
fn nonces() -> Result<[String; Authentication::ATTEMPTS], Error> {
    let mut nonces = [const { String::new() }; Authentication::ATTEMPTS];
    for nonce in &mut nonces {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(|error| ChannelError::System {
            what: "random numbers",
            why: error.to_string(),
        })?;
        *nonce = format!("{:032x}", u128::from_be_bytes(octets));
    }
    Ok(nonces)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// SASL-08: "Nonces/challenges from a CSPRNG ≥128 bit; never reused".
    #[test]
    fn sasl_08_nonces_differ() {
        let drawn: HashSet<String> = (0..200).flat_map(|_| nonces().unwrap()).collect();
        assert_eq!(drawn.len(), 200 * Authentication::ATTEMPTS);
        assert!(drawn.iter().all(|nonce| nonce.len() == 32));
    }
}
