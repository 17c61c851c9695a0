//! WebSockets of a handler: RFC 6455.

use barewire::Socket;
use barewire::ws::CloseCode;

use crate::support::*;

/// A server whose `/` is a WebSocket of this handler.
fn socket(on_message: impl FnMut(&mut Socket<'_>, Message<'_>) + Send + 'static) -> Simulation {
    server(|server| {
        server.websocket("/", on_message);
        server.websocket("/echo", |socket, message| socket.send(message));
    })
}

// 4.2.2: the handshake

#[test]
fn a_handshake_is_answered_with_the_accept_of_its_key() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, upgrade("/echo", "").as_bytes());
    assert_eq!(
        dateless(&server.take(client)),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn a_handshake_in_other_cases_and_among_other_options_is_one_too() {
    let mut server = hub();
    let client = server.connect();
    let asked = format!(
        "GET /echo HTTP/1.1\r\nhost: a\r\nupgrade: h2c, WebSocket\r\nconnection: keep-alive, upgrade\r\n\
         sec-websocket-key:{KEY}\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n"
    );
    assert_eq!(ask_on(&mut server, client, &asked).status, 101);
}

#[test]
fn a_handshake_that_lacks_something_says_what_and_opens_nothing() {
    let mut server = hub();
    let with = |fields: &str| request("GET /echo", fields);
    let (up, con) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    let (ver, key) = (
        "Sec-WebSocket-Version: 13\r\n",
        &format!("Sec-WebSocket-Key: {KEY}\r\n")[..],
    );
    for (asked, status) in [
        (with(&[con, ver, key].concat()), 426),
        (with(&["Upgrade: h2c\r\n", con, ver, key].concat()), 426),
        (with(&[up, ver, key].concat()), 400),
        (
            with(&[up, "Connection: keep-alive\r\n", ver, key].concat()),
            400,
        ),
        (with(&[up, con, key].concat()), 426),
        (
            with(&[up, con, key, "Sec-WebSocket-Version: 8\r\n"].concat()),
            426,
        ),
        (with(&[up, con, key, ver, ver].concat()), 426),
        (with(&[up, con, ver].concat()), 400),
        (
            with(&[up, con, ver, "Sec-WebSocket-Key: c2hvcnQ=\r\n"].concat()),
            400,
        ),
        (
            with(
                &[
                    up,
                    con,
                    ver,
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",
                ]
                .concat(),
            ),
            400,
        ),
        (with(&[up, con, ver, key, key].concat()), 400),
        (
            with(&[up, con, ver, key, "Sec-WebSocket-Protocol: a, a\r\n"].concat()),
            400,
        ),
        (
            with(&[up, con, ver, key, "Sec-WebSocket-Protocol: a b\r\n"].concat()),
            400,
        ),
        (
            with(&[up, con, ver, key, "Content-Length: 2\r\n"].concat()) + "hi",
            400,
        ),
        (upgrade("/echo", "").replacen("GET", "POST", 1), 405),
        (upgrade("/nowhere", ""), 404),
    ] {
        let client = server.connect();
        let answer = ask_on(&mut server, client, &asked);
        assert_eq!(answer.status, status, "{asked}");
        if status == 426 {
            assert_eq!(answer.field("Sec-WebSocket-Version").as_deref(), Some("13"));
            assert_eq!(answer.field("Upgrade").as_deref(), Some("websocket"));
            assert!(
                answer
                    .field("Connection")
                    .unwrap()
                    .eq_ignore_ascii_case("upgrade")
            );
        }
        assert!(server.is_open(client), "{asked}");
        assert_eq!(
            ask_on(&mut server, client, &upgrade("/echo", "")).status,
            101
        );
    }
}

#[test]
fn an_upgrade_in_http_1_0_is_as_if_it_were_not_there() {
    // RFC 9110 7.8: a server MUST ignore it.
    let mut server = hub();
    publish(&mut server, "a", "x");
    for (path, status) in [("/", 200), ("/channels/a", 200), ("/echo", 426)] {
        let asked = upgrade(path, "").replacen("HTTP/1.1", "HTTP/1.0", 1);
        assert_eq!(ask(&mut server, &asked).status, status, "{path}");
    }
}

#[test]
fn an_upgrade_of_a_page_is_answered_with_the_page() {
    let mut server = hub();
    assert_eq!(ask(&mut server, &upgrade("/", "")).text(), "home");
}

#[test]
fn frames_may_be_glued_to_the_handshake() {
    let mut server = hub();
    let asked = [
        upgrade("/echo", "").into_bytes(),
        frame(TEXT, "one"),
        frame(BINARY, "two"),
    ]
    .concat();
    let whole = {
        let client = server.connect();
        server.send(client, &asked);
        server.take(client)
    };
    let (opened, rest) = answer(&whole, false);
    assert_eq!(
        (opened.status, frames(rest)),
        (101, vec![text("one"), (BINARY, b"two".to_vec())])
    );
    for step in [1, 7, 200] {
        let client = server.connect();
        for piece in asked.chunks(step) {
            server.send(client, piece);
        }
        let got = server.take(client);
        let (again, tail) = answer(&got, false);
        assert_eq!((again.status, tail), (101, rest), "{step}");
    }
}

// 5.4 and 5.6: messages

#[test]
fn messages_of_both_kinds_and_every_size_are_echoed() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    for length in [0, 1, 125, 126, 4095, 4096, 65535, 65536, 300_000] {
        let payload = vec![b'x'; length];
        for kind in [TEXT, BINARY] {
            let got = converse(&mut server, client, &frame(kind, &payload));
            assert!(got == [(kind, payload.clone())], "{kind:x} {length}");
        }
    }
}

#[test]
fn fragments_are_put_together_also_around_control_frames() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    let sent = [
        frame(0x01, "Gr\u{fc}"),
        frame(PING, "?"),
        frame(0x00, ""),
        frame(PONG, "!"),
        frame(0x80, "n"),
    ];
    let got = converse(&mut server, client, &sent.concat());
    assert_eq!(got, [(PONG, b"?".to_vec()), text("Gr\u{fc}n")]);
    let cut = "\u{1f331}".as_bytes();
    let sent = [
        frame(0x01, &cut[..1]),
        frame(0x00, &cut[1..3]),
        frame(0x80, &cut[3..]),
    ]
    .concat();
    assert_eq!(converse(&mut server, client, &sent), [text("\u{1f331}")]);
}

#[test]
fn how_the_bytes_of_frames_are_cut_means_nothing() {
    let sent = [
        frame(TEXT, "one"),
        frame(0x02, "two, "),
        frame(PING, "p"),
        frame(0x80, "three"),
        frame(TEXT, ""),
    ]
    .concat();
    let said = |step: usize| {
        let mut server = hub();
        let client = open(&mut server, "/echo");
        for piece in sent.chunks(step) {
            server.send(client, piece);
        }
        frames(&server.take(client))
    };
    for step in 1..sent.len() {
        assert_eq!(said(step), said(sent.len()), "{step}");
    }
}

// 5.5.2 and 5.5.3: ping and pong

#[test]
fn a_ping_is_answered_with_its_payload_and_a_pong_with_nothing() {
    let mut server = hub();
    for path in ["/echo", "/channels/a"] {
        let client = open(&mut server, path);
        for payload in ["", "x", &"y".repeat(125)] {
            let got = converse(&mut server, client, &frame(PING, payload));
            assert_eq!(got, [(PONG, payload.as_bytes().to_vec())]);
            assert_eq!(converse(&mut server, client, &frame(PONG, payload)), []);
        }
    }
}

#[test]
fn who_pings_and_does_not_read_gets_at_most_one_pong_the_newest() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    server.stall(client, 0);
    server.send(client, &frame(TEXT, "full"));
    for n in 0..1000 {
        server.send(client, &frame(PING, n.to_string()));
    }
    assert_eq!(server.take(client), b"");
    server.resume(client);
    assert_eq!(
        frames(&server.take(client)),
        [text("full"), (PONG, b"999".to_vec())]
    );
    assert_eq!(
        converse(&mut server, client, &frame(PING, "again")),
        [(PONG, b"again".to_vec())]
    );
}

#[test]
fn pings_that_come_in_one_piece_have_no_more_pongs_than_may_wait_and_the_newest() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    let pings = |count| (0..count).flat_map(|n| frame(PING, format!("{n:0125}")));
    // As much as one read may bring.
    let flood: Vec<u8> = pings(8_000).collect();
    let pongs = converse(&mut server, client, &flood);
    assert!(pongs.len() < 1_000, "{} pongs", pongs.len());
    assert_eq!(
        pongs.last(),
        Some(&(PONG, format!("{:0125}", 7_999).into()))
    );
    // Few are answered one by one.
    let few: Vec<u8> = pings(100).collect();
    assert_eq!(converse(&mut server, client, &few).len(), 100);
}

#[test]
fn who_does_not_read_is_not_pinged_on_top_of_it() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    server.stall(client, 0);
    server.send(client, &frame(TEXT, "full"));
    server.wait(seconds(30));
    server.send(client, &frame(PONG, ""));
    server.wait(seconds(30));
    server.resume(client);
    assert_eq!(frames(&server.take(client)), [text("full")]);
}

// 5.5.1 and 7: closing

#[test]
fn a_close_is_answered_with_its_code_and_ends_the_connection() {
    for code in [1000, 1001, 1003, 1011, 3000, 4999] {
        let mut server = hub();
        let client = open(&mut server, "/echo");
        let got = converse(&mut server, client, &close_frame(code, "so long"));
        assert_eq!(closed(&got), (code, "".into()));
        assert!(!server.is_open(client));
    }
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    assert_eq!(
        converse(&mut server, client, &frame(CLOSE, "")),
        [(CLOSE, vec![])]
    );
    assert!(!server.is_open(client));
}

#[test]
fn nothing_behind_a_close_is_looked_at() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    let sent = [
        frame(TEXT, "a"),
        close_frame(1000, ""),
        frame(TEXT, "b"),
        frame(PING, "c"),
        vec![0xff],
    ]
    .concat();
    let got = converse(&mut server, client, &sent);
    assert_eq!(got, [text("a"), (CLOSE, vec![0x03, 0xe8])]);
}

#[test]
fn a_handler_closes_with_a_code_and_a_reason_and_nothing_follows() {
    let mut server = socket(|socket, _| {
        socket.send("last words");
        socket.close(CloseCode::POLICY_VIOLATION, "enough");
        socket.send("too late");
        socket.send_fragment("too late", true);
        socket.close(CloseCode::NORMAL, "twice");
    });
    let client = open(&mut server, "/");
    let got = converse(&mut server, client, &frame(TEXT, ""));
    assert_eq!(got[0], text("last words"));
    assert_eq!(closed(&got[1..]), (1008, "enough".into()));
    // The peer may have had more under way; none of it is delivered or answered.
    assert_eq!(
        converse(
            &mut server,
            client,
            &[frame(TEXT, ""), frame(PING, "?")].concat()
        ),
        []
    );
    assert!(server.is_open(client));
    assert_eq!(converse(&mut server, client, &close_frame(1008, "")), []);
    assert!(!server.is_open(client));
}

#[test]
fn a_reason_that_does_not_fit_is_left_out() {
    for (length, kept) in [(123, 123), (124, 0)] {
        let mut server =
            socket(move |socket, _| socket.close(CloseCode::NORMAL, &"x".repeat(length)));
        let client = open(&mut server, "/");
        let got = converse(&mut server, client, &frame(TEXT, ""));
        assert_eq!(closed(&got), (1000, "x".repeat(kept)));
    }
}

#[test]
fn on_close_is_told_the_code_of_the_peer_once() {
    let codes = Shared::default();
    let hook = codes.clone();
    let mut server = server(|server| {
        let route = server.websocket("/", |socket, _| socket.close(CloseCode::NORMAL, ""));
        route.on_close(move |id, code| hook.push((id, code.map(CloseCode::as_u16))));
    });
    let client = open(&mut server, "/");
    server.send(client, &close_frame(4000, ""));
    assert_eq!(codes.take(), [(client, Some(4000))]);

    let client = open(&mut server, "/");
    server.send(client, &frame(TEXT, ""));
    assert_eq!(codes.take(), []);
    server.send(client, &frame(CLOSE, ""));
    assert_eq!(codes.take(), [(client, None)]);

    for end in [
        |server: &mut Simulation, client| server.end(client),
        |server: &mut Simulation, _| server.wait(seconds(90)),
    ] {
        let client = open(&mut server, "/");
        end(&mut server, client);
        assert_eq!(codes.take(), [(client, None)]);
    }
}

// 7.1.7, 7.4.1: violations

#[test]
fn a_violation_ends_the_connection_once_with_its_code() {
    let long = [0x3e; 126];
    for (sent, code) in [
        (vec![0x81, 0x00], 1002),                               // not masked
        (frame(0xc1, "x"), 1002),                               // RSV1
        (frame(0x91, "x"), 1002),                               // RSV3
        (frame(0x83, "x"), 1002),                               // a reserved opcode
        (frame(0x8b, "x"), 1002),                               // a reserved control opcode
        (frame(PING, long), 1002),                              // a long control frame
        (frame(0x09, "x"), 1002),                               // a ping in fragments
        (frame(0x80, "x"), 1002),                               // nothing to continue
        ([frame(0x01, "x"), frame(TEXT, "y")].concat(), 1002),  // not finished
        (vec![0x81, 0xfe, 0x00, 0x01, 0, 0, 0, 0, b'x'], 1002), // not the shortest length
        (
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
            1002,
        ), // the top bit of the length
        (frame(CLOSE, [0x03]), 1002),                           // half a code
        (close_frame(1005, ""), 1002),                          // codes that are never sent
        (close_frame(999, ""), 1002),
        (close_frame(5000, ""), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007), // a reason that is not UTF-8
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007), // a surrogate
        (frame(TEXT, b"\xc3"), 1007),         // cut at the end
        ([frame(0x01, b"\xc3"), frame(0x80, "x")].concat(), 1007),
        (frame(TEXT, b"\xff and more")[..7].to_vec(), 1007), // before the frame is complete
    ] {
        let mut server = hub();
        for path in ["/echo", "/channels/a"] {
            let client = open(&mut server, path);
            let got = converse(
                &mut server,
                client,
                &[sent.clone(), frame(TEXT, "more")].concat(),
            );
            assert_eq!(closed(&got).0, code, "{sent:02x?}");
            assert!(!closed(&got).1.is_empty());
            assert!(!server.is_open(client), "{sent:02x?}");
        }
        let seen = ask(&mut server, &get("/channels/a"));
        assert!(seen.text().contains("\"events\":[]"), "{sent:02x?}");
    }
}

#[test]
fn what_came_before_a_violation_is_answered() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    let got = converse(
        &mut server,
        client,
        &[frame(TEXT, "fine"), vec![0x81, 0x00]].concat(),
    );
    assert_eq!(got[0], text("fine"));
    assert_eq!(closed(&got[1..]).0, 1002);
}

#[test]
fn a_violation_behind_our_close_gets_no_second_close() {
    let mut server = socket(|socket, _| socket.close(CloseCode::NORMAL, ""));
    let client = open(&mut server, "/");
    converse(&mut server, client, &frame(TEXT, ""));
    assert_eq!(converse(&mut server, client, &[0x81, 0x00]), []);
    assert!(!server.is_open(client));
}
