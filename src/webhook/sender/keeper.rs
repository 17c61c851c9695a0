//! What outlives the process: subscriptions with their secrets and cursors, on the shelf of what stands behind the channels.
//!
//! ```text
//!   New ──lease──► Leasing ──number──► Loading ──notes──► Ready ⇄ one put at a time, with all that has changed meanwhile
//!    ▲                │ another node has it                 │
//!    └── a moment ────┴── the lease is another's, or ends ──┘
//! ```
//!
//! Where nothing stands behind them, or nothing that has a shelf, it is ready at once and everything is kept at once: nowhere.
//! What changes is written when the last write is done, so that a burst of deliveries is one write. A cursor that was
//! not written in time is behind what was delivered: after a crash that comes again, under the same `webhook-id`.

use super::shared::{Asker, Wish};
use crate::response::Response;

#[cfg(feature = "backend")]
use {
    super::dispatcher::{Found, Key},
    crate::backend::{Backend, Change, News, Page, Query, Shelved, Ticket},
    crate::channel::{Id, Start},
    crate::http::Status,
    crate::net::{Now, millis},
    crate::response::refusal,
    crate::service::{Channels, webhook_ticket},
    std::collections::HashMap,
    std::sync::Arc,
    std::time::Duration,
};

/// The name of the shelf.
#[cfg(feature = "backend")]
const SHELF: &str = "webhooks";
/// How long a node is in charge without a word.
#[cfg(feature = "backend")]
const LEASE: Duration = Duration::from_secs(15);
/// How long a node that can't renew its lease goes on.
#[cfg(feature = "backend")]
const GIVE_UP: Duration = Duration::from_secs(10);
/// How long is waited before what did not work is tried again, in milliseconds.
#[cfg(feature = "backend")]
const AGAIN: u64 = 1_000;

/// Answers, and what they wait for.
#[derive(Default)]
pub(super) struct Keeper {
    answers: Vec<(Asker, Response)>,
    #[cfg(feature = "backend")]
    stage: Stage,
    #[cfg(feature = "backend")]
    serial: u32,
    #[cfg(feature = "backend")]
    questions: HashMap<u32, Question>,
    /// A write is on its way.
    #[cfg(feature = "backend")]
    is_writing: bool,
    /// When the lease was asked for that was granted last, in milliseconds of the loop.
    #[cfg(feature = "backend")]
    granted: u64,
}

#[cfg(feature = "backend")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Something is to be tried, not before this time of the loop.
    New(u64),
    #[default]
    Fresh,
    /// An answer is waited for.
    Asking,
    /// With the number of the lease, if there is one, and when it is to be renewed.
    Ready(Option<u64>, u64),
}

#[cfg(feature = "backend")]
enum Question {
    /// When it was asked, in milliseconds of the loop.
    Lease(u64),
    Renewal(u64),
    Values(u64),
    Put(Vec<(Asker, Response)>),
    Page(Key),
    Tail(Arc<str>, Wish, Asker),
}

/// What the backend's answer comes to.
#[cfg(feature = "backend")]
pub(super) enum Told {
    Nothing,
    /// What there is.
    Notes(Vec<Vec<u8>>),
    /// A part of a channel's history.
    Page(Key, Option<Arc<Page>>),
    /// The end of a channel, for who asked for it.
    Tail(Arc<str>, Wish, Asker, Option<Id>),
    /// What changed was not kept.
    Unkept,
    /// Another node is in charge.
    Lost,
}

impl Keeper {
    /// Answers when all that has changed is kept.
    pub(super) fn answer(&mut self, later: Asker, response: Response) {
        self.answers.push((later, response));
    }

    /// What there is has not been read yet, and there is no reason to think that it can't be: commands wait.
    pub(super) fn is_starting(&self) -> bool {
        #[cfg(feature = "backend")]
        return matches!(self.stage, Stage::Fresh | Stage::Asking);
        #[cfg(not(feature = "backend"))]
        false
    }

    /// Everything is kept as well as it can be.
    pub(super) fn answer_all(&mut self) {
        for (later, response) in self.answers.drain(..) {
            later.send(response);
        }
    }
}

#[cfg(feature = "backend")]
impl Keeper {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready(..))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_writing || !self.is_ready()
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Asks the backend. What can't be asked is given back.
    fn ask(
        &mut self,
        channels: &Channels,
        question: Question,
        ask: impl FnOnce(&dyn Backend, Ticket) -> bool,
    ) -> Option<Question> {
        let Some((backend, place)) = channels.backend() else {
            return Some(question);
        };
        self.serial = self.serial.wrapping_add(1);
        if !ask(backend, webhook_ticket(place, self.serial)) {
            return Some(question);
        }
        self.questions.insert(self.serial, question);
        None
    }

    /// Sees to it that there is a lease, and that what there is was read. Says when to come again.
    pub(super) fn begin(&mut self, channels: &Channels, now: Now) -> u64 {
        match self.stage {
            Stage::Asking => return u64::MAX,
            Stage::New(at) if at > now.ms => return at,
            Stage::Ready(_, at) if at > now.ms => return at,
            Stage::Ready(..) => {
                self.stage = Stage::Ready(self.number(), now.ms.saturating_add(millis(LEASE / 3)));
                let _ = self.ask_lease(channels, Question::Renewal(now.ms));
                return now.ms.saturating_add(millis(LEASE / 3));
            }
            Stage::Fresh | Stage::New(_) => {}
        }
        let has_shelf = channels
            .backend()
            .is_some_and(|(backend, _)| backend.shelf().is_some());
        if !has_shelf {
            self.stage = Stage::Ready(None, u64::MAX);
            return u64::MAX;
        }
        self.stage = match self.ask_lease(channels, Question::Lease(now.ms)) {
            None => Stage::Asking,
            Some(_) => Stage::New(now.ms.saturating_add(AGAIN)),
        };
        now.ms.saturating_add(AGAIN)
    }

    fn number(&self) -> Option<u64> {
        match self.stage {
            Stage::Ready(number, _) => number,
            _ => None,
        }
    }

    fn ask_lease(&mut self, channels: &Channels, question: Question) -> Option<Question> {
        self.ask(channels, question, |backend, ticket| {
            let shelf = backend.shelf();
            shelf.is_some_and(|shelf| shelf.lease(SHELF, LEASE, ticket).is_ok())
        })
    }

    /// Keeps what has changed, and gives the answers that wait for it.
    pub(super) fn keep(&mut self, channels: &Channels, changes: Vec<(Box<str>, Option<Vec<u8>>)>) {
        let Some(number) = self.number() else {
            return self.answer_all();
        };
        if changes.is_empty() {
            return self.answer_all();
        }
        let changes = changes.into_iter();
        let changes = changes.map(|(key, value)| Change { key, value }).collect();
        let question = Question::Put(std::mem::take(&mut self.answers));
        let asked = self.ask(channels, question, |backend, ticket| {
            let shelf = backend.shelf();
            shelf.is_some_and(|shelf| shelf.put(SHELF, number, changes, ticket).is_ok())
        });
        match asked {
            None => self.is_writing = true,
            Some(Question::Put(answers)) => refuse(answers),
            Some(_) => {}
        }
    }

    pub(super) fn ask_page(
        &mut self,
        channels: &Channels,
        key: Key,
        channel: &Arc<str>,
        cursor: Id,
    ) -> Found {
        let query = Query {
            channel: Arc::clone(channel),
            start: Start::After(cursor),
            messages: 1,
            bytes: 1,
        };
        let asked = self.ask(channels, Question::Page(key), |backend, ticket| {
            backend.read(query, ticket).is_ok()
        });
        match asked {
            None => Found::Asked,
            Some(_) => Found::Unreadable,
        }
    }

    pub(super) fn ask_tail(
        &mut self,
        channels: &Channels,
        channel: Arc<str>,
        wish: Wish,
        later: Asker,
    ) {
        let query = Query {
            channel: Arc::clone(&channel),
            start: Start::Now,
            messages: 1,
            bytes: 1,
        };
        let question = Question::Tail(channel, wish, later);
        let asked = self.ask(channels, question, |backend, ticket| {
            backend.read(query, ticket).is_ok()
        });
        if let Some(Question::Tail(_, _, later)) = asked {
            refuse(vec![(later, Response::empty())]);
        }
    }

    /// The backend has answered.
    pub(super) fn told(&mut self, news: News, channels: &Channels, now: Now) -> Told {
        let (serial, answer) = match news {
            News::Page(ticket, page) => (ticket.serial, Answer::Page(page.ok())),
            News::Shelf(ticket, shelved) => (ticket.serial, Answer::Shelf(shelved)),
            _ => return Told::Nothing,
        };
        let Some(question) = self.questions.remove(&serial) else {
            return Told::Nothing;
        };
        let again = Stage::New(now.ms.saturating_add(AGAIN));
        match (question, answer) {
            (Question::Page(key), Answer::Page(page)) => Told::Page(key, page),
            (Question::Tail(channel, wish, later), Answer::Page(page)) => {
                let tail = page.map(|page| page.through);
                Told::Tail(channel, wish, later, tail)
            }
            (Question::Lease(asked), Answer::Shelf(Shelved::Lease(Ok(Some(number))))) => {
                self.granted = asked;
                let asked = self.ask(channels, Question::Values(number), |backend, ticket| {
                    let shelf = backend.shelf();
                    shelf.is_some_and(|shelf| shelf.load(SHELF, ticket).is_ok())
                });
                if asked.is_some() {
                    self.stage = again;
                }
                Told::Nothing
            }
            (Question::Lease(_), _) => {
                self.stage = again;
                Told::Nothing
            }
            (Question::Renewal(asked), Answer::Shelf(Shelved::Lease(Ok(number)))) => {
                if number == self.number() {
                    self.granted = asked;
                    return Told::Nothing;
                }
                self.lose(again)
            }
            // Before the lease ends, and another node goes on where this one has left off.
            (Question::Renewal(_), _) if now.ms >= self.granted.saturating_add(millis(GIVE_UP)) => {
                self.lose(again)
            }
            // Whether it is still in charge will be seen by the next write, or the next renewal.
            (Question::Renewal(_), _) => Told::Nothing,
            (Question::Values(number), Answer::Shelf(Shelved::Values(Ok(values)))) => {
                let renewed = now.ms.saturating_add(millis(LEASE / 3));
                self.stage = Stage::Ready(Some(number), renewed);
                Told::Notes(values)
            }
            (Question::Values(_), _) => {
                self.stage = again;
                Told::Nothing
            }
            (Question::Put(answers), Answer::Shelf(Shelved::Put(put))) => {
                self.is_writing = false;
                match put {
                    Ok(true) => {
                        send(answers);
                        Told::Nothing
                    }
                    Ok(false) => {
                        refuse(answers);
                        self.lose(again)
                    }
                    Err(_) => {
                        refuse(answers);
                        Told::Unkept
                    }
                }
            }
            _ => Told::Nothing,
        }
    }

    fn lose(&mut self, again: Stage) -> Told {
        self.stage = again;
        self.is_writing = false;
        refuse(std::mem::take(&mut self.answers));
        Told::Lost
    }
}

#[cfg(feature = "backend")]
enum Answer {
    Page(Option<Arc<Page>>),
    Shelf(Shelved),
}

#[cfg(feature = "backend")]
fn send(answers: Vec<(Asker, Response)>) {
    for (later, response) in answers {
        later.send(response);
    }
}

#[cfg(feature = "backend")]
fn refuse(answers: Vec<(Asker, Response)>) {
    for (later, _) in answers {
        let why = "it could not be stored; it may be in effect until the server ends";
        let refused = refusal(Status::SERVICE_UNAVAILABLE, why);
        later.send(refused.header("Retry-After", "1"));
    }
}
