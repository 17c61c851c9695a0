//! WebSockets of the server: the opening handshake, and the way from a frame to a handler or a channel.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::machine::{Connection, State};
use super::request::Request;
use super::router::Endpoint;
use super::shared::Service;
use super::ways::{channel_refusal, start_of};
use super::websocket::{Audience, OpenSocket, WebSocketRoute};
use crate::channel::{Data, Encoding};
use crate::error::Error;
use crate::http::{FieldName, FieldValue, Status};
use crate::net::Io;
use crate::response::{Response, refusal};
use crate::session::compression::Compression;
use crate::ws::handshake::{HandshakeError, Upgrade};
use crate::ws::{CloseCode, Message};

/// The subprotocol whose frames are the bare data.
const RAW: &str = "raw";

/// What a peer is told when a handler panics.
const FAILED: &str = "the server failed to answer";

/// What a peer is told whose message was not published.
const BEHIND: &str = "the server is too far behind with what was published";

/// What the answer to a handshake says that is agreed on.
struct Agreed<'a> {
    protocol: Option<&'a str>,
    extensions: Option<&'a str>,
}

impl Service {
    /// Opens a WebSocket on a channel.
    pub(super) fn open_channel_socket(
        &mut self,
        connection: &mut Connection,
        name: &str,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<Option<Response>, Response> {
        let start = start_of(request)?;
        let upgrade = Upgrade::from_request(request.head()).map_err(handshake_refusal)?;
        let raw = upgrade.protocols().any(|protocol| protocol == RAW);
        let encoding = if raw {
            Encoding::SocketRaw
        } else {
            Encoding::SocketJson
        };
        let (compression, extensions) = self.deflating.accept(&upgrade).unzip();
        // Its messages come out of the channel, compressed for all.
        let compression = compression.map(Compression::without_takeover);
        #[cfg(feature = "deflate")]
        let encoding = compression.as_ref().map_or(encoding, |compression| {
            self.hub.deflated(encoding, compression.window_bits())
        });
        let waiter = io.id.to_u64();
        let reader = self
            .hub
            .attach(name, encoding, start, waiter)
            .map_err(channel_refusal)?;
        // Where it begins: who began at the tail and is cut off before the first message can go on from there.
        let cursor = self.hub.cursor(&reader).map(|id| id.to_string());
        let socket = OpenSocket::new(Audience::Channel { reader, raw }, compression);
        let agreed = Agreed {
            protocol: raw.then_some(RAW),
            extensions: extensions.as_deref(),
        };
        self.switch(connection, socket, &upgrade, &agreed, cursor.as_deref(), io)?;
        if let State::Socket(socket) = &mut connection.state {
            self.tell_socket_gap(socket, io);
        }
        Ok(None)
    }

    /// Opens a WebSocket of a handler's.
    pub(super) fn open_socket(
        &mut self,
        connection: &mut Connection,
        index: usize,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) {
        let form = self.form(request.head());
        if let Err(response) = self.open_handler_socket(connection, index, request, io) {
            self.respond(io, form, &response);
        }
    }

    fn open_handler_socket(
        &mut self,
        connection: &mut Connection,
        index: usize,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<(), Response> {
        let upgrade = Upgrade::from_request(request.head()).map_err(handshake_refusal)?;
        let Some(Endpoint::WebSocket(socket)) = self.router.get(index).map(|route| &route.endpoint)
        else {
            return Err(refusal(Status::NOT_FOUND, "there is no WebSocket here"));
        };
        let socket = *socket;
        let spoken = self
            .router
            .socket(socket)
            .map_or(&[][..], |route| &route.protocols);
        let offered = |spoken: &str| upgrade.protocols().any(|offered| offered == spoken);
        let chosen = spoken.iter().position(|spoken| offered(spoken));
        let protocol = chosen
            .and_then(|chosen| spoken.get(chosen))
            .map(|name| name.to_string());
        let (compression, extensions) = self.deflating.accept(&upgrade).unzip();
        let audience = Audience::Route {
            index: socket,
            protocol: chosen,
        };
        let open = OpenSocket::new(audience, compression);
        let agreed = Agreed {
            protocol: protocol.as_deref(),
            extensions: extensions.as_deref(),
        };
        self.switch(connection, open, &upgrade, &agreed, None, io)?;
        let pattern = self.router.get(index).map(|route| route.pattern.clone());
        let request = pattern
            .as_ref()
            .map_or(*request, |pattern| request.of_route(pattern));
        self.call_on_open(connection, socket, protocol.as_deref(), &request, io);
        Ok(())
    }

    /// The connection becomes a WebSocket.
    fn switch(
        &mut self,
        connection: &mut Connection,
        socket: OpenSocket,
        upgrade: &Upgrade<'_>,
        agreed: &Agreed<'_>,
        cursor: Option<&str>,
        io: &mut Io<'_>,
    ) -> Result<(), Response> {
        let fields: Vec<_> = [
            (FieldName::LAST_EVENT_ID, cursor.and_then(value_of)),
            (
                FieldName::SEC_WEBSOCKET_EXTENSIONS,
                agreed.extensions.and_then(value_of),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let date = self.dates.at(io.now.unix_ms / 1000);
        let written = upgrade.write_response_with(io.out.buffer(), agreed.protocol, date, &fields);
        // The state takes the socket even if the answer failed, so that its reader is detached in the end.
        connection.state = State::Socket(socket);
        written.map_err(handshake_refusal)?;
        io.read_in_pieces(agreed.extensions.is_some());
        io.set_deadline(self.limits.ping_interval);
        Ok(())
    }

    fn call_on_open(
        &mut self,
        connection: &mut Connection,
        index: usize,
        protocol: Option<&str>,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) {
        let State::Socket(open) = &mut connection.state else {
            return;
        };
        let Some(WebSocketRoute {
            on_open: Some(on_open),
            ..
        }) = self.router.socket_mut(index)
        else {
            return;
        };
        let session = &mut open.session;
        let mut socket = session
            .link
            .socket(connection.peer, protocol, &self.mailbox, io);
        let called = catch_unwind(AssertUnwindSafe(|| on_open(&mut socket, request)));
        session.await_close(&self.limits.patience(), io);
        if called.is_err() {
            session.link.fail(CloseCode::INTERNAL_ERROR, FAILED, io);
            self.report(&Error::Panicked);
        }
    }

    /// Hands what arrived on a WebSocket to its handler or its channel.
    pub(super) fn receive_frames(
        &mut self,
        connection: &mut Connection,
        input: &mut [u8],
        io: &mut Io<'_>,
    ) {
        let State::Socket(open) = &mut connection.state else {
            return;
        };
        let OpenSocket { session, audience } = open;
        let (limits, patience) = (self.limits.message_limits(), self.limits.patience());
        let mut panicked = false;
        session.receive(
            input,
            &limits,
            &patience,
            io,
            |link, message, io| match audience {
                Audience::Channel { reader, .. } => {
                    let data = match message {
                        Message::Text(text) => Data::Text(text.into()),
                        Message::Binary(bytes) => Data::Binary(bytes.into()),
                    };
                    // The reader's channel exists, and there is no event name to refuse: only room may lack.
                    if self
                        .hub
                        .publish_beside(reader, data, io.now.unix_ms)
                        .is_err()
                    {
                        link.fail(CloseCode::TRY_AGAIN_LATER, BEHIND, io);
                    }
                }
                Audience::Route { index, protocol } => {
                    let Some(route) = self.router.socket_mut(*index) else {
                        return;
                    };
                    let protocol = protocol
                        .and_then(|chosen| route.protocols.get(chosen))
                        .map(|name| &**name);
                    let mut socket = link.socket(connection.peer, protocol, &self.mailbox, io);
                    let on_message = &mut route.on_message;
                    if catch_unwind(AssertUnwindSafe(|| on_message(&mut socket, message))).is_err()
                    {
                        panicked = true;
                        link.fail(CloseCode::INTERNAL_ERROR, FAILED, io);
                    }
                }
            },
        );
        if panicked {
            self.report(&Error::Panicked);
        }
    }

    /// Goes on with a WebSocket that takes output again, unless it has become too slow for that.
    pub(super) fn go_on_reading(&self, open: &mut OpenSocket, io: &mut Io<'_>) {
        match &open.audience {
            Audience::Channel { reader, .. } if self.gives_up(reader) => {
                let why = "too slow: messages that were not read are no longer retained";
                open.session.link.fail(CloseCode::TRY_AGAIN_LATER, why, io);
            }
            _ => self.tell_socket_gap(open, io),
        }
    }

    /// Tells a WebSocket's reader that messages are missing, if they are. Bare data has no way to say it, so that a
    /// `raw` one ends.
    pub(super) fn tell_socket_gap(&self, open: &mut OpenSocket, io: &mut Io<'_>) {
        if open.session.is_closed() {
            return;
        }
        match &mut open.audience {
            Audience::Channel { reader, raw: false } => self.tell_gap(reader, io),
            Audience::Channel { reader, raw: true } if self.hub.misses(reader) => {
                let why = "messages are missing: they are no longer retained";
                open.session.link.fail(CloseCode::TRY_AGAIN_LATER, why, io);
            }
            _ => {}
        }
    }
}

/// An id or an extension with its parameters as a field's value: there is nothing in them that may not be there.
fn value_of(text: &str) -> Option<FieldValue<'_>> {
    FieldValue::new(text).ok()
}

fn handshake_refusal(error: HandshakeError) -> Response {
    let mut response = refusal(error.status(), &error.to_string());
    // A version that would do (RFC 6455 4.4), or the method.
    for (name, value) in error.fields() {
        response
            .fields
            .push((name.as_str().into(), value.as_bytes().into()));
    }
    response
}
