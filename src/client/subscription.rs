//! A subscription: one ordered stream of events, over whichever way the server lets through.
//!
//! ```text
//!   WebSocket ──► SSE ──► long poll ──► short poll
//!        each step only when the way before does not work, never for a server that is merely gone
//! ```
//!
//! The place in the stream is one cursor, the id of the last event that was handed on. Every request of every way
//! carries it in `Last-Event-ID`, so a reconnection and a change of the way are the same thing, and neither loses or
//! repeats anything. What the server no longer has is told as an event `gap`.
//!
//! As an EventSource (WHATWG HTML 9.2.3) the client of SSE checks the media type, sends the last event ID again,
//! heeds `retry`, ends at 204, follows redirects within a bound, and fails at every other status; beyond it, a status
//! that passes (408, 425, 429, 5xx) is waited out, as `Retry-After` says where it does.

use std::time::Duration;

use super::error::Error;
use super::event::{Batch, Event};
use super::options::{Options, Transport, Update};
use super::talk::{Around, HeadReader, Next, PATIENCE, Talk};
use super::url::Url;
use crate::channel::Id;
use crate::http::{
    BodyDecoder, FieldName, FieldValue, HeadWriter, Piece, ResponseHead, response_body_length,
};
use crate::net::Io;
use crate::random::Random;
use crate::session::Session;
use crate::sse;
use crate::ws::handshake;
use crate::ws::{self, CloseCode, Message};

/// How large a poll's answer may be: a batch is about 1 MiB unless one message alone is larger.
const MAX_BATCH: u64 = 64 << 20;
/// How much of a refusal's body is kept for the error.
const MAX_SAID: usize = 200;
/// Redirects that are followed without an answer between them (WHATWG Fetch 4.4 has 20).
const MAX_REDIRECTS: u8 = 20;
/// How often a way may fail in a row, with the server there, until the next one is tried.
const WAY_FAILURES: u32 = 2;

pub(super) type Handler = Box<dyn FnMut(Update) + Send>;

/// A subscription as a machine.
pub(super) struct Follower {
    /// Where it was told to go, and where that leads.
    home: Url,
    url: Url,
    options: Options,
    /// Which of [`Transport::ALL`] is in use.
    way: usize,
    /// Failures of this way in a row, with the server there.
    way_failures: u32,
    /// Failures of any kind in a row.
    failures: u32,
    redirects: u8,
    cursor: Option<Box<str>>,
    /// Nothing was missing since the cursor was set, so that whatever is not behind it is a repetition.
    contiguous: bool,
    /// The wait that the server asked for (`retry`).
    retry: Option<Duration>,
    wire: Wire,
    /// What is to come when the connection is over, if that is decided.
    plan: Option<Plan>,
    /// The program was told that it is connected, and not yet that it is no more.
    stands: bool,
    /// The way has shown on this connection that it works.
    proved: bool,
    handler: Handler,
}

/// What is expected on the connection.
enum Wire {
    /// Nothing: between two polls, or without a connection.
    Idle,
    /// An answer.
    Head { reader: HeadReader, key: [u8; 16] },
    /// Frames.
    Socket(Box<Session>),
    /// An event stream.
    Stream {
        body: BodyDecoder,
        events: Box<sse::Decoder>,
    },
    /// A poll's answer.
    Batch {
        body: BodyDecoder,
        bytes: Vec<u8>,
        keep_alive: bool,
    },
    /// What a refusal says.
    Refusal {
        body: BodyDecoder,
        said: Vec<u8>,
        status: u16,
        retry_after: Option<Duration>,
    },
}

enum Plan {
    /// Connect again after this time.
    Again(Duration),
    /// Something went wrong: wait, fall back, or end.
    Failed(Error, Option<Duration>),
    /// It is over, as it should be.
    End,
}

/// What an answer's head comes to.
enum Verdict {
    Socket {
        cursor: Option<Box<str>>,
    },
    Stream(BodyDecoder),
    Batch {
        body: BodyDecoder,
        keep_alive: bool,
    },
    NothingNew {
        cursor: Option<Box<str>>,
        keep_alive: bool,
    },
    Redirect(String),
    Refusal {
        body: BodyDecoder,
        status: u16,
        retry_after: Option<Duration>,
    },
    Failed(Error),
    End,
}

impl Follower {
    pub(super) fn new(url: Url, options: Options, handler: Handler) -> Follower {
        let chosen = options
            .transport
            .and_then(|chosen| Transport::ALL.iter().position(|way| *way == chosen));
        Follower {
            home: url.clone(),
            url,
            way: chosen.unwrap_or(0),
            way_failures: 0,
            failures: 0,
            redirects: 0,
            cursor: options.cursor.clone(),
            contiguous: true,
            retry: None,
            wire: Wire::Idle,
            plan: None,
            stands: false,
            proved: false,
            options,
            handler,
        }
    }

    fn tell(&mut self, update: Update) {
        (self.handler)(update);
    }

    fn transport(&self) -> Transport {
        Transport::ALL
            .get(self.way)
            .copied()
            .unwrap_or(Transport::ShortPoll)
    }

    /// Writes the next request.
    fn ask(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        let Ok(key) = around.random.bytes() else {
            return self.fail(Error::Randomness, io);
        };
        if let Err(error) = self.write_request(io.out.buffer(), &key) {
            return self.fail(error, io);
        }
        self.wire = Wire::Head {
            reader: HeadReader::default(),
            key,
        };
        let wait = if self.transport() == Transport::LongPoll {
            self.options.wait
        } else {
            Duration::ZERO
        };
        io.set_deadline(PATIENCE + wait);
    }

    fn write_request(&self, out: &mut Vec<u8>, key: &[u8; 16]) -> Result<(), Error> {
        let mut target = self.url.target.clone();
        if self.options.from_now && self.cursor.is_none() {
            target.push_str(if target.contains('?') {
                "&from=now"
            } else {
                "?from=now"
            });
        }
        let host = self.url.authority();
        let mut fields = super::options::written(&self.options.fields);
        if let Some(cursor) = &self.cursor {
            fields.push((
                FieldName::LAST_EVENT_ID,
                FieldValue::new(&**cursor).map_err(Error::Field)?,
            ));
        }
        if self.transport() == Transport::WebSocket {
            return handshake::write_request(out, &host, &target, key, &[], &fields)
                .map_err(Error::Handshake);
        }
        let wait = format!("wait={}", self.options.wait.as_secs());
        let accept = match self.transport() {
            Transport::EventStream => {
                fields.push((
                    FieldName::CACHE_CONTROL,
                    FieldValue::from_static("no-store"),
                ));
                FieldValue::from_static(sse::MEDIA_TYPE)
            }
            transport => {
                if transport == Transport::LongPoll {
                    fields.push((
                        FieldName::PREFER,
                        FieldValue::new(&wait).map_err(Error::Field)?,
                    ));
                }
                FieldValue::from_static("application/json")
            }
        };
        let mut head = HeadWriter::request(out, "GET", &target)
            .map_err(Error::Field)?
            .field(
                FieldName::HOST,
                FieldValue::new(&host).map_err(Error::Field)?,
            )
            .field(FieldName::ACCEPT, accept);
        for (name, value) in fields {
            head = head.field(name, value);
        }
        head.finish();
        Ok(())
    }

    /// What the head of an answer comes to.
    fn judge(&self, head: &ResponseHead<'_>, key: &[u8; 16]) -> Verdict {
        let transport = self.transport();
        let cursor = || {
            head.fields()
                .get_str("Last-Event-ID")
                .filter(|id| !id.is_empty())
                .map(Into::into)
        };
        if transport == Transport::WebSocket && head.status() == 101 {
            return match handshake::check_response(head, key, &[]) {
                Ok(_) => Verdict::Socket { cursor: cursor() },
                Err(error) => Verdict::Failed(Error::Handshake(error)),
            };
        }
        let limit = if transport == Transport::EventStream {
            u64::MAX
        } else {
            MAX_BATCH
        };
        let body =
            response_body_length(head, "GET").and_then(|length| BodyDecoder::new(length, limit));
        let body = match body {
            Ok(body) => body,
            Err(error) => return Verdict::Failed(Error::Http(error)),
        };
        let is = |media_type: &str| {
            let given = head.fields().get_str("Content-Type").unwrap_or_default();
            given
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case(media_type)
        };
        let keep_alive = head.keep_alive();
        match (head.status(), transport) {
            (200, Transport::EventStream) if is(sse::MEDIA_TYPE) => Verdict::Stream(body),
            (200, Transport::LongPoll | Transport::ShortPoll) if is("application/json") => {
                Verdict::Batch { body, keep_alive }
            }
            (200, transport) if transport != Transport::WebSocket => {
                let given = head
                    .fields()
                    .get_str("Content-Type")
                    .unwrap_or("no media type");
                Verdict::Failed(Error::MediaType(given.to_owned()))
            }
            (204, Transport::EventStream) => Verdict::End,
            (204, Transport::LongPoll | Transport::ShortPoll) => Verdict::NothingNew {
                cursor: cursor(),
                keep_alive,
            },
            (301 | 302 | 303 | 307 | 308, transport) if transport != Transport::WebSocket => {
                match head.fields().get_str("Location") {
                    Some(location) => Verdict::Redirect(location.to_owned()),
                    None => Verdict::Failed(Error::Status(head.status(), String::new())),
                }
            }
            (status, _) => {
                let retry_after = head.fields().get_str("Retry-After").and_then(seconds);
                Verdict::Refusal {
                    body,
                    status,
                    retry_after,
                }
            }
        }
    }

    /// Takes the head of an answer. Says how much of the input that used.
    fn take_head(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let Wire::Head { mut reader, key } = std::mem::replace(&mut self.wire, Wire::Idle) else {
            return 0;
        };
        let (used, verdict) = match reader.read(input, |head| self.judge(head, &key)) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.wire = Wire::Head { reader, key };
                return input.len();
            }
            Err(error) => {
                self.fail(Error::Http(error), io);
                return input.len();
            }
        };
        match verdict {
            Verdict::Socket { cursor } => {
                self.answered(cursor);
                self.wire = Wire::Socket(Box::new(Session::client()));
                io.set_deadline(super::SESSION.ping_interval);
            }
            Verdict::Stream(body) => {
                self.answered(None);
                let events = Box::new(sse::Decoder::new(sse::MAX_EVENT));
                self.wire = Wire::Stream { body, events };
                self.watch_silence(io);
            }
            Verdict::Batch { body, keep_alive } => {
                self.wire = Wire::Batch {
                    body,
                    bytes: Vec::new(),
                    keep_alive,
                };
            }
            Verdict::NothingNew { cursor, keep_alive } => {
                self.answered(cursor);
                self.rest(Duration::ZERO, keep_alive, io);
            }
            Verdict::Redirect(location) => self.redirect(&location, io),
            Verdict::Refusal {
                body,
                status,
                retry_after,
            } => {
                self.wire = Wire::Refusal {
                    body,
                    said: Vec::new(),
                    status,
                    retry_after,
                };
            }
            Verdict::Failed(error) => self.fail(error, io),
            Verdict::End => {
                self.plan = Some(Plan::End);
                io.close();
            }
        }
        used
    }

    /// The server answers as it should: what failed before is forgotten.
    fn answered(&mut self, cursor: Option<Box<str>>) {
        self.redirects = 0;
        if !std::mem::replace(&mut self.stands, true) {
            self.tell(Update::Connected(self.transport()));
        }
        if self.transport() != Transport::WebSocket {
            // A WebSocket works when something has come over it: some proxies let it open and cut it then.
            self.works();
        }
        if self.cursor.is_none() && self.options.from_now {
            self.cursor = cursor;
        }
    }

    fn works(&mut self) {
        self.proved = true;
        self.failures = 0;
        self.way_failures = 0;
    }

    fn redirect(&mut self, location: &str, io: &mut Io<'_>) {
        self.redirects += 1;
        if self.redirects > MAX_REDIRECTS {
            return self.fail(Error::Redirects, io);
        }
        match self.url.join(location) {
            Ok(url) => {
                self.url = url;
                self.plan = Some(Plan::Again(Duration::ZERO));
                io.close();
            }
            Err(error) => self.fail(error, io),
        }
    }

    /// Takes what frames bring.
    fn take_frames(&mut self, input: &mut [u8], io: &mut Io<'_>) {
        let Wire::Socket(mut session) = std::mem::replace(&mut self.wire, Wire::Idle) else {
            return;
        };
        let mut wrong = None;
        session.receive(
            input,
            &ws::Limits::default(),
            &super::SESSION,
            io,
            |link, message, io| {
                let event = match message {
                    Message::Text(text) => crate::json::Value::parse(text)
                        .ok_or(Error::Envelope)
                        .and_then(|envelope| Event::from_envelope(&envelope)),
                    Message::Binary(_) => Err(Error::Envelope),
                };
                match event {
                    Ok(event) => {
                        self.works();
                        self.hand_on(event);
                    }
                    Err(error) => {
                        wrong = Some(error);
                        link.fail(
                            CloseCode::UNSUPPORTED_DATA,
                            "this is no channel's message",
                            io,
                        );
                    }
                }
            },
        );
        self.wire = Wire::Socket(session);
        if let Some(error) = wrong {
            self.fail(error, io);
        }
    }

    /// Takes a piece of an answer's body. Says how much of the input that used.
    fn take_body(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let mut wire = std::mem::replace(&mut self.wire, Wire::Idle);
        let decoded = match &mut wire {
            Wire::Stream { body, .. } | Wire::Batch { body, .. } | Wire::Refusal { body, .. } => {
                body.decode(input)
            }
            // Nobody asked for what comes here.
            _ => return input.len(),
        };
        let (used, piece) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                self.fail(Error::Http(error), io);
                return input.len();
            }
        };
        let end = match piece {
            Piece::Data(data) => {
                self.take_data(&mut wire, data, io);
                false
            }
            Piece::More => false,
            Piece::End => true,
        };
        self.wire = wire;
        if end {
            self.end_body(io);
        }
        used
    }

    fn take_data(&mut self, wire: &mut Wire, data: &[u8], io: &mut Io<'_>) {
        match wire {
            Wire::Stream { events, .. } => {
                self.watch_silence(io);
                self.take_events(events, data, io);
            }
            Wire::Batch { bytes, .. } => bytes.extend_from_slice(data),
            Wire::Refusal { said, .. } => {
                let room = MAX_SAID.saturating_sub(said.len()).min(data.len());
                said.extend_from_slice(&data[..room]);
            }
            _ => {}
        }
    }

    fn take_events(&mut self, events: &mut sse::Decoder, data: &[u8], io: &mut Io<'_>) {
        let mut at = 0;
        while at < data.len() {
            let stood = !events.last_event_id().is_empty();
            let event = match events.decode(&data[at..]) {
                Ok((used, event)) => {
                    at += used;
                    event.map(|event| {
                        Event::from_stream(event.last_event_id, event.name, event.data)
                    })
                }
                Err(error) => return self.fail(Error::EventStream(error), io),
            };
            if let Some(event) = event {
                self.hand_on(event);
            }
            if stood && events.last_event_id().is_empty() {
                // An id of nothing takes the place back (WHATWG HTML 9.2.6, the field "id").
                self.cursor = None;
            }
        }
        if let Some(retry) = events.retry() {
            self.retry = Some(Duration::from_millis(retry));
        }
        // An id without an event moves the cursor too (WHATWG HTML 9.2.6, dispatch, step 1).
        if !events.last_event_id().is_empty()
            && self.cursor.as_deref() != Some(events.last_event_id())
        {
            self.cursor = Some(events.last_event_id().into());
        }
    }

    /// An answer is complete.
    fn end_body(&mut self, io: &mut Io<'_>) {
        match std::mem::replace(&mut self.wire, Wire::Idle) {
            Wire::Batch {
                bytes, keep_alive, ..
            } => match Batch::parse(&bytes) {
                Ok(batch) => self.take_batch(batch, keep_alive, io),
                Err(error) => self.fail(error, io),
            },
            Wire::Refusal {
                said,
                status,
                retry_after,
                ..
            } => {
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                self.plan = Some(Plan::Failed(Error::Status(status, said), retry_after));
                io.close();
            }
            _ => self.fail(Error::Ended, io),
        }
    }

    fn take_batch(&mut self, batch: Batch, keep_alive: bool, io: &mut Io<'_>) {
        self.answered(None);
        let empty = batch.events.is_empty() && !batch.gap;
        if batch.gap {
            self.hand_on(Event::gap(
                self.cursor.clone().as_deref().unwrap_or_default(),
            ));
        }
        for event in batch.events {
            self.hand_on(event);
        }
        self.cursor = Some(batch.last_id);
        if self.transport() == Transport::LongPoll && empty && self.options.transport.is_none() {
            // It answered at once that there is nothing, so it does not wait.
            return self.fail(
                Error::MediaType("an empty batch at once instead of a wait".into()),
                io,
            );
        }
        let pause = match self.transport() {
            _ if batch.more => Duration::ZERO,
            Transport::LongPoll if !empty => Duration::ZERO,
            _ => self.options.interval,
        };
        self.rest(pause, keep_alive, io);
    }

    /// Waits for the next poll: on this connection if the server keeps it.
    fn rest(&mut self, pause: Duration, keep_alive: bool, io: &mut Io<'_>) {
        self.wire = Wire::Idle;
        let pause = if self.transport() == Transport::ShortPoll && pause.is_zero() && !keep_alive {
            self.options.interval
        } else {
            pause
        };
        if keep_alive {
            io.set_deadline(pause);
        } else {
            self.plan = Some(Plan::Again(pause));
            io.close();
        }
    }

    /// Hands an event on, unless it is one that was handed on before.
    fn hand_on(&mut self, event: Event) {
        if event.is_gap() {
            self.contiguous = false;
        } else {
            let ids = (
                event.id.parse::<Id>(),
                self.cursor.as_deref().unwrap_or_default().parse::<Id>(),
            );
            if let (Ok(id), Ok(cursor)) = ids {
                if self.contiguous && id <= cursor {
                    return;
                }
            }
            self.contiguous = true;
        }
        if !event.id.is_empty() {
            self.cursor = Some(event.id.clone());
        }
        self.tell(Update::Event(event));
    }

    fn watch_silence(&self, io: &mut Io<'_>) {
        match self.options.silence {
            Some(silence) => io.set_deadline(silence),
            None => io.clear_deadline(),
        }
    }

    /// The connection is of no more use.
    fn fail(&mut self, error: Error, io: &mut Io<'_>) {
        self.wire = Wire::Idle;
        self.plan.get_or_insert(Plan::Failed(error, None));
        io.close();
    }

    fn end(&mut self, error: Option<Error>) -> Next {
        self.tell(Update::Ended(error));
        Next::Finished
    }

    /// After a failure: another way, another try, or the end.
    fn decide(&mut self, error: Error, retry_after: Option<Duration>, random: &mut Random) -> Next {
        self.stands = false;
        let there = !matches!(
            error,
            Error::Connection(std::io::ErrorKind::ConnectionRefused) | Error::Lookup(_)
        );
        if there && !self.proved {
            self.way_failures += 1;
        }
        let hopeless = !error.is_passing() || self.way_failures >= WAY_FAILURES;
        let alternatives = self.options.transport.is_none() && self.way + 1 < Transport::ALL.len();
        let of_the_way = !matches!(error, Error::Url(_) | Error::Field(_) | Error::Randomness);
        if hopeless && alternatives && of_the_way {
            self.tell(Update::FellBack(self.transport(), error));
            self.way += 1;
            self.way_failures = 0;
            return Next::Connect(Duration::ZERO);
        }
        if !error.is_passing() {
            return self.end(Some(error));
        }
        self.failures = self.failures.saturating_add(1);
        // A redirect that leads nowhere is forgotten.
        self.url = self.home.clone();
        let wait = match (
            retry_after,
            self.retry
                .filter(|_| self.transport() == Transport::EventStream),
        ) {
            (Some(retry_after), _) => retry_after,
            (None, Some(retry)) if self.failures <= 1 => retry,
            (None, Some(retry)) => retry + self.options.backoff.wait(self.failures - 1, random),
            (None, None) => self.options.backoff.wait(self.failures, random),
        };
        self.tell(Update::Lost(error, wait));
        Next::Connect(wait)
    }
}

impl Talk for Follower {
    fn url(&self) -> &Url {
        &self.url
    }

    fn connected(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        self.plan = None;
        self.proved = false;
        self.ask(io, around);
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, _around: &mut Around<'_>) {
        let mut at = 0;
        while at < input.len() && !io.is_closing() {
            at += match self.wire {
                Wire::Head { .. } => self.take_head(&input[at..], io),
                Wire::Socket(_) => return self.take_frames(&mut input[at..], io),
                _ => self.take_body(&input[at..], io),
            };
        }
        // A body of no length is complete with its head.
        if !io.is_closing()
            && !matches!(self.wire, Wire::Head { .. } | Wire::Idle | Wire::Socket(_))
        {
            self.take_body(b"", io);
        }
    }

    fn ended(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        let complete = match &self.wire {
            Wire::Batch { body, .. } | Wire::Refusal { body, .. } => body.eof().is_ok(),
            _ => false,
        };
        if complete {
            // The body was delimited by the end of the connection.
            self.end_body(io);
        } else if matches!(self.wire, Wire::Idle) && self.plan.is_none() && self.proved {
            // Between two polls a server may close whenever it likes (RFC 9112 9.5).
            self.plan = Some(Plan::Again(self.options.interval));
        }
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        match &mut self.wire {
            Wire::Idle => self.ask(io, around),
            Wire::Socket(session) => {
                self.proved = true;
                session.tick(&super::SESSION, io);
            }
            Wire::Stream { .. } => self.fail(Error::Silence, io),
            Wire::Head { .. } | Wire::Batch { .. } | Wire::Refusal { .. } => {
                self.fail(Error::Timeout, io)
            }
        }
    }

    fn resumed(&mut self, io: &mut Io<'_>) {
        if let Wire::Socket(session) = &mut self.wire {
            session.resume(io);
        }
    }

    fn quit(&mut self, io: Option<&mut Io<'_>>) {
        self.plan = Some(Plan::End);
        if let Some(io) = io {
            match &mut self.wire {
                Wire::Socket(session) => session.close(CloseCode::NORMAL, "", &super::SESSION, io),
                _ => io.close(),
            }
        }
    }

    fn over(&mut self, error: Option<Error>, random: &mut Random) -> Next {
        self.wire = Wire::Idle;
        match self.plan.take() {
            Some(Plan::End) => self.end(None),
            Some(Plan::Again(wait)) => Next::Connect(wait),
            Some(Plan::Failed(error, retry_after)) => self.decide(error, retry_after, random),
            None => self.decide(error.unwrap_or(Error::Ended), None, random),
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 10.2.3); a date there is not heeded.
fn seconds(value: &str) -> Option<Duration> {
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())?
        .map(Duration::from_secs)
}
