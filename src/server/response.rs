//! Responses: what they carry, and how they are written.

use std::borrow::Cow;

use crate::http::{self, FieldName, FieldValue, HeadWriter, HttpDate, Status};

/// A field that asks caches and proxies to leave a realtime answer alone.
pub(super) const NO_STORE: (FieldName<'static>, FieldValue<'static>) = (
    FieldName::CACHE_CONTROL,
    FieldValue::from_static("no-store"),
);

const WEBSOCKET: FieldValue<'static> = FieldValue::from_static("websocket");
const UPGRADE: FieldValue<'static> = FieldValue::from_static("Upgrade");
const CLOSE: FieldValue<'static> = FieldValue::from_static("close");
const KEEP_ALIVE: FieldValue<'static> = FieldValue::from_static("keep-alive");
const CHUNKED: FieldValue<'static> = FieldValue::from_static("chunked");

/// A field that was checked when it was added.
pub(super) type OwnedField = (Box<str>, Box<[u8]>);

/// A whole response: a status, fields, and a body.
///
/// ```
/// use barewire::Response;
/// let response = Response::json("{\"ok\":true}").status(201).header("X-Trace", "7");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a response does nothing until it is sent"]
pub struct Response {
    pub(super) status: Status,
    pub(super) content_type: Option<&'static str>,
    pub(super) fields: Vec<OwnedField>,
    pub(super) body: Cow<'static, [u8]>,
    /// It tells the client to switch to WebSocket (RFC 9110 7.8).
    pub(super) upgrade: bool,
    /// The first field that was refused. Such a response is sent as a 500.
    pub(super) problem: Option<http::Error>,
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
    pub(super) fn upgrade(mut self) -> Response {
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
    pub(super) fn with(mut self, extra: Extra) -> Response {
        self.fields.extend(extra.fields);
        self.problem = self.problem.or(extra.problem);
        self
    }
}

/// Fields for an answer that is not made yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    pub(super) fields: Vec<OwnedField>,
    /// The first one that was refused.
    pub(super) problem: Option<http::Error>,
}

impl Extra {
    pub(super) fn add(&mut self, name: &str, value: &str) {
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

/// What decides the form of an answer, taken from its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// The connection goes on after it.
    pub(super) keep_alive: bool,
    /// The client speaks HTTP/1.0: no chunks, and `keep-alive` has to be said.
    pub(super) http10: bool,
    /// The request was HEAD: the head as if there were a body, but no body (RFC 9110 9.3.2).
    pub(super) head_only: bool,
}

impl Form {
    pub(super) fn of(head: &http::RequestHead<'_>, draining: bool) -> Form {
        Form {
            keep_alive: head.keep_alive() && !draining,
            http10: head.version() == http::Version::Http10,
            head_only: head.method() == "HEAD",
        }
    }

    /// For a request that could not be read, or not to its end. That it is HEAD shows all the same, behind a few empty
    /// lines (RFC 9112 2.2).
    pub(super) fn unread(bytes: &[u8]) -> Form {
        let mut request = bytes;
        for _ in 0..http::MAX_EMPTY_LINES {
            request = request.strip_prefix(b"\r\n").unwrap_or(request);
        }
        Form {
            keep_alive: false,
            http10: false,
            head_only: request.starts_with(b"HEAD "),
        }
    }

    /// For an answer behind which the connection ends.
    pub(super) const fn last(self) -> Form {
        Form {
            keep_alive: false,
            ..self
        }
    }

    /// For an answer in pieces: in HTTP/1.0 nothing but the end of the connection tells where it ends.
    pub(super) const fn in_pieces(self) -> Form {
        Form {
            keep_alive: self.keep_alive && !self.http10,
            ..self
        }
    }

    fn start<'o>(self, out: &'o mut Vec<u8>, status: Status, date: &HttpDate) -> HeadWriter<'o> {
        let head = HeadWriter::response(out, status).field(FieldName::DATE, date.into());
        match (self.keep_alive, self.http10) {
            (false, _) => head.field(FieldName::CONNECTION, CLOSE),
            (true, true) => head.field(FieldName::CONNECTION, KEEP_ALIVE),
            (true, false) => head,
        }
    }

    /// Writes a whole answer.
    pub(super) fn write(self, out: &mut Vec<u8>, date: &HttpDate, response: &Response) {
        let mut head = self.start(out, response.status, date);
        if response.upgrade {
            head = head
                .field(FieldName::UPGRADE, WEBSOCKET)
                .field(FieldName::CONNECTION, UPGRADE);
        }
        if let Some(media_type) = response.content_type {
            head = head.field(FieldName::CONTENT_TYPE, FieldValue::from_static(media_type));
        }
        head = write_fields(head, &response.fields);
        if response.status == Status::NO_CONTENT || response.status == Status::NOT_MODIFIED {
            // Neither has a body, and 204 no Content-Length either (RFC 9110 8.6).
            return head.finish();
        }
        head.number(FieldName::CONTENT_LENGTH, response.body.len() as u64)
            .finish();
        if !self.head_only {
            out.extend_from_slice(&response.body);
        }
    }

    /// Writes the head of an answer whose body follows in pieces, as [`Form::piece`] writes them.
    pub(super) fn write_stream(
        self,
        out: &mut Vec<u8>,
        date: &HttpDate,
        media_type: FieldValue<'_>,
        fields: &[OwnedField],
    ) {
        let head = self
            .in_pieces()
            .start(out, Status::OK, date)
            .field(FieldName::CONTENT_TYPE, media_type);
        let head = write_fields(head, fields);
        let head = head.field(NO_STORE.0, NO_STORE.1);
        // nginx would otherwise hold back a stream until its buffer is full.
        let head = head.field(
            FieldName::from_static("X-Accel-Buffering"),
            FieldValue::from_static("no"),
        );
        if self.http10 {
            head.finish()
        } else {
            head.field(FieldName::TRANSFER_ENCODING, CHUNKED).finish()
        }
    }

    /// Writes a piece of a streamed body.
    pub(super) fn piece(self, out: &mut Vec<u8>, piece: &[u8]) {
        match (self.head_only, self.http10) {
            (true, _) => {}
            (false, true) => out.extend_from_slice(piece),
            (false, false) => http::write_chunk(out, piece),
        }
    }

    /// Writes the end of a streamed body. In HTTP/1.0 that is the end of the connection.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if !self.http10 && !self.head_only {
            http::write_last_chunk(out);
        }
    }
}

fn write_fields<'o>(mut head: HeadWriter<'o>, fields: &[OwnedField]) -> HeadWriter<'o> {
    for (name, value) in fields {
        // They were checked when they were added.
        if let (Ok(name), Ok(value)) = (FieldName::new(name), FieldValue::new(value)) {
            head = head.field(name, value);
        }
    }
    head
}

/// An answer that says in words what was wrong.
pub(super) fn refusal(status: Status, why: &str) -> Response {
    Response::text(format!("{status}: {why}\n")).status(status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Form = Form {
        keep_alive: true,
        http10: false,
        head_only: false,
    };

    fn written(form: Form, response: &Response) -> String {
        let mut out = Vec::new();
        form.write(&mut out, &HttpDate::from_unix(784111777), response);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_has_a_date_a_length_and_its_fields() {
        let response = Response::text("hi").status(201).header("X-A", "b");
        assert_eq!(
            written(KEPT, &response),
            "HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain; charset=utf-8\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn head_gets_the_length_without_the_body_and_204_neither() {
        let head = Form {
            head_only: true,
            ..KEPT
        };
        assert!(written(head, &Response::text("hi")).ends_with("Content-Length: 2\r\n\r\n"));
        assert!(!written(KEPT, &Response::empty()).contains("Content-Length"));
    }

    #[test]
    fn the_connection_field_says_what_is_not_the_versions_default() {
        assert!(written(Form::unread(b""), &Response::empty()).contains("Connection: close\r\n"));
        let old = Form {
            http10: true,
            ..KEPT
        };
        assert!(written(old, &Response::empty()).contains("Connection: keep-alive\r\n"));
        assert!(!written(KEPT, &Response::empty()).contains("Connection"));
    }

    #[test]
    fn an_answer_in_pieces_is_the_last_of_an_http_10_connection() {
        let old = Form {
            http10: true,
            ..KEPT
        };
        for (form, field) in [(old, "Connection: close\r\n"), (KEPT, "chunked\r\n")] {
            let mut out = Vec::new();
            let media_type = FieldValue::from_static("text/plain");
            form.write_stream(&mut out, &HttpDate::from_unix(0), media_type, &[]);
            let head = String::from_utf8(out).unwrap();
            assert!(
                head.contains(field) && !head.contains("keep-alive"),
                "{head}"
            );
        }
    }

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
