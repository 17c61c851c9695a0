//! How a handler answers: at once, later, or piece by piece.
//!
//! A [`Reply`] is the right and the duty to answer one request. At once, the answer is written straight into the connection's
//! output, without a copy in between. Later ([`Later`]) and piece by piece ([`Stream`], [`EventStream`]) it comes from
//! wherever the handle has been taken, as letters to the connection that carry the request's serial: one that comes too late finds
//! another serial, or none, and is dropped.
//!
//! Both ends hold one [`Claim`], and the first to take it settles the answer. So a handle learns when its client has gone,
//! and a deadline and an answer that meet never both win.

use std::borrow::Cow;
use std::time::Duration;

use super::claim::{Awaited, Claim};
use super::credit::{self, Bounds, Credit, Debtor};
use super::form::Form;
use crate::command::{Letter, Mailbox, Promise};
use crate::error::Error;
use crate::http::{FieldValue, HttpDate, Status};
use crate::net::{ConnectionId, SendError};
use crate::response::{self, Extra, Response, ResponseError, refusal};
use crate::sse;

/// A piece that is written by a thread of the program's own goes at least so much at once, in bytes.
const PART: usize = 16 * 1024;

/// The answer that a handler has to give. Each of its methods gives it; a reply that is dropped without one becomes a 500.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.get("/", |_request, reply| reply.html("<h1>hello</h1>"));
/// server.post("/items", |request, reply| match request.body() {
///     b"" => reply.status(400),
///     _ => reply.header("Location", "/items/1").status(201),
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
pub struct Reply<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) date: &'a HttpDate,
    pub(super) form: Form,
    pub(super) extra: Extra,
    pub(super) promise: Promise,
    pub(super) mailbox: &'a Mailbox,
    /// Of what is sent piece by piece.
    pub(super) bounds: Bounds,
    pub(super) answer: &'a mut Answer,
}

/// What became of a [`Reply`].
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing yet.
    Owed,
    /// It is written, with this status.
    Given(Status),
    /// What the handler wanted can't be sent, and 500 is written instead.
    Broken(ResponseError),
    /// It comes through the mailbox.
    Promised(Awaited, Option<Fallback>),
    /// Its head is written; pieces come through the mailbox. An event stream gets comments while it is silent.
    Streamed { debtor: Debtor, events: bool },
}

/// What is answered when a promise is not kept in time.
pub(super) struct Fallback {
    pub(super) time: Duration,
    pub(super) make: Box<dyn FnOnce() -> Response + Send>,
}

impl std::fmt::Debug for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fallback")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl<'a> Reply<'a> {
    /// Adds a field to the answer, whether that is sent at once, later, or piece by piece. The rules of
    /// [`Response::header`] apply.
    ///
    /// ```
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.get("/ticks", |_request, reply| {
    ///     let events = reply.header("Access-Control-Allow-Origin", "*").events();
    ///     // ...
    /// });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn header(mut self, name: &str, value: &str) -> Reply<'a> {
        self.extra.add(name, value);
        self
    }

    /// Sends a response.
    pub fn send(self, mut response: Response) {
        let body = std::mem::take(&mut response.body);
        self.send_with(response, &body);
    }

    /// Answers 200 with plain text, which is copied once.
    pub fn text(self, text: impl AsRef<str>) {
        self.send_as(response::TEXT, text.as_ref());
    }

    /// Answers 200 with an HTML page, which is copied once.
    pub fn html(self, html: impl AsRef<str>) {
        self.send_as(response::HTML, html.as_ref());
    }

    /// Answers 200 with JSON, given as text, which is copied once.
    pub fn json(self, json: impl AsRef<str>) {
        self.send_as(response::JSON, json.as_ref());
    }

    fn send_as(self, media_type: &'static str, body: &str) {
        let response = Response::new(Some(media_type), Cow::Borrowed(b""));
        self.send_with(response, body.as_bytes());
    }

    fn send_with(self, response: Response, body: &[u8]) {
        let response = response.with(self.extra);
        *self.answer = match response.problem {
            None => {
                self.form.write_with(self.out, self.date, &response, body);
                Answer::Given(response.status)
            }
            Some(problem) => {
                self.form.write(self.out, self.date, &broken());
                Answer::Broken(problem)
            }
        };
    }

    /// An answer whose body is only the status in words, such as 404 or 503; 204, 205 and 304 have no body.
    pub fn status(self, code: u16) {
        match Status::new(code) {
            Some(status) if !matches!(code, 204 | 205 | 304) => {
                self.send(Response::text(format!("{status}\n")).status(code));
            }
            _ => self.send(Response::empty().status(code)),
        }
    }

    /// Promises the answer for later, from any thread. Until it comes, the connection waits, and further requests
    /// on it too. A promise that is dropped becomes a 500. Nothing is sent meanwhile, so that a client that vanishes
    /// without closing its connection is noticed only when the answer is sent: [`Reply::later_within`] has a deadline.
    pub fn later(self) -> Later {
        self.promise(None)
    }

    /// Promises the answer for later, but not for ever: a long poll. If it has not come within `time`, or when the
    /// server is stopped, or the client closes its half of the connection, it gets what `otherwise` makes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use barewire::{Later, Response, Server};
    /// # let mut server = Server::bind("127.0.0.1:0")?;
    /// let mut waiting: Vec<Later> = Vec::new();
    /// server.get("/next", move |_request, reply| {
    ///     waiting.retain(Later::is_awaited);
    ///     waiting.push(reply.later_within(Duration::from_secs(30), Response::empty));
    /// });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn later_within(
        self,
        time: Duration,
        otherwise: impl FnOnce() -> Response + Send + 'static,
    ) -> Later {
        let extra = self.extra.clone();
        let make = Box::new(move || otherwise().with(extra));
        self.promise(Some(Fallback { time, make }))
    }

    fn promise(self, fallback: Option<Fallback>) -> Later {
        let claim = Claim::default();
        *self.answer = Answer::Promised(Awaited(claim.clone()), fallback);
        Later {
            mailbox: self.mailbox.clone(),
            promise: self.promise,
            extra: self.extra,
            claim,
        }
    }

    /// Begins an answer whose body comes piece by piece, from any thread: chunked in HTTP/1.1, until the end of the
    /// connection in HTTP/1.0. It ends when the stream is dropped. A client that vanishes without closing its connection is
    /// noticed when pieces are not taken; only the program sends any.
    ///
    /// A media type or a field that can't be written gives the client a 500, and every write to the stream fails.
    pub fn stream(self, media_type: &str) -> Stream {
        let Extra { fields, problem } = self.extra;
        let (credit, debtor) = credit::open(self.bounds);
        let events = media_type == sse::MEDIA_TYPE;
        let value = FieldValue::new(media_type);
        let value = value.map_err(|_| ResponseError::Value("Content-Type".into()));
        *self.answer = match value.and_then(|value| problem.map_or(Ok(value), Err)) {
            Ok(value) => {
                self.form.write_stream(self.out, self.date, value, &fields);
                Answer::Streamed { debtor, events }
            }
            Err(problem) => {
                self.form.write(self.out, self.date, &broken());
                Answer::Broken(problem)
            }
        };
        Stream {
            mailbox: self.mailbox.clone(),
            promise: self.promise,
            credit,
            events,
        }
    }

    /// Begins an event stream: see [`EventStream`].
    pub fn events(self) -> EventStream {
        EventStream {
            stream: self.stream(sse::MEDIA_TYPE),
        }
    }
}

pub(super) fn broken() -> Response {
    refusal(
        Status::INTERNAL_SERVER_ERROR,
        "the server made an answer that can't be sent",
    )
}

/// An answer that was promised ([`Reply::later`], [`Reply::later_within`]).
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.get("/slow", |_request, reply| {
///     let later = reply.later();
///     std::thread::spawn(move || {
///         let sum: u64 = (1..=1_000_000).sum();                       // not on the loop
///         let _ = later.send(barewire::Response::text(sum.to_string()));
///     });
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a promise that is dropped becomes a 500"]
pub struct Later {
    mailbox: Mailbox,
    promise: Promise,
    extra: Extra,
    claim: Claim,
}

impl Later {
    /// A promise of the library's own.
    pub(super) fn new(mailbox: Mailbox, promise: Promise, claim: Claim) -> Later {
        Later {
            mailbox,
            promise,
            extra: Extra::default(),
            claim,
        }
    }

    /// Sends the answer.
    ///
    /// # Errors
    /// [`SendError::Gone`]: the client has left, or has got the other answer because the time was over. The program may keep
    /// what it wanted to send for the client's next request. [`SendError::Ended`]: the server has ended.
    pub fn send(mut self, response: Response) -> Result<(), SendError> {
        self.give(response)
    }

    /// Whether the answer is still expected: the client is connected as far as is known, and the time is not over.
    pub fn is_awaited(&self) -> bool {
        !self.claim.is_taken()
    }

    fn give(&mut self, response: Response) -> Result<(), SendError> {
        if !self.claim.take() {
            return Err(SendError::Gone);
        }
        let response = response.with(std::mem::take(&mut self.extra));
        let letter = Letter::Answer(self.promise.serial, Box::new(response));
        let sent = self.mailbox.send_last(self.promise.id, letter);
        if sent.is_err() {
            // It is not on its way, so that the other answer may still be given.
            self.claim.give_back();
        }
        sent
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if self.is_awaited() {
            let why = "the answer that was promised did not come";
            // If the server has ended there is nobody left to tell.
            let _ = self.give(refusal(Status::INTERNAL_SERVER_ERROR, why));
        }
    }
}

/// A body that is written piece by piece ([`Reply::stream`]). Ends when it is dropped.
///
/// What is written and not yet taken by the client is queued, and bounded in two ways: from
/// [`Limits::high_water`](crate::Limits::high_water) bytes on, [`Stream::write`] waits, and more than
/// [`Limits::backlog`](crate::Limits::backlog) bytes are never queued.
///
/// ```
/// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
/// server.get("/large", |_request, reply| {
///     let stream = reply.stream("application/octet-stream");
///     std::thread::spawn(move || {
///         for _ in 0..3_200 {
///             if stream.write(vec![7; 64 * 1024]).is_err() {
///                 return; // the client has left
///             }
///         }
///     });
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    mailbox: Mailbox,
    promise: Promise,
    credit: Credit,
    /// Comments go out between its pieces, so that none may be cut.
    events: bool,
}

impl Stream {
    /// Sends a piece, once the client has taken most of what was sent before. In a thread of the program's own this waits
    /// while [`Limits::high_water`](crate::Limits::high_water) bytes or more are queued, as long as the client takes
    /// something within each [`Limits::stall_timeout`](crate::Limits::stall_timeout). A larger piece is sent in parts,
    /// between which pieces of another thread may come.
    ///
    /// In a handler, where waiting would stop the loop, it does not wait: it behaves as [`Stream::try_write`].
    ///
    /// # Errors
    /// [`SendError::Gone`]: the stream is over, because its client has left or the server shuts down.
    /// [`SendError::CutOff`]: its client did not take what was sent. [`SendError::Ended`]: the server has ended.
    /// [`SendError::Full`], where it does not wait: see [`Stream::try_write`]. A write that waits returns with any of them.
    pub fn write(&self, piece: impl Into<Vec<u8>>) -> Result<(), SendError> {
        let piece = piece.into();
        if !self.mailbox.may_wait() {
            return self.post(piece).map(drop);
        }
        let most = self.credit.window().max(PART);
        if self.events || piece.len() <= most {
            self.credit.wait()?;
            return self.post(piece).map(drop);
        }
        for part in piece.chunks(most) {
            self.credit.wait()?;
            self.post(part.to_vec())?;
        }
        Ok(())
    }

    /// Sends a piece without waiting, and returns how many bytes are queued now. Each piece counts with up to 64 bytes of
    /// overhead.
    ///
    /// # Errors
    /// [`SendError::Full`]: with this piece more than [`Limits::backlog`](crate::Limits::backlog) bytes would be queued.
    /// It was not sent; the stream goes on. Other errors are those of [`Stream::write`].
    pub fn try_write(&self, piece: impl Into<Vec<u8>>) -> Result<usize, SendError> {
        self.post(piece.into())
    }

    fn post(&self, piece: Vec<u8>) -> Result<usize, SendError> {
        let queued = self.credit.take(piece.len())?;
        let letter = Letter::Piece(self.promise.serial, piece);
        // It is bounded by its credit, and not by what waits for others.
        self.mailbox.send_last(self.promise.id, letter)?;
        Ok(queued)
    }

    /// How many bytes are written and not yet taken by the client. It may have taken more than is known here.
    pub fn queued(&self) -> usize {
        self.credit.queued()
    }

    /// Whether the client is still connected, as far as is known: that one has vanished is noticed only after a while.
    pub fn is_open(&self) -> bool {
        self.credit.over().is_none()
    }

    /// The connection that carries it.
    pub fn id(&self) -> ConnectionId {
        self.promise.id
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_open() {
            let end = Letter::End(self.promise.serial);
            // If the server has ended, so has the stream.
            let _ = self.mailbox.send_last(self.promise.id, end);
        }
    }
}

/// An event stream that a handler sends ([`Reply::events`]); for those of channels, see
/// [`Server::channels`](crate::Server::channels). It ends when it is dropped. While it is silent, comments are sent so that
/// proxies keep it open.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.get("/ticks", |_request, reply| {
///     let events = reply.events();
///     std::thread::spawn(move || {
///         for tick in 0.. {
///             if events.send_event("tick", &tick.to_string()).is_err() {
///                 return;                                             // the client has gone
///             }
///             std::thread::sleep(std::time::Duration::from_secs(1));
///         }
///     });
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
pub struct EventStream {
    stream: Stream,
}

impl EventStream {
    /// Sends data under an event name; `message` is the default one of a browser.
    ///
    /// # Errors
    /// As [`EventStream::send`]. A name that could inject a line is invalid: [`Error::EventName`].
    pub fn send_event(&self, name: &str, data: &str) -> crate::Result<()> {
        let name = sse::EventName::new(name).map_err(Error::EventName)?;
        Ok(self.send(&sse::Event {
            name: Some(name),
            ..sse::Event::message(data)
        })?)
    }

    /// Sends an event, without waiting, from any thread: a client that reads slowly does not delay other streams.
    ///
    /// `streams.retain(|stream| stream.send(&event).is_ok())` sends it to many, and drops the streams whose clients have gone or
    /// do not read: a stream refuses an event only because of its own client's backlog, however busy the server is. A browser
    /// whose stream ends this way comes back with the last id that it has seen.
    ///
    /// # Errors
    /// [`SendError::Full`]: the client has not taken [`Limits::backlog`](crate::Limits::backlog) bytes of earlier events.
    /// This event was not sent; the stream goes on without it.
    /// [`SendError::Gone`], [`SendError::CutOff`], [`SendError::Ended`]: the stream is over.
    pub fn send(&self, event: &sse::Event<'_>) -> Result<(), SendError> {
        if let Some(why) = self.stream.credit.over() {
            return Err(why);
        }
        let mut block = Vec::new();
        sse::write_event(&mut block, event);
        self.stream.post(block).map(drop)
    }

    /// How many bytes are sent and not taken by the client: see [`Stream::queued`].
    pub fn queued(&self) -> usize {
        self.stream.queued()
    }

    /// Whether the client is still there: see [`Stream::is_open`].
    pub fn is_open(&self) -> bool {
        self.stream.is_open()
    }

    /// The connection that carries it.
    pub fn id(&self) -> ConnectionId {
        self.stream.id()
    }
}
