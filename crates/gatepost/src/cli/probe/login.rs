//! A login of the probe, in which what a correct client says can be changed on its way, as somebody on the network would change it.
//!
//! The password goes only where a careful client would send it: within TLS whose certificate is good, or in clear text where that was
//! asked for.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_client::Secret;
use gatepost_sasl::{
    ChannelBindings, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Mechanism,
};
use zeroize::Zeroizing;

use super::connection::{Connection, Reply, Target};
use super::survey::Channel;

/// A user, on a server that is known.
pub(super) struct Login<'a> {
    pub(super) target: &'a Target,
    pub(super) channel: &'a Channel,
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    /// What the user got in by.
    pub(super) mechanism: &'static Mechanism,
}

/// How one exchange goes.
pub(super) struct Manner {
    pub(super) mechanism: &'static Mechanism,
    /// What the client believes the connection can be bound by.
    pub(super) bindings: ChannelBindings,
    /// Whether the client believes that the server offers to bind.
    pub(super) plus_offered: bool,
    /// What becomes of the client's first message on its way.
    pub(super) altered: fn(&mut [u8]),
}

impl Login<'_> {
    /// A connection on which the user is logged in.
    pub(super) fn open(&self) -> io::Result<Connection> {
        let mut connection = self.connect()?;
        let manner = Manner {
            mechanism: self.mechanism,
            bindings: connection.bindings(),
            plus_offered: true,
            altered: |_| {},
        };
        let reply = self.run(&mut connection, &manner)?;
        if reply.is("235") {
            Ok(connection)
        } else {
            Err(io::Error::other(format!(
                "the login that worked before does not: {}",
                reply.text()
            )))
        }
    }

    /// A connection that may see the password.
    pub(super) fn connect(&self) -> io::Result<Connection> {
        let connection = self.target.ready(self.channel.starttls)?;
        if self.target.trusts(&connection) {
            Ok(connection)
        } else {
            Err(io::Error::other("this connection may not see the password"))
        }
    }

    /// One exchange: the reply that ended it, or why the client gave up.
    pub(super) fn run(&self, connection: &mut Connection, manner: &Manner) -> io::Result<Reply> {
        let mechanism = manner.mechanism;
        let mut command = Some(format!("AUTH {mechanism}"));
        let mut step = (mechanism.client)(self.params(manner)?);
        loop {
            step = match step {
                ClientStep::Ask(question, state) => state.answer(self.answer(&question)),
                ClientStep::Wait(state) => {
                    let reply = connection.ask(&command.take().unwrap_or_default())?;
                    match reply.challenge() {
                        Some(challenge) => state.challenge(&challenge),
                        None => return Ok(reply),
                    }
                }
                ClientStep::Respond(response, state) => {
                    let mut response = Zeroizing::new(response.expose().to_vec());
                    let command = command.take();
                    if command.is_some() {
                        (manner.altered)(&mut response);
                    }
                    let reply = respond(connection, command, &response)?;
                    match reply.challenge() {
                        Some(challenge) => state.challenge(&challenge),
                        None if reply.is("235") => {
                            return state.succeeded().map(|_| reply).map_err(io::Error::other);
                        }
                        None => return Ok(reply),
                    }
                }
                ClientStep::Abort(fault) => {
                    if command.is_none() {
                        connection.ask("*")?;
                    }
                    return Err(io::Error::other(fault));
                }
            }
        }
    }

    fn params(&self, manner: &Manner) -> io::Result<ClientParams> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(io::Error::other)?;
        let nonce = format!("{:032x}", u128::from_be_bytes(octets));
        Ok(ClientParams {
            channel_bindings: manner.bindings.clone(),
            plus_offered: manner.plus_offered,
            ..ClientParams::new(self.user, self.target.host.as_str(), nonce)
        })
    }

    fn answer(&self, question: &ClientQuestion) -> ClientAnswer {
        match question {
            ClientQuestion::Password => ClientAnswer::Password(self.password.clone()),
            ClientQuestion::Derive(derivation) => ClientAnswer::Derived(derivation.run()),
            ClientQuestion::Token | ClientQuestion::PassThrough { .. } => ClientAnswer::Unavailable,
        }
    }
}

/// Says a response, behind the command if it is the first.
fn respond(
    connection: &mut Connection,
    command: Option<String>,
    response: &[u8],
) -> io::Result<Reply> {
    let encoded = Zeroizing::new(STANDARD.encode(response));
    match command {
        Some(command) if encoded.is_empty() => connection.ask(&format!("{command} =")),
        Some(command) => connection.ask(&Zeroizing::new(format!("{command} {}", *encoded))),
        None => connection.ask(&encoded),
    }
}
