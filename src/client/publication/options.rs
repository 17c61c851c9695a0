//! How messages are published: where to, with what, and for how long it is tried.

use std::time::Duration;

use super::outbox::Shared;
use crate::channel::Post;
use crate::client::backoff::Backoff;
use crate::client::error::Error;
use crate::client::options::check_fields;
#[cfg(feature = "tls")]
use crate::client::options::trust_for;
use crate::client::url::Url;
#[cfg(feature = "tls")]
use crate::net::tls::ClientTls;

/// How long a message is tried by default, from when it was given.
pub const PUBLISH_WITHIN: Duration = Duration::from_secs(4 * 60);
/// Messages that may wait to be published.
pub const OUTBOX_MESSAGES: usize = 1_024;
/// Bytes that may wait to be published.
pub const OUTBOX_BYTES: usize = 16 * 1024 * 1024;

/// A message, and what became of it: its id, or why it was not published.
pub type Settled = (Post, Result<String, Error>);

/// What is called with each message.
pub(crate) type Handler = Box<dyn FnMut(Post, Result<String, Error>) + Send>;

type OnRetry = Box<dyn FnMut(&Error, Duration) + Send>;

/// A client that publishes, to be: where to, and how. Begin with [`Publish::to`].
///
/// Each message is published once, in the order in which it was given: it is sent again under the same idempotency key until
/// there is an answer, over new connections where it must be. A server keeps such a key for five minutes
/// ([`KEY_LIFE`](crate::channel::KEY_LIFE)), and no message is sent again later than that. One request is under way at a
/// time; where order does not matter, several clients publish more at once.
///
/// ```no_run
/// use barewire::{Post, Publish};
///
/// let mut orders = Publish::to("http://127.0.0.1:9000/channels/orders")
///     .header("Authorization", "Bearer abc")
///     .open()?;
/// let id = orders.publish("one espresso")?;
/// orders.publish(Post::from("two").event("change").key("order 66"))?;
/// # Ok::<(), barewire::ClientError>(())
/// ```
#[must_use = "it publishes when it is opened or given to a loop"]
pub struct Publish {
    url: String,
    options: PublishOptions,
    most_messages: usize,
    most_bytes: usize,
}

pub(super) struct PublishOptions {
    pub(super) fields: Vec<(String, String)>,
    pub(super) backoff: Backoff,
    pub(super) within: Duration,
    pub(super) on_retry: Option<OnRetry>,
    /// Always there where the URL is a secure one.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTls>,
}

impl std::fmt::Debug for Publish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Fields may be secrets.
        f.debug_struct("Publish")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Publish {
    /// Publishes to a channel's URL (`http://`, and with the feature `tls` also `https://`).
    pub fn to(url: &str) -> Publish {
        Publish {
            url: url.to_owned(),
            options: PublishOptions {
                fields: Vec::new(),
                backoff: Backoff::default(),
                within: PUBLISH_WITHIN,
                on_retry: None,
                #[cfg(feature = "tls")]
                tls: None,
            },
            most_messages: OUTBOX_MESSAGES,
            most_bytes: OUTBOX_BYTES,
        }
    }

    /// Sends one more field with every request, such as `Authorization`.
    pub fn header(mut self, name: &str, value: &str) -> Publish {
        let field = (name.to_owned(), value.to_owned());
        self.options.fields.push(field);
        self
    }

    /// How long to wait before a new try, on top of what the server asks for with `Retry-After`.
    pub fn backoff(mut self, backoff: Backoff) -> Publish {
        self.options.backoff = backoff;
        self
    }

    /// How long a message is tried, from when it was given ([`PUBLISH_WITHIN`]); [`Duration::MAX`] is as long as it
    /// takes. However long that is: a message of which nobody knows whether it was published is not sent again when its
    /// key's life ends, but told to be in doubt.
    pub fn within(mut self, within: Duration) -> Publish {
        self.options.within = within;
        self
    }

    /// How much may wait to be published ([`OUTBOX_MESSAGES`], [`OUTBOX_BYTES`]). One message always may.
    pub fn outbox(mut self, messages: usize, bytes: usize) -> Publish {
        self.most_messages = messages;
        self.most_bytes = bytes;
        self
    }

    /// Calls this when a message could not be published yet: with the reason, and how long it is waited until it is sent
    /// again.
    pub fn on_retry(mut self, call: impl FnMut(&Error, Duration) + Send + 'static) -> Publish {
        self.options.on_retry = Some(Box::new(call));
        self
    }

    /// Whom to trust where the URL is `https://`, instead of those whom the system trusts.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &ClientTls) -> Publish {
        self.options.tls = Some(tls.clone());
        self
    }

    /// What was asked for, checked.
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    pub(super) fn check(mut self) -> Result<(Url, PublishOptions, Shared), Error> {
        let url = Url::parse(&self.url)?;
        #[cfg(feature = "tls")]
        trust_for(&url, &mut self.options.tls)?;
        check_fields(&self.options.fields)?;
        let shared = Shared::new(self.most_messages, self.most_bytes);
        Ok((url, self.options, shared))
    }
}
