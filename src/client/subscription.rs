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
//!
//! No answer makes it spin: every connection that failed costs a backoff on top of what the server asks for, and a
//! poll that was answered at once without anything new is followed by a rest.

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
use crate::net::{Io, millis};
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
/// The same for a way that has worked before: a server behind a proxy may be restarted in the meantime.
const PROVEN_FAILURES: u32 = 8;
/// The longest wait that a server may ask for, by `retry` or by `Retry-After`.
const MAX_ASKED: Duration = Duration::from_secs(60 * 60);
/// A poll that is answered sooner did not wait.
const EARLY: Duration = Duration::from_secs(1);
/// How many bytes of a batch have to come in a millisecond for the server to be waited for on and on.
const SLOWEST: usize = 1;

pub(super) type Handler = Box<dyn FnMut(Update) + Send>;

/// A subscription as a machine.
pub(super) struct Follower {
    /// Where it was told to go, and where that leads.
    home: Url,
    url: Url,
    options: Options,
    /// Which of [`Transport::ALL`] is in use.
    way: usize,
    /// Which of them have worked.
    proven: [bool; Transport::ALL.len()],
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
    /// The connection stands or stood, so that the server is there.
    reached: bool,
    /// The way has shown on this connection that it works.
    proved: bool,
    /// Requests on this connection.
    asked: u32,
    /// When the last of them was sent, and when the next one is due, in milliseconds of the loop.
    asked_at: u64,
    due: u64,
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
        /// When it began, in milliseconds of the loop.
        since: u64,
    },
    /// What a refusal says.
    Refusal {
        body: BodyDecoder,
        said: Vec<u8>,
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl Wire {
    /// What an answer comes to whose end is no more of interest: only a refusal has said enough by then.
    fn meaning(self) -> Option<Plan> {
        match self {
            Wire::Refusal {
                said,
                status,
                retry_after,
                ..
            } => {
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                Some(Plan::Failed(Error::Status(status, said), retry_after))
            }
            _ => None,
        }
    }
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
            proven: [false; Transport::ALL.len()],
            way_failures: 0,
            failures: 0,
            redirects: 0,
            cursor: options.cursor.clone(),
            contiguous: true,
            retry: None,
            wire: Wire::Idle,
            plan: None,
            stands: false,
            reached: false,
            proved: false,
            asked: 0,
            asked_at: 0,
            due: 0,
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
        let wait = if self.transport() == Transport::LongPoll && !self.seeks_its_place() {
            self.options.wait
        } else {
            Duration::ZERO
        };
        self.asked = self.asked.saturating_add(1);
        self.asked_at = io.now.ms;
        io.set_deadline(PATIENCE.saturating_add(wait));
    }

    /// Whether it begins with what comes from now on, and does not know yet where that is. A long poll does not wait
    /// then: what is published meanwhile would be lost with its connection.
    fn seeks_its_place(&self) -> bool {
        self.options.from_now && self.cursor.is_none()
    }

    fn write_request(&self, out: &mut Vec<u8>, key: &[u8; 16]) -> Result<(), Error> {
        let mut target = self.url.target.clone();
        if self.seeks_its_place() {
            target.push_str(if target.contains('?') {
                "&from=now"
            } else {
                "?from=now"
            });
        }
        let host = self.url.authority();
        // What the program sends to one server, such as a token, is nothing to tell another that it redirects to.
        let mut fields = if self.url.is_same_origin(&self.home) {
            super::options::written(&self.options.fields)
        } else {
            Vec::new()
        };
        if let Some(cursor) = &self.cursor {
            // White space around a field's value is none of it (RFC 9110 5.5).
            let cursor = cursor.trim_matches([' ', '\t']);
            fields.push((
                FieldName::LAST_EVENT_ID,
                FieldValue::new(cursor).map_err(Error::Field)?,
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
                if transport == Transport::LongPoll && !self.seeks_its_place() {
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
        // Of a batch everything is kept, of a refusal only its beginning, and of a stream an event at a time.
        let limit = if head.status() == 200 && transport != Transport::EventStream {
            MAX_BATCH
        } else {
            u64::MAX
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
                    since: io.now.ms,
                };
                io.set_deadline(PATIENCE);
            }
            Verdict::NothingNew { cursor, keep_alive } => {
                self.answered(cursor);
                self.works();
                let waited = self.transport() == Transport::LongPoll && !self.is_early(io);
                self.rest(!waited, keep_alive, io);
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
                io.set_deadline(PATIENCE);
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
        if self.cursor.is_none() && self.options.from_now {
            self.cursor = cursor;
        }
    }

    /// Something has come this way. A WebSocket or a stream that merely opens does not count: some proxies let it
    /// open and then cut it, or hold back whatever comes.
    fn works(&mut self) {
        self.proved = true;
        self.failures = 0;
        self.way_failures = 0;
        if let Some(proven) = self.proven.get_mut(self.way) {
            *proven = true;
        }
    }

    /// Whether what was asked for came too soon for a server that waits.
    fn is_early(&self, io: &Io<'_>) -> bool {
        io.now.ms.saturating_sub(self.asked_at) < millis(EARLY)
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
        let mut came = false;
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
                        came = true;
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
        // Pings and pongs show it too, but not the close frame of one who lets nobody stay.
        if !came && session.closed.is_none() && session.violation.is_none() && wrong.is_none() {
            self.works();
        }
        let wrong = wrong.or(session.violation.map(Error::WebSocket));
        let keyless = session.is_keyless().then_some(Error::Randomness);
        self.wire = Wire::Socket(session);
        if let Some(error) = wrong.or(keyless) {
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
            _ => return input.len(),
        };
        let (used, piece) = match decoded {
            Ok(decoded) => decoded,
            Err(_) if matches!(wire, Wire::Refusal { .. }) => {
                // It is a refusal however badly it is said.
                self.wire = wire;
                self.end_body(io);
                return input.len();
            }
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
        let end = end || matches!(&wire, Wire::Refusal { said, .. } if said.len() == MAX_SAID);
        self.wire = wire;
        if end {
            self.end_body(io);
        }
        used
    }

    fn take_data(&mut self, wire: &mut Wire, data: &[u8], io: &mut Io<'_>) {
        match wire {
            Wire::Stream { events, .. } => {
                self.works();
                self.watch_silence(io);
                self.take_events(events, data, io);
            }
            Wire::Batch { bytes, since, .. } => {
                bytes.extend_from_slice(data);
                // However large it is, it has its time; but not for a server that lets it trickle.
                let earned = Duration::from_millis((bytes.len() / SLOWEST) as u64);
                let spent = Duration::from_millis(io.now.ms.saturating_sub(*since));
                io.set_deadline((PATIENCE + earned).saturating_sub(spent));
            }
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
            let before = events.last_event_id().to_owned();
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
            // An id without an event moves the cursor too, and an empty one takes it away (WHATWG HTML 9.2.6,
            // dispatch, step 1).
            let id = events.last_event_id();
            if id != before {
                self.cursor = (!id.is_empty()).then(|| id.into());
            }
        }
        if let Some(retry) = events.retry() {
            self.retry = Some(Duration::from_millis(retry));
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
            refusal @ Wire::Refusal { .. } => {
                self.plan = refusal.meaning();
                io.close();
            }
            _ => self.fail(Error::Ended, io),
        }
    }

    fn take_batch(&mut self, batch: Batch, keep_alive: bool, io: &mut Io<'_>) {
        self.answered(None);
        let long = self.transport() == Transport::LongPoll;
        let empty = batch.events.is_empty() && !batch.gap;
        let sought = long && self.seeks_its_place();
        if long && empty && !sought && self.is_early(io) && self.options.transport.is_none() {
            return self.fail(Error::NoWait, io);
        }
        self.works();
        let before = self.cursor.clone();
        if batch.gap {
            self.hand_on(Event::gap(before.as_deref().unwrap_or_default()));
        }
        for event in batch.events {
            self.hand_on(event);
        }
        if !batch.last_id.is_empty() {
            self.cursor = Some(batch.last_id);
        }
        // A server that has nothing new, whatever it says, is not asked again at once.
        let waited = long && !self.is_early(io);
        let news = !empty && self.cursor != before;
        let found = sought && self.cursor.is_some();
        let at_once = news && (batch.more || long) || waited || found;
        self.rest(!at_once, keep_alive, io);
    }

    /// Goes on to the next poll, after a pause if there is to be one: on this connection if the server keeps it.
    fn rest(&mut self, pause: bool, keep_alive: bool, io: &mut Io<'_>) {
        self.wire = Wire::Idle;
        let pause = if pause {
            self.options.interval
        } else {
            Duration::ZERO
        };
        self.due = io.now.ms.saturating_add(millis(pause));
        if keep_alive {
            io.set_deadline(pause);
        } else {
            self.come_back(io);
        }
    }

    /// Polls on a new connection when it is time.
    fn come_back(&mut self, io: &mut Io<'_>) {
        let pause = Duration::from_millis(self.due.saturating_sub(io.now.ms));
        self.plan.get_or_insert(Plan::Again(pause));
        io.close();
    }

    /// Hands an event on, unless it is one that was handed on before.
    fn hand_on(&mut self, event: Event) {
        // The ids of an event stream that is only that may mean anything.
        let any = self.options.transport == Some(Transport::EventStream);
        if event.is_gap() {
            self.contiguous = false;
        } else if !any {
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
        if self.reached && !self.proved {
            self.way_failures += 1;
        }
        // A redirect that leads nowhere is forgotten.
        self.url = self.home.clone();
        self.redirects = 0;
        let passing = error.is_passing();
        let last = self.way + 1 >= Transport::ALL.len();
        if self.options.transport.is_none() && self.is_of_the_way(&error) {
            if !last {
                self.fall_back(error);
                self.way += 1;
                return Next::Connect(Duration::ZERO);
            }
            if passing {
                // None works now, and the best one may be the first that works again.
                self.fall_back(error);
                self.way = 0;
                return Next::Connect(self.pause(retry_after, random));
            }
        }
        if !passing {
            return self.end(Some(error));
        }
        let wait = self.pause(retry_after, random);
        self.tell(Update::Lost(error, wait));
        Next::Connect(wait)
    }

    /// Whether another way may do better.
    fn is_of_the_way(&self, error: &Error) -> bool {
        let proven = self.proven.get(self.way).is_some_and(|proven| *proven);
        let most = if proven {
            PROVEN_FAILURES
        } else {
            WAY_FAILURES
        };
        match error {
            Error::Url(_) | Error::Field(_) | Error::Randomness => false,
            error => !error.is_passing() || self.way_failures >= most,
        }
    }

    fn fall_back(&mut self, error: Error) {
        self.tell(Update::FellBack(self.transport(), error));
        self.way_failures = 0;
    }

    /// How long to wait after one more failure: what the server asks for, and the backoff on top of it, which spreads
    /// those who were told the same, and slows down for a server that asks for no wait at all.
    fn pause(&mut self, retry_after: Option<Duration>, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let retry = self
            .retry
            .filter(|_| self.transport() == Transport::EventStream);
        let asked = retry_after.or(retry).unwrap_or_default().min(MAX_ASKED);
        asked.saturating_add(self.options.backoff.wait(self.failures, random))
    }
}

impl Talk for Follower {
    fn url(&self) -> &Url {
        &self.url
    }

    fn connected(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        self.plan = None;
        self.reached = true;
        self.proved = false;
        self.asked = 0;
        self.ask(io, around);
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, _around: &mut Around<'_>) {
        let mut at = 0;
        while at < input.len() && !io.is_closing() {
            at += match self.wire {
                Wire::Head { .. } => self.take_head(&input[at..], io),
                Wire::Socket(_) => return self.take_frames(&mut input[at..], io),
                // Nobody asked for what comes here, and what the next answer is could not be told from it.
                Wire::Idle => return self.come_back(io),
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
            Wire::Batch { body, .. } => body.eof().is_ok(),
            Wire::Refusal { .. } => true,
            _ => false,
        };
        if complete {
            // The body was delimited by the end of the connection.
            self.end_body(io);
        } else if matches!(self.wire, Wire::Idle) {
            // Between two polls a server may close whenever it likes (RFC 9112 9.5).
            self.come_back(io);
        }
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        match &mut self.wire {
            Wire::Idle => self.ask(io, around),
            Wire::Socket(session) => {
                session.tick(&super::SESSION, io);
                if session.is_keyless() {
                    self.fail(Error::Randomness, io);
                } else if io.is_closing() {
                    self.fail(Error::Silence, io);
                }
            }
            Wire::Stream { .. } => self.fail(Error::Silence, io),
            Wire::Refusal { .. } => self.end_body(io),
            Wire::Head { .. } | Wire::Batch { .. } => self.fail(Error::Timeout, io),
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
        let wire = std::mem::replace(&mut self.wire, Wire::Idle);
        // The server closed just when it was asked once more (RFC 9112 9.3.1: a GET may be sent again).
        let crossed =
            self.asked > 1 && matches!(&wire, Wire::Head { reader, .. } if reader.is_empty());
        let rested = self.reached && self.proved && matches!(wire, Wire::Idle);
        let next = match self.plan.take().or_else(|| wire.meaning()) {
            Some(Plan::End) => self.end(None),
            Some(Plan::Again(wait)) => Next::Connect(wait),
            Some(Plan::Failed(error, retry_after)) => self.decide(error, retry_after, random),
            // Reset between two polls, which is as good as closed.
            None if rested => Next::Connect(self.options.interval),
            None if crossed => Next::Connect(Duration::ZERO),
            None => self.decide(error.unwrap_or(Error::Ended), None, random),
        };
        self.reached = false;
        next
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
