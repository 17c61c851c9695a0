//! A WebSocket endpoint: whom the server calls about the sockets of a path.

use super::request::Request;
use crate::net::ConnectionId;
use crate::session::Socket;
use crate::ws::{CloseCode, Message};

pub(super) type OnMessage = Box<dyn FnMut(&mut Socket<'_>, Message<'_>) + Send>;
pub(super) type OnOpen = Box<dyn FnMut(&mut Socket<'_>, &Request<'_>) + Send>;
pub(super) type OnClose = Box<dyn FnMut(ConnectionId, Option<CloseCode>) + Send>;

/// A WebSocket endpoint, to be refined: what happens at the open and the close, and which subprotocols it speaks.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server
///     .websocket("/chat", |socket, message| socket.send(message))
///     .protocols(&["chat.v2", "chat.v1"])                             // the first that the client offers too
///     .on_open(|socket, request| socket.send(&format!("hello from {}", request.path())))
///     .on_close(|id, code| println!("{id:?} closed with {code:?}"));
/// # Ok::<(), barewire::Error>(())
/// ```
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
    pub(crate) fn new(on_message: OnMessage) -> WebSocketRoute {
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
