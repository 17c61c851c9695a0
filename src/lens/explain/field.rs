//! What the fields of a head mean that matter to the protocols spoken here, in a sentence each.

/// The meaning of a field, and the section that says so.
pub(super) fn meaning(name: &str) -> (&'static str, &'static str) {
    let known = FIELDS
        .iter()
        .find(|(known, ..)| name.eq_ignore_ascii_case(known));
    match known {
        Some((_, meaning, rule)) => (meaning, rule),
        None => (
            "A field that the protocols here take no note of",
            "RFC 9110 5",
        ),
    }
}

const FIELDS: &[(&str, &str, &str)] = &[
    (
        "Host",
        "Which of the server's hosts is meant",
        "RFC 9110 7.2",
    ),
    (
        "Connection",
        "What holds for this connection alone",
        "RFC 9110 7.6.1",
    ),
    ("Upgrade", "Which protocol to go on with", "RFC 9110 7.8"),
    (
        "Content-Length",
        "How many bytes the body has",
        "RFC 9110 8.6",
    ),
    ("Content-Type", "What the body is", "RFC 9110 8.3"),
    ("Content-Encoding", "How the body is coded", "RFC 9110 8.4"),
    (
        "Transfer-Encoding",
        "How the body is cut on its way",
        "RFC 9112 6.1",
    ),
    (
        "Trailer",
        "Which fields come behind the body",
        "RFC 9110 6.6.2",
    ),
    (
        "TE",
        "Which transfer codings the client takes",
        "RFC 9110 10.1.4",
    ),
    (
        "Expect",
        "What the client waits for before it sends the body",
        "RFC 9110 10.1.1",
    ),
    ("Date", "When the message was made", "RFC 9110 6.6.1"),
    ("Server", "What the server is", "RFC 9110 10.2.4"),
    ("User-Agent", "What the client is", "RFC 9110 10.1.5"),
    (
        "Accept",
        "Which kinds of body the client takes",
        "RFC 9110 12.5.1",
    ),
    (
        "Accept-Encoding",
        "Which codings the client takes",
        "RFC 9110 12.5.3",
    ),
    (
        "Accept-Language",
        "Which languages the user reads",
        "RFC 9110 12.5.4",
    ),
    (
        "Cache-Control",
        "Who may keep the body, and for how long",
        "RFC 9111 5.2",
    ),
    ("Authorization", "Who the client is", "RFC 9110 11.6.2"),
    (
        "Proxy-Authorization",
        "Who the client is to a proxy",
        "RFC 9110 11.7.2",
    ),
    (
        "WWW-Authenticate",
        "How to say who one is",
        "RFC 9110 11.6.1",
    ),
    (
        "Cookie",
        "What the server has asked to be told again",
        "RFC 6265 5.4",
    ),
    (
        "Set-Cookie",
        "What the server asks to be told again",
        "RFC 6265 5.2",
    ),
    ("Location", "Where to go on", "RFC 9110 10.2.2"),
    ("Allow", "Which methods there are", "RFC 9110 10.2.1"),
    ("Retry-After", "How long to wait", "RFC 9110 10.2.3"),
    (
        "Keep-Alive",
        "How long the connection is kept",
        "RFC 9112 9.3",
    ),
    (
        "ETag",
        "Which version of the body this is",
        "RFC 9110 8.8.3",
    ),
    (
        "Vary",
        "Which fields of the request the answer depends on",
        "RFC 9110 12.5.5",
    ),
    (
        "Referer",
        "Which page the request comes from",
        "RFC 9110 10.1.3",
    ),
    (
        "Origin",
        "Which site's page asks: the server may refuse it",
        "RFC 6454 7",
    ),
    (
        "Access-Control-Allow-Origin",
        "Whose pages may read the answer",
        "Fetch 3.3.3",
    ),
    (
        "Last-Event-ID",
        "Behind which event an EventSource goes on",
        "WHATWG HTML 9.2.4",
    ),
    (
        "Sec-WebSocket-Key",
        "What the server has to hash, to show that it speaks WebSocket",
        "RFC 6455 11.3.1",
    ),
    (
        "Sec-WebSocket-Accept",
        "The hash of the key: the server speaks WebSocket",
        "RFC 6455 11.3.3",
    ),
    (
        "Sec-WebSocket-Version",
        "Which version of the protocol: 13 is the only one",
        "RFC 6455 11.3.5",
    ),
    (
        "Sec-WebSocket-Protocol",
        "Which protocols are spoken in the messages",
        "RFC 6455 11.3.4",
    ),
    (
        "Sec-WebSocket-Extensions",
        "What is offered or used besides",
        "RFC 6455 11.3.2",
    ),
];
