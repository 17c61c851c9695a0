//! What was counted of Redis, as metrics.

use super::shared::Queue;
use crate::metrics::Text;

/// Writes all of it. `skipped` are entries that can't be read.
pub(super) fn write(text: &mut Text, queue: &Queue, skipped: u64) {
    text.gauge(
        "barewire_redis_up",
        "1 if Redis takes messages, and if what other nodes publish is heard of.",
    )
    .labelled("for", "publishing", u64::from(queue.publishing.is_none()))
    .labelled("for", "listening", u64::from(queue.listening.is_none()));
    text.counter(
        "barewire_redis_batches_total",
        "Batches that Redis has answered: one for each shard of what waited meanwhile.",
    )
    .value(queue.batches.count());
    text.histogram(
        "barewire_redis_batch_seconds",
        "How long batches take, from when they are sent first until they are answered.",
        &queue.batches,
    );
    text.gauge(
        "barewire_redis_queued_messages",
        "Messages that wait to be sent to Redis.",
    )
    .value(queue.drafts.len() as u64);
    text.gauge(
        "barewire_redis_queued_bytes",
        "Bytes of messages that wait to be sent to Redis.",
    )
    .value(queue.bytes as u64);
    text.counter(
        "barewire_redis_unreadable_entries_total",
        "Entries of Redis that were skipped: damaged, or written by something else.",
    )
    .value(skipped);
}
