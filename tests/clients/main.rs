//! The clients over real sockets on the loopback interface: against the crate's own server, with a proxy between them
//! that blocks and cuts, and against servers that were written by hand.
//!
//! What a client does with every kind of answer is tested beside it, without sockets or a clock. No test sleeps in
//! order to wait for something: it waits for the event itself.

mod bridge;
mod following;
mod proxy;
mod publishing;
mod restarts;
mod sockets;
#[allow(dead_code)]
#[path = "../sockets/support.rs"]
mod support;
