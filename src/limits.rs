//! Every limit of the library, with its default and where the default comes from.
//!
//! A limit is checked before memory is taken for what it limits. All of them are on by default; a program
//! changes those it wants and leaves the rest:
//!
//! ```
//! use barewire::Limits;
//! let limits = Limits { body: 64 * 1024, ..Limits::default() };
//! # assert_eq!(limits.fields, 100);
//! ```
//!
//! Those of channels are one field of it. Here a busy channel wakes its readers every 5 ms instead of for each message:
//!
//! ```
//! use barewire::{Limits, channel};
//! use std::time::Duration;
//! let window = Duration::from_millis(5);
//! let channels = channel::Limits { window, ..channel::Limits::default() };
//! let limits = Limits { channels, ..Limits::default() };
//! # assert_eq!(limits.channels.window, window);
//! ```

use std::time::Duration;

#[cfg(any(feature = "server", feature = "client"))]
use crate::session::Patience;
use crate::{channel, http, net, ws};

/// The largest request body that is taken, in bytes, unless the program says otherwise.
pub const MAX_BODY: usize = 1024 * 1024;
/// How long a client may take from the first byte of a request head to its end (slowloris).
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an announced body may go without a byte (slow POST).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may idle between two requests: as long as nginx keeps one by default.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The longest that a long poll waits, whatever its client asks for.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often a WebSocket is pinged; one that stays silent for two intervals is dropped. Half of the shortest time, one
/// minute, for which proxies bear silence by default (nginx's `proxy_read_timeout`).
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long the peer may take to answer our close frame (RFC 6455 7.1.1).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an event stream carries a comment, so that proxies and half-open peers are noticed: what WHATWG HTML 9.2.7
/// recommends.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Commands from other threads that may wait for the loop.
pub const MAX_QUEUED: usize = 65_536;
/// Messages that may wait for one loop of several before nothing new is taken: 503, or close code 1013.
pub const MAX_BEHIND: usize = 65_536;
/// Bytes of such messages, what they are kept with included.
pub const MAX_BEHIND_BYTES: usize = 64 * 1024 * 1024;

/// What happens to an event stream or a WebSocket that reads a channel so slowly that messages are no longer retained when it
/// comes to them. Other readers are not affected: a reader is a place in the log, and nothing is kept for it alone.
///
/// ```
/// use barewire::{Limits, limits::SlowReader};
///
/// let limits = Limits { slow_reader: SlowReader::Close, ..Limits::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowReader {
    /// It gets an event `gap`, and goes on with the oldest that is retained.
    #[default]
    Gap,
    /// It is ended: an event stream with the end of its body, a WebSocket with close code 1013. A client that comes
    /// back gets the gap then.
    Close,
}

/// What a server allows. See the constants of this module for the reasons.
///
/// Written as `Limits { body, ..Limits::default() }`: a later version may have more fields.
///
/// | limit | default | what the client gets beyond it |
/// | --- | --- | --- |
/// | `head`, `fields` | 16 KiB, 100 | 431 |
/// | `target` | 8 KiB | 414 |
/// | `body` | 1 MiB | 413 |
/// | `header_timeout` | 10 s | 408 |
/// | `body_timeout` | 30 s | 408 |
/// | `handshake_timeout` | 10 s | dropped |
/// | `keep_alive` | 75 s | the connection closes |
/// | `wait` | 60 s | 204 at this time |
/// | `message`, `frame` | 16 MiB | close code 1009 |
/// | `fragments` | 131,072 | close code 1008 |
/// | `ping_interval` | 30 s | dropped after two without a byte |
/// | `close_timeout` | 5 s | dropped |
/// | `high_water` | 64 KiB | not read from until it reads |
/// | `backlog` | 32 MiB | dropped |
/// | `stall_timeout` | 60 s | dropped |
/// | `listen_queue` | 1,024 (128 without the feature `listen-queue`) | comes again a second later |
/// | `connections` | 100,000 | waits to be accepted |
/// | `connections_per_address` | none | closed at once |
/// | `heartbeat` | 15 s | a comment in a silent event stream |
/// | `drain_timeout` | 5 s | dropped, when the server stops |
/// | `slow_reader` | `Gap` | an event `gap`, or the end |
/// | `channels.retention` | 10,000 messages, 16 MiB, 1 h | a gap, for a cursor that is older |
/// | `channels.encoded` | 16 MiB, in its largest encoding | 413, or close code 1009 |
/// | `channels.batch_messages`, `channels.batch_bytes` | 1,000, 1 MiB | `"more":true` |
/// | `channels.window` | none | messages together, when a busy channel has rested |
/// | `channels.channels`, `channels.subscribers` | 10,000, 100,000 | 503 |
///
/// Fixed are the 16 KiB of chunk extensions and trailers of one body ([`http::MAX_CHUNK_EXTRA`], 413), the four empty
/// lines in front of a request ([`http::MAX_EMPTY_LINES`], 400), the 256 bytes of a channel's name
/// ([`channel::MAX_NAME`], 400), the two seconds that a connection which was closed waits for its peer's end, and the
/// commands of other threads that may wait for the loop ([`MAX_QUEUED`]; the thread gets
/// [`SendError::Full`](crate::net::SendError::Full)). With several loops, what may wait for one of them is fixed too
/// ([`MAX_BEHIND`], [`MAX_BEHIND_BYTES`]; 503).
///
/// ```
/// use barewire::Limits;
/// use std::time::Duration;
///
/// let limits = Limits { body: 64 * 1024, wait: Duration::from_secs(25), ..Limits::default() };
/// assert_eq!(limits.message, 16 << 20); // as it was
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head, its empty line included. Default: 16 KiB ([`http::MAX_HEAD`]).
    pub head: usize,
    /// Fields of a request head; more than 256 count as 256. Default: 100 ([`http::MAX_FIELDS`]).
    pub fields: usize,
    /// Bytes of a request target. Default: 8 KiB ([`http::MAX_TARGET`]).
    pub target: usize,
    /// Bytes of a request body. Default: 1 MiB ([`MAX_BODY`]).
    pub body: usize,
    /// From the first byte of a request head to its end. Default: 10 s ([`HEADER_TIMEOUT`]).
    pub header_timeout: Duration,
    /// For the handshake of TLS; the header timeout begins behind it. Default: 10 s ([`net::HANDSHAKE_TIMEOUT`]).
    pub handshake_timeout: Duration,
    /// Without a byte of an announced body. Default: 30 s ([`BODY_TIMEOUT`]).
    pub body_timeout: Duration,
    /// Between two requests of a connection. Default: 75 s ([`KEEP_ALIVE`]).
    pub keep_alive: Duration,
    /// The longest wait of a long poll, whatever its client asks for. Default: 60 s ([`MAX_WAIT`]).
    pub wait: Duration,
    /// Bytes of a WebSocket message; of a compressed one both as it comes and as it is. Default: 16 MiB
    /// ([`ws::MAX_MESSAGE`]).
    pub message: usize,
    /// Bytes of a WebSocket frame. Default: 16 MiB ([`ws::MAX_FRAME`]).
    pub frame: usize,
    /// Fragments of one WebSocket message. Default: 131,072 ([`ws::MAX_FRAGMENTS`]).
    pub fragments: u32,
    /// Between two pings of a silent WebSocket, which is dropped after two of them. Default: 30 s
    /// ([`PING_INTERVAL`]).
    pub ping_interval: Duration,
    /// For the peer's answer to our close frame. Default: 5 s ([`CLOSE_TIMEOUT`]).
    pub close_timeout: Duration,
    /// Between two comments in a silent event stream. Default: 15 s ([`HEARTBEAT`]).
    pub heartbeat: Duration,
    /// How long a peer may take none of the bytes that wait for it. Default: 60 s ([`net::STALL_TIMEOUT`]).
    pub stall_timeout: Duration,
    /// For what is under way when the server stops. Default: 5 s ([`net::DRAIN_TIMEOUT`]).
    pub drain_timeout: Duration,
    /// Bytes that wait for a peer, from which on it is not read from. Default: 64 KiB ([`net::HIGH_WATER`]).
    pub high_water: usize,
    /// Bytes that wait for a peer, at which it is dropped. Default: 32 MiB ([`net::MAX_BACKLOG`]).
    pub backlog: usize,
    /// Connections that may wait to be accepted at each listener that the server makes; more come a second later. Default:
    /// 1,024 ([`net::LISTEN_QUEUE`]).
    ///
    /// **It takes effect only with the feature `listen-queue`, on Unix.** Without it the queue is 128 whatever is set here,
    /// because the standard library and mio ask for that number and offer no other:
    /// `barewire = { version = "0.1", features = ["listen-queue"] }`, which adds one crate (`socket2`). The system's own bound
    /// (on Linux `net.core.somaxconn`, 4,096) holds besides.
    pub listen_queue: u32,
    /// Connections at once; further ones wait to be accepted. Default: 100,000 ([`net::MAX_CONNECTIONS`]).
    pub connections: usize,
    /// Connections from one address; of IPv6, a /64 is one address. Default: as many as in all
    /// ([`net::MAX_CONNECTIONS_PER_ADDRESS`]).
    pub connections_per_address: usize,
    /// What happens to readers of channels that are too slow. Default: [`SlowReader::Gap`].
    pub slow_reader: SlowReader,
    /// What channels keep and how many there may be. Default: 10,000 messages, 16 MiB and one hour in each of at most
    /// 10,000 channels; see [`channel::Limits`].
    pub channels: channel::Limits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: http::MAX_HEAD,
            fields: http::MAX_FIELDS,
            target: http::MAX_TARGET,
            body: MAX_BODY,
            header_timeout: HEADER_TIMEOUT,
            handshake_timeout: net::HANDSHAKE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            wait: MAX_WAIT,
            message: ws::MAX_MESSAGE,
            frame: ws::MAX_FRAME,
            fragments: ws::MAX_FRAGMENTS,
            ping_interval: PING_INTERVAL,
            close_timeout: CLOSE_TIMEOUT,
            heartbeat: HEARTBEAT,
            stall_timeout: net::STALL_TIMEOUT,
            drain_timeout: net::DRAIN_TIMEOUT,
            high_water: net::HIGH_WATER,
            backlog: net::MAX_BACKLOG,
            listen_queue: net::LISTEN_QUEUE,
            connections: net::MAX_CONNECTIONS,
            connections_per_address: net::MAX_CONNECTIONS_PER_ADDRESS,
            slow_reader: SlowReader::default(),
            channels: channel::Limits::default(),
        }
    }
}

impl Limits {
    pub(crate) fn net_limits(&self) -> net::Limits {
        net::Limits {
            listen_queue: self.listen_queue,
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            // Nobody could be read from below one byte.
            high_water: self.high_water.max(1),
            backlog: self.backlog,
            handshake_timeout: self.handshake_timeout,
            stall_timeout: self.stall_timeout,
            drain_timeout: self.drain_timeout,
        }
    }

    pub(crate) fn head_limits(&self) -> http::HeadLimits {
        http::HeadLimits {
            head: self.head,
            fields: self.fields,
            target: self.target,
        }
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            ping_interval: self.ping_interval,
            close_timeout: self.close_timeout,
        }
    }

    pub(crate) fn message_limits(&self) -> ws::Limits {
        ws::Limits {
            message: self.message,
            frame: self.frame,
            fragments: self.fragments,
        }
    }
}
