//! OAUTHBEARER (RFC 7628): `n,a=authzid,^Ahost=…^Aport=…^Aauth=Bearer token^A^A`, in one message.
//!
//! Server: the authzid may be left out, and be called `user` instead of `a`, as in the RFC's own example. A channel binding
//! is refused: the mechanism has none. Client: names itself, host and port; acknowledges an error document with ^A.

use crate::bearer::{self, Fields, Presented, SEPARATOR};
use crate::client::{ClientFault, ClientParams, ClientStep};
use crate::identity::Authzid;
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::saslname;
use crate::server::ServerParams;
use crate::step::{Refusal, ServerStep};

/// OAUTHBEARER.
pub static OAUTHBEARER: Mechanism = Mechanism {
    name: "OAUTHBEARER",
    standard: "RFC 7628",
    strength: 110,
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
    bearer::server(&OAUTHBEARER, initial_response, parse)
}

fn parse(text: &str) -> Result<Presented, Refusal> {
    let (gs2_header, rest) = text.split_once(SEPARATOR).ok_or(Refusal::Malformed)?;
    let authzid = authzid(gs2_header)?;
    let fields = Fields::parse(rest)?;
    let port = match fields.port {
        None => None,
        Some(port) => Some(port.parse().map_err(|_| Refusal::Malformed)?),
    };
    Ok(Presented {
        authzid,
        token: fields.token()?,
        host: fields.host.map(str::to_owned),
        port,
    })
}

/// RFC 5801 §4: the client's word on channel binding, and whom to act as.
fn authzid(gs2_header: &str) -> Result<Option<Authzid>, Refusal> {
    let header = gs2_header.strip_suffix(',').ok_or(Refusal::Malformed)?;
    let Some(("n" | "y", name)) = header.split_once(',') else {
        return Err(Refusal::Malformed);
    };
    if name.is_empty() {
        return Ok(None);
    }
    let name = name
        .strip_prefix("a=")
        .or_else(|| name.strip_prefix("user="))
        .and_then(saslname::unescape)
        .ok_or(Refusal::Malformed)?;
    Authzid::parse(&name)
        .map(Some)
        .map_err(|_| Refusal::Malformed)
}

/// Dovecot wants to be told the name that the token holds as well, so it is always given as the authzid.
fn client(params: ClientParams) -> ClientStep {
    let name = params.authzid.unwrap_or(params.authcid);
    let host = params.host;
    let names_fit =
        (name.is_empty() || Authzid::parse(&name).is_ok()) && !host.contains(char::is_control);
    if !names_fit {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    let authzid = match name.as_str() {
        "" => String::new(),
        name => format!("a={}", saslname::escape(name)),
    };
    let host = match host.as_str() {
        "" => String::new(),
        host => format!("host={host}\u{1}"),
    };
    let port = params
        .port
        .map_or_else(String::new, |port| format!("port={port}\u{1}"));
    let before = format!("n,{authzid},\u{1}{host}{port}auth=Bearer ");
    bearer::client(before, b"\x01")
}
