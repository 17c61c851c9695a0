//! One connection as a machine without I/O: bytes and time in, bytes and deadlines out.
//!
//! Here is what the loop calls, each call handed on by the state that it meets ([`state`](super::state) has the diagram, and
//! the only steps from one state to another). Requests are taken strictly one at a time and in order (RFC 9112 9.3.2): while
//! an answer is outstanding, what the client has pipelined behind the request is kept as it came, within a limit, and looked
//! at afterwards.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Instant;

use super::form::Form;
use super::shared::Service;
use super::state::{Audience, Connection, State, Waiting};
use crate::channel::Next;
use crate::command::{Letter, Order};
use crate::error::Error;
use crate::http::{HeadFinder, Status};
use crate::metrics::Source;
use crate::net::{ConnectionId, Io, Now, Protocol, SendError, Traffic};
use crate::response::{Response, refusal};
use crate::sse;
use crate::ws::{CloseCode, Message};

impl Protocol for Service {
    type Connection = Connection;
    type Letter = Letter;
    type Order = Order;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Connection {
        io.set_deadline(self.limits.header_timeout);
        // Compressed messages may come right behind the request that they are agreed on with.
        io.read_in_pieces(self.deflating.is_on());
        Connection::new(peer)
    }

    fn received(&mut self, connection: &mut Connection, input: &mut [u8], io: &mut Io<'_>) {
        match (connection.peek(), &connection.rest) {
            (State::Socket(_), _) => self.receive_frames(connection, input, io),
            (State::Events { .. } | State::Closed, _) => {}
            (_, None) => {
                let mut finder = None;
                let used = self.process(connection, input, &mut finder, io);
                connection.keep(&input[used..], finder);
            }
            (_, Some(_)) => {
                connection.keep_more(input);
                if !connection.is_answering() {
                    self.process_rest(connection, io);
                }
            }
        }
        self.pace(connection, io);
    }

    fn ended(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        connection.ended = true;
        let is_last = connection.rest.is_none();
        match connection.state() {
            // Nobody can say whether the client has gone or only has no more to ask (RFC 9112 9.6), so that it is told that
            // there is nothing new: whoever has gone does not mind.
            State::Waiting(Waiting { form, .. }) => {
                form.keep_alive &= !is_last;
                #[cfg(feature = "backend")]
                if self.is_cold(io.id) {
                    // Its answer is on its way.
                    return;
                }
                self.give_up_waiting(connection, io);
            }
            State::Promised(parked) if parked.fallback.is_some() => {
                parked.form.keep_alive &= !is_last;
                self.give_up_promise(connection, io);
            }
            _ => self.close_unless_owed(connection, io),
        }
    }

    fn expired(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        match connection.state() {
            State::Head => match &connection.rest {
                None => io.close(),
                Some(_) => {
                    let rest = connection.rest.take().unwrap_or_default();
                    let late = match Form::may_become_head(&rest.bytes) {
                        true => Response::empty().status(Status::REQUEST_TIMEOUT.code()),
                        false => refusal(Status::REQUEST_TIMEOUT, "the head did not come in time"),
                    };
                    self.reject_unread(connection, io, &rest.bytes, late);
                }
            },
            State::Body(_) => {
                let late = refusal(Status::REQUEST_TIMEOUT, "the body did not come in time");
                self.reject_upload(connection, io, late);
            }
            #[cfg(feature = "backend")]
            State::Waiting(_) if self.is_cold(io.id) => self.refuse_poll(connection, io),
            #[cfg(feature = "backend")]
            State::Publishing(_) => {}
            #[cfg(feature = "backend")]
            State::Opening(_) => self.refuse_opening(connection, io),
            State::Waiting(_) => self.give_up_waiting(connection, io),
            State::Events { form, .. }
            | State::Streaming {
                form, events: true, ..
            } => {
                // Who does not take what it has needs no sign of life.
                if io.backlog == 0 {
                    form.piece(io.out.buffer(), sse::HEARTBEAT);
                }
                io.set_deadline(self.limits.heartbeat);
            }
            State::Socket(socket) => socket.session.tick(&self.limits.patience(), io),
            State::Promised(_) => self.give_up_promise(connection, io),
            State::Streaming { .. } | State::Closed => {}
        }
    }

    fn resumed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        #[cfg(feature = "backend")]
        if self.is_cold(io.id) {
            self.go_on_in_the_past(connection, io);
        }
        match connection.state() {
            State::Head => self.process_rest(connection, io),
            State::Waiting(_) => self.answer_waiting(connection, io),
            State::Events { reader, form } => {
                if self.is_too_slow(reader) {
                    form.end(io.out.buffer());
                    io.close();
                    self.count_gap();
                } else {
                    self.tell_gap(reader, io);
                }
            }
            State::Streaming { debtor, .. } => debtor.sent_all(),
            State::Socket(socket) => {
                socket.session.resume(io);
                self.tell_gap_or_end(socket, io);
                if socket.session.puts_off() {
                    self.receive_frames(connection, &mut [], io);
                }
            }
            _ => {}
        }
    }

    fn draining(&mut self, _now: Now) {
        self.draining = true;
        self.channels.stop_resting();
    }

    fn drain(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        let more = connection.rest.is_some();
        match connection.state() {
            State::Head if !more => io.close(),
            // The answer to what is under way will be the last.
            State::Head | State::Body(_) => {}
            State::Promised(_) => self.give_up_promise(connection, io),
            // It is answered when its message is kept, or its page has come.
            #[cfg(feature = "backend")]
            State::Publishing(_) | State::Opening(_) => {}
            #[cfg(feature = "backend")]
            State::Waiting(_) if self.is_cold(io.id) => {}
            State::Waiting(_) => self.give_up_waiting(connection, io),
            State::Events { form, .. } => {
                form.end(io.out.buffer());
                io.close();
            }
            State::Streaming { form, .. } => {
                form.end(io.out.buffer());
                io.close();
                connection.close();
            }
            State::Socket(socket) => {
                let patience = self.limits.patience();
                let why = "the server shuts down";
                socket
                    .session
                    .close(CloseCode::GOING_AWAY, why, &patience, io);
            }
            State::Closed => {}
        }
    }

    fn on_letter(&mut self, connection: &mut Connection, letter: Letter, io: &mut Io<'_>) {
        let now_serial = connection.serial;
        #[cfg(feature = "backend")]
        let letter = match letter {
            Letter::Settled(serial, settled) => {
                return self.settle(connection, serial, settled, io);
            }
            Letter::Page(serial, page) => return self.take_page(connection, serial, page, io),
            letter => letter,
        };
        match (connection.state(), letter) {
            (State::Promised(parked), Letter::Answer(serial, response)) if serial == now_serial => {
                let (form, route) = (parked.form, parked.route);
                connection.take_promise();
                self.respond_promised(io, form, route, *response);
                self.process_rest(connection, io);
            }
            (State::Streaming { form, debtor, .. }, Letter::Piece(serial, piece))
                if serial == now_serial =>
            {
                form.piece(io.out.buffer(), &piece);
                let unsent = io.backlog + io.out.len();
                if debtor.delivered(piece.len(), unsent) {
                    self.crowded.push(io.id.to_u64());
                }
            }
            (State::Streaming { form, .. }, Letter::End(serial)) if serial == now_serial => {
                let form = *form;
                form.end(io.out.buffer());
                connection.end_stream();
                self.end_answer(io, form);
                self.process_rest(connection, io);
            }
            (State::Socket(socket), Letter::Text(text)) => {
                socket.session.send(Message::Text(&text), io);
            }
            (State::Socket(socket), Letter::Binary(bytes)) => {
                socket.session.send(Message::Binary(&bytes), io);
            }
            (State::Socket(socket), Letter::Close(code, reason)) => {
                let patience = self.limits.patience();
                socket.session.close(code, &reason, &patience, io);
            }
            // What it was meant for is over.
            _ => {}
        }
    }

    fn on_order(&mut self, order: Order, now: Now) {
        match order {
            Order::CatchUp => self.channels.catch_up(),
            Order::Measure(scrape) => self.measure(scrape),
            #[cfg(feature = "backend")]
            Order::Report(why) => self.report(&Error::Backend(why)),
            #[cfg(feature = "backend")]
            Order::Publish(draft) if self.is_backed() => self.submit_order(draft),
            Order::Publish(draft) => {
                let published = self.channels.publish_order(draft, now);
                if let Some(meter) = &mut self.meter {
                    let result = published.map(drop).map_err(Into::into);
                    meter.published(Source::Program, result);
                }
                if let Err(error) = published {
                    self.report(&Error::Channel(error));
                }
            }
            // For the other half of the program.
            #[cfg(feature = "client")]
            Order::LookedUp(..) | Order::Look(_) | Order::Quit(_) => {}
            #[cfg(all(feature = "backend", feature = "webhook"))]
            Order::News(_) => {}
        }
    }

    fn on_error(&mut self, connection: &mut Connection, error: ErrorKind) {
        let streaming = match connection.peek() {
            State::Streaming { debtor, .. } => Some(debtor),
            _ => None,
        };
        match (error, streaming) {
            (ErrorKind::QuotaExceeded | ErrorKind::TimedOut, Some(debtor)) => {
                debtor.end(SendError::CutOff);
            }
            (ErrorKind::QuotaExceeded, None) => {}
            _ => return,
        }
        self.report(&Error::CutOff(connection.peer));
    }

    fn closed(&mut self, id: ConnectionId, connection: Connection, _now: Now) {
        if let Some(log) = &mut self.log {
            log.forget(id);
        }
        #[cfg(feature = "backend")]
        self.forget_cold(id);
        match connection.into_state() {
            State::Waiting(Waiting { reader, .. }) | State::Events { reader, .. } => {
                self.channels.detach(reader);
            }
            #[cfg(feature = "backend")]
            State::Opening(opening) => self.give_back(opening.socket),
            State::Socket(socket) => match socket.audience {
                Audience::Channel { reader, .. } => self.channels.detach(reader),
                Audience::Route { index, .. } => {
                    let code = socket.session.closed.and_then(|closed| closed.code);
                    self.tell_closed(index, id, code);
                }
            },
            _ => {}
        }
    }

    fn shared(&self, connection: &Connection) -> &[u8] {
        let reader = match connection.peek() {
            State::Events { reader, .. } => reader,
            State::Socket(socket) if !socket.session.is_closed() => match &socket.audience {
                Audience::Channel { reader, .. } => reader,
                Audience::Route { .. } => return &[],
            },
            _ => return &[],
        };
        match self.channels.hub().next(reader) {
            Next::Bytes(bytes) => bytes,
            Next::Nothing | Next::Gap => &[],
        }
    }

    fn shared_sent(&mut self, connection: &mut Connection, sent: usize) -> Option<bytes::Bytes> {
        let reader = match connection.state() {
            State::Events { reader, .. } => reader,
            State::Socket(socket) => match &mut socket.audience {
                Audience::Channel { reader, .. } => reader,
                Audience::Route { .. } => return None,
            },
            _ => return None,
        };
        self.channels.hub().advance(reader, sent)
    }

    fn take_woken(&mut self, now: Now, woken: &mut Vec<u64>) {
        self.channels.take_woken(now.ms, woken);
        woken.append(&mut self.crowded);
    }

    fn due(&self) -> u64 {
        match self.crowded.is_empty() {
            true => self.channels.hub().due(),
            false => 0,
        }
    }

    fn tick(&mut self, now: Now) {
        self.sweep(now);
        for error in self.channels.take_refused() {
            self.report(&Error::Channel(error));
        }
    }

    fn turned(&mut self, began: Instant) -> bool {
        self.end_turn(began)
    }

    fn survey(&mut self, connection: &Connection, backlog: usize) {
        self.look_at(connection, backlog);
    }

    fn surveyed(&mut self, traffic: Traffic) {
        self.tell_tally(traffic);
    }

    fn failed(&mut self, error: std::io::Error) {
        self.report(&Error::Io(error));
    }
}

impl Service {
    /// Looks at what was kept, now that it can be.
    pub(super) fn process_rest(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        if let Some(mut rest) = connection.rest.take() {
            let used = self.process(connection, &mut rest.bytes, &mut rest.finder, io);
            if used > 0 {
                // The tail gets memory of its own size; a head that trickles in stays where it is.
                rest.bytes = rest.bytes.split_off(used);
            }
            connection.rest = (!rest.bytes.is_empty()).then_some(rest);
        }
        if connection.ended {
            self.close_unless_owed(connection, io);
        }
        self.pace(connection, io);
    }

    /// Ends a connection whose client will ask for nothing more, unless answers are owed: a client may close its half as
    /// soon as it has asked. The answer is the last, unless there are requests behind it. But an event stream has no end
    /// of its own, and whoever reads one keeps both halves open.
    fn close_unless_owed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        let is_last = connection.rest.is_none();
        let owes_answers = connection.owes_answers();
        match connection.state() {
            State::Promised(parked) => parked.form.keep_alive &= !is_last,
            #[cfg(feature = "backend")]
            State::Publishing(publishing) => publishing.form.keep_alive &= !is_last,
            State::Streaming {
                form,
                events: false,
                ..
            } => form.keep_alive &= !is_last,
            State::Streaming { form, .. } => {
                form.end(io.out.buffer());
                io.close();
                connection.close();
            }
            State::Events { form, .. } => {
                form.end(io.out.buffer());
                io.close();
            }
            _ if owes_answers => {}
            _ => io.close(),
        }
    }

    /// Whoever sends ahead without taking answers is not read from (limits before memory).
    fn pace(&self, connection: &Connection, io: &mut Io<'_>) {
        let kept = connection.rest.as_ref().map_or(0, |rest| rest.bytes.len());
        let puts_off = match connection.peek() {
            State::Socket(socket) => socket.session.puts_off(),
            _ => connection.is_answering() && kept >= self.limits.high_water,
        };
        io.pause_reading(puts_off);
    }

    /// Goes through input as far as it goes, in whatever state it meets, and says how much that is: the rest has to
    /// wait.
    fn process(
        &mut self,
        connection: &mut Connection,
        input: &mut [u8],
        finder: &mut Option<HeadFinder>,
        io: &mut Io<'_>,
    ) -> usize {
        let mut at = 0;
        while at < input.len() {
            if io.is_closing() {
                return input.len();
            }
            let used = match connection.peek() {
                State::Head
                    if io.backlog + io.out.len() >= self.limits.high_water
                        || self.mailbox.is_crowded() =>
                {
                    // Few bytes can ask for many. Further answers wait until these are taken, and what handlers have
                    // sent to others is delivered; the loop sees to it that they are.
                    io.clear_deadline();
                    self.crowded.push(io.id.to_u64());
                    None
                }
                State::Head => self.take_head(connection, &input[at..], finder, io),
                State::Body(_) => self.take_body(connection, &input[at..], io),
                State::Socket(_) => {
                    self.receive_frames(connection, &mut input[at..], io);
                    return input.len();
                }
                State::Waiting(_) | State::Promised(_) | State::Streaming { .. } => None,
                #[cfg(feature = "backend")]
                State::Publishing(_) | State::Opening(_) => None,
                State::Events { .. } | State::Closed => return input.len(),
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        at
    }

    /// Answers a request that can't be understood, or not be waited for, and ends the connection.
    pub(super) fn reject(
        &mut self,
        connection: &mut Connection,
        io: &mut Io<'_>,
        form: Form,
        response: &Response,
    ) {
        connection.close();
        self.respond(io, form.last(), response);
    }
}
