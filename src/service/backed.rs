//! A service whose channels stand before a backend: publishing that is answered later, and readers of history.
//!
//! ```text
//!   POST, a frame ──submit──► backend ──Letter::Settled──► settled: 201, 422, 503; in doubt: the end, without an answer
//!
//!   a cursor that the hub does not hold:
//!     attach, hold ──ask──► backend ──Letter::Page──► take_page: written ──┬─ more: asked when it has gone out
//!                                                                          └─ no more: placed in the hub, hot from now on
//! ```
//!
//! A held reader costs its place in the hub and one [`Past`]: where it stands in history, not what it has been given. It is
//! asked for again only when what it has is on its way to the client, so that each connection holds one page at most, and
//! who does not read asks for nothing. The backend reads one page for all who ask for the same.
//!
//! The invariant: **a reader is held exactly while its connection is in [`Cold`](super::cold::Cold).** A letter that finds its connection
//! there no more, or another serial, is of a reader that is gone.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::cold::Past;
use super::cors;
use super::feed::Feed;
use super::request::Request;
use super::shared::Service;
use super::state::{Audience, Connection, Publishing, State, Waiting};
use super::ways::{Outcome, batch_response, channel_refusal, kept_as};
use crate::backend::{Backend, Draft, Failure, News, Page, Query, Refusal, Settled, Sink, Ticket};
use crate::channel::{self, Batch, Data, Encoding, Entry, Key, Reader, Start};
use crate::command::{Letter, Order};
use crate::error::Error;
use crate::metrics::{Reason, Source, Way};
use crate::net::{ConnectionId, Io, SendError};
use crate::response::{Response, refusal};
use crate::sse;
use crate::ws::CloseCode;

/// Bytes of one page of history for a reader that waits.
const PAGE_BYTES: usize = 64 * 1024;
/// Messages of one page.
const PAGE_MESSAGES: usize = 1_000;
/// How long an answer waits for its page.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
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

/// Reading.
impl Service {
    /// Attaches a reader: hot, or held, with its history asked for.
    pub(super) fn attach_backed(
        &mut self,
        name: &str,
        encoding: Encoding,
        start: Start,
        poll: Option<Option<Duration>>,
        io: &Io<'_>,
    ) -> Result<Reader, Response> {
        self.channels.catch_up();
        let is_hot = self.channels.hub().is_hot(name, start);
        let attached = self.channels.attach(name, encoding, start, io.id.to_u64());
        let mut reader = attached.map_err(channel_refusal)?;
        if is_hot {
            return Ok(reader);
        }
        self.channels.hub().hold(&mut reader);
        let past = Past {
            channel: name.into(),
            start,
            asked: None,
            poll,
        };
        self.cold.readers.insert(io.id, past);
        if let Err(refused) = self.ask(io.id) {
            self.cold.readers.remove(&io.id);
            self.channels.detach(reader);
            return Err(Unkept::Refused(refused).response());
        }
        Ok(reader)
    }

    /// Asks for the next page of a reader's history.
    fn ask(&mut self, id: ConnectionId) -> Result<(), Refusal> {
        let Some(past) = self.cold.readers.get_mut(&id) else {
            return Ok(());
        };
        let Some((backend, place)) = self.channels.backend() else {
            return Err(Refusal::Away);
        };
        self.cold.asked = self.cold.asked.wrapping_add(1);
        let serial = self.cold.asked;
        let limits = &self.limits.channels;
        let (messages, bytes) = match past.poll {
            Some(_) => (limits.batch_messages, limits.batch_bytes),
            None => (PAGE_MESSAGES, PAGE_BYTES),
        };
        let query = Query {
            channel: Arc::clone(&past.channel),
            start: past.start,
            messages,
            bytes,
        };
        let ticket = Ticket {
            place,
            from: id.to_u64(),
            serial,
        };
        backend.read(query, ticket)?;
        past.asked = Some(serial);
        Ok(())
    }

    /// Whether this connection's reader is held.
    pub(super) fn is_cold(&self, id: ConnectionId) -> bool {
        !self.cold.readers.is_empty() && self.cold.readers.contains_key(&id)
    }

    /// The connection, or what it read, is gone.
    pub(super) fn forget_cold(&mut self, id: ConnectionId) {
        self.cold.readers.remove(&id);
    }

    /// A reader of history may take more.
    pub(super) fn go_on_in_the_past(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        let Some(past) = self.cold.readers.get(&io.id) else {
            return;
        };
        if past.asked.is_some() || past.poll.is_some() {
            return;
        }
        if self.ask(io.id).is_err() {
            self.give_up_past(connection, io);
        }
    }

    /// History can't be read at the moment: the reader comes back with the cursor that it has.
    fn give_up_past(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        let why = "history can't be read at the moment";
        match connection.state() {
            State::Events { form, .. } => {
                form.end(io.out.buffer());
                io.close();
            }
            State::Socket(socket) => socket
                .session
                .link
                .fail(CloseCode::TRY_AGAIN_LATER, why, io),
            State::Waiting(_) => self.refuse_poll(connection, io),
            State::Opening(_) => self.refuse_opening(connection, io),
            _ => {}
        }
    }

    /// A poll that has not got its page.
    pub(super) fn refuse_poll(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        self.forget_cold(io.id);
        let response = history_refusal();
        self.end_waiting(connection, |_| response, io);
    }

    /// A page of a reader's history has come.
    pub(super) fn take_page(
        &mut self,
        connection: &mut Connection,
        serial: u32,
        page: Result<Arc<Page>, Failure>,
        io: &mut Io<'_>,
    ) {
        let Some(past) = self.cold.readers.get_mut(&io.id) else {
            return;
        };
        if past.asked != Some(serial) {
            return;
        }
        past.asked = None;
        let Ok(page) = page else {
            return self.give_up_past(connection, io);
        };
        let (start, poll) = (past.start, past.poll);
        past.start = Start::After(page.through);
        match poll {
            _ if matches!(connection.peek(), State::Opening(_)) => {
                self.finish_opening(connection, &page, io);
            }
            Some(wait) => self.answer_poll(connection, &page, wait, io),
            None => self.write_page(connection, &page, start, io),
        }
    }

    fn answer_poll(
        &mut self,
        connection: &mut Connection,
        page: &Page,
        wait: Option<Duration>,
        io: &mut Io<'_>,
    ) {
        let has_ended = connection.ended;
        let State::Waiting(Waiting { reader, .. }) = connection.state() else {
            return;
        };
        let batch = Batch {
            messages: page.records.len(),
            last_id: page.through,
            gap: page.gap,
            more: page.more,
        };
        let is_last = self.draining || has_ended;
        let way = match wait {
            Some(_) => Way::LongPoll,
            None => Way::ShortPoll,
        };
        let wait = wait.filter(|wait| batch.is_empty() && !wait.is_zero() && !is_last);
        let Some(wait) = wait else {
            let mut body = Vec::new();
            self.channels
                .hub()
                .write_history_batch(reader, &page.records, &batch, &mut body);
            self.forget_cold(io.id);
            if let Some(meter) = &mut self.meter {
                meter.delivered(way, batch.messages, batch.gap);
            }
            return self.end_waiting(connection, |_| batch_response(&batch, body), io);
        };
        if self.channels.place(reader, page.through) {
            self.forget_cold(io.id);
            io.set_deadline(wait);
            self.answer_waiting(connection, io);
        } else if self.ask(io.id).is_err() {
            self.give_up_past(connection, io);
        }
    }

    fn write_page(
        &mut self,
        connection: &mut Connection,
        page: &Page,
        start: Start,
        io: &mut Io<'_>,
    ) {
        let (reader, is_raw) = match connection.state() {
            State::Events { reader, .. } => (reader, false),
            State::Socket(socket) if socket.session.is_closed() => return,
            State::Socket(socket) => match &mut socket.audience {
                Audience::Channel { reader, raw, .. } => (reader, *raw),
                Audience::Route { .. } => return,
            },
            _ => return,
        };
        if page.gap && is_raw {
            let why = "messages are missing: they are no longer retained";
            if let State::Socket(socket) = connection.state() {
                let link = &mut socket.session.link;
                link.fail(CloseCode::TRY_AGAIN_LATER, why, io);
            }
            return self.count_gap();
        }
        let mut out = Vec::new();
        if page.gap {
            self.channels
                .hub()
                .write_gap_behind(reader, page.after, &mut out);
        }
        self.channels
            .hub()
            .write_history(reader, &page.records, &mut out);
        let placed = !page.more && self.channels.place(reader, page.through);
        if let Some(meter) = &mut self.meter {
            let way = match connection.peek() {
                State::Events { .. } => Way::Events,
                _ => Way::Socket,
            };
            meter.delivered(way, page.records.len(), page.gap);
        }
        io.out.buffer().extend_from_slice(&out);
        if let (State::Events { form, .. }, Start::Now) = (connection.state(), start) {
            // It is told its place, so that it loses nothing even if it is cut off before its first message.
            let mut place = Vec::new();
            let id = page.through.to_string();
            let event = sse::Event {
                id: sse::EventId::new(&id).ok(),
                ..sse::Event::default()
            };
            sse::write_event(&mut place, &event);
            form.piece(io.out.buffer(), &place);
        }
        if placed {
            self.forget_cold(io.id);
        } else {
            self.crowded.push(io.id.to_u64());
        }
    }

    /// Begins a poll that history may answer. `None`: the hub answers it.
    pub(super) fn poll_past(
        &mut self,
        connection: &mut Connection,
        name: &str,
        request: &Request<'_>,
        start: Start,
        wait: Option<Duration>,
        io: &mut Io<'_>,
    ) -> Option<Result<Outcome, Response>> {
        self.channels.catch_up();
        if self.channels.hub().is_hot(name, start) {
            return None;
        }
        let wait = wait.map(|wait| wait.min(self.limits.wait));
        match self.attach_backed(name, Encoding::Json, start, Some(wait), io) {
            Ok(reader) => {
                let form = self.form(request.head());
                let origin = cors::reader(&self.origins, request.head());
                connection.wait(Waiting {
                    reader,
                    form,
                    origin,
                });
                io.set_deadline(PATIENCE);
                Some(Ok(Outcome::Taken))
            }
            Err(response) => Some(Err(response)),
        }
    }
}

/// Why something was not given to the backend, or not kept by it.
#[derive(Debug)]
enum Unkept {
    Channel(channel::Error),
    Refused(Refusal),
}

impl Unkept {
    fn reason(&self) -> Reason {
        match self {
            Unkept::Channel(error) => (*error).into(),
            Unkept::Refused(refusal) => (*refusal).into(),
        }
    }

    fn response(&self) -> Response {
        match self {
            Unkept::Channel(error) => refusal(error.status(), &error.to_string()),
            Unkept::Refused(refused) => refusal(refused.status(), &refused.to_string()),
        }
    }
}

/// The answer to who has waited for history in vain.
pub(super) fn history_refusal() -> Response {
    Unkept::Refused(Refusal::Away).response()
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Refused(refusal) => refusal.to_string(),
        Failure::InDoubt => "a message that was published may not have been stored".into(),
    }
}
