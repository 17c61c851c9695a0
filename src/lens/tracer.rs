//! The lens as a tap on a connection of a loop: what it says goes to a closure.

use super::{Conversation, Options, Side, Thing};
use crate::net::Tap;

/// A tap that explains what passes.
///
/// ```no_run
/// use barewire::lens::{Options, Side, Tracer};
///
/// # let mut server = barewire::Server::bind("127.0.0.1:9000")?;
/// server.trace(|peer| {
///     let explain = move |thing| eprintln!("{peer}: {thing:?}");
///     Some(Box::new(Tracer::new(Side::Server, Options::default(), explain)))
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
pub struct Tracer<F: FnMut(Thing)> {
    ours: Side,
    conversation: Conversation,
    sink: F,
}

impl<F: FnMut(Thing)> Tracer<F> {
    /// Explains to `sink`; `ours` is which side the program is on: a server's, or a client's.
    pub fn new(ours: Side, options: Options, sink: F) -> Tracer<F> {
        Tracer {
            ours,
            conversation: Conversation::new(options),
            sink,
        }
    }

    fn theirs(&self) -> Side {
        match self.ours {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

impl<F: FnMut(Thing) + Send> Tap for Tracer<F> {
    fn received(&mut self, bytes: &[u8]) {
        self.conversation.feed(self.theirs(), bytes, &mut self.sink);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.conversation.feed(self.ours, bytes, &mut self.sink);
    }

    fn ended(&mut self) {
        self.conversation.end(self.theirs(), true, &mut self.sink);
    }
}

impl<F: FnMut(Thing)> Drop for Tracer<F> {
    /// What is incomplete is said, too.
    fn drop(&mut self) {
        self.conversation.end(self.theirs(), false, &mut self.sink);
        self.conversation.end(self.ours, false, &mut self.sink);
    }
}
