//! What a server holds at most, and who pays for more.

use barewire::channel;

use crate::support::*;

fn limited(channels: channel::Limits) -> Simulation {
    hub_with(Limits {
        channels,
        ..Limits::default()
    })
}

#[test]
fn a_channel_too_many_is_503_for_whoever_would_begin_it() {
    let mut server = limited(channel::Limits {
        channels: 2,
        ..Default::default()
    });
    publish(&mut server, "a", "x");
    publish(&mut server, "b", "x");
    let client = server.connect();
    for asked in [
        post("/channels/c", "x"),
        get("/channels/c?wait=1"),
        request("GET /channels/c", "Accept: text/event-stream\r\n"),
        upgrade("/channels/c", ""),
    ] {
        let answer = ask_on(&mut server, client, &asked);
        assert_eq!((answer.status, answer.closes()), (503, false), "{asked}");
        assert_eq!(answer.field("Retry-After").as_deref(), Some("1"), "{asked}");
    }
    // Looking does not begin a channel, and those that are there go on.
    assert_eq!(ask(&mut server, &get("/channels/c")).status, 200);
    publish(&mut server, "a", "y");
}

#[test]
fn a_channel_that_has_gone_makes_room() {
    let mut server = limited(channel::Limits {
        channels: 1,
        ..Default::default()
    });
    publish(&mut server, "a", "x");
    assert_eq!(ask(&mut server, &post("/channels/b", "x")).status, 503);
    server.wait(seconds(3601));
    server.wait(seconds(2));
    publish(&mut server, "b", "x");
}

#[test]
fn who_begins_channels_and_leaves_them_keeps_nobody_else_from_one() {
    let mut server = limited(channel::Limits {
        channels: 3,
        ..Default::default()
    });
    let asked = |n: usize, method: &str| {
        request(
            &format!("{method} /channels/{n}"),
            "Accept: text/event-stream\r\n",
        )
    };
    for n in 0..100 {
        let gone = server.connect();
        server.send(gone, asked(n, ["GET", "HEAD"][n % 2]).as_bytes());
        assert!(server.take(gone).starts_with(b"HTTP/1.1 200 "), "{n}");
        server.end(gone);
    }
    publish(&mut server, "a", "x");
    // Those that are in use stay.
    let (_, _) = (
        listen(&mut server, "/channels/b", ""),
        listen(&mut server, "/channels/c", ""),
    );
    assert_eq!(ask(&mut server, &post("/channels/d", "x")).status, 503);
}

#[test]
fn a_subscriber_too_many_is_503_until_one_goes() {
    let mut server = limited(channel::Limits {
        subscribers: 3,
        ..Default::default()
    });
    let (poll, stream) = (server.connect(), server.connect());
    server.send(poll, get("/channels/a?wait=60").as_bytes());
    let sse = request("GET /channels/a", "Accept: text/event-stream\r\n");
    server.send(stream, sse.as_bytes());
    let socket = open(&mut server, "/channels/a");
    for asked in [
        get("/channels/a?wait=1"),
        sse.clone(),
        upgrade("/channels/a", ""),
    ] {
        let answer = ask(&mut server, &asked);
        assert_eq!(answer.status, 503, "{asked}");
        assert_eq!(answer.field("Retry-After").as_deref(), Some("1"), "{asked}");
    }
    // A short poll does not subscribe.
    assert_eq!(ask(&mut server, &get("/channels/a")).status, 200);
    for gone in [poll, stream, socket] {
        server.end(gone);
        let next = server.connect();
        server.send(next, sse.as_bytes());
        let bytes = server.take(next);
        assert!(bytes.starts_with(b"HTTP/1.1 200"), "{gone:?}");
    }
}

#[test]
fn a_long_poll_that_was_answered_is_a_subscriber_no_more() {
    let mut server = limited(channel::Limits {
        subscribers: 1,
        ..Default::default()
    });
    let client = server.connect();
    for _ in 0..3 {
        server.send(client, get("/channels/a?from=now&wait=60").as_bytes());
        publish(&mut server, "a", "x");
        assert_eq!(statuses(&server.take(client)), [200]);
        server.send(client, get("/channels/a?from=now&wait=1").as_bytes());
        server.wait(seconds(1));
        assert_eq!(statuses(&server.take(client)), [204]);
    }
}

#[test]
fn a_channels_name_is_one_to_256_bytes_of_utf8() {
    let mut server = hub();
    let name = |length: usize| format!("/channels/{}", "x".repeat(length));
    assert_eq!(ask(&mut server, &post(&name(256), "x")).status, 201);
    for path in [name(257), "/channels/%ff".into(), "/channels/a%zz".into()] {
        for asked in [
            post(&path, "x"),
            get(&path),
            get(&format!("{path}?wait=1")),
            upgrade(&path, ""),
        ] {
            let client = server.connect();
            assert_eq!(ask_on(&mut server, client, &asked).status, 400, "{asked}");
            assert!(server.is_open(client));
        }
    }
    publish(&mut server, "%F0%9F%8C%B1%2F%20", "x");
    let seen = ask(&mut server, &get("/channels/%f0%9f%8c%b1%2f%20"));
    assert!(seen.text().contains("\"x\""));
}

// RFC 6455 10.4

#[test]
fn a_frame_or_message_too_large_is_1009_before_it_has_come() {
    let limits = Limits {
        message: 10,
        frame: 8,
        ..Limits::default()
    };
    let mut server = hub_with(limits);
    for path in ["/echo", "/channels/a"] {
        let client = open(&mut server, path);
        let got = converse(&mut server, client, &frame(TEXT, "too large")[..6]);
        assert_eq!(closed(&got).0, 1009);
        assert!(!server.is_open(client));

        let client = open(&mut server, path);
        assert_eq!(converse(&mut server, client, &frame(0x01, "eight by")), []);
        let got = converse(&mut server, client, &frame(0x80, "tes")[..6]);
        assert_eq!(closed(&got).0, 1009);
        assert!(!server.is_open(client));
    }
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().contains("\"events\":[]"));
}

#[test]
fn a_message_in_too_many_pieces_is_1008() {
    let mut server = hub_with(Limits {
        fragments: 3,
        ..Limits::default()
    });
    let client = open(&mut server, "/echo");
    let mut sent = frame(0x01, "");
    sent.extend(frame(0x00, ""));
    let fits = [sent.clone(), frame(0x80, "x")].concat();
    assert_eq!(converse(&mut server, client, &fits), [text("x")]);
    sent.extend(frame(0x00, "").repeat(2));
    assert_eq!(closed(&converse(&mut server, client, &sent)).0, 1008);
}

#[test]
fn a_declared_length_of_64_bits_is_compared_before_anything_else() {
    let mut server = hub();
    for length in [u64::MAX >> 1, 1 << 32, (16 << 20) + 1] {
        let client = open(&mut server, "/echo");
        let header = [&[BINARY, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        assert_eq!(closed(&converse(&mut server, client, &header)).0, 1009);
    }
}

// Who does not read is not read from

#[test]
fn a_socket_that_does_not_read_is_not_read_from() {
    let mut server = hub_with(Limits {
        high_water: 1000,
        ..Limits::default()
    });
    let client = open(&mut server, "/echo");
    server.stall(client, 0);
    let message = frame(BINARY, [b'x'; 600]);
    for _ in 0..10 {
        server.send(client, &message);
    }
    assert_eq!(server.take(client), b"");
    server.resume(client);
    assert_eq!(frames(&server.take(client)).len(), 10);
}
