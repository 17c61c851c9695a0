//! A message that is to be published: its data, and by choice an event name and an idempotency key.

use super::error::Error;
use super::key::Key;
use super::log::Data;

/// A message that is to be published. Whatever is text or bytes is one; [`Post::event`] and [`Post::key`] add to it.
///
/// ```
/// use barewire::channel::Post;
///
/// let post = Post::from("until tomorrow").event("pause").key("order 66");
/// assert_eq!(post.data().as_text(), Some("until tomorrow"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    data: Data,
    event: Option<Box<str>>,
    key: Option<Box<[u8]>>,
}

impl Post {
    /// A message with this data, which knows already whether it is text.
    pub fn new(data: Data) -> Post {
        Post {
            data,
            event: None,
            key: None,
        }
    }

    /// Publishes it under an event name.
    pub fn event(mut self, name: &str) -> Post {
        self.event = Some(name.into());
        self
    }

    /// Publishes it once, however often it is sent under this key within
    /// [`KEY_LIFE`](super::KEY_LIFE): one to [`MAX_KEY`](super::MAX_KEY) bytes, of one channel. The same key with another
    /// event name or other data is an error.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Post {
        self.key = Some(key.as_ref().into());
        self
    }

    /// What it carries.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Its event name; `None` is the default name, `message`.
    pub fn event_name(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// Its idempotency key.
    pub fn idempotency_key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// Bytes that it counts while it waits.
    pub(crate) fn size(&self) -> usize {
        let name = self.event.as_ref().map_or(0, |event| event.len());
        self.data.as_bytes().len() + name + size_of::<Post>()
    }

    /// Its idempotency key, checked.
    ///
    /// # Errors
    /// It is empty or too long.
    pub(crate) fn checked_key(&self) -> Result<Option<Key>, Error> {
        let key = self
            .key
            .as_deref()
            .map(|key| Key::new(key).ok_or(Error::InvalidKey));
        key.transpose()
    }
}

impl From<&str> for Post {
    fn from(text: &str) -> Post {
        Post::new(Data::Text(text.into()))
    }
}

impl From<String> for Post {
    fn from(text: String) -> Post {
        Post::new(Data::Text(text.into()))
    }
}

impl From<&String> for Post {
    fn from(text: &String) -> Post {
        Post::from(text.as_str())
    }
}

/// Text if the bytes are UTF-8, else binary.
impl From<&[u8]> for Post {
    fn from(bytes: &[u8]) -> Post {
        Post::new(Data::new(bytes))
    }
}

/// As a slice.
impl<const N: usize> From<&[u8; N]> for Post {
    fn from(bytes: &[u8; N]) -> Post {
        Post::from(&bytes[..])
    }
}

/// As a slice.
impl From<Vec<u8>> for Post {
    fn from(bytes: Vec<u8>) -> Post {
        Post::from(&bytes[..])
    }
}

/// As a slice.
impl From<&Vec<u8>> for Post {
    fn from(bytes: &Vec<u8>) -> Post {
        Post::from(&bytes[..])
    }
}

impl From<Data> for Post {
    fn from(data: Data) -> Post {
        Post::new(data)
    }
}
