//! The handle that publishes into a server's channels from any thread.

use std::sync::Arc;

use crate::channel::{self, Draft};
use crate::command::{Mailbox, Order};
use crate::error::{Error, Result};
use crate::service::Feed;

/// Publishes into the server's channels, from any thread. Clones are cheap.
///
/// ```no_run
/// # fn main() -> barewire::Result<()> {
/// let mut server = barewire::Server::bind("127.0.0.1:9000")?;
/// server.channels("/channels/{name}");
/// let publisher = server.publisher();
/// std::thread::spawn(move || {
///     publisher.publish("ticks", "42")?;                              // to /channels/ticks
///     publisher.publish_event("ticks", "pause", "until tomorrow")
/// });
/// server.run()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    pub(crate) mailbox: Mailbox,
    /// What its loop shares with others, and its place there.
    pub(crate) feed: Option<(Arc<Feed>, usize)>,
}

impl Publisher {
    /// Publishes `data` to the channel `name`: text if it is UTF-8, else binary. Every reader of the channel gets it;
    /// messages of one publisher keep their order.
    ///
    /// # Errors
    /// [`Error::Channel`]: the name or the event name is invalid. [`Error::Unreachable`]: the server has ended or is
    /// overloaded. In both cases nothing was published, with one loop as with several ([`Cores`](crate::Cores)).
    ///
    /// Whether one more channel may begin is known only when the message reaches its loop: that none may is reported to [`Server::on_error`](crate::Server::on_error).
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
        let place = self.feed.as_ref().map(|&(_, place)| place);
        let draft = Draft::new(name, event, channel::Data::new(data), place);
        let draft = draft.map_err(Error::Channel)?;
        match &self.feed {
            Some((feed, _)) => feed.publish_from_thread(draft)?,
            None => self.mailbox.order(Order::Publish(draft))?,
        }
        Ok(())
    }
}
