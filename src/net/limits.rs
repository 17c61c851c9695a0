//! What a loop allows its connections, and in all. Each bound holds before memory is taken for what it bounds.

use std::time::Duration;

/// Connections that may wait to be accepted at each listener; the system drops the first packet of further ones, which
/// come again a second later. Twice what nginx and node ask for (511): a burst as after a restart should fit. Linux
/// allows as many as `net.core.somaxconn` says, 4,096 by default.
pub const LISTEN_QUEUE: u32 = 1_024;
/// Connections that one loop holds; further ones wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 100_000;
/// Connections from one address, if that is limited: by default it is not, because behind a proxy all come from one.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = MAX_CONNECTIONS;
/// Unread output, in bytes, from which on a peer is not read from until it has read, and a stream's writer waits.
pub const HIGH_WATER: usize = 64 * 1024;
/// Unread output, in bytes, at which a connection is given up. Above the largest message that can be echoed.
pub const MAX_BACKLOG: usize = 32 * 1024 * 1024;
/// How long the handshake of TLS may take, of either side: as long as a request head.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take none of the bytes that wait for it.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long shutting down may take before what is left is cut off.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the loop allows each connection, and in all.
///
/// Written as `Limits { backlog, ..Limits::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that may wait to be accepted at each listener that the loop makes; a listener made elsewhere keeps its
    /// own. It takes effect only with the feature `listen-queue`, on Unix; without it, the standard library's 128 hold. Default: 1,024
    /// ([`LISTEN_QUEUE`]).
    pub listen_queue: u32,
    /// Connections at once; further ones wait in the listener's queue. Default: 100,000 ([`MAX_CONNECTIONS`]).
    pub connections: usize,
    /// Connections at once from one address (of IPv6: from one /64); further ones are closed. Default: no limit
    /// ([`MAX_CONNECTIONS_PER_ADDRESS`]).
    pub connections_per_address: usize,
    /// Bytes of unread output from which on a peer is not read from; with 0, no peer would be read from. Default: 64 KiB
    /// ([`HIGH_WATER`]).
    pub high_water: usize,
    /// Bytes of unread output at which a connection is given up. Default: 32 MiB ([`MAX_BACKLOG`]).
    pub backlog: usize,
    /// How long the handshake of TLS may take. Default: 10 s ([`HANDSHAKE_TIMEOUT`]).
    pub handshake_timeout: Duration,
    /// How long a peer may take none of its output. Default: 60 s ([`STALL_TIMEOUT`]).
    pub stall_timeout: Duration,
    /// How long shutting down may take. Default: 5 s ([`DRAIN_TIMEOUT`]).
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            listen_queue: LISTEN_QUEUE,
            connections: MAX_CONNECTIONS,
            connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            high_water: HIGH_WATER,
            backlog: MAX_BACKLOG,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}
