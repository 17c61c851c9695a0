//! Event streams beside an independent parser, eventsource-stream. Input: how to cut, a stream as it is sent.
//!
//! Law: of a stream that both read by the standard (WHATWG HTML 9.2.6), both dispatch the same events.
//!
//! Where that parser leaves the standard, the streams avoid it:
//!
//! - It ends with an error at malformed UTF-8, which the standard replaces: it is replaced before.
//! - It takes `retry: +1`, since it parses as a Rust integer: there is no plus sign.
//! - It gives a reconnection time only with the event of the same block, and none without data: times are compared
//!   where it gives one.
//! - It skips a reconnection time beyond 64 bits, which is the longest here: that one is not compared.
//! - It panics at a byte order mark: it gets the stream without the first one, and with a comment in front of what may
//!   be a second.
//! - It waits for the byte after a CR: each stream ends with a colon, which opens a line that both drop.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use barewire::sse::{Decoder, MAX_EVENT};
use eventsource_stream::EventStream;
use futures_core::Stream;

use super::choice::Choices;

/// `(name, data, last event ID, reconnection time)`
pub type Dispatched = (String, String, String, Option<u64>);

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let length = 1 + usize::from(choices.byte());
    let stream = String::from_utf8_lossy(choices.rest()).replace('+', "-") + ":";
    agree(stream.as_bytes(), length);
}

/// The law, for a stream in pieces of this length.
pub fn agree(stream: &[u8], length: usize) {
    let theirs = they_dispatch(stream, length);
    let mut ours = we_dispatch(stream, length);
    for (ours, theirs) in ours.iter_mut().zip(&theirs) {
        if theirs.3.is_none() || ours.3 == Some(u64::MAX) {
            ours.3 = theirs.3;
        }
    }
    assert_eq!(ours, theirs);
}

/// Pieces that are all there already.
struct Pieces(VecDeque<Vec<u8>>);

impl Stream for Pieces {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

pub fn they_dispatch(stream: &[u8], length: usize) -> Vec<Dispatched> {
    let text = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let text = [b":\n", text].concat();
    let pieces = Pieces(text.chunks(length).map(<[u8]>::to_vec).collect());
    let mut oracle = EventStream::new(pieces);
    let mut context = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    while let Poll::Ready(Some(event)) = Pin::new(&mut oracle).poll_next(&mut context) {
        let event = event.expect("a valid stream");
        // A Duration from whole milliseconds in 64 bits.
        let retry = event
            .retry
            .map(|time| time.as_millis().try_into().expect("64 bits"));
        events.push((event.event, event.data, event.id, retry));
    }
    events
}

pub fn we_dispatch(stream: &[u8], length: usize) -> Vec<Dispatched> {
    let mut decoder = Decoder::new(MAX_EVENT);
    let mut events: Vec<Dispatched> = Vec::new();
    for mut rest in stream.chunks(length) {
        while !rest.is_empty() {
            let (used, event) = decoder.decode(rest).expect("within the limit");
            let event = event.map(|e| {
                (
                    e.name.to_owned(),
                    e.data.to_owned(),
                    e.last_event_id.to_owned(),
                )
            });
            events.extend(event.map(|(name, data, id)| (name, data, id, decoder.retry())));
            rest = &rest[used..];
        }
    }
    events
}
