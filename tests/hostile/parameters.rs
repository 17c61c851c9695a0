//! What a request for a channel may ask: last event IDs and event streams (WHATWG HTML 9.2), waits (RFC 7240), names.
//! What makes no sense is refused where it would be mistaken for a place or a name, and the connection goes on.

use std::time::Duration;

use barewire::Limits;

use crate::case::Seen::{Answer, End, Open, Status, Stream};
use crate::case::Step::{Bytes, HalfClose, Times};
use crate::case::{Case, play, usual};

#[test]
fn parameters() {
    play(&[CURSORS, WAITS, NAMES], 1 << 20, |server| {
        usual(server);
        server.limits(Limits {
            // Nothing is expected of the time but that it passes.
            wait: Duration::from_millis(10),
            ..Limits::default()
        });
    });
}

/// Where to begin.
const CURSORS: &[Case] = &[
    Case {
        name: "a last event ID that is a word is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: x\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is one number is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a number without its second is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1-\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a number without its first is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: -1\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a number with a plus is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: +1-0\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is three numbers is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1-0-0\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a number of more than 64 bits is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\
            Last-Event-ID: 18446744073709551616-0\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a number in hexadecimal is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0x1-0\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is a list is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1-0, 2-0\r\n\
            \r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is bytes that are not UTF-8 is refused",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: \xff\r\n\r\n",
        )],
        gets: &[Answer(400, "the last event ID is malformed"), Open],
    },
    Case {
        name: "a last event ID that is none opens no event stream",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\
            Last-Event-ID: x\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a last event ID that is none opens no WebSocket",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nLast-Event-ID: x\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a last event ID that is none does not wait",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=60 HTTP/1.1\r\nHost: a\r\nLast-Event-ID: x\r\n\
            \r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a NUL in a last event ID is refused with the head",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1-0\0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a last event ID in the query that is none is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?last_event_id=x HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a last event ID in the query that is garbled is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?last_event_id=1%2 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a last event ID in the query that is not UTF-8 is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?last_event_id=%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a line in a last event ID of the query is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?last_event_id=1-0%0d%0aX:%20y HTTP/1.1\r\n\
            Host: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "an empty last event ID is none",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nLast-Event-ID:\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "a cursor from another life is told of a gap",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"POST /channels/life HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\
            xGET /channels/life HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1-0\r\n\r\n",
        )],
        gets: &[Status(201), Answer(200, "\"gap\":true"), Open],
    },
    Case {
        name: "a cursor from another life is told of a gap by an event stream",
        section: "WHATWG HTML 9.2.4",
        sends: &[Bytes(
            b"GET /channels/life HTTP/1.1\r\nHost: a\r\n\
            Accept: text/event-stream\r\nLast-Event-ID: 1-0\r\n\r\n",
        )],
        gets: &[Stream("event: gap\n")],
    },
    Case {
        name: "the largest cursor is none of this life",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/life HTTP/1.1\r\nHost: a\r\n\
            Last-Event-ID: 18446744073709551615-18446744073709551615\r\n\r\n",
        )],
        gets: &[Answer(200, "\"gap\":true"), Open],
    },
    Case {
        name: "from has one value",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?from=later HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "from is not garbled",
        section: "README.md, One log, four ways",
        sends: &[Bytes(b"GET /channels/c?from=% HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(400), Open],
    },
];

/// How long to wait, and what is sent ahead meanwhile.
const WAITS: &[Case] = &[
    Case {
        name: "a wait that is a word is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=soon HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is empty is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(b"GET /channels/c?wait= HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is negative is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=-1 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is signed is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=%2B1 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is a fraction is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=1.5 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is an exponent is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=1e3 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is in hexadecimal is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=0x10 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is garbled is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait that is a list is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=1,2 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "the first wait decides",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"GET /channels/c?wait=x&wait=0 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a wait of nothing ends at once",
        section: "README.md, One log, four ways",
        sends: &[Bytes(b"GET /channels/c?wait=0 HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(204, "Last-Event-ID: "), Open],
    },
    Case {
        name: "a wait that overflows is the longest there is",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"GET /channels/c?wait=99999999999999999999999 HTTP/1.1\r\nHost: a\r\n\
            \r\n",
        )],
        gets: &[Status(204), Open],
    },
    Case {
        name: "a preference to wait that makes no sense is none",
        section: "RFC 7240 2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nPrefer: wait=soon\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "a preference to wait that is negative is none",
        section: "RFC 7240 2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nPrefer: wait=-1\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "a preference in a string that does not end is none",
        section: "RFC 7240 2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\
            Prefer: wait=\"60, wait=60\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "a preference to wait that overflows is the longest there is",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\
            Prefer: wait=99999999999999999999999\r\n\r\n",
        )],
        gets: &[Status(204), Open],
    },
    Case {
        name: "requests that are sent ahead of a long poll wait for it",
        section: "RFC 9112 9.3.2",
        sends: &[Bytes(
            b"GET /channels/c?wait=1 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\
            Host: a\r\n\r\nPOST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\
            helloGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[
            Status(204),
            Answer(200, "home"),
            Answer(200, "5"),
            Status(404),
            Open,
        ],
    },
    Case {
        name: "publishes and a poll that are sent ahead are done in their order",
        section: "RFC 9112 9.3.2",
        sends: &[Bytes(
            b"POST /channels/order HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
            \r\nonePOST /channels/order HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\
            twoGET /channels/order HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[
            Status(201),
            Status(201),
            Answer(200, "\"data\":\"two\"}],"),
            Open,
        ],
    },
    Case {
        name: "a bad request behind a long poll is answered behind it",
        section: "RFC 9112 9.3.2",
        sends: &[Bytes(
            b"GET /channels/c?wait=1 HTTP/1.1\r\nHost: a\r\n\r\n\0",
        )],
        gets: &[Status(204), Status(400), End],
    },
];

/// Names of channels and events, and what they hold.
const NAMES: &[Case] = &[
    Case {
        name: "an event name with LF is refused",
        section: "WHATWG HTML 9.2.5",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=a%0adata:+x HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Answer(400, "without CR, LF or NUL"), Open],
    },
    Case {
        name: "an event name with CR is refused",
        section: "WHATWG HTML 9.2.5",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=a%0d HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Answer(400, "without CR, LF or NUL"), Open],
    },
    Case {
        name: "an event name with NUL is refused",
        section: "WHATWG HTML 9.2.5",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=%00 HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Answer(400, "without CR, LF or NUL"), Open],
    },
    Case {
        name: "an event name that is not UTF-8 is refused",
        section: "WHATWG HTML 9.2.5",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=%c3%28 HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "an event name that is garbled is refused",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=%a HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "an event name of 257 bytes is refused",
        section: "barewire::Limits",
        sends: &[
            Bytes(b"POST /channels/smuggled?event="),
            Times(257, b"e"),
            Bytes(b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        ],
        gets: &[Status(400), Open],
    },
    Case {
        name: "the event name gap is reserved",
        section: "README.md, One log, four ways",
        sends: &[Bytes(
            b"POST /channels/smuggled?event=gap HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1\r\n\r\nx",
        )],
        gets: &[Answer(400, "reserved"), Open],
    },
    Case {
        name: "data cannot begin a line of its own",
        section: "WHATWG HTML 9.2.5",
        sends: &[Bytes(
            b"POST /channels/lines HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n\
            \r\na\n\nid: 1\revent: evil\r\n:bGET /channels/lines HTTP/1.1\r\nHost: a\r\n\
            Accept: text/event-stream\r\n\r\n",
        )],
        gets: &[
            Status(201),
            Stream("data: a\ndata: \ndata: id: 1\ndata: event: evil\ndata: :b\n\n"),
        ],
    },
    Case {
        name: "data cannot end its JSON",
        section: "RFC 8259 7",
        sends: &[Bytes(
            b"POST /channels/json HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\
            \r\n\"}],\"gap\":true,\0\nGET /channels/json HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[
            Status(201),
            Answer(200, "\"data\":\"\\\"}],\\\"gap\\\":true,\\u0000\\n\""),
            Open,
        ],
    },
    Case {
        name: "a channel without a name is none",
        section: "README.md, One log, four ways",
        sends: &[Bytes(b"GET /channels/ HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(404), Open],
    },
    Case {
        name: "a channel with more behind it is none",
        section: "README.md, One log, four ways",
        sends: &[Bytes(b"GET /channels/a/b HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(404), Open],
    },
    Case {
        name: "dots lead nowhere",
        section: "RFC 3986 5.2.4",
        sends: &[Bytes(b"GET /channels/../ HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(404), Open],
    },
    Case {
        name: "a name that is garbled is refused",
        section: "RFC 3986 2.1",
        sends: &[Bytes(
            b"POST /channels/a%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\
            x",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a name that is not UTF-8 is refused",
        section: "RFC 3986 2.5",
        sends: &[Bytes(
            b"POST /channels/%ff HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a name of 257 bytes is refused",
        section: "barewire::Limits",
        sends: &[
            Bytes(b"GET /channels/"),
            Times(257, b"c"),
            Bytes(b"?wait=60 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a name of 257 bytes opens no event stream",
        section: "barewire::Limits",
        sends: &[
            Bytes(b"GET /channels/"),
            Times(257, b"c"),
            Bytes(b" HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"),
        ],
        gets: &[Status(400), Open],
    },
    Case {
        name: "an event stream of weight zero is not wanted",
        section: "RFC 9110 12.4.2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\
            Accept: text/event-stream;q=0.000, */*\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "an event stream has to be named",
        section: "RFC 9110 12.5.1",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nAccept: */*, text/*\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "an event stream in a quoted string is not named",
        section: "RFC 9110 5.6.4",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\
            Accept: a/b;c=\", text/event-stream, \"\r\n\r\n",
        )],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
    Case {
        name: "an event stream says when to come back",
        section: "WHATWG HTML 9.2.6",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\
            \r\n",
        )],
        gets: &[Stream("retry: 2000\n")],
    },
    Case {
        name: "what is sent behind an event stream is not read",
        section: "RFC 9112 9.3.2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\
            \r\nPOST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled",
        )],
        gets: &[Stream("retry: ")],
    },
    Case {
        name: "who ends at an event stream ends it",
        section: "RFC 9112 7.1",
        sends: &[
            Bytes(
                b"GET /channels/c HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\
            \r\n",
            ),
            HalfClose,
        ],
        gets: &[Stream("0\r\n\r\n"), End],
    },
];
