//! Realtime without a framework.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod http;
pub mod sse;
pub mod ws;
