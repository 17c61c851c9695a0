//! Responses: what they carry. How they are written is for the service to say.
//!
//! A [`Response`] can hold only what can be sent: a field is checked when it is added, and the first that is refused (a line break in
//! it, or one that the server writes itself) is remembered. Such a response goes out as a 500, and the program's error hook hears why,
//! so that a mistake is neither sent nor silent.

use std::borrow::Cow;

use crate::http::{self, FieldName, FieldValue, Status};

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
    /// The first field that was refused. Such a response is sent as a 500.
    pub(crate) problem: Option<http::Error>,
}

impl Response {
    fn new(content_type: Option<&'static str>, body: Cow<'static, [u8]>) -> Response {
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
        Response::new(Some("text/plain; charset=utf-8"), bytes_of(text.into()))
    }

    /// 200 with an HTML page.
    pub fn html(html: impl Into<Cow<'static, str>>) -> Response {
        Response::new(Some("text/html; charset=utf-8"), bytes_of(html.into()))
    }

    /// 200 with JSON, as text.
    pub fn json(json: impl Into<Cow<'static, str>>) -> Response {
        Response::new(Some("application/json"), bytes_of(json.into()))
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

    /// Another status. One outside 200 to 599 becomes 500: this is the final answer to a request, and 1xx is none.
    pub fn status(mut self, code: u16) -> Response {
        self.status = Status::new(code)
            .filter(|status| status.code() >= 200)
            .unwrap_or(Status::INTERNAL_SERVER_ERROR);
        self
    }

    /// Tells the client to switch to WebSocket.
    pub(crate) fn upgrade(mut self) -> Response {
        self.upgrade = true;
        self
    }

    /// One more field. If its name or value could inject a line or is no field for other reasons, the client gets
    /// a 500 and [`Server::on_error`](crate::Server::on_error) is told.
    ///
    /// `Content-Length`, `Transfer-Encoding`, `Connection`, `Upgrade` and `Date` are written by the server and
    /// refused here.
    pub fn header(self, name: &str, value: &str) -> Response {
        let mut extra = Extra::default();
        extra.add(name, value);
        self.with(extra)
    }

    /// The same with further fields, and their problem if they have one.
    pub(crate) fn with(mut self, extra: Extra) -> Response {
        self.fields.extend(extra.fields);
        self.problem = self.problem.or(extra.problem);
        self
    }
}

/// Fields for an answer that is not made yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) fields: Vec<OwnedField>,
    /// The first one that was refused.
    pub(crate) problem: Option<http::Error>,
}

impl Extra {
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        match check(name, value) {
            Ok(()) => self.fields.push((name.into(), value.as_bytes().into())),
            Err(error) => self.problem = self.problem.or(Some(error)),
        }
    }
}

fn bytes_of(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn check(name: &str, value: &str) -> Result<(), http::Error> {
    const OURS: [&str; 5] = [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "date",
    ];
    FieldName::new(name)?;
    FieldValue::new(value)?;
    if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        Err(http::Error::FieldName)
    } else {
        Ok(())
    }
}

/// An answer that says in words what was wrong.
pub(crate) fn refusal(status: Status, why: &str) -> Response {
    Response::text(format!("{status}: {why}\n")).status(status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_could_inject_a_line_is_a_problem_and_is_not_kept() {
        for (name, value) in [
            ("X-A", "b\r\nX-C: d"),
            ("X-A: b", "c"),
            ("", "x"),
            ("X-A", "\0"),
            ("Content-Length", "5"),
        ] {
            let response = Response::empty().header(name, value);
            assert!(
                response.problem.is_some() && response.fields.is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn an_informational_status_is_no_answer() {
        assert_eq!(
            Response::empty().status(101).status,
            Status::INTERNAL_SERVER_ERROR
        );
        assert_eq!(
            Response::empty().status(999).status,
            Status::INTERNAL_SERVER_ERROR
        );
    }
}
