//! Publishing for a program that waits: each message is acknowledged, or refused, when the call returns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client_loop::ClientLoop;
use super::error::Error;
use super::publication::{Outbox, Publish};
use crate::channel::Post;

/// Publishes one message to a channel's URL, and returns its id: once, however often it has to be sent. See [`Publish`]
/// for more.
///
/// ```no_run
/// let id = barewire::publish("http://127.0.0.1:9000/channels/ticks", "42")?;
/// println!("it is {id}");
/// # Ok::<(), barewire::ClientError>(())
/// ```
///
/// # Errors
/// As [`Publishing::publish`]; or the URL is invalid.
pub fn publish(url: &str, post: impl Into<Post>) -> Result<String, Error> {
    Publish::to(url).open()?.publish(post)
}

/// What became of messages. Both who leaves and who takes it are on the same thread, but a handler has to be [`Send`].
type Settled = Arc<Mutex<VecDeque<Result<String, Error>>>>;

fn lock(settled: &Settled) -> MutexGuard<'_, VecDeque<Result<String, Error>>> {
    settled.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publish {
    /// Begins it, for a program that waits. It connects when there is something to publish.
    ///
    /// # Errors
    /// The URL or a field is invalid, or the system gives no poll instance.
    pub fn open(self) -> Result<Publishing, Error> {
        let mut client = ClientLoop::new()?;
        let settled = Settled::default();
        let into = Arc::clone(&settled);
        let outbox = client.publish(self, move |_, result| lock(&into).push_back(result))?;
        Ok(Publishing {
            client,
            outbox,
            settled,
        })
    }
}

/// A client that publishes and is waited for. It keeps its connection from one message to the next.
///
/// ```no_run
/// use barewire::{ClientError, Publish};
///
/// let mut ticks = Publish::to("http://127.0.0.1:9000/channels/ticks").open()?;
/// for number in 0..10 {
///     match ticks.publish(number.to_string()) {
///         Ok(id) => println!("{number} is {id}"),
///         Err(error @ ClientError::InDoubt(_)) => println!("{number} may be there: {error}"),
///         Err(error) => println!("{number} is not there: {error}"),
///     }
/// }
/// # Ok::<(), barewire::ClientError>(())
/// ```
#[derive(Debug)]
pub struct Publishing {
    client: ClientLoop,
    outbox: Outbox,
    settled: Settled,
}

impl Publishing {
    /// Publishes a message, and waits until it is acknowledged. Returns its id.
    ///
    /// # Errors
    /// [`Error::InDoubt`]: nobody knows whether it was published. Any other: it was not, because the server refuses it
    /// ([`Error::Status`]), it can't be sent, or the time was over
    /// ([`Publish::within`]); [`Error::is_transient`] says whether it may be published later.
    pub fn publish(&mut self, post: impl Into<Post>) -> Result<String, Error> {
        self.outbox.send(post)?;
        loop {
            if let Some(result) = lock(&self.settled).pop_front() {
                return result;
            }
            if self.client.is_empty() {
                return Err(Error::Closed);
            }
            // It may have been sent.
            let turned = self.client.turn(None);
            turned.map_err(|error| Error::InDoubt(Box::new(error)))?;
        }
    }
}
