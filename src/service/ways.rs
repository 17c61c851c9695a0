//! The ways to read a channel, and the two to publish. All of them are one URL; the request says which it is:
//!
//! | request | way |
//! | --- | --- |
//! | `POST` | publish: 201 and the id |
//! | `GET` with `Upgrade: websocket` | WebSocket: frames out are messages, frames in are publishes |
//! | `GET` with `Accept: text/event-stream` | event stream |
//! | `GET` with `Prefer: wait=SECONDS` (RFC 7240) or `?wait=` | long poll |
//! | any other `GET` | short poll |
//!
//! They differ in how they wait and how they encode; where a reader begins, what it has missed and what it gets is
//! the channel's to say, and the same for all.

use std::borrow::Cow;
use std::time::Duration;

use super::cors;
use super::form::{Form, NO_STORE};
use super::request::Request;
use super::router::asks_for_socket;
use super::shared::Service;
use super::state::{Connection, State, Waiting};
use crate::channel::{self, Batch, Data, Encoding, Id, Key, Reader, Start};
use crate::http::{FieldValue, Status};
use crate::limits::SlowReader;
use crate::metrics::{self, Reason, Source};
use crate::net::Io;
use crate::response::{JSON, OwnedField, Response, refusal};
use crate::scan::saturating_decimal;
use crate::sse;

/// How long an EventSource waits before it reconnects, in milliseconds (WHATWG HTML 9.2.6, `retry`).
const RETRY: u64 = 2_000;

/// What became of a request for a channel's URL. A refusal is the `Err` beside it.
pub(super) enum Outcome {
    /// It is answered with this, and the next request may come.
    Answer(Response),
    /// Its answer is written, or comes when its connection's new state says.
    Taken,
}

impl Service {
    /// Answers a request for a channel's URL.
    pub(super) fn answer_channel(
        &mut self,
        connection: &mut Connection,
        index: usize,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) {
        let form = self.form(request.head());
        let name = self
            .router
            .get(index)
            .and_then(|route| route.pattern.first_parameter(request.path()));
        let result = match name {
            None => Err(refusal(
                Status::BAD_REQUEST,
                "the channel's name is not percent-encoded UTF-8",
            )),
            Some(name) if request.method() == "POST" => {
                self.publish(connection, &name, request, io)
            }
            Some(name) => Way::of(request).and_then(|way| {
                let outcome = match way {
                    Way::Socket => self.open_channel_socket(connection, index, &name, request, io),
                    Way::Events => self.open_events(connection, &name, request, form, io),
                    Way::Poll { wait } => self.poll(connection, &name, request, wait, form, io),
                };
                if let (Some(meter), Ok(_)) = (&mut self.meter, &outcome) {
                    meter.read_by(way.counted());
                }
                outcome
            }),
        };
        match result {
            Ok(Outcome::Answer(mut response)) | Err(mut response) => {
                cors::show(&self.origins, request.head(), &mut response);
                self.respond(io, form, &response);
            }
            Ok(Outcome::Taken) => {}
        }
    }

    fn publish(
        &mut self,
        connection: &mut Connection,
        name: &str,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, Response> {
        let event = query(request, "event")?;
        let event = event.as_deref();
        let key = key_of(request)?;
        #[cfg(feature = "backend")]
        if self.is_backed() {
            self.submit_request(connection, name, event, key, request, io)?;
            return Ok(Outcome::Taken);
        }
        #[cfg(not(feature = "backend"))]
        let _ = connection;
        let began = self.meter.as_ref().map(|meter| meter.elapsed());
        let data = Data::new(request.body());
        let published = self.channels.check_room().and_then(|()| match key {
            None => self.channels.publish(name, event, data, io.now.unix_ms),
            Some(key) => self.channels.publish_once(name, event, data, key, io.now),
        });
        self.count_post(published.map(drop).map_err(Into::into), began);
        match published {
            Ok(id) => Ok(Outcome::Answer(kept_as(id))),
            Err(error) => Err(refusal(error.status(), &error.to_string())),
        }
    }

    fn poll(
        &mut self,
        connection: &mut Connection,
        name: &str,
        request: &Request<'_>,
        wait: Option<Duration>,
        form: Form,
        io: &mut Io<'_>,
    ) -> Result<Outcome, Response> {
        let start = start_of(request)?;
        #[cfg(feature = "backend")]
        if self.is_backed() {
            let polled = self.poll_past(connection, name, request, start, wait, io);
            if let Some(outcome) = polled {
                return outcome;
            }
        }
        let mut body = Vec::new();
        let batch = self
            .channels
            .batch(name, start, &mut body)
            .map_err(channel_refusal)?;
        let way = Way::Poll { wait }.counted();
        let Some(wait) = wait.filter(|_| batch.is_empty()) else {
            self.count_batch(way, &batch);
            return Ok(Outcome::Answer(batch_response(&batch, body)));
        };
        let wait = wait.min(self.limits.wait);
        if wait.is_zero() || self.draining || connection.ended {
            return Ok(Outcome::Answer(nothing_new(batch.last_id)));
        }
        // Nothing can be published between the look and the wait: both are one step of one thread.
        let start = Start::After(batch.last_id);
        let reader = self
            .channels
            .attach(name, Encoding::Json, start, io.id.to_u64())
            .map_err(channel_refusal)?;
        let origin = cors::reader(&self.origins, request.head());
        connection.wait(Waiting {
            reader,
            form,
            origin,
        });
        io.set_deadline(wait);
        Ok(Outcome::Taken)
    }

    /// Answers a long poll if there is something for it.
    pub(super) fn answer_waiting(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        let State::Waiting(Waiting { reader, .. }) = connection.peek() else {
            return;
        };
        #[cfg(feature = "backend")]
        if self.channels.hub().is_held(reader) {
            return;
        }
        let mut body = Vec::new();
        if let Some(batch) = self
            .channels
            .hub()
            .batch_for(reader, &mut body)
            .filter(|batch| !batch.is_empty())
        {
            self.count_batch(metrics::Way::LongPoll, &batch);
            self.end_waiting(connection, |_| batch_response(&batch, body), io);
        }
    }

    /// Counts what became of a request to publish that came at `began`.
    pub(super) fn count_post(&mut self, result: Result<(), Reason>, began: Option<Duration>) {
        if let (Some(meter), Some(began)) = (&mut self.meter, began) {
            if result.is_ok() {
                meter.acknowledged(began);
            }
            meter.published(Source::Post, result);
        }
    }

    /// Answers a long poll that has waited long enough.
    pub(super) fn give_up_waiting(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        self.end_waiting(connection, nothing_new, io);
    }

    pub(super) fn end_waiting(
        &mut self,
        connection: &mut Connection,
        response: impl FnOnce(Id) -> Response,
        io: &mut Io<'_>,
    ) {
        let Some(waiting) = connection.end_wait() else {
            return;
        };
        let Waiting {
            reader,
            form,
            origin,
        } = waiting;
        let cursor = self.channels.hub().cursor(&reader);
        self.channels.detach(reader);
        // A reader's channel lives as long as the reader, so there is a cursor.
        let mut response = response(cursor.unwrap_or(Id { ms: 0, seq: 0 }));
        let shown = cors::fields(&self.origins, origin.as_deref());
        response.fields.extend(shown);
        self.respond(io, form, &response);
        self.process_rest(connection, io);
    }

    fn open_events(
        &mut self,
        connection: &mut Connection,
        name: &str,
        request: &Request<'_>,
        form: Form,
        io: &mut Io<'_>,
    ) -> Result<Outcome, Response> {
        let start = start_of(request)?;
        let form = form.in_pieces();
        let encoding = if form.http10 {
            Encoding::EventStream
        } else {
            Encoding::EventChunks
        };
        let origin = cors::reader(&self.origins, request.head());
        let origin = cors::fields(&self.origins, origin.as_deref());
        if form.head_only {
            // Nobody will read: no channel begins, and none is encoded.
            channel::check_name(name).map_err(channel_refusal)?;
            self.begin_events(form, &origin, io);
            self.end_answer(io, form);
            return Ok(Outcome::Taken);
        }
        let mut reader = self.attach(name, encoding, start, io)?;
        self.begin_events(form, &origin, io);
        let mut first = Vec::new();
        self.write_preamble(&reader, start, &mut first);
        form.piece(io.out.buffer(), &first);
        self.tell_gap(&mut reader, io);
        connection.follow(reader, form);
        io.set_deadline(self.limits.heartbeat);
        Ok(Outcome::Taken)
    }

    /// Writes the head of an event stream.
    fn begin_events(&mut self, form: Form, fields: &[OwnedField], io: &mut Io<'_>) {
        let before = io.out.len();
        let date = self.dates.at(io.now.unix_ms / 1000);
        let media_type = FieldValue::from_static(sse::MEDIA_TYPE);
        form.write_stream(io.out.buffer(), date, media_type, fields);
        self.log_answer(io, Status::OK, before);
    }

    /// Begins to read a channel: in the hub, or, if a backend stands behind it, perhaps in its history first.
    pub(super) fn attach(
        &mut self,
        name: &str,
        encoding: Encoding,
        start: Start,
        io: &Io<'_>,
    ) -> Result<Reader, Response> {
        #[cfg(feature = "backend")]
        if self.is_backed() {
            return self.attach_backed(name, encoding, start, None, io);
        }
        let attached = self.channels.attach(name, encoding, start, io.id.to_u64());
        attached.map_err(channel_refusal)
    }

    /// Where a reader stands, unless that is not known before its history has come.
    pub(super) fn cursor_of(&self, reader: &Reader) -> Option<Id> {
        #[cfg(feature = "backend")]
        if self.channels.hub().is_held(reader) {
            return None;
        }
        self.channels.hub().cursor(reader)
    }

    /// The beginning of an event stream. Who begins at the tail is told its place, so that it loses nothing even if
    /// it is cut off before its first message; who begins anywhere else has one already.
    fn write_preamble(&self, reader: &Reader, start: Start, out: &mut Vec<u8>) {
        let cursor = self
            .cursor_of(reader)
            .filter(|_| start == Start::Now)
            .map(Id::text);
        let id = cursor
            .as_ref()
            .and_then(|id| sse::EventId::new(id.as_str()).ok());
        sse::write_event(
            out,
            &sse::Event {
                id,
                retry: Some(RETRY),
                ..sse::Event::default()
            },
        );
    }

    /// Whether this subscriber has fallen behind what is retained, and is to be ended for it.
    pub(super) fn is_too_slow(&self, reader: &Reader) -> bool {
        self.limits.slow_reader == SlowReader::Close && self.channels.hub().has_gap(reader)
    }

    /// Tells a reader that messages are missing, if they are.
    pub(super) fn tell_gap(&mut self, reader: &mut Reader, io: &mut Io<'_>) {
        if self.channels.hub().has_gap(reader) {
            self.write_gap(reader, io);
        }
    }

    /// Seldom needed, where every delivery asks.
    #[cold]
    fn write_gap(&mut self, reader: &mut Reader, io: &mut Io<'_>) {
        self.channels.write_gap(reader, io.out.buffer());
    }

    /// A reader was ended because messages are missing, or its history says that they are.
    #[cold]
    pub(super) fn count_gap(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.missed();
        }
    }

    /// A poll gets this batch.
    fn count_batch(&mut self, way: metrics::Way, batch: &Batch) {
        if let Some(meter) = &mut self.meter {
            meter.delivered(way, batch.messages, batch.gap);
        }
    }
}

/// How a `GET` of a channel wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Socket,
    Events,
    Poll { wait: Option<Duration> },
}

impl Way {
    /// As what it is counted.
    fn counted(self) -> metrics::Way {
        match self {
            Way::Socket => metrics::Way::Socket,
            Way::Events => metrics::Way::Events,
            Way::Poll { wait: Some(_) } => metrics::Way::LongPoll,
            Way::Poll { wait: None } => metrics::Way::ShortPoll,
        }
    }

    fn of(request: &Request<'_>) -> Result<Way, Response> {
        if asks_for_socket(request.head()) {
            return Ok(Way::Socket);
        }
        if accepts_events(request) {
            return Ok(Way::Events);
        }
        Ok(Way::Poll {
            wait: wait_of(request)?,
        })
    }
}

/// Whether `text/event-stream` is among what the client takes (RFC 9110 12.5.1). It has to be named: every browser
/// takes `*/*`. A weight of zero means that it is not taken (12.4.2).
fn accepts_events(request: &Request<'_>) -> bool {
    request.fields().tokens("Accept").any(|range| {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(sse::MEDIA_TYPE.as_bytes()));
        named && !parts.any(is_zero_weight)
    })
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', b'0'] => true,
        [b'q' | b'Q', b'=', b'0', b'.', digits @ ..] => digits.iter().all(|&digit| digit == b'0'),
        _ => false,
    }
}

/// How long a poll is to wait. A preference that makes no sense is no preference (RFC 7240 2); a query that makes
/// none is an error.
fn wait_of(request: &Request<'_>) -> Result<Option<Duration>, Response> {
    if let Some(wait) = query(request, "wait")? {
        let seconds = seconds(&wait);
        return match seconds {
            Some(_) => Ok(seconds),
            None => Err(refusal(
                Status::BAD_REQUEST,
                "wait is a number of seconds, such as ?wait=30",
            )),
        };
    }
    let preferences = request.fields().tokens("Prefer");
    Ok(preferences
        .filter_map(|preference| std::str::from_utf8(preference).ok())
        .find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let value = value.trim().trim_matches('"');
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then(|| seconds(value))?
        }))
}

/// Whole seconds in decimal digits; more than fit are as many as fit.
fn seconds(text: &str) -> Option<Duration> {
    saturating_decimal(text.as_bytes()).map(Duration::from_secs)
}

/// The key under which a request is published once (draft-ietf-httpapi-idempotency-key-header), as it was sent.
fn key_of(request: &Request<'_>) -> Result<Option<Key>, Response> {
    let mut given = request.fields().all("Idempotency-Key");
    let key = match (given.next(), given.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => Key::new(key),
        (Some(_), Some(_)) => None,
    };
    match key {
        Some(key) => Ok(Some(key)),
        None => Err(refusal(
            Status::BAD_REQUEST,
            "an Idempotency-Key is one field of 1 to 255 bytes",
        )),
    }
}

/// Where a request wants to begin. The field wins over the query: an EventSource that reconnects keeps its URL and
/// sends the newer id in the field.
pub(super) fn start_of(request: &Request<'_>) -> Result<Start, Response> {
    let field = request.fields().get("Last-Event-ID");
    // Bytes that are no text become one that is no id.
    let field = field.map(String::from_utf8_lossy);
    let given = match field.filter(|id| !id.is_empty()) {
        Some(id) => Some(id),
        None => query(request, "last_event_id")?.filter(|id| !id.is_empty()),
    };
    if let Some(id) = given {
        return match id.parse() {
            Ok(id) => Ok(Start::After(id)),
            Err(why) => Err(refusal(
                Status::BAD_REQUEST,
                &format!("the last event ID is malformed: {why}"),
            )),
        };
    }
    match query(request, "from")?.as_deref() {
        None => Ok(Start::Oldest),
        Some("now") => Ok(Start::Now),
        Some(_) => Err(refusal(
            Status::BAD_REQUEST,
            "from has only one value: ?from=now",
        )),
    }
}

/// The first value of `name` in the query. One that can't be decoded is refused: a cursor or an event name that was
/// garbled on its way must not be taken for none.
fn query<'r>(request: &Request<'r>, name: &str) -> Result<Option<Cow<'r, str>>, Response> {
    let value = request.query_checked(name).transpose();
    value.map_err(|error| {
        refusal(
            Status::BAD_REQUEST,
            &format!("{name} in the query: {error}"),
        )
    })
}

/// What a publisher gets for a message that was taken.
pub(super) fn kept_as(id: Id) -> Response {
    let body = ["{\"id\":\"", id.text().as_str(), "\"}"].concat();
    Response::json(body).status(201)
}

pub(super) fn batch_response(batch: &Batch, body: Vec<u8>) -> Response {
    let response = Response::new(Some(JSON), body.into());
    no_store(response).header("Last-Event-ID", batch.last_id.text().as_str())
}

/// A long poll's answer when nothing came. It says the cursor, so that who began at the tail knows its place.
fn nothing_new(cursor: Id) -> Response {
    no_store(Response::empty()).header("Last-Event-ID", cursor.text().as_str())
}

pub(super) fn no_store(mut response: Response) -> Response {
    let (name, value) = NO_STORE;
    response
        .fields
        .push((name.as_str().into(), value.as_bytes().into()));
    response
}

pub(super) fn channel_refusal(error: crate::channel::Error) -> Response {
    refusal(error.status(), &error.to_string())
}
