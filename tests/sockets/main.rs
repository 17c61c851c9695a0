//! The server and its loop over real sockets on the loopback interface.
//!
//! What a server says is tested elsewhere, without sockets or a clock. Here is what only sockets can show: partial
//! reads and writes, resets, half-closes, peers that do not read, crowds, descriptors that run out, threads.
//!
//! No test sleeps in order to wait for something. It waits for the event itself, for as long as
//! [`support::PATIENCE`]; where something must not happen, it waits for a later event that would have come after it.

#[cfg(unix)]
mod child;
mod cores;
#[cfg(unix)]
mod crowd;
mod echo;
mod handles;
mod hub;
mod laboratory;
mod protocol;
#[cfg(target_os = "linux")]
mod queues;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
#[path = "../servers/redis.rs"]
mod redis_server;
mod rude;
mod slow;
#[cfg(feature = "durable")]
mod store;
mod streams;
mod support;
