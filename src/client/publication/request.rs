//! The request that publishes a message. It is the same in every try.

use crate::channel::Post;
use crate::client::error::Error;
use crate::client::options::written;
use crate::client::url::Url;
use crate::http::{FieldName, FieldValue, HeadWriter};
use crate::net::Output;

/// Writes it, body and all.
///
/// # Errors
/// A field can't be sent. What is checked before it is kept can be.
pub(super) fn write(
    url: &Url,
    fields: &[(String, String)],
    post: &Post,
    out: &mut Output,
) -> Result<(), Error> {
    let target = target(&url.target, post.event_name());
    let host = url.authority();
    let (body, media_type) = match post.data().as_text() {
        Some(text) => (text.as_bytes(), "text/plain; charset=utf-8"),
        None => (post.data().as_bytes(), "application/octet-stream"),
    };
    let mut bytes = Vec::new();
    let mut head = HeadWriter::request(&mut bytes, "POST", &target)
        .map_err(Error::Field)?
        .field(
            FieldName::HOST,
            FieldValue::new(&host).map_err(Error::Field)?,
        )
        .field(
            FieldName::ACCEPT,
            FieldValue::from_static("application/json"),
        )
        .field(
            FieldName::ACCEPT_ENCODING,
            FieldValue::from_static("identity"),
        );
    if let Some(key) = post.idempotency_key() {
        head = head.field(
            FieldName::IDEMPOTENCY_KEY,
            FieldValue::new(key).map_err(Error::Field)?,
        );
    }
    let names_its_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if !fields.iter().any(names_its_type) {
        head = head.field(FieldName::CONTENT_TYPE, FieldValue::from_static(media_type));
    }
    for (name, value) in written(fields) {
        head = head.field(name, value);
    }
    head.number(FieldName::CONTENT_LENGTH, body.len() as u64)
        .finish();
    out.copy(&bytes);
    out.copy(body);
    Ok(())
}

/// The target of the request: that of the URL, with the event's name in front of what its query holds, as the first one counts.
fn target(target: &str, event: Option<&str>) -> String {
    let Some(event) = event else {
        return target.to_owned();
    };
    let mut named = String::from("event=");
    for byte in event.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                named.push(char::from(byte));
            }
            byte => named.push_str(&format!("%{byte:02X}")),
        }
    }
    match target.split_once('?') {
        None => format!("{target}?{named}"),
        Some((path, query)) => format!("{path}?{named}&{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn an_events_name_stands_in_front_of_the_query() {
        assert_eq!(target("/a", None), "/a");
        assert_eq!(target("/a", Some("x y&ü")), "/a?event=x%20y%26%C3%BC");
        assert_eq!(target("/a?b=c", Some("d")), "/a?event=d&b=c");
    }
}
