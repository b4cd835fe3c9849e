//! The bench for SCRAM: published exchanges as rows, and what the tests share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::pairing::{Ending, Pairing, granted, knows, untouched};
use crate::{
    Answer, ChannelBindings, ClientParams, Derivation, ScramVerifier, Secret, ServerParams,
    Verifier,
};

mod client;
mod octets;
mod published;
mod server;
mod stored;

/// RFC 5802 §5.
fn rfc_5802(c: &'static str, p: &'static str, v: &'static str) -> Row {
    Row {
        client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_nonce: "3rfcNHYJY1ZVvWVs7j",
        salt: "QSXCR+Q6sek8bf92",
        c,
        ..Row::new(&SCRAM_SHA_1, p, v)
    }
}

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

/// One published exchange.
struct Row {
    mechanism: &'static Mechanism,
    user: &'static str,
    authzid: Option<&'static str>,
    password: &'static str,
    bindings: ChannelBindings,
    client_nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    iterations: u32,
    c: &'static str,
    p: &'static str,
    v: &'static str,
}

impl Row {
    fn new(mechanism: &'static Mechanism, p: &'static str, v: &'static str) -> Self {
        Self {
            mechanism,
            user: "user",
            authzid: None,
            password: "pencil",
            bindings: ChannelBindings::default(),
            client_nonce: CLIENT_NONCE,
            server_nonce: SERVER_NONCE,
            salt: SALT,
            iterations: 4096,
            c: "biws",
            p,
            v,
        }
    }

    fn hash(&self) -> Hash {
        match self.mechanism.needs {
            Needs::Verifier(VerifierKind::Scram(hash)) => hash,
            _ => unreachable!(),
        }
    }

    fn verifier(&self) -> ScramVerifier {
        let salt = BASE64.decode(self.salt).unwrap();
        ScramVerifier::derive(
            self.hash(),
            &Secret::new(self.password),
            salt,
            self.iterations,
        )
        .unwrap()
    }

    fn client(&self) -> ClientParams {
        ClientParams {
            authzid: self.authzid.map(str::to_owned),
            channel_bindings: self.bindings.clone(),
            ..ClientParams::new(self.user, "mail.example.com", self.client_nonce)
        }
    }

    fn server(&self) -> ServerParams {
        ServerParams {
            host: "mail.example.com".to_owned(),
            nonce: self.server_nonce.to_owned(),
            channel_bindings: self.bindings.clone(),
            plus_offered: false,
            ..ServerParams::default()
        }
    }

    fn run(&self) -> Ending {
        let verifier = self.verifier();
        Pairing {
            mechanism: self.mechanism,
            server: self.server(),
            client: self.client(),
            user: &knows(self.password),
            directory: &|_| Answer::Verifier {
                verifier: Verifier::Scram(verifier.clone()),
                verdict: granted("user"),
            },
            wire: &untouched,
        }
        .run()
    }

    #[track_caller]
    fn check(&self) {
        let ending = self.run();
        let [_, _, client_final, server_final, empty] = &ending.messages[..] else {
            panic!("{ending:?}");
        };
        let nonce = format!("{}{}", self.client_nonce, self.server_nonce);
        assert_eq!(
            String::from_utf8_lossy(client_final),
            format!("c={},r={nonce},p={}", self.c, self.p)
        );
        assert_eq!(
            String::from_utf8_lossy(server_final),
            format!("v={}", self.v)
        );
        assert_eq!(empty, b"");
        assert!(ending.server_let_him_in() && ending.client_is_content());
    }
}

fn rfc_7677() -> Row {
    Row::new(
        &SCRAM_SHA_256,
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    )
}

fn end_point(octets: &[u8]) -> ChannelBindings {
    ChannelBindings {
        tls_server_end_point: Some(octets.to_vec()),
        ..ChannelBindings::default()
    }
}

fn unique(octets: &[u8]) -> ChannelBindings {
    ChannelBindings {
        tls_unique: Some(octets.to_vec()),
        ..ChannelBindings::default()
    }
}

fn exporter() -> ChannelBindings {
    ChannelBindings {
        tls_exporter: Some(std::array::from_fn(|i| u8::try_from(i).unwrap())),
        ..ChannelBindings::default()
    }
}

fn salted(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
    Derivation {
        hash,
        password: Secret::new(password),
        salt: salt.to_vec(),
        iterations,
    }
    .run()
}
