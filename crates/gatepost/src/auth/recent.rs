//! A map of bounded size that forgets what was not used for longest, in whole generations.
//!
//! Two maps of at most `capacity` entries: the young one takes every entry used; when it is full it becomes the old
//! one, and what was in the old one is forgotten. So an entry lives while at most `capacity` other keys are used after
//! it, and each operation takes constant time.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(in crate::auth) struct Recent<K, V> {
    capacity: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Copy, V: Default> Recent<K, V> {
    /// A map of at most twice `capacity` entries.
    pub(in crate::auth) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// The value of a key; looking at it does not make it young.
    pub(in crate::auth) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of a key to change, made young, and made at all when absent.
    pub(in crate::auth) fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young
            .entry(key)
            .or_insert_with(|| old.remove(&key).unwrap_or_default())
    }

    /// Takes a key out.
    pub(in crate::auth) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.old.remove(key);
        self.young.remove(key).or(old)
    }

    #[cfg(test)]
    pub(in crate::auth) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let mut recent = Recent::new(10);
        *recent.entry(0) = "kept";
        for key in 1..1000 {
            recent.entry(key);
            assert_eq!(*recent.entry(0), "kept");
            assert!(recent.len() <= 20);
        }
        assert_eq!(recent.get(&1), None);
    }

    #[test]
    fn what_is_removed_is_gone_from_both_generations() {
        let mut recent = Recent::new(1);
        *recent.entry(1) = 'a';
        *recent.entry(2) = 'b';
        assert_eq!(
            (recent.remove(&1), recent.remove(&2)),
            (Some('a'), Some('b'))
        );
        assert_eq!(recent.len(), 0);
    }
}
