//! HTTP/1.1 as a codec: RFC 9110 (semantics) and RFC 9112 (the wire).
//!
//! ```text
//!   GET /ticks?from=now HTTP/1.1 CRLF      start line   \
//!   Host: example.com CRLF                 field         > the head: head.rs, fields.rs, uri.rs
//!   CRLF                                   empty line   /
//!   5 CRLF hello CRLF 0 CRLF CRLF          the body:        body.rs
//! ```
//!
//! Bytes in, values out. Nothing here opens a socket, reads a clock or keeps a
//! copy of what it was given: a head and the pieces of a body are views of the
//! caller's buffer. One message goes through the layer like this:
//!
//! 1. [`HeadFinder`] looks for the empty line while the bytes arrive, each byte
//!    once, and refuses what is too long or holds a line end that two parsers
//!    could read differently.
//! 2. [`RequestHead::parse`] (or [`ResponseHead::parse`]) reads the complete head
//!    and checks what is left to check, so that a head that exists is a valid one.
//! 3. [`request_body_length`] says how long the body is, or that it can't be known;
//!    [`BodyDecoder`] lends the body piece by piece.
//! 4. [`HeadWriter`] writes an answer from [`Status`], [`FieldName`] and
//!    [`FieldValue`], none of which can hold a line end.
//!
//! The invariant of the layer: **an ambiguous message is an error, never a
//! guess.** Where the RFC leaves a choice between repairing and refusing (a bare
//! LF, a folded line, Content-Length beside Transfer-Encoding, a length given
//! twice), this codec refuses, because request smuggling is two parsers repairing
//! the same bytes in two ways. After an [`Error`] the caller answers
//! [`Error::status`] once and closes.
//!
//! The same code serves both roles; it knows no connection, no route and no
//! deadline. Those are the server's and the client's.

mod body;
mod cookie;
mod date;
mod error;
mod fields;
mod finder;
mod head;
mod status;
mod uri;
mod writer;

#[cfg(test)]
mod tests;

#[cfg(feature = "lens")]
pub(crate) use body::Place;
pub use body::{
    BodyDecoder, BodyLength, MAX_CHUNK_DIGITS, MAX_CHUNK_EXTRA, Piece, request_body_length,
    response_body_length, write_chunk, write_last_chunk,
};
pub use cookie::cookie;
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) use date::iso_date;
pub use date::{DateCache, HttpDate};
pub use error::Error;
pub use fields::{FieldIter, Fields, Tokens, Values};
pub use finder::HeadFinder;
pub use head::{
    HeadLimits, MAX_EMPTY_LINES, MAX_FIELDS, MAX_HEAD, MAX_TARGET, RequestHead, ResponseHead,
    Version,
};
pub use status::Status;
pub(crate) use uri::is_host;
pub use uri::{Form, QueryPairs, Scheme, Target, percent_decode, query_pairs, query_value};
pub use writer::{FieldName, FieldValue, HeadWriter};

/// Whether `byte` may stand in a token: a method, a field name, a list member
/// (RFC 9110 5.6.2, `tchar`).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether `bytes` is a token (RFC 9110 5.6.2): at least one `tchar`, nothing else.
pub(crate) const fn is_token(bytes: &[u8]) -> bool {
    // A loop by index, because iterators cannot run in a constant.
    let mut at = 0;
    while at < bytes.len() {
        if !is_tchar(bytes[at]) {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty()
}

/// Whether `byte` may stand in a field value: visible, SP, HTAB or obs-text
/// (RFC 9110 5.5). Every other control, CR, LF and NUL among them, may not.
pub(crate) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}

/// `bytes` without the spaces and tabs around it (OWS, RFC 9110 5.6.3).
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
