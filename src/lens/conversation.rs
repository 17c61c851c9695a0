//! Both directions of a connection, each told what it has to know of the other.

use super::direction::News;
use super::{Direction, Options, Side, Sink, Thing};

/// A connection, seen from between its ends.
///
/// ```
/// use barewire::lens::{Conversation, Kind, Options, Side};
///
/// let mut seen = Vec::new();
/// let mut sink = |thing| seen.push(thing);
/// let mut conversation = Conversation::new(Options::default());
/// conversation.feed(Side::Client, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &mut sink);
/// conversation.feed(Side::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &mut sink);
/// conversation.feed(Side::Server, b"HTTP/1.1 400 Bad Request\r\n", &mut sink); // no body was sent
/// conversation.end(Side::Server, true, &mut sink);
/// assert!(matches!(seen[2].kind, Kind::Response(_)));
/// assert!(seen[2].is_cut);
/// ```
#[derive(Debug)]
pub struct Conversation {
    client: Direction,
    server: Direction,
}

impl Conversation {
    /// A connection at its beginning.
    pub fn new(options: Options) -> Conversation {
        Conversation {
            client: Direction::waiting(Side::Client, options),
            server: Direction::waiting(Side::Server, options),
        }
    }

    /// Takes the next bytes of one side, and gives what they complete.
    pub fn feed(&mut self, from: Side, mut bytes: &[u8], sink: &mut dyn FnMut(Thing)) {
        while !bytes.is_empty() {
            let used = self.side(from).feed_some(bytes, sink);
            bytes = &bytes[used..];
            self.exchange(sink);
        }
    }

    /// There is no more from this side: because it has `closed`, or because nothing else is known. Gives what is
    /// incomplete.
    pub fn end(&mut self, from: Side, closed: bool, sink: &mut dyn FnMut(Thing)) {
        self.side(from).end(closed, sink);
        self.exchange(sink);
    }

    fn side(&mut self, from: Side) -> &mut Direction {
        match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Carries over what one direction means for the other. What was held back may mean something in turn.
    fn exchange(&mut self, sink: Sink<'_>) {
        loop {
            let mut news = self.client.take_news();
            news.append(&mut self.server.take_news());
            if news.is_empty() {
                return;
            }
            for news in news {
                match news {
                    News::Asked(asked, offer) => self.server.asked(asked, offer),
                    News::Answered(becomes) => self.client.answered(becomes, sink),
                }
            }
        }
    }
}
