//! Clients of the same protocols, on the same loop and codecs.

mod backoff;
mod blocking;
mod browser;
mod clients;
mod error;
mod event;
mod looped;
mod options;
mod subscription;
mod talk;
mod url;
mod websocket;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use blocking::{Subscription, WebSocket, subscribe};
pub use browser::{JAVASCRIPT, TYPESCRIPT};
pub(crate) use clients::{Clients, Dialed};
pub use error::Error;
pub use event::Event;
pub use looped::Client;
pub use options::{Oversized, POLL_INTERVAL, POLL_WAIT, SILENCE, Subscribe, Transport, Update};
pub use websocket::{Connect, Over};

pub use crate::command::ClientId;

use crate::limits::{CLOSE_TIMEOUT, MAX_BACKLOG, PING_INTERVAL};
use crate::session::Patience;

/// How patient an open WebSocket of a client's is: as a server's.
const SESSION: Patience = Patience {
    ping_interval: PING_INTERVAL,
    close_timeout: CLOSE_TIMEOUT,
    backlog: MAX_BACKLOG,
};
