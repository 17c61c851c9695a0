//! Realtime without a framework.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod channel;
pub mod http;
mod json;
#[cfg(feature = "net")]
pub mod net;
mod slab;
pub mod sse;
pub mod ws;
