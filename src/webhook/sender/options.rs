//! What a sender of webhooks allows, with the reason for each default.

use std::time::Duration;

use super::event::Event;
use crate::webhook::{Allowed, Schedule};

/// Subscriptions of one channel at once: 100.
pub const PER_CHANNEL: usize = 100;
/// Subscriptions at once, of all channels: 100,000.
pub const SUBSCRIPTIONS: usize = 100_000;
/// Deliveries under way at once: 256.
pub const AT_ONCE: usize = 256;
/// Connections to one host and port at once: 4.
pub const PER_PLACE: usize = 4;
/// Names that are looked up at once, each in a thread of its own: 8.
pub const LOOKUPS: usize = 8;
/// How long a receiver may take to answer: 15 s, as Standard Webhooks asks (15 to 30 s).
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long it may take to connect: 5 s.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next delivery: 30 s, less than most receivers keep one.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of an answer's body that are read, and thrown away, to use its connection again: 64 KiB.
pub const ANSWER_BYTES: u64 = 64 * 1024;

/// What becomes of a message that its receiver refuses again and again (a status from 400 to 499, but for 408, 410, 425
/// and 429, which are about something else).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refused {
    /// It is tried again as the schedule says, and what comes behind it waits: order is kept, and nothing is left out.
    #[default]
    Block,
    /// After so many tries it is left out, and [`Event::Parked`] says so.
    Park {
        /// How many tries it is given.
        after: u32,
    },
}

/// What is called with events.
pub(super) type OnEvent = Box<dyn FnMut(&Event) + Send>;

/// What a sender of webhooks does and allows.
///
/// ```
/// use barewire::webhook::{Allowed, Options, Schedule};
/// use std::time::Duration;
///
/// let options = Options {
///     allowed: Allowed::new().network("127.0.0.0/8".parse()?),
///     schedule: Schedule { waits: vec![Duration::from_secs(1)], ..Schedule::default() },
///     ..Options::default()
/// };
/// # assert_eq!(options.at_once, 256);
/// # Ok::<(), barewire::webhook::NetworkError>(())
/// ```
///
/// Written as `Options { allowed, ..Options::default() }`: a later version may have more fields.
pub struct Options {
    /// Where deliveries may go besides the public internet. Default: nowhere.
    pub allowed: Allowed,
    /// When what has failed is tried again. Default: that of Standard Webhooks.
    pub schedule: Schedule,
    /// What becomes of a message that is refused again and again. Default: [`Refused::Block`].
    pub refused: Refused,
    /// Subscriptions of one channel. Default: 100 ([`PER_CHANNEL`]).
    pub per_channel: usize,
    /// Subscriptions of all channels. Default: 100,000 ([`SUBSCRIPTIONS`]).
    pub subscriptions: usize,
    /// Deliveries at once. Default: 256 ([`AT_ONCE`]).
    pub at_once: usize,
    /// Connections to one host and port at once. Default: 4 ([`PER_PLACE`]).
    pub per_place: usize,
    /// Look-ups of names at once. Default: 8 ([`LOOKUPS`]).
    pub lookups: usize,
    /// How long connecting may take. Default: 5 s ([`CONNECT_TIMEOUT`]).
    pub connect_timeout: Duration,
    /// How long an answer may take. Default: 15 s ([`ANSWER_TIMEOUT`]).
    pub answer_timeout: Duration,
    /// How long a connection is kept for the next delivery. Default: 30 s ([`KEEP_ALIVE`]).
    pub keep_alive: Duration,
    /// Sends `X-Hub-Signature-256` too. Default: no.
    pub hub_signature: bool,
    /// Whom deliveries to https trust. Default: the authorities that the system trusts.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::net::tls::ClientTls>,
    /// Called with what the program's operator should know.
    pub on_event: Option<OnEvent>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            allowed: Allowed::new(),
            schedule: Schedule::default(),
            refused: Refused::default(),
            per_channel: PER_CHANNEL,
            subscriptions: SUBSCRIPTIONS,
            at_once: AT_ONCE,
            per_place: PER_PLACE,
            lookups: LOOKUPS,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            hub_signature: false,
            #[cfg(feature = "tls")]
            tls: None,
            on_event: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("allowed", &self.allowed)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
