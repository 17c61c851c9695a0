//! Letting pages of other origins read: CORS (WHATWG Fetch 3.2), for origins that are allowed by name.
//!
//! A browser asks a page's way past the same-origin policy twice. Before a request that no form could send (with
//! `Last-Event-ID`, say) it sends a preflight: OPTIONS, without credentials, so that the authorisation hook is not
//! asked. And it shows an answer to the page only if the answer names the page's origin. Both are given to those whom
//! [`Server::allow_origin`](crate::Server::allow_origin) names, for channels; cookies are not allowed along
//! (`Access-Control-Allow-Credentials`), since nobody has asked for that.

use super::origin::Origins;
use crate::http::{FieldValue, RequestHead};
use crate::response::{OwnedField, Response};

/// What a page may send to a channel's URL.
const METHODS: &str = "GET, POST";
/// What a page may read of an answer besides its body.
const EXPOSED: &str = "Last-Event-ID, Retry-After";
/// How long a browser may remember a preflight's answer, in seconds.
const MAX_AGE: &str = "600";

/// The origin that may read the answer to a request, if it is another's.
pub(super) fn reader(origins: &Origins, head: &RequestHead<'_>) -> Option<Box<str>> {
    let mut given = head.fields().all("Origin");
    let (origin, None) = (given.next()?, given.next()) else {
        return None;
    };
    let origin = std::str::from_utf8(origin).ok()?;
    origins.names(origin).then(|| origin.into())
}

/// The fields that let pages of `origin` read an answer.
pub(super) fn fields(origin: Option<&str>) -> Vec<OwnedField> {
    let Some(origin) = origin else {
        return Vec::new();
    };
    let fields = [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Vary", "Origin"),
    ];
    fields
        .map(|(name, value)| (name.into(), value.as_bytes().into()))
        .into()
}

/// The answer to a preflight, if the request is one and its page may come in.
pub(super) fn preflight(origins: &Origins, head: &RequestHead<'_>) -> Option<Response> {
    if head.method() != "OPTIONS" || head.fields().get("Access-Control-Request-Method").is_none() {
        return None;
    }
    let origin = reader(origins, head)?;
    let wanted = head
        .fields()
        .get("Access-Control-Request-Headers")
        .unwrap_or_default();
    let mut response = Response::empty()
        .header("Access-Control-Allow-Methods", METHODS)
        .header("Access-Control-Max-Age", MAX_AGE);
    response.fields.extend(fields(Some(&origin)));
    if let Ok(wanted) = FieldValue::new(wanted) {
        // Whatever fields a program's hook looks at: they are no more than what any other client may send.
        response.fields.push((
            "Access-Control-Allow-Headers".into(),
            wanted.as_bytes().into(),
        ));
    }
    Some(response)
}
