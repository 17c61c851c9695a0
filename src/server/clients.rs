//! Clients on a server's loop: a bridge.

use super::Server;
use crate::channel::Post;
use crate::client::{ClientId, Connect, Error, Outbox, Publish, Subscribe, Update};
use crate::command::Order;
use crate::session::Socket;
use crate::ws::Message;

impl Server {
    /// Follows a channel of another server on this one's loop, and hands every [`Update`] to `handler`: a bridge. See
    /// [`ClientLoop`](crate::ClientLoop) for how names are looked up.
    ///
    /// # Errors
    /// The URL, a field or the cursor is invalid.
    pub fn subscribe(
        &mut self,
        subscribe: Subscribe,
        handler: impl FnMut(Update) + Send + 'static,
    ) -> Result<ClientId, Error> {
        self.event_loop
            .protocol_mut()
            .clients
            .subscribe(subscribe, Box::new(handler))
    }

    /// Opens a WebSocket to another server on this one's loop, and hands every message that arrives to `on_message`.
    ///
    /// # Errors
    /// The URL, a field or a subprotocol is invalid.
    pub fn connect(
        &mut self,
        connect: Connect,
        on_message: impl FnMut(&mut Socket<'_>, Message<'_>) + Send + 'static,
    ) -> Result<ClientId, Error> {
        self.event_loop
            .protocol_mut()
            .clients
            .connect(connect, Box::new(on_message))
    }

    /// Publishes to a channel of another server on this one's loop what is given to the [`Outbox`], and hands each message
    /// to `on_settled` with its id, or with the reason why it was not published. ([`Server::publisher`] publishes to this
    /// server's own.)
    ///
    /// # Errors
    /// The URL or a field is invalid.
    pub fn publish(
        &mut self,
        publish: Publish,
        on_settled: impl FnMut(Post, Result<String, Error>) + Send + 'static,
    ) -> Result<Outbox, Error> {
        self.event_loop
            .protocol_mut()
            .clients
            .publish(publish, Box::new(on_settled))
    }

    /// Ends a client of this loop: a subscription, or a WebSocket by its closing handshake.
    pub fn close_client(&mut self, client: ClientId) {
        // The mailbox is the way in for every thread, this one too; only an overloaded one turns away.
        let _ = self.event_loop.mailbox().order(Order::Quit(client));
    }
}
