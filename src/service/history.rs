//! Readers of history: of channels with a backend behind them, from a cursor that the hub does not hold.
//!
//! ```text
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

use std::sync::Arc;
use std::time::Duration;

use super::backed::Unkept;
use super::cold::Past;
use super::cors;
use super::request::Request;
use super::shared::Service;
use super::state::{Audience, Connection, State, Waiting};
use super::ways::{Outcome, batch_response, channel_refusal};
use crate::backend::{Failure, Page, Query, Refusal, Ticket};
use crate::channel::{Batch, Encoding, Reader, Start};
use crate::metrics::Way;
use crate::net::{ConnectionId, Io};
use crate::response::Response;
use crate::sse;
use crate::ws::CloseCode;

/// Bytes of one page of history for a reader that waits.
const PAGE_BYTES: usize = 64 * 1024;
/// Messages of one page.
const PAGE_MESSAGES: usize = 1_000;
/// How long an answer waits for its page.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
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

/// The answer to who has waited for history in vain.
pub(super) fn history_refusal() -> Response {
    Unkept::Refused(Refusal::Away).response()
}
