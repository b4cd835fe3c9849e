//! XOAUTH2 (Google, 2010; Microsoft since): `user=name^Aauth=Bearer token^A^A`, in one message.
//!
//! The predecessor of OAUTHBEARER, without its header, host and port. Server: a message without a user is answered with the
//! error document, as one without a token. Client: acknowledges an error document with an empty line.

use crate::bearer::{self, Fields, Presented};
use crate::client::{ClientFault, ClientParams, ClientStep};
use crate::identity::Authzid;
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::secret::Secret;
use crate::server::ServerParams;
use crate::step::{Refusal, ServerStep};

/// XOAUTH2.
pub static XOAUTH2: Mechanism = Mechanism {
    name: "XOAUTH2",
    standard: "Google, XOAUTH2 protocol",
    strength: 105,
    initial_response: InitialResponse::Optional,
    exposes_password: true,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: true,
    needs: Needs::Token,
    server,
    client,
};

fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    bearer::server(&XOAUTH2, initial_response, parse)
}

fn parse(text: &str) -> Result<Presented, Refusal> {
    let fields = Fields::parse(text)?;
    let token = fields.token()?;
    let authzid = match fields.user {
        None | Some("") => None,
        Some(user) => Some(Authzid::parse(user).map_err(|_| Refusal::Malformed)?),
    };
    // XOA-01: the user is part of the mechanism. Without one the token is not even looked at.
    let token = if authzid.is_some() {
        token
    } else {
        Secret::new("")
    };
    Ok(Presented {
        authzid,
        token,
        host: None,
        port: None,
    })
}

fn client(params: ClientParams) -> ClientStep {
    let user = params.authzid.unwrap_or(params.authcid);
    if Authzid::parse(&user).is_err() {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    bearer::client(format!("user={user}\u{1}auth=Bearer "), b"")
}
