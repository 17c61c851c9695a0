//! TLS over real sockets: our server with another's client, our client with another's server, and both with each other.
//! The other one is rustls by itself, driven by hand.
//!
//! As in `tests/sockets`, no test sleeps in order to wait for something.

mod clients;
mod ends;
mod handshakes;
mod servers;
mod support;
