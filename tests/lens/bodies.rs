//! Bodies, chunks, and event streams in them: RFC 9112 6 and 7, WHATWG HTML 9.2.6.

use barewire::lens::{Event, Kind, Side, Thing};

use super::{kinds, read, rules};

fn stream(body: &[u8]) -> Vec<Thing> {
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    read(Side::Server, &[&head[..], body].concat())
}

fn until_close(body: &[u8]) -> Vec<Thing> {
    let head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    read(Side::Server, &[&head[..], body].concat())
}

fn event(thing: &Thing) -> &Event {
    match &thing.kind {
        Kind::Event(event) | Kind::Fields(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

// RFC 9112 7.1

#[test]
fn a_chunk_is_its_size_its_extension_and_its_data() {
    let seen = read(
        Side::Client,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nCookie: a=b\r\n\r\n",
    );
    assert_eq!(kinds(&seen), ["request", "chunk", "chunk"]);
    let names = |thing: &Thing| -> Vec<&str> {
        let span = thing.explain();
        span.leaves().iter().map(|leaf| leaf.name).collect()
    };
    assert_eq!(
        names(&seen[1]),
        ["size", "extension", "line end", "data", "line end"]
    );
    assert_eq!(
        names(&seen[2]),
        [
            "size",
            "line end",
            "name",
            "colon",
            "space",
            "value",
            "line end",
            "empty line"
        ]
    );
    assert_eq!(&*seen[1].payload(), b"hello");
    assert!(seen[2].bytes.ends_with(b"a=*\r\n\r\n"));
}

#[test]
fn a_chunk_that_is_wrong_is_said_and_nothing_behind_it_is_known() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, rule) in [
        ("5\r\nhelloX\r\n", "RFC 9112 7.1"),
        ("x\r\n", "RFC 9112 7.1"),
        ("5;\0\r\n", "RFC 9112 7.1.1"),
        ("0\r\nX Y\r\n\r\n", "RFC 9112 7.1.2"),
        ("5\r\nhel", "RFC 9112 8"),
    ] {
        let seen = read(Side::Client, format!("{head}{body}").as_bytes());
        assert_eq!(rules(&seen), [rule], "{body:?}");
        assert_eq!(kinds(&seen)[1], "chunk");
    }
}

#[test]
fn a_body_is_kept_in_part_and_counted_in_full() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + 100_000, b'x');
    let seen = read(Side::Server, &bytes);
    assert_eq!((seen[1].length, seen[1].bytes.len()), (100_000, 64 * 1024));
}

// WHATWG HTML 9.2.6

#[test]
fn an_event_that_chunks_cut_is_one_event_in_pieces() {
    let seen = stream(b"8\r\nid: 1\nda\r\n9\r\nta: a\nx\n\n\r\n0\r\n\r\n");
    assert_eq!(
        kinds(&seen),
        ["response", "chunk", "event", "chunk", "chunk"]
    );
    let seen_event = event(&seen[2]);
    assert_eq!(
        (&*seen_event.id, &*seen_event.name, &*seen_event.data),
        ("1", "message", "a")
    );
    let start = seen[0].length;
    assert_eq!(seen_event.pieces, [(start + 3, 8), (start + 16, 9)]);
    assert_eq!((seen[2].offset, seen[2].length), (start + 3, 22));
    assert_eq!(seen[2].bytes, b"id: 1\ndata: a\nx\n\n");
}

#[test]
fn comments_come_at_once_and_blocks_without_data_are_fields() {
    let seen = until_close(b":hi\n\nretry: 10\nid: 7\n\ndata: a\n\n\n: x\ndata: b\n\nevent: left");
    assert_eq!(
        kinds(&seen),
        [
            "response", "comment", "fields", "event", "comment", "event", "body"
        ]
    );
    assert_eq!(seen[1].comment(), "hi");
    assert_eq!(
        (event(&seen[2]).retry, &*event(&seen[2]).id),
        (Some(10), "7")
    );
    assert_eq!((&*event(&seen[3]).id, event(&seen[3]).retry), ("7", None));
}

#[test]
fn every_line_end_ends_a_line() {
    let seen = until_close(b"\xef\xbb\xbfdata: a\r\rdata: b\r\n\r\ndata: c\n\n");
    let events: Vec<_> = seen
        .iter()
        .filter(|thing| matches!(thing.kind, Kind::Event(_)))
        .collect();
    let data: Vec<_> = events.iter().map(|thing| &*event(thing).data).collect();
    assert_eq!(data, ["a", "b", "c"]);
    let start = seen[0].length;
    let extents: Vec<_> = events
        .iter()
        .map(|thing| (thing.offset - start, thing.length))
        .collect();
    assert_eq!(extents, [(0, 12), (12, 11), (23, 9)]);
}

#[test]
fn an_event_that_is_too_large_to_read_is_counted_and_the_next_is_read() {
    let mut body = b"data: ".to_vec();
    body.resize(300 * 1024, b'x');
    body.extend_from_slice(b"\n\ndata: a\n\n");
    let seen = until_close(&body);
    assert_eq!(kinds(&seen), ["response", "event", "event", "body"]);
    assert_eq!(seen[1].length, 300 * 1024 + 2);
    assert_eq!(&*event(&seen[2]).data, "a");
}
