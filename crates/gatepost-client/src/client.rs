//! A connection that is ready for commands.

use std::fmt;

use gatepost_sasl::{Mechanism, Secret};
use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::{
    Authentication, Capabilities, ClientCommand, Completed, Envelope, InitialResponsePolicy,
    MechanismChoice, SendReport,
};
use tokio::io::AsyncRead;

use crate::driver::Driver;
use crate::error::{ChannelError, Error};

/// Who we are, and the proof of it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose password it is.
    pub authcid: String,
    /// Whom to act as; `None` = as ourselves.
    pub authzid: Option<String>,
    /// The password, as the user gave it.
    pub password: Secret,
}

impl Credentials {
    /// A name and its password.
    pub fn new(authcid: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self {
            authcid: authcid.into(),
            authzid: None,
            password: Secret::new(password),
        }
    }
}

/// A connection to a server. If the future of a command is dropped, the dialogue is out of step and the connection of no further
/// use: [`is_open`](Self::is_open) says so.
pub struct Client {
    driver: Driver,
    initial_response: InitialResponsePolicy,
    assume_offered: bool,
}

impl Client {
    pub(crate) fn new(
        driver: Driver,
        initial_response: InitialResponsePolicy,
        assume_offered: bool,
    ) -> Self {
        Self {
            driver,
            initial_response,
            assume_offered,
        }
    }

    /// Proves who we are. Returns the mechanism that did it. After an error the connection may still be open, unauthenticated.
    pub async fn authenticate(
        &mut self,
        credentials: &Credentials,
        choice: MechanismChoice,
    ) -> Result<&'static Mechanism, Error> {
        let request = Authentication {
            authzid: credentials.authzid.clone(),
            choice,
            assume_offered: self.assume_offered,
            initial_response: self.initial_response,
            ..Authentication::new(credentials.authcid.as_str(), self.driver.host(), nonces()?)
        };
        let command = ClientCommand::Authenticate(request);
        match self
            .driver
            .run(
                command,
                Some(&credentials.password),
                &mut tokio::io::empty(),
            )
            .await?
        {
            Completed::Authenticated { mechanism } => Ok(mechanism),
            _ => Err(Driver::out_of_order()),
        }
    }

    /// Sends one message. `content` may have any line ends; it is read as the server takes it, so that its size does not matter.
    /// `Ok` says that the transaction came to its end: whether for better or worse stands in the report, per recipient.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        mut content: impl AsyncRead + Unpin + Send,
    ) -> Result<SendReport, Error> {
        match self
            .driver
            .run(ClientCommand::Send(envelope.clone()), None, &mut content)
            .await?
        {
            Completed::Sent(report) => Ok(report),
            _ => Err(Driver::out_of_order()),
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

    /// Whether a further command can succeed, as far as is known without asking.
    pub fn is_open(&self) -> bool {
        self.driver.is_open()
    }

    /// What the server announced on the channel as it is now.
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
        getrandom::fill(&mut octets)
            .map_err(|error| ChannelError::Randomness(error.to_string()))?;
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
