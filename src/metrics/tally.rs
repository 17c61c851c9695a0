//! What one loop has counted, and what all loops have together.
//!
//! Which metric is what, with its unit, is said in `docs/operate.md`, in the order of [`Tally::write`]; a test holds the two
//! together.

use std::collections::BTreeMap;

use super::{Histogram, Text};

/// Names the places of an array, each with the word that its label has.
macro_rules! labels {
    ($(#[$docs:meta])* $name:ident { $($(#[$variant_docs:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$variant_docs])* $variant,)* }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word,)*];
            const COUNT: usize = $name::WORDS.len();
        }
    };
}

labels! {
    /// How a request is served, or a message goes out.
    Way {
        ShortPoll = "short_poll",
        LongPoll = "long_poll",
        Events = "sse",
        Socket = "websocket",
    }
}

labels! {
    /// What a connection is at the moment.
    Kind {
        /// Of requests that are answered at once, or idle between two.
        Request = "request",
        LongPoll = "long_poll",
        Events = "sse",
        Socket = "websocket",
        /// Dialed by a client on the loop.
        Dialed = "dialed",
    }
}

labels! {
    /// How a message is published.
    Source {
        Post = "post",
        Socket = "websocket",
        /// Through a handle of the program's.
        Program = "program",
    }
}

labels! {
    /// Why a message is not published.
    #[cfg_attr(not(feature = "backend"), allow(dead_code))]
    Reason {
        InvalidName = "invalid_name",
        InvalidEvent = "invalid_event",
        /// A frame, where only a POST publishes.
        ReadOnly = "read_only",
        TooLarge = "too_large",
        KeyReused = "key_reused",
        TooManyKeys = "too_many_keys",
        TooManyChannels = "too_many_channels",
        /// A loop is too far behind.
        Overloaded = "overloaded",
        /// Too much waits for the backend.
        QueueFull = "queue_full",
        /// The backend does not take any.
        Away = "away",
        /// It may be kept, or not.
        InDoubt = "in_doubt",
        Other = "other",
    }
}

/// The numbers of one loop, or the sums of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) loops: u64,
    /// By [`Kind`].
    pub(crate) connections: [u64; Kind::COUNT],
    pub(crate) accepted: u64,
    /// Of channels, by [`Way`].
    pub(crate) requests: [u64; Way::COUNT],
    pub(crate) posts: u64,
    /// For handlers, this page, and whatever else is no channel.
    pub(crate) other_requests: u64,
    /// By status.
    pub(crate) refusals: BTreeMap<u16, u64>,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) unsent_bytes: u64,
    /// By [`Source`].
    pub(crate) published: [u64; Source::COUNT],
    /// By [`Reason`].
    pub(crate) unpublished: [u64; Reason::COUNT],
    /// By [`Way`].
    pub(crate) delivered: [u64; Way::COUNT],
    /// WebSocket messages for handlers.
    pub(crate) handled: u64,
    pub(crate) gaps: u64,
    pub(crate) channels: u64,
    pub(crate) history_readers: u64,
    pub(crate) lag: u64,
    pub(crate) publish_delay: Histogram,
    pub(crate) delivery_delay: Histogram,
    pub(crate) turn: Histogram,
}

fn add_each<const N: usize>(all: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in all.iter_mut().zip(more) {
        // A sum of parts that are counted as differences wraps on its way to what it is.
        *sum = sum.wrapping_add(*more);
    }
}

impl Tally {
    /// Adds what another loop has counted.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.loops += other.loops;
        add_each(&mut self.connections, &other.connections);
        self.accepted += other.accepted;
        add_each(&mut self.requests, &other.requests);
        self.posts += other.posts;
        self.other_requests += other.other_requests;
        for (&status, count) in &other.refusals {
            *self.refusals.entry(status).or_default() += count;
        }
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.unsent_bytes += other.unsent_bytes;
        add_each(&mut self.published, &other.published);
        add_each(&mut self.unpublished, &other.unpublished);
        add_each(&mut self.delivered, &other.delivered);
        self.handled += other.handled;
        self.gaps += other.gaps;
        // Each loop has a replica of all of them.
        self.channels = self.channels.max(other.channels);
        self.history_readers += other.history_readers;
        self.lag = self.lag.max(other.lag);
        self.publish_delay.add(&other.publish_delay);
        self.delivery_delay.add(&other.delivery_delay);
        self.turn.add(&other.turn);
    }

    /// Adds what threads of the program have published without a loop.
    pub(crate) fn add_published_by_threads(&mut self, messages: u64) {
        self.published[Source::Program as usize] += messages;
    }

    /// Writes all of it.
    pub(crate) fn write(&self, text: &mut Text) {
        text.gauge("barewire_loops", "Loops that serve.")
            .value(self.loops);
        let family = text.gauge(
            "barewire_connections",
            "Open connections, by what they are at the moment.",
        );
        by_word(family, "way", Kind::WORDS, &self.connections);
        text.counter(
            "barewire_connections_accepted_total",
            "Connections that were accepted.",
        )
        .value(self.accepted);
        let family = text.counter(
            "barewire_requests_total",
            "Requests that were let in, by how they are served.",
        );
        by_word(family, "way", Way::WORDS, &self.requests)
            .labelled("way", "publish", self.posts)
            .labelled("way", "request", self.other_requests);
        let mut family = text.counter(
            "barewire_refusals_total",
            "Requests that were answered with 4xx or 5xx, by status.",
        );
        for (&status, &count) in &self.refusals {
            family = family.labelled("status", status, count);
        }
        text.counter(
            "barewire_received_bytes_total",
            "Bytes that came from peers, without TLS.",
        )
        .value(self.received_bytes);
        text.counter(
            "barewire_sent_bytes_total",
            "Bytes that the system has taken for peers, without TLS.",
        )
        .value(self.sent_bytes);
        text.gauge(
            "barewire_unsent_bytes",
            "Bytes of answers that peers have not taken yet.",
        )
        .value(self.unsent_bytes);
        self.write_messages(text);
        self.write_times(text);
    }

    fn write_messages(&self, text: &mut Text) {
        let family = text.counter(
            "barewire_published_messages_total",
            "Messages that were published, by where they came from.",
        );
        by_word(family, "way", Source::WORDS, &self.published);
        let family = text.counter(
            "barewire_publish_refusals_total",
            "Messages that were not published, by reason.",
        );
        by_word(family, "reason", Reason::WORDS, &self.unpublished);
        let family = text.counter(
            "barewire_delivered_messages_total",
            "Messages of channels that readers were sent, by how they read.",
        );
        by_word(family, "way", Way::WORDS, &self.delivered);
        text.counter(
            "barewire_handled_messages_total",
            "WebSocket messages that handlers were given.",
        )
        .value(self.handled);
        text.counter(
            "barewire_gaps_total",
            "Readers that were told that messages are missing.",
        )
        .value(self.gaps);
        text.gauge("barewire_channels", "Channels in memory.")
            .value(self.channels);
        text.gauge(
            "barewire_history_readers",
            "Readers that get messages which are not in memory any more.",
        )
        .value(self.history_readers);
        text.gauge(
            "barewire_reader_lag_messages",
            "How many messages the slowest reader is behind its channel.",
        )
        .value(self.lag);
    }

    fn write_times(&self, text: &mut Text) {
        text.histogram(
            "barewire_publish_delay_seconds",
            "From a request to publish to its acknowledgement.",
            &self.publish_delay,
        );
        text.histogram(
            "barewire_delivery_delay_seconds",
            "From the id of a message to the end of the turn that wrote it: the oldest of each turn.",
            &self.delivery_delay,
        );
        text.histogram(
            "barewire_turn_seconds",
            "How long turns of the loop take, without waiting.",
            &self.turn,
        );
    }
}

fn by_word<'t>(
    mut family: super::Samples<'t>,
    label: &'static str,
    words: &[&'static str],
    counts: &[u64],
) -> super::Samples<'t> {
    for (&word, &count) in words.iter().zip(counts) {
        family = family.labelled(label, word, count);
    }
    family
}
