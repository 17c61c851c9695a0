//! Publishing to a channel of another server, so that what is given away is published once, and in its order.
//!
//! ```text
//!   Outbox::send ──► fresh ──► waiting ──► the first: one POST at a time, the same key in every try ──► 201: its id
//!    any thread                                          ▲                                   │
//!                                                        └── wait: Retry-After and backoff ◄─┘ no answer, 503, ...
//! ```
//!
//! An answer that is lost leaves open whether the message was published. So every message has an idempotency key, and is sent
//! again under it: a server that has it answers with its id, and publishes nothing. A server remembers a key for
//! [`KEY_LIFE`] from the moment at which it acknowledged the message, which is no sooner than the message was first sent. The
//! invariant: **a message is not sent any more when so much time, less a margin, has passed since the first try
//! whose outcome is open.** Both clocks count, as one of them stands still while a machine sleeps.
//!
//! What an answer says decides:
//!
//! | answer | published | and then |
//! | --- | --- | --- |
//! | 201 with an id | yes | the next message |
//! | 429, 425; 503 with `Retry-After` | no | again |
//! | none; 408; another 5xx; 201 without an id | open | again |
//! | 301, 302, 307, 308; another 4xx | no | the error is final |
//! | another 2xx or 3xx | open | the error is final |
//!
//! One request is under way at a time and none behind it, so that a message that is tried again is never overtaken. A final
//! error, or one that lasts too long, takes its message out; those behind it go on. If any try of it is open, it is
//! [`Error::InDoubt`]: every other error says that the message was not published.

mod answer;
mod options;
mod outbox;
mod request;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use super::talk::{Around, HeadReader, MAX_ASKED, PATIENCE, Sequel, Talk};
use super::url::Url;
use crate::channel::{KEY_LIFE, Post};
use crate::http::BodyDecoder;
use crate::net::{Io, Now, millis};
use crate::random::Random;

pub(super) use options::Handler;
pub use options::{OUTBOX_BYTES, OUTBOX_MESSAGES, PUBLISH_WITHIN, Publish, Settled};
pub(super) use outbox::Shared;
pub use outbox::{MAX_POST, Outbox};

use options::PublishOptions;

/// How long after its first open try a message is sent again at most: a key's life, less the time that a try may take on its
/// way.
const OPEN_FOR: Duration = Duration::from_secs(KEY_LIFE.as_secs() - 2 * PATIENCE.as_secs());
/// How long a connection without work is kept: a server of this crate keeps it 75 s.
const IDLE: Duration = Duration::from_secs(60);
/// How many bytes of a message have to go out in a millisecond for its answer to be waited for.
const SLOWEST: usize = 16;

/// A publishing client as a machine.
pub(super) struct Courier {
    url: Url,
    options: PublishOptions,
    shared: Arc<Shared>,
    /// In order. The first is the one that is sent.
    waiting: VecDeque<Item>,
    expected: Expected,
    /// What is to come when the connection is gone, if that is decided.
    plan: Option<Plan>,
    /// Requests on this connection.
    asked: u32,
    /// The connection stands or stood.
    stood: bool,
    /// Tries in a row that came to nothing.
    failures: u32,
    /// Nothing is sent before this time, in milliseconds of the loop.
    not_before: u64,
    quit: bool,
    handler: Handler,
}

/// A message on its way.
struct Item {
    post: Post,
    /// When it was given, in milliseconds of the loop.
    given: u64,
    /// When the try was made that is under way, or was the last.
    asked: Now,
    /// When the first try was made whose outcome is open.
    open: Option<Now>,
    /// It was sent just when the server closed, and that has been forgiven.
    crossed: bool,
    /// Why the last try came to nothing.
    last: Option<Error>,
}

impl Item {
    /// What is left of its time; nothing if it is over.
    fn left(&self, within: Duration, now: Now) -> Duration {
        let since = |then: u64, now: u64| Duration::from_millis(now.saturating_sub(then));
        let left = within.saturating_sub(since(self.given, now.ms));
        let open = self.open.map_or(Duration::MAX, |open| {
            let spent = since(open.ms, now.ms).max(since(open.unix_ms, now.unix_ms));
            OPEN_FOR.saturating_sub(spent)
        });
        left.min(open)
    }

    /// The same error, in doubt if a try is open.
    fn doubted(&self, error: Error) -> Error {
        match self.open {
            Some(_) => Error::InDoubt(Box::new(error)),
            None => error,
        }
    }
}

/// What is expected on the connection.
enum Expected {
    /// Nothing: without work, or without a connection.
    Idle,
    /// An answer.
    Head(HeadReader),
    /// What it says.
    Body {
        body: BodyDecoder,
        said: Vec<u8>,
        answer: Answer,
    },
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    /// Where it redirects to.
    location: Option<String>,
    keep_alive: bool,
}

/// What becomes of a connection's end.
enum Plan {
    /// All is said; the next message takes another connection.
    Done,
    /// The message is tried again.
    Again(Trouble),
}

/// Why a try came to nothing that may succeed later.
struct Trouble {
    error: Error,
    retry_after: Option<Duration>,
    /// It may have been published all the same.
    open: bool,
}

impl Courier {
    /// # Errors
    /// The URL or a field is invalid.
    pub(super) fn new(publish: Publish, handler: Handler) -> Result<Courier, Error> {
        let (url, options, shared) = publish.check()?;
        Ok(Courier {
            url,
            options,
            shared: Arc::new(shared),
            waiting: VecDeque::new(),
            expected: Expected::Idle,
            plan: None,
            asked: 0,
            stood: false,
            failures: 0,
            not_before: 0,
            quit: false,
            handler,
        })
    }

    /// What the client shares with its handles.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Takes the first message out, and tells the program what became of it.
    fn settle(&mut self, result: Result<String, Error>) {
        let Some(item) = self.waiting.pop_front() else {
            return;
        };
        self.shared.settled(&item.post);
        (self.handler)(item.post, result);
    }

    /// As [`Courier::settle`] with an error, in doubt if a try is open.
    fn give_up(&mut self, error: Error) {
        if let Some(item) = self.waiting.front() {
            let error = item.doubted(error);
            self.settle(Err(error));
        }
    }

    /// Gives up the messages whose time is over, but none that is under way.
    fn expire(&mut self, now: Now) {
        while matches!(self.expected, Expected::Idle) {
            let within = self.options.within;
            let over = self
                .waiting
                .front_mut()
                .filter(|item| item.left(within, now).is_zero());
            let Some(item) = over else { return };
            let error = item.last.take().unwrap_or(Error::Timeout);
            self.give_up(error);
        }
    }

    /// Sends the first message, on a connection without work.
    fn go_on(&mut self, io: &mut Io<'_>) {
        self.look(io.now);
        if self.quit || io.is_closing() {
            return self.leave(io);
        }
        let Some(item) = self.waiting.front_mut() else {
            return match self.shared.is_finished() {
                true => self.leave(io),
                false => io.set_deadline(IDLE),
            };
        };
        item.asked = io.now;
        self.asked = self.asked.saturating_add(1);
        let left = item.left(self.options.within, io.now);
        let size = item.post.data().as_bytes().len();
        let patience = PATIENCE + Duration::from_millis((size / SLOWEST) as u64);
        if let Err(error) = request::write(&self.url, &self.options.fields, &item.post, io.out) {
            self.give_up(error);
            return self.leave(io);
        }
        self.expected = Expected::Head(HeadReader::default());
        io.set_deadline(patience.min(left));
    }

    /// Ends a connection on which nothing is under way.
    fn leave(&mut self, io: &mut Io<'_>) {
        self.plan = Some(Plan::Done);
        io.close();
    }

    /// Ends a connection whose request came to nothing.
    fn fail(&mut self, trouble: Trouble, io: &mut Io<'_>) {
        self.expected = Expected::Idle;
        self.plan = Some(Plan::Again(trouble));
        io.abort();
    }

    /// After a try that came to nothing: the next one, or the end of the message.
    fn failed(&mut self, trouble: Trouble, now: Now, random: &mut Random) {
        let Trouble {
            error,
            retry_after,
            open,
        } = trouble;
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(MAX_ASKED);
        let wait = asked.saturating_add(self.options.backoff.wait(self.failures, random));
        self.not_before = now.ms.saturating_add(millis(wait));
        let within = self.options.within;
        let Some(item) = self.waiting.front_mut() else {
            return;
        };
        if open {
            item.open.get_or_insert(item.asked);
        }
        item.last = Some(error.clone());
        // What the server asks for is never undercut, so that nothing more can come of it.
        if !error.is_transient() || item.left(within, now) <= asked {
            return self.give_up(error);
        }
        if let Some(on_retry) = &mut self.options.on_retry {
            on_retry(&error, wait);
        }
    }

    /// What comes next without a connection.
    fn rest(&self, now: Now) -> Sequel {
        match (self.waiting.is_empty(), self.shared.is_finished()) {
            _ if self.quit => Sequel::End,
            (true, true) => Sequel::End,
            (true, false) => Sequel::Rest,
            (false, _) => Sequel::Connect(Duration::from_millis(
                self.not_before.saturating_sub(now.ms),
            )),
        }
    }
}

/// The program can't be told any more, and nothing more is taken.
impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Talk for Courier {
    fn url(&self) -> &Url {
        &self.url
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&crate::net::tls::ClientTls> {
        self.options.tls.as_ref()
    }

    fn connected(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        self.plan = None;
        self.asked = 0;
        self.stood = true;
        self.go_on(io);
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, _around: &mut Around<'_>) {
        let mut at = 0;
        while at < input.len() && !io.is_closing() {
            at += match self.expected {
                Expected::Head(_) => self.take_head(&input[at..], io),
                Expected::Body { .. } => self.take_body(&input[at..], io),
                // Nobody asked for what comes here, and what the next answer is could not be told from it: the next
                // message is sent on another connection (RFC 9112 9.2).
                Expected::Idle => return self.leave(io),
            };
        }
        // A body of no length is complete with its head.
        if !io.is_closing() && matches!(self.expected, Expected::Body { .. }) {
            self.take_body(b"", io);
        }
        // Only now: what came with an answer can't be the answer to what is sent behind it.
        if !io.is_closing() && matches!(self.expected, Expected::Idle) {
            self.go_on(io);
        }
    }

    fn ended(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        if let Expected::Body { body, answer, .. } = &mut self.expected {
            answer.keep_alive = false;
            if body.eof().is_ok() {
                // The body was delimited by the end of the connection.
                self.end_body(io);
            }
        }
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        match &mut self.expected {
            Expected::Idle => self.leave(io),
            Expected::Head(_) => self.fail(Trouble::open(Error::Timeout), io),
            Expected::Body { answer, .. } => {
                // What has come of it may be enough.
                answer.keep_alive = false;
                self.end_body(io);
            }
        }
    }

    fn resumed(&mut self, io: &mut Io<'_>) {
        if matches!(self.expected, Expected::Idle) {
            self.go_on(io);
        }
    }

    fn quit(&mut self, io: Option<&mut Io<'_>>) {
        self.quit = true;
        self.shared.close();
        self.take_fresh(0);
        let under_way = !matches!(self.expected, Expected::Idle);
        // The answer to what is under way is still waited for, if there is a connection that it may come on.
        let stays = under_way && io.is_some();
        let first = stays.then(|| self.waiting.pop_front()).flatten();
        while !self.waiting.is_empty() {
            self.give_up(Error::Closed);
        }
        self.waiting.extend(first);
        if let Some(io) = io.filter(|_| !stays) {
            self.leave(io);
        }
    }

    fn look(&mut self, now: Now) {
        self.take_fresh(now.ms);
        self.expire(now);
    }

    fn due(&self) -> u64 {
        let item = match self.expected {
            Expected::Idle => self.waiting.front(),
            _ => None,
        };
        let within = self.options.within;
        item.map_or(u64::MAX, |item| {
            let given = item.given.saturating_add(millis(within));
            let open = item
                .open
                .map_or(u64::MAX, |open| open.ms.saturating_add(millis(OPEN_FOR)));
            given.min(open)
        })
    }

    fn disconnected(&mut self, error: Option<Error>, now: Now, random: &mut Random) -> Sequel {
        let stood = std::mem::take(&mut self.stood);
        let expected = std::mem::replace(&mut self.expected, Expected::Idle);
        self.take_fresh(now.ms);
        match (self.plan.take(), expected) {
            (Some(Plan::Done), _) => {}
            (Some(Plan::Again(trouble)), _) => self.failed(trouble, now, random),
            // Between two messages a server may close whenever it likes (RFC 9112 9.5).
            (None, Expected::Idle) if stood => {}
            (None, Expected::Idle) => {
                // Nothing was sent.
                if let Some(error) = error {
                    let trouble = Trouble {
                        open: false,
                        ..Trouble::open(error)
                    };
                    self.failed(trouble, now, random);
                }
            }
            (None, Expected::Body { said, answer, .. }) => match self.judge(&answer, &said) {
                Ok(result) => self.take_result(result),
                Err(trouble) => self.failed(trouble, now, random),
            },
            (None, Expected::Head(reader)) => {
                let error = error.unwrap_or(Error::Ended);
                let crossed = self.asked > 1 && reader.is_empty();
                match self.waiting.front_mut() {
                    // The server closed just when the next message was sent: the key makes it safe to send it again.
                    Some(item) if crossed && !item.crossed && error.is_transient() => {
                        item.crossed = true;
                        item.open.get_or_insert(item.asked);
                        item.last = Some(error);
                    }
                    _ => self.failed(Trouble::open(error), now, random),
                }
            }
        }
        if self.quit {
            while !self.waiting.is_empty() {
                self.give_up(Error::Closed);
            }
        }
        self.expire(now);
        self.rest(now)
    }
}

impl Courier {
    /// Takes what the handles have put in.
    fn take_fresh(&mut self, ms: u64) {
        let began = Now { ms, unix_ms: 0 };
        let items = self.shared.take().into_iter().map(|post| Item {
            post,
            given: ms,
            asked: began,
            open: None,
            crossed: false,
            last: None,
        });
        self.waiting.extend(items);
    }
}

impl Trouble {
    /// A try of which nobody knows what came of it.
    fn open(error: Error) -> Trouble {
        Trouble {
            error,
            retry_after: None,
            open: true,
        }
    }
}
