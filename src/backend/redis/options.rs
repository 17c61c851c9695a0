//! What is said of Redis when it is opened: where its keys lie, and what is retained.

use std::time::Duration;

/// In front of all keys.
pub const PREFIX: &str = "barewire";
/// Messages retained per channel.
pub const RETAINED_MESSAGES: u64 = 1_000_000;
/// Bytes retained per channel.
pub const RETAINED_BYTES: u64 = 1 << 30;
/// Channels that are remembered, with messages or without, by each shard.
pub const SHARD_CHANNELS: u64 = 100_000;
/// Shards over which channels are spread.
pub const SHARDS: u16 = 16;
/// How long an answer may take before its connection is given up.
pub const DEADLINE: Duration = Duration::from_secs(4);
/// How long a Redis that has begun anew waits for the nodes that come back to it: they try once a second at least.
pub const SETTLE: Duration = Duration::from_secs(2);

/// What is retained in Redis. All nodes have to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Messages per channel; [`u64::MAX`] is no bound. See [`RETAINED_MESSAGES`].
    pub messages: u64,
    /// Bytes of data and event names per channel; [`u64::MAX`] is no bound. See [`RETAINED_BYTES`].
    pub bytes: u64,
    /// Nothing older than this. [`Duration::MAX`], the default, is no bound. A channel in which nothing was published for so
    /// long takes no more than its name and last id.
    pub age: Duration,
    /// Channels that each shard remembers. Beyond them a new one is refused. See [`SHARD_CHANNELS`].
    pub channels: u64,
}

impl Default for Retained {
    fn default() -> Retained {
        Retained {
            messages: RETAINED_MESSAGES,
            bytes: RETAINED_BYTES,
            age: Duration::MAX,
            channels: SHARD_CHANNELS,
        }
    }
}

/// How Redis is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What all keys begin with, and all channels of pub/sub. Programs with the same prefix and database share their
    /// channels; others see nothing of each other. See [`PREFIX`].
    pub prefix: String,
    /// What is retained.
    pub retained: Retained,
    /// Over how many shards channels are spread: what a Cluster can divide. It is fixed by the first node that uses the
    /// prefix. See [`SHARDS`].
    pub shards: u16,
    /// How long opening waits for a Redis that can't be reached, is loading, or is a replica that may be promoted.
    /// Default: not at all.
    pub wait: Duration,
    /// How long an answer may take. See [`DEADLINE`].
    pub deadline: Duration,
    /// How long a Redis that has lost everything takes no messages, so that each node that comes back can say first what its
    /// readers have seen last: see the [module](super). See [`SETTLE`].
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            prefix: PREFIX.into(),
            retained: Retained::default(),
            shards: SHARDS,
            wait: Duration::ZERO,
            deadline: DEADLINE,
            settle: SETTLE,
        }
    }
}
