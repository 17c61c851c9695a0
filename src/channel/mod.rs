//! Channels: one log, many cursors.
//!
//! A channel is an ordered [`Log`] of messages. Whoever reads it is a cursor into it; *how* it is read (a poll, an
//! event stream, a WebSocket) only decides how a reader waits and in which [`Encoding`] it gets the messages. So
//! resume, history, gaps, order and slow readers are solved here once, and no transport has rules of its own.
//!
//! | file | subject |
//! | --- | --- |
//! | `id` | message ids and cursors, `<ms>-<seq>` |
//! | `log` | what is retained, and where a cursor stands |
//! | `encoded` | the log in the encodings of its readers, each message encoded once |
//! | `size` | what a message takes in its largest encoding |
//! | `post`, `key` | a message to be published, and the key under which it is published once |
//! | `reader` | a cursor, and what it may be given |
//! | `channel` | one channel: its log, in the encodings of its readers |
//! | `hub` | all channels of a server, under limits |
//! | `given` | how much its readers were given |
//! | `read` | what a reader or a poll gets from a hub |
//! | `watch` | reading without an encoding, from any cursor |
//! | `replica`, `siblings` | the same channels in several hubs |
//!
//! Nothing here does I/O or knows a clock: the time of a publish is an argument, and readers are woken by name
//! ([`Hub::take_woken`]).
//!
//! ```
//! use barewire::channel::{Data, Encoding, Hub, Limits, Next, Start};
//!
//! let mut hub = Hub::new(Limits::default(), 1_000);
//! let mut reader = hub.attach("ticks", Encoding::EventStream, Start::Oldest, 1)?;
//! hub.publish("ticks", None, Data::new(b"42"), 2_000)?;
//! let Next::Bytes(bytes) = hub.next(&reader) else { panic!("a message was published") };
//! assert_eq!(bytes, b"id: 2000-0\ndata: 42\n\n");
//! let sent = bytes.len();
//! hub.advance(&mut reader, sent);
//! assert_eq!(hub.next(&reader), Next::Nothing);
//! # Ok::<(), barewire::channel::Error>(())
//! ```

mod aging;
// It is about one of them, and there is no better word.
#[allow(clippy::module_inception)]
mod channel;
#[cfg(feature = "backend")]
mod cold;
mod encoded;
mod error;
#[cfg_attr(not(feature = "server"), allow(dead_code))]
mod given;
mod hub;
mod id;
mod key;
mod log;
mod post;
mod read;
mod reader;
// Without the loop there is nobody to carry entries.
#[cfg_attr(not(feature = "server"), allow(dead_code))]
mod replica;
mod siblings;
mod size;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
mod watch;

pub use encoded::Encoding;
pub use error::Error;
#[cfg(feature = "server")]
pub(crate) use given::Stand;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use hub::check_event;
pub use hub::{Hub, Limits, MAX_CHANNELS, MAX_NAME, MAX_SUBSCRIBERS, check_name};
pub use id::{Id, InvalidId};
#[cfg_attr(not(feature = "server"), allow(unused_imports))]
pub use key::{KEY_LIFE, Key, MAX_KEY};
pub use log::{
    Data, Log, Position, RETAINED_AGE, RETAINED_BYTES, RETAINED_MESSAGES, Record, Retention, Start,
};
pub use post::Post;
pub use reader::{BATCH_BYTES, BATCH_MESSAGES, Batch, Next, Reader};
#[cfg(feature = "server")]
pub(crate) use replica::{Draft, Entry};
pub use size::MAX_ENCODED;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) use watch::{Ahead, Watch};

/// The event name of a message that was published without one (WHATWG HTML 9.2.6).
pub const DEFAULT_EVENT: &str = "message";

/// The event name under which a reader learns that messages are missing. It can't be published under.
pub const GAP_EVENT: &str = "gap";
