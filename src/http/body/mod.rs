//! How long a body is, and its pieces: RFC 9112 6 and 7.
//!
//! ```text
//!   Content-Length: 5        hello
//!
//!   Transfer-Encoding:       5 ;ext=1 CRLF     size in hex, extensions
//!     chunked                hello CRLF        that many bytes, CRLF
//!                            0 CRLF            the last chunk
//!                            Trailer: x CRLF   fields after the body
//!                            CRLF
//! ```
//!
//! First [`request_body_length`] (or [`response_body_length`]) decides by the head
//! alone. Two servers in a row that decide differently see two different requests in
//! the same bytes, which is what request smuggling is; so **there is one reading of a
//! head or none**. Stricter than RFC 9112 6.3 asks: Content-Length beside
//! Transfer-Encoding is an error, and so is a Content-Length given twice, be it equal.
//!
//! Then a [`BodyDecoder`] lends the body from the bytes as they come. It is a machine
//! over single bytes that keeps a few numbers and no bytes: the caller may cut its
//! input anywhere and throw away what was used. Everything that grows is under a
//! limit, and what is announced is compared with it before anything is waited for.
//! Extensions and trailers are checked and left out.

use super::{Error, Fields, RequestHead, ResponseHead, Version, is_tchar, is_value_byte};
use crate::scan::decimal;

/// Extension and trailer bytes of one chunked body, together: at most 16 KiB.
pub const MAX_CHUNK_EXTRA: u32 = 16 * 1024;

/// Digits of a chunk size: as many as 64 bits have. More is overflow or padding.
pub const MAX_CHUNK_DIGITS: u8 = 16;

/// How long a body is (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// This many bytes.
    Exactly(u64),
    /// As many as the chunks hold.
    Chunked,
    /// All bytes until the connection closes; in responses only.
    UntilClose,
}

/// How long the body of this request is (RFC 9112 6.3).
///
/// # Errors
///
/// The head announces a body whose end two parsers could find in two places, or one in a coding that nobody here can
/// undo.
pub fn request_body_length(head: &RequestHead<'_>) -> Result<BodyLength, Error> {
    match announced(head.version(), head.fields())? {
        Announced::Nothing => Ok(BodyLength::None),
        Announced::Length(length) => Ok(BodyLength::Exactly(length)),
        Announced::Coded(Coding::Chunked) => Ok(BodyLength::Chunked),
        Announced::Coded(Coding::OthersThenChunked) => Err(Error::UnknownTransferCoding),
        Announced::Coded(Coding::NotChunked) => Err(Error::TransferEncoding),
    }
}

/// How long the body of this response to a request of that method is (RFC 9112 6.3).
///
/// # Errors
///
/// As those of [`request_body_length`].
pub fn response_body_length(
    head: &ResponseHead<'_>,
    request_method: &str,
) -> Result<BodyLength, Error> {
    match (head.status(), request_method) {
        (100..=199 | 204 | 304, _) | (_, "HEAD") | (200..=299, "CONNECT") => {
            return Ok(BodyLength::None);
        }
        _ => {}
    }
    match announced(head.version(), head.fields())? {
        Announced::Nothing => Ok(BodyLength::UntilClose),
        Announced::Length(length) => Ok(BodyLength::Exactly(length)),
        Announced::Coded(Coding::Chunked) => Ok(BodyLength::Chunked),
        // RFC 9112 6.3 reads the latter until the connection closes, but what comes is
        // in a coding that nobody here can undo.
        Announced::Coded(_) => Err(Error::UnknownTransferCoding),
    }
}

/// What a head says about a body, request or response.
enum Announced {
    Nothing,
    Length(u64),
    Coded(Coding),
}

/// Reads the two fields that announce a body, and refuses what two parsers could read differently.
fn announced(version: Version, fields: Fields<'_>) -> Result<Announced, Error> {
    let length = content_length(fields)?;
    let Some(coding) = transfer_coding(fields) else {
        return Ok(length.map_or(Announced::Nothing, Announced::Length));
    };
    if version == Version::Http10 {
        return Err(Error::TransferEncodingInHttp10);
    }
    if length.is_some() {
        return Err(Error::TransferEncodingWithContentLength);
    }
    Ok(Announced::Coded(coding))
}

/// RFC 9110 8.6: one number in digits.
fn content_length(fields: Fields<'_>) -> Result<Option<u64>, Error> {
    let mut values = fields.all("content-length");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Error::RepeatedContentLength),
        (Some(value), None) => decimal(value).map(Some).ok_or(Error::ContentLength),
    }
}

/// What Transfer-Encoding says.
enum Coding {
    /// `chunked` and nothing else.
    Chunked,
    /// `gzip, chunked` and the like: the end can be found, the content cannot be read.
    OthersThenChunked,
    /// `chunked` is missing, not the last, or there twice (RFC 9112 6.1 and 6.3).
    NotChunked,
}

/// Reads Transfer-Encoding, all its fields together; `None` without such a field.
fn transfer_coding(fields: Fields<'_>) -> Option<Coding> {
    fields.get("transfer-encoding")?;
    let (mut others, mut chunked, mut last_is_chunked) = (0u32, 0u32, false);
    for coding in fields.tokens("transfer-encoding") {
        last_is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        match last_is_chunked {
            true => chunked += 1,
            false => others += 1,
        }
    }
    Some(match (chunked, last_is_chunked, others) {
        (1, true, 0) => Coding::Chunked,
        (1, true, _) => Coding::OthersThenChunked,
        _ => Coding::NotChunked,
    })
}

/// What [`BodyDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'i> {
    /// The next bytes of the body, never none.
    Data(&'i [u8]),
    /// All input is used; more is needed.
    More,
    /// The body is complete; bytes that are not used belong to the next message.
    End,
}

/// Lends a body from the bytes as they come. An error is final.
///
/// ```
/// use barewire::http::{BodyDecoder, BodyLength, Piece};
///
/// let mut decoder = BodyDecoder::new(BodyLength::Chunked, 1024)?;
/// let mut input = &b"5\r\nhello\r\n0\r\n\r\nGET /"[..];
/// let mut body = Vec::new();
/// loop {
///     let (used, piece) = decoder.decode(input)?;
///     input = &input[used..];
///     match piece {
///         Piece::Data(data) => body.extend_from_slice(data),
///         Piece::More => unreachable!("all of it is here"),
///         Piece::End => break,
///     }
/// }
/// assert_eq!((&body[..], input), (&b"hello"[..], &b"GET /"[..])); // the next request is left
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// How many bytes of a body without a known length may still come.
    allowance: u64,
    /// Extension and trailer bytes so far.
    extra: u32,
}

const _: () = assert!(size_of::<BodyDecoder>() <= 40);

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// One of this many bytes of the body, never zero.
    Exactly(u64),
    /// A byte of the body, or the peer closes.
    UntilClose,
    /// A digit of a chunk size, or what may follow it.
    Size { value: u64, digits: u8 },
    /// White space between the size and an extension (RFC 9112 7.1.1, BWS).
    SizeSpace { size: u64 },
    /// Part of an extension, or the CR that ends it.
    Extension { size: u64 },
    /// The LF of a chunk line.
    SizeLf { size: u64 },
    /// One of this many bytes of a chunk, never zero.
    Data(u64),
    /// The CR behind a chunk's data.
    DataCr,
    /// The LF behind a chunk's data.
    DataLf,
    /// The first byte of a trailer's name, or the CR of the empty line.
    Trailer,
    /// Part of a trailer's name behind the first byte, or its colon.
    TrailerName,
    /// Part of a trailer's value, or the CR that ends it.
    TrailerValue,
    /// The LF of a trailer.
    TrailerLf,
    /// The LF of the empty line.
    LastLf,
    /// Not of this body.
    End,
    /// Of no meaning any more.
    Failed(Error),
}

impl BodyDecoder {
    /// A decoder for a body of this length that lends at most `limit` bytes. A body that
    /// is announced to be longer is refused at once.
    pub fn new(length: BodyLength, limit: u64) -> Result<BodyDecoder, Error> {
        let state = match length {
            BodyLength::None | BodyLength::Exactly(0) => State::End,
            BodyLength::Exactly(length) if length > limit => return Err(Error::BodyTooLarge),
            BodyLength::Exactly(length) => State::Exactly(length),
            BodyLength::Chunked => State::SIZE,
            BodyLength::UntilClose => State::UntilClose,
        };
        Ok(BodyDecoder {
            state,
            allowance: limit,
            extra: 0,
        })
    }

    /// Reads on in `input`, which starts behind what was used before. Returns how many
    /// bytes of it are used now, and what they held. Call again with the rest, be it
    /// empty, until the answer is [`Piece::More`] or [`Piece::End`].
    pub fn decode<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Piece<'i>), Error> {
        let result = self.advance(input);
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    fn advance<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Piece<'i>), Error> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            let rest = &input[used..];
            match self.state {
                State::End => break,
                State::Failed(error) => return Err(error),
                State::Exactly(left) => {
                    let data = prefix(rest, left);
                    self.state = match left - data.len() as u64 {
                        0 => State::End,
                        left => State::Exactly(left),
                    };
                    return Ok((used + data.len(), Piece::Data(data)));
                }
                State::Data(left) => {
                    let data = prefix(rest, left);
                    self.state = match left - data.len() as u64 {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    return Ok((used + data.len(), Piece::Data(data)));
                }
                State::UntilClose => {
                    let data = prefix(rest, self.allowance);
                    self.allowance -= data.len() as u64;
                    return match data {
                        [] => Err(Error::BodyTooLarge),
                        data => Ok((used + data.len(), Piece::Data(data))),
                    };
                }
                framing => self.state = self.step(framing, byte)?,
            }
            used += 1;
        }
        match self.state {
            State::End => Ok((used, Piece::End)),
            State::Failed(error) => Err(error),
            _ => Ok((used, Piece::More)),
        }
    }

    /// One byte of the chunked framing (RFC 9112 7.1).
    fn step(&mut self, state: State, byte: u8) -> Result<State, Error> {
        Ok(match (state, byte) {
            (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == MAX_CHUNK_DIGITS {
                    return Err(Error::ChunkSize);
                }
                let value = value << 4 | u64::from(hex_value(byte));
                let digits = digits + 1;
                State::Size { value, digits }
            }
            (State::Size { digits: 0, .. }, _) => return Err(Error::ChunkSize),
            (State::Size { value: size, .. }, b'\r') => State::SizeLf { size },
            (State::Size { value: size, .. } | State::SizeSpace { size }, b';') => {
                self.extra(State::Extension { size })?
            }
            (State::Size { value: size, .. } | State::SizeSpace { size }, b' ' | b'\t') => {
                self.extra(State::SizeSpace { size })?
            }
            (State::Size { .. }, _) => return Err(Error::ChunkSize),
            (State::Extension { size }, b'\r') => State::SizeLf { size },
            (State::Extension { size }, byte) if is_value_byte(byte) => {
                self.extra(State::Extension { size })?
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Trailer,
            (State::SizeLf { size }, b'\n') => {
                let left = self.allowance.checked_sub(size);
                self.allowance = left.ok_or(Error::BodyTooLarge)?;
                State::Data(size)
            }
            (State::SizeSpace { .. } | State::Extension { .. } | State::SizeLf { .. }, _) => {
                return Err(Error::ChunkLine);
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::SIZE,
            (State::DataCr | State::DataLf, _) => return Err(Error::ChunkEnd),

            (State::Trailer, b'\r') => State::LastLf,
            (State::Trailer | State::TrailerName, byte) if is_tchar(byte) => {
                self.extra(State::TrailerName)?
            }
            (State::TrailerName, b':') => self.extra(State::TrailerValue)?,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, byte) if is_value_byte(byte) => {
                self.extra(State::TrailerValue)?
            }
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::LastLf, b'\n') => State::End,
            _ => return Err(Error::Trailer),
        })
    }

    /// Counts a byte that is neither framing nor body, on the way to `next`.
    fn extra(&mut self, next: State) -> Result<State, Error> {
        if self.extra == MAX_CHUNK_EXTRA {
            return Err(Error::ChunkExtraTooLarge);
        }
        self.extra += 1;
        Ok(next)
    }

    /// Whether the body is complete: all of it was lent, and [`Piece::End`] comes next.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// What the next byte is.
    #[cfg(feature = "lens")]
    pub(crate) fn place(&self) -> Place {
        match self.state {
            State::Exactly(_) | State::Data(_) | State::UntilClose => Place::Data,
            State::Size { digits: 0, .. } => Place::Chunk,
            State::End => Place::End,
            _ => Place::Framing,
        }
    }

    /// Whether the body may end here because the peer has closed (RFC 9112 8).
    pub fn eof(&self) -> Result<(), Error> {
        match self.state {
            State::End | State::UntilClose => Ok(()),
            State::Failed(error) => Err(error),
            _ => Err(Error::Truncated),
        }
    }
}

/// What a [`BodyDecoder`] takes the next byte for.
#[cfg(feature = "lens")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A byte of the body.
    Data,
    /// The first byte of a chunk.
    Chunk,
    /// Any other byte of the chunked framing.
    Framing,
    /// Not of this body.
    End,
}

impl State {
    /// The start of a chunk's line.
    const SIZE: State = State::Size {
        value: 0,
        digits: 0,
    };
}

/// The first `length` bytes, or all if there are fewer.
fn prefix(bytes: &[u8], length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.get(..length).unwrap_or(bytes)
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Writes `data` as one chunk. No data is no chunk: an empty one would be the last.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[data.len() >> (place * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk, without trailers.
pub fn write_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests;
