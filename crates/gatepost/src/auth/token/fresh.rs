//! Something of an issuer that is fetched now and then: its key set, its metadata.
//!
//! ```text
//! nothing known ──fetched──> known ──[LIFETIME], or what is known does not do──> fetched again
//! ```
//!
//! One fetch at a time, whoever waits for it. After a fetch nobody causes another one for [`PAUSE`], or for [`RETRY`] if it failed:
//! a stranger who makes up key ids cannot make us hammer the issuer (T-21). While the issuer is down, what was known goes on to hold
//! for [`STALE`].

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long what was fetched is taken to be the truth.
pub(super) const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long it is used when nothing newer can be had.
pub(super) const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two fetches, if the first succeeded.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
/// Between two fetches, if the first failed.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// A fetched value.
pub(super) struct Fresh<T> {
    state: Mutex<State<T>>,
    flight: tokio::sync::Mutex<()>,
}

struct State<T> {
    known: Option<(Instant, Arc<T>)>,
    /// When it was fetched last, and how that failed.
    tried: Option<(Instant, Option<String>)>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        let state = State {
            known: None,
            tried: None,
        };
        Self {
            state: Mutex::new(state),
            flight: tokio::sync::Mutex::default(),
        }
    }
}

impl<T> Fresh<T> {
    /// The value; fetched if need be. `unfit` is the value that was looked at and did not do: the same one comes back when there is
    /// no newer one. Fails when the issuer cannot be asked.
    pub(super) async fn get<F>(
        &self,
        unfit: Option<&Arc<T>>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, String>
    where
        F: Future<Output = Result<T, String>>,
    {
        if let Some(settled) = self.state().settled(unfit, Instant::now()) {
            return settled;
        }
        let _flight = self.flight.lock().await;
        // Whoever had the flight before may have brought it.
        if let Some(settled) = self.state().settled(unfit, Instant::now()) {
            return settled;
        }
        let fetched = fetch().await;
        self.state().learn(fetched, unfit, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// What is to be said without fetching, if anything.
    fn settled(&self, unfit: Option<&Arc<T>>, now: Instant) -> Option<Result<Arc<T>, String>> {
        if let Some((since, value)) = &self.known
            && now.duration_since(*since) < LIFETIME
            && unfit.is_none_or(|unfit| !Arc::ptr_eq(unfit, value))
        {
            return Some(Ok(Arc::clone(value)));
        }
        match self.tried.as_ref()? {
            (at, Some(error)) if now.duration_since(*at) < RETRY => {
                Some(self.stale(unfit, now).ok_or_else(|| error.clone()))
            }
            (at, None) if now.duration_since(*at) < PAUSE => {
                let known = self.known.as_ref()?;
                Some(Ok(Arc::clone(&known.1)))
            }
            _ => None,
        }
    }

    fn learn(
        &mut self,
        fetched: Result<T, String>,
        unfit: Option<&Arc<T>>,
        now: Instant,
    ) -> Result<Arc<T>, String> {
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                self.known = Some((now, Arc::clone(&value)));
                self.tried = Some((now, None));
                Ok(value)
            }
            Err(error) => {
                self.tried = Some((now, Some(error.clone())));
                self.stale(unfit, now).ok_or(error)
            }
        }
    }

    /// What was known once, unless it is what did not do.
    fn stale(&self, unfit: Option<&Arc<T>>, now: Instant) -> Option<Arc<T>> {
        let (since, value) = self.known.as_ref()?;
        (unfit.is_none() && now.duration_since(*since) < STALE).then(|| Arc::clone(value))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{advance, sleep};

    use super::*;

    /// Counts how often it is asked, and is down when told so.
    #[derive(Default)]
    struct Source {
        asked: AtomicU32,
        down: Mutex<bool>,
    }

    impl Source {
        async fn fetch(&self) -> Result<u32, String> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_millis(100)).await;
            if *self.down.lock().unwrap() {
                return Err("down".to_owned());
            }
            Ok(number)
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t_21_one_fetch_for_all_who_wait_and_one_per_lifetime() {
        let (fresh, source) = (Fresh::default(), Source::default());
        let get = || fresh.get(None, || source.fetch());
        let (a, b, c) = tokio::join!(get(), get(), get());
        assert_eq!((*a.unwrap(), *b.unwrap(), *c.unwrap()), (1, 1, 1));
        advance(LIFETIME.mul_f64(0.99)).await;
        assert_eq!(get().await.as_deref(), Ok(&1));
        advance(LIFETIME.mul_f64(0.01)).await;
        assert_eq!(get().await.as_deref(), Ok(&2));
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn t_21_what_does_not_do_is_fetched_again_once_a_minute() {
        let (fresh, source) = (Fresh::default(), Source::default());
        let first = fresh.get(None, || source.fetch()).await.unwrap();
        for _ in 0..1000 {
            let same = fresh.get(Some(&first), || source.fetch()).await.unwrap();
            assert_eq!(*same, 1);
        }
        assert_eq!(source.asked(), 1, "just fetched");
        advance(PAUSE).await;
        let second = fresh.get(Some(&first), || source.fetch()).await.unwrap();
        assert_eq!(*second, 2);
        // Who saw the first one only now gets the second one at once.
        let again = fresh.get(Some(&first), || source.fetch()).await.unwrap();
        assert_eq!((*again, source.asked()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_holds_for_a_day_while_the_issuer_is_down() {
        let (fresh, source) = (Fresh::default(), Source::default());
        let first = fresh.get(None, || source.fetch()).await.unwrap();
        *source.down.lock().unwrap() = true;
        advance(LIFETIME).await;
        assert_eq!(fresh.get(None, || source.fetch()).await.as_deref(), Ok(&1));
        let unfit = fresh.get(Some(&first), || source.fetch()).await;
        assert_eq!(unfit, Err("down".to_owned()), "an outage is no answer");
        assert_eq!(source.asked(), 2, "not asked again so soon");
        advance(STALE).await;
        let nothing = fresh.get(None, || source.fetch()).await;
        assert_eq!((nothing, source.asked()), (Err("down".to_owned()), 3));
        *source.down.lock().unwrap() = false;
        advance(RETRY).await;
        assert_eq!(fresh.get(None, || source.fetch()).await.as_deref(), Ok(&4));
    }
}
