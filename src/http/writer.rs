//! Writing heads: RFC 9112 3 and 4, RFC 9110 5.5 and 15.
//!
//! ```text
//!   HTTP/1.1 SP 200 SP OK CRLF        HeadWriter::response
//!   name ":" SP value CRLF            .field(name, value), .number(name, n)
//!   CRLF                              .finish()
//! ```
//!
//! Whoever can put a line end into a head writes the rest of the connection (response
//! splitting). So a line end cannot get here: **what can be built can be sent**.
//! [`Status`], [`FieldName`] and [`FieldValue`] check their bytes when they are made,
//! literals at compile time, and the writer takes nothing else. Nothing is escaped or
//! left out; what does not fit is refused where it came from.
//!
//! Which fields a message needs (Content-Length, Date, Connection) is the caller's
//! business; this file only knows lines.

use super::{Error, HttpDate, Status, Target, is_token, is_value_byte, trim_ows};

/// A field name that can be written: a token (RFC 9110 5.1).
///
/// ```
/// use barewire::http::FieldName;
///
/// assert!(FieldName::new("X-Request-Id").is_ok());
/// assert!(FieldName::new("X-Evil: 1\r\nSet-Cookie").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldName<'a>(&'a str);

/// Names that this crate writes itself.
macro_rules! names {
    ($($name:ident $text:literal)*) => {
        impl FieldName<'static> {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: FieldName<'static> = FieldName::from_static($text);
            )*
        }
    };
}

names! {
    ACCEPT "Accept"
    ACCEPT_ENCODING "Accept-Encoding"
    AGE "Age"
    ALLOW "Allow"
    AUTHORIZATION "Authorization"
    CACHE_CONTROL "Cache-Control"
    CONNECTION "Connection"
    CONTENT_LENGTH "Content-Length"
    CONTENT_TYPE "Content-Type"
    DATE "Date"
    ETAG "ETag"
    HOST "Host"
    IDEMPOTENCY_KEY "Idempotency-Key"
    LAST_EVENT_ID "Last-Event-ID"
    LOCATION "Location"
    ORIGIN "Origin"
    PREFER "Prefer"
    RETRY_AFTER "Retry-After"
    SEC_WEBSOCKET_ACCEPT "Sec-WebSocket-Accept"
    SEC_WEBSOCKET_EXTENSIONS "Sec-WebSocket-Extensions"
    SEC_WEBSOCKET_KEY "Sec-WebSocket-Key"
    SEC_WEBSOCKET_PROTOCOL "Sec-WebSocket-Protocol"
    SEC_WEBSOCKET_VERSION "Sec-WebSocket-Version"
    TRANSFER_ENCODING "Transfer-Encoding"
    UPGRADE "Upgrade"
    USER_AGENT "User-Agent"
    VARY "Vary"
    WWW_AUTHENTICATE "WWW-Authenticate"
}

impl<'a> FieldName<'a> {
    /// A name that comes from outside; refused if it is not a token.
    pub const fn new(name: &'a str) -> Result<FieldName<'a>, Error> {
        match is_token(name.as_bytes()) {
            true => Ok(FieldName(name)),
            false => Err(Error::FieldName),
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl FieldName<'static> {
    /// A name that stands in the program. In a constant, a bad one does not compile.
    ///
    /// # Panics
    /// Outside of a constant, if the name is not a token.
    pub const fn from_static(name: &'static str) -> FieldName<'static> {
        assert!(is_token(name.as_bytes()), "a field name is a token");
        FieldName(name)
    }
}

/// A field value that can be written: no control character but HTAB, no white space
/// around it (RFC 9110 5.5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldValue<'a>(&'a [u8]);

impl<'a> FieldValue<'a> {
    /// A value that comes from outside; refused if it holds CR, LF, NUL or another
    /// control, or begins or ends with white space.
    pub fn new<T: AsRef<[u8]> + ?Sized>(value: &'a T) -> Result<FieldValue<'a>, Error> {
        let value = value.as_ref();
        match value.iter().all(|&byte| is_value_byte(byte)) && trim_ows(value).len() == value.len()
        {
            true => Ok(FieldValue(value)),
            false => Err(Error::FieldValue),
        }
    }

    /// The value.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl FieldValue<'static> {
    /// A value that stands in the program. In a constant, a bad one does not compile.
    ///
    /// # Panics
    /// Outside of a constant, if the value is not one that [`FieldValue::new`] accepts.
    pub const fn from_static(value: &'static str) -> FieldValue<'static> {
        let bytes = value.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(is_value_byte(bytes[at]), "a field value holds no control");
            let edge = at == 0 || at + 1 == bytes.len();
            assert!(
                !(edge && matches!(bytes[at], b' ' | b'\t')),
                "a field value has no white space around it"
            );
            at += 1;
        }
        FieldValue(bytes)
    }
}

impl<'a> From<&'a HttpDate> for FieldValue<'a> {
    fn from(date: &'a HttpDate) -> FieldValue<'a> {
        FieldValue(date.as_ref())
    }
}

impl std::fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&String::from_utf8_lossy(self.0), f)
    }
}

/// Writes a head into a buffer, line by line.
///
/// ```
/// use barewire::http::{FieldName, FieldValue, HeadWriter, Status};
///
/// let mut out = Vec::new();
/// HeadWriter::response(&mut out, Status::OK)
///     .field(FieldName::CONTENT_TYPE, FieldValue::from_static("text/plain"))
///     .number(FieldName::CONTENT_LENGTH, 2)
///     .finish();
/// out.extend_from_slice(b"hi");
/// assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
/// ```
#[derive(Debug)]
#[must_use = "a head is complete when it is finished"]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> HeadWriter<'o> {
    /// Starts a response. It is HTTP/1.1 always, whatever the request was (RFC 9110 6.2).
    pub fn response(out: &'o mut Vec<u8>, status: Status) -> HeadWriter<'o> {
        out.extend_from_slice(b"HTTP/1.1 ");
        write_decimal(out, u64::from(status.code()));
        // RFC 9112 4: this space is sent even when no reason follows.
        out.push(b' ');
        out.extend_from_slice(status.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        HeadWriter { out }
    }

    /// Starts a request. The method must be a token and the target of one of the forms
    /// of RFC 9112 3.2; nothing is written otherwise.
    pub fn request(
        out: &'o mut Vec<u8>,
        method: &str,
        target: &str,
    ) -> Result<HeadWriter<'o>, Error> {
        if !is_token(method.as_bytes()) {
            return Err(Error::Method);
        }
        Target::parse(target)?;
        for part in [method, " ", target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        Ok(HeadWriter { out })
    }

    /// Adds a field.
    pub fn field(self, name: FieldName<'_>, value: FieldValue<'_>) -> Self {
        self.out.extend_from_slice(name.as_str().as_bytes());
        self.out.extend_from_slice(b": ");
        self.out.extend_from_slice(value.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a field whose value is a number.
    pub fn number(self, name: FieldName<'_>, value: u64) -> Self {
        self.out.extend_from_slice(name.as_str().as_bytes());
        self.out.extend_from_slice(b": ");
        write_decimal(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Writes the empty line.
    pub fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes `value` in decimal digits.
fn write_decimal(out: &mut Vec<u8>, mut value: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_its_lines() {
        let mut out = b"before".to_vec();
        HeadWriter::response(&mut out, Status::new(299).unwrap())
            .field(
                FieldName::new("X").unwrap(),
                FieldValue::new("a\tb").unwrap(),
            )
            .field(
                FieldName::new("Empty").unwrap(),
                FieldValue::new("").unwrap(),
            )
            .field(FieldName::DATE, (&HttpDate::from_unix(784_111_777)).into())
            .number(FieldName::CONTENT_LENGTH, u64::MAX)
            .number(FieldName::RETRY_AFTER, 0)
            .finish();
        let expected = "beforeHTTP/1.1 299 \r\nX: a\tb\r\nEmpty: \r\n\
            Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
            Content-Length: 18446744073709551615\r\nRetry-After: 0\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_request_that_cannot_be_sent_is_not_begun() {
        let mut out = Vec::new();
        for (method, target) in [
            ("G T", "/"),
            ("", "/"),
            ("GET", "/\r\nX: y"),
            ("GET", "/ HTTP/1.1"),
        ] {
            assert!(HeadWriter::request(&mut out, method, target).is_err());
        }
        assert!(out.is_empty());
        HeadWriter::request(&mut out, "GET", "/a").unwrap().finish();
        assert_eq!(out, b"GET /a HTTP/1.1\r\n\r\n");
    }

    // RFC 9110 5.1 and 5.5

    #[test]
    fn a_line_end_has_no_way_into_a_head() {
        for name in ["", "a b", "a:", "a\r\n", "a\n", "a\0", "\u{e9}", "(a)"] {
            assert_eq!(FieldName::new(name), Err(Error::FieldName), "{name:?}");
        }
        for value in [
            "a\r\nb", "a\rb", "a\n", "\0", "a\x0b", "\x7f", " a", "a ", "\ta", "a\t", " ",
        ] {
            assert_eq!(FieldValue::new(value), Err(Error::FieldValue), "{value:?}");
        }
        assert!(FieldValue::new("a \u{e9} \t b").is_ok());
        assert!(FieldValue::new(&[0xffu8]).is_ok());
    }
}
