//! Letting pages of other origins read: CORS (WHATWG Fetch 3.2), for origins that are allowed by name.
//!
//! A browser asks a page's way past the same-origin policy twice. Before a request that no form could send (with
//! `Last-Event-ID`, say) it sends a preflight: OPTIONS, without credentials, so that the authorisation hook is not
//! asked. And it shows an answer to the page only if the answer names the page's origin. Both are given to those whom
//! [`Server::allow_origin`](crate::Server::allow_origin) names; cookies are not allowed along
//! (`Access-Control-Allow-Credentials`), since nobody has asked for that.
//!
//! | answer | may be read |
//! | --- | --- |
//! | of a channel | yes |
//! | of the server in place of a handler's or a channel's: 400 to 431, 500 to 505, 421 | yes: else the page sees no more than "Failed to fetch", and tries for ever where it should end |
//! | to a webhook's request | yes |
//! | of a handler | as the handler says |
//!
//! The server's own refusals hold a status and a sentence, and nothing that the hook protects.
//!
//! Since an answer differs with the page that asks, it says so to caches, whoever has asked (`Vary`, Fetch 3.2.5).

use super::origin::Origins;
use crate::http::{FieldValue, MAX_EMPTY_LINES, RequestHead};
use crate::response::{OwnedField, Response};

/// The methods that a page need not be told of: whoever may send GET may send HEAD, and OPTIONS is the browser's own.
const UNTOLD: [&str; 2] = ["HEAD", "OPTIONS"];
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

/// The fields that let pages of `origin` read an answer, and those that tell caches that others may not.
pub(super) fn fields(origins: &Origins, origin: Option<&str>) -> Vec<OwnedField> {
    if origins.are_none() {
        return Vec::new();
    }
    let readable = origin.map(|origin| {
        [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", EXPOSED),
        ]
    });
    let fields = readable.into_iter().flatten().chain([("Vary", "Origin")]);
    fields
        .map(|(name, value)| (name.into(), value.as_bytes().into()))
        .collect()
}

/// Lets the page that sent this request read its refusal.
pub(super) fn show(origins: &Origins, head: &RequestHead<'_>, refusal: &mut Response) {
    let origin = reader(origins, head);
    let fields = fields(origins, origin.as_deref());
    refusal.fields.extend(fields);
}

/// Lets the page that sent these bytes read the refusal of a request that could not be read, or not to the end of its
/// head. Only an origin that is allowed is ever named, so that none can be smuggled in; where it can't be seen which one
/// has asked, the answer names the only one that may read it, or all if all may.
pub(super) fn show_unread(origins: &Origins, bytes: &[u8], refusal: &mut Response) {
    let given = unread_origin(bytes);
    let origin = match given {
        Given::One(origin) => Some(origin).filter(|origin| origins.names(origin)),
        Given::Several => None,
        Given::Unseen => origins.only(),
    };
    refusal.fields.extend(fields(origins, origin));
}

/// What can be seen of `Origin` in a head that is broken or cut.
#[derive(Debug, PartialEq, Eq)]
enum Given<'b> {
    One(&'b str),
    /// More than one, or one that is no text: whose it is can't be said.
    Several,
    Unseen,
}

fn unread_origin(mut bytes: &[u8]) -> Given<'_> {
    for _ in 0..MAX_EMPTY_LINES {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    let mut given = Given::Unseen;
    // Whole lines only, up to the empty one: the rest may be cut, and what is behind the head was written by others.
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').skip(1);
    let lines = lines.map_while(|line| line.strip_suffix(b"\r\n"));
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        if !line[..colon].eq_ignore_ascii_case(b"Origin") {
            continue;
        }
        let value = FieldValue::new(line[colon + 1..].trim_ascii());
        given = match (given, value.map(FieldValue::as_bytes)) {
            (Given::Unseen, Ok(value)) => {
                std::str::from_utf8(value).map_or(Given::Several, Given::One)
            }
            _ => Given::Several,
        };
    }
    given
}

/// The answer to a preflight, if the request is one and its page may come in. `allowed` is what its path answers to.
pub(super) fn preflight(
    origins: &Origins,
    head: &RequestHead<'_>,
    allowed: &str,
) -> Option<Response> {
    if head.method() != "OPTIONS" || head.fields().get("Access-Control-Request-Method").is_none() {
        return None;
    }
    let origin = reader(origins, head)?;
    let wanted = head
        .fields()
        .get("Access-Control-Request-Headers")
        .unwrap_or_default();
    let methods = allowed.split(", ");
    let methods: Vec<&str> = methods.filter(|method| !UNTOLD.contains(method)).collect();
    let mut response = Response::empty()
        .header("Access-Control-Allow-Methods", &methods.join(", "))
        .header("Access-Control-Max-Age", MAX_AGE);
    response.fields.extend(fields(origins, Some(&origin)));
    if let Ok(wanted) = FieldValue::new(wanted) {
        // Whatever fields a program's hook looks at: they are no more than what any other client may send.
        response.fields.push((
            "Access-Control-Allow-Headers".into(),
            wanted.as_bytes().into(),
        ));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_broken_head_is_what_stands_in_one_whole_line_of_it() {
        use Given::*;
        for (bytes, given) in [
            (
                "GET / HTTP/1.1\r\nOrigin: http://a\r\n\r\n",
                One("http://a"),
            ),
            (
                "\r\nGET / HTTP/1.1\r\norigin:http://a \r\nX",
                One("http://a"),
            ),
            ("G@T\r\nX\r\nOrigin: http://a\r\n", One("http://a")),
            ("GET / HTTP/1.1\r\nOrigin: http://a", Unseen),
            ("GET / HTTP/1.1\r\nOrigin: http://a\r", Unseen),
            ("Origin: http://a\r\n\r\n", Unseen),
            ("GET / HTTP/1.1\r\n\r\nOrigin: http://a\r\n", Unseen),
            ("GET / HTTP/1.1\nOrigin: http://a\r\n", One("http://a")),
            ("GET / HTTP/1.1\r\nX\nOrigin: http://a\r\n", Unseen),
            ("GET / HTTP/1.1\r\nOrigin: a\0b\r\n", Several),
            ("GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: a\r\n\r\n", Several),
            ("GET / HTTP/1.1\r\nOrigin : a\r\nX-Origin: a\r\n", Unseen),
            ("", Unseen),
        ] {
            assert_eq!(unread_origin(bytes.as_bytes()), given, "{bytes:?}");
        }
    }
}
