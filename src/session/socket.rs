//! The sending half of an open WebSocket: what its handler holds, and what sending changes.
//!
//! ```text
//!   handler ──► Socket::send ──► Link ──► Output      a server's frame: header copied, payload lent from 4 KiB on
//!                                  │                  a client's: masked, and so copied (RFC 6455 5.3)
//!                                  └── compressed, if that was agreed on and pays (RFC 7692)
//! ```
//!
//! A [`Link`] is what the session and a handler that runs inside it both send through, so that the rules of sending stand
//! here alone: **behind our close frame nothing follows** (5.5.1), a message sent in between ends a fragmented one first
//! (5.4), and a client that has no randomness left says no more (10.3).
//!
//! The [`Session`](super::Session) lends it to the handler for each message; the service and the client's socket lend it for
//! what they call beside that (`on_open`).

use std::net::SocketAddr;

use super::compression;
use super::sender::Sender;
use crate::command::Mailbox;
use crate::net::{ConnectionId, Io, Output};
use crate::random::Random;
use crate::ws::{self, Close, CloseCode, Fragmenter, Message};

/// One open WebSocket, as its handler sees it while it is called.
///
/// ```
/// use barewire::{Message, ws::CloseCode};
///
/// # let mut server = barewire::Server::unbound()?;
/// server.websocket("/count", |socket, message| match message {
///     Message::Text("bye") => socket.close(CloseCode::NORMAL, "bye"),
///     message => socket.send(&format!("{} bytes", message.len())),
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket<'a> {
    pub(crate) id: ConnectionId,
    pub(crate) peer: &'a SocketAddr,
    pub(crate) out: &'a mut Output,
    pub(crate) link: &'a mut Link,
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) protocol: Option<&'a str>,
}

impl Socket<'_> {
    /// Sends a message: `&str`, `&String`, `&[u8]`, or what a handler was given. Behind a close nothing is sent.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) {
        self.link.send(self.out, message.into());
    }

    /// Sends a fragment of a message whose size is not known yet (RFC 6455 5.4). The first fragment decides whether the
    /// message is text or binary; `last` ends it. Text may be cut anywhere between characters. A message sent in
    /// between ends the fragmented one first, as fragments of two messages can't be mixed. A fragmented message is
    /// never compressed.
    pub fn send_fragment<'m>(&mut self, fragment: impl Into<Message<'m>>, last: bool) {
        self.link.send_fragment(self.out, fragment.into(), last);
    }

    /// Begins the closing handshake. A reason longer than 123 bytes does not fit a close frame and is left out.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.link.close(self.out, Some(fitting(code, reason)));
    }

    /// A way to send to this socket from elsewhere: another thread, or another socket's handler.
    pub fn sender(&self) -> Sender {
        Sender {
            mailbox: self.mailbox.clone(),
            id: self.id,
        }
    }

    /// The connection's name.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The address at the other end of the connection.
    pub fn peer(&self) -> SocketAddr {
        *self.peer
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol
    }
}

pub(super) fn fitting(code: CloseCode, reason: &str) -> Close<'_> {
    Close::new(code, reason).unwrap_or(Close { code, reason: "" })
}

/// What of a session sending changes.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Our close frame is out: nothing may follow it (RFC 6455 5.5.1).
    pub(super) closed: bool,
    /// A frame could not be sent for want of a masking key, and none can be any more.
    pub(super) keyless: bool,
    fragmenter: Option<Box<Fragmenter>>,
    /// Where a client's masking keys come from; a server has none (5.1).
    pub(super) masks: Option<Box<Random>>,
    /// What was agreed on for compressed messages (RFC 7692).
    pub(super) compression: Option<compression::Kept>,
}

/// Writes a message that is not masked, and whose payload may be lent.
#[inline]
fn write_plain(out: &mut Output, message: Message<'_>) {
    let payload = message.as_bytes();
    ws::Header::new(message.kind().into(), payload.len() as u64).append(out.buffer());
    out.send(payload);
}

/// Why a fragmented message could not go on.
const NOT_TEXT: &str = "a text message was continued with bytes";

impl Link {
    pub(super) fn send(&mut self, out: &mut Output, message: Message<'_>) {
        let is_plain = self.masks.is_none() && self.compression.is_none();
        if !is_plain || self.closed || self.fragmenter.is_some() {
            return self.send_otherwise(out, message);
        }
        write_plain(out, message);
    }

    /// As `send`, where there is more to it than a header in front.
    #[inline(never)]
    fn send_otherwise(&mut self, out: &mut Output, message: Message<'_>) {
        if self.fragmenter.is_some() {
            self.finish_fragments(out, b"");
        }
        if self.closed {
            return;
        }
        if self.compression.is_some() && self.send_compressed(out, message) {
            return;
        }
        match self.mask() {
            None => {}
            Some(None) => write_plain(out, message),
            Some(mask) => ws::write_message(out.buffer(), message, mask),
        }
    }

    /// Sends a message compressed, if that pays. Says whether it is done.
    fn send_compressed(&mut self, out: &mut Output, message: Message<'_>) -> bool {
        let Some(mut compression) = self.compression.take() else {
            return false;
        };
        let done = compression.deflate(message.as_bytes(), |payload| {
            if let Some(mask) = self.mask() {
                ws::write_compressed(out.buffer(), message.kind(), payload, mask);
            }
        });
        self.compression = Some(compression);
        done
    }

    /// How the next frame is masked: a server's not at all, a client's with a fresh key. `None` is that it may not be
    /// sent: a client without randomness says no more, as a key that can be guessed is none (RFC 6455 10.3).
    pub(super) fn mask(&mut self) -> Option<Option<[u8; 4]>> {
        let Some(masks) = &mut self.masks else {
            return Some(None);
        };
        let key = masks.bytes().ok();
        self.keyless |= key.is_none();
        self.closed |= self.keyless;
        key.filter(|_| !self.keyless).map(Some)
    }

    pub(super) fn send_fragment(&mut self, out: &mut Output, fragment: Message<'_>, last: bool) {
        if self.closed {
            return;
        }
        let begin = || Box::new(Fragmenter::start(fragment.kind()));
        if last {
            self.fragmenter.get_or_insert_with(begin);
            return self.finish_fragments(out, fragment.as_bytes());
        }
        let Some(mask) = self.mask() else { return };
        let fragmenter = self.fragmenter.get_or_insert_with(begin);
        if fragmenter
            .write(out.buffer(), fragment.as_bytes(), mask)
            .is_err()
        {
            self.close(out, Some(fitting(CloseCode::INTERNAL_ERROR, NOT_TEXT)));
        }
    }

    fn finish_fragments(&mut self, out: &mut Output, fragment: &[u8]) {
        let Some(fragmenter) = self.fragmenter.take() else {
            return;
        };
        if self.closed {
            return;
        }
        let Some(mask) = self.mask() else { return };
        if fragmenter.finish(out.buffer(), fragment, mask).is_err() {
            self.close(out, Some(fitting(CloseCode::INTERNAL_ERROR, NOT_TEXT)));
        }
    }

    pub(super) fn close(&mut self, out: &mut Output, close: Option<Close<'_>>) {
        if self.closed {
            return;
        }
        if let Some(mask) = self.mask() {
            ws::write_close(out.buffer(), close, mask);
        }
        self.closed = true;
    }

    pub(super) fn pong(&mut self, out: &mut Output, payload: &[u8]) {
        if self.closed {
            return;
        }
        if let Some(mask) = self.mask() {
            // The codec gives no ping longer than a pong may be.
            let _ = ws::write_pong(out.buffer(), payload, mask);
        }
    }

    /// Ends the connection because of what our side did.
    pub(crate) fn fail(&mut self, code: CloseCode, reason: &str, io: &mut Io<'_>) {
        self.close(io.out, Some(fitting(code, reason)));
        io.close();
    }

    /// The socket as its handler sees it.
    pub(crate) fn socket<'a>(
        &'a mut self,
        peer: &'a SocketAddr,
        protocol: Option<&'a str>,
        mailbox: &'a Mailbox,
        io: &'a mut Io<'_>,
    ) -> Socket<'a> {
        Socket {
            id: io.id,
            peer,
            out: io.out,
            link: self,
            mailbox,
            protocol,
        }
    }
}
