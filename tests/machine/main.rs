//! A server's connection as a machine: bytes and time go in, bytes come out, and no socket is near.
//!
//! Each module is about one part of what a client meets; tests are grouped by the section of the RFC that asks for
//! the behaviour, or by the part of the design, and the bytes are written out.

mod access;
mod access_log;
mod channel_sockets;
mod conversations;
mod cores;
mod deadlines;
#[cfg(feature = "deflate")]
mod deflate;
mod fanout;
mod fields;
mod handlers;
mod health;
mod http;
mod limits;
mod metrics;
mod pipelining;
mod polls;
mod publishing;
mod refusals;
mod retention;
mod shutdown;
mod sizes;
mod socket_handlers;
mod sockets;
mod streams;
mod support;
mod window;
