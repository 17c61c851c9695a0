//! Responses: what they carry. How they are written is for the service to say.
//!
//! A program gives statuses and fields as text, wherever it makes a response: in a handler, or in a thread and much
//! later. What can't be sent is remembered as the response's problem, and whoever is to send it answers 500 and reports
//! the problem: nothing that a program asked for is left out in silence.
//!
//! A field that a message has once at most (RFC 9110 5.3) is replaced by a later one of its name; of others there may be
//! several. Fields that frame the message or are about the connection are the server's to write: with a second
//! Content-Length the next answer would begin in the middle of this one.

use std::borrow::Cow;
use std::fmt;

use crate::http::{FieldName, FieldValue, Status};

/// A field that was checked when it was added.
pub(crate) type OwnedField = (Box<str>, Box<[u8]>);

/// A whole response: a status, fields, and a body.
///
/// ```
/// use barewire::Response;
/// let response = Response::json("{\"ok\":true}").status(201).header("X-Trace", "7");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a response does nothing until it is sent"]
pub struct Response {
    pub(crate) status: Status,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) fields: Vec<OwnedField>,
    pub(crate) body: Cow<'static, [u8]>,
    /// It tells the client to switch to WebSocket (RFC 9110 7.8).
    pub(crate) upgrade: bool,
    /// The first thing that was refused. Such a response is sent as a 500.
    pub(crate) problem: Option<ResponseError>,
}

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

impl Response {
    pub(crate) fn new(content_type: Option<&'static str>, body: Cow<'static, [u8]>) -> Response {
        Response {
            status: Status::OK,
            content_type,
            fields: Vec::new(),
            body,
            upgrade: false,
            problem: None,
        }
    }

    /// 200 with plain text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Response {
        Response::new(Some(TEXT), bytes_of(text.into()))
    }

    /// 200 with an HTML page.
    pub fn html(html: impl Into<Cow<'static, str>>) -> Response {
        Response::new(Some(HTML), bytes_of(html.into()))
    }

    /// 200 with JSON, as text.
    pub fn json(json: impl Into<Cow<'static, str>>) -> Response {
        Response::new(Some(JSON), bytes_of(json.into()))
    }

    /// 200 with bytes of a media type. A type that can't be written is a problem of the response's, like a field's.
    pub fn bytes(media_type: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Response {
        Response::new(None, bytes.into()).header("Content-Type", media_type)
    }

    /// 204: done, and nothing to say.
    pub fn empty() -> Response {
        Response {
            status: Status::NO_CONTENT,
            ..Response::new(None, Cow::Borrowed(b""))
        }
    }

    /// Another status, 200 to 599: this is the final answer to a request, and 1xx is not (RFC 9110 15.2). With any other
    /// code the client gets a 500, and [`Server::on_error`](crate::Server::on_error) the reason.
    pub fn status(mut self, code: u16) -> Response {
        match Status::new(code).filter(|status| status.code() >= 200) {
            Some(status) => self.status = status,
            None => self.refuse(ResponseError::Status(code)),
        }
        self
    }

    /// Tells the client to switch to WebSocket.
    pub(crate) fn upgrade(mut self) -> Response {
        self.upgrade = true;
        self
    }

    /// One more field. A field that a message has only once, such as `Content-Type` or `ETag`, replaces the one that was
    /// there.
    ///
    /// A field that can't be sent ([`ResponseError`]) gives the client a 500, and
    /// [`Server::on_error`](crate::Server::on_error) the reason: a name or a value that could inject a line;
    /// `Content-Length`, `Transfer-Encoding`, `Connection`, `Upgrade` and `Date`, which the server writes; and fields of
    /// requests, such as `Host`.
    pub fn header(mut self, name: &str, value: &str) -> Response {
        match check(name, value) {
            Ok(()) => self.put(name.into(), value.as_bytes().into()),
            Err(problem) => self.refuse(problem),
        }
        self
    }

    /// The same with further fields, and their problem if they have one.
    pub(crate) fn with(mut self, extra: Extra) -> Response {
        for (name, value) in extra.fields {
            self.put(name, value);
        }
        extra.problem.into_iter().for_each(|it| self.refuse(it));
        self
    }

    fn put(&mut self, name: Box<str>, value: Box<[u8]>) {
        if name.eq_ignore_ascii_case(FieldName::CONTENT_TYPE.as_str()) {
            self.content_type = None;
        }
        put(&mut self.fields, name, value);
    }

    fn refuse(&mut self, problem: ResponseError) {
        self.problem.get_or_insert(problem);
    }
}

/// Fields for an answer that is not made yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) fields: Vec<OwnedField>,
    /// The first one that was refused.
    pub(crate) problem: Option<ResponseError>,
}

impl Extra {
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        match check(name, value) {
            Ok(()) => put(&mut self.fields, name.into(), value.as_bytes().into()),
            Err(error) => {
                self.problem.get_or_insert(error);
            }
        }
    }
}

/// Fields that a message has once at most (RFC 9110 5.3): those that are no lists.
const SINGLE: [&str; 18] = [
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Origin",
    "Access-Control-Max-Age",
    "Age",
    "Content-Disposition",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Expires",
    "Last-Event-ID",
    "Last-Modified",
    "Location",
    "Refresh",
    "Retry-After",
    "Server",
    "Strict-Transport-Security",
    "X-Accel-Buffering",
];

/// Adds a field, in place of an earlier one where there can be only one.
fn put(fields: &mut Vec<OwnedField>, name: Box<str>, value: Box<[u8]>) {
    let is_same = |earlier: &OwnedField| earlier.0.eq_ignore_ascii_case(&name);
    if fields.iter().any(is_same) && SINGLE.iter().any(|it| it.eq_ignore_ascii_case(&name)) {
        fields.retain(|earlier| !is_same(earlier));
    }
    fields.push((name, value));
}

fn bytes_of(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Why a response can't be sent as the program made it. Its client got a 500 instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The code is not that of a final answer, 200 to 599 (RFC 9110 15).
    Status(u16),
    /// The name of a field is not a token (RFC 9110 5.1).
    Name(Box<str>),
    /// The value of this field holds a line break or another control character, or begins or ends with white space
    /// (RFC 9110 5.5).
    Value(Box<str>),
    /// The server writes this field itself, as it frames and dates the message (RFC 9112 6, RFC 9110 6.6.1).
    Framing(Box<str>),
    /// This field is about the connection, which is the server's (RFC 9110 7.6.1).
    Connection(Box<str>),
    /// This field is one of requests, and means nothing in a response (RFC 9110 7.2 and 10.1).
    Request(Box<str>),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Status(code) => write!(
                f,
                "{code} is not the status of a final answer, which is 200 to 599"
            ),
            ResponseError::Name(name) => {
                write!(f, "{name:?} is not a field's name, which is a token")
            }
            ResponseError::Value(name) => write!(
                f,
                "the value of {name} holds a line break or another control character, or has white space around it"
            ),
            ResponseError::Framing(name) => write!(f, "{name} is written by the server itself"),
            ResponseError::Connection(name) => {
                write!(f, "{name} is about the connection, which is the server's")
            }
            ResponseError::Request(name) => {
                write!(
                    f,
                    "{name} is a field of requests, and means nothing in a response"
                )
            }
        }
    }
}

impl std::error::Error for ResponseError {}

fn check(name: &str, value: &str) -> Result<(), ResponseError> {
    const FRAMING: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Trailer", "Date"];
    const CONNECTION: [&str; 4] = ["Connection", "Upgrade", "Keep-Alive", "Proxy-Connection"];
    const REQUEST: [&str; 4] = ["Host", "TE", "Expect", "Cookie"];
    let is_in = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
    if FieldName::new(name).is_err() {
        return Err(ResponseError::Name(name.into()));
    }
    if is_in(&FRAMING) {
        return Err(ResponseError::Framing(name.into()));
    }
    if is_in(&CONNECTION) {
        return Err(ResponseError::Connection(name.into()));
    }
    if is_in(&REQUEST) {
        return Err(ResponseError::Request(name.into()));
    }
    if FieldValue::new(value).is_err() {
        return Err(ResponseError::Value(name.into()));
    }
    Ok(())
}

/// What a client is to wait before it tries again, in seconds, when it is answered 503 (RFC 9110 10.2.3).
pub(crate) const RETRY_AFTER: &str = "1";

/// An answer that says in words what was wrong, and with 503 when to try again.
pub(crate) fn refusal(status: Status, why: &str) -> Response {
    let response = Response::text(format!("{status}: {why}\n")).status(status.code());
    match status {
        Status::SERVICE_UNAVAILABLE => response.header("Retry-After", RETRY_AFTER),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_a_problem_that_names_field_and_rule_and_is_not_kept() {
        use ResponseError::*;
        for (name, value, problem, rule) in [
            ("X-A", "b\r\nX-C: d", Value("X-A".into()), "line break"),
            ("X-A", "\0", Value("X-A".into()), "control"),
            ("X-A", " b", Value("X-A".into()), "white space"),
            ("X-A: b", "c", Name("X-A: b".into()), "token"),
            ("", "x", Name("".into()), "token"),
            (
                "content-length",
                "5",
                Framing("content-length".into()),
                "by the server",
            ),
            (
                "Transfer-Encoding",
                "x",
                Framing("Transfer-Encoding".into()),
                "by the server",
            ),
            ("Date", "today", Framing("Date".into()), "by the server"),
            (
                "Connection",
                "close",
                Connection("Connection".into()),
                "connection",
            ),
            (
                "Keep-Alive",
                "x",
                Connection("Keep-Alive".into()),
                "connection",
            ),
            ("Host", "a", Request("Host".into()), "requests"),
            ("Cookie", "a=b", Request("Cookie".into()), "requests"),
        ] {
            let response = Response::empty().header(name, value).header("X-B", "\n");
            let why = problem.to_string();
            assert!(why.contains(rule) && why.contains(name), "{why}");
            assert_eq!(response.problem, Some(problem));
            assert!(response.fields.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_informational_status_is_no_answer() {
        for code in [0, 100, 101, 199, 600, 999] {
            let response = Response::empty().status(code);
            assert_eq!(response.problem, Some(ResponseError::Status(code)));
        }
        assert_eq!(Response::empty().status(200).problem, None);
    }

    #[test]
    fn a_field_that_a_message_has_once_is_replaced_and_others_are_not() {
        let response = Response::json("{}")
            .header("content-type", "application/problem+json")
            .header("ETag", "\"1\"")
            .header("Set-Cookie", "a=b")
            .header("etag", "\"2\"")
            .header("Set-Cookie", "c=d");
        assert_eq!(response.content_type, None);
        let fields: Vec<(&str, &[u8])> =
            response.fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(
            fields,
            [
                ("content-type", &b"application/problem+json"[..]),
                ("Set-Cookie", b"a=b"),
                ("etag", b"\"2\""),
                ("Set-Cookie", b"c=d"),
            ]
        );
    }
}
