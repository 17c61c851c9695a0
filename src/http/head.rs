//! Request and response heads: RFC 9112 2 to 5 and 9.3, RFC 9110 7.2 and 10.1.1.
//!
//! ```text
//!   method SP target SP HTTP/1.x CRLF          HTTP/1.x SP code SP reason CRLF
//!   *( name ":" OWS value OWS CRLF )           *( name ":" OWS value OWS CRLF )
//!   CRLF                                       CRLF
//! ```
//!
//! httparse splits the lines and checks the bytes. What it lets pass, and the RFC
//! or this crate does not, is checked here after it: LF alone as a line end, a
//! fragment in the target, a target of the wrong form for its method, and Host.
//!
//! The invariant: **a head that exists is valid**. Whoever holds one asks it
//! questions and never checks its syntax again. Everything it lends is a slice of
//! the bytes that were parsed; parsing allocates nothing.
//!
//! Stricter than RFC 9112 asks: folded lines (5.2) and bare CR and LF (2.2) are
//! refused in both roles, and so is a minor version above 1, which RFC 9110 2.5 would
//! read as HTTP/1.1.

use std::mem::MaybeUninit;

use super::uri::is_host;
use super::{Error, Fields, Form, Target};
use crate::scan::position;

/// Bytes in a head by default, its empty line included: 16 KiB.
pub const MAX_HEAD: usize = 16 * 1024;

/// Fields in a head by default: 100.
pub const MAX_FIELDS: usize = 100;

/// Bytes in a request target by default: 8 KiB. RFC 9112 3 asks for at least 8000.
pub const MAX_TARGET: usize = 8 * 1024;

/// RFC 9112 2.2: at least one empty line before a request line is ignored; this many are: 4.
pub const MAX_EMPTY_LINES: u8 = 4;

/// What [`HeadLimits::fields`] cannot exceed: the room on the stack for the fields of
/// one head while it is parsed.
const MAX_PARSED_FIELDS: usize = 256;

/// How large a head may be.
///
/// ```
/// use barewire::http::HeadLimits;
///
/// let limits = HeadLimits { target: 1024, ..HeadLimits::default() };
/// assert_eq!((limits.head, limits.fields), (16 * 1024, 100)); // the defaults
/// ```
///
/// Written as `HeadLimits { target, ..HeadLimits::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes in all, the empty line included. Default: 16 KiB ([`MAX_HEAD`]).
    pub head: usize,
    /// Fields; more than 256 count as 256. Default: 100 ([`MAX_FIELDS`]).
    pub fields: usize,
    /// Bytes of the request target. Default: 8 KiB ([`MAX_TARGET`]).
    pub target: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            head: MAX_HEAD,
            fields: MAX_FIELDS,
            target: MAX_TARGET,
        }
    }
}

/// The versions that this codec speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no expectations, closes unless asked otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// From httparse's minor version, which is 0 or 1 in what it completes.
    fn minor(minor: Option<u8>) -> Result<Version, Error> {
        match minor {
            Some(0) => Ok(Version::Http10),
            Some(1) => Ok(Version::Http11),
            _ => Err(Error::Version),
        }
    }
}

/// A complete and valid request head. A view: copying it copies no bytes.
///
/// ```
/// use barewire::http::{HeadLimits, RequestHead};
///
/// let head = b"GET /ticks?from=now HTTP/1.1\r\nHost: example.com\r\n\r\n";
/// let head = RequestHead::parse(head, &HeadLimits::default())?;
/// assert_eq!((head.method(), head.uri().path()), ("GET", "/ticks"));
/// assert_eq!(head.host(), Some("example.com"));
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'b> {
    method: &'b str,
    target: &'b str,
    uri: Target<'b>,
    version: Version,
    host: Option<&'b str>,
    fields: Fields<'b>,
}

impl<'b> RequestHead<'b> {
    /// Reads the complete head that a [`HeadFinder`](super::HeadFinder) found.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<RequestHead<'b>, Error> {
        if head.len() > limits.head {
            return Err(Error::HeadTooLarge);
        }
        let head = skip_empty_lines(head)?;

        let mut room = [const { MaybeUninit::uninit() }; MAX_PARSED_FIELDS];
        let room = &mut room[..limits.fields.min(MAX_PARSED_FIELDS)];
        let mut request = httparse::Request::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_request_with_uninit_headers(&mut request, head, room)
            .map_err(|error| explain(error, head, request_line_error))?;
        if parsed != httparse::Status::Complete(head.len()) {
            return Err(Error::Incomplete);
        }

        let fields = Fields::checked(field_lines(head)?, request.headers)?;
        let version = Version::minor(request.version)?;
        let method = request.method.ok_or(Error::RequestLine)?;
        let target = request.path.ok_or(Error::RequestLine)?;
        if target.len() > limits.target {
            return Err(Error::TargetTooLong);
        }
        let uri = Target::parse(target)?;
        match (uri.form(), method) {
            (Form::Authority, "CONNECT") | (Form::Asterisk, "OPTIONS") => {}
            (Form::Authority | Form::Asterisk, _) | (_, "CONNECT") => return Err(Error::Target),
            (Form::Origin | Form::Absolute, _) => {}
        }
        let host = host_field(fields, version)?;
        Ok(RequestHead {
            method,
            target,
            uri,
            version,
            // RFC 9112 3.2.2 and 3.2.3: an authority in the target goes before Host.
            host: uri.authority().or(host),
            fields,
        })
    }

    /// The method, as sent: methods are case-sensitive (RFC 9110 9.1), and one that
    /// nobody knows is for the server to refuse.
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// The target, as sent.
    pub fn target(&self) -> &'b str {
        self.target
    }

    /// The target in its parts: path and query.
    pub fn uri(&self) -> Target<'b> {
        self.uri
    }

    /// The version of the message.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'b> {
        self.fields
    }

    /// The host, and port if there is one, that the request is for: from the target if
    /// it names one, else from Host. `None` in HTTP/1.0 only.
    pub fn host(&self) -> Option<&'b str> {
        self.host
    }

    /// Whether the client expects the connection to stay after the answer (RFC 9112 9.3).
    pub fn keep_alive(&self) -> bool {
        keep_alive(self.version, self.fields)
    }

    /// Whether the client waits for a 100 before it sends the body (RFC 9110 10.1.1).
    /// Any other expectation is an error, 417. HTTP/1.0 expects nothing.
    pub fn expectation(&self) -> Result<bool, Error> {
        if self.version == Version::Http10 {
            return Ok(false);
        }
        let mut expected = false;
        for expectation in self.fields.tokens("expect") {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(Error::Expectation);
            }
            expected = true;
        }
        Ok(expected)
    }

    /// As [`RequestHead::expectation`], for a caller that has refused other expectations already.
    pub fn expects_continue(&self) -> bool {
        self.expectation() == Ok(true)
    }
}

/// A complete and valid response head. A view: copying it copies no bytes.
///
/// ```
/// use barewire::http::{HeadLimits, ResponseHead};
///
/// let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
/// let head = ResponseHead::parse(head, &HeadLimits::default())?;
/// assert_eq!((head.status(), head.fields().get_str("content-length")), (404, Some("0")));
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'b> {
    version: Version,
    status: u16,
    reason: &'b str,
    fields: Fields<'b>,
}

impl<'b> ResponseHead<'b> {
    /// Reads the complete head that a [`HeadFinder`](super::HeadFinder) found. No empty
    /// line is ignored before a status line.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<ResponseHead<'b>, Error> {
        if head.len() > limits.head {
            return Err(Error::HeadTooLarge);
        }
        if matches!(head, [b'\r' | b'\n', ..]) {
            return Err(Error::StatusLine);
        }

        let mut room = [const { MaybeUninit::uninit() }; MAX_PARSED_FIELDS];
        let room = &mut room[..limits.fields.min(MAX_PARSED_FIELDS)];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, head, room)
            .map_err(|error| explain(error, head, status_line_error))?;
        if parsed != httparse::Status::Complete(head.len()) {
            return Err(Error::Incomplete);
        }

        let fields = Fields::checked(field_lines(head)?, response.headers)?;
        // RFC 9110 15: the first digit is a class, and there is no class 0.
        let status = response.code.filter(|code| *code >= 100);
        Ok(ResponseHead {
            version: Version::minor(response.version)?,
            status: status.ok_or(Error::StatusLine)?,
            reason: response.reason.unwrap_or_default(),
            fields,
        })
    }

    /// The version of the message.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status code, 100 to 999. RFC 9110 15 has one of 600 and more read as a 5xx.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, for a human to read; empty when there is none or it is not ASCII.
    pub fn reason(&self) -> &'b str {
        self.reason
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'b> {
        self.fields
    }

    /// Whether the server will keep the connection (RFC 9112 9.3). The body must have an
    /// end of its own besides: see [`BodyLength::UntilClose`](super::BodyLength::UntilClose).
    pub fn keep_alive(&self) -> bool {
        keep_alive(self.version, self.fields)
    }
}

/// RFC 9112 9.3: `close` decides, then the version, then `keep-alive`.
fn keep_alive(version: Version, fields: Fields<'_>) -> bool {
    !fields.has_token("connection", "close")
        && (version == Version::Http11 || fields.has_token("connection", "keep-alive"))
}

/// RFC 9112 3.2: exactly one valid Host. HTTP/1.0 may have none. An empty one is
/// invalid: an http URI has a host (RFC 9110 4.2.1).
fn host_field<'b>(fields: Fields<'b>, version: Version) -> Result<Option<&'b str>, Error> {
    let mut hosts = fields.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Error::RepeatedHost),
        (Some(host), None) => match std::str::from_utf8(host) {
            Ok(host) if is_host(host) => Ok(Some(host)),
            _ => Err(Error::InvalidHost),
        },
        (None, _) if version == Version::Http10 => Ok(None),
        (None, _) => Err(Error::MissingHost),
    }
}

/// RFC 9112 2.2: skips the few empty lines that may stand before a request line.
fn skip_empty_lines(mut head: &[u8]) -> Result<&[u8], Error> {
    for _ in 0..MAX_EMPTY_LINES {
        head = head.strip_prefix(b"\r\n").unwrap_or(head);
    }
    match head {
        [b'\r', b'\n', ..] => Err(Error::TooManyEmptyLines),
        [b'\n', ..] => Err(Error::BareLineFeed),
        _ => Ok(head),
    }
}

/// What stands between the start line and the empty line, in a head that httparse
/// completed.
fn field_lines(head: &[u8]) -> Result<&[u8], Error> {
    let (line, rest) = split_line(head);
    if !line.ends_with(b"\r") {
        return Err(Error::BareLineFeed);
    }
    rest.strip_suffix(b"\r\n").ok_or(Error::BareLineFeed)
}

/// The first line without its LF, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match position(bytes, |byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// What httparse's error means. It has few words for many violations; the lines
/// themselves say more, and there is time to read them once more on the way out.
fn explain(error: httparse::Error, head: &[u8], start_line: fn(&[u8]) -> Error) -> Error {
    let (line, rest) = split_line(head);
    let bare = |pair: &[u8]| pair[0] == b'\r' && pair[1] != b'\n';
    match error {
        _ if head.windows(2).any(bare) => Error::BareCarriageReturn,
        _ if head.contains(&0) => Error::Nul,
        httparse::Error::TooManyHeaders => Error::TooManyFields,
        httparse::Error::HeaderName => field_line_error(rest),
        httparse::Error::HeaderValue => Error::FieldValue,
        _ => start_line(line.strip_suffix(b"\r").unwrap_or(line)),
    }
}

/// Why httparse took the line for no request line.
fn request_line_error(line: &[u8]) -> Error {
    let mut words = line.split(|&byte| byte == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some(version), None) if !target.is_empty() => {
            match super::is_token(method) {
                false => Error::Method,
                true if is_other_version(version) => Error::Version,
                true => Error::RequestLine,
            }
        }
        _ => Error::RequestLine,
    }
}

/// Why httparse took the line for no status line.
fn status_line_error(line: &[u8]) -> Error {
    match line.get(..8).is_some_and(is_other_version) {
        true => Error::Version,
        false => Error::StatusLine,
    }
}

/// Whether `word` is an HTTP version (RFC 9112 2.3), of a version that is not ours.
fn is_other_version(word: &[u8]) -> bool {
    match word {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => {
            major.is_ascii_digit()
                && minor.is_ascii_digit()
                && !(*major == b'1' && matches!(minor, b'0' | b'1'))
        }
        _ => false,
    }
}

/// Why httparse took one of the lines for no field line.
fn field_line_error(mut lines: &[u8]) -> Error {
    while !lines.is_empty() {
        let (line, rest) = split_line(lines);
        lines = rest;
        if matches!(line, [b' ' | b'\t', ..]) {
            return Error::FoldedLine;
        }
        let name = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => &line[..colon],
            None if matches!(line, [] | [b'\r']) => break,
            None => return Error::FieldLine,
        };
        match name {
            [.., b' ' | b'\t'] => return Error::SpaceBeforeColon,
            _ if !super::is_token(name) => return Error::FieldName,
            _ => {}
        }
    }
    Error::FieldName
}
