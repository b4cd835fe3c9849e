//! PLAIN and SCRAM-SHA-256 by `rsasl`, with a callback that knows one account: its own examples, without the printing.

use std::sync::Arc;

use gatepost_sasl::{Hash, ScramVerifier};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechname::Mechname;
use rsasl::prelude::{SASLConfig, SASLServer, Session, SessionError};
use rsasl::property::{AuthId, Password};
use rsasl::validate::{Validate, Validation, ValidationError};
use subtle::ConstantTimeEq as _;

use crate::credentials::{self, NAME, PASSWORD, SALT};

/// What an exchange comes to: who it was.
pub struct Who;

impl Validation for Who {
    type Value = Option<String>;
}

struct Account {
    verifier: ScramVerifier,
}

impl SessionCallback for Account {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context,
        request: &mut Request,
    ) -> Result<(), SessionError> {
        if context.get_ref::<AuthId>() == Some(NAME) {
            request.satisfy::<ScramStoredPassword>(&ScramStoredPassword::new(
                credentials::ITERATIONS,
                SALT,
                self.verifier.stored_key(),
                self.verifier.server_key(),
            ))?;
        }
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        validate.with::<Who, _>(|| {
            let name = context.get_ref::<AuthId>().filter(|name| *name == NAME);
            // SCRAM has proven it already, and gives no password.
            let right = context
                .get_ref::<Password>()
                .is_none_or(|password| bool::from(password.ct_eq(PASSWORD.as_bytes())));
            Ok(name.filter(|_| right).map(str::to_owned))
        })?;
        Ok(())
    }
}

/// The configuration, which all exchanges share.
pub struct Server {
    config: Arc<SASLConfig>,
}

impl Server {
    /// Derives the account's keys.
    pub fn new() -> Self {
        let verifier = credentials::verifier(Hash::Sha256);
        let config = SASLConfig::builder().with_defaults();
        let config = config.with_callback(Account { verifier });
        Self {
            config: config.expect("the mechanisms are there"),
        }
    }

    /// A whole exchange of PLAIN.
    pub fn plain(&self, message: &[u8]) -> bool {
        let mut session = self.start(b"PLAIN");
        let mut out = Vec::new();
        let stepped = session.step(Some(message), &mut out);
        stepped.is_ok() && session.validation().flatten().is_some()
    }

    /// The first half of SCRAM-SHA-256: the session, and what is sent.
    pub fn first(&self, message: &[u8]) -> (Session<Who>, Vec<u8>) {
        let mut session = self.start(b"SCRAM-SHA-256");
        let mut out = Vec::new();
        session
            .step(Some(message), &mut out)
            .expect("the client's message is a good one");
        (session, out)
    }

    /// The second half.
    pub fn last(mut session: Session<Who>, message: &[u8]) -> bool {
        let mut out = Vec::new();
        let stepped = session.step(Some(message), &mut out);
        stepped.is_ok() && session.validation().flatten().is_some()
    }

    fn start(&self, name: &[u8]) -> Session<Who> {
        let name = Mechname::parse(name).expect("a name");
        SASLServer::<Who>::new(Arc::clone(&self.config))
            .start_suggested(name)
            .expect("the mechanism is there")
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}
