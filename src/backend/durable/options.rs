//! What is said of a store when it is opened: what an acknowledgement promises, and what is retained.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Messages retained per channel.
pub const RETAINED_MESSAGES: u64 = 1_000_000;
/// Bytes retained per channel.
pub const RETAINED_BYTES: u64 = 1 << 30;
/// Bytes that all channels together count.
pub const STORE_BYTES: u64 = 16 << 30;
/// Channels that are remembered, with messages or without.
pub const STORED_CHANNELS: u64 = 100_000;
/// What a message counts against the bound of the whole store, besides its data and event name.
pub const MESSAGE_BYTES: u64 = 32;
/// What a channel counts against it.
pub const CHANNEL_BYTES: u64 = 512;
/// Idempotency keys that are remembered at once.
pub const KEPT_KEYS: u64 = 1_000_000;
/// Memory for pages of the file.
pub const CACHE_BYTES: usize = 32 << 20;

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was acknowledged, or seen by a reader, was written and synced before: it is there after a crash of the
    /// process, of the system, or a power cut, as far as the medium keeps what it has acknowledged.
    #[default]
    Synced,
    /// It is synced at most this much later: a crash may take away what was acknowledged in that time. Ids are not given
    /// twice all the same, and a cursor of what is gone is told a gap.
    Every(Duration),
    /// It is synced when it suits: at the latest after half a minute or 16 MiB, and at an orderly end. Otherwise as
    /// [`Durability::Every`].
    System,
}

/// What is retained on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Messages per channel. See [`RETAINED_MESSAGES`].
    pub messages: u64,
    /// Bytes of data and event names per channel. See [`RETAINED_BYTES`].
    pub bytes: u64,
    /// Nothing older than this. [`Duration::MAX`], the default, is no bound.
    pub age: Duration,
    /// Bytes of all channels together. See [`STORE_BYTES`].
    pub store_bytes: u64,
    /// Channels that are remembered. See [`STORED_CHANNELS`].
    pub channels: u64,
}

impl Default for Retained {
    fn default() -> Retained {
        Retained {
            messages: RETAINED_MESSAGES,
            bytes: RETAINED_BYTES,
            age: Duration::MAX,
            store_bytes: STORE_BYTES,
            channels: STORED_CHANNELS,
        }
    }
}

/// How a store is opened.
#[non_exhaustive]
pub struct Options {
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// What is retained.
    pub retained: Retained,
    /// Memory for pages of the file, in bytes. See [`CACHE_BYTES`].
    pub cache_bytes: usize,
    pub(super) on_progress: Option<OnProgress>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::default(),
            retained: Retained::default(),
            cache_bytes: CACHE_BYTES,
            on_progress: None,
        }
    }
}

impl Options {
    /// Calls `hook` about once a second while opening takes longer than that.
    #[must_use]
    pub fn on_progress(mut self, hook: impl FnMut(Progress) + Send + 'static) -> Options {
        self.on_progress = Some(Box::new(hook));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("retained", &self.retained)
            .field("cache_bytes", &self.cache_bytes)
            .finish_non_exhaustive()
    }
}

/// How far the opening of a store is. See [`Options::on_progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub read: u64,
    /// About how many there are to read.
    pub of: u64,
}

pub(super) type OnProgress = Box<dyn FnMut(Progress) + Send>;

/// Milliseconds since 1970, by a clock that may be set.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
