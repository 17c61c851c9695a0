//! What other threads tell the server, and the handles that they do it through.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::channel::{self, Draft};
use crate::client::ClientId;
use crate::error::{Error, Result};
use crate::net::{ConnectionId, Mailbox, Stopped};
use crate::server::{Feed, Response};
use crate::ws::{CloseCode, Message};

/// A request on a connection that still has its answer to come. The serial tells it from later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) id: ConnectionId,
    pub(crate) serial: u32,
}

/// What goes through the mailbox. Most are for one connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// Append a message to a channel.
    Publish {
        /// The channel's name.
        channel: Box<str>,
        /// The event name, if it is not the default one.
        event: Option<Box<str>>,
        /// What is published.
        data: channel::Data,
    },
    /// Answer the request with this serial.
    Answer(u32, Box<Response>),
    /// Send a piece of the streamed answer with this serial.
    Piece(u32, Vec<u8>),
    /// End the streamed answer with this serial.
    End(u32),
    /// Send a message on a WebSocket.
    Text(String),
    /// Send a message on a WebSocket.
    Binary(Vec<u8>),
    /// The addresses of a client's host were found, or none.
    LookedUp(ClientId, Vec<SocketAddr>),
    /// End a client.
    Quit(ClientId),
    /// Apply what other loops have published.
    CatchUp,
    /// Begin the closing handshake of a WebSocket.
    Close(CloseCode, String),
}

/// Publishes into the server's channels, from any thread. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Publisher {
    pub(crate) mailbox: Mailbox<Command>,
    /// What its loop shares with others, and its place there.
    pub(crate) feed: Option<(Arc<Feed>, usize)>,
}

impl Publisher {
    /// Publishes `data` to the channel `name`: text if it is UTF-8, else binary. Everybody who reads the channel
    /// gets it; messages of one publisher keep their order.
    ///
    /// # Errors
    /// The server has ended or is overloaded. A refusal by the channel itself (a bad name, too many channels) is
    /// told to [`Server::on_error`](crate::Server::on_error); with several loops ([`Cores`](crate::Cores)), a name that
    /// makes no sense is an error here.
    pub fn publish(&self, name: &str, data: impl AsRef<[u8]>) -> Result<()> {
        self.send(name, None, data.as_ref())
    }

    /// Publishes under an event name.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish_event(&self, name: &str, event: &str, data: impl AsRef<[u8]>) -> Result<()> {
        self.send(name, Some(event), data.as_ref())
    }

    fn send(&self, name: &str, event: Option<&str>, data: &[u8]) -> Result<()> {
        if let Some((feed, place)) = &self.feed {
            let draft = Draft::new(name, event, channel::Data::new(data), Some(*place));
            return Ok(feed.publish_from_thread(draft.map_err(Error::Channel)?)?);
        }
        let command = Command::Publish {
            channel: name.into(),
            event: event.map(Into::into),
            data: channel::Data::new(data),
        };
        Ok(self.mailbox.send(None, command)?)
    }
}

/// Stops the server from any thread, with all of its loops: the first time politely, the second time at once. Clones
/// are cheap.
#[derive(Clone, Debug)]
pub struct Stopper {
    pub(crate) mailbox: Mailbox<Command>,
    /// What its loop shares with others.
    pub(crate) feed: Option<Arc<Feed>>,
}

impl Stopper {
    /// Listening stops; requests in progress are answered, parked long polls get 204, event streams end,
    /// WebSockets are closed with 1001. What is not gone after
    /// [`Limits::drain_timeout`](crate::Limits::drain_timeout), or at a second call, is cut off.
    pub fn stop(&self) {
        match &self.feed {
            Some(feed) => feed.stop(),
            None => self.mailbox.stop(),
        }
    }
}

/// Sends to one WebSocket from any thread, also from the handler of another one. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Sender {
    pub(crate) mailbox: Mailbox<Command>,
    pub(crate) id: ConnectionId,
}

impl Sender {
    /// Sends a message. If the socket is closed meanwhile, nothing happens.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> std::result::Result<(), Stopped> {
        let command = match message.into() {
            Message::Text(text) => Command::Text(text.into()),
            Message::Binary(bytes) => Command::Binary(bytes.into()),
        };
        self.mailbox.send(Some(self.id), command)
    }

    /// Begins the closing handshake. A reason longer than 123 bytes is left out.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn close(&self, code: CloseCode, reason: &str) -> std::result::Result<(), Stopped> {
        self.mailbox
            .send(Some(self.id), Command::Close(code, reason.into()))
    }

    /// The socket.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}
