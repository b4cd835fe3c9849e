//! Answers to a mechanism's questions: the password or the token, and slow key derivations off the executor.
//!
//! A server chooses how many iterations a derivation takes. It is done in slices on the blocking pool, as many at a time as there
//! are processors, and stops within a slice of being dropped: at the deadline of the exchange, for one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use gatepost_sasl::{ClientAnswer, ClientQuestion, Derivation, Progress, Secret};
use tokio::sync::Semaphore;

use crate::client::Credential;
use crate::kerberos::{Conversation, Target};

/// Iterations between two looks at whether anybody still wants the key; a fraction of a millisecond.
const SLICE: u32 = 500;

/// Derivations at the same time, over all connections of the process.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, Into::into)));

/// Answers `question` for the owner of `credential`.
pub(crate) async fn answer(
    question: ClientQuestion,
    credential: Option<Credential>,
    conversation: Conversation,
) -> ClientAnswer {
    let answered = match (question, credential) {
        (ClientQuestion::Password, Some(Credential::Password(password))) => {
            Some(ClientAnswer::Password(password))
        }
        (ClientQuestion::Token, Some(Credential::Token(token))) => Some(ClientAnswer::Token(token)),
        (
            ClientQuestion::PassThrough {
                mechanism: _,
                host,
                authzid,
                layers,
                message,
            },
            Some(Credential::Ticket(cache)),
        ) => {
            let target = Target {
                cache,
                host,
                authzid,
                layers: layers.into(),
            };
            let step = conversation.step(target, message).await;
            Some(ClientAnswer::PassThrough(step))
        }
        (ClientQuestion::Derive(derivation), _) => {
            derive(derivation).await.map(ClientAnswer::Derived)
        }
        _ => None,
    };
    answered.unwrap_or(ClientAnswer::Unavailable)
}

async fn derive(derivation: Derivation) -> Option<Secret> {
    let place = PLACES.acquire().await.ok()?;
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let still_wanted = Arc::clone(&wanted.0);
    let work = tokio::task::spawn_blocking(move || {
        // The place is given back when the work has really ended.
        let _place = place;
        let mut work = derivation.start();
        while still_wanted.load(Ordering::Relaxed) {
            match work.run(SLICE) {
                Progress::Working(rest) => work = rest,
                Progress::Done(key) => return Some(key),
            }
        }
        None
    });
    work.await.ok().flatten()
}

/// Cleared when whoever asked is gone.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatepost_sasl::Hash;
    use tokio::time::timeout;

    use super::*;

    /// T-15: "cancelled ≤ 1 s after deadline". This many iterations would take minutes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn t_15_work_nobody_waits_for_gives_its_place_back() {
        let derivation = Derivation {
            hash: Hash::Sha512,
            password: Secret::new("secret"),
            salt: vec![0; 16],
            iterations: u32::MAX,
        };
        let places = available_parallelism().map_or(1, Into::into);
        for _ in 0..places {
            let question = ClientQuestion::Derive(derivation.clone());
            let given_up = timeout(
                Duration::from_millis(20),
                answer(question, None, Conversation::default()),
            )
            .await;
            assert!(given_up.is_err());
        }
        let all = u32::try_from(places).unwrap();
        let free = timeout(Duration::from_secs(5), PLACES.acquire_many(all)).await;
        assert!(
            free.is_ok(),
            "{} of {places} are free",
            PLACES.available_permits()
        );
    }
}
