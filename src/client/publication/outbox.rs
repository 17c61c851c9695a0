//! What is given to a publishing client and not settled yet: bounded, and filled from any thread.
//!
//! The invariant: **whatever lies in `fresh` is followed by an order to the loop that has not been heeded yet**, so that no
//! message waits for the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::channel::{Post, check_event};
use crate::client::error::Error;
use crate::command::{ClientId, Mailbox, Order};
use crate::http::FieldValue;
use crate::random::Random;

/// The most bytes of one message.
pub const MAX_POST: usize = 16 * 1024 * 1024;

/// The way into a publishing client, from any thread. Clones are cheap, and lead to the same client; when the last one is
/// dropped, the client ends as soon as all that it was given is settled.
///
/// ```no_run
/// use barewire::{ClientLoop, Publish};
///
/// # fn main() -> Result<(), barewire::ClientError> {
/// let mut client = ClientLoop::new()?;
/// let url = "http://127.0.0.1:9000/channels/ticks";
/// let outbox = client.publish(Publish::to(url), |post, result| match result {
///     Ok(id) => println!("{:?} is {id}", post.data().as_text()),
///     Err(error) => println!("{:?}: {error}", post.data().as_text()),
/// })?;
/// std::thread::spawn(move || outbox.send("42")); // and drops it
/// client.run()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Outbox {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    mailbox: Mailbox,
    client: ClientId,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().finished = true;
        // A loop that has ended has no client to tell.
        let _ = self.mailbox.order_last(Order::Look(self.client));
    }
}

impl Outbox {
    pub(crate) fn new(shared: Arc<Shared>, mailbox: Mailbox, client: ClientId) -> Outbox {
        Outbox {
            handle: Arc::new(Handle {
                shared,
                mailbox,
                client,
            }),
        }
    }

    /// Gives a message to the client, behind those that it has. One without an idempotency key is given one, random and its
    /// own.
    ///
    /// # Errors
    /// [`Error::Full`]: as much waits as may, try again when something was settled. [`Error::Closed`]: the client has ended.
    /// Any other: the message is one that can't be sent. In each case nothing was taken.
    pub fn send(&self, post: impl Into<Post>) -> Result<(), Error> {
        let Handle {
            shared,
            mailbox,
            client,
        } = &*self.handle;
        shared.put(post.into(), || {
            mailbox
                .order_last(Order::Look(*client))
                .map_err(|_| Error::Closed)
        })
    }

    /// How many messages are not settled yet.
    pub fn len(&self) -> usize {
        self.handle.shared.lock().messages
    }

    /// Whether all that was given is settled.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client.
    pub fn client(&self) -> ClientId {
        self.handle.client
    }
}

/// What the handles and the client share.
#[derive(Debug)]
pub(crate) struct Shared {
    inside: Mutex<Inside>,
    most_messages: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Inside {
    fresh: Vec<Post>,
    /// What is not settled, `fresh` and beyond.
    messages: usize,
    bytes: usize,
    /// The loop has been asked to look, and has not yet.
    asked: bool,
    /// There is no handle any more.
    finished: bool,
    /// The client takes nothing more.
    closed: bool,
    random: Random,
}

impl Shared {
    pub(super) fn new(most_messages: usize, most_bytes: usize) -> Shared {
        Shared {
            inside: Mutex::new(Inside {
                fresh: Vec::new(),
                messages: 0,
                bytes: 0,
                asked: false,
                finished: false,
                closed: false,
                random: Random::new(),
            }),
            most_messages,
            most_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message that can be sent, with its key. `ask` asks the loop to look.
    fn put(&self, post: Post, ask: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let post = checked(post)?;
        let mut inside = self.lock();
        if inside.closed {
            return Err(Error::Closed);
        }
        let size = post.size();
        // One message is always taken.
        let has_room = inside.messages < self.most_messages
            && inside.bytes.saturating_add(size) <= self.most_bytes;
        if inside.messages > 0 && !has_room {
            return Err(Error::Full);
        }
        let post = match post.idempotency_key() {
            Some(_) => post,
            None => post.key(key(&mut inside.random)?),
        };
        if !inside.asked {
            ask()?;
            inside.asked = true;
        }
        // The key that was added counts, too: what is given back is what was taken.
        inside.bytes += post.size();
        inside.messages += 1;
        inside.fresh.push(post);
        Ok(())
    }

    /// Moves out what the handles have put in.
    pub(super) fn take(&self) -> Vec<Post> {
        let mut inside = self.lock();
        inside.asked = false;
        std::mem::take(&mut inside.fresh)
    }

    /// A message is settled.
    pub(super) fn settled(&self, post: &Post) {
        let mut inside = self.lock();
        inside.messages = inside.messages.saturating_sub(1);
        inside.bytes = inside.bytes.saturating_sub(post.size());
    }

    /// Nobody can give it any more, and nobody has.
    pub(super) fn is_finished(&self) -> bool {
        let inside = self.lock();
        inside.finished && inside.fresh.is_empty()
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }
}

/// A message that a request can carry.
fn checked(post: Post) -> Result<Post, Error> {
    check_event(post.event_name()).map_err(Error::Post)?;
    post.checked_key().map_err(Error::Post)?;
    if let Some(key) = post.idempotency_key() {
        // As the field is what arrives, so that two keys are never one.
        FieldValue::new(key).map_err(Error::Field)?;
    }
    if post.data().as_bytes().len() > MAX_POST {
        return Err(Error::TooLarge);
    }
    Ok(post)
}

/// A key that nobody else has: 128 random bits, in hexadecimal digits.
fn key(random: &mut Random) -> Result<String, Error> {
    let bytes: [u8; 16] = random.bytes().map_err(|_| Error::Randomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
