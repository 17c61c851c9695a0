//! The server: what a program links.
//!
//! Nothing happens in this room: [`Server`] puts routes, hooks and limits into the [`Service`], which all its connections
//! share, and hands the whole [`Program`] to the loop. [`Cores`] does so once for each loop and joins them by a feed.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod` | one loop: addresses, routes, hooks, limits, `run` and `turn` |
//! | `cores` | several loops, each in a thread of its own |
//! | `clients` | clients on the server's loop |
//! | `webhooks` | channels that are sent to other servers |
#[cfg(feature = "client")]
mod clients;
mod cores;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
mod webhooks;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

pub use cores::Cores;

use crate::channel;
#[cfg(feature = "client")]
use crate::client::Dialer;
use crate::command::{Mailbox, Stopper};
use crate::error::{Error, Result};
use crate::limits::{Limits, MAX_QUEUED};
#[cfg(feature = "tls")]
use crate::net::tls::ServerTls;
use crate::net::{self, Loop};
#[cfg(not(feature = "client"))]
use crate::program::Dialer;
use crate::program::Program;
use crate::publisher::Publisher;
use crate::service::{
    Access, Answered, ChannelRoute, Channels, Endpoint, Feed, Log, Meter, Pages, Reply, Report,
    Request, Service, Simulation, WebSocketRoute,
};
use crate::session::Socket;
use crate::ws::Message;

/// What a request in plaintext gets where TLS is spoken: that much may be said in plaintext, and nothing else is.
#[cfg(feature = "tls")]
const IN_PLAINTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 66\r\n\
    Connection: close\r\n\
    \r\n\
    this port speaks TLS: ask with https:// or wss:// instead of http\n";

/// A server: routes, channels and the loop that serves them.
///
/// ```no_run
/// # fn main() -> barewire::Result<()> {
/// let mut server = barewire::Server::bind("127.0.0.1:9000")?;
/// server.get("/hello/{name}", |request, reply| {
///     let name = request.param("name").unwrap_or_default();
///     reply.text(format!("hello, {name}"));
/// });
/// server.run()
/// # }
/// ```
pub struct Server {
    event_loop: Loop<Program>,
    /// Nothing was set up since it was last looked whether it can be served.
    checked: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("event_loop", &self.event_loop)
            .finish()
    }
}

impl Server {
    /// Listens on an address, such as `"127.0.0.1:9000"`. With port 0 the system chooses a port, which
    /// [`Server::local_addr`] returns.
    ///
    /// Up to 128 connections may wait to be accepted, which is the standard library's number; the rest of a larger burst
    /// connects a second late. With the feature `listen-queue`, on Unix, it is [`Limits::listen_queue`]: 1,024 by default.
    ///
    /// # Errors
    /// The address is invalid or can't be bound.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Server> {
        let mut server = Server::unbound()?;
        server.listen(address)?;
        Ok(server)
    }

    /// A server that does not listen yet.
    ///
    /// # Errors
    /// The system does not provide a poll instance.
    pub fn unbound() -> Result<Server> {
        Server::with(|limits, _| Channels::alone(limits, net::unix_ms()))
    }

    /// The server of the loop at `place`, among those that share a feed.
    fn among(feed: &Arc<Feed>, place: usize) -> Result<Server> {
        let feed = Arc::clone(feed);
        Server::with(|limits, mailbox| Channels::shared(limits, feed, place, mailbox.clone()))
    }

    fn with(channels: impl FnOnce(channel::Limits, &Mailbox) -> Channels) -> Result<Server> {
        let limits = Limits::default();
        let event_loop = Loop::new(limits.net_limits(), MAX_QUEUED, |mailbox| {
            let channels = channels(limits.channels, &mailbox);
            let service = Service::new(limits, mailbox.clone(), channels);
            Program {
                service,
                clients: Dialer::new(mailbox),
                #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
                webhooks: None,
            }
        })?;
        Ok(Server {
            event_loop,
            checked: false,
        })
    }

    /// Listens on one more address.
    ///
    /// # Errors
    /// The address is invalid or can't be bound.
    pub fn listen(&mut self, address: impl ToSocketAddrs) -> Result<&mut Server> {
        self.listen_with(address, Loop::listen)
    }

    /// Listens on an address for https and wss. See [`Server::listen_tls`].
    ///
    /// # Errors
    /// As [`Server::bind`].
    #[cfg(feature = "tls")]
    pub fn bind_tls(address: impl ToSocketAddrs, tls: &ServerTls) -> Result<Server> {
        let mut server = Server::unbound()?;
        server.listen_tls(address, tls)?;
        Ok(server)
    }

    /// Listens on one more address, for https and wss. Everything is served there as it is elsewhere; a request in
    /// plaintext gets 400. The same server may listen for both, on different ports.
    ///
    /// # Errors
    /// As [`Server::listen`].
    #[cfg(feature = "tls")]
    pub fn listen_tls(
        &mut self,
        address: impl ToSocketAddrs,
        tls: &ServerTls,
    ) -> Result<&mut Server> {
        self.listen_with(address, |event_loop, address| {
            event_loop.listen_tls(address, tls, IN_PLAINTEXT)
        })
    }

    /// As [`Server::listen_on`], for https and wss.
    ///
    /// # Errors
    /// The system refuses to poll it.
    #[cfg(feature = "tls")]
    pub fn listen_tls_on(&mut self, listener: TcpListener, tls: &ServerTls) -> Result<&mut Server> {
        self.event_loop.listen_tls_on(listener, tls, IN_PLAINTEXT)?;
        Ok(self)
    }

    fn listen_with(
        &mut self,
        address: impl ToSocketAddrs,
        listen: impl Fn(&mut Loop<Program>, SocketAddr) -> std::io::Result<()>,
    ) -> Result<&mut Server> {
        let mut bound = Err(Error::Io(std::io::ErrorKind::AddrNotAvailable.into()));
        for address in address.to_socket_addrs()? {
            let refused = |error| Error::Listen(address.to_string(), error);
            bound = listen(&mut self.event_loop, address).map_err(refused);
            if bound.is_ok() {
                break;
            }
        }
        bound.map(|()| self)
    }

    /// Accepts from one more listener, which the program has made with options of its own, or has inherited. How many
    /// connections may wait at it was decided when it was made: 128, if it comes from the standard library.
    ///
    /// # Errors
    /// The system refuses to poll it.
    pub fn listen_on(&mut self, listener: TcpListener) -> Result<&mut Server> {
        self.event_loop.listen_on(listener)?;
        Ok(self)
    }

    /// This server without sockets and a clock, for tests.
    pub fn simulate(self) -> Simulation {
        Simulation::new(self.into_program().service)
    }

    /// What it does, without the loop that it does it on.
    pub(crate) fn into_program(self) -> Program {
        self.event_loop.into_protocol()
    }

    /// The first address that it listens on.
    ///
    /// # Errors
    /// It does not listen, or the system does not know the address.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let addresses = self.event_loop.local_addrs()?;
        addresses
            .first()
            .copied()
            .ok_or(Error::Io(std::io::ErrorKind::NotConnected.into()))
    }

    /// All addresses that it listens on, in the order in which they were added.
    ///
    /// # Errors
    /// The system does not know an address.
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>> {
        Ok(self.event_loop.local_addrs()?)
    }

    /// Answers GET (and HEAD) of `path` with what `handler` replies. See [`Server::route`].
    pub fn get(
        &mut self,
        path: &str,
        handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static,
    ) -> &mut Server {
        self.route("GET", path, handler)
    }

    /// Answers POST of `path` with what `handler` replies. See [`Server::route`].
    pub fn post(
        &mut self,
        path: &str,
        handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static,
    ) -> &mut Server {
        self.route("POST", path, handler)
    }

    /// Answers requests of `method` for `path` with what `handler` replies.
    ///
    /// A segment `{name}` of the path stands for any one segment, and `{*name}` at its end for the rest of the path:
    /// the handler gets it by [`Request::param`], or, as the name of a file, by [`Request::safe_path`]. Literal paths win over those
    /// with parameters.
    ///
    /// A route that can't be what was meant is an error when the server begins to run ([`Error::Route`]): a parameter as other
    /// routers write it (`/x/:id`, `/x/*`, `/x/<id>`), a method that no client sends (`"get"`), or a second route for the
    /// same requests.
    pub fn route(
        &mut self,
        method: &str,
        path: &str,
        handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static,
    ) -> &mut Server {
        let endpoint = Endpoint::Handler {
            method: method.into(),
            handler: Box::new(handler),
            pages: Pages::Program,
        };
        self.service().router.add(path, endpoint);
        self
    }

    /// Opens WebSockets at `path` and hands every message that arrives to `on_message`.
    ///
    /// ```
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.websocket("/echo", |socket, message| socket.send(message));
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn websocket(
        &mut self,
        path: &str,
        on_message: impl FnMut(&mut Socket<'_>, Message<'_>) + Send + 'static,
    ) -> &mut WebSocketRoute {
        self.service()
            .router
            .add_socket(path, WebSocketRoute::new(Box::new(on_message)))
    }

    /// Serves channels at `path`, which has one parameter, the channel's name: `POST` publishes, `GET` reads in
    /// one of four ways, as the request asks. A channel begins with its first message or reader.
    ///
    /// A client that may read a channel by WebSocket may also publish to it, by sending a message. To let only the program publish:
    /// [`ChannelRoute::read_only`].
    pub fn channels(&mut self, path: &str) -> &mut ChannelRoute {
        self.service().router.add_channels(path)
    }

    /// Asks `hook` about every request when its head has come, before its body is read, its upgrade is accepted or
    /// its route is called. It sees the parameters of the route that the request is for. A `bool` is an answer too:
    /// allow, or forbid. There is one hook: a second one takes the place of the first.
    ///
    /// ```
    /// use barewire::Access;
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.authorize(|request| match request.path() {
    ///     "/" => Access::Allow,
    ///     _ if request.header("X-Game").is_some() => Access::Allow,
    ///     _ => Access::Forbid,
    /// });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn authorize<A: Into<Access>>(
        &mut self,
        mut hook: impl FnMut(&Request<'_>) -> A + Send + 'static,
    ) -> &mut Server {
        self.service().authorize = Some(Box::new(move |request| hook(request).into()));
        self
    }

    /// Lets pages of one more origin, such as `https://example.com`, open WebSockets, publish to and read channels, and make and
    /// change webhooks (CORS, preflights included; without cookies). Pages of the server's own origin always may; `*` lets those of
    /// every origin. They may read what the server refuses, too: a 401, a 404 or a 413, on every path. What handlers answer
    /// is for the handlers to share ([`Reply::header`]).
    ///
    /// An origin that no page can have, such as `"example.com"`, `"https://*.example.com"` or `"null"`, is an error when the
    /// server begins to run ([`Error::Origin`]).
    pub fn allow_origin(&mut self, origin: &str) -> &mut Server {
        self.service().origins.allow(origin);
        self
    }

    /// Calls `hook` with errors that no caller gets: a handler that panics or does not answer, a connection that can't be
    /// accepted, a client that is cut off. The library itself prints nothing.
    pub fn on_error(&mut self, hook: impl FnMut(&Error) + Send + 'static) -> &mut Server {
        self.service().on_error = Some(Box::new(hook));
        self
    }

    /// Calls `hook` with every answer when it is written, or begun if it goes on (a stream, a WebSocket): an access log. It
    /// sees those to what is no request, too, such as a 400 or a 408 to half a head. Not among them is the 400 to plaintext
    /// on a port with TLS, which comes before HTTP. There is one hook: a second one takes the place of the first.
    ///
    /// ```
    /// use std::io::Write;
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// let mut log = std::io::stderr();
    /// server.on_answer(move |answered| {
    ///     let (method, target) = (answered.method.unwrap_or("-"), answered.target.unwrap_or("-"));
    ///     let _ = writeln!(log, "{} {method} {target} {} {}", answered.peer, answered.status, answered.bytes);
    /// });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn on_answer(&mut self, hook: impl FnMut(&Answered<'_>) + Send + 'static) -> &mut Server {
        self.service().log = Some(Box::new(Log::new(Box::new(hook))));
        self
    }

    /// Looks at what passes on connections that are opened from now on, those of clients on this loop included: `make`
    /// gives a tap for each peer that is to be looked at, such as a [`Tracer`](crate::lens::Tracer). It is told
    /// plaintext, also where a connection goes over TLS. What is not looked at costs nothing more.
    #[cfg(feature = "lens")]
    pub fn trace(
        &mut self,
        make: impl FnMut(std::net::SocketAddr) -> Option<Box<dyn crate::net::Tap>> + Send + 'static,
    ) -> &mut Server {
        self.event_loop.trace(make);
        self
    }

    /// Sets the limits. Retention and counts hold from now on; what is already retained goes when it is due.
    pub fn limits(&mut self, limits: Limits) -> &mut Server {
        self.event_loop.set_limits(limits.net_limits());
        let service = self.service();
        service.channels.set_limits(limits.channels);
        service.limits = limits;
        self
    }

    /// Sets how WebSocket messages are compressed on connections that are opened from now on, where the client agrees
    /// (permessage-deflate, RFC 7692); `None`: not at all. By default as
    /// [`Settings::default`](crate::ws::deflate::Settings) says: messages from 256 bytes on, and nothing is kept for a
    /// connection between two messages.
    ///
    /// A message of a channel is compressed once for all its readers.
    ///
    /// ```
    /// use barewire::Deflate;
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.deflate(Deflate { level: 1, threshold: 1_024, ..Deflate::default() });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(
        &mut self,
        settings: impl Into<Option<crate::ws::deflate::Settings>>,
    ) -> &mut Server {
        let settings = settings.into();
        let service = self.service();
        service.deflating.settings = settings;
        if let Some(settings) = settings {
            service.channels.set_deflate(settings);
        }
        self
    }

    /// Keeps what is published in the store at `path`: a message is acknowledged, and seen by readers, when it is synced
    /// there, so that it is there, under its id, after the process was killed or the power was cut. To be called before
    /// anything is published or read.
    ///
    /// The channels' retention in [`Limits`] says how much of it is kept in memory as well; readers of older messages get
    /// them from the file. What the file retains is said by [`durable::Options`](crate::durable::Options), for
    /// [`Server::store_in`].
    ///
    /// ```no_run
    /// # let mut server = barewire::Server::unbound()?;
    /// server.store("messages.store")?;
    /// server.channels("/channels/{name}");
    /// # Ok::<(), barewire::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`]: the file can't be used, is in use, or is no store. It is never begun anew.
    #[cfg(feature = "durable")]
    pub fn store(&mut self, path: impl AsRef<std::path::Path>) -> Result<&mut Server> {
        let store = crate::durable::Store::open(path, crate::durable::Options::default());
        self.store_in(store.map_err(|error| Error::Backend(error.to_string().into()))?)
    }

    /// As [`Server::store`], in a store that is open.
    ///
    /// # Errors
    /// There is one already, or this is one of several loops ([`Cores::store_in`]).
    #[cfg(feature = "durable")]
    pub fn store_in(&mut self, store: crate::durable::Store) -> Result<&mut Server> {
        self.put_before(store)
    }

    /// Shares the channels with all nodes that use the Redis, or Valkey, at `url`:
    /// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` with the feature `tls`. A reader may come back to
    /// any node with the id that it read last, in any way. To be called before anything is published or read.
    ///
    /// A message is acknowledged when Redis has it; how much that promises is up to how Redis is run. While Redis is away,
    /// readers keep their connections, publishing is refused (503 with `Retry-After`, close code 1013), and
    /// [`Server::health`] says so. See [`redis`](crate::redis).
    ///
    /// ```no_run
    /// # let mut server = barewire::Server::unbound()?;
    /// server.redis("redis://10.0.0.5")?.channels("/channels/{name}");
    /// # Ok::<(), barewire::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`]: the URL is invalid, or Redis can't be reached or used.
    #[cfg(feature = "redis")]
    pub fn redis(&mut self, url: &str) -> Result<&mut Server> {
        let redis = crate::redis::Redis::open(url, crate::redis::Options::default());
        self.redis_in(redis.map_err(|error| Error::Backend(error.to_string().into()))?)
    }

    /// As [`Server::redis`], with options of its own.
    ///
    /// # Errors
    /// The channels have a store or a Redis already, or this is one of several loops ([`Cores::redis_in`]).
    #[cfg(feature = "redis")]
    pub fn redis_in(&mut self, redis: crate::redis::Redis) -> Result<&mut Server> {
        self.put_before(redis)
    }

    #[cfg(feature = "backend")]
    fn put_before(
        &mut self,
        backend: impl crate::backend::Backend + 'static,
    ) -> Result<&mut Server> {
        if self.feed().is_some() {
            let why = "the channels have a store already, or are the loops' to share: see Cores";
            return Err(Error::Backend(why.into()));
        }
        let feed = Arc::new(Feed::new(1, net::unix_ms()));
        feed.stand_before(Arc::new(backend));
        self.stand_before(&feed);
        Ok(self)
    }

    #[cfg(feature = "backend")]
    fn stand_before(&mut self, feed: &Arc<Feed>) {
        let mailbox = self.event_loop.mailbox();
        self.service().channels.stand_before(feed, mailbox);
    }

    /// Answers GET (and HEAD) of `path` with the state of this server as JSON, for load balancers and their like:
    ///
    /// | status | body | when |
    /// | --- | --- | --- |
    /// | 200 | `{"status":"ok"}` | everything works |
    /// | 200 | `{"status":"degraded","why":".."}` | publishing is refused, and reading works |
    /// | 503 | `{"status":"starting","why":".."}` | what stands behind the channels does not work yet |
    /// | 503 | `{"status":"draining","why":".."}` | the server was stopped, and ends what is under way |
    /// | 503 | `{"status":"failed","why":".."}` | neither publishing nor reading works |
    ///
    /// The reasons are words for people, and may change. Other members may come. Requests are shown to
    /// [`Server::authorize`] like all others.
    pub fn health(&mut self, path: &str) -> &mut Server {
        let endpoint = Endpoint::Report(Report::Health);
        self.service().router.add(path, endpoint);
        self
    }

    /// Answers GET (and HEAD) of `path` with what this server counts, in the text format of Prometheus (0.0.4):
    /// connections, requests, messages, bytes, delays, refusals, gaps, and what the store does. `docs/operate.md` in the
    /// repository has all of them.
    ///
    /// With several loops ([`Cores`]) each has to have it, and whichever is asked answers for all. Counting begins here;
    /// a server without it counts nothing but connections and bytes. Requests are shown to [`Server::authorize`] like all
    /// others. No label comes from the network.
    ///
    /// ```
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.metrics("/metrics");
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn metrics(&mut self, path: &str) -> &mut Server {
        let service = self.service();
        service.meter.get_or_insert_with(|| Box::new(Meter::new()));
        let endpoint = Endpoint::Report(Report::Metrics);
        service.router.add(path, endpoint);
        self
    }

    /// Publishes into this server's channels, from any thread.
    pub fn publisher(&self) -> Publisher {
        Publisher {
            mailbox: self.event_loop.mailbox(),
            feed: self.feed(),
        }
    }

    /// Stops this server, from any thread.
    pub fn stopper(&self) -> Stopper {
        let mailboxes = match self.feed() {
            Some((feed, _)) => feed.mailboxes().into(),
            None => [self.event_loop.mailbox()].into(),
        };
        Stopper { mailboxes }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.event_loop.connections()
    }

    /// Whether it was stopped and everything has ended. [`Server::run`] returns then.
    pub fn is_done(&self) -> bool {
        self.event_loop.is_done()
    }

    /// Serves until it is stopped ([`Server::stopper`]).
    ///
    /// # Errors
    /// A route or an allowed origin is invalid, or the system's poll fails.
    pub fn run(&mut self) -> Result<()> {
        self.check()?;
        Ok(self.event_loop.run()?)
    }

    /// Does what is ready, for a program that has a loop of its own: waits for at most `timeout` (`None`: as long as
    /// it takes; zero: not at all) and returns after one round. It may return sooner with nothing done.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.check()?;
        Ok(self.event_loop.turn(timeout)?)
    }

    fn feed(&self) -> Option<(Arc<Feed>, usize)> {
        self.event_loop.protocol().service.channels.feed()
    }

    /// Once for all that was set up, and not once a turn.
    fn check(&mut self) -> Result<()> {
        if !self.checked {
            self.event_loop.protocol().service.check()?;
            self.checked = true;
        }
        Ok(())
    }

    fn service(&mut self) -> &mut Service {
        self.checked = false;
        &mut self.event_loop.protocol_mut().service
    }
}
