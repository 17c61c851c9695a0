//! What the store has counted, as metrics.

use std::time::Duration;

use super::core::Volume;
use crate::metrics::{Histogram, Text};

/// What there is to be said of a store.
pub(super) struct Measured {
    pub(super) volume: Volume,
    pub(super) commits: Histogram,
    pub(super) syncs: Histogram,
    /// Messages and bytes.
    pub(super) queued: (u64, u64),
    /// Bytes of the file.
    pub(super) length: u64,
    /// 1 if it has.
    pub(super) failed: u64,
}

/// Writes all of it.
pub(super) fn write(text: &mut Text, measured: &Measured) {
    let Volume {
        channels,
        messages,
        bytes,
        keys,
        oldest,
    } = measured.volume;
    text.gauge(
        "barewire_store_failed",
        "1 if the store has failed and takes nothing more.",
    )
    .value(measured.failed);
    text.counter("barewire_store_commits_total", "Commits of the store.")
        .value(measured.commits.count());
    text.histogram(
        "barewire_store_commit_seconds",
        "How long commits take, with their syncs.",
        &measured.commits,
    );
    text.histogram(
        "barewire_store_sync_seconds",
        "How long the system takes to sync the file.",
        &measured.syncs,
    );
    text.gauge(
        "barewire_store_queued_messages",
        "Messages that wait for the next commit.",
    )
    .value(measured.queued.0);
    text.gauge(
        "barewire_store_queued_bytes",
        "Bytes of messages that wait for the next commit.",
    )
    .value(measured.queued.1);
    text.gauge("barewire_store_channels", "Channels in the store.")
        .value(channels);
    text.gauge("barewire_store_messages", "Messages in the store.")
        .value(messages);
    text.gauge("barewire_store_keys", "Idempotency keys in the store.")
        .value(keys);
    text.gauge(
        "barewire_store_retained_bytes",
        "What messages count against the bound of the store, in bytes.",
    )
    .value(bytes);
    text.gauge("barewire_store_file_bytes", "Size of the file.")
        .value(measured.length);
    let oldest = oldest.map_or(f64::NAN, |id| Duration::from_millis(id.ms).as_secs_f64());
    text.gauge(
        "barewire_store_oldest_message_timestamp_seconds",
        "When the oldest message of the store was published, in seconds since 1970; NaN if there is none.",
    )
    .value(oldest);
}
