//! How an answer is written: with a length or in chunks, in HTTP/1.1 or 1.0, with a body or, to HEAD, without one.
//!
//! A [`Form`] is what of the request decides that (RFC 9112 6.3, 9.3): it fits three booleans, so that a long poll or a promise
//! keeps it instead of the request. `Date` and the field that says what becomes of the connection come first, then the program's own
//! fields, then the length. A body in pieces is chunked in HTTP/1.1; in HTTP/1.0, where nothing but the end of the connection can say
//! where it ends, that is how it ends.

use crate::http::{self, FieldName, FieldValue, HeadWriter, HttpDate, Status};
use crate::response::{OwnedField, Response};

/// A field that asks caches and proxies to leave a realtime answer alone.
pub(super) const NO_STORE: (FieldName<'static>, FieldValue<'static>) = (
    FieldName::CACHE_CONTROL,
    FieldValue::from_static("no-store"),
);

/// nginx would otherwise hold back a stream until its buffer is full.
const NO_BUFFERING: (FieldName<'static>, FieldValue<'static>) = (
    FieldName::from_static("X-Accel-Buffering"),
    FieldValue::from_static("no"),
);

const WEBSOCKET: FieldValue<'static> = FieldValue::from_static("websocket");
const UPGRADE: FieldValue<'static> = FieldValue::from_static("Upgrade");
const UPGRADE_CLOSE: FieldValue<'static> = FieldValue::from_static("Upgrade, close");
const UPGRADE_KEEP_ALIVE: FieldValue<'static> = FieldValue::from_static("Upgrade, keep-alive");
const CLOSE: FieldValue<'static> = FieldValue::from_static("close");
const KEEP_ALIVE: FieldValue<'static> = FieldValue::from_static("keep-alive");
const CHUNKED: FieldValue<'static> = FieldValue::from_static("chunked");

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
        Form {
            keep_alive: false,
            http10: false,
            head_only: begun(bytes).starts_with(HEAD),
        }
    }

    /// Whether so little of a request has come that it may be HEAD or not. An answer to it has no body and says so, which
    /// is right for both.
    pub(super) fn may_become_head(bytes: &[u8]) -> bool {
        let begun = begun(bytes);
        begun != HEAD && HEAD.starts_with(begun)
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

    /// Writes the lines that every answer begins with. Whoever sends Upgrade lists it in Connection (RFC 9110 7.8), which is
    /// one field with all that is about this connection (7.6.1).
    fn start<'o>(
        self,
        out: &'o mut Vec<u8>,
        status: Status,
        date: &HttpDate,
        upgrade: bool,
    ) -> HeadWriter<'o> {
        let mut head = HeadWriter::response(out, status).field(FieldName::DATE, date.into());
        if upgrade {
            head = head.field(FieldName::UPGRADE, WEBSOCKET);
        }
        match (self.keep_alive, self.http10, upgrade) {
            (false, _, false) => head.field(FieldName::CONNECTION, CLOSE),
            (false, _, true) => head.field(FieldName::CONNECTION, UPGRADE_CLOSE),
            (true, true, false) => head.field(FieldName::CONNECTION, KEEP_ALIVE),
            (true, true, true) => head.field(FieldName::CONNECTION, UPGRADE_KEEP_ALIVE),
            (true, false, true) => head.field(FieldName::CONNECTION, UPGRADE),
            (true, false, false) => head,
        }
    }

    /// Writes a whole answer.
    pub(super) fn write(self, out: &mut Vec<u8>, date: &HttpDate, response: &Response) {
        self.write_with(out, date, response, &response.body);
    }

    /// Writes a whole answer with this body in place of its own.
    pub(super) fn write_with(
        self,
        out: &mut Vec<u8>,
        date: &HttpDate,
        response: &Response,
        body: &[u8],
    ) {
        let mut head = self.start(out, response.status, date, response.upgrade);
        if let Some(media_type) = response.content_type {
            head = head.field(FieldName::CONTENT_TYPE, FieldValue::from_static(media_type));
        }
        head = write_fields(head, &response.fields);
        if response.status == Status::NO_CONTENT || response.status == Status::NOT_MODIFIED {
            // Neither has a body, and 204 no Content-Length either (RFC 9110 8.6).
            return head.finish();
        }
        head.number(FieldName::CONTENT_LENGTH, body.len() as u64)
            .finish();
        if !self.head_only {
            out.extend_from_slice(body);
        }
    }

    /// Writes the head of an answer whose body follows in pieces, as [`Form::piece`] writes them. What `fields` say of the
    /// media type, of caches and of buffering goes before what is usual.
    pub(super) fn write_stream(
        self,
        out: &mut Vec<u8>,
        date: &HttpDate,
        media_type: FieldValue<'_>,
        fields: &[OwnedField],
    ) {
        let has = |usual: FieldName<'_>| {
            let mut names = fields.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case(usual.as_str()))
        };
        let mut head = self.in_pieces().start(out, Status::OK, date, false);
        if !has(FieldName::CONTENT_TYPE) {
            head = head.field(FieldName::CONTENT_TYPE, media_type);
        }
        head = write_fields(head, fields);
        for (name, value) in [NO_STORE, NO_BUFFERING] {
            if !has(name) {
                head = head.field(name, value);
            }
        }
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

/// How HEAD begins.
const HEAD: &[u8] = b"HEAD ";

/// The request that begins behind a few empty lines.
fn begun(bytes: &[u8]) -> &[u8] {
    (0..http::MAX_EMPTY_LINES).fold(bytes, |request, _| {
        request.strip_prefix(b"\r\n").unwrap_or(request)
    })
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
}
