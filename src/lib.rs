//! Realtime without a framework.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod channel;
#[cfg(feature = "net")]
mod error;
pub mod http;
mod json;
#[cfg(feature = "net")]
mod limits;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
mod server;
mod slab;
pub mod sse;
pub mod ws;

#[cfg(feature = "net")]
pub use error::{Error, Result};
#[cfg(feature = "net")]
pub use limits::Limits;
#[cfg(feature = "net")]
pub use server::{
    Access, EventStream, Later, Publisher, Reply, Request, Response, Sender, Server, Socket, Stopper, Stream,
    WebSocketRoute,
};
#[cfg(feature = "net")]
pub use ws::Message;
