//! The event loop: sockets, readiness, deadlines and wakers over mio. It knows no protocol.
//!
//! ```text
//!            ┌────────────────────── Loop::turn ──────────────────────┐
//!   sockets  │ poll ─► accept ─► commands ─► deadlines ─► ready list  │
//!   ───────► │                                             │          │
//!            │        one read into the loop's buffer ◄────┤          │
//!            │                    │                        │          │
//!            │        Protocol::received(bytes) ──► Output │          │
//!            │                                        │    │          │
//!   ◄─────── │        one write of the whole answer ◄─┘    │          │
//!            │        Protocol::shared ──► one write ◄─ woken readers │
//!            └────────────────────────────────────────────────────────┘
//! ```
//!
//! A protocol is a [`Protocol`]: bytes and the time go in; bytes, the next deadline and the wish to close come out,
//! through [`Io`]. It never sees a socket, so it is tested without one. The loop in turn keeps the rules that are
//! the same for every protocol:
//!
//! - **Edge-triggered and fair.** A connection is read once a visit, into one buffer that all connections share,
//!   and goes to the back of the ready list while there is more. Who is sent more than a budget gets the rest by and
//!   by, a few such connections a turn, so that a large answer keeps no small one waiting.
//! - **One write per visit.** What a protocol answers to one read goes out together. Large payloads that still lie
//!   in the read buffer are written from there ([`Output::send`]).
//! - **Idle costs nothing.** A connection owns memory only for output that its peer has not taken yet.
//! - **Who does not read is not read from**, from [`Limits::high_water`] on; who takes nothing for
//!   [`Limits::stall_timeout`] is dropped.
//! - **Closing is polite** (RFC 9112 9.6): all output, then a half-close, then a bounded wait for the peer's end,
//!   so that the peer sees the answer and not a reset.
//! - **Out of descriptors** (or at the connection limit), accepting pauses until a connection has gone or a moment
//!   has passed; it never spins.

mod accept;
mod backlog;
mod clock;
mod connections;
mod deadline;
#[cfg(test)]
pub(crate) mod fault;
#[cfg(feature = "lens")]
mod faulty;
mod limits;
mod listeners;
mod mailbox;
mod output;
mod peers;
mod protocol;
mod slot;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "lens")]
mod trace;
mod transport;
mod turn;
mod wire;

/// What [`Protocol::shared_sent`] gives: bytes that are shared, of the crate `bytes`.
pub use bytes::Bytes;
pub use clock::Now;
pub(crate) use clock::{millis, unix_ms};
#[cfg(test)]
pub(crate) use connections::Connections;
#[cfg(feature = "lens")]
pub use faulty::{Break, Faulty, Mishap, Mishaps};
pub use limits::{
    DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT, HIGH_WATER, LISTEN_QUEUE, Limits, MAX_BACKLOG,
    MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, STALL_TIMEOUT,
};
pub(crate) use listeners::listeners;
#[cfg(all(feature = "reuseport", any(target_os = "linux", target_os = "android")))]
pub use listeners::reuseport;
pub(crate) use mailbox::Post;
pub use mailbox::{Mailbox, SendError};
pub use output::{LEND, Output};
pub use protocol::{ConnectionId, Dial, Flow, Io, Protocol, Traffic};
#[cfg(feature = "lens")]
pub use trace::{Tap, Traced};
pub use turn::Loop;
pub(crate) use wire::Seal;
