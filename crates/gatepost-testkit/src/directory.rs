//! A directory that can answer every question a mechanism may ask, from a handful of accounts.
//!
//! It answers as the contract in `gatepost_sasl` says a directory must: unknown names get a fake verifier, a directory that
//! is down gives no judgement, one that keeps its secrets says so and checks responses itself. It speaks one mechanism itself
//! (see [`FakeDirectory::pass_through`]).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_sasl::verifier::{fake_cram, fake_digest, fake_scram};
use gatepost_sasl::{
    Answer, Authzid, DigestMd5Hashes, Grant, Hash, HmacMd5Contexts, Needs, PassThroughStep,
    Question, Refusal, ScramVerifier, Secret, Verdict, Verifier, VerifierKind, prep,
};

use crate::toy_layer::ToyLayer;
use crate::transcript::Account;

/// The key fakes are made with.
const FAKE_KEY: [u8; 32] = [0x5a; 32];
/// Cheap: the fewest iterations that are accepted.
const ITERATIONS: u32 = 4096;

/// Accounts, and how the directory is today.
#[derive(Clone, Debug, Default)]
pub struct FakeDirectory {
    /// Who is known. The credential's id is `password`.
    pub accounts: Vec<Account>,
    /// Accounts whose right credentials are refused, and why.
    pub refused: Vec<(String, Refusal)>,
    /// Bearer tokens and whose they are.
    pub tokens: Vec<(String, String)>,
    /// Sent to a client whose token is refused; without one, refusal is a plain verdict.
    pub token_error: Option<Vec<u8>>,
    /// Whose certificate the connection has.
    pub certificate_of: Option<String>,
    /// Whom guests act for, where they are let in.
    pub guests_are: Option<String>,
    /// It does not answer.
    pub down: bool,
    /// It gives no verifiers away and checks responses itself.
    pub keeps_secrets: bool,
    /// In passed-through exchanges a security layer is agreed on.
    pub layered: bool,
    /// Salt (base64) and iterations of SCRAM verifiers.
    pub scram: Option<(String, u32)>,
    /// Realms of DIGEST-MD5.
    pub realms: Vec<String>,
}

impl FakeDirectory {
    /// A directory with one account.
    pub fn with(name: &str, password: &str) -> Self {
        let account = Account {
            name: name.to_owned(),
            password: password.to_owned(),
            ..Account::default()
        };
        Self {
            accounts: vec![account],
            ..Self::default()
        }
    }

    /// Answers a question.
    pub fn answer(&self, question: &Question) -> Answer {
        if self.down {
            return Answer::Unavailable;
        }
        match question {
            Question::Password {
                authcid,
                authzid,
                password,
                ..
            } => {
                let matches = |account: &Account| is_password(account, password);
                Answer::Verdict(self.verdict(authcid.as_str(), authzid.as_ref(), matches))
            }
            Question::Verifier { .. } if self.keeps_secrets => Answer::SecretKept,
            Question::Verifier {
                mechanism,
                authcid,
                authzid,
            } => {
                let verdict = self.verdict(authcid.as_str(), authzid.as_ref(), |_| true);
                match self.verifier(mechanism.needs, authcid.as_str()) {
                    Some(verifier) => Answer::Verifier { verifier, verdict },
                    None => Answer::Unavailable,
                }
            }
            Question::Response {
                authcid,
                authzid,
                challenge,
                response,
                ..
            } => {
                let proof = |account: &Account| cram_response(account, challenge);
                let matches = |account: &Account| proof(account) == *response;
                Answer::Checked {
                    verdict: self.verdict(authcid.as_str(), authzid.as_ref(), matches),
                    proof: self.account(authcid.as_str()).map(proof),
                }
            }
            Question::PassThrough { message, .. } => self.pass_through(message.as_deref()),
            Question::Token { authzid, token, .. } => self.token(token, authzid.as_ref()),
            Question::Certificate { authzid, .. } => match &self.certificate_of {
                Some(name) => Answer::Verdict(self.verdict(name, authzid.as_ref(), |_| true)),
                None => Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
            },
            Question::Anonymous { .. } => match &self.guests_are {
                Some(name) => Answer::Verdict(self.verdict(name, None, |_| true)),
                None => Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
            },
        }
    }

    /// The mechanism the directory speaks itself: `name?`, a name, `password of NAME?`, `NAME password`, and at the end
    /// `welcome` as additional data, or `welcome under seal` where a layer begins. Each message says all the directory must know.
    fn pass_through(&self, message: Option<&[u8]>) -> Answer {
        let message = message.map(String::from_utf8_lossy).unwrap_or_default();
        let step = match message.split_once(' ') {
            None if message.is_empty() => PassThroughStep::Challenge(b"name?".to_vec()),
            None => PassThroughStep::Challenge(format!("password of {message}?").into_bytes()),
            Some((name, password)) => PassThroughStep::Done {
                authcid: None,
                authzid: None,
                verdict: self.verdict(name, None, |account| account.password == password),
                final_data: Some(if self.layered {
                    b"welcome under seal".to_vec()
                } else {
                    b"welcome".to_vec()
                }),
                layer: self
                    .layered
                    .then(|| ToyLayer::server(password.as_bytes()).boxed()),
            },
        };
        Answer::PassThrough(step)
    }

    fn token(&self, token: &Secret, authzid: Option<&Authzid>) -> Answer {
        let known = self
            .tokens
            .iter()
            .find(|(known, _)| known.as_bytes() == token.expose());
        match (known, &self.token_error) {
            (Some((_, name)), _) => Answer::Verdict(self.verdict(name, authzid, |_| true)),
            (None, Some(document)) => Answer::TokenRefused {
                document: document.clone(),
            },
            (None, None) => Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
        }
    }

    /// One answer for unknown names, wrong secrets and names that may not be acted as.
    fn verdict(
        &self,
        login: &str,
        authzid: Option<&Authzid>,
        proven: impl Fn(&Account) -> bool,
    ) -> Verdict {
        let acts_as = authzid.map_or(login, Authzid::as_str);
        let granted = |account: &&Account| {
            acts_as == account.name || account.may_act_as.iter().any(|name| name == acts_as)
        };
        let account = self
            .account(login)
            .filter(|account| proven(account))
            .filter(granted);
        let refused = self.refused.iter().find(|(name, _)| name == login);
        match (account, refused) {
            (None, _) => Verdict::Refused(Refusal::CredentialsInvalid),
            (Some(_), Some((_, refusal))) => Verdict::Refused(*refusal),
            (Some(account), None) => Verdict::Accepted(Grant {
                login: account.name.clone(),
                acts_as: acts_as.to_owned(),
                credential: "password".to_owned(),
            }),
        }
    }

    fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    fn verifier(&self, needs: Needs, name: &str) -> Option<Verifier> {
        let key = Secret::new(FAKE_KEY);
        match (needs, self.account(name)) {
            (Needs::Verifier(VerifierKind::CramMd5), Some(account)) => Some(Verifier::CramMd5(
                HmacMd5Contexts::derive(&Secret::new(account.password.as_str())),
            )),
            (Needs::Verifier(VerifierKind::CramMd5), None) => {
                Some(Verifier::CramMd5(fake_cram(&key, name)))
            }
            (Needs::Verifier(VerifierKind::DigestMd5), Some(account)) => {
                let password = Secret::new(account.password.as_str());
                let hashes = DigestMd5Hashes::derive(name, self.realms(), &password);
                Some(Verifier::DigestMd5(hashes))
            }
            (Needs::Verifier(VerifierKind::DigestMd5), None) => {
                let hashes = fake_digest(&key, name, self.realms());
                Some(Verifier::DigestMd5(hashes))
            }
            (Needs::Verifier(VerifierKind::Scram(hash)), Some(account)) => {
                self.scram_verifier(hash, account).map(Verifier::Scram)
            }
            (Needs::Verifier(VerifierKind::Scram(hash)), None) => {
                fake_scram(&key, name, hash, self.iterations())
                    .ok()
                    .map(Verifier::Scram)
            }
            _ => None,
        }
    }

    /// And the empty one, for servers that name none.
    fn realms(&self) -> impl Iterator<Item = &str> {
        self.realms.iter().map(String::as_str).chain([""])
    }

    fn scram_verifier(&self, hash: Hash, account: &Account) -> Option<ScramVerifier> {
        let salt = match &self.scram {
            Some((salt, _)) => STANDARD.decode(salt).ok()?,
            None => b"a salt of a test".to_vec(),
        };
        let password = Secret::new(account.password.as_str());
        ScramVerifier::derive(hash, &password, salt, self.iterations()).ok()
    }

    fn iterations(&self) -> u32 {
        self.scram
            .as_ref()
            .map_or(ITERATIONS, |(_, iterations)| *iterations)
    }
}

/// In any spelling a client may use (PREP-03, PREP-07).
fn is_password(account: &Account, password: &Secret) -> bool {
    prep::password_forms(password.expose())
        .iter()
        .any(|form| form.expose() == account.password.as_bytes())
}

fn cram_response(account: &Account, challenge: &[u8]) -> Vec<u8> {
    let contexts = HmacMd5Contexts::derive(&Secret::new(account.password.as_str()));
    let digest = u128::from_be_bytes(contexts.mac(challenge));
    format!("{} {digest:032x}", account.name).into_bytes()
}
