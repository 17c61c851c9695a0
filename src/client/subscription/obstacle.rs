//! What is known of a message that is larger than is taken: [`fallback`](super::fallback) gets around it.

use crate::client::options::Transport;

/// A message that is larger than is taken, directly behind the cursor.
#[derive(Debug, Default)]
pub(super) struct Obstacle {
    /// The ways, of [`Transport::ALL`], in which it has come to be too large.
    met: [bool; Transport::COUNT],
    /// Its id, or that of a message behind it, once the server has said it.
    pub(super) id: Option<Box<str>>,
    /// A poll is asked for the id alone.
    pub(super) sounding: bool,
}

impl Obstacle {
    /// Whether it is known to be too large this way.
    pub(super) fn blocks(&self, way: usize) -> bool {
        self.met.get(way).is_some_and(|met| *met)
    }

    /// It has come to be too large this way.
    pub(super) fn meet(&mut self, way: usize) {
        if let Some(met) = self.met.get_mut(way) {
            *met = true;
        }
    }
}
