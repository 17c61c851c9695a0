//! Writing an event stream: WHATWG HTML 9.2.5, "Parsing an event stream" (its grammar).
//!
//! ```text
//!   event   = *( comment / field ) end-of-line
//!   comment = colon *any-char end-of-line
//!   field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
//!   any-char: everything but CR and LF
//! ```
//!
//! The invariant: each function here appends one whole block, from the first byte of a line to the
//! blank line, and no value given by a user adds a line to it. Names, IDs and comments are checked
//! when they are made; data may hold anything, and becomes one `data:` line per line of its own.
//!
//! A value is always written after a colon *and* a space. A reader strips one space, so a value
//! that begins with spaces keeps them.
//!
//! Nothing is allocated besides the growth of the buffer that is appended to.

use std::io::Write;

use super::error::Error;
use super::line::{find_line_end, split_line};

/// The media type of an event stream (9.2.5). Its charset is always UTF-8.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The smallest sign of life: an empty comment (9.2.7 suggests one every 15 seconds or so, since
/// proxies drop connections that look dead).
pub const HEARTBEAT: &[u8] = b":\n\n";

/// The type of an event, such as `price`; free of CR, LF and NUL.
///
/// A reader dispatches an event without a name, and one with the empty name, as `message`. So leave
/// the name out for `message`: it saves the line.
///
/// ```
/// use barewire::sse::EventName;
///
/// assert!(EventName::new("tick").is_ok());
/// assert!(EventName::new("tick\ndata: forged").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventName<'a>(&'a str);

impl<'a> EventName<'a> {
    /// Takes a name that fits on one line.
    ///
    /// # Errors
    ///
    /// [`Error::LineBreakInName`] or [`Error::NulInName`].
    pub fn new(name: &'a str) -> Result<Self, Error> {
        if find_line_end(name.as_bytes()).is_some() {
            return Err(Error::LineBreakInName);
        }
        if name.as_bytes().contains(&0) {
            return Err(Error::NulInName);
        }
        Ok(EventName(name))
    }

    /// The name as it was given.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// The ID of an event, which a client sends back as `Last-Event-ID` when it connects again; free of
/// CR, LF and NUL.
///
/// The empty ID is allowed: it makes a client forget the last one (9.2.6, the `id` field).
///
/// ```
/// use barewire::sse::EventId;
///
/// assert!(EventId::new("7-0").is_ok());
/// assert!(EventId::new("7\n").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId<'a>(&'a str);

impl<'a> EventId<'a> {
    /// Takes an ID that fits on one line and that no reader ignores.
    ///
    /// # Errors
    ///
    /// [`Error::LineBreakInId`] or [`Error::NulInId`].
    pub fn new(id: &'a str) -> Result<Self, Error> {
        if find_line_end(id.as_bytes()).is_some() {
            return Err(Error::LineBreakInId);
        }
        if id.as_bytes().contains(&0) {
            return Err(Error::NulInId);
        }
        Ok(EventId(id))
    }

    /// The ID as it was given.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Text that readers skip; free of CR and LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comment<'a>(&'a str);

impl<'a> Comment<'a> {
    /// Takes a comment that fits on one line.
    ///
    /// # Errors
    ///
    /// [`Error::LineBreakInComment`].
    pub fn new(text: &'a str) -> Result<Self, Error> {
        match find_line_end(text.as_bytes()) {
            Some(_) => Err(Error::LineBreakInComment),
            None => Ok(Comment(text)),
        }
    }

    /// The comment as it was given.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// One block of the stream. Every value of this type can be sent.
///
/// ```
/// use barewire::sse::{Event, EventId, write_event};
///
/// let event = Event { id: Some(EventId::new("7")?), ..Event::message("two\nlines") };
/// let mut out = Vec::new();
/// write_event(&mut out, &event);
/// assert_eq!(out, b"id: 7\ndata: two\ndata: lines\n\n");
/// # Ok::<(), barewire::sse::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Event<'a> {
    /// The event's type; `None` is `message`.
    pub name: Option<EventName<'a>>,
    /// The last event ID from this block on; `None` leaves it as it was.
    pub id: Option<EventId<'a>>,
    /// The data. CR, LF and CRLF in it all arrive as LF.
    ///
    /// `Some("")` arrives as an event with empty data. With `None` no event is dispatched: the
    /// reader only takes over the ID and the reconnection time (9.2.6, step 2 of the dispatch).
    pub data: Option<&'a str>,
    /// The reconnection time from this block on, in milliseconds.
    pub retry: Option<u64>,
}

impl<'a> Event<'a> {
    /// An event of the default type `message`, without an ID.
    pub fn message(data: &'a str) -> Self {
        Event {
            data: Some(data),
            ..Event::default()
        }
    }
}

/// Appends `event` as one block.
pub fn write_event(out: &mut Vec<u8>, event: &Event<'_>) {
    if let Some(id) = event.id {
        write_field(out, b"id: ", id.as_str());
    }
    if let Some(name) = event.name {
        write_field(out, b"event: ", name.as_str());
    }
    if let Some(milliseconds) = event.retry {
        write_retry_field(out, milliseconds);
    }
    let mut rest = event.data;
    while let Some(text) = rest {
        let (line, after) = split_line(text);
        write_field(out, b"data: ", line);
        rest = after;
    }
    out.push(b'\n');
}

/// How many bytes the `data` fields of this text take in a block.
pub(crate) fn data_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let crs = bytes.iter().filter(|&&byte| byte == b'\r').count();
    let lfs = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let pairs = bytes.windows(2).filter(|pair| *pair == b"\r\n").count();
    // Each line is written with one LF, whatever ended it.
    bytes.len() - crs - lfs + (1 + crs + lfs - pairs) * b"data: \n".len()
}

/// Appends a comment as a block of its own.
pub fn write_comment(out: &mut Vec<u8>, comment: &Comment<'_>) {
    write_field(out, b": ", comment.as_str());
    out.push(b'\n');
}

/// Appends a block that sets the client's reconnection time and dispatches nothing.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u64) {
    write_retry_field(out, milliseconds);
    out.push(b'\n');
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.reserve(name.len() + value.len() + 1);
    out.extend_from_slice(name);
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

fn write_retry_field(out: &mut Vec<u8>, milliseconds: u64) {
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "retry: {milliseconds}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: Event<'_>) -> String {
        let mut out = Vec::new();
        write_event(&mut out, &event);
        String::from_utf8(out).unwrap()
    }

    // 9.2.5, the grammar

    #[test]
    fn the_fields_stand_in_the_order_id_event_retry_data() {
        let event = Event {
            name: EventName::new("price").ok(),
            id: EventId::new("1700000000000-3").ok(),
            data: Some("42"),
            retry: Some(3000),
        };
        assert_eq!(
            written(event),
            "id: 1700000000000-3\nevent: price\nretry: 3000\ndata: 42\n\n"
        );
    }

    #[test]
    fn a_message_is_one_data_line() {
        assert_eq!(written(Event::message("hello")), "data: hello\n\n");
    }

    #[test]
    fn the_name_message_is_written_when_it_is_given() {
        let event = Event {
            name: EventName::new("message").ok(),
            ..Event::message("x")
        };
        assert_eq!(written(event), "event: message\ndata: x\n\n");
    }

    #[test]
    fn each_line_of_the_data_is_a_data_line() {
        let data = "lf\ncr\rcrlf\r\nblank\n\nlfcr\n\rend";
        let lines = [
            "data: lf",
            "data: cr",
            "data: crlf",
            "data: blank",
            "data: ",
            "data: lfcr",
            "data: ",
            "data: end",
            "",
            "",
        ];
        assert_eq!(written(Event::message(data)), lines.join("\n"));
    }

    #[test]
    fn a_line_end_at_the_end_of_the_data_is_an_empty_last_line() {
        assert_eq!(written(Event::message("a\n")), "data: a\ndata: \n\n");
        assert_eq!(written(Event::message("a\r\n")), "data: a\ndata: \n\n");
    }

    #[test]
    fn empty_data_is_one_empty_data_line() {
        assert_eq!(written(Event::message("")), "data: \n\n");
    }

    #[test]
    fn no_data_is_no_data_line() {
        assert_eq!(
            written(Event {
                id: EventId::new("9").ok(),
                ..Event::default()
            }),
            "id: 9\n\n"
        );
    }

    #[test]
    fn a_leading_space_stands_behind_the_space_that_the_reader_strips() {
        assert_eq!(
            written(Event::message(" a\n  b")),
            "data:  a\ndata:   b\n\n"
        );
    }

    #[test]
    fn data_may_look_like_fields_and_comments() {
        assert_eq!(
            written(Event::message("id: 1\n: no\nevent: x")),
            "data: id: 1\ndata: : no\ndata: event: x\n\n"
        );
    }

    #[test]
    fn the_largest_reconnection_time_is_written_in_full() {
        let mut out = Vec::new();
        write_retry(&mut out, u64::MAX);
        assert_eq!(out, b"retry: 18446744073709551615\n\n");
    }

    #[test]
    fn a_comment_is_a_block_of_its_own() {
        let mut out = Vec::new();
        write_comment(&mut out, &Comment::new("keep: alive").unwrap());
        assert_eq!(out, b": keep: alive\n\n");
    }

    #[test]
    fn blocks_are_appended_to_what_is_there() {
        let mut out = HEARTBEAT.to_vec();
        write_event(&mut out, &Event::message("a"));
        write_retry(&mut out, 0);
        assert_eq!(out, b":\n\ndata: a\n\nretry: 0\n\n");
    }

    // Injection: what is refused

    #[test]
    fn a_name_with_a_line_break_or_nul_is_refused() {
        for name in ["a\n", "a\rb", "\r\ndata: forged", "\n"] {
            assert_eq!(
                EventName::new(name),
                Err(Error::LineBreakInName),
                "{name:?}"
            );
        }
        assert_eq!(EventName::new("a\0"), Err(Error::NulInName));
        assert_eq!(
            EventName::new(" prix: é ").map(EventName::as_str),
            Ok(" prix: é ")
        );
    }

    #[test]
    fn an_id_with_a_line_break_or_nul_is_refused() {
        for id in ["1\n", "1\r2", "1\r\n\r\ndata: forged", "\r"] {
            assert_eq!(EventId::new(id), Err(Error::LineBreakInId), "{id:?}");
        }
        assert_eq!(EventId::new("\u{0}1"), Err(Error::NulInId));
        assert_eq!(EventId::new("").map(EventId::as_str), Ok(""));
    }

    #[test]
    fn a_comment_with_a_line_break_is_refused() {
        for text in ["a\n", "a\rdata: forged", "\r\n"] {
            assert_eq!(
                Comment::new(text),
                Err(Error::LineBreakInComment),
                "{text:?}"
            );
        }
        assert_eq!(Comment::new("\0").map(Comment::as_str), Ok("\0"));
    }
}
