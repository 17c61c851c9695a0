//! A route of channels, and what may be set on it.

/// Channels at one path, to be refined: whether clients may publish.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.channels("/channels/{name}"); // clients read and publish
/// server.channels("/scores/{name}").read_only(); // only the program publishes
/// let publisher = server.publisher();
/// publisher.publish("final", "3:2")?;
/// # Ok::<(), barewire::Error>(())
/// ```
///
/// The channels themselves are the server's, by name: `/channels/final` and `/scores/final` are the same channel.
#[derive(Debug, Default)]
pub struct ChannelRoute {
    pub(super) read_only: bool,
}

impl ChannelRoute {
    /// Lets clients only read at this path. `POST` is answered with 405, and a WebSocket that sends a message is closed with
    /// 1008 (policy violation, RFC 6455 7.4.1), its message not published. Pings and the closing handshake are no messages.
    ///
    /// The program still publishes ([`Server::publisher`](crate::Server::publisher)), and so do clients at any other route of
    /// channels that is not read-only.
    pub fn read_only(&mut self) -> &mut ChannelRoute {
        self.read_only = true;
        self
    }
}
