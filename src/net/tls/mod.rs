//! TLS (RFC 8446 and, for peers that know no better, RFC 5246), as a filter of bytes between socket and protocol.
//!
//! ```text
//!     protocol                    speaks plaintext, and never learns more than that nobody else can read it
//!   ─────┼───────────────────
//!     Slot                        backlog, deadlines, turns: the same code for plain and for secured connections
//!   ─────┼───────────────────
//!     Wire ── Session             plaintext ──► rustls ──► records ──► unsent, if the socket is full
//!        │                        plaintext ◄── rustls ◄── records
//!   ─────┼───────────────────
//!     socket                      type(1) version(2) length(2), and at most 2^14 + 256 bytes  (RFC 8446 5.1, 5.2)
//! ```
//!
//! What is ready is not what the socket is ready for. The loop is told by edges, so each of these has to be right, or a
//! connection sleeps for ever or spins:
//!
//! - **Bytes may arrive and no plaintext**: part of a record, a key update, a ticket. Reading says
//!   [`Interrupted`](std::io::ErrorKind::Interrupted) then, which is "not this time, but look again", and only the
//!   socket itself says that it would block.
//! - **Plaintext may be there and no bytes**: what came in one read may be more than fits. A read says whether there is
//!   more, instead of leaving that to be guessed from its length.
//! - **A write may be done and its records not**: they wait in `unsent`, count as backlog, and go first. Nothing is
//!   encrypted while there are any, so that at most 64 KiB are ever encrypted ahead of the peer.
//! - **Reading may write** (alerts, tickets, answers to key updates), and the handshake is both.
//!
//! Ends are told apart (RFC 8446 6.1): `close_notify` is an end, and FIN without it is an error, as anybody on the way
//! can send one: what came before may be cut short. Our own `close_notify` goes out before our FIN, and an alert that
//! says what was wrong before a connection that failed is closed.
//!
//! A handshake has its time ([`Limits::handshake_timeout`](super::Limits::handshake_timeout)) and is the most expensive
//! thing that a stranger can ask for, so a turn takes only a few steps of handshakes, and all else goes on in between
//! (`HANDSHAKES` in `connections.rs`). Its messages may hold 64 KiB, which rustls sees to.
//!
//! The protocol is asked for by name, `http/1.1` (RFC 7301): a peer that speaks only others is refused with
//! `no_application_protocol`, and one that names none may come in. There is no renegotiation, no compression, no early
//! data (whose replay no handler would notice) and nothing before TLS 1.2.

#[cfg(test)]
pub(crate) mod certificates;
mod client;
mod error;
mod filter;
mod pem;
mod server;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub(crate) use client::server_name;
pub use error::Error;
pub use filter::Filter;
pub use pem::Roots;
pub use server::ServerTls;
pub(super) use session::Session;

/// RFC 7301 6: HTTP/1.1, which WebSocket begins with too.
const ALPN: &[u8] = b"http/1.1";

/// The cryptography, named here so that it does not depend on what else the program links.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
