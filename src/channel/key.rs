//! Idempotency keys: names under which a message is published once, however often it is sent.

use std::time::Duration;

/// The most bytes of an idempotency key.
pub const MAX_KEY: usize = 255;
/// How long a key is remembered at least after its message was acknowledged.
pub const KEY_LIFE: Duration = Duration::from_secs(5 * 60);

/// An idempotency key: one to [`MAX_KEY`] bytes, of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// `None` if it is empty or too long.
    pub fn new(key: &[u8]) -> Option<Key> {
        (1..=MAX_KEY).contains(&key.len()).then(|| Key(key.into()))
    }

    /// The key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
