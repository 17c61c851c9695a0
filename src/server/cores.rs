//! Several loops for one program: one for each core, each in a thread of its own.
//!
//! ```text
//!    clients ──► the system spreads connections ──► loop 0   loop 1   ...   each has all routes, a listener,
//!                                                     │        │            a replica of every channel
//!                                                     └─ feed ─┘            one order of all that is published
//! ```
//!
//! What stays inside a loop is not locked and not seen by the others: requests, WebSocket messages, reading. What
//! crosses is what is published; `service::feed` says how.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, scope};

use super::Server;
use crate::command::Stopper;
use crate::error::{Error, Result};
use crate::net;
use crate::publisher::Publisher;
use crate::service::Feed;

/// A server with several loops: the same routes on each, and channels that they share.
///
/// ```no_run
/// use barewire::Cores;
///
/// fn main() -> barewire::Result<()> {
///     let cores = Cores::bind("127.0.0.1:9000", 4, |server| {
///         server.channels("/channels/{name}"); // one set of channels, whichever loop a client comes to
///         Ok(())
///     })?;
///     cores.run()
/// }
/// ```
///
/// A message has the same id and the same place on every loop, a publish that was answered is seen on all of them, and
/// a reader may come back to another one than it left: `Last-Event-ID` is good everywhere.
///
/// # What does not cross
///
/// - **Handlers and what they own.** The closure is called once for each loop, so each has handlers of its own. What
///   they are to share they share as threads do (`Arc`, `Mutex`).
/// - **WebSockets of handlers.** A [`Socket`](crate::Socket) is its loop's; a [`Sender`](crate::Sender) reaches it from
///   every thread. A [`ConnectionId`](crate::net::ConnectionId) names a connection of one loop, and another loop may
///   have one with the same.
/// - **Limits of connections** (`connections`, `connections_per_address`) and of a channel's subscribers hold for each
///   loop. The limit of channels holds for all together, give or take what several loops begin at the same moment.
///   Every loop has to allow its channels the same: where the closure gives one of them another limit or retention, that
///   loop forgets or refuses what the others keep.
/// - **Clients** ([`Server::subscribe`], [`Server::connect`]) that the closure opens are opened by each loop. For one
///   only, take [`Cores::servers`].
///
/// # How connections are spread
///
/// With the feature `reuseport`, on Linux, each loop has a listener of its own and the system distributes connections by a
/// hash (SO_REUSEPORT): evenly if there are many, and a loop that is stuck in a handler keeps those that were assigned to it
/// waiting. Otherwise all loops accept from one listener: every new connection wakes the loops that sleep, and the first
/// one takes it.
///
/// # Behind, and ended
///
/// A loop that is busy does not hold up the others; what they publish waits for it. If it falls too far behind
/// ([`MAX_BEHIND`](crate::limits::MAX_BEHIND)), publishing is refused on all of them until it has caught up: 503, a
/// close with 1013 for a WebSocket that publishes, [`SendError::Full`](crate::net::SendError::Full) for a [`Publisher`].
/// What has an id is never dropped.
///
/// If a loop ends, by an error or a panic (those of handlers are caught and end nothing), the others are stopped
/// politely and [`Cores::run`] passes it on: half a server would lose clients in silence.
#[derive(Debug)]
pub struct Cores {
    feed: Arc<Feed>,
    servers: Vec<Server>,
}

impl Cores {
    /// `loops` loops (at least one) that listen on one address. With port 0 the system chooses a port, which
    /// [`Cores::local_addr`] returns. `set_up` adds the routes, once for each loop. How many connections may wait to be
    /// accepted: see [`Server::bind`].
    ///
    /// # Errors
    /// The address is invalid or can't be bound, or `set_up` fails.
    pub fn bind(
        address: impl ToSocketAddrs,
        loops: usize,
        set_up: impl FnMut(&mut Server) -> Result<()>,
    ) -> Result<Cores> {
        let mut cores = Cores::unbound(loops, set_up)?;
        cores.listen(address, |server, listener| {
            server.listen_on(listener).map(drop)
        })?;
        Ok(cores)
    }

    /// As [`Cores::bind`], for https and wss.
    ///
    /// # Errors
    /// As [`Cores::bind`].
    #[cfg(feature = "tls")]
    pub fn bind_tls(
        address: impl ToSocketAddrs,
        tls: &crate::net::tls::ServerTls,
        loops: usize,
        set_up: impl FnMut(&mut Server) -> Result<()>,
    ) -> Result<Cores> {
        let mut cores = Cores::unbound(loops, set_up)?;
        cores.listen(address, |server, listener| {
            server.listen_tls_on(listener, tls).map(drop)
        })?;
        Ok(cores)
    }

    fn listen(
        &mut self,
        address: impl ToSocketAddrs,
        listen: impl Fn(&mut Server, TcpListener) -> Result<()>,
    ) -> Result<()> {
        // Each has had its own way with its limits; they share a port, and so a queue.
        let queues = self
            .servers
            .iter()
            .map(|server| server.event_loop.limits().listen_queue);
        let queue = queues.max().unwrap_or(net::LISTEN_QUEUE);
        let mut listeners = Err(Error::Io(std::io::ErrorKind::AddrNotAvailable.into()));
        for address in address.to_socket_addrs()? {
            let refused = |error| Error::Listen(address.to_string(), error);
            listeners = net::listeners(address, self.servers.len(), queue).map_err(refused);
            if listeners.is_ok() {
                break;
            }
        }
        for (server, listener) in self.servers.iter_mut().zip(listeners?) {
            listen(server, listener)?;
        }
        Ok(())
    }

    /// `loops` loops (at least one) that do not listen yet.
    ///
    /// # Errors
    /// The system does not provide a poll instance, or `set_up` fails.
    pub fn unbound(
        loops: usize,
        mut set_up: impl FnMut(&mut Server) -> Result<()>,
    ) -> Result<Cores> {
        let loops = loops.max(1);
        let feed = Arc::new(Feed::new(loops, net::unix_ms()));
        // All of them, before anybody can publish: a replica that joined later would lack the beginning.
        let servers = (0..loops).map(|place| Server::among(&feed, place));
        let mut servers = servers.collect::<Result<Vec<Server>>>()?;
        for server in &mut servers {
            set_up(server)?;
        }
        Ok(Cores { feed, servers })
    }

    /// As [`Server::store`], for all loops.
    ///
    /// # Errors
    /// As [`Server::store`].
    #[cfg(feature = "durable")]
    pub fn store(&mut self, path: impl AsRef<std::path::Path>) -> Result<()> {
        let store = crate::durable::Store::open(path, crate::durable::Options::default());
        self.store_in(store.map_err(|error| Error::Backend(error.to_string().into()))?)
    }

    /// As [`Cores::store`], in a store that is open.
    ///
    /// # Errors
    /// There is one already.
    #[cfg(feature = "durable")]
    pub fn store_in(&mut self, store: crate::durable::Store) -> Result<()> {
        self.put_before(store)
    }

    /// As [`Server::redis`], for all loops.
    ///
    /// # Errors
    /// As [`Server::redis`].
    #[cfg(feature = "redis")]
    pub fn redis(&mut self, url: &str) -> Result<()> {
        let redis = crate::redis::Redis::open(url, crate::redis::Options::default());
        self.redis_in(redis.map_err(|error| Error::Backend(error.to_string().into()))?)
    }

    /// As [`Cores::redis`], with options of its own.
    ///
    /// # Errors
    /// There is a store or a Redis already.
    #[cfg(feature = "redis")]
    pub fn redis_in(&mut self, redis: crate::redis::Redis) -> Result<()> {
        self.put_before(redis)
    }

    #[cfg(feature = "backend")]
    fn put_before(&mut self, backend: impl crate::backend::Backend + 'static) -> Result<()> {
        if self.feed.is_backed() {
            return Err(Error::Backend("the channels have a store already".into()));
        }
        self.feed.stand_before(Arc::new(backend));
        for server in &mut self.servers {
            server.stand_before(&self.feed);
        }
        Ok(())
    }

    /// The address that they listen on.
    ///
    /// # Errors
    /// They do not listen, or the system does not know the address.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let first = self.servers.first();
        first.map_or(
            Err(Error::Io(std::io::ErrorKind::NotConnected.into())),
            Server::local_addr,
        )
    }

    /// Publishes into the channels of all loops, from any thread.
    pub fn publisher(&self) -> Publisher {
        // There is at least one.
        self.servers[0].publisher()
    }

    /// Stops all loops, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.servers[0].stopper()
    }

    /// The loops: for what only one of them is to have, such as a client or a listener of its own.
    pub fn servers(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// The loops, for a program that turns or simulates them itself, or chooses their threads. All of them have to be
    /// turned: what is published waits for those that are not. Any [`Stopper`] stops them all.
    pub fn into_servers(self) -> Vec<Server> {
        self.servers
    }

    /// Serves until it is stopped ([`Cores::stopper`]): the first loop in this thread, each of the others in one of
    /// its own.
    ///
    /// # Errors
    /// As [`Server::run`], on any loop; or a thread can't be started.
    pub fn run(self) -> Result<()> {
        self.run_each(&|_, mut server| server.run())
    }

    /// Lets `serve` have each loop, and its place, in a thread of its own.
    fn run_each(self, serve: &(impl Fn(usize, Server) -> Result<()> + Sync)) -> Result<()> {
        let Cores { feed, servers } = self;
        let serve = |place, server| {
            let _ending = Ending(&feed);
            serve(place, server)
        };
        let serve = &serve;
        scope(|scope| {
            let mut servers = servers.into_iter().enumerate();
            let first = servers.next();
            let mut threads = Vec::new();
            let mut result = Ok(());
            for (place, server) in servers {
                let thread = Builder::new().name(format!("loop {place}"));
                match thread.spawn_scoped(scope, move || serve(place, server)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        feed.stop_the_rest();
                        result = Err(Error::Io(error));
                        break;
                    }
                }
            }
            if let Some((place, server)) = first {
                result = result.and(serve(place, server));
            }
            for thread in threads {
                match thread.join() {
                    Ok(ended) => result = result.and(ended),
                    // The scope waits for those that are left.
                    Err(panic) => resume_unwind(panic),
                }
            }
            result
        })
    }
}

/// However one loop ends, the others end too.
struct Ending<'a>(&'a Feed);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.stop_the_rest();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_loop_that_panics_stops_the_others_and_the_panic_is_passed_on() {
        for panics in 0..3 {
            let cores = Cores::unbound(3, |_| Ok(())).unwrap();
            let run = || {
                cores.run_each(&|place, mut server| match place == panics {
                    true => resume_unwind(Box::new("on purpose")),
                    false => server.run(),
                })
            };
            let ended = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(ended.downcast_ref(), Some(&"on purpose"));
        }
    }

    #[test]
    fn there_is_at_least_one_loop() {
        let cores = Cores::unbound(0, |_| Ok(())).unwrap();
        cores.publisher().publish("a", "x").unwrap();
        cores.stopper().stop();
        cores.run().unwrap();
    }
}
