//! What comes behind the heads: frames, an event stream, a batch, or what a refusal says.
//!
//! Each kind comes to events that [`Follower::hand_on`] takes, or to an error that [`Follower::fail`] takes; both may be
//! called while the answer is still being read, and what is behind them in the same input is left.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Expected, Follower, Plan};
use crate::client::error::Error;
use crate::client::event::{Batch, Event};
use crate::client::options::Transport;
use crate::client::talk::{MAX_SAID, PATIENCE, SESSION};
use crate::http::{self, Piece};
use crate::json;
use crate::net::{Io, millis};
use crate::sse;
use crate::ws::{self, CloseCode, Message};

/// How much of a batch says which message is its first: an id of 41 characters, and what is in front of it.
const SOUNDED: usize = 64;
/// A poll that is answered sooner did not wait.
const EARLY: Duration = Duration::from_secs(1);
/// How many bytes of a batch have to come in a millisecond for the server to be waited for on and on.
const SLOWEST: usize = 1;

impl Follower {
    /// Takes what frames bring.
    pub(super) fn take_frames(&mut self, input: &mut [u8], io: &mut Io<'_>) {
        let Expected::Socket(mut session) = std::mem::replace(&mut self.expected, Expected::Idle)
        else {
            return;
        };
        let limits = ws::Limits {
            message: self.options.max_message,
            frame: self.options.max_message,
            ..ws::Limits::default()
        };
        let mut wrong = None;
        session.receive(input, &limits, &SESSION, io, |link, message, io| {
            let event = match message {
                Message::Text(text) => json::Value::parse(text)
                    .ok_or(Error::Envelope)
                    .and_then(|envelope| Event::from_envelope(&envelope)),
                Message::Binary(_) => Err(Error::Envelope),
            };
            match event {
                Ok(event) => {
                    self.works();
                    self.hand_on(event);
                }
                Err(error) => {
                    wrong = Some(error);
                    link.fail(
                        CloseCode::UNSUPPORTED_DATA,
                        "this is no channel's message",
                        io,
                    );
                }
            }
            ControlFlow::Continue(())
        });
        // Pings and pongs show it too, once they are whole; but not the beginning of a frame, which may become one that is
        // refused, nor the close frame of one who lets nobody stay.
        if session.heard {
            self.works();
        }
        let wrong = wrong.or(session.violation.map(violated));
        let keyless = session.is_keyless().then_some(Error::Randomness);
        self.expected = Expected::Socket(session);
        if let Some(error) = wrong.or(keyless) {
            self.fail(error, io);
        }
    }

    /// Takes a piece of an answer's body. Says how much of the input that used.
    pub(super) fn take_body(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let mut expected = std::mem::replace(&mut self.expected, Expected::Idle);
        let decoded = match &mut expected {
            Expected::Stream { body, .. }
            | Expected::Batch { body, .. }
            | Expected::Refusal { body, .. } => body.decode(input),
            _ => return input.len(),
        };
        let (used, piece) = match decoded {
            Ok(decoded) => decoded,
            Err(_) if matches!(expected, Expected::Refusal { .. }) => {
                // It is a refusal however badly it is said.
                self.expected = expected;
                self.end_body(io);
                return input.len();
            }
            Err(http::Error::BodyTooLarge) => {
                if let Expected::Batch { last_id, .. } = &expected {
                    self.note_obstacle(last_id.as_deref());
                }
                self.fail(Error::TooLarge, io);
                return input.len();
            }
            Err(error) => {
                self.fail(Error::Http(error), io);
                return input.len();
            }
        };
        let end = match piece {
            Piece::Data(data) => {
                self.take_data(&mut expected, data, io);
                false
            }
            Piece::More => false,
            Piece::End => true,
        };
        let end =
            end || matches!(&expected, Expected::Refusal { said, .. } if said.len() == MAX_SAID);
        self.expected = expected;
        if end {
            self.end_body(io);
        }
        used
    }

    fn take_data(&mut self, expected: &mut Expected, data: &[u8], io: &mut Io<'_>) {
        match expected {
            Expected::Stream { events, .. } => {
                self.works();
                self.watch_silence(io);
                self.take_events(events, data, io);
            }
            Expected::Batch { bytes, since, .. } => {
                bytes.extend_from_slice(data);
                if self.obstacle.sounding && bytes.len() >= SOUNDED {
                    return self.end_sounding(expected, io);
                }
                // However large it is, it has its time; but not for a server that lets it trickle.
                let earned = Duration::from_millis((bytes.len() / SLOWEST) as u64);
                let spent = Duration::from_millis(io.now.ms.saturating_sub(*since));
                io.set_deadline((PATIENCE + earned).saturating_sub(spent));
            }
            Expected::Refusal { said, .. } => {
                let room = MAX_SAID.saturating_sub(said.len()).min(data.len());
                said.extend_from_slice(&data[..room]);
            }
            _ => {}
        }
    }

    fn take_events(&mut self, events: &mut sse::Decoder, data: &[u8], io: &mut Io<'_>) {
        let mut at = 0;
        while at < data.len() {
            let event = match events.decode(&data[at..]) {
                Ok((used, event)) => {
                    at += used;
                    event.map(|event| {
                        Event::from_stream(event.last_event_id, event.name, event.data)
                    })
                }
                Err(_) => {
                    self.note_obstacle(events.unfinished_id());
                    return self.fail(Error::TooLarge, io);
                }
            };
            if let Some(event) = event {
                self.hand_on(event);
            }
            self.note_id(events.last_event_id());
        }
        if let Some(retry) = events.retry() {
            self.retry = Some(Duration::from_millis(retry));
        }
    }

    /// An answer is complete.
    pub(super) fn end_body(&mut self, io: &mut Io<'_>) {
        match std::mem::replace(&mut self.expected, Expected::Idle) {
            batch @ Expected::Batch { .. } if self.obstacle.sounding => {
                self.end_sounding(&batch, io)
            }
            Expected::Batch {
                bytes, keep_alive, ..
            } => match Batch::parse(&bytes) {
                Ok(batch) => self.take_batch(batch, keep_alive, io),
                Err(error) => self.fail(error, io),
            },
            refusal @ Expected::Refusal { .. } => {
                self.plan = refusal.meaning();
                self.hang_up(io);
            }
            _ => self.fail(Error::Ended, io),
        }
    }

    /// Enough of a poll's answer has come to say which message is too large: the first of the batch, which its head may
    /// be far ahead of.
    fn end_sounding(&mut self, expected: &Expected, io: &mut Io<'_>) {
        if let Expected::Batch { bytes, last_id, .. } = expected {
            self.note_obstacle(Batch::first_id(bytes).or(last_id.as_deref()));
        }
        self.fail(Error::TooLarge, io);
    }

    fn take_batch(&mut self, batch: Batch, keep_alive: bool, io: &mut Io<'_>) {
        self.answered(None, io.now);
        let long = self.transport() == Transport::LongPoll;
        let empty = batch.events.is_empty() && !batch.gap;
        let sought = long && self.seeks_its_place();
        if long && empty && !sought && self.is_early(io) && self.options.transport.is_none() {
            return self.fail(Error::NoWait, io);
        }
        self.works();
        let before = self.cursor.id().to_owned();
        if batch.gap {
            self.hand_on(Event::gap(&before));
        }
        for event in batch.events {
            self.hand_on(event);
        }
        if !batch.last_id.is_empty() {
            // Never back behind its own messages.
            self.note_id(&batch.last_id);
        }
        // A server that has nothing new, whatever it says, is not asked again at once.
        let waited = long && !self.is_early(io);
        let news = !empty && self.cursor.id() != before;
        if news && self.end_detour() {
            self.plan.get_or_insert(Plan::Again(self.options.interval));
            return self.hang_up(io);
        }
        let found = sought && self.cursor.is_set();
        let at_once = news && (batch.more || long) || waited || found;
        self.rest(!at_once, keep_alive, io);
    }

    /// Whether what was asked for came too soon for a server that waits.
    pub(super) fn is_early(&self, io: &Io<'_>) -> bool {
        io.now.ms.saturating_sub(self.asked_at) < millis(EARLY)
    }
}

/// What a violation means to a subscriber.
fn violated(error: ws::Error) -> Error {
    match error {
        ws::Error::FrameTooBig | ws::Error::MessageTooBig | ws::Error::TooManyFragments => {
            Error::TooLarge
        }
        error => Error::WebSocket(error),
    }
}
