//! The page of the SASL mechanisms, from what the code knows of each.
//!
//! | column | comes from |
//! |---|---|
//! | standard, initial response, layer, binding, stored form | the fields of `gatepost_sasl::Mechanism` |
//! | as a client | the words of the option `route.auth.mechanism` |
//! | when offered | `Channel::permits`, asked about each kind of connection |
//! | tested against | `peers/tested.tsv`: what passed against programs of others, as the tests wrote it (`cargo xtask tested`) |
//!
//! It is Markdown only: a table as wide as this is no manual page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gatepost_sasl::{ChannelBindings, InitialResponse, Mechanism, Needs, VerifierKind, mechanism};

use crate::auth::channel::Channel;
use crate::config::option::{self, Kind};

/// Lines `mechanism<TAB>peer<TAB>server|client|issuer`: what Gatepost was to that peer, or what the peer was to it.
const TESTED: &str = include_str!("../../../../../peers/tested.tsv");

const INTRODUCTION: &str = "# SASL mechanisms

Written by `cargo xtask docs --write` from what the program knows of each mechanism; nothing here is kept by hand. A name that is not in the first
table is answered `504 5.5.4`.

";

const OFFER: &str = "
## When it is offered

EHLO announces a mechanism only where it can be completed: on this listener, on this connection, by at least one account. The strongest come first in the
table above; EHLO lists those that show the password behind the others, because simple clients take the first that they know.

A *legacy* listener has `profile = \"legacy\"`: old devices, on networks that the configuration names. \"If named\" means that `listener.mechanisms` must name it;
where that option stands, nothing else is offered there. `-PLUS` in TLS means TLS 1.3, and TLS 1.2 with
`listener.plus_on_tls12`; where `listener.tls_versions` reaches back to TLS 1.0 or 1.1, also those, bound by `tls-unique` as well.

";

const TESTED_INTRODUCTION: &str = "
## Tested against

Programs of others that the tests run with each mechanism, in every run of `./test`, which fails when one of these did not pass.

";

const NOT_HERE_INTRODUCTION: &str = "
## What is not here

";

/// What old documents list and clients ask for, why it is answered 504, and what to use.
pub(super) const NOT_HERE: &[(&str, &str, &str)] = &[
    (
        "KERBEROS_V4",
        "Kerberos 4 rests on single DES and was withdrawn by its makers in 2006; no current library speaks it (RFC 2222 §7.1)",
        "GSSAPI, which is Kerberos 5",
    ),
    (
        "NTLM",
        "the response can be searched for the password off line, and relayed to another server as it is; Microsoft calls it deprecated",
        "GSSAPI in a domain, SCRAM elsewhere, LOGIN over TLS for a device that has nothing else",
    ),
    (
        "GSS-SPNEGO",
        "it negotiates between Kerberos and NTLM, and only one of the two is left",
        "GSSAPI",
    ),
    ("GS2-KRB5", "no mail program is known to offer it", "GSSAPI"),
    (
        "SKEY",
        "its one-time passwords rest on MD4 (RFC 2222 §7.3)",
        "EXTERNAL with a client certificate",
    ),
    (
        "HT-SHA-256-EXPR",
        "no channel of SMTP issues the tokens of the HT mechanisms, and their draft still changes names",
        "OAUTHBEARER",
    ),
];

/// The page.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    facts(&mut page);
    page.push_str(OFFER);
    offers(&mut page);
    page.push_str(TESTED_INTRODUCTION);
    tested(&mut page, TESTED);
    page.push_str(NOT_HERE_INTRODUCTION);
    heading(&mut page, ["name", "why it is answered 504", "instead"]);
    for (name, why, instead) in NOT_HERE {
        row(&mut page, [&format!("`{name}`"), why, instead]);
    }
    page
}

fn facts(page: &mut String) {
    heading(
        page,
        [
            "mechanism",
            "standard",
            "server",
            "client",
            "initial response",
            "shows the password",
            "layer",
            "binding",
            "what is stored",
        ],
    );
    for mechanism in mechanism::ALL {
        row(
            page,
            [
                mechanism.name,
                mechanism.standard,
                "yes",
                client(mechanism),
                initial_response(mechanism),
                shown(mechanism),
                if mechanism.layer {
                    "integrity, confidentiality"
                } else {
                    "none"
                },
                if mechanism.binds_channel {
                    "`tls-exporter`, `tls-server-end-point`, `tls-unique`"
                } else {
                    "none"
                },
                stored(mechanism),
            ],
        );
    }
}

/// Every mechanism has a client in `gatepost-sasl`, which `gatepost send` drives; a route takes what its option names.
fn client(mechanism: &Mechanism) -> &'static str {
    let words = match option::find("route.auth", "mechanism").map(|option| option.kind) {
        Some(Kind::Word(words)) => words,
        _ => &[],
    };
    if words
        .iter()
        .any(|word| mechanism.name.eq_ignore_ascii_case(word))
    {
        "routes, `send`, library"
    } else {
        "`send`, library"
    }
}

fn shown(mechanism: &Mechanism) -> &'static str {
    match (mechanism.exposes_password, mechanism.needs) {
        (false, _) => "no",
        (true, Needs::Token) => "the token",
        (true, _) => "yes",
    }
}

fn initial_response(mechanism: &Mechanism) -> &'static str {
    match mechanism.initial_response {
        InitialResponse::Optional => "optional",
        InitialResponse::EqualsMeansAbsent => "optional, `=` is none",
        InitialResponse::Refused => "refused",
        InitialResponse::Resumes => "resumes an earlier exchange",
    }
}

fn stored(mechanism: &Mechanism) -> &'static str {
    match mechanism.needs {
        Needs::Password => {
            "an argon2id hash, or another program's; lacking that, SCRAM keys or HMAC-MD5 contexts"
        }
        Needs::Verifier(VerifierKind::Scram(_)) => "salt, iteration count, StoredKey, ServerKey",
        Needs::Verifier(VerifierKind::CramMd5) => {
            "the two HMAC-MD5 contexts; sealed, as good as the password here"
        }
        Needs::Verifier(VerifierKind::DigestMd5) => {
            "H(user:realm:password) per realm; sealed, as good as the password here"
        }
        Needs::Token => "nothing: the issuer's keys",
        Needs::Certificate => "nothing: a rule in the configuration",
        Needs::PassThrough => "nothing: the keytab",
        Needs::Nothing => "nothing",
    }
}

fn offers(page: &mut String) {
    heading(
        page,
        [
            "mechanism",
            "in clear",
            "in TLS",
            "legacy, in clear",
            "legacy, in TLS",
            "and only if",
        ],
    );
    for mechanism in mechanism::ALL {
        row(
            page,
            [
                mechanism.name,
                offered(mechanism, false, false),
                offered(mechanism, false, true),
                offered(mechanism, true, false),
                offered(mechanism, true, true),
                condition(mechanism),
            ],
        );
    }
}

fn offered(mechanism: &'static Mechanism, legacy: bool, tls: bool) -> &'static str {
    // A certificate is shown in TLS or not at all.
    if mechanism.needs == Needs::Certificate && !tls {
        return "no";
    }
    let bindings = ChannelBindings {
        tls_exporter: tls.then_some([0; 32]),
        ..ChannelBindings::default()
    };
    let unnamed = Channel {
        tls,
        legacy,
        bindings,
        ..Channel::default()
    };
    let named = Channel {
        mechanisms: Some([mechanism].into()),
        ..unnamed.clone()
    };
    match (unnamed.permits(mechanism), named.permits(mechanism)) {
        (true, _) => "yes",
        (false, true) => "if named",
        (false, false) => "no",
    }
}

fn condition(mechanism: &Mechanism) -> &'static str {
    match mechanism.needs {
        Needs::Password => "there is a credential that works there",
        Needs::Verifier(VerifierKind::Scram(_)) => {
            "a credential that works there has the form, and none that has another SCRAM form lacks this one"
        }
        Needs::Verifier(VerifierKind::CramMd5) => "a legacy credential has the form",
        Needs::Verifier(VerifierKind::DigestMd5) => {
            "a legacy credential has the form, which takes a realm: `accounts.digest_realms`"
        }
        Needs::Token => "`[[token_issuer]]` is there",
        Needs::Certificate => {
            "the client has shown a certificate, in TLS, that a `[[client_certificate]]` gives to an account"
        }
        Needs::PassThrough => "`[kerberos]` is there, and the system has the library",
        Needs::Nothing => "`listener.anonymous_account` says whom guests act for",
    }
}

/// Mechanism → peers that were clients of Gatepost, that it was a client of, that issued its tokens.
fn tested(page: &mut String, table: &'static str) {
    let mut peers: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for line in table.lines() {
        let mut fields = line.split('\t');
        if let (Some(mechanism), Some(peer), Some(role)) =
            (fields.next(), fields.next(), fields.next())
        {
            peers.entry((mechanism, role)).or_default().push(peer);
        }
    }
    let cell = |mechanism: &Mechanism, role| match peers.get(&(mechanism.name, role)) {
        Some(peers) => peers.join(", "),
        None => "-".to_owned(),
    };
    heading(
        page,
        [
            "mechanism",
            "Gatepost as server",
            "Gatepost as client",
            "tokens of",
        ],
    );
    for mechanism in mechanism::ALL {
        let [server, client, issuer] =
            ["server", "client", "issuer"].map(|role| cell(mechanism, role));
        row(page, [mechanism.name, &server, &client, &issuer]);
    }
}

/// The head of a table.
fn heading<const N: usize>(page: &mut String, cells: [&str; N]) {
    row(page, cells);
    row(page, ["---"; N]);
}

fn row<const N: usize>(page: &mut String, cells: [&str; N]) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_has_its_row_in_each_table() {
        let page = page();
        for mechanism in mechanism::ALL {
            let rows = page.matches(&format!("\n| {} | ", mechanism.name)).count();
            assert_eq!(rows, 3, "{mechanism}");
        }
    }

    #[test]
    fn what_is_not_here_is_not() {
        for (name, ..) in NOT_HERE {
            assert!(mechanism::by_name(name).is_none(), "{name}");
        }
    }

    #[test]
    fn every_line_of_the_tested_names_a_mechanism_and_a_role() {
        for line in TESTED.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let [name, peer, role] = fields[..] else {
                panic!("{line}");
            };
            assert!(mechanism::by_name(name).is_some(), "{line}");
            assert!(!peer.is_empty(), "{line}");
            assert!(["server", "client", "issuer"].contains(&role), "{line}");
        }
    }

    #[test]
    fn the_lanes_are_told_apart() {
        use gatepost_sasl::mechanism::{
            ANONYMOUS, CRAM_MD5, OAUTHBEARER, PLAIN, SCRAM_SHA_256_PLUS,
        };
        let lanes = [(false, false), (false, true), (true, false), (true, true)];
        let on = |mechanism| lanes.map(|(legacy, tls)| offered(mechanism, legacy, tls));
        assert_eq!(on(&PLAIN), ["no", "yes", "yes", "yes"]);
        assert_eq!(on(&CRAM_MD5), ["no", "no", "yes", "yes"]);
        assert_eq!(on(&OAUTHBEARER), ["no", "yes", "no", "yes"]);
        assert_eq!(on(&SCRAM_SHA_256_PLUS), ["no", "yes", "no", "yes"]);
        assert_eq!(on(&ANONYMOUS), ["if named"; 4]);
    }
}
