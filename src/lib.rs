//! Realtime without a framework: HTTP/1.1, WebSocket and text/event-stream over a mio event loop, with no async
//! runtime, and one channel log that serves every way to read it.
//!
//! ```no_run
//! use barewire::Server;
//!
//! fn main() -> barewire::Result<()> {
//!     let mut server = Server::bind("127.0.0.1:9000")?;
//!     server.get("/", |_request, reply| reply.html("<h1>hello</h1>"));
//!     server.websocket("/echo", |socket, message| socket.send(message));
//!     server.channels("/channels/{name}"); // POST publishes; four ways to read
//!     server.run()
//! }
//! ```
//!
//! # Where to begin
//!
//! - **To see one whole program**, with state, a broadcast and a test: [`guide`].
//! - **To serve**: [`Server`]. Its handlers get a [`Request`] and a [`Reply`], or a [`Socket`] and a [`Message`].
//! - **To serve with more than one core**: [`Cores`], several loops over the same channels.
//! - **To serve inside a loop of your own** (a game, a GUI): [`Server::turn`]. Other threads publish through a
//!   [`Publisher`], send through a [`Sender`], answer through a [`Later`], and stop it through a [`Stopper`].
//! - **To follow a channel**, or any event stream: [`subscribe`], or [`Subscribe`] for more. To talk to a WebSocket:
//!   [`WebSocket`], or [`Connect`] for more. Both wait for you; on a loop they call you: [`ClientLoop`], or the server's
//!   own ([`Server::subscribe`], [`Server::connect`]).
//! - **To publish to another server**, once however often it has to be sent: [`publish`], or [`Publish`] for more; on a loop
//!   [`ClientLoop::publish`].
//! - **In a browser**: [`client::JAVASCRIPT`], an ES module without a build step.
//! - **To test** what you serve, without ports, threads or sleeps: [`Server::simulate`].
//! - **To speak a protocol of your own** on the loop: [`net`].
//! - **To encode and decode** only: [`http`], [`ws`] and [`sse`], which need neither the loop nor the server
//!   (`--no-default-features` builds them without mio).
//!
//! # The house, from the top
//!
//! ```text
//!  server                       the face: what a program links (Server, Cores)
//!     │
//!  program      publisher       a server and clients on one loop
//!     │    │
//!     ├─ webhook                 channels that are sent to other servers
//!     │    │
//!  service │                    a connection as a machine without I/O: http, then perhaps frames or a stream
//!     │  client       error     subscribers, WebSockets, their retries
//!     │    │
//!     ├────┴── limits           every limit, and the reason for its default
//!     │    │
//!     ├─ session                an open WebSocket, of either side
//!     │  command  response      what other threads tell a loop; what a handler answers
//!     │    │
//!  channel │                    one log, many cursors; each message encoded once per encoding
//!     │   net                   the event loop: sockets, deadlines, wakers, TLS. Knows no protocol
//!     │    │
//!  http   ws   sse   json       the codecs: bytes in, events out. No sockets, no clock, no randomness
//! ```
//!
//! Imports go down only, and a section of CI computes them anew. Every codec, the loop and the channels are public. A
//! WebSocket message goes `net` → `program` → `service` → `session` → [`ws::Decoder`] (unmasked where it was read) → handler →
//! [`net::Output`] → one write. A published message goes `service` → [`channel::Log`] → once into each
//! [`channel::Encoding`] in use → one write per reader, straight from there. With several loops ([`Cores`]) only what is published
//! crosses from one to another: each has its own connections and a replica of every channel. ARCHITECTURE.md in
//! the repository has every room, its invariant, and five journeys through the house.
//!
//! `benches/` measures it beside its peers and `benches/counts/` counts the instructions of the hot paths: crates of their
//! own, that this one does not depend on. `docs/cores.md` says what several loops cost.
//!
//! # Features
//!
//! | feature | what it is |
//! | --- | --- |
//! | `server`, on by default | [`Server`] and [`Cores`] with all their handles |
//! | `client`, on by default | [`subscribe`], [`publish`], [`WebSocket`] and clients on a loop |
//! | `net`, part of both | the event loop alone, for a protocol of your own |
//! | `deflate` | compressed WebSocket messages (permessage-deflate, RFC 7692): `ws::deflate`. Where it is built, servers and clients agree on it with settings that keep nothing between messages, unless they are set otherwise |
//! | `durable` | channels in one file, that outlive the process: `Server::store` |
//! | `lens` | what every byte on the wire means: `lens` |
//! | `redis` | channels that many nodes share, in Redis or Valkey: `Server::redis` |
//! | `tls` | https and wss: `tls`, which is `net::tls`, by rustls |
//! | `webhook` | `Server::webhooks`, which sends channels to URLs; and a verifier for receivers, which needs neither the loop nor the server: `webhook` |
//! | `listen-queue` | on Unix, the 1,024 connections that may wait to be accepted ([`Limits::listen_queue`]); without it, 128 |
//! | `reuseport` | on Linux, a listener for each loop of [`Cores`] |
//!
//! # Limits
//!
//! Everything that arrives is limited before memory is taken for it, by default: see [`Limits`].
//!
//! # A loop of your own
//!
//! ```no_run
//! # fn main() -> barewire::Result<()> {
//! use std::time::Duration;
//!
//! let mut server = barewire::Server::bind("127.0.0.1:9000")?;
//! server.channels("/channels/{name}");
//! let publisher = server.publisher();
//! std::thread::spawn(move || publisher.publish("ticks", "42"));
//! loop {
//!     server.turn(Some(Duration::ZERO))?; // does what is ready, never blocks
//!     // game.step();
//! }
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What the server and the clients share, one of them may use alone. The build with both finds what nobody uses.
#![cfg_attr(
    not(all(feature = "server", feature = "client")),
    allow(dead_code, unused_imports)
)]

#[cfg(all(feature = "net", target_family = "wasm"))]
compile_error!(
    "barewire's event loop needs the sockets of an operating system, which this target does not have: depend on barewire \
     with `default-features = false`, which leaves the codecs (http, ws, sse) and the channel log"
);

#[cfg(feature = "backend")]
#[doc(hidden)]
pub mod backend;
pub mod channel;
#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "server", feature = "client"))]
mod command;
#[cfg(any(feature = "server", feature = "client"))]
mod error;
#[cfg(feature = "server")]
pub mod guide;
pub mod http;
mod json;
#[cfg(feature = "lens")]
pub mod lens;
#[cfg(feature = "net")]
pub mod limits;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "server")]
mod program;
#[cfg(feature = "server")]
mod publisher;
#[cfg(any(feature = "server", feature = "client"))]
mod random;
#[cfg(feature = "server")]
mod response;
mod scan;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod service;
#[cfg(any(feature = "server", feature = "client"))]
mod session;
mod slab;
pub mod sse;
#[cfg(feature = "webhook")]
pub mod webhook;
pub mod ws;

#[cfg(feature = "durable")]
#[doc(inline)]
pub use backend::durable;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use backend::redis;
#[cfg(any(feature = "server", feature = "client"))]
pub use channel::Post;
#[cfg(feature = "client")]
pub use client::{
    Backoff, ClientId, ClientLoop, Connect, Error as ClientError, Outbox, Publish, Publishing,
    Subscribe, Subscription, Transport, Update, WebSocket, publish, subscribe,
};
#[cfg(any(feature = "server", feature = "client"))]
pub use command::Stopper;
#[cfg(any(feature = "server", feature = "client"))]
pub use error::{Error, Result};
#[cfg(feature = "net")]
pub use limits::{Limits, SlowReader};
#[cfg(feature = "tls")]
#[doc(inline)]
pub use net::tls;
#[cfg(feature = "net")]
pub use net::{ConnectionId, SendError};
#[cfg(feature = "server")]
pub use publisher::Publisher;
#[cfg(feature = "server")]
pub use response::{Response, ResponseError};
#[cfg(feature = "server")]
pub use server::{Cores, Server};
#[cfg(feature = "server")]
pub use service::{
    Access, Answered, ChannelRoute, EventStream, Later, Reply, Request, Simulation, Stream,
    WebSocketRoute,
};
#[cfg(any(feature = "server", feature = "client"))]
pub use session::{Sender, Socket};
#[cfg(all(feature = "net", feature = "deflate"))]
pub use ws::deflate::Settings as Deflate;
#[cfg(feature = "net")]
pub use ws::{CloseCode, Message, OwnedMessage};

/// The README's program compiles.
#[cfg(all(doctest, feature = "server", feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;
