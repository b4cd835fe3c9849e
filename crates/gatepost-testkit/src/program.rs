//! What stands around a server's session in memory: accounts, a queue of sorts, and refusals on order.

use std::collections::VecDeque;

use gatepost_sasl::{ChannelBindings, Mechanism, Needs, ServerParams, VerifierKind, mechanism};
use gatepost_smtp::server::{Answer, Request};
use gatepost_smtp::{Refusal, TlsFacts};

use crate::directory::FakeDirectory;
use crate::transcript::{Listener, RequestKind, ServerSettings};

/// What stands in for the queue, the policies and the rest of a server.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Who is known.
    pub directory: FakeDirectory,
    /// What is offered; `None` = what fits the channel.
    pub offer: Option<Vec<&'static Mechanism>>,
    /// Old devices: every mechanism in clear.
    pub legacy: bool,
    /// What an exchange begins with.
    pub params: ServerParams,
    /// What is refused, and why.
    pub refusals: Vec<(RequestKind, Refusal)>,
    /// Complete messages, each with its header section, the empty line and its body.
    pub messages: VecDeque<Vec<u8>>,
    draft: Vec<u8>,
    committed: usize,
}

impl Program {
    /// A program with a directory of one account.
    pub fn with(name: &str, password: &str) -> Self {
        Self {
            directory: FakeDirectory::with(name, password),
            params: ServerParams {
                host: "mail.example.com".to_owned(),
                nonce: "1896.697170952".to_owned(),
                ..ServerParams::default()
            },
            ..Self::default()
        }
    }

    /// The program that a transcript describes.
    pub fn of(settings: &ServerSettings) -> Self {
        let host = settings.challenge_host.clone();
        Self {
            directory: FakeDirectory {
                accounts: settings.accounts.clone(),
                scram: settings.scram.clone(),
                realms: settings.realms.clone(),
                certificate_of: settings.certificate.clone(),
                guests_are: settings.guests.clone(),
                down: settings.directory_down,
                tokens: settings.tokens.clone(),
                token_error: settings.token_error.clone(),
                ..FakeDirectory::default()
            },
            offer: settings.offer.clone(),
            legacy: settings.listener == Listener::Legacy,
            params: ServerParams {
                host: host.unwrap_or_else(|| settings.host.clone()),
                nonce: settings
                    .nonce
                    .clone()
                    .unwrap_or_else(|| "1896.697170952".to_owned()),
                realms: settings.realms.clone(),
                layers: settings.layers,
                ..ServerParams::default()
            },
            refusals: settings.refusals.clone(),
            ..Self::default()
        }
    }

    /// Takes octets of the body.
    pub fn append(&mut self, octets: &[u8]) {
        self.draft.extend_from_slice(octets);
    }

    /// The answer to a request on a channel that is protected like this, if at all.
    pub fn answer(&mut self, request: Request, tls: Option<&TlsFacts>) -> Answer {
        let kind = kind_of(&request);
        if let Some((_, refusal)) = self.refusals.iter().find(|(refused, _)| *refused == kind) {
            return Answer::Refuse(*refusal);
        }
        match request {
            Request::Ehlo { .. } => Answer::Offer(self.offered(tls)),
            Request::BeginAuth { .. } => Answer::Begin(self.params_on(tls)),
            Request::Sasl(question) => Answer::Sasl(self.directory.answer(&question)),
            Request::Mail { .. } | Request::Rcpt { .. } => Answer::Proceed,
            Request::Content => {
                self.draft.clear();
                Answer::Proceed
            }
            Request::Headers { headers, has_body } => {
                self.draft = headers;
                if has_body {
                    self.draft.extend_from_slice(b"\r\n");
                }
                Answer::Proceed
            }
            Request::Commit => {
                self.committed += 1;
                self.messages.push_back(std::mem::take(&mut self.draft));
                Answer::Committed {
                    id: format!("Q{}", self.committed),
                }
            }
        }
    }

    fn params_on(&self, tls: Option<&TlsFacts>) -> ServerParams {
        let offered = self.offered(tls);
        ServerParams {
            channel_bindings: tls
                .map(|tls| tls.channel_bindings.clone())
                .unwrap_or_default(),
            plus_offered: offered.iter().any(|mechanism| mechanism.binds_channel),
            ..self.params.clone()
        }
    }

    /// CAP-03, OAB-08: in clear nothing that shows the password, CRAM-MD5 only for old devices, and DIGEST-MD5 only where it is named. CAP-08: what
    /// shows it comes last, and what binds the channel is there only if that can be.
    fn offered(&self, tls: Option<&TlsFacts>) -> Vec<&'static Mechanism> {
        let bindable = tls.is_some_and(|tls| tls.channel_bindings != ChannelBindings::default());
        let fits = |mechanism: &&Mechanism| {
            let weak = mechanism.needs == Needs::Verifier(VerifierKind::CramMd5);
            let named = mechanism.needs == Needs::Verifier(VerifierKind::DigestMd5);
            let known = mechanism.proves_password() && !named
                || mechanism.needs == Needs::Token && !self.directory.tokens.is_empty();
            let in_clear = mechanism.exposes_password && tls.is_none();
            let safe = self.legacy && !mechanism.requires_tls() || !in_clear && !weak;
            known && safe && (bindable || !mechanism.binds_channel)
        };
        if let Some(offer) = &self.offer {
            return offer.clone();
        }
        let mut offered: Vec<_> = mechanism::ALL.iter().copied().filter(fits).collect();
        offered.sort_by_key(|mechanism| mechanism.exposes_password);
        offered
    }
}

/// Which kind of request it is.
pub fn kind_of(request: &Request) -> RequestKind {
    match request {
        Request::Ehlo { .. } => RequestKind::Ehlo,
        Request::BeginAuth { .. } => RequestKind::Auth,
        Request::Sasl(_) => RequestKind::Question,
        Request::Mail { .. } => RequestKind::Mail,
        Request::Rcpt { .. } => RequestKind::Rcpt,
        Request::Content => RequestKind::Content,
        Request::Headers { .. } => RequestKind::Headers,
        Request::Commit => RequestKind::Commit,
    }
}
