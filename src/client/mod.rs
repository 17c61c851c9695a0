//! Clients of the same protocols, on the same loop and codecs.
//!
//! A client is a machine without I/O, a `Talk`: bytes and the time go in; bytes, the next deadline and what comes after
//! the connection come out. There are three: the subscription, the WebSocket, and the one that publishes. The webhook sender has a fourth (`webhook/sender/courier`). The `Dialer` gives them connections, one
//! after the other, and a loop turns it: a [`ClientLoop`], or a server's. Who waits instead of being called has
//! [`subscribe`], [`publish`] and [`WebSocket`], which turn a loop of their own.
//!
//! ```text
//!   blocking ──► client_loop ──┐        Subscribe::open, Connect::open, Publish::open: wait for what comes
//!                server ───────┴─► dialer ──► talk          names, addresses, connections, waits
//!                                               ├── subscription    four ways to one stream, and the cursor
//!                                               ├── publication     messages in order, each once
//!                                               └── socket          one WebSocket, opened again by choice
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | `client_loop` | a loop of clients alone |
//! | `blocking`, `publishing` | clients for a program that waits |
//! | `dialer` | all clients of a loop, and what each does without a connection |
//! | `talk` | what a client is to the dialer, and the head of an answer |
//! | `subscription/` | the state of a subscription; `request`, `answer` and `body` are a connection's course, `fallback` what follows a failure, `cursor` the place in the stream |
//! | `publication/` | the state of a client that publishes; `request` and `answer` are a message's course, `outbox` the way in |
//! | `socket` | the WebSocket client |
//! | `options`, `event`, `error`, `url` | what is asked for, and what is told |
//! | `backoff` | how long is waited, and what ends a row of failures |
//! | `simulation` | a subscription or a publisher whose server is played by the program |
//! | `browser` | the client for browsers, which is JavaScript |
//!
//! Nothing that a server says makes a client spin, keep more than its limits allow, or ask for the same bytes again and
//! again; and nothing is lost or repeated on the way from one connection to the next. The tests say so of whole clients,
//! with the time in their hands.

mod backoff;
mod blocking;
mod browser;
mod client_loop;
mod dialer;
mod error;
mod event;
mod options;
mod publication;
mod publishing;
mod simulation;
mod socket;
mod subscription;
mod talk;
mod url;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use blocking::{Subscription, WebSocket, subscribe};
pub use browser::{JAVASCRIPT, TYPESCRIPT};
pub use client_loop::ClientLoop;
pub(crate) use dialer::{Dialed, Dialer};
pub use error::Error;
pub use event::Event;
pub use options::{Oversized, POLL_INTERVAL, POLL_WAIT, SILENCE, Subscribe, Transport, Update};
pub use publication::{
    MAX_POST, OUTBOX_BYTES, OUTBOX_MESSAGES, Outbox, PUBLISH_WITHIN, Publish, Settled,
};
pub use publishing::{Publishing, publish};
pub use simulation::Simulation;
pub use socket::{Closed, Connect};
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) use talk::{Around, HeadReader, Sequel, Talk};
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) use url::Url;

pub use crate::command::ClientId;
