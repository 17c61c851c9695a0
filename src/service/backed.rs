//! A service whose channels stand before a backend: publishing that is answered later. Readers of history are in
//! [`history`](super::history).
//!
//! ```text
//!   POST, a frame ──submit──► backend ──Letter::Settled──► settle: 201, 422, 503; in doubt: the end, without an answer
//! ```
//!
//! The invariant: **nobody is told an id before the backend has told it**, and 503 is answered only where it is certain that
//! nothing was kept. What a backend says comes through the feed ([`Told`]): entries to every loop, answers to the loop that has
//! asked, behind the entries, so that whoever is answered finds the message.

use std::sync::{Arc, Weak};

use super::cors;
use super::feed::Feed;
use super::request::Request;
use super::shared::Service;
use super::state::{Connection, Publishing, State};
use super::ways::kept_as;
use crate::backend::{Backend, Draft, Failure, News, Refusal, Settled, Sink, Ticket};
use crate::channel::{self, Data, Entry, Key};
use crate::command::{Letter, Order};
use crate::error::Error;
use crate::metrics::{Reason, Source};
use crate::net::{ConnectionId, Io, SendError};
use crate::response::{Response, refusal};
use crate::ws::CloseCode;

/// Whose ticket it is that no connection waits for.
const NOBODY: u64 = u64::MAX;

/// Whose ticket it is that webhooks wait for.
#[cfg(feature = "webhook")]
const WEBHOOKS: u64 = u64::MAX - 1;

/// The ticket of a question of the webhooks that are delivered on the loop at `place`.
#[cfg(all(feature = "webhook", feature = "client"))]
pub(crate) fn webhook_ticket(place: usize, serial: u32) -> Ticket {
    Ticket {
        place,
        from: WEBHOOKS,
        serial,
    }
}

/// A feed as a backend tells it. The backend belongs to the feed, and so can't own it.
#[derive(Debug)]
pub(crate) struct Told(Weak<Feed>);

impl Sink for Told {
    fn take(&self, news: &mut Vec<News>) {
        let Some(feed) = self.0.upgrade() else {
            return;
        };
        let mut woken = Vec::new();
        let mut answers = Vec::new();
        {
            let mut sequence = feed.sequence();
            for news in news.drain(..) {
                match news {
                    News::Entry(entry) => {
                        let kept = Entry::Kept {
                            channel: Arc::clone(&entry.channel),
                            previous: entry.previous,
                            record: entry.record.clone(),
                        };
                        feed.push(&mut sequence, usize::MAX, kept, &mut woken);
                    }
                    other => answers.push(other),
                }
            }
        }
        feed.wake(&mut woken);
        // Behind the entries: who is answered finds them.
        for answer in answers {
            feed.answer(answer);
        }
    }
}

impl Feed {
    /// From now on `backend` gives order and ids and keeps history.
    pub(crate) fn stand_before(self: &Arc<Feed>, backend: Arc<dyn Backend>) {
        backend.start(Arc::new(Told(Arc::downgrade(self))));
        // There is none yet: a second store is refused before it is opened.
        let _ = self.backend.set(backend);
    }

    /// Whether there is a backend.
    pub(crate) fn is_backed(&self) -> bool {
        self.backend.get().is_some()
    }

    fn answer(&self, news: News) {
        #[cfg(feature = "webhook")]
        if let News::Page(ticket, _) | News::Shelf(ticket, _) = &news {
            if ticket.from == WEBHOOKS {
                if let Some(mailbox) = self.mailbox(ticket.place) {
                    // One for each question.
                    let _ = mailbox.order_last(Order::News(news));
                }
                return;
            }
        }
        match news {
            News::Settled(ticket, Err(failure)) if ticket.from == NOBODY => {
                let why: Arc<str> = words(failure).into();
                self.report(why);
            }
            // A frame is answered only if it was not kept.
            News::Settled(ticket, Ok(_)) if ticket.serial == 0 || ticket.from == NOBODY => {}
            News::Settled(ticket, settled) => {
                self.send(ticket, Letter::Settled(ticket.serial, settled));
            }
            News::Page(ticket, page) => self.send(ticket, Letter::Page(ticket.serial, page)),
            News::Failed(why) | News::Warned(why) => self.report(why),
            News::Entry(_) | News::Shelf(..) => {}
        }
    }

    fn send(&self, ticket: Ticket, letter: Letter) {
        if let Some(mailbox) = self.mailbox(ticket.place) {
            // One for each question: not what fills it. A loop that has ended has no connections either.
            let _ = mailbox.send_last(ConnectionId::from_u64(ticket.from), letter);
        }
    }

    fn report(&self, why: Arc<str>) {
        if let Some(mailbox) = self.mailboxes().first() {
            let _ = mailbox.order_last(Order::Report(why));
        }
    }

    pub(super) fn submit_from_thread(
        &self,
        backend: &dyn Backend,
        draft: channel::Draft,
    ) -> Result<(), SendError> {
        if !self.has_room() {
            return Err(SendError::Full);
        }
        let draft = Draft {
            channel: draft.channel.into(),
            event: draft.event,
            data: draft.data,
            key: draft.key,
        };
        let ticket = Ticket {
            place: 0,
            from: NOBODY,
            serial: 0,
        };
        backend
            .publish(draft, ticket)
            .map_err(|refusal| match refusal {
                Refusal::Full => SendError::Full,
                _ => SendError::Ended,
            })
    }
}

/// Publishing.
impl Service {
    pub(super) fn is_backed(&self) -> bool {
        self.channels.backend().is_some()
    }

    /// Hands a message to the backend.
    fn submit(
        &mut self,
        name: &str,
        event: Option<&str>,
        data: Data,
        key: Option<Key>,
        from: ConnectionId,
        serial: u32,
    ) -> Result<(), Unkept> {
        self.channels.check_room().map_err(Unkept::Channel)?;
        channel::check_name(name).map_err(Unkept::Channel)?;
        let event = channel::check_event(event).map_err(Unkept::Channel)?;
        self.channels
            .hub()
            .check_size(event, &data)
            .map_err(Unkept::Channel)?;
        let Some((backend, place)) = self.channels.backend() else {
            return Err(Unkept::Refused(Refusal::Away));
        };
        let draft = Draft {
            channel: name.into(),
            event: event.map(Into::into),
            data,
            key,
        };
        let ticket = Ticket {
            place,
            from: from.to_u64(),
            serial,
        };
        backend.publish(draft, ticket).map_err(Unkept::Refused)
    }

    /// Publishes what a request holds; the answer comes when it is kept.
    pub(super) fn submit_request(
        &mut self,
        connection: &mut Connection,
        name: &str,
        event: Option<&str>,
        key: Option<Key>,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<(), Response> {
        let began = self.meter.as_ref().map(|meter| meter.elapsed());
        let data = Data::new(request.body());
        let serial = connection.serial;
        if let Err(unkept) = self.submit(name, event, data, key, io.id, serial) {
            self.count_post(Err(unkept.reason()), began);
            return Err(unkept.response());
        }
        io.clear_deadline();
        connection.publish(Publishing {
            form: self.form(request.head()),
            began,
            origin: cors::reader(&self.origins, request.head()),
        });
        Ok(())
    }

    /// Publishes what came in a frame.
    pub(super) fn submit_frame(
        &mut self,
        name: &str,
        data: Data,
        from: ConnectionId,
    ) -> Result<(), (CloseCode, String)> {
        let submitted = self.submit(name, None, data, None, from, 0);
        self.count(Source::Socket, &submitted);
        submitted.map_err(|unkept| match unkept {
            Unkept::Channel(error) => (error.close_code(), error.to_string()),
            Unkept::Refused(refusal) => (CloseCode::TRY_AGAIN_LATER, refusal.to_string()),
        })
    }

    fn count(&mut self, source: Source, submitted: &Result<(), Unkept>) {
        if let Some(meter) = &mut self.meter {
            let result = submitted.as_ref().copied().map_err(Unkept::reason);
            meter.published(source, result);
        }
    }

    /// What a handle published before it knew of the backend.
    pub(super) fn submit_order(&mut self, draft: channel::Draft) {
        let nobody = ConnectionId::from_u64(NOBODY);
        let event = draft.event.as_deref();
        let submitted = self.submit(&draft.channel, event, draft.data, draft.key, nobody, 0);
        self.count(Source::Program, &submitted);
        match submitted {
            Ok(()) => {}
            Err(Unkept::Channel(error)) => self.report(&Error::Channel(error)),
            Err(Unkept::Refused(refusal)) => {
                self.report(&Error::Backend(refusal.to_string().into()));
            }
        }
    }

    /// The backend has said what became of a message.
    pub(super) fn settle(
        &mut self,
        connection: &mut Connection,
        serial: u32,
        settled: Result<Settled, Failure>,
        io: &mut Io<'_>,
    ) {
        // Whoever is answered finds the message here.
        self.channels.catch_up();
        let counted = match settled {
            Ok(_) => Ok(()),
            Err(Failure::Refused(refusal)) => Err(refusal.into()),
            Err(Failure::InDoubt) => Err(Reason::InDoubt),
        };
        let now_serial = connection.serial;
        match (connection.state(), settled) {
            (State::Socket(socket), Err(failure)) => {
                match failure {
                    Failure::InDoubt => io.abort(),
                    Failure::Refused(refusal) => {
                        let why = refusal.to_string();
                        let link = &mut socket.session.link;
                        link.fail(CloseCode::TRY_AGAIN_LATER, &why, io);
                    }
                }
                if let Some(meter) = &mut self.meter {
                    meter.published(Source::Socket, counted);
                }
            }
            (State::Publishing(_), settled) if serial == now_serial => {
                let Some(publishing) = connection.end_publish() else {
                    return;
                };
                self.count_post(counted, publishing.began);
                let mut response = match settled {
                    Ok(settled) => kept_as(settled.id),
                    Err(Failure::Refused(refusal)) => Unkept::Refused(refusal).response(),
                    Err(Failure::InDoubt) => {
                        // No answer is true: the client may try again.
                        connection.close();
                        return io.abort();
                    }
                };
                let origin = publishing.origin.as_deref();
                response.fields.extend(cors::fields(&self.origins, origin));
                self.respond(io, publishing.form, &response);
                self.process_rest(connection, io);
            }
            _ => {}
        }
    }
}

/// Why something was not given to the backend, or not kept by it.
#[derive(Debug)]
pub(super) enum Unkept {
    Channel(channel::Error),
    Refused(Refusal),
}

impl Unkept {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Unkept::Channel(error) => (*error).into(),
            Unkept::Refused(refusal) => (*refusal).into(),
        }
    }

    pub(super) fn response(&self) -> Response {
        match self {
            Unkept::Channel(error) => refusal(error.status(), &error.to_string()),
            Unkept::Refused(refused) => refusal(refused.status(), &refused.to_string()),
        }
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Refused(refusal) => refusal.to_string(),
        Failure::InDoubt => "a message that was published may not have been stored".into(),
    }
}
