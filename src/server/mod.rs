//! The server: what a program links.
mod access;
mod command;
mod connection;
mod exchange;
mod origin;
mod reply;
mod request;
mod response;
mod route;
mod router;
mod service;
mod socket;
mod ways;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

pub use access::Access;
pub use command::{Publisher, Sender, Stopper};
pub use reply::{EventStream, Later, Reply, Stream};
pub use request::Request;
pub use response::Response;
pub use socket::{Socket, WebSocketRoute};

use crate::error::{Error, Result};
use crate::limits::{Limits, MAX_QUEUED};
use crate::net::{self, Loop};
use crate::ws::Message;
use router::Endpoint;
use service::Service;
use socket::OnMessage;

/// A server: routes, channels and the loop that serves them.
pub struct Server {
    event_loop: Loop<Service>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("event_loop", &self.event_loop).finish()
    }
}

impl Server {
    /// Listens on an address, such as `"127.0.0.1:9000"`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// The address is none, or can't be bound.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Server> {
        let limits = Limits::default();
        let net = net_limits(&limits);
        let unix_ms = net::unix_ms();
        let mut event_loop = Loop::new(net, MAX_QUEUED, |mailbox| Service::new(limits, mailbox, unix_ms))?;
        let mut bound = Err(Error::Io(std::io::ErrorKind::AddrNotAvailable.into()));
        for address in address.to_socket_addrs()? {
            bound = event_loop.listen(address).map_err(Error::Io);
            if bound.is_ok() {
                break;
            }
        }
        bound.map(|()| Server { event_loop })
    }

    /// The first address that it listens on.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let addresses = self.event_loop.local_addrs()?;
        addresses.first().copied().ok_or(Error::Io(std::io::ErrorKind::NotConnected.into()))
    }

    /// Answers GET (and HEAD) of `path` with what `handler` replies. See [`Server::route`].
    pub fn get(&mut self, path: &str, handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static) -> &mut Server {
        self.route("GET", path, handler)
    }

    /// Answers POST of `path` with what `handler` replies. See [`Server::route`].
    pub fn post(&mut self, path: &str, handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static) -> &mut Server {
        self.route("POST", path, handler)
    }

    /// Answers requests of `method` for `path` with what `handler` replies.
    ///
    /// A segment `{name}` of the path stands for any one segment, and `{*name}` at its end for all that is left:
    /// the handler asks [`Request::param`]. Literal paths win over those with parameters. A path that makes no
    /// sense is told when the server is to run ([`Error::Route`]).
    pub fn route(
        &mut self,
        method: &str,
        path: &str,
        handler: impl FnMut(&Request<'_>, Reply<'_>) + Send + 'static,
    ) -> &mut Server {
        let endpoint = Endpoint::Handler { method: method.into(), handler: Box::new(handler) };
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
        self.add_websocket(path, Box::new(on_message))
    }
}
