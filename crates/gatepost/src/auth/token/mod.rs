//! Bearer tokens: who may come in with one.
//!
//! ```text
//! token ──JWT of a configured issuer──> its signature, by the issuer's keys ──> its claims, by the issuer's rules ──┐
//!       ──anything else────────────────> the issuer's own answer (introspection) ──> the same rules ────────────────┤
//!                                                                             account, enabled, as whom to act ─────┘
//! ```
//!
//! A token that is refused is answered with the error document of its mechanism, whatever is wrong with it; which it was stands in the
//! log. That an issuer cannot be asked is never told as a bad token: the client keeps it and tries again (OAB-09, CODE-09).
//!
//! Standards: RFC 7628 §3, RFC 6750, RFC 8725, RFC 7662.

mod claims;
mod discovery;
mod document;
mod fetch;
mod fresh;
mod introspection;
mod issuer;
mod jwt;
mod keys;

use gatepost_sasl::{Answer, Authzid, Mechanism, Needs, Question, Refusal, Secret, Verdict};

use self::claims::Refused;
use self::document::{Status, error_document};
use self::issuer::{Fault, Issuer};
use self::jwt::Form;
use super::account_grant::AccountGrants;
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};
use crate::config::resolved::TokenIssuer;
use crate::observe::Observer;
use crate::observe::event::{self, TokenRefused};
use crate::observe::reason::Reason;

/// The proof's name in logs and to routes.
const PROOF: &str = "token";

/// Judges tokens of the configured issuers for the own accounts.
pub struct TokenDirectory {
    issuers: Vec<Issuer>,
    accounts: AccountGrants,
    observer: Observer,
}

/// A token as a mechanism presents it.
#[derive(Clone, Copy)]
struct Presented<'a> {
    mechanism: &'static Mechanism,
    authzid: Option<&'a Authzid>,
    token: &'a Secret,
    host: Option<&'a str>,
    port: Option<u16>,
}

impl TokenDirectory {
    /// A directory for these issuers. Reads their CA files and asks nobody; the error says which issuer cannot be used and why.
    pub fn new(
        issuers: &[TokenIssuer],
        accounts: AccountGrants,
        observer: Observer,
    ) -> Result<Self, String> {
        let issuer = |written: &TokenIssuer| {
            Issuer::new(written).map_err(|what| format!("{}: {what}", written.issuer))
        };
        Ok(Self {
            issuers: issuers.iter().map(issuer).collect::<Result<_, _>>()?,
            accounts,
            observer,
        })
    }

    async fn judge(&self, presented: Presented<'_>, asker: &Asker) -> Answer {
        if !asker.channel.is_reached_as(presented.host, presented.port) {
            let detail = format!(
                "the client believes to talk to {} port {}",
                presented.host.unwrap_or("it"),
                presented.port.map_or("any".to_owned(), |it| it.to_string())
            );
            let refused = Refused::new(Reason::TokenHost, detail);
            return self.refuse(presented, asker, refused);
        }
        // RFC 7628 §4.3: a client without a token asks where to get one.
        if presented.token.expose().is_empty() {
            return self.document(presented.mechanism, Status::NoToken);
        }
        let account = match self.account(presented.token).await {
            Ok(account) => account,
            Err(Fault::Refused(refused)) => return self.refuse(presented, asker, refused),
            Err(Fault::Outage(detail)) => {
                self.observer.emit(event::Fault {
                    part: "tokens",
                    reason: Reason::TokenIssuerDown,
                    detail,
                });
                return Answer::Unavailable;
            }
        };
        match self.accounts.proven(&account, PROOF, presented.authzid) {
            Verdict::Refused(Refusal::CredentialsInvalid) => {
                let detail = format!("it names {account:?}");
                self.refuse(presented, asker, Refused::new(Reason::TokenAccount, detail))
            }
            verdict => Answer::Verdict(verdict),
        }
    }

    /// The account a token names, whether or not there is one.
    async fn account(&self, token: &Secret) -> Result<String, Fault> {
        match Form::of(token.expose()) {
            Form::Jwt(jwt) => {
                let issuer = self
                    .issuers
                    .iter()
                    .find(|issuer| jwt.issuer() == Some(issuer.rules.issuer.as_str()));
                match issuer {
                    Some(issuer) => issuer.judge_jwt(&jwt).await,
                    None => Err(unknown_issuer(jwt.issuer()).into()),
                }
            }
            Form::Malformed(what) => Err(Refused::new(Reason::TokenMalformed, what).into()),
            Form::Opaque => self.introspected(token).await,
        }
    }

    /// Asks each issuer that can be asked. One that is down may be the one who knows the token.
    async fn introspected(&self, token: &Secret) -> Result<String, Fault> {
        let mut end = Fault::Refused(issuer::not_understood());
        for issuer in self.issuers.iter().filter(|issuer| issuer.introspects()) {
            match (issuer.introspect(token).await, &end) {
                (Ok(account), _) => return Ok(account),
                (Err(Fault::Refused(_)), Fault::Outage(_)) => {}
                (Err(fault), _) => end = fault,
            }
        }
        Err(end)
    }

    fn refuse(&self, presented: Presented<'_>, asker: &Asker, refused: Refused) -> Answer {
        let status = match refused.reason {
            Reason::TokenHost => Status::InvalidRequest,
            Reason::TokenScope => Status::InsufficientScope,
            _ => Status::InvalidToken,
        };
        self.observer.emit(TokenRefused {
            network: asker.network,
            mechanism: presented.mechanism.name,
            authzid: presented.authzid.map(|name| name.as_str().to_owned()),
            reason: refused.reason,
            detail: refused.detail,
        });
        self.document(presented.mechanism, status)
    }

    /// Clients are pointed to the first issuer.
    fn document(&self, mechanism: &Mechanism, status: Status) -> Answer {
        let Some(issuer) = self.issuers.first() else {
            return Answer::Unavailable;
        };
        let metadata = discovery::openid_configuration(&issuer.rules.issuer);
        Answer::TokenRefused {
            document: error_document(mechanism, status, &issuer.rules.scope, &metadata),
        }
    }
}

fn unknown_issuer(issuer: Option<&str>) -> Refused {
    let detail = match issuer {
        Some(issuer) => format!(
            "it is of {:?}",
            issuer.chars().take(200).collect::<String>()
        ),
        None => "it names no issuer".to_owned(),
    };
    Refused::new(Reason::TokenIssuer, detail)
}

impl Directory for TokenDirectory {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            match question {
                Question::Token {
                    mechanism,
                    authzid,
                    token,
                    host,
                    port,
                } => {
                    let presented = Presented {
                        mechanism,
                        authzid: authzid.as_ref(),
                        token,
                        host: host.as_deref(),
                        port: *port,
                    };
                    self.judge(presented, asker).await
                }
                _ => Answer::Unavailable,
            }
        })
    }

    fn completes(&self, mechanism: &Mechanism, _channel: &Channel) -> bool {
        mechanism.needs == Needs::Token && !self.issuers.is_empty()
    }
}

#[cfg(test)]
mod tests;
