//! Readers of history: where each stands, while what it reads is not in the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::Start;
use crate::net::ConnectionId;

/// The readers of history, by their connections.
#[derive(Debug, Default)]
pub(super) struct Cold {
    pub(super) readers: HashMap<ConnectionId, Past>,
    /// The serial of the last question.
    pub(super) asked: u32,
}

/// Where a reader stands in history.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) channel: Arc<str>,
    pub(super) start: Start,
    /// The serial of the question that is out.
    pub(super) asked: Option<u32>,
    /// For a poll: how long it may wait if there is nothing; `None` for who waits again and again.
    pub(super) poll: Option<Option<Duration>>,
}
