//! What state a connection is in, and every step from one to another.
//!
//! ```text
//!              ┌──────────────────────────────────────────────────────────┐
//!              ▼                                                          │ answered, keep-alive
//!   new ────► Head ──begin_body──► Body ──end_body──┐                     │
//!              │ ▲                                  │                     │
//!              │ └──────────────────────────────────┘  then the handler:  │
//!              ├──promise──► Promised ──take_promise──────────────────────┤   Reply::later
//!              ├──stream───► Streaming ──end_stream───────────────────────┤   Reply::stream, Reply::events
//!              ├──publish──► Publishing ──end_publish─────────────────────┤   a POST that is being kept
//!              ├──wait─────► Waiting ──end_wait───────────────────────────┤   a long poll, or one that reads history
//!              ├──open─────► Opening ──end_open─┬─ refused ────────────────┘   a WebSocket that asks where it begins
//!              │                               └─ upgrade
//!              ├──follow───► Events                                           text/event-stream of a channel
//!              └──upgrade──► Socket                                           WebSocket
//!
//!   close: from every state to Closed. What is out is sent, nothing more is read.
//! ```
//!
//! The invariant: **a connection's state changes by the methods of this file, and each of them leaves one state of the
//! diagram for another.** So the picture can be checked against some forty lines. Who looks at a state ([`machine`],
//! [`exchange`], [`ways`]) gets it through [`Connection::state`] and decides what is to be said; that is never said here.
//!
//! A reader of a channel lives in `Waiting`, `Events`, `Opening` and `Socket`, and has to be given back to its hub: `end_wait` and
//! `end_open` hand it out, and the others keep it to the connection's end, where [`machine`] detaches it. That is why `close` is for states
//! without one.
//!
//! [`machine`]: super::machine
//! [`exchange`]: super::exchange
//! [`ways`]: super::ways

use std::net::SocketAddr;
#[cfg(feature = "backend")]
use std::time::Duration;

use super::claim::Awaited;
use super::credit::Debtor;
use super::form::Form;
use super::reply::Fallback;
use crate::channel::Reader;
use crate::http::{BodyDecoder, HeadFinder};
use crate::session::Session;
use crate::session::compression::Compression;

/// What is kept of input that can't be looked at yet: the beginning of a head, or requests that were sent ahead.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) bytes: Vec<u8>,
    /// How far a head in it has been looked through; `None` before the first look.
    pub(super) finder: Option<HeadFinder>,
}

/// One connection of the server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) peer: SocketAddr,
    /// Counts requests, so that an answer that comes late meets the right one.
    pub(super) serial: u32,
    /// The client has closed its half: what it has asked before that is still answered, if anything is owed.
    pub(super) ended: bool,
    /// Private: it changes in this file alone.
    state: State,
    pub(super) rest: Option<Box<Rest>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// At the beginning of a request, or inside its head.
    Head,
    /// Inside a request's body.
    Body(Box<Upload>),
    /// A long poll waits for its channel.
    Waiting(Waiting),
    /// What was published is being kept.
    #[cfg(feature = "backend")]
    Publishing(Box<Publishing>),
    /// A handler has promised its answer.
    Promised(Box<Parked>),
    /// A handler sends its answer piece by piece.
    Streaming {
        form: Form,
        events: bool,
        /// What the handler's end may send; that learns from it when this one has gone.
        debtor: Debtor,
    },
    /// A channel is read as an event stream.
    Events { reader: Reader, form: Form },
    /// A WebSocket is to begin at the end of its channel, which is being asked for.
    #[cfg(feature = "backend")]
    Opening(Box<Opening>),
    /// A WebSocket.
    Socket(OpenSocket),
    /// Nothing more is to be done.
    Closed,
}

/// A request whose body is on its way.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) head: Box<[u8]>,
    /// For an answer that does not wait for the body.
    pub(super) form: Form,
    pub(super) decoder: BodyDecoder,
    pub(super) body: Vec<u8>,
}

/// A long poll that has found nothing yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reader: Reader,
    pub(super) form: Form,
    /// The page of another origin that may read the answer.
    pub(super) origin: Option<Box<str>>,
}

/// A message that a backend has taken and not kept yet.
#[cfg(feature = "backend")]
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) form: Form,
    /// When it came, if that is counted.
    pub(super) began: Option<Duration>,
    /// The page of another origin that may read the answer.
    pub(super) origin: Option<Box<str>>,
}

/// The handshake of a WebSocket that says where it begins.
#[cfg(feature = "backend")]
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) socket: OpenSocket,
    /// The 101, but for where the socket begins and its last line.
    pub(super) answer: Vec<u8>,
    pub(super) is_compressed: bool,
    /// For a refusal.
    pub(super) form: Form,
    /// The page of another origin that may read a refusal.
    pub(super) origin: Option<Box<str>>,
}

/// A request whose answer a handler has promised.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) form: Form,
    /// The route of its handler.
    pub(super) route: usize,
    pub(super) awaited: Awaited,
    /// What is answered when the deadline comes first.
    pub(super) fallback: Option<Fallback>,
}

/// Whom a session's messages are for.
#[derive(Debug)]
pub(super) enum Audience {
    /// The handler of this route, and which of its subprotocols was chosen.
    Route {
        index: usize,
        protocol: Option<usize>,
    },
    /// A channel: what arrives is published, what is published is sent.
    Channel {
        reader: Reader,
        raw: bool,
        /// What arrives is refused.
        read_only: bool,
    },
}

/// A WebSocket of the server.
#[derive(Debug)]
pub(super) struct OpenSocket {
    pub(super) session: Session,
    pub(super) audience: Audience,
}

impl OpenSocket {
    pub(super) fn new(audience: Audience, compression: Option<Compression>) -> OpenSocket {
        OpenSocket {
            session: Session::server().compressed(compression),
            audience,
        }
    }

    /// Its place in a channel, if it reads one.
    pub(super) fn reader(&self) -> Option<&Reader> {
        match &self.audience {
            Audience::Channel { reader, .. } => Some(reader),
            Audience::Route { .. } => None,
        }
    }
}

/// The steps.
impl Connection {
    /// A peer has connected: a request is to come.
    pub(super) fn new(peer: SocketAddr) -> Connection {
        Connection {
            peer,
            serial: 0,
            ended: false,
            state: State::Head,
            rest: None,
        }
    }

    /// The state, to be looked at, and for what it holds to be changed.
    pub(super) fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// The state, to be looked at.
    pub(super) fn peek(&self) -> &State {
        &self.state
    }

    /// The connection is gone: what it held.
    pub(super) fn into_state(self) -> State {
        self.state
    }

    /// Head to Body: a body follows.
    pub(super) fn begin_body(&mut self, upload: Upload) {
        self.state = State::Body(Box::new(upload));
    }

    /// Body to Head: the request is complete.
    pub(super) fn end_body(&mut self) -> Option<Box<Upload>> {
        match self.take() {
            State::Body(upload) => Some(upload),
            other => self.put_back(other),
        }
    }

    /// Head to Waiting: a long poll has found nothing.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.state = State::Waiting(waiting);
    }

    /// Waiting to Head: it is answered now.
    pub(super) fn end_wait(&mut self) -> Option<Waiting> {
        match self.take() {
            State::Waiting(waiting) => Some(waiting),
            other => self.put_back(other),
        }
    }

    /// Head to Publishing: it is answered when the message is kept.
    #[cfg(feature = "backend")]
    pub(super) fn publish(&mut self, publishing: Publishing) {
        self.state = State::Publishing(Box::new(publishing));
    }

    /// Publishing to Head: it is answered now.
    #[cfg(feature = "backend")]
    pub(super) fn end_publish(&mut self) -> Option<Box<Publishing>> {
        match self.take() {
            State::Publishing(publishing) => Some(publishing),
            other => self.put_back(other),
        }
    }

    /// Head to Promised: a handler answers later.
    pub(super) fn promise(&mut self, parked: Parked) {
        self.state = State::Promised(Box::new(parked));
    }

    /// Promised to Head: it is answered now.
    pub(super) fn take_promise(&mut self) -> Option<Box<Parked>> {
        match self.take() {
            State::Promised(parked) => Some(parked),
            other => self.put_back(other),
        }
    }

    /// Head to Streaming: a handler answers piece by piece.
    pub(super) fn stream(&mut self, form: Form, events: bool, debtor: Debtor) {
        self.state = State::Streaming {
            form,
            events,
            debtor,
        };
    }

    /// Streaming to Head: the last piece is written.
    pub(super) fn end_stream(&mut self) {
        if let State::Streaming { .. } = self.state {
            self.state = State::Head;
        }
    }

    /// Head to Events: a channel is read as an event stream.
    pub(super) fn follow(&mut self, reader: Reader, form: Form) {
        self.state = State::Events { reader, form };
    }

    /// Head to Opening: it is answered when the end of the channel is known.
    #[cfg(feature = "backend")]
    pub(super) fn open(&mut self, opening: Box<Opening>) {
        self.state = State::Opening(opening);
    }

    /// Opening to Head: it is answered now.
    #[cfg(feature = "backend")]
    pub(super) fn end_open(&mut self) -> Option<Box<Opening>> {
        match self.take() {
            State::Opening(opening) => Some(opening),
            other => self.put_back(other),
        }
    }

    /// Head to Socket: it speaks WebSocket from now on.
    pub(super) fn upgrade(&mut self, socket: OpenSocket) {
        self.state = State::Socket(socket);
    }

    /// To Closed: nothing more is read, and nothing that was kept is looked at.
    pub(super) fn close(&mut self) {
        debug_assert!(
            !matches!(
                self.state,
                State::Waiting(_) | State::Events { .. } | State::Socket(_)
            ),
            "a reader would be lost"
        );
        self.state = State::Closed;
        self.rest = None;
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Head)
    }

    fn put_back<T>(&mut self, state: State) -> Option<T> {
        self.state = state;
        None
    }
}

/// What the state says.
impl Connection {
    /// Keeps input for later.
    pub(super) fn keep(&mut self, bytes: &[u8], finder: Option<HeadFinder>) {
        self.rest = (!bytes.is_empty()).then(|| {
            Box::new(Rest {
                bytes: bytes.to_vec(),
                finder,
            })
        });
    }

    /// Keeps input behind what is kept already.
    pub(super) fn keep_more(&mut self, bytes: &[u8]) {
        if let Some(rest) = &mut self.rest {
            rest.bytes.extend_from_slice(bytes);
        }
    }

    /// Whether an answer is outstanding, so that what is pipelined has to wait.
    pub(super) fn is_answering(&self) -> bool {
        #[cfg(feature = "backend")]
        if matches!(self.state, State::Opening(_)) {
            return true;
        }
        matches!(self.state, State::Waiting(_)) || self.owes_answers()
    }

    /// Whether there are requests that get their answers even if the client says nothing more.
    pub(super) fn owes_answers(&self) -> bool {
        match self.state {
            State::Promised(_) | State::Streaming { .. } => true,
            #[cfg(feature = "backend")]
            State::Publishing(_) => true,
            // Whole requests, for all we know: nobody has looked at them, because earlier answers are not taken.
            State::Head => self.rest.as_ref().is_some_and(|rest| rest.finder.is_none()),
            _ => false,
        }
    }
}
