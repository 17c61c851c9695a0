//! A thing, opened: what each of its bytes means.
//!
//! The invariant: the leaves of a thing of the wire are its bytes, each once and in order. [`Parts`] sees to that: it
//! goes through the thing from its first byte to its last, and a part begins where the one before it has ended; what
//! nobody has named at the end is a part, too.

mod chunk;
mod event;
mod field;
mod frame;
mod head;

use super::span::{Bits, Span};
use super::thing::{Kind, Thing, Unknown};

impl Thing {
    /// What its bytes mean. Those of a reading lie where the things of the wire lie that carry them.
    pub fn explain(&self) -> Span {
        match &self.kind {
            Kind::Request(_) => head::request(self),
            Kind::Response(_) => head::response(self),
            Kind::Body => {
                let meaning = format!("The body of the message: {}", bytes(self.length));
                leaf("body", self, meaning, "RFC 9112 6")
            }
            Kind::Chunk(seen) => chunk::chunk(self, seen),
            Kind::Frame(seen) => frame::frame(self, seen),
            Kind::Message(seen) => frame::message(self, seen),
            Kind::Event(seen) => event::event("event", self, seen),
            Kind::Fields(seen) => event::event("fields", self, seen),
            Kind::Comment => event::comment(self),
            Kind::Unknown(why) => {
                let meaning = match why {
                    Unknown::NotHttp => "No message of HTTP begins like this",
                    Unknown::BehindProblem => {
                        "A rule was broken before this: nobody knows where the next message begins, and who keeps to \
                         the rules reads no further"
                    }
                    Unknown::OtherProtocol => "The connection speaks another protocol by now",
                };
                leaf("unknown", self, meaning, "RFC 9112 9.6")
            }
        }
    }
}

/// All of a thing in one.
fn leaf(name: &'static str, thing: &Thing, meaning: impl Into<String>, rule: &'static str) -> Span {
    span(name, thing.offset, thing.length, meaning, rule)
}

fn span(
    name: &'static str,
    offset: u64,
    length: u64,
    meaning: impl Into<String>,
    rule: &'static str,
) -> Span {
    Span {
        name,
        offset,
        length,
        meaning: meaning.into(),
        rule,
        bits: Vec::new(),
        parts: Vec::new(),
    }
}

/// `5 bytes`, `1 byte`.
fn bytes(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}

/// The bytes of a span, given a name one part after the other.
struct Parts<'a> {
    whole: Span,
    /// The bytes from here on, as far as they are kept.
    rest: &'a [u8],
    at: u64,
}

impl<'a> Parts<'a> {
    fn of(
        name: &'static str,
        thing: &'a Thing,
        meaning: impl Into<String>,
        rule: &'static str,
    ) -> Parts<'a> {
        Parts {
            whole: leaf(name, thing, meaning, rule),
            rest: &thing.bytes,
            at: thing.offset,
        }
    }

    /// How many bytes have no name yet.
    fn left(&self) -> u64 {
        self.whole.end() - self.at
    }

    /// Gives the next bytes a name; fewer, if there are not so many, and none if there are none.
    fn part(
        &mut self,
        name: &'static str,
        length: u64,
        meaning: impl Into<String>,
        rule: &'static str,
    ) {
        let length = length.min(self.left());
        if length > 0 {
            self.push(span(name, self.at, length, meaning, rule));
        }
    }

    /// Gives the next byte a name, and its bits theirs.
    fn byte(&mut self, name: &'static str, bits: Vec<Bits>, meaning: String, rule: &'static str) {
        if self.left() > 0 {
            let byte = span(name, self.at, 1, meaning, rule);
            self.push(Span { bits, ..byte });
        }
    }

    /// Takes a part that was made elsewhere, of the next bytes.
    fn push(&mut self, part: Span) {
        self.at = part.end();
        let taken = usize::try_from(part.length).unwrap_or(usize::MAX);
        self.rest = self.rest.get(taken..).unwrap_or_default();
        self.whole.parts.push(part);
    }

    /// The parts of the next bytes.
    fn inner(
        &self,
        name: &'static str,
        length: u64,
        meaning: impl Into<String>,
        rule: &'static str,
    ) -> Parts<'a> {
        let length = length.min(self.left());
        let kept = usize::try_from(length).unwrap_or(usize::MAX);
        Parts {
            whole: span(name, self.at, length, meaning, rule),
            rest: self.rest.get(..kept).unwrap_or(self.rest),
            at: self.at,
        }
    }

    /// The span with its parts; what was given no name is the last of them.
    fn done(mut self, rest: &'static str, meaning: &str, rule: &'static str) -> Span {
        let left = self.left();
        self.part(rest, left, meaning, rule);
        if self.whole.parts.len() == 1 && self.whole.parts[0].parts.is_empty() {
            // A part that is all of it says no more than it does, but for its bits.
            let part = &mut self.whole.parts[0];
            if part.bits.is_empty() && part.name == self.whole.name {
                self.whole.parts.clear();
            }
        }
        self.whole
    }
}
