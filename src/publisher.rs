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
        let order = Order::Publish {
            channel: name.into(),
            event: event.map(Into::into),
            data: channel::Data::new(data),
        };
        Ok(self.mailbox.order(order)?)
    }
}
