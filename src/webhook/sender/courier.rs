//! One connection to a receiver: it delivers what it was made for, then whatever else waits for the same place, and then
//! waits a while itself.
//!
//! ```text
//!   (look up, check, connect) ──► Head ──► Body ──► next? ──► Head ...
//!                                   │                 └─ none ─► Idle ──assigned──► Head
//!                                   └─ no answer in time, or none that can be read: told, and closed
//! ```
//!
//! It is a [`Talk`], which the dialer gives a connection to. The addresses that a name has are looked at before any of them
//! is dialed ([`Talk::admit`]), and those that pass are the ones that are dialed: the name is not looked up again.
//!
//! What counts is the head of the answer. Its body is read for the connection's sake, up to a bound, and thrown away.
//! Redirects are answers like any other: nothing is ever sent where a receiver says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dispatcher::Key;
use super::options::ANSWER_BYTES;
use super::shared::Shared;
use super::subscription::Outcome;
use super::target::Target;
use crate::client::{Around, Error, HeadReader, Sequel, Talk, Url};
use crate::http::{BodyDecoder, BodyLength, Piece, ResponseHead, response_body_length};
use crate::net::{ConnectionId, Io, Now};
use crate::random::Random;
use crate::webhook::retry_after;

/// Addresses of one name that are tried; they share the time for connecting.
const MAX_ADDRESSES: usize = 4;
/// How long a delivery under way has when the program shuts down.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) struct Courier {
    shared: Arc<Shared>,
    target: Arc<Target>,
    /// What it delivers.
    job: Option<Key>,
    /// There are still addresses to be found.
    looking_up: bool,
    /// How many addresses may be tried.
    addresses: u32,
    /// Why there will be no answer, if that is known before the connection is gone.
    outcome: Option<Outcome>,
    connection: Option<ConnectionId>,
    /// It has brought an answer before.
    reused: bool,
    leaving: bool,
    stage: Stage,
}

enum Stage {
    Idle,
    Head(HeadReader),
    Body(BodyDecoder),
}

/// What the head of an answer says.
struct Verdict {
    status: u16,
    retry_after: Option<Duration>,
    /// How long its body is, if another answer can come behind it.
    body: Option<BodyLength>,
}

impl Verdict {
    fn of(head: &ResponseHead<'_>, now: Now) -> Verdict {
        let asked = head.fields().get_str("Retry-After");
        Verdict {
            status: head.status(),
            retry_after: asked.and_then(|value| retry_after(value, now.unix_ms / 1000)),
            body: response_body_length(head, "POST")
                .ok()
                .filter(|length| head.keep_alive() && *length != BodyLength::UntilClose),
        }
    }
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>, target: Arc<Target>, job: Key) -> Courier {
        let looking_up = target.name().is_some();
        Courier {
            shared,
            target,
            job: Some(job),
            looking_up,
            addresses: 1,
            outcome: None,
            connection: None,
            reused: false,
            leaving: false,
            stage: Stage::Idle,
        }
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && matches!(self.stage, Stage::Idle)
    }

    /// Sends what it is to deliver.
    fn begin(&mut self, key: Key, io: &mut Io<'_>) {
        let written = self.shared.machine().write(key, io.now, io.out.buffer());
        if written.is_none() {
            self.job = None;
            return self.go_on(io);
        }
        self.job = Some(key);
        self.stage = Stage::Head(HeadReader::default());
        io.set_deadline(self.shared.answer_timeout);
    }

    /// The connection is free: whoever waits for it is next.
    fn go_on(&mut self, io: &mut Io<'_>) {
        self.stage = Stage::Idle;
        if self.leaving {
            return io.close();
        }
        let place = &self.target.place;
        let next = self.shared.machine().next_for(place, io.now);
        self.reused = true;
        match next {
            Some(key) => self.begin(key, io),
            None => {
                self.shared.machine().rest(place, io.id);
                io.set_deadline(self.shared.keep_alive);
            }
        }
    }

    fn tell(&mut self, outcome: Outcome, retry_after: Option<Duration>, now: Now) {
        if let Some(key) = self.job.take() {
            let mut machine = self.shared.machine();
            machine.answered(key, outcome, retry_after, now);
        }
    }

    fn take_head(&mut self, input: &[u8], io: &mut Io<'_>) -> Option<usize> {
        let Stage::Head(reader) = &mut self.stage else {
            return None;
        };
        let now = io.now;
        match reader.read(input, |head| Verdict::of(head, now)) {
            Ok(None) => None,
            Ok(Some((used, verdict))) if verdict.status != 101 => {
                self.tell(Outcome::Status(verdict.status), verdict.retry_after, now);
                let decoder = verdict
                    .body
                    .and_then(|length| BodyDecoder::new(length, ANSWER_BYTES).ok());
                match decoder {
                    Some(decoder) => self.stage = Stage::Body(decoder),
                    None => io.close(),
                }
                Some(used)
            }
            _ => {
                self.tell(Outcome::Malformed, None, now);
                io.close();
                None
            }
        }
    }

    fn take_body(&mut self, input: &[u8], io: &mut Io<'_>) -> Option<usize> {
        let Stage::Body(decoder) = &mut self.stage else {
            return None;
        };
        match decoder.decode(input) {
            Ok((used, Piece::Data(_))) => Some(used),
            Ok((_, Piece::More)) => None,
            Ok((used, Piece::End)) => {
                // What comes unasked behind an answer is none.
                match used == input.len() {
                    true => self.go_on(io),
                    false => io.close(),
                }
                None
            }
            Err(_) => {
                io.close();
                None
            }
        }
    }
}

impl Talk for Courier {
    fn url(&self) -> &Url {
        &self.target.url
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&crate::net::tls::ClientTls> {
        self.shared.tls.as_ref()
    }

    fn patience(&self) -> Duration {
        self.shared.connect_timeout / self.addresses.max(1)
    }

    fn admit(&mut self, addresses: &mut Vec<SocketAddr>) {
        if std::mem::take(&mut self.looking_up) {
            self.shared.machine().looked_up();
        }
        let mut special = None;
        let name = self.target.name();
        addresses.retain(|address| {
            let checked = self.shared.allowed.check(name, address.ip());
            special = special.or(checked.err());
            checked.is_ok()
        });
        addresses.truncate(MAX_ADDRESSES);
        self.addresses = addresses.len() as u32;
        self.outcome = special
            .map(Outcome::Refused)
            .filter(|_| addresses.is_empty());
    }

    fn connected(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        self.connection = Some(io.id);
        match self.job {
            Some(key) => self.begin(key, io),
            None => io.close(),
        }
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, _around: &mut Around<'_>) {
        let mut at = 0;
        while at < input.len() && !io.is_closing() {
            let used = match self.stage {
                // It was not asked for.
                Stage::Idle => return io.close(),
                Stage::Head(_) => self.take_head(&input[at..], io),
                Stage::Body(_) => self.take_body(&input[at..], io),
            };
            match used {
                Some(used) => at += used,
                None => return,
            }
        }
        // A body of nothing is complete without a byte.
        if matches!(&self.stage, Stage::Body(decoder) if decoder.is_complete()) && !io.is_closing()
        {
            self.go_on(io);
        }
    }

    fn ended(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        self.tell(Outcome::Timeout, None, io.now);
        io.abort();
    }

    fn resumed(&mut self, io: &mut Io<'_>) {
        if !self.is_idle() {
            return;
        }
        let place = &self.target.place;
        let assigned = self.shared.machine().assignment(place, io.id);
        if let Some(key) = assigned {
            self.begin(key, io);
        }
    }

    fn quit(&mut self, io: Option<&mut Io<'_>>) {
        self.leaving = true;
        let Some(io) = io else { return };
        match self.stage {
            Stage::Head(_) => io.set_deadline(FAREWELL),
            _ => io.close(),
        }
    }

    fn disconnected(&mut self, error: Option<Error>, now: Now, _random: &mut Random) -> Sequel {
        let mut machine = self.shared.machine();
        if self.looking_up {
            machine.looked_up();
        }
        if let Some(key) = self.job.take() {
            let is_untouched = match &self.stage {
                Stage::Head(reader) => reader.is_empty(),
                _ => true,
            };
            let outcome = self.outcome.unwrap_or(match error {
                Some(Error::Lookup(_)) => Outcome::Lookup,
                #[cfg(feature = "tls")]
                Some(Error::Tls(_)) => Outcome::Secure,
                _ if self.connection.is_some() => Outcome::Ended,
                _ => Outcome::Connect,
            });
            let is_excused = (self.reused && is_untouched)
                || (machine.is_draining() && self.connection.is_none());
            match is_excused {
                true => machine.requeue(key),
                false => machine.answered(key, outcome, None, now),
            }
        }
        machine.gone(&self.target.place, self.connection);
        Sequel::End
    }
}
