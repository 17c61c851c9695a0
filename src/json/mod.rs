//! The little JSON (RFC 8259) that the wire formats of channels need: strings written in `write`, and envelopes read in
//! `read`.

#[cfg(feature = "client")]
mod read;
mod write;

#[cfg(feature = "client")]
pub(crate) use read::Value;
pub(crate) use write::{escaped_len, write_string};
