//! The decoder beside an independent parser, eventsource-stream, on streams built from tricky
//! pieces. Where that parser leaves the text of WHATWG HTML 9.2.6, the streams avoid it:
//!
//! - It ends with an error at malformed UTF-8, which the text replaces: the pieces are valid.
//! - It takes `retry: +1`, since it parses as a Rust integer: no piece has a sign before digits.
//! - It gives a reconnection time only with the event of the same block, and none without data:
//!   times are compared where it gives one.
//! - It panics at a byte order mark: it gets the stream without the first one, and with a comment in
//!   front of what may be a second.
//! - It waits for the byte after a CR: each stream ends with a colon, which opens a line that both
//!   drop.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use barewire::sse::{Decoder, MAX_EVENT};
use eventsource_stream::EventStream;
use futures_core::Stream;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// `(name, data, last event ID, reconnection time)`
type Dispatched = (String, String, String, Option<u64>);

/// Pieces that are all there already.
struct Pieces(VecDeque<Vec<u8>>);

impl Stream for Pieces {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn by_oracle(stream: &[u8], length: usize) -> Vec<Dispatched> {
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

fn by_decoder(stream: &[u8], length: usize) -> Vec<Dispatched> {
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

fn line_end() -> impl Strategy<Value = &'static str> {
    select(vec!["\n", "\r", "\r\n"])
}

fn line() -> impl Strategy<Value = String> {
    let field = select(vec![
        "data",
        "event",
        "id",
        "retry",
        "",
        "Data",
        "data ",
        " data",
        "\u{FEFF}data",
        "é",
        "\0",
    ]);
    let colon = select(vec!["", ":", ": ", ":  ", "::", ": :"]);
    let value = select(vec![
        "",
        "a",
        "b c ",
        "1",
        "007",
        "3000",
        "18446744073709551615",
        "18446744073709551616",
        "1.5",
        "-1",
        "\0",
        "x\0",
        "\u{FEFF}",
        "é\u{1F600}",
        "data: x",
        "message",
        "\t",
        "\u{85}",
        "\u{2028}",
    ]);
    prop_oneof![
        2 => Just(String::new()),
        // Without a colon the value would be more of the name: leave it out at times.
        5 => (field.clone(), colon, value).prop_map(|parts| [parts.0, parts.1, parts.2].concat()),
        1 => field.prop_map(str::to_owned),
        2 => select(vec!["data: a", "data", "data:", "id: 1", "event: x"]).prop_map(str::to_owned),
    ]
}

fn stream() -> impl Strategy<Value = String> {
    let start = select(vec!["", "", "\u{FEFF}", "\u{FEFF}\u{FEFF}", "\n", "\r\n"]);
    (start, vec((line(), line_end()), 0..40)).prop_map(|(start, lines)| {
        let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
        [start, &lines, ":"].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn both_parsers_dispatch_the_same_events(stream in stream(), length in 1_usize..64) {
        let theirs = by_oracle(stream.as_bytes(), length);
        let mut ours = by_decoder(stream.as_bytes(), length);
        for (ours, theirs) in ours.iter_mut().zip(&theirs) {
            if theirs.3.is_none() {
                ours.3 = None;
            }
        }
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn the_streams_reach_both_parsers_events() {
    // Guards the law above against holding because nothing is ever dispatched.
    let stream = b"\xEF\xBB\xBFid: 1\r\nretry: 5\revent: x\ndata: a\r\n\r\ndata\n\n:";
    let expected = vec![
        ("x".to_owned(), "a".to_owned(), "1".to_owned(), Some(5)),
        ("message".to_owned(), String::new(), "1".to_owned(), None),
    ];
    assert_eq!(by_oracle(stream, 3), expected);
    assert_eq!(by_decoder(stream, 3)[0], expected[0]);
    assert_eq!(by_decoder(stream, 3).len(), 2);
}
