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
mod cursor;
mod fallback;
mod obstacle;
mod request;

use std::time::Duration;

use self::cursor::Cursor;
use self::obstacle::Obstacle;
use super::backoff::Streak;
use super::error::Error;
use super::event::Event;
use super::options::{SubscribeOptions, Transport, Update};
use super::talk::{Around, HeadReader, MAX_ASKED, QUIT, SESSION, Sequel, Talk};
use super::url::Url;
use crate::http::BodyDecoder;
use crate::net::{Io, Now, millis};
use crate::random::Random;
use crate::session::Session;
use crate::sse;

/// The shortest wait that a `retry` stands for: one of zero would have every client come back in a tight circle.
const MIN_RETRY: Duration = Duration::from_millis(250);

pub(super) type Handler = Box<dyn FnMut(Update) + Send>;

/// A subscription as a machine.
pub(super) struct Follower {
    /// Where it was told to go, and where that leads.
    home: Url,
    url: Url,
    options: SubscribeOptions,
    /// Which of [`Transport::ALL`] is in use.
    way: usize,
    /// Which of them have worked.
    proven: [bool; Transport::COUNT],
    /// Failures of this way in a row, with the server there.
    way_failures: u32,
    /// A message behind the cursor that is too large.
    obstacle: Obstacle,
    /// The way that was left for such a message, to be taken again when it lies behind.
    detour: Option<usize>,
    /// Failures of any kind.
    streak: Streak,
    redirects: u8,
    cursor: Cursor,
    /// The wait that the server asked for (`retry`).
    retry: Option<Duration>,
    expected: Expected,
    /// What is to come when the connection is gone, if that is decided.
    plan: Option<Plan>,
    /// The program was told that it is connected, and not yet that it is no more.
    announced: bool,
    reach: Reach,
    /// Requests on this connection.
    asked: u32,
    /// When the last of them was sent, and when the next one is due, in milliseconds of the loop.
    asked_at: u64,
    due: u64,
    handler: Handler,
}

/// How far the connection has come, or the last one came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nobody was there.
    Nobody,
    /// It stands or stood, so that the server is there.
    Server,
    /// What came over it shows that this way works.
    Proof,
}

/// What is expected on the connection.
enum Expected {
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

impl Expected {
    /// What an answer comes to whose end is no more of interest: only a refusal has said enough by then.
    fn meaning(self) -> Option<Plan> {
        match self {
            Expected::Refusal {
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
    /// The subscription ends, as it should.
    End,
}

impl Follower {
    pub(super) fn new(url: Url, options: SubscribeOptions, handler: Handler) -> Follower {
        let chosen = options
            .transport
            .and_then(|chosen| Transport::ALL.iter().position(|way| *way == chosen));
        Follower {
            home: url.clone(),
            url,
            way: chosen.unwrap_or(0),
            proven: [false; Transport::COUNT],
            way_failures: 0,
            obstacle: Obstacle::default(),
            detour: None,
            streak: Streak::default(),
            redirects: 0,
            cursor: Cursor::new(options.cursor.clone()),
            retry: None,
            expected: Expected::Idle,
            plan: None,
            announced: false,
            reach: Reach::Nobody,
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
        self.announced = false;
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
        if !std::mem::replace(&mut self.announced, true) {
            self.tell(Update::Connected(self.transport()));
        }
        if self.options.from_now && !self.cursor.is_set() {
            self.cursor.set(cursor.as_deref().unwrap_or_default());
        }
    }

    /// Something has come this way. A WebSocket or a stream that merely opens does not count: some proxies let it
    /// open and then cut it, or hold back whatever comes.
    fn works(&mut self) {
        self.reach = Reach::Proof;
        self.way_failures = 0;
        if let Some(proven) = self.proven.get_mut(self.way) {
            *proven = true;
        }
    }

    /// Goes on to the next poll, after a pause if there is to be one: on this connection if the server keeps it.
    fn rest(&mut self, pause: bool, keep_alive: bool, io: &mut Io<'_>) {
        self.expected = Expected::Idle;
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
            self.cursor.lose_order();
        } else if !self.is_plain() {
            if self.cursor.has_passed(&event.id) {
                return;
            }
            self.cursor.find_order();
        }
        if !event.id.is_empty() {
            self.move_to(&event.id);
        }
        self.tell(Update::Event(event));
    }

    /// The last id of an event stream: one without an event moves the cursor too, and an empty one takes it away (WHATWG
    /// HTML 9.2.6, dispatch, step 1).
    fn note_id(&mut self, id: &str) {
        if self.is_plain() || !self.cursor.has_passed(id) {
            self.move_to(id);
        }
    }

    /// Sets the cursor. The empty id is none.
    fn move_to(&mut self, id: &str) {
        if self.cursor.set(id) {
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

    fn watch_silence(&self, io: &mut Io<'_>) {
        match self.options.silence {
            Some(silence) => io.set_deadline(silence),
            None => io.clear_deadline(),
        }
    }

    /// The connection is of no more use.
    fn fail(&mut self, error: Error, io: &mut Io<'_>) {
        self.hang_up(io);
        self.expected = Expected::Idle;
        self.plan.get_or_insert(Plan::Failed(error, None));
    }

    /// Ends the connection: after the close frame where there is one, and at once where nothing is left to be said.
    fn hang_up(&self, io: &mut Io<'_>) {
        match self.expected {
            Expected::Socket(_) => io.close(),
            _ => io.abort(),
        }
    }

    fn end(&mut self, error: Option<Error>) -> Sequel {
        self.tell(Update::Ended(error));
        Sequel::End
    }

    /// How long to wait after one more failure: what the server asks for, and the backoff on top of it, which spreads
    /// those who were told the same, and slows down for a server that asks for no wait at all.
    fn pause(&mut self, retry_after: Option<Duration>, now: Now, random: &mut Random) -> Duration {
        let failures = self.streak.fail(now.ms);
        let asked = self.asked(retry_after);
        asked.saturating_add(self.options.backoff.wait(failures, random))
    }

    /// For how long the server wants to be left alone, by the way that has just failed.
    fn asked(&self, retry_after: Option<Duration>) -> Duration {
        let retry = self
            .retry
            .filter(|_| self.transport() == Transport::EventStream)
            .map(|retry| retry.max(MIN_RETRY));
        retry_after.max(retry).unwrap_or_default().min(MAX_ASKED)
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
        self.reach = Reach::Server;
        self.asked = 0;
        self.ask(io, around);
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, _around: &mut Around<'_>) {
        let mut at = 0;
        while at < input.len() && !io.is_closing() {
            at += match self.expected {
                Expected::Head { .. } => self.take_head(&input[at..], io),
                Expected::Socket(_) => return self.take_frames(&mut input[at..], io),
                // Nobody asked for what comes here, and what the next answer is could not be told from it.
                Expected::Idle => return self.come_back(io),
                _ => self.take_body(&input[at..], io),
            };
        }
        // A body of no length is complete with its head.
        if !io.is_closing()
            && !matches!(
                self.expected,
                Expected::Head { .. } | Expected::Idle | Expected::Socket(_)
            )
        {
            self.take_body(b"", io);
        }
    }

    fn ended(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        let complete = match &self.expected {
            Expected::Batch { body, .. } => body.eof().is_ok(),
            Expected::Refusal { .. } => true,
            _ => false,
        };
        if complete {
            // The body was delimited by the end of the connection.
            self.end_body(io);
        } else if matches!(self.expected, Expected::Idle) {
            // Between two polls a server may close whenever it likes (RFC 9112 9.5).
            self.come_back(io);
        }
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        match &mut self.expected {
            Expected::Idle => self.ask(io, around),
            Expected::Socket(session) => {
                session.tick(&SESSION, io);
                if session.is_keyless() {
                    self.fail(Error::Randomness, io);
                } else if io.is_closing() {
                    self.fail(Error::Silence, io);
                }
            }
            Expected::Stream { .. } => self.fail(Error::Silence, io),
            Expected::Refusal { .. } => self.end_body(io),
            Expected::Head { .. } | Expected::Batch { .. } => self.fail(Error::Timeout, io),
        }
    }

    fn resumed(&mut self, io: &mut Io<'_>) {
        if let Expected::Socket(session) = &mut self.expected {
            session.resume(io);
        }
    }

    fn quit(&mut self, io: Option<&mut Io<'_>>) {
        self.plan = Some(Plan::End);
        if let Some(io) = io {
            match &mut self.expected {
                Expected::Socket(session) => session.close(QUIT, "", &SESSION, io),
                _ => self.hang_up(io),
            }
        }
    }

    fn disconnected(&mut self, error: Option<Error>, now: Now, random: &mut Random) -> Sequel {
        let expected = std::mem::replace(&mut self.expected, Expected::Idle);
        // The server closed just when it was asked once more (RFC 9112 9.3.1: a GET may be sent again).
        let crossed = self.asked > 1
            && matches!(&expected, Expected::Head { reader, .. } if reader.is_empty());
        let rested = self.reach == Reach::Proof && matches!(expected, Expected::Idle);
        let next = match self.plan.take().or_else(|| expected.meaning()) {
            Some(Plan::End) => self.end(None),
            Some(Plan::Again(wait)) => Sequel::Connect(wait),
            Some(Plan::Failed(error, retry_after)) => self.decide(error, retry_after, now, random),
            // Reset between two polls, which is as good as closed.
            None if rested => Sequel::Connect(self.options.interval),
            None if crossed => Sequel::Connect(Duration::ZERO),
            None => self.decide(error.unwrap_or(Error::Ended), None, now, random),
        };
        self.reach = Reach::Nobody;
        next
    }
}
