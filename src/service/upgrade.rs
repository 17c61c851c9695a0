//! The opening handshake of a WebSocket (RFC 6455 4.2): with a handler's route, or with a channel.
//!
//! `ws::handshake` judges the request and writes the 101; here is what is agreed on (a subprotocol, RFC 7692) and what the
//! connection becomes. Everything that can refuse comes in front of the 101, because behind it there is no status any more. Once the
//! state is `Socket`, [`socket`](super::socket) has it. A socket whose beginning has to be asked for waits in `opening`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cors;
use super::request::Request;
use super::router::Endpoint;
use super::shared::Service;
use super::socket::FAILED;
use super::state::{Audience, Connection, OpenSocket, State};
use super::ways::{Outcome, start_of};
use super::websocket::WebSocketRoute;
use crate::channel::Encoding;
#[cfg(feature = "backend")]
use crate::channel::Start;
use crate::error::Error;
use crate::http::{FieldName, FieldValue, Status};
use crate::metrics::Way;
use crate::net::Io;
use crate::response::{Response, refusal};
use crate::session::compression::Compression;
use crate::ws::CloseCode;
use crate::ws::handshake::{HandshakeError, Upgrade};

/// The subprotocol whose frames are the bare data.
const RAW: &str = "raw";

/// What the answer to a handshake says that is agreed on.
pub(super) struct Agreed<'a> {
    pub(super) protocol: Option<&'a str>,
    pub(super) extensions: Option<&'a str>,
}

impl Service {
    /// Opens a WebSocket on a channel.
    pub(super) fn open_channel_socket(
        &mut self,
        connection: &mut Connection,
        index: usize,
        name: &str,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, Response> {
        let route = self.router.channels(index);
        let read_only = route.is_some_and(|route| route.read_only);
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
            self.channels
                .hub()
                .deflated(encoding, compression.window_bits())
        });
        let reader = self.attach(name, encoding, start, io)?;
        // Where it begins: who began at the tail and is cut off before the first message can go on from there.
        let cursor = self.cursor_of(&reader).map(|id| id.to_string());
        let audience = Audience::Channel {
            reader,
            raw,
            read_only,
        };
        let socket = OpenSocket::new(audience, compression);
        let agreed = Agreed {
            protocol: raw.then_some(RAW),
            extensions: extensions.as_deref(),
        };
        #[cfg(feature = "backend")]
        if cursor.is_none() && start == Start::Now {
            self.open_at_the_end(connection, socket, &upgrade, &agreed, request, io)?;
            return Ok(Outcome::Taken);
        }
        self.switch(connection, socket, &upgrade, &agreed, cursor.as_deref(), io)?;
        if let State::Socket(socket) = connection.state() {
            self.tell_socket_gap(socket, io);
        }
        Ok(Outcome::Taken)
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
        if let Err(mut response) = self.open_handler_socket(connection, index, request, io) {
            cors::show(&self.origins, request.head(), &mut response);
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
        if let Some(meter) = &mut self.meter {
            meter.read_by(Way::Socket);
        }
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
        let before = io.out.len();
        let written = upgrade.write_response_with(io.out.buffer(), agreed.protocol, date, &fields);
        // The state takes the socket even if the answer failed, so that its reader is detached in the end.
        connection.upgrade(socket);
        written.map_err(handshake_refusal)?;
        self.log_answer(io, Status::SWITCHING_PROTOCOLS, before);
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
        let peer = connection.peer;
        let State::Socket(open) = connection.state() else {
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
        let mut socket = session.link.socket(&peer, protocol, &self.mailbox, io);
        let called = catch_unwind(AssertUnwindSafe(|| on_open(&mut socket, request)));
        session.await_close(&self.limits.patience(), io);
        if called.is_err() {
            session.link.fail(CloseCode::INTERNAL_ERROR, FAILED, io);
            self.report(&Error::Panicked);
        }
    }
}

/// An id or an extension with its parameters as a field's value: there is nothing in them that may not be there.
pub(super) fn value_of(text: &str) -> Option<FieldValue<'_>> {
    FieldValue::new(text).ok()
}

pub(super) fn handshake_refusal(error: HandshakeError) -> Response {
    let mut response = refusal(error.status(), &error.to_string());
    // A version that would do (RFC 6455 4.4), or the method.
    for &(name, value) in error.fields() {
        match name {
            // It is said together with whether the connection goes on.
            FieldName::UPGRADE | FieldName::CONNECTION => response.upgrade = true,
            _ => {
                let field = (name.as_str().into(), value.as_bytes().into());
                response.fields.push(field);
            }
        }
    }
    response
}
