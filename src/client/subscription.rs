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
//! heeds `retry`, ends at 204, follows redirects within a bound, and fails at every other status. Beyond it, a status
//! that passes (408, 425, 429, 5xx) is waited out where `Retry-After` says how long, or once the server has streamed;
//! and in the other ways always.
//!
//! No answer makes it spin: every connection that failed costs a backoff on top of what the server asks for, which
//! grows whatever the connection said before it failed, unless it lasted or led further than those before. And a poll
//! that was answered at once without anything new is followed by a rest.

mod answer;
mod body;
mod fallback;
mod request;

use std::time::Duration;

use self::fallback::Obstacle;
use super::backoff::Streak;
use super::error::Error;
use super::event::Event;
use super::options::{Options, Transport, Update};
use super::talk::{Around, HeadReader, Next, Talk};
use super::url::Url;
use crate::channel::Id;
use crate::http::BodyDecoder;
use crate::net::{Io, Now, millis};
use crate::random::Random;
use crate::session::Session;
use crate::sse;
use crate::ws::CloseCode;

/// The longest wait that a server may ask for, by `retry` or by `Retry-After`: nearly 25 days, the longest that a
/// browser's timers know. Up to it a client never comes sooner than it is asked to (WHATWG HTML 9.2.3).
const MAX_ASKED: Duration = Duration::from_millis((1 << 31) - 1);
/// The shortest wait that a `retry` stands for: one of zero would have every client come back in a tight circle.
const MIN_RETRY: Duration = Duration::from_millis(250);

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
    /// A message behind the cursor that is too large.
    obstacle: Obstacle,
    /// The way that was left for such a message, to be taken again when it lies behind.
    detour: Option<usize>,
    /// Failures of any kind.
    streak: Streak,
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
        /// The cursor behind it, as its head says.
        last_id: Option<Box<str>>,
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
            obstacle: Obstacle::default(),
            detour: None,
            streak: Streak::default(),
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

    /// Goes the way with this number from the next connection on.
    fn turn_to(&mut self, way: usize) {
        self.way = way;
        self.stands = false;
        self.way_failures = 0;
    }

    fn transport(&self) -> Transport {
        Transport::ALL
            .get(self.way)
            .copied()
            .unwrap_or(Transport::ShortPoll)
    }

    /// The server answers as it should.
    fn answered(&mut self, cursor: Option<Box<str>>, now: Now) {
        self.redirects = 0;
        self.streak.stand(now.ms);
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
        self.way_failures = 0;
        if let Some(proven) = self.proven.get_mut(self.way) {
            *proven = true;
        }
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
        self.hang_up(io);
    }

    /// Hands an event on, unless it is one that was handed on before.
    fn hand_on(&mut self, event: Event) {
        if event.is_gap() {
            self.contiguous = false;
        } else if !self.is_plain() {
            if self.is_repeated(&event.id) {
                return;
            }
            self.contiguous = true;
        }
        if !event.id.is_empty() {
            self.move_to(&event.id);
        }
        self.tell(Update::Event(event));
    }

    /// The last id of an event stream: one without an event moves the cursor too, and an empty one takes it away (WHATWG HTML 9.2.6, dispatch, step 1).
    fn note_id(&mut self, id: &str) {
        if self.is_plain() || !self.is_repeated(id) {
            self.move_to(id);
        }
    }

    /// Sets the cursor. The empty id is none.
    fn move_to(&mut self, id: &str) {
        if self.cursor.as_deref().unwrap_or_default() != id {
            self.cursor = Some(id).filter(|id| !id.is_empty()).map(Into::into);
            self.streak.progress();
            self.obstacle = Obstacle::default();
            if matches!(
                self.transport(),
                Transport::WebSocket | Transport::EventStream
            ) {
                // As good a way as the one that was left.
                self.detour = None;
            }
        }
    }

    /// It may be any event stream's, whose ids may mean anything.
    fn is_plain(&self) -> bool {
        self.options.transport == Some(Transport::EventStream)
    }

    /// Whether a channel's message with this id was handed on before.
    fn is_repeated(&self, id: &str) -> bool {
        let cursor = self.cursor.as_deref().unwrap_or_default();
        match (id.parse::<Id>(), cursor.parse::<Id>()) {
            (Ok(id), Ok(cursor)) => self.contiguous && id <= cursor,
            _ => false,
        }
    }

    fn watch_silence(&self, io: &mut Io<'_>) {
        match self.options.silence {
            Some(silence) => io.set_deadline(silence),
            None => io.clear_deadline(),
        }
    }

    /// The connection is of no more use.
    fn fail(&mut self, error: Error, io: &mut Io<'_>) {
        self.hang_up(io);
        self.wire = Wire::Idle;
        self.plan.get_or_insert(Plan::Failed(error, None));
    }

    /// Ends the connection: after the close frame where there is one, and at once where nothing is left to be said.
    fn hang_up(&self, io: &mut Io<'_>) {
        match self.wire {
            Wire::Socket(_) => io.close(),
            _ => io.abort(),
        }
    }

    fn end(&mut self, error: Option<Error>) -> Next {
        self.tell(Update::Ended(error));
        Next::Finished
    }

    /// How long to wait after one more failure: what the server asks for, and the backoff on top of it, which spreads
    /// those who were told the same, and slows down for a server that asks for no wait at all.
    fn pause(&mut self, retry_after: Option<Duration>, now: Now, random: &mut Random) -> Duration {
        let failures = self.streak.fail(now.ms);
        let retry = self
            .retry
            .filter(|_| self.transport() == Transport::EventStream)
            .map(|retry| retry.max(MIN_RETRY));
        let asked = retry_after.max(retry).unwrap_or_default().min(MAX_ASKED);
        asked.saturating_add(self.options.backoff.wait(failures, random))
    }
}

impl Talk for Follower {
    fn url(&self) -> &Url {
        &self.url
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&crate::net::tls::ClientTls> {
        self.options.tls.as_ref()
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
                _ => self.hang_up(io),
            }
        }
    }

    fn over(&mut self, error: Option<Error>, now: Now, random: &mut Random) -> Next {
        let wire = std::mem::replace(&mut self.wire, Wire::Idle);
        // The server closed just when it was asked once more (RFC 9112 9.3.1: a GET may be sent again).
        let crossed =
            self.asked > 1 && matches!(&wire, Wire::Head { reader, .. } if reader.is_empty());
        let rested = self.reached && self.proved && matches!(wire, Wire::Idle);
        let next = match self.plan.take().or_else(|| wire.meaning()) {
            Some(Plan::End) => self.end(None),
            Some(Plan::Again(wait)) => Next::Connect(wait),
            Some(Plan::Failed(error, retry_after)) => self.decide(error, retry_after, now, random),
            // Reset between two polls, which is as good as closed.
            None if rested => Next::Connect(self.options.interval),
            None if crossed => Next::Connect(Duration::ZERO),
            None => self.decide(error.unwrap_or(Error::Ended), None, now, random),
        };
        self.reached = false;
        next
    }
}
