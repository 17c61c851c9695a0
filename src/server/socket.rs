//! WebSockets on the server: what a handler sees, and the session between its frames and the loop.
//!
//! The codec says what arrived; a [`Session`] adds the rules of a connection (RFC 6455 5.5 and 7): a ping is
//! answered, a close is answered and ends the connection, a violation ends it with the right code, and nothing is
//! sent after our close frame.

use std::net::SocketAddr;

use super::command::{Command, Sender};
use super::request::Request;
use crate::channel::Reader;
use crate::limits::Limits;
use crate::net::{ConnectionId, Io, Mailbox, Output};
use crate::ws::{self, Close, CloseCode, Event, Fragmenter, Message};

pub(super) type OnMessage = Box<dyn FnMut(&mut Socket<'_>, Message<'_>) + Send>;
pub(super) type OnOpen = Box<dyn FnMut(&mut Socket<'_>, &Request<'_>) + Send>;
pub(super) type OnClose = Box<dyn FnMut(ConnectionId, Option<CloseCode>) + Send>;

/// A WebSocket endpoint, to be refined: what happens at the open and the close, and which subprotocols it speaks.
pub struct WebSocketRoute {
    pub(super) on_message: OnMessage,
    pub(super) on_open: Option<OnOpen>,
    pub(super) on_close: Option<OnClose>,
    pub(super) protocols: Vec<Box<str>>,
}

impl std::fmt::Debug for WebSocketRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketRoute")
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

impl WebSocketRoute {
    pub(super) fn new(on_message: OnMessage) -> WebSocketRoute {
        WebSocketRoute {
            on_message,
            on_open: None,
            on_close: None,
            protocols: Vec::new(),
        }
    }

    /// Calls `handler` for every socket that opens, with the request that opened it.
    pub fn on_open(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Request<'_>) + Send + 'static,
    ) -> &mut Self {
        self.on_open = Some(Box::new(handler));
        self
    }

    /// Calls `handler` when a socket is gone, with the code of the close frame that its peer sent, if it sent one.
    pub fn on_close(
        &mut self,
        handler: impl FnMut(ConnectionId, Option<CloseCode>) + Send + 'static,
    ) -> &mut Self {
        self.on_close = Some(Box::new(handler));
        self
    }

    /// The subprotocols that it speaks, the preferred one first. The first that the client offers too is chosen;
    /// with none in common the socket opens without one (RFC 6455 4.2.2).
    pub fn protocols(&mut self, names: &[&str]) -> &mut Self {
        self.protocols = names.iter().map(|&name| name.into()).collect();
        self
    }
}

/// One open WebSocket, as its handler sees it while it is called.
#[derive(Debug)]
pub struct Socket<'a> {
    id: ConnectionId,
    peer: SocketAddr,
    out: &'a mut Output,
    link: &'a mut Link,
    mailbox: &'a Mailbox<Command>,
    protocol: Option<&'a str>,
}

impl Socket<'_> {
    /// Sends a message. Behind a close nothing is sent.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) {
        self.link.send(self.out, message.into());
    }

    /// Sends a part of a message whose size is not known yet, as fragments (RFC 6455 5.4). The first part decides
    /// whether it is text or binary; `last` ends the message. Text may be cut anywhere between characters. A
    /// message sent in between ends the one in parts first, as fragments of two messages can't be mixed.
    pub fn send_part<'m>(&mut self, part: impl Into<Message<'m>>, last: bool) {
        self.link.send_part(self.out, part.into(), last);
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
        self.peer
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol
    }
}

fn fitting(code: CloseCode, reason: &str) -> Close<'_> {
    Close::new(code, reason).unwrap_or(Close { code, reason: "" })
}

/// What of a session sending changes.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Our close frame is out: nothing may follow it (RFC 6455 5.5.1).
    closed: bool,
    parts: Option<Box<Fragmenter>>,
}

impl Link {
    fn send(&mut self, out: &mut Output, message: Message<'_>) {
        if self.parts.is_some() {
            self.finish_parts(out, b"");
        }
        if self.closed {
            return;
        }
        let opcode = if message.is_text() {
            ws::Opcode::Text
        } else {
            ws::Opcode::Binary
        };
        let payload = message.as_bytes();
        out.copy(
            ws::Header::new(opcode, payload.len() as u64)
                .encode()
                .as_slice(),
        );
        out.send(payload);
    }

    fn send_part(&mut self, out: &mut Output, part: Message<'_>, last: bool) {
        if self.closed {
            return;
        }
        let parts = self
            .parts
            .get_or_insert_with(|| Box::new(Fragmenter::start(part.kind())));
        if last {
            return self.finish_parts(out, part.as_bytes());
        }
        if parts.write(out.buffer(), part.as_bytes(), None).is_err() {
            self.close(
                out,
                Some(fitting(
                    CloseCode::INTERNAL_ERROR,
                    "a text message was continued with bytes",
                )),
            );
        }
    }

    fn finish_parts(&mut self, out: &mut Output, part: &[u8]) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        if !self.closed && parts.finish(out.buffer(), part, None).is_err() {
            self.close(
                out,
                Some(fitting(
                    CloseCode::INTERNAL_ERROR,
                    "a text message was continued with bytes",
                )),
            );
        }
    }

    fn close(&mut self, out: &mut Output, close: Option<Close<'_>>) {
        if !self.closed {
            self.closed = true;
            ws::write_close(out.buffer(), close, None);
        }
    }
}

/// Whom a session's messages are for.
#[derive(Debug)]
pub(super) enum Audience {
    /// The handler of this route, and which of its subprotocols was chosen.
    Route {
        index: usize,
        protocol: Option<usize>,
    },
    /// A channel: what arrives is published, what is published is sent.
    Channel { reader: Reader, raw: bool },
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub(super) struct Session {
    decoder: ws::Decoder,
    pub(super) audience: Audience,
    link: Link,
    /// The newest ping that is not answered because the peer does not read (RFC 6455 5.5.3: the newest is enough).
    pong: Option<Box<[u8]>>,
    /// The code that the peer closed with.
    pub(super) code: Option<CloseCode>,
    /// Ping intervals since the peer was last heard.
    silent: u8,
}

impl Session {
    pub(super) fn new(audience: Audience) -> Session {
        let decoder = ws::Decoder::new(ws::Role::Server);
        Session {
            decoder,
            audience,
            link: Link::default(),
            pong: None,
            code: None,
            silent: 0,
        }
    }

    /// Whether our close frame is out.
    pub(super) fn is_closed(&self) -> bool {
        self.link.closed
    }

    /// Takes what arrived and hands each message to `deliver`.
    pub(super) fn receive(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        io: &mut Io<'_>,
        mut deliver: impl FnMut(&mut Audience, &mut Link, Message<'_>, &mut Io<'_>),
    ) {
        let Session {
            decoder,
            audience,
            link,
            pong,
            code,
            silent,
        } = self;
        *silent = 0;
        let message_limits = limits.message_limits();
        let mut at = 0;
        loop {
            let decoded = match decoder.decode(&mut input[at..], &message_limits) {
                Ok(decoded) => decoded,
                Err(error) => {
                    link.close(
                        io.out,
                        Some(fitting(error.close_code(), &error.to_string())),
                    );
                    return io.close();
                }
            };
            at += decoded.used;
            match decoded.event {
                None => return,
                Some(Event::Message(message)) if !link.closed => {
                    deliver(audience, link, message, io)
                }
                Some(Event::Ping(payload)) if !link.closed => {
                    if io.backlog == 0 {
                        // The codec gives no ping longer than a pong may be.
                        let _ = ws::write_pong(io.out.buffer(), payload, None);
                    } else {
                        *pong = Some(payload.into());
                    }
                }
                Some(Event::Message(_) | Event::Ping(_) | Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    *code = close.map(|close| close.code);
                    // The answer carries the code that came (7.1.5 lets it; 5.5.1 calls it typical).
                    link.close(
                        io.out,
                        close.map(|close| Close {
                            code: close.code,
                            reason: "",
                        }),
                    );
                    return io.close();
                }
            }
            if io.is_closing() {
                return;
            }
        }
    }

    /// The peer takes output again: the pong that waited goes out.
    pub(super) fn resume(&mut self, io: &mut Io<'_>) {
        if let Some(payload) = self.pong.take() {
            if !self.link.closed {
                let _ = ws::write_pong(io.out.buffer(), &payload, None);
            }
        }
    }

    /// A ping interval has passed, or the time for the peer to answer our close.
    pub(super) fn tick(&mut self, limits: &Limits, io: &mut Io<'_>) {
        self.silent = self.silent.saturating_add(1);
        if self.link.closed || self.silent > 2 {
            return io.abort();
        }
        if io.backlog == 0 {
            // An empty ping is always short enough.
            let _ = ws::write_ping(io.out.buffer(), b"", None);
        }
        io.set_deadline(limits.ping_interval);
    }

    /// Sends a message that came from elsewhere.
    pub(super) fn send(&mut self, message: Message<'_>, io: &mut Io<'_>) {
        self.link.send(io.out, message);
    }

    /// Begins the closing handshake.
    pub(super) fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        limits: &Limits,
        io: &mut Io<'_>,
    ) {
        self.link.close(io.out, Some(fitting(code, reason)));
        self.await_close(limits, io);
    }

    /// Gives the peer its time to answer, if our close frame is out.
    pub(super) fn await_close(&mut self, limits: &Limits, io: &mut Io<'_>) {
        if self.link.closed && !io.is_closing() {
            io.set_deadline(limits.close_timeout);
        }
    }

    /// Ends the connection because of what our side did.
    pub(super) fn fail(&mut self, code: CloseCode, reason: &str, io: &mut Io<'_>) {
        self.link.close(io.out, Some(fitting(code, reason)));
        io.close();
    }

    /// The socket as its handler sees it.
    pub(super) fn socket<'a>(
        &'a mut self,
        peer: SocketAddr,
        protocol: Option<&'a str>,
        mailbox: &'a Mailbox<Command>,
        io: &'a mut Io<'_>,
    ) -> Socket<'a> {
        Socket {
            id: io.id,
            peer,
            out: io.out,
            link: &mut self.link,
            mailbox,
            protocol,
        }
    }
}

impl Link {
    /// As [`Session::socket`], while the session is receiving.
    pub(super) fn socket<'a>(
        &'a mut self,
        peer: SocketAddr,
        protocol: Option<&'a str>,
        mailbox: &'a Mailbox<Command>,
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

    pub(super) fn fail(&mut self, code: CloseCode, reason: &str, io: &mut Io<'_>) {
        self.close(io.out, Some(fitting(code, reason)));
        io.close();
    }
}
