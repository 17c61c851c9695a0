//! The handle that publishes into a server's channels from any thread.

use std::sync::Arc;

use crate::channel::{Draft, Post};
use crate::command::{Mailbox, Order};
use crate::error::{Error, Result};
use crate::service::Feed;

/// Publishes into the server's channels, from any thread. Clones are cheap.
///
/// ```no_run
/// # fn main() -> barewire::Result<()> {
/// let mut server = barewire::Server::bind("127.0.0.1:9000")?;
/// use barewire::Post;
///
/// server.channels("/channels/{name}");
/// let publisher = server.publisher();
/// std::thread::spawn(move || {
///     publisher.publish("ticks", "42")?;                              // to /channels/ticks
///     publisher.publish("ticks", Post::from("until tomorrow").event("pause"))?;
///     publisher.publish("orders", Post::from("sold").key("order 66"))  // once, also if this comes again
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
    /// Publishes to the channel `name`: text if it is UTF-8, else binary; under an event name or an idempotency key, where
    /// the [`Post`] has one. Every reader of the channel gets it; messages of one publisher keep their order.
    ///
    /// # Errors
    /// [`Error::Channel`]: the name, the event name or the key is invalid. [`Error::Unreachable`]: the server has ended or is
    /// overloaded. In both cases nothing was published, with one loop as with several ([`Cores`](crate::Cores)).
    ///
    /// What is known only when the message reaches its loop is reported to [`Server::on_error`](crate::Server::on_error): that
    /// there is no room for one more channel or key, and that the key was used for another message.
    pub fn publish(&self, name: &str, post: impl Into<Post>) -> Result<()> {
        let place = self.feed.as_ref().map(|&(_, place)| place);
        let draft = Draft::of(name, post.into(), place).map_err(Error::Channel)?;
        match &self.feed {
            Some((feed, _)) => feed.publish_from_thread(draft),
            None => Ok(self.mailbox.order(Order::Publish(draft))?),
        }
    }
}
