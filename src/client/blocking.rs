//! Clients for a program that waits: an iterator of events, and a WebSocket that is read like a file.
//!
//! Each owns a small loop and turns it while it waits. There is no thread but the one that looks up a name.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client_loop::ClientLoop;
use super::error::Error;
use super::options::{Subscribe, Update};
use super::socket::{Closed, Connect};
use super::{ClientId, Event};
use crate::net::HIGH_WATER;
use crate::session::Sender;
use crate::ws::{CloseCode, Message, OwnedMessage};

/// Follows a channel: an endless iterator of all its events in order, from the oldest retained one on, over whichever
/// transport works. It waits for a server that can't be reached, which [`Subscription::next_update`] reports. See
/// [`Subscribe`] for options.
///
/// ```no_run
/// for event in barewire::subscribe("http://127.0.0.1:9000/channels/ticks")? {
///     println!("{}", event?.data());
/// }
/// # Ok::<(), barewire::ClientError>(())
/// ```
///
/// # Errors
/// The URL is invalid.
pub fn subscribe(url: &str) -> Result<Subscription, Error> {
    Subscribe::to(url).open()
}

/// What a loop's handlers leave for the one who waits. Both are on the same thread, but a handler has to be [`Send`].
type Queue<T> = Arc<Mutex<VecDeque<T>>>;

fn lock<T>(queue: &Queue<T>) -> MutexGuard<'_, VecDeque<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Turns `client` once, for at most until `deadline`. Says whether there was time.
fn turn_until(client: &mut ClientLoop, deadline: Option<Instant>) -> Result<bool, Error> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    client.turn(left)?;
    Ok(left != Some(Duration::ZERO))
}

impl Subscribe {
    /// Begins the subscription, as an iterator that waits for the next event.
    ///
    /// # Errors
    /// The URL, a field or the cursor is invalid, or the system does not provide a poll instance. A server that can't be
    /// reached is not an error: it is tried again.
    pub fn open(self) -> Result<Subscription, Error> {
        let mut client = ClientLoop::new()?;
        let updates = Queue::default();
        let into = Arc::clone(&updates);
        client.subscribe(self, move |update| lock(&into).push_back(update))?;
        Ok(Subscription {
            client,
            updates,
            ended: false,
        })
    }
}

/// A blocking subscription: an iterator of its events, which ends only if the server or a permanent error ends it.
///
/// ```no_run
/// # fn main() -> Result<(), barewire::ClientError> {
/// for event in barewire::subscribe("http://127.0.0.1:9000/channels/ticks")? {
///     let event = event?;
///     println!("{} {}: {}", event.id(), event.name(), event.data());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    client: ClientLoop,
    updates: Queue<Update>,
    ended: bool,
}

impl Subscription {
    /// Waits for the next update: an event, or something that happened to the connection. `None` when it has ended.
    pub fn next_update(&mut self) -> Option<Update> {
        self.wait(None)
    }

    /// As [`Subscription::next_update`], but waits for at most `time`. `None` also means that nothing came:
    /// [`Subscription::is_ended`] tells the two apart.
    pub fn update_within(&mut self, time: Duration) -> Option<Update> {
        self.wait(Instant::now().checked_add(time))
    }

    /// Whether nothing will come any more.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Update> {
        loop {
            if let Some(update) = lock(&self.updates).pop_front() {
                self.ended = matches!(update, Update::Ended(_));
                return Some(update);
            }
            self.ended |= self.client.is_empty();
            if self.ended {
                return None;
            }
            match turn_until(&mut self.client, deadline) {
                Ok(true) => {}
                Ok(false) => return lock(&self.updates).pop_front(),
                Err(error) => {
                    self.ended = true;
                    return Some(Update::Ended(Some(error)));
                }
            }
        }
    }
}

impl Iterator for Subscription {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match self.next_update()? {
                Update::Event(event) => return Some(Ok(event)),
                Update::Ended(error) => return error.map(Err),
                Update::Connected(_) | Update::Lost { .. } | Update::FellBack { .. } => {}
            }
        }
    }
}

enum Happening {
    Opened(Sender, Option<String>),
    Message(OwnedMessage),
    Closed(Closed),
}

impl Connect {
    /// Opens the WebSocket, and waits until it is open.
    ///
    /// # Errors
    /// The URL, a field or a subprotocol is invalid, or the socket could not be opened and is not tried again.
    pub fn open(mut self) -> Result<WebSocket, Error> {
        let mut client = ClientLoop::new()?;
        let happenings = Queue::default();
        let (opened, came, ends) = (
            Arc::clone(&happenings),
            Arc::clone(&happenings),
            Arc::clone(&happenings),
        );
        let is_open = Arc::new(AtomicBool::new(false));
        let (opens, closes) = (Arc::clone(&is_open), Arc::clone(&is_open));
        // Whoever asked to be told is told.
        let (mut on_open, mut on_close) = self.take_handlers();
        let connect = self
            .on_open(move |socket| {
                opens.store(true, Ordering::Relaxed);
                let protocol = socket.protocol().map(str::to_owned);
                lock(&opened).push_back(Happening::Opened(socket.sender(), protocol));
                on_open(socket);
            })
            .on_close(move |closed| {
                closes.store(false, Ordering::Relaxed);
                lock(&ends).push_back(Happening::Closed(closed.clone()));
                on_close(closed);
            });
        let id = client.connect(connect, move |_, message| {
            lock(&came).push_back(Happening::Message(message.into()));
        })?;
        let mut socket = WebSocket {
            client,
            id,
            happenings,
            is_open,
            sender: None,
            protocol: None,
            closed: None,
        };
        while socket.sender.is_none() {
            socket.step(None)?;
            if let Some(closed) = &socket.closed {
                return Err(closed.error.clone().unwrap_or(Error::Ended));
            }
        }
        Ok(socket)
    }
}

/// A blocking WebSocket: an iterator of its messages. A program that also sends calls [`WebSocket::receive`].
///
/// Pings are answered only while the program waits in one of its methods. A program that does something else meanwhile
/// uses a [`ClientLoop`], whose senders work from every thread.
///
/// ```no_run
/// # fn main() -> Result<(), barewire::ClientError> {
/// use barewire::{WebSocket, ws::CloseCode};
///
/// let mut socket = WebSocket::connect("ws://127.0.0.1:9001/")?;
/// socket.send("hello")?;
/// if let Some(answer) = socket.receive()? {
///     println!("{:?}", answer.as_text());
/// }
/// socket.close(CloseCode::NORMAL, "done")
/// # }
/// ```
#[derive(Debug)]
pub struct WebSocket {
    client: ClientLoop,
    id: ClientId,
    happenings: Queue<Happening>,
    /// Whether it is open, however much of what happened before was not looked at yet.
    is_open: Arc<AtomicBool>,
    sender: Option<Sender>,
    protocol: Option<String>,
    closed: Option<Closed>,
}

impl std::fmt::Debug for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Happening")
    }
}

impl Iterator for WebSocket {
    type Item = Result<OwnedMessage, Error>;

    /// As [`WebSocket::receive`]; after an error nothing more comes.
    fn next(&mut self) -> Option<Result<OwnedMessage, Error>> {
        let was_closed = self.is_closed() && lock(&self.happenings).is_empty();
        let next = self.receive().transpose();
        next.filter(|next| next.is_ok() || !was_closed)
    }
}

impl WebSocket {
    /// Opens a WebSocket to this URL. See [`Connect`] for options.
    ///
    /// # Errors
    /// As [`Connect::open`].
    pub fn connect(url: &str) -> Result<WebSocket, Error> {
        Connect::to(url).open()
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a message, and waits while the server does not take what was sent before. Messages that arrive meanwhile are
    /// kept for [`WebSocket::receive`], without a limit: a program that sends on and on has to receive too.
    ///
    /// # Errors
    /// The connection has ended, or is being made again. Earlier messages may not have arrived.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.catch_up();
        let sender = self.sender.as_ref().ok_or(Error::Ended)?;
        sender.send(message).map_err(|_| Error::Ended)?;
        turn_until(&mut self.client, Some(Instant::now()))?;
        while self.client.event_loop.backlog() > HIGH_WATER {
            turn_until(&mut self.client, None)?;
        }
        if self.is_open.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(Error::Ended)
        }
    }

    /// Finds the way to the connection that stands, if another has taken the place of the one that was last looked at.
    fn catch_up(&mut self) {
        if !self.is_open.load(Ordering::Relaxed) {
            self.sender = None;
            return;
        }
        let happenings = lock(&self.happenings);
        let last = happenings
            .iter()
            .rev()
            .find_map(|happening| match happening {
                Happening::Opened(sender, _) => Some(sender.clone()),
                _ => None,
            });
        if last.is_some() {
            self.sender = last;
        }
    }

    /// Waits for the next message. `None` is the end: see [`WebSocket::close_code`]. With [`Connect::reconnect`], it waits
    /// until a lost connection is made again.
    ///
    /// # Errors
    /// The connection ended without a closing handshake, and is not tried again.
    pub fn receive(&mut self) -> Result<Option<OwnedMessage>, Error> {
        self.receive_until(None)
    }

    /// As [`WebSocket::receive`], but waits for at most `time`. `Ok(None)` also means that nothing came:
    /// [`WebSocket::is_closed`] tells the two apart.
    ///
    /// # Errors
    /// As [`WebSocket::receive`].
    pub fn receive_within(&mut self, time: Duration) -> Result<Option<OwnedMessage>, Error> {
        self.receive_until(Instant::now().checked_add(time))
    }

    fn receive_until(&mut self, deadline: Option<Instant>) -> Result<Option<OwnedMessage>, Error> {
        loop {
            let happening = lock(&self.happenings).pop_front();
            match happening {
                Some(Happening::Message(message)) => return Ok(Some(message)),
                Some(happening) => self.note(happening),
                None => match &self.closed {
                    Some(closed) => return closed.error.clone().map_or(Ok(None), Err),
                    None => {
                        if !turn_until(&mut self.client, deadline)?
                            && lock(&self.happenings).is_empty()
                        {
                            return Ok(None);
                        }
                    }
                },
            }
        }
    }

    /// Closes the WebSocket, and waits until the server has answered or its time is over
    /// ([`CLOSE_TIMEOUT`](crate::limits::CLOSE_TIMEOUT)). Messages that still arrive are dropped. It is not opened again.
    ///
    /// # Errors
    /// The connection broke before, or the server did not answer.
    pub fn close(mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.catch_up();
        if let Some(sender) = self.sender.take() {
            sender.close(code, reason).map_err(|_| Error::Ended)?;
        }
        // Behind the close frame this says no more, but that there is to be no other connection.
        self.client.close(self.id);
        while self.receive()?.is_some() {}
        Ok(())
    }

    /// Whether nothing will come any more.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The code that the server closed with, if it did.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.closed.as_ref()?.close.as_ref().map(|(code, _)| *code)
    }

    /// Waits for what is no message.
    fn step(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        let happening = {
            let mut happenings = lock(&self.happenings);
            match happenings.front() {
                Some(Happening::Message(_)) | None => None,
                Some(_) => happenings.pop_front(),
            }
        };
        match happening {
            Some(happening) => self.note(happening),
            None => {
                turn_until(&mut self.client, deadline)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, happening: Happening) {
        match happening {
            Happening::Opened(sender, protocol) => {
                self.sender = Some(sender);
                self.protocol = protocol;
            }
            Happening::Closed(closed) => {
                self.sender = None;
                if closed.retry_in.is_none() {
                    self.closed = Some(closed);
                }
            }
            Happening::Message(_) => {}
        }
    }
}
