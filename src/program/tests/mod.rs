//! A whole program, server and clients, on connections that do whatever a socket may do.
//!
//! Everything above the sockets is what runs in earnest: [`Connections`](crate::net::Connections) with a transport
//! in memory in place of TCP, and the test in place of the poll and the clock.

mod client;
mod fanout;
mod large;
#[cfg(feature = "tls")]
mod secured;
mod server;
mod vanished;
mod world;
