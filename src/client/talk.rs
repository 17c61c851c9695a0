//! What every client is to the loop: a machine that has one connection at a time, or waits for the next.
//!
//! ```text
//!             ┌───────── wait ─────────┐
//!             ▼                        │
//!   look up ─► connect ─► connected ─► disconnected ─► end
//!      ▲                                    │
//!      └────────────── rest ◄───────────────┘
//! ```
//!
//! A [`Talk`] never sees a socket: bytes and time go in, bytes and deadlines come out through [`Io`], and when a
//! connection is over it says what comes next. So its whole life, with every reconnection, is tested without one.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::Error;
use super::url::Url;
use crate::command::{Letter, Mailbox};
use crate::http::{HeadFinder, HeadLimits, HttpDate, ResponseHead};
use crate::limits::{CLOSE_TIMEOUT, PING_INTERVAL};
use crate::net::{Io, Now};
use crate::random::Random;
use crate::scan::saturating_decimal;
use crate::session::Patience;
use crate::ws::CloseCode;

/// The longest wait that a server may ask for, by `retry` or by `Retry-After`: nearly 25 days, the longest that a
/// browser's timers know. Up to it a client never comes sooner than it is asked to (WHATWG HTML 9.2.3).
pub(super) const MAX_ASKED: Duration = Duration::from_millis((1 << 31) - 1);

/// How much of a refusal's body is kept for the error.
pub(super) const MAX_SAID: usize = 200;

/// How long it may take to connect, and again to get an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How patient an open WebSocket of a client's is: as a server's.
pub(super) const SESSION: Patience = Patience {
    ping_interval: PING_INTERVAL,
    close_timeout: CLOSE_TIMEOUT,
};

/// The code of every WebSocket that the program ends: it has what it came for (RFC 6455 7.4.1), while 1001 is what a
/// server says that goes down.
pub(super) const QUIT: CloseCode = CloseCode::NORMAL;

/// What of the loop a client needs besides [`Io`].
pub(crate) struct Around<'a> {
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) random: &'a mut Random,
    pub(crate) peer: SocketAddr,
}

/// What a client does when a connection is gone, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// Connects again after this time.
    Connect(Duration),
    /// Nothing, until it is asked to [`look`](Talk::look) or is [`due`](Talk::due).
    Rest,
    /// Nothing more: it has told its program so.
    End,
}

/// A client.
pub(crate) trait Talk: Send {
    /// Where its next connection goes.
    fn url(&self) -> &Url;

    /// Whom it trusts: there if the URL is a secure one.
    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&crate::net::tls::ClientTls>;

    /// How long connecting to one address may take.
    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// The addresses of its host were found: those that are left are dialed, in this order. With none left it is as if none
    /// had been found.
    fn admit(&mut self, _addresses: &mut Vec<SocketAddr>) {}

    /// A connection stands.
    fn connected(&mut self, io: &mut Io<'_>, around: &mut Around<'_>);

    /// Bytes have arrived.
    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, around: &mut Around<'_>);

    /// The peer will send nothing more.
    fn ended(&mut self, io: &mut Io<'_>, around: &mut Around<'_>);

    /// The deadline that was set has passed.
    fn expired(&mut self, io: &mut Io<'_>, around: &mut Around<'_>);

    /// The peer has taken all output.
    fn resumed(&mut self, _io: &mut Io<'_>) {}

    /// A command for the connection.
    fn on_letter(&mut self, _letter: Letter, _io: &mut Io<'_>) {}

    /// Its handles have something new for it, or it is [`due`](Talk::due) without a connection. One that is connected is
    /// [`resumed`](Talk::resumed) instead.
    fn look(&mut self, _now: Now) {}

    /// When it wants to be called although it has no connection, in milliseconds of the loop. Asked when it has been called
    /// without one.
    fn due(&self) -> u64 {
        u64::MAX
    }

    /// The program wants it to end: what is polite is still sent, and [`Talk::disconnected`] gives [`Sequel::End`].
    fn quit(&mut self, io: Option<&mut Io<'_>>);

    /// The connection is gone, or was never made. `error` is what the system said, if it did.
    fn disconnected(&mut self, error: Option<Error>, now: Now, random: &mut Random) -> Sequel;
}

/// Reads the head of an answer.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    rest: Vec<u8>,
    finder: HeadFinder,
}

impl HeadReader {
    /// Nothing of an answer has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes bytes from the front of `input` until the head is complete: says how many, and what `judge` makes of
    /// it. `None` is: all of it, and more is needed. Informational answers are passed over (RFC 9110 15.2), but for
    /// 101, which is final.
    pub(crate) fn read<V>(
        &mut self,
        input: &[u8],
        judge: impl Fn(&ResponseHead<'_>) -> V,
    ) -> Result<Option<(usize, V)>, crate::http::Error> {
        let limits = HeadLimits::default();
        let before = self.rest.len();
        self.rest.extend_from_slice(input);
        let mut start = 0;
        loop {
            let bytes = &self.rest[start..];
            let Some(length) = self.finder.find(bytes, &limits)? else {
                // Only what is not passed over is kept, so that the limit holds for one head.
                self.rest.drain(..start);
                return Ok(None);
            };
            let head = ResponseHead::parse(&bytes[..length], &limits)?;
            self.finder = HeadFinder::default();
            start += length;
            if head.status() == 101 || head.status() >= 200 {
                let verdict = judge(&head);
                self.rest = Vec::new();
                return Ok(Some((start - before, verdict)));
            }
        }
    }
}

/// `Retry-After` (RFC 9110 10.2.3): a number of seconds, or a date, which is compared with the server's own clock, or
/// with ours where it does not say its time. One that can't be understood still says that it is worth coming back.
pub(super) fn retry_after(head: &ResponseHead<'_>, now: Now) -> Option<Duration> {
    let value = head.fields().get("Retry-After")?;
    let text = std::str::from_utf8(value).unwrap_or_default();
    let seconds = match HttpDate::to_unix(text) {
        Some(then) => {
            let date = head.fields().get_str("Date").and_then(HttpDate::to_unix);
            then.saturating_sub(date.unwrap_or(now.unix_ms / 1000))
        }
        None => saturating_decimal(value).unwrap_or(0),
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_however_it_is_cut_and_what_follows_is_left() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nC: d\r\n\r\nrest";
        for cut in 1..bytes.len() {
            let mut reader = HeadReader::default();
            let mut at = 0;
            for piece in bytes.chunks(cut) {
                match reader.read(piece, |head| head.status()).unwrap() {
                    None => at += piece.len(),
                    Some((used, status)) => {
                        at += used;
                        assert_eq!((status, &bytes[at..]), (200, &b"rest"[..]), "cut {cut}");
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn a_head_has_a_limit() {
        let mut reader = HeadReader::default();
        let line = [b"A: ", &[b'x'; 1000][..], b"\r\n"].concat();
        reader.read(b"HTTP/1.1 200 OK\r\n", |_| ()).unwrap();
        assert!((0..100).any(|_| reader.read(&line, |_| ()).is_err()));
    }
}
