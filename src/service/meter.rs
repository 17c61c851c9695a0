//! What one loop counts for `Server::metrics`, and how it is asked.
//!
//! ```text
//!   GET /metrics ──► scrape: a promise, and an order to every loop ──► on_order: noted
//!                                                                       │ the turn ends: the loop shows all connections
//!   the answer ◄── the last loop writes the sum of all ◄── add ◄────────┘ survey*, surveyed
//! ```
//!
//! Counted when it happens is what happens once for a request, a publish or a turn. What happens once for a delivery is not
//! counted then: readers are places in logs, so how many messages they were sent is how far they have moved, and the hub knows
//! that from where they began and where they ended (`channel::given`). Those that are still there are asked
//! when somebody wants to know, together with how far each is behind: one walk over the connections, at the end of a turn,
//! for all who have asked by then.
//!
//! A server that nobody asks has no meter, and pays one look at an empty place for each of the above.
//!
//! The service calls it; what it does when somebody asks is in [`report`](super::report).

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "backend")]
use crate::backend::Refusal;
use crate::channel::{self, Encoding, Hub, Stand};
use crate::command::Scrape;
use crate::http::Status;
use crate::metrics::{Kind, Reason, Source, Tally, Way};
use crate::net::{Now, Traffic, unix_ms};

/// The counters of one loop.
#[derive(Debug)]
pub(crate) struct Meter {
    clock: Clock,
    began_unix_ms: u64,
    /// What is counted when it happens.
    counted: Tally,
    /// What is found when all connections are looked at.
    found: Tally,
    /// Who has asked.
    asked: Vec<Arc<Scrape>>,
}

/// Where a meter has the time from.
#[derive(Clone, Copy, Debug)]
enum Clock {
    System { began: Instant },
    Simulated(Now),
}

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter {
            clock: Clock::System {
                began: Instant::now(),
            },
            began_unix_ms: unix_ms(),
            counted: Tally::default(),
            found: Tally::default(),
            asked: Vec::new(),
        }
    }

    /// When it began, in milliseconds since 1970.
    pub(super) fn began_unix_ms(&self) -> u64 {
        self.began_unix_ms
    }

    /// From now on the time is what a test says.
    pub(super) fn set_time(&mut self, now: Now) {
        if let Clock::System { .. } = self.clock {
            self.began_unix_ms = now.unix_ms;
        }
        self.clock = Clock::Simulated(now);
    }

    /// The time since it began.
    pub(super) fn elapsed(&self) -> Duration {
        match self.clock {
            Clock::System { began } => began.elapsed(),
            Clock::Simulated(now) => Duration::from_millis(now.ms),
        }
    }

    fn unix_ms(&self) -> u64 {
        match self.clock {
            Clock::System { .. } => unix_ms(),
            Clock::Simulated(now) => now.unix_ms,
        }
    }

    /// A request to a channel was let in.
    pub(super) fn read_by(&mut self, way: Way) {
        self.counted.requests[way as usize] += 1;
    }

    /// A request that is for no channel was let in.
    pub(super) fn requested(&mut self) {
        self.counted.other_requests += 1;
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, status: Status) {
        if status.code() >= 400 {
            *self.counted.refusals.entry(status.code()).or_default() += 1;
        }
    }

    /// Messages were sent to a reader that is not a place in a log: a poll, or one of history.
    pub(super) fn delivered(&mut self, way: Way, messages: usize, gap: bool) {
        self.counted.delivered[way as usize] += messages as u64;
        self.counted.gaps += u64::from(gap);
    }

    /// A reader is told that messages are missing, or ended for it.
    pub(super) fn missed(&mut self) {
        self.counted.gaps += 1;
    }

    /// A message of a WebSocket is given to its handler.
    pub(super) fn handled(&mut self) {
        self.counted.handled += 1;
    }

    /// A message was published, or why not.
    pub(super) fn published(&mut self, source: Source, result: Result<(), Reason>) {
        match result {
            Ok(()) => self.counted.published[source as usize] += 1,
            Err(reason) => self.counted.unpublished[reason as usize] += 1,
        }
    }

    /// A request to publish that came at `began` was acknowledged.
    pub(super) fn acknowledged(&mut self, began: Duration) {
        self.counted.posts += 1;
        let took = self.elapsed().saturating_sub(began);
        self.counted.publish_delay.record(took);
    }

    /// Somebody asks.
    pub(super) fn ask(&mut self, scrape: Arc<Scrape>) {
        self.asked.push(scrape);
    }

    /// A turn is over that began at `began`, and has written messages whose oldest got its id at `oldest`. Returns whether
    /// somebody has asked.
    pub(super) fn turned(&mut self, began: Instant, oldest: Option<u64>) -> bool {
        let took = match self.clock {
            Clock::System { .. } => began.elapsed(),
            Clock::Simulated(_) => Duration::ZERO,
        };
        self.counted.turn.record(took);
        if let Some(oldest) = oldest {
            let delay = self.unix_ms().saturating_sub(oldest);
            let delay = Duration::from_millis(delay);
            self.counted.delivery_delay.record(delay);
        }
        !self.asked.is_empty()
    }

    /// There is a connection, whose peer has not taken this much.
    pub(super) fn found(&mut self, kind: Kind, unsent: usize) {
        self.found.connections[kind as usize] += 1;
        self.found.unsent_bytes += unsent as u64;
    }

    /// There is a reader.
    pub(super) fn found_reader(&mut self, stand: Stand) {
        self.found.lag = self.found.lag.max(stand.behind);
        let delivered = &mut self.found.delivered[way_of(stand.encoding) as usize];
        *delivered = delivered.wrapping_add(stand.next);
    }

    /// All connections were looked at: whoever has asked is told.
    pub(super) fn tell(&mut self, traffic: Traffic, hub: &Hub, history_readers: usize) {
        let mut tally = std::mem::take(&mut self.found);
        tally.add(&self.counted);
        tally.loops = 1;
        tally.accepted = traffic.accepted;
        tally.received_bytes = traffic.received;
        tally.sent_bytes = traffic.sent;
        tally.channels = hub.len() as u64;
        tally.history_readers = history_readers as u64;
        let given = hub.given();
        tally.gaps += given.gaps;
        for (encoding, moved) in given.moved() {
            let delivered = &mut tally.delivered[way_of(encoding) as usize];
            *delivered = delivered.wrapping_add(moved);
        }
        for scrape in std::mem::take(&mut self.asked) {
            scrape.add(&tally);
        }
    }
}

/// How a reader of this encoding reads. Polls are counted when they are answered, and do not move.
fn way_of(encoding: Encoding) -> Way {
    match encoding {
        Encoding::Json => Way::LongPoll,
        Encoding::EventStream | Encoding::EventChunks => Way::Events,
        _ => Way::Socket,
    }
}

impl From<channel::Error> for Reason {
    fn from(error: channel::Error) -> Reason {
        match error {
            channel::Error::InvalidName => Reason::InvalidName,
            channel::Error::InvalidEvent | channel::Error::ReservedEvent => Reason::InvalidEvent,
            channel::Error::TooLarge => Reason::TooLarge,
            channel::Error::KeyReused => Reason::KeyReused,
            channel::Error::TooManyKeys => Reason::TooManyKeys,
            channel::Error::TooManyChannels => Reason::TooManyChannels,
            channel::Error::Overloaded => Reason::Overloaded,
            _ => Reason::Other,
        }
    }
}

#[cfg(feature = "backend")]
impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Reason {
        match refusal {
            Refusal::Full => Reason::QueueFull,
            Refusal::Away => Reason::Away,
            Refusal::TooManyChannels => Reason::TooManyChannels,
            Refusal::TooManyKeys => Reason::TooManyKeys,
            Refusal::KeyReused => Reason::KeyReused,
        }
    }
}
