//! What can be wrong with a message, and what to answer to it.
//!
//! One enum for the whole layer, requests and responses alike. The invariant: each variant is one violation, its docs name
//! the section that forbids it, and [`Error::status`] is the one answer to it, so that no caller has to choose. The server
//! answers with it and closes; a client, which has nobody to answer, gives up the connection.

use super::Status;

/// Why a message, or a part of one, is refused.
///
/// Every variant ends the connection: after it, it is not known where the next
/// message would start. Answer [`Error::status`], then close (RFC 9112 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The head is longer than [`HeadLimits::head`](super::HeadLimits::head) (RFC 6585 5).
    HeadTooLarge,
    /// The head has more fields than [`HeadLimits::fields`](super::HeadLimits::fields) (RFC 6585 5).
    TooManyFields,
    /// The target, or the line that holds it, is longer than
    /// [`HeadLimits::target`](super::HeadLimits::target) (RFC 9110 15.5.15).
    TargetTooLong,
    /// The request line is as long as one with the longest target, and all of it is the
    /// method (RFC 9112 3).
    MethodTooLong,
    /// More empty lines stand before the request line than the few that RFC 9112 2.2
    /// asks to ignore.
    TooManyEmptyLines,
    /// The bytes given as a head do not end with the empty line, or go on after it.
    Incomplete,
    /// A line ends with LF alone. RFC 9112 2.2 allows to accept it; we do not.
    BareLineFeed,
    /// A CR is not followed by LF (RFC 9112 2.2).
    BareCarriageReturn,
    /// The head holds a NUL byte (RFC 9110 5.5).
    Nul,
    /// The request line is not `method SP target SP version` with single spaces (RFC 9112 3).
    RequestLine,
    /// The method is not a token (RFC 9110 9.1).
    Method,
    /// The target has none of the four forms, or not the one that the method asks for
    /// (RFC 9112 3.2).
    Target,
    /// The message is well formed, of another version than HTTP/1.0 or HTTP/1.1
    /// (RFC 9110 15.6.6).
    Version,
    /// The status line is not `version SP code SP [reason]` (RFC 9112 4).
    StatusLine,
    /// A field name is not a token (RFC 9110 5.1).
    FieldName,
    /// A field value holds a control character, or space around it where it is to be
    /// written (RFC 9110 5.5).
    FieldValue,
    /// A field line has no colon (RFC 9112 5).
    FieldLine,
    /// White space stands between a field name and its colon (RFC 9112 5.1).
    SpaceBeforeColon,
    /// A line starts with white space: a folded field (RFC 9112 5.2).
    FoldedLine,
    /// An HTTP/1.1 request has no Host (RFC 9112 3.2).
    MissingHost,
    /// A request has more than one Host (RFC 9112 3.2).
    RepeatedHost,
    /// Host is not `host[:port]` (RFC 9112 3.2, RFC 9110 7.2).
    InvalidHost,
    /// Expect asks for something other than `100-continue` (RFC 9110 10.1.1).
    Expectation,
    /// HTTP/1.0 has no Transfer-Encoding; such framing is faulty (RFC 9112 6.1).
    TransferEncodingInHttp10,
    /// Both Content-Length and Transfer-Encoding are there: the mark of request
    /// smuggling (RFC 9112 6.3).
    TransferEncodingWithContentLength,
    /// Transfer-Encoding does not end with one `chunked` (RFC 9112 6.3).
    TransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 6.1).
    UnknownTransferCoding,
    /// Content-Length is not a number in decimal digits that fits 64 bits (RFC 9110 8.6).
    ContentLength,
    /// Content-Length is there more than once. RFC 9112 6.3 allows equal ones; we do not.
    RepeatedContentLength,
    /// The body is longer than the limit (RFC 9110 15.5.14).
    BodyTooLarge,
    /// A chunk size is missing, not hexadecimal, or of more than
    /// [`MAX_CHUNK_DIGITS`](super::MAX_CHUNK_DIGITS) digits (RFC 9112 7.1).
    ChunkSize,
    /// A chunk's line does not end with CRLF, or holds a control character (RFC 9112 7.1.1).
    ChunkLine,
    /// A chunk's data is not followed by CRLF (RFC 9112 7.1).
    ChunkEnd,
    /// Chunk extensions and trailers together are longer than
    /// [`MAX_CHUNK_EXTRA`](super::MAX_CHUNK_EXTRA) (RFC 9112 7.1.1).
    ChunkExtraTooLarge,
    /// A trailer is not a field line (RFC 9112 7.1.2).
    Trailer,
    /// The peer closed before the body was complete (RFC 9112 8).
    Truncated,
    /// A `%` is not followed by two hexadecimal digits (RFC 3986 2.1).
    PercentEncoding,
    /// What the percent-encoding stands for is not UTF-8.
    NotUtf8,
}

impl Error {
    /// What a server answers to this.
    pub const fn status(&self) -> Status {
        match self {
            Error::HeadTooLarge | Error::TooManyFields => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Error::TargetTooLong => Status::URI_TOO_LONG,
            Error::Version => Status::HTTP_VERSION_NOT_SUPPORTED,
            Error::Expectation => Status::EXPECTATION_FAILED,
            Error::UnknownTransferCoding | Error::MethodTooLong => Status::NOT_IMPLEMENTED,
            Error::BodyTooLarge | Error::ChunkExtraTooLarge => Status::CONTENT_TOO_LARGE,
            // Only a client meets this one; who asks on behalf of another says 502.
            Error::StatusLine => Status::BAD_GATEWAY,
            _ => Status::BAD_REQUEST,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::HeadTooLarge => "the head is too large",
            Error::TooManyFields => "the head has too many fields",
            Error::TargetTooLong => "the request target is too long",
            Error::MethodTooLong => "the method is longer than any that is known",
            Error::TooManyEmptyLines => "too many empty lines before the request",
            Error::Incomplete => "the head does not end with its empty line",
            Error::BareLineFeed => "a line ends with LF instead of CRLF",
            Error::BareCarriageReturn => "a CR is not followed by LF",
            Error::Nul => "the head holds a NUL byte",
            Error::RequestLine => "the request line is malformed",
            Error::Method => "the method is not a token",
            Error::Target => "the request target is malformed",
            Error::Version => "the HTTP version is not supported",
            Error::StatusLine => "the status line is malformed",
            Error::FieldName => "a field name is not a token",
            Error::FieldValue => "a field value holds a character that is not allowed there",
            Error::FieldLine => "a field line has no colon",
            Error::SpaceBeforeColon => "white space before the colon of a field",
            Error::FoldedLine => "a field is folded over several lines",
            Error::MissingHost => "Host is missing",
            Error::RepeatedHost => "Host is there more than once",
            Error::InvalidHost => "Host is not a host with an optional port",
            Error::Expectation => "the expectation cannot be met",
            Error::TransferEncodingInHttp10 => "Transfer-Encoding in an HTTP/1.0 message",
            Error::TransferEncodingWithContentLength => "Transfer-Encoding beside Content-Length",
            Error::TransferEncoding => "Transfer-Encoding does not end with one chunked",
            Error::UnknownTransferCoding => "a transfer coding other than chunked",
            Error::ContentLength => "Content-Length is not a decimal number of 64 bits",
            Error::RepeatedContentLength => "Content-Length is there more than once",
            Error::BodyTooLarge => "the body is too large",
            Error::ChunkSize => "a chunk size is not a hexadecimal number of 64 bits",
            Error::ChunkLine => "a chunk line is malformed",
            Error::ChunkEnd => "a chunk is not followed by CRLF",
            Error::ChunkExtraTooLarge => "chunk extensions and trailers are too large",
            Error::Trailer => "a trailer is not a field line",
            Error::Truncated => "the body ends before it is complete",
            Error::PercentEncoding => "a percent sign without two hexadecimal digits",
            Error::NotUtf8 => "percent-encoded text is not UTF-8",
        })
    }
}

impl std::error::Error for Error {}
