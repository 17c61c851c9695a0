//! The handle that sends to a WebSocket from elsewhere.

use crate::command::{Letter, Mailbox};
use crate::net::{ConnectionId, SendError};
use crate::ws::{CloseCode, Message};

/// Sends to one WebSocket from any thread, also from the handler of another one. Clones are cheap.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.websocket("/clock", |_, _| {}).on_open(|socket, _request| {
///     let sender = socket.sender();
///     std::thread::spawn(move || {
///         while sender.send("tick").is_ok() {
///             std::thread::sleep(std::time::Duration::from_secs(1));
///         }
///     });
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    pub(crate) mailbox: Mailbox,
    pub(crate) id: ConnectionId,
}

impl Sender {
    /// Sends a message. If the socket is closed meanwhile, nothing happens.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> std::result::Result<(), SendError> {
        let letter = match message.into() {
            Message::Text(text) => Letter::Text(text.into()),
            Message::Binary(bytes) => Letter::Binary(bytes.into()),
        };
        self.mailbox.send(self.id, letter)
    }

    /// Begins the closing handshake. A reason longer than 123 bytes is left out.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn close(&self, code: CloseCode, reason: &str) -> std::result::Result<(), SendError> {
        self.mailbox
            .send(self.id, Letter::Close(code, reason.into()))
    }

    /// The socket.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}
