//! What the store has in memory. The tally of abilities follows every change, so that announcing mechanisms costs no search.

use std::collections::HashMap;
use std::sync::Arc;

use super::ability::Tally;
use super::account::Account;
use super::name::LookupName;

/// The accounts by name, and what their credentials can do.
#[derive(Default)]
pub(super) struct View {
    pub(super) accounts: HashMap<LookupName, Arc<Account>>,
    pub(super) tally: Tally,
}

impl View {
    /// In the place of what the account was before, if it was there.
    pub(super) fn put(&mut self, account: Arc<Account>) {
        self.tally.add(&account);
        if let Some(former) = self.accounts.insert(account.lookup.clone(), account) {
            self.tally.remove(&former);
        }
    }

    /// Takes an account out, and out of what others may act as.
    pub(super) fn remove(&mut self, account: &Account) {
        if let Some(former) = self.accounts.remove(&account.lookup) {
            self.tally.remove(&former);
        }
        for other in self.accounts.values_mut() {
            if other.acts_as.contains(&account.id) {
                Arc::make_mut(other).acts_as.retain(|id| *id != account.id);
            }
        }
    }
}
