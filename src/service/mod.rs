//! One connection of a server as a machine without I/O, and what all of them share.
//!
//! ```text
//!   machine ──► exchange ──► router ──► reply            a handler answers: at once, later, piece by piece
//!  (Protocol)      │            ├─────► ways             a channel: publish, poll, event stream ──► channels ──► hub
//!      │           │            └─────► upgrade          101, and from then on:
//!      │           └── access, origin, cors: who may     │
//!      └──────────────────────────────────────────────► socket    frames to a handler or a channel
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | `state` | what a connection is in, and every step from one state to another |
//! | `machine` | what the loop calls, handed on by the state that it meets |
//! | `shared` | what all connections share: routes, channels, limits, hooks |
//! | `exchange` | one request: its head, who may, its body, its answer |
//! | `router`, `pattern` | which route a request is for; `websocket` and `channel_route` are what may be set on one |
//! | `reply`, `claim`, `credit`, `form` | a handler's answer, who settles it, how much of it may wait, and how it is written |
//! | `ways`, `upgrade`, `socket` | a channel's URL, the handshake, and an open WebSocket |
//! | `channels`, `feed`, `keys` | the channels of one loop, of several, and what was published under a key |
//! | `backed`, `history`, `cold`, `opening` | channels with a backend behind them, and readers of history |
//! | `access`, `origin`, `cors` | who may, and what a page of another origin gets |
//! | `request`, `report`, `log`, `meter` | what a handler is given; health and metrics; the access log; what is counted |
//! | `simulation` | a server without sockets and a clock, for tests |
//!
//! The invariant: **a connection changes its state in `state` alone**, and holds a reader of a channel exactly in the states that
//! name one.

mod access;
#[cfg(feature = "backend")]
mod backed;
mod channel_route;
mod channels;
mod claim;
#[cfg(feature = "backend")]
mod cold;
mod cors;
mod credit;
mod exchange;
mod feed;
mod form;
#[cfg(feature = "backend")]
mod history;
mod keys;
mod log;
mod machine;
mod meter;
#[cfg(feature = "backend")]
mod opening;
mod origin;
mod pattern;
mod reply;
mod report;
mod request;
mod router;
mod shared;
mod simulation;
mod socket;
mod state;
#[cfg(all(test, feature = "backend"))]
mod tests;
mod upgrade;
mod ways;
mod websocket;

pub use access::Access;
#[cfg(all(feature = "backend", feature = "webhook", feature = "client"))]
pub(crate) use backed::webhook_ticket;
pub use channel_route::ChannelRoute;
pub(crate) use channels::Channels;
pub(crate) use feed::Feed;
pub use log::Answered;
pub(crate) use log::Log;
pub(crate) use meter::Meter;
pub use reply::{EventStream, Later, Reply, Stream};
pub use request::Request;
pub(crate) use router::{Endpoint, Pages, Report};
pub(crate) use shared::Service;
pub use simulation::Simulation;
pub(crate) use state::Connection;
pub use websocket::WebSocketRoute;
