//! What a server says of itself: whether it works, and what it has counted.
//!
//! Health is answered at once, by what this loop knows. Metrics are promised: all loops are asked, each says what it has
//! counted when its turn ends ([`meter`](super::meter)), and the last one answers. A loop that does not answer in time makes
//! it a 503: sums without one of the loops would look as if counters had gone back.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::claim::{Awaited, Claim};
use super::feed::Feed;
use super::form::Form;
use super::reply::{Fallback, Later};
use super::router::Report;
use super::shared::Service;
use super::state::{Connection, Parked, State};
use super::ways::no_store;
use crate::command::{Order, Promise, Scrape};
use crate::http::Status;
use crate::json;
use crate::metrics::{Kind, MEDIA_TYPE, Tally, Text};
use crate::net::{Io, Traffic};
use crate::response::{RETRY_AFTER, Response, refusal};

/// How long the loops have to say what they have counted. Prometheus waits for 10 s.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a server is to be sent requests, and why not.
#[cfg_attr(not(feature = "backend"), allow(dead_code))]
enum Health {
    Ok,
    /// Answers as if all were well: it is of use to readers.
    Degraded(String),
    Unavailable(&'static str, String),
}

impl Service {
    /// Answers a request for one of these, on the route at `index`.
    pub(super) fn answer_report(
        &mut self,
        connection: &mut Connection,
        index: usize,
        report: Report,
        form: Form,
        io: &mut Io<'_>,
    ) {
        match report {
            Report::Health => {
                let response = self.health().response();
                self.respond(io, form, &no_store(response));
            }
            Report::Metrics if self.draining => {
                let why = "the server shuts down";
                self.respond(io, form, &refusal(Status::SERVICE_UNAVAILABLE, why));
            }
            Report::Metrics => self.scrape(connection, index, form, io),
        }
    }

    /// Asks all loops, and promises the answer.
    fn scrape(&mut self, connection: &mut Connection, index: usize, form: Form, io: &mut Io<'_>) {
        let claim = Claim::default();
        let promise = Promise {
            id: io.id,
            serial: connection.serial,
        };
        let later = Later::new(self.mailbox.clone(), promise, claim.clone());
        let feed = self.channels.feed().map(|(feed, _)| feed);
        let mailboxes = match &feed {
            Some(feed) => feed.mailboxes(),
            None => vec![self.mailbox.clone()],
        };
        let began_ms = self.meter.as_ref().map_or(0, |meter| meter.began_unix_ms());
        // What waits in a mailbox must not own the feed, which owns the mailbox.
        let feed = feed.map(|feed| Arc::downgrade(&feed));
        let scrape = Arc::new(Scrape::new(mailboxes.len(), move |tally| {
            // Who asked may have gone.
            let _ = later.send(no_store(page(tally, began_ms, feed)));
        }));
        io.set_deadline(SCRAPE_TIMEOUT);
        connection.promise(Parked {
            form,
            route: index,
            awaited: Awaited(claim),
            fallback: Some(Fallback {
                time: SCRAPE_TIMEOUT,
                make: Box::new(|| {
                    let why = "one of the loops did not say in time what it has counted";
                    refusal(Status::SERVICE_UNAVAILABLE, why)
                }),
            }),
        });
        for mailbox in mailboxes {
            if mailbox
                .order_last(Order::Measure(Arc::clone(&scrape)))
                .is_err()
            {
                // It has ended.
                scrape.add(&Tally::default());
            }
        }
    }

    fn health(&self) -> Health {
        if self.draining {
            return Health::Unavailable("draining", "the server shuts down".into());
        }
        #[cfg(feature = "backend")]
        if let Some((backend, _)) = self.channels.backend() {
            use crate::backend::Health as Backend;
            return match backend.health() {
                Backend::Ok => Health::Ok,
                Backend::Degraded(why) => Health::Degraded(format!("publishing is refused: {why}")),
                Backend::Starting(why) => Health::Unavailable("starting", why.as_ref().into()),
                Backend::Failed(why) => Health::Unavailable("failed", why.as_ref().into()),
            };
        }
        Health::Ok
    }
}

/// Counting, and what the loop asks at the end of a turn.
impl Service {
    /// A request was let in that is for no channel.
    pub(super) fn count_request(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.requested();
        }
    }

    /// A loop is asked what it has counted.
    pub(super) fn measure(&mut self, scrape: Arc<Scrape>) {
        match &mut self.meter {
            Some(meter) => meter.ask(scrape),
            // Only other loops count.
            None => scrape.add(&Tally {
                loops: 1,
                ..Tally::default()
            }),
        }
    }

    pub(super) fn end_turn(&mut self, began: Instant) -> bool {
        match &mut self.meter {
            None => false,
            Some(meter) => meter.turned(began, self.channels.take_oldest_woken()),
        }
    }

    pub(super) fn look_at(&mut self, connection: &Connection, unsent: usize) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        let (kind, reader) = match connection.peek() {
            State::Waiting(waiting) => (Kind::LongPoll, Some(&waiting.reader)),
            State::Events { reader, .. } => (Kind::Events, Some(reader)),
            State::Streaming { events: true, .. } => (Kind::Events, None),
            #[cfg(feature = "backend")]
            State::Opening(opening) => (Kind::Socket, opening.socket.reader()),
            State::Socket(socket) => (Kind::Socket, socket.reader()),
            _ => (Kind::Request, None),
        };
        meter.found(kind, unsent);
        if let Some(reader) = reader {
            meter.found_reader(self.channels.hub().stand_of(reader));
        }
    }

    /// One of the connections is a client's, which talks to another server.
    pub(crate) fn look_at_dialed(&mut self, unsent: usize) {
        if let Some(meter) = &mut self.meter {
            meter.found(Kind::Dialed, unsent);
        }
    }

    pub(super) fn tell_tally(&mut self, traffic: Traffic) {
        #[cfg(feature = "backend")]
        let history_readers = self.cold.readers.len();
        #[cfg(not(feature = "backend"))]
        let history_readers = 0;
        if let Some(meter) = &mut self.meter {
            meter.tell(traffic, self.channels.hub(), history_readers);
        }
    }
}

impl Health {
    fn response(&self) -> Response {
        let (status, word, why) = match self {
            Health::Ok => (Status::OK, "ok", None),
            Health::Degraded(why) => (Status::OK, "degraded", Some(why)),
            Health::Unavailable(word, why) => (Status::SERVICE_UNAVAILABLE, *word, Some(why)),
        };
        let mut body = Vec::from(&b"{\"status\":"[..]);
        json::write_string(&mut body, word);
        if let Some(why) = why {
            body.extend_from_slice(b",\"why\":");
            json::write_string(&mut body, why);
        }
        body.push(b'}');
        let response = Response::bytes("application/json", body).status(status.code());
        match status {
            Status::SERVICE_UNAVAILABLE => response.header("Retry-After", RETRY_AFTER),
            _ => response,
        }
    }
}

/// All metrics of a program whose loops have counted this.
fn page(mut tally: Tally, began_ms: u64, feed: Option<Weak<Feed>>) -> Response {
    let feed = feed.and_then(|feed| feed.upgrade());
    let mut text = Text::new();
    text.gauge("barewire_build_info", "1, with the version of the library.")
        .labelled("version", env!("CARGO_PKG_VERSION"), 1_u64);
    text.gauge(
        "barewire_start_time_seconds",
        "When the server was set up, in seconds since 1970.",
    )
    .value(Duration::from_millis(began_ms).as_secs_f64());
    if let Some(feed) = &feed {
        tally.add_published_by_threads(feed.published_by_threads());
    }
    tally.write(&mut text);
    #[cfg(feature = "backend")]
    if let Some(backend) = feed.as_ref().and_then(|feed| feed.backend.get()) {
        backend.measure(&mut text);
    }
    Response::bytes(MEDIA_TYPE, text.into_string().into_bytes())
}
