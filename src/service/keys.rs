//! Idempotency keys where channels live in memory: what was published under which, for [`KEY_LIFE`].
//!
//! The memory is bounded by [`MAX_KEYS`]. A key is not forgotten early to make room: beyond the bound, new ones are
//! refused until the oldest has ended.

use std::collections::{HashMap, VecDeque};

use sha1::{Digest, Sha1};

use crate::channel::{Data, Error, Id, KEY_LIFE, Key};

/// Keys that are remembered at once.
const MAX_KEYS: usize = 100_000;

/// What was published under keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Place, (Id, [u8; 20])>,
    /// In the order in which they end, and when.
    ends: VecDeque<(u64, Place)>,
}

type Place = (Box<str>, Key);

impl Keys {
    /// The id of the message that was published under this key, if one was. The time is on a clock that never goes back,
    /// in milliseconds.
    ///
    /// # Errors
    /// It was another message, or there is no room for one more key.
    pub(super) fn find(
        &mut self,
        channel: &str,
        key: &Key,
        message: (Option<&str>, &Data),
        ms: u64,
    ) -> Result<Option<Id>, Error> {
        while self.ends.front().is_some_and(|(ends, _)| *ends < ms) {
            if let Some((_, place)) = self.ends.pop_front() {
                self.known.remove(&place);
            }
        }
        match self.known.get(&(channel.into(), key.clone())) {
            Some((id, of)) if *of == digest(message) => Ok(Some(*id)),
            Some(_) => Err(Error::KeyReused),
            None if self.known.len() >= MAX_KEYS => Err(Error::TooManyKeys),
            None => Ok(None),
        }
    }

    /// This message was published under this key.
    pub(super) fn remember(
        &mut self,
        channel: &str,
        key: Key,
        message: (Option<&str>, &Data),
        id: Id,
        ms: u64,
    ) {
        let life = u64::try_from(KEY_LIFE.as_millis()).unwrap_or(u64::MAX);
        let place: Place = (channel.into(), key);
        self.ends
            .push_back((ms.saturating_add(life), place.clone()));
        self.known.insert(place, (id, digest(message)));
    }
}

fn digest((event, data): (Option<&str>, &Data)) -> [u8; 20] {
    let event = event.unwrap_or_default();
    let mut sha1 = Sha1::new();
    sha1.update((event.len() as u64).to_be_bytes());
    sha1.update(event.as_bytes());
    sha1.update(data.as_bytes());
    sha1.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_after_its_life_and_not_before() {
        let mut keys = Keys::default();
        let key = Key::new(b"key").unwrap();
        let (x, y) = (Data::new(b"x"), Data::new(b"y"));
        let id = Id { ms: 1, seq: 0 };
        let life = KEY_LIFE.as_millis() as u64;
        assert_eq!(keys.find("a", &key, (None, &x), 5), Ok(None));
        keys.remember("a", key.clone(), (None, &x), id, 5);
        assert_eq!(keys.find("a", &key, (None, &x), 5 + life), Ok(Some(id)));
        let other = Err(Error::KeyReused);
        assert_eq!(keys.find("a", &key, (None, &y), 5 + life), other);
        assert_eq!(keys.find("a", &key, (Some("e"), &x), 5 + life), other);
        assert_eq!(keys.find("b", &key, (None, &y), 5 + life), Ok(None));
        assert_eq!(keys.find("a", &key, (None, &y), 6 + life), Ok(None));
        assert!(keys.ends.is_empty() && keys.known.is_empty());
    }

    #[test]
    fn no_key_is_forgotten_to_make_room() {
        let mut keys = Keys::default();
        let key = |number: usize| Key::new(number.to_string().as_bytes()).unwrap();
        let (x, id) = (Data::new(b"x"), Id { ms: 1, seq: 0 });
        for number in 0..MAX_KEYS {
            assert_eq!(keys.find("a", &key(number), (None, &x), 5), Ok(None));
            keys.remember("a", key(number), (None, &x), id, 5);
        }
        let full = Err(Error::TooManyKeys);
        assert_eq!(keys.find("a", &key(MAX_KEYS), (None, &x), 5), full);
        assert_eq!(keys.find("a", &key(0), (None, &x), 5), Ok(Some(id)));
    }
}
