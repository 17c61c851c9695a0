//! What cannot be sent in, or taken from, an event stream.

use std::fmt;

/// Why a value cannot be part of an event stream, or why a stream cannot be read on.
///
/// Reading knows only one error, [`Error::TooLarge`]: the format gives every sequence of bytes a
/// meaning (WHATWG HTML 9.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// An event name holds CR or LF, which would end its line (9.2.5, `any-char`).
    LineBreakInName,
    /// An event name holds U+0000. The format could carry it; what shows it to people or
    /// compares it as a C string could not.
    NulInName,
    /// An event ID holds CR or LF, which would end its line (9.2.5, `any-char`).
    LineBreakInId,
    /// An event ID holds U+0000, for which a reader ignores the whole field (9.2.6, `id`).
    NulInId,
    /// A comment holds CR or LF, which would end its line (9.2.5, `any-char`).
    LineBreakInComment,
    /// One event of a received stream is larger than the decoder's limit.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::LineBreakInName => "an event name must not contain a line break",
            Error::NulInName => "an event name must not contain U+0000",
            Error::LineBreakInId => "an event ID must not contain a line break",
            Error::NulInId => "an event ID must not contain U+0000",
            Error::LineBreakInComment => "a comment must not contain a line break",
            Error::TooLarge => "an event is larger than the limit",
        })
    }
}

impl std::error::Error for Error {}
