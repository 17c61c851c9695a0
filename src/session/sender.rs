//! The handle that sends to a WebSocket from elsewhere.

use crate::command::Command;
use crate::net::{ConnectionId, Mailbox, Stopped};
use crate::ws::{CloseCode, Message};

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
