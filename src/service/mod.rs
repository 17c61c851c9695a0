//! One connection of a server as a machine without I/O, and what all of them share.

mod access;
#[cfg(feature = "backend")]
mod backed;
mod channel_route;
mod channels;
mod claim;
#[cfg(feature = "backend")]
mod cold;
mod cors;
mod credit;
mod exchange;
mod feed;
mod form;
mod keys;
mod log;
mod machine;
mod meter;
#[cfg(feature = "backend")]
mod opening;
mod origin;
mod pattern;
mod reply;
mod report;
mod request;
mod router;
mod shared;
mod simulation;
mod socket;
mod state;
#[cfg(all(test, feature = "backend"))]
mod tests;
mod upgrade;
mod ways;
mod websocket;

pub use access::Access;
#[cfg(all(feature = "backend", feature = "webhook", feature = "client"))]
pub(crate) use backed::webhook_ticket;
pub use channel_route::ChannelRoute;
pub(crate) use channels::Channels;
pub(crate) use feed::Feed;
pub use log::Answered;
pub(crate) use log::Log;
pub(crate) use meter::Meter;
pub use reply::{EventStream, Later, Reply, Stream};
pub use request::Request;
pub(crate) use router::{Endpoint, Report};
pub(crate) use shared::Service;
pub use simulation::Simulation;
pub(crate) use state::Connection;
pub use websocket::WebSocketRoute;
