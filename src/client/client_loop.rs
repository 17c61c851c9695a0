//! A loop of clients alone: the [`Dialer`] as the protocol of a [`Loop`], which listens nowhere.
//!
//! What is asked of it is checked before anything is sent, so that an error here is the program's own, and whatever comes
//! later goes to the handlers.

use std::time::Duration;

use super::ClientId;
use super::dialer::Dialer;
use super::error::Error;
use super::options::{Subscribe, Update};
use super::publication::{Courier, Outbox, Publish};
use super::socket::{Connect, Handlers, SocketClient};
use super::subscription::{Follower, Handler};
use crate::channel::Post;
use crate::command::{Order, Stopper};
use crate::limits::MAX_QUEUED;
use crate::net::Loop;
use crate::session::Socket;
use crate::ws::Message;

/// A loop for clients without a server: a game that connects to one, a bridge, a bot. In a program that serves too,
/// [`Server::subscribe`](crate::Server::subscribe) and [`Server::connect`](crate::Server::connect) put them on the
/// server's loop.
///
/// ```no_run
/// use barewire::{ClientLoop, Connect, Subscribe, Update};
///
/// # fn main() -> Result<(), barewire::ClientError> {
/// let mut client = ClientLoop::new()?;
/// client.subscribe(Subscribe::to("http://127.0.0.1:9000/channels/ticks"), |update| {
///     if let Update::Event(event) = update {
///         println!("{}", event.data());
///     }
/// })?;
/// client.connect(Connect::to("ws://127.0.0.1:9001/"), |_socket, message| println!("{message:?}"))?;
/// loop {
///     client.turn(Some(std::time::Duration::ZERO))?; // does what is ready, never blocks
///     // game.step();
/// }
/// # }
/// ```
///
/// Names of hosts are looked up in a thread that lives as long as the look-up, since the system's way to do it blocks;
/// for an address no thread is used. There is no other thread.
#[derive(Debug)]
pub struct ClientLoop {
    pub(super) event_loop: Loop<Dialer>,
}

impl ClientLoop {
    /// A loop without clients yet.
    ///
    /// # Errors
    /// The system does not provide a poll instance.
    pub fn new() -> Result<ClientLoop, Error> {
        let event_loop = Loop::new(crate::net::Limits::default(), MAX_QUEUED, Dialer::new)?;
        Ok(ClientLoop { event_loop })
    }

    /// Looks at what passes on connections that are made from now on: `make` gives a tap for each peer that is to be looked
    /// at, such as a [`Tracer`](crate::lens::Tracer). It is told plaintext, also where a connection goes over TLS.
    #[cfg(feature = "lens")]
    pub fn trace(
        &mut self,
        make: impl FnMut(std::net::SocketAddr) -> Option<Box<dyn crate::net::Tap>> + Send + 'static,
    ) {
        self.event_loop.trace(make);
    }

    /// Follows a channel or an event stream, and hands every [`Update`] to `handler`.
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
            .subscribe(subscribe, Box::new(handler))
    }

    /// Opens a WebSocket, and hands every message that arrives to `on_message`. [`Connect::on_open`] and
    /// [`Connect::on_close`] report the rest.
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
            .connect(connect, Box::new(on_message))
    }

    /// Publishes to a channel what is given to the [`Outbox`], and hands each message to `on_settled` with its id, or with
    /// the reason why it was not published: in the order in which they were given.
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
            .publish(publish, Box::new(on_settled))
    }

    /// Ends a client: a subscription, or a WebSocket by its closing handshake. What one was given to publish and has not sent is told to be [`Error::Closed`]; an answer that is on
    /// its way is waited for.
    pub fn close(&mut self, client: ClientId) {
        // The mailbox is the way in for every thread, this one too. A full one is turned away from: try again later.
        let _ = self.event_loop.mailbox().order(Order::Quit(client));
    }

    /// The number of clients, with those that wait for a connection.
    pub fn len(&self) -> usize {
        self.event_loop.protocol().len()
    }

    /// Whether there are no clients, or none any more.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops this loop, from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            mailboxes: [self.event_loop.mailbox()].into(),
        }
    }

    /// Turns until there are no clients any more, or until it is stopped.
    ///
    /// # Errors
    /// The system's poll fails.
    pub fn run(&mut self) -> Result<(), Error> {
        while !self.is_empty() && !self.event_loop.is_done() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Does what is ready, after waiting for it for at most `timeout` (`None`: as long as it takes).
    ///
    /// # Errors
    /// The system's poll fails.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        Ok(self.event_loop.turn(timeout)?)
    }
}

impl Dialer {
    pub(crate) fn subscribe(
        &mut self,
        subscribe: Subscribe,
        handler: Handler,
    ) -> Result<ClientId, Error> {
        let (url, mut options) = subscribe.check()?;
        options.deflating = options.deflating.sharing(&self.compressors);
        Ok(self.begin(Box::new(Follower::new(url, options, handler))))
    }

    pub(crate) fn publish(
        &mut self,
        publish: Publish,
        on_settled: super::publication::Handler,
    ) -> Result<Outbox, Error> {
        let courier = Courier::new(publish, on_settled)?;
        let shared = courier.shared();
        let id = self.add(Box::new(courier));
        Ok(Outbox::new(shared, self.mailbox.clone(), id))
    }

    pub(crate) fn connect(
        &mut self,
        connect: Connect,
        on_message: super::socket::OnMessage,
    ) -> Result<ClientId, Error> {
        let (url, mut options, on_open, on_close) = connect.check()?;
        options.deflating = options.deflating.sharing(&self.compressors);
        let handlers = Handlers {
            on_open,
            on_message,
            on_close,
        };
        Ok(self.begin(Box::new(SocketClient::new(url, options, handlers))))
    }
}
