//! What a subscriber asks for, and what it is told.
//!
//! [`Subscribe`] only collects: [`Subscribe::check`] looks at all of it at once, before a connection is made, so that what
//! a field can't hold is never found on the way. The fields that the client writes itself are refused.

use std::time::Duration;

use super::backoff::Backoff;
use super::error::Error;
use super::event::Event;
use super::url::Url;
use crate::channel::MAX_ENCODED;
use crate::http::{FieldName, FieldValue};
#[cfg(feature = "tls")]
use crate::net::tls::ClientTls;
use crate::session::compression::Deflating;

/// How a channel is read.
///
/// ```
/// use barewire::{Subscribe, Transport};
///
/// // This way and no other.
/// let subscribe = Subscribe::to("http://127.0.0.1:9000/channels/a").transport(Transport::EventStream);
/// assert_eq!(Transport::EventStream.name(), "sse");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// One upgrade, then a frame per message.
    WebSocket,
    /// One answer that never ends (text/event-stream).
    EventStream,
    /// A request that waits for the next message, again and again.
    LongPoll,
    /// A request now and then.
    ShortPoll,
}

impl Transport {
    /// All of them, in the order in which they are tried.
    pub const ALL: &'static [Transport] = &[
        Transport::WebSocket,
        Transport::EventStream,
        Transport::LongPoll,
        Transport::ShortPoll,
    ];

    /// How many they are.
    pub(super) const COUNT: usize = Transport::ALL.len();

    /// Its name in lower case: `websocket`, `sse`, `long-poll`, `short-poll`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::EventStream => "sse",
            Transport::LongPoll => "long-poll",
            Transport::ShortPoll => "short-poll",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens to a subscription.
///
/// ```no_run
/// # fn main() -> Result<(), barewire::ClientError> {
/// use barewire::{Subscribe, Update};
///
/// let mut updates = Subscribe::to("http://127.0.0.1:9000/channels/a").open()?;
/// while let Some(update) = updates.next_update() {
///     match update {
///         Update::Event(event) if event.is_gap() => println!("messages are missing"),
///         Update::Event(event) => println!("{}", event.data()),
///         Update::Connected(transport) => println!("by {transport}"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// The channel is read from now on, over this transport.
    Connected(Transport),
    /// An event has come.
    Event(Event),
    /// The connection was lost or refused, and is tried again.
    Lost {
        /// What went wrong.
        error: Error,
        /// The next try comes after this time.
        retry_in: Duration,
    },
    /// This transport does not work here; the next one of [`Transport::ALL`] is tried, and after the last the first.
    FellBack {
        /// The transport that does not work.
        transport: Transport,
        /// Why it does not work.
        error: Error,
    },
    /// The subscription has ended: because the program or the server ended it, or by a permanent error.
    Ended(Option<Error>),
}

/// What a subscription does when a message is larger than its limit over every transport that it may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversized {
    /// It ends with [`Error::TooLarge`].
    #[default]
    End,
    /// It goes on behind that message, with an event `gap` in its place. It ends all the same if the server does not say
    /// where that is: a server of this crate does.
    Skip,
}

/// How long short polling waits between two requests.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long a long poll asks the server to wait.
pub const POLL_WAIT: Duration = Duration::from_secs(30);
/// How long the stream of a server that sends heartbeats may be silent: three of a hub's.
pub const SILENCE: Duration = Duration::from_secs(45);

/// Options of a subscription: its URL, its transport, and where it begins. Begin with [`Subscribe::to`].
///
/// ```no_run
/// use barewire::{Subscribe, Transport};
///
/// let events = Subscribe::to("http://127.0.0.1:9000/channels/ticks")
///     .transport(Transport::EventStream)
///     .after("1763709279000-0")
///     .header("Authorization", "Bearer abc")
///     .open()?;
/// for event in events {
///     println!("{}", event?.data());
/// }
/// # Ok::<(), barewire::ClientError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a subscription begins when it is opened or given to a loop"]
pub struct Subscribe {
    url: String,
    options: SubscribeOptions,
}

#[derive(Clone, Debug)]
pub(super) struct SubscribeOptions {
    pub(super) transport: Option<Transport>,
    pub(super) cursor: Option<Box<str>>,
    pub(super) from_now: bool,
    pub(super) fields: Vec<(String, String)>,
    pub(super) backoff: Backoff,
    pub(super) interval: Duration,
    pub(super) wait: Duration,
    pub(super) silence: Option<Duration>,
    pub(super) max_message: usize,
    pub(super) oversized: Oversized,
    pub(super) deflating: Deflating,
    /// Always there where the URL is a secure one.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTls>,
}

impl Subscribe {
    /// A subscription to a channel's URL (`http://` or `ws://`, which are the same; with the feature `tls`
    /// also `https://` and `wss://`), over whichever transport works.
    pub fn to(url: &str) -> Subscribe {
        let options = SubscribeOptions {
            transport: None,
            cursor: None,
            from_now: false,
            fields: Vec::new(),
            backoff: Backoff::default(),
            interval: POLL_INTERVAL,
            wait: POLL_WAIT,
            silence: Some(SILENCE),
            max_message: MAX_ENCODED,
            oversized: Oversized::default(),
            deflating: Deflating::default(),
            #[cfg(feature = "tls")]
            tls: None,
        };
        Subscribe {
            url: url.to_owned(),
            options,
        }
    }

    /// Uses only this transport. With [`Transport::EventStream`] the URL may be that of any event stream of any server, and
    /// silence is then no reason to reconnect, as other servers need not send heartbeats: see [`Subscribe::silence`].
    pub fn transport(mut self, transport: Transport) -> Subscribe {
        if transport == Transport::EventStream && self.options.transport.is_none() {
            self.options.silence = None;
        }
        self.options.transport = Some(transport);
        self
    }

    /// Begins behind the event with this id.
    pub fn after(mut self, id: &str) -> Subscribe {
        self.options.cursor = (!id.is_empty()).then(|| id.into());
        self
    }

    /// Begins with what is published from now on. Without it and [`Subscribe::after`], a subscription begins with
    /// the oldest message that is retained.
    pub fn from_now(mut self) -> Subscribe {
        self.options.from_now = true;
        self
    }

    /// Sends a field with every request, such as `Authorization`. It is not sent to a server of another origin that a
    /// redirect leads to.
    pub fn header(mut self, name: &str, value: &str) -> Subscribe {
        self.options
            .fields
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets how long to wait before connecting again.
    pub fn backoff(mut self, backoff: Backoff) -> Subscribe {
        self.options.backoff = backoff;
        self
    }

    /// Sets how long short polling waits between two requests ([`POLL_INTERVAL`]).
    pub fn interval(mut self, interval: Duration) -> Subscribe {
        self.options.interval = interval;
        self
    }

    /// Sets how long a long poll asks the server to wait, in whole seconds ([`POLL_WAIT`]).
    pub fn wait(mut self, wait: Duration) -> Subscribe {
        self.options.wait = wait;
        self
    }

    /// Sets how long an event stream may be silent before it is considered lost ([`SILENCE`]); `None`: for ever.
    pub fn silence(mut self, silence: Option<Duration>) -> Subscribe {
        self.options.silence = silence;
        self
    }

    /// Sets the largest message that is accepted, in bytes as it is sent ([`MAX_ENCODED`], which is also the largest that a
    /// server of this crate publishes). One that is larger over one transport is tried over the next.
    pub fn max_message(mut self, bytes: usize) -> Subscribe {
        self.options.max_message = bytes;
        self
    }

    /// Sets what happens at a message that is too large over every transport ([`Oversized::End`]).
    pub fn oversized(mut self, oversized: Oversized) -> Subscribe {
        self.options.oversized = oversized;
        self
    }

    /// Sets how a WebSocket's messages are compressed if the server agrees; `None`: not at all. By default as
    /// [`Settings::default`](crate::ws::deflate::Settings) says.
    #[cfg(feature = "deflate")]
    pub fn deflate(
        mut self,
        settings: impl Into<Option<crate::ws::deflate::Settings>>,
    ) -> Subscribe {
        self.options.deflating.settings = settings.into();
        self
    }

    /// Sets which certificates are trusted where the URL is `https://` or `wss://`, instead of the system's.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &ClientTls) -> Subscribe {
        self.options.tls = Some(tls.clone());
        self
    }

    /// What was asked for, checked.
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    pub(super) fn check(mut self) -> Result<(Url, SubscribeOptions), Error> {
        let url = Url::parse(&self.url)?;
        #[cfg(feature = "tls")]
        trust_for(&url, &mut self.options.tls)?;
        check_fields(&self.options.fields)?;
        if let Some(cursor) = &self.options.cursor {
            FieldValue::new(&**cursor).map_err(Error::Field)?;
        }
        Ok((url, self.options))
    }
}

/// Finds whom to trust where nobody is named and the URL is a secure one.
#[cfg(feature = "tls")]
pub(super) fn trust_for(url: &Url, tls: &mut Option<ClientTls>) -> Result<(), Error> {
    if url.scheme.is_secure() && tls.is_none() {
        *tls = Some(ClientTls::system()?);
    }
    Ok(())
}

/// The fields that the client writes itself.
const OURS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "host",
    "idempotency-key",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "last-event-id",
    "prefer",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
];

pub(super) fn check_fields(fields: &[(String, String)]) -> Result<(), Error> {
    for (name, value) in fields {
        FieldName::new(name).map_err(Error::Field)?;
        FieldValue::new(value).map_err(Error::Field)?;
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(Error::Field(crate::http::Error::FieldName));
        }
    }
    Ok(())
}

/// Fields as they are written. They were checked before.
pub(super) fn written(fields: &[(String, String)]) -> Vec<(FieldName<'_>, FieldValue<'_>)> {
    fields
        .iter()
        .filter_map(|(name, value)| {
            Some((FieldName::new(name).ok()?, FieldValue::new(value).ok()?))
        })
        .collect()
}
