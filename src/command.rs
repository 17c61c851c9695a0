//! What goes through the mailbox of a loop, typed by its address, and the handle that stops it.

#[cfg(feature = "client")]
use std::net::SocketAddr;
use std::sync::Arc;
#[cfg(feature = "server")]
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "server")]
use crate::channel::Draft;
#[cfg(feature = "server")]
use crate::metrics::Tally;
#[cfg(feature = "server")]
use crate::net::ConnectionId;
#[cfg(feature = "server")]
use crate::response::Response;
use crate::ws::CloseCode;

/// A request on a connection that still has its answer to come. The serial tells it from later ones.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) id: ConnectionId,
    pub(crate) serial: u32,
}

/// Names one client of a loop for as long as it lives.
#[cfg(feature = "client")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The way into a loop of a program.
pub(crate) type Mailbox = crate::net::Mailbox<Letter, Order>;

/// What a handle sends to one connection. One that finds its connection in another state by then is too late, and is
/// dropped.
#[derive(Debug)]
pub(crate) enum Letter {
    #[cfg(feature = "server")]
    /// Answer the request with this serial.
    Answer(u32, Box<Response>),
    #[cfg(feature = "server")]
    /// Send a piece of the streamed answer with this serial.
    Piece(u32, Vec<u8>),
    #[cfg(feature = "server")]
    /// End the streamed answer with this serial.
    End(u32),
    /// Send a message on a WebSocket.
    Text(String),
    /// Send a message on a WebSocket.
    Binary(Vec<u8>),
    /// Begin the closing handshake of a WebSocket.
    Close(CloseCode, String),
    #[cfg(feature = "backend")]
    /// What became of a message that was published with this serial.
    Settled(
        u32,
        Result<crate::backend::Settled, crate::backend::Failure>,
    ),
    #[cfg(feature = "backend")]
    /// The part of a channel's history that was asked for with this serial.
    Page(
        u32,
        Result<Arc<crate::backend::Page>, crate::backend::Failure>,
    ),
    #[cfg(feature = "client")]
    /// End the client whose connection this is.
    Quit,
}

/// What the program as a whole is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    #[cfg(feature = "server")]
    /// Append a message to its channel.
    Publish(Draft),
    #[cfg(feature = "backend")]
    /// Tell the program that what stands behind the channels has failed, or has not kept what a handle published.
    Report(Arc<str>),
    #[cfg(all(feature = "backend", feature = "webhook"))]
    /// What a backend tells webhooks.
    News(crate::backend::News),
    #[cfg(feature = "server")]
    /// Apply what other loops have published.
    CatchUp,
    #[cfg(feature = "server")]
    /// Say what was counted.
    Measure(Arc<Scrape>),
    #[cfg(feature = "client")]
    /// The addresses of a client's host were found, or none.
    LookedUp(ClientId, Vec<SocketAddr>),
    #[cfg(feature = "client")]
    /// A client's handles have something new for it.
    Look(ClientId),
    #[cfg(feature = "client")]
    /// End a client.
    Quit(ClientId),
}

/// A question to all loops of a program: what each has counted. Whoever comes last answers it.
#[cfg(feature = "server")]
pub(crate) struct Scrape {
    gathered: Mutex<Gathered>,
}

#[cfg(feature = "server")]
type Answer = Box<dyn FnOnce(Tally) + Send>;

#[cfg(feature = "server")]
struct Gathered {
    /// How many loops have not answered.
    left: usize,
    tally: Tally,
    answer: Option<Answer>,
}

#[cfg(feature = "server")]
impl Scrape {
    /// A question to this many loops.
    pub(crate) fn new(loops: usize, answer: impl FnOnce(Tally) + Send + 'static) -> Scrape {
        Scrape {
            gathered: Mutex::new(Gathered {
                left: loops,
                tally: Tally::default(),
                answer: Some(Box::new(answer)),
            }),
        }
    }

    /// What one loop has counted; nothing, if it has ended.
    pub(crate) fn add(&self, tally: &Tally) {
        let answered = {
            // A panic elsewhere leaves numbers.
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.tally.add(tally);
            gathered.left = gathered.left.saturating_sub(1);
            match gathered.left {
                0 => gathered
                    .answer
                    .take()
                    .map(|answer| (answer, std::mem::take(&mut gathered.tally))),
                _ => None,
            }
        };
        if let Some((answer, tally)) = answered {
            answer(tally);
        }
    }
}

#[cfg(feature = "server")]
impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

/// Stops the server from any thread, with all of its loops: the first time politely, the second time at once. Clones
/// are cheap.
///
/// ```no_run
/// # #[cfg(feature = "server")]
/// # fn main() -> barewire::Result<()> {
/// let mut server = barewire::Server::bind("127.0.0.1:9000")?;
/// let stopper = server.stopper();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(60));
///     stopper.stop();                                                 // what is under way ends, and so does `run`
/// });
/// server.run()
/// # }
/// # #[cfg(not(feature = "server"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Stopper {
    /// Of all loops: one that has ended is none the worse for being asked.
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

impl Stopper {
    /// Listening stops; requests in progress are answered, parked long polls get 204, event streams end,
    /// WebSockets are closed with 1001. What is not gone after
    /// [`Limits::drain_timeout`](crate::Limits::drain_timeout), or at a second call, is cut off.
    pub fn stop(&self) {
        for mailbox in &*self.mailboxes {
            mailbox.stop();
        }
    }
}
