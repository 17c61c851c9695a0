//! The laws that barewire's fuzz targets check.
//!
//! Each module is one target: `check` takes any bytes and panics if a law is broken. The fuzz targets call it under
//! libFuzzer; `tests/fuzz_corpus.rs` of the crate includes this file and calls it with every file of the corpora, on
//! a stable compiler and without libFuzzer. So nothing here may need more than barewire, the standard library, and the
//! implementations that barewire's own tests compare it with.
//!
//! An input is choices first, then bytes for the wire: see [`choice`]. The format is plain enough to write seeds by
//! hand, and a change of one byte of the wire is a change of one byte of the input.

#![allow(clippy::single_range_in_vec_init)] // The bytes in one piece are a list of one range.

pub mod choice;
pub mod json;
pub mod messages;

pub mod http_body;
pub mod http_differential;
pub mod http_request;
pub mod http_response;
pub mod http_uri;
pub mod hub;
#[cfg(feature = "lens")]
pub mod lens;
pub mod sse_decoder;
pub mod sse_differential;
pub mod sse_encode;
#[cfg(feature = "durable")]
pub mod store;
pub mod ws_close;
pub mod ws_decoder;
#[cfg(feature = "deflate")]
pub mod ws_deflate;
pub mod ws_differential;
pub mod ws_encode;
pub mod ws_frame;
pub mod ws_handshake;

#[cfg(feature = "server")]
mod answers;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
mod client_publish;
#[cfg(feature = "server")]
pub mod connection;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tls")]
pub mod tls_connection;

#[cfg(feature = "webhook")]
pub mod webhook_answer;
#[cfg(feature = "webhook")]
pub mod webhook_verifier;

/// A law by the name of its target.
pub type Law = (&'static str, fn(&[u8]));

/// All laws.
pub const LAWS: &[Law] = &[
    ("http_body", http_body::check),
    ("http_differential", http_differential::check),
    ("http_request", http_request::check),
    ("http_response", http_response::check),
    ("http_uri", http_uri::check),
    ("hub", hub::check),
    #[cfg(feature = "lens")]
    ("lens", lens::check),
    ("sse_decoder", sse_decoder::check),
    ("sse_differential", sse_differential::check),
    ("sse_encode", sse_encode::check),
    #[cfg(feature = "durable")]
    ("store", store::check),
    ("ws_close", ws_close::check),
    ("ws_decoder", ws_decoder::check),
    #[cfg(feature = "deflate")]
    ("ws_deflate", ws_deflate::check),
    ("ws_differential", ws_differential::check),
    ("ws_encode", ws_encode::check),
    ("ws_frame", ws_frame::check),
    ("ws_handshake", ws_handshake::check),
    #[cfg(feature = "client")]
    ("client", client::check),
    #[cfg(feature = "server")]
    ("connection", connection::check),
    #[cfg(feature = "tls")]
    ("tls", tls::check),
    #[cfg(feature = "tls")]
    ("tls_connection", tls_connection::check),
    #[cfg(feature = "webhook")]
    ("webhook_answer", webhook_answer::check),
    #[cfg(feature = "webhook")]
    ("webhook_verifier", webhook_verifier::check),
];
