//! A channel as a WebSocket: what is published comes as frames, frames that come are published.

use crate::support::*;

const RAW: &str = "Sec-WebSocket-Protocol: raw\r\n";

fn gap(id: &str) -> Frame {
    // The event's data is an object, as JSON in a string.
    text(&format!(
        "{{\"id\":\"{id}\",\"event\":\"gap\",\"data\":\"{{\\\"after\\\":\\\"{id}\\\"}}\"}}"
    ))
}

/// The ids of all messages in the channel, oldest first.
fn ids(server: &mut Simulation, channel: &str) -> Vec<String> {
    let all = ask(server, &get(&format!("/channels/{channel}")));
    let ids = all.text().split("{\"id\":\"").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_socket_gets_what_is_retained_and_then_what_comes() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let (client, first) = open_with(&mut server, "/channels/a", "");
    assert_eq!(first, [text(&object(&one, "one"))]);
    let answer = ask(&mut server, &post("/channels/a?event=tick", "two"));
    let two = &answer.text()[7..answer.text().len() - 2];
    let expected = format!("{{\"id\":\"{two}\",\"event\":\"tick\",\"data\":\"two\"}}");
    assert_eq!(frames(&server.take(client)), [text(&expected)]);
}

#[test]
fn a_text_frame_is_published_and_its_sender_sees_it_too() {
    let mut server = hub();
    let (sender, reader) = (
        open(&mut server, "/channels/a"),
        open(&mut server, "/channels/a"),
    );
    let got = converse(
        &mut server,
        sender,
        &[frame(TEXT, "hi"), frame(0x01, "th"), frame(0x80, "ere")].concat(),
    );
    let ids = ids(&mut server, "a");
    let expected = [
        text(&object(&ids[0], "hi")),
        text(&object(&ids[1], "there")),
    ];
    assert_eq!(got, expected);
    assert_eq!(frames(&server.take(reader)), expected);
}

/// The same channels twice: anybody may publish at one path, only the program at the other.
fn with_readers() -> (Simulation, barewire::Publisher) {
    let mut server = barewire::Server::unbound().unwrap();
    server.channels("/channels/{name}");
    server.channels("/read/{name}").read_only();
    let publisher = server.publisher();
    (server.simulate(), publisher)
}

#[test]
fn a_reader_of_a_read_only_channel_that_sends_a_message_is_closed_with_1008_and_nothing_is_published()
 {
    for (protocol, sent) in [
        ("", frame(TEXT, "x")),
        ("", [frame(0x01, "x"), frame(0x80, "y")].concat()),
        ("", frame(BINARY, "x")),
        (RAW, frame(TEXT, "")),
    ] {
        let (mut server, publisher) = with_readers();
        let (reader, _) = open_with(&mut server, "/read/a", protocol);
        // Pings are no messages.
        let pong = converse(&mut server, reader, &frame(0x89, "p"));
        assert_eq!(pong, [(0x8A, b"p".to_vec())]);
        let got = converse(&mut server, reader, &sent);
        let (code, reason) = closed(&got);
        assert!(code == 1008 && reason.contains("read-only"), "{reason}");
        assert!(!server.is_open(reader));
        assert!(ids(&mut server, "a").is_empty());
        // Others read on, what the program publishes and what comes in at the other path.
        let (other, writer) = (
            open(&mut server, "/read/a"),
            open(&mut server, "/channels/a"),
        );
        publisher.publish("a", "from the program").unwrap();
        server.wait(std::time::Duration::ZERO);
        converse(&mut server, writer, &frame(TEXT, "from a client"));
        let ids = ids(&mut server, "a");
        let both = [
            text(&object(&ids[0], "from the program")),
            text(&object(&ids[1], "from a client")),
        ];
        assert_eq!(frames(&server.take(other)), both);
    }
}

#[test]
fn a_read_only_channel_is_read_in_four_ways_and_post_is_405() {
    let (mut server, publisher) = with_readers();
    publisher.publish("a", "x").unwrap();
    server.wait(std::time::Duration::ZERO);
    for asked in [get("/read/a"), get("/read/a?wait=1")] {
        assert!(ask(&mut server, &asked).text().contains("\"data\":\"x\""));
    }
    let (_, stream) = listen(&mut server, "/read/a", "");
    assert!(stream.contains("data: x\n"));
    let refused = ask(&mut server, &post("/read/a", "y"));
    let allow = refused.field("Allow");
    assert_eq!(
        (refused.status, allow.as_deref()),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    let options = ask(&mut server, &request("OPTIONS /read/a", ""));
    assert_eq!(
        options.field("Allow").as_deref(),
        Some("GET, HEAD, OPTIONS")
    );
    assert_eq!(ids(&mut server, "a").len(), 1);
}

#[test]
fn a_binary_frame_is_published_as_bytes() {
    let mut server = hub();
    let json = open(&mut server, "/channels/a");
    let (raw, _) = open_with(&mut server, "/channels/a", RAW);
    let sent = [frame(BINARY, b"\xff\x00"), frame(BINARY, "text")].concat();
    let got = converse(&mut server, json, &sent);
    let ids = ids(&mut server, "a");
    let base64 = format!(
        "{{\"id\":\"{}\",\"event\":\"message\",\"data\":\"/wA=\",\"encoding\":\"base64\"}}",
        ids[0]
    );
    assert_eq!(got, [text(&base64), text(&object(&ids[1], "text"))]);
    assert_eq!(
        frames(&server.take(raw)),
        [(BINARY, b"\xff\x00".to_vec()), (BINARY, b"text".to_vec())]
    );
}

#[test]
fn the_raw_subprotocol_is_the_bare_data() {
    let mut server = hub();
    publish(&mut server, "a", "posted");
    let client = server.connect();
    server.send(client, upgrade("/channels/a", RAW).as_bytes());
    let bytes = server.take(client);
    let (answer, rest) = answer(&bytes, false);
    assert_eq!(
        answer.field("Sec-WebSocket-Protocol").as_deref(),
        Some("raw")
    );
    assert_eq!(frames(rest), [text("posted")]);
    let sent = [
        frame(TEXT, "\u{1f331}"),
        frame(BINARY, b"\xff"),
        frame(TEXT, ""),
    ]
    .concat();
    let got = converse(&mut server, client, &sent);
    assert_eq!(
        got,
        [text("\u{1f331}"), (BINARY, b"\xff".to_vec()), text("")]
    );
}

#[test]
fn a_subprotocol_that_nobody_here_speaks_is_not_chosen() {
    let mut server = hub();
    for offered in [
        "",
        "Sec-WebSocket-Protocol: RAW\r\n",
        "Sec-WebSocket-Protocol: chat, rawer\r\n",
    ] {
        let client = server.connect();
        server.send(client, upgrade("/channels/a", offered).as_bytes());
        let (answer, _) = answer(&server.take(client), false);
        assert_eq!(
            (answer.status, answer.field("Sec-WebSocket-Protocol")),
            (101, None),
            "{offered}"
        );
    }
    let (_, _) = open_with(
        &mut server,
        "/channels/a",
        "Sec-WebSocket-Protocol: chat, raw\r\n",
    );
}

#[test]
fn a_socket_resumes_as_every_other_reader_does() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    let rest = [text(&object(&two, "two"))];
    let field = format!("Last-Event-ID: {one}\r\n");
    let query = format!("/channels/a?last_event_id={one}");
    assert_eq!(open_with(&mut server, "/channels/a", &field).1, rest);
    assert_eq!(open_with(&mut server, &query, "").1, rest);
    let newer = format!("Last-Event-ID: {two}\r\n");
    assert_eq!(open_with(&mut server, &query, &newer).1, []);
    let (client, first) = open_with(&mut server, "/channels/a?from=now", "");
    assert_eq!(first, []);
    let three = publish(&mut server, "a", "three");
    assert_eq!(
        frames(&server.take(client)),
        [text(&object(&three, "three"))]
    );
}

#[test]
fn a_gap_is_an_event_in_front_of_what_is_left() {
    let mut server = retaining(2);
    let ids: Vec<String> = ["1", "2", "3", "4"]
        .map(|n| publish(&mut server, "a", n))
        .into();
    let field = format!("Last-Event-ID: {}\r\n", ids[0]);
    let (_, got) = open_with(&mut server, "/channels/a", &field);
    assert_eq!(
        got,
        [
            gap(&ids[1]),
            text(&object(&ids[2], "3")),
            text(&object(&ids[3], "4"))
        ]
    );
}

#[test]
fn a_raw_socket_has_no_words_for_a_gap_and_is_closed_with_1013() {
    let mut server = retaining(2);
    let ids: Vec<String> = ["1", "2", "3", "4"]
        .map(|n| publish(&mut server, "a", n))
        .into();
    let field = format!("{RAW}Last-Event-ID: {}\r\n", ids[0]);
    let (client, got) = open_with(&mut server, "/channels/a", &field);
    assert_eq!(closed(&got).0, 1013);
    assert!(!server.is_open(client));
    let field = format!("{RAW}Last-Event-ID: {}\r\n", ids[1]);
    assert_eq!(
        open_with(&mut server, "/channels/a", &field).1,
        [text("3"), text("4")]
    );
}

#[test]
fn a_slow_reader_gets_everything_in_order_once_it_reads() {
    let mut server = hub();
    let client = open(&mut server, "/channels/a");
    for after in [0, 1, 17, 300] {
        server.stall(client, after);
        let expected: Vec<Frame> = (0..50)
            .map(|n| {
                let data = format!("message {n}");
                let id = publish(&mut server, "a", &data);
                text(&object(&id, &data))
            })
            .collect();
        let mut got = server.take(client);
        assert_eq!(got.len(), after);
        server.resume(client);
        got.extend(server.take(client));
        assert_eq!(frames(&got), expected, "{after}");
    }
}

#[test]
fn a_reader_slower_than_retention_is_told_of_the_gap_and_goes_on_in_order() {
    let mut server = retaining(3);
    let client = open(&mut server, "/channels/a");
    server.stall(client, 10);
    let ids: Vec<String> = (0..20)
        .map(|n| publish(&mut server, "a", &n.to_string()))
        .collect();
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let mut expected = vec![text(&object(&ids[0], "0")), gap(&ids[16])];
    expected.extend((17..20).map(|n| text(&object(&ids[n], &n.to_string()))));
    assert_eq!(frames(&got), expected);
}

#[test]
fn a_reader_slower_than_retention_is_closed_with_1013_if_the_program_says_so() {
    let mut server = ending_slow_readers(3);
    let client = open(&mut server, "/channels/a");
    server.stall(client, 10);
    let ids: Vec<String> = (0..20)
        .map(|n| publish(&mut server, "a", &n.to_string()))
        .collect();
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let got = frames(&got);
    assert_eq!(got[0], text(&object(&ids[0], "0")));
    assert_eq!(closed(&got[1..]).0, 1013);
    assert!(!server.is_open(client));
    // Who comes back, or begins there, is told what is missing.
    let field = format!("Last-Event-ID: {}\r\n", ids[0]);
    let (_, got) = open_with(&mut server, "/channels/a", &field);
    assert_eq!(got[0], gap(&ids[16]));
}

#[test]
fn a_raw_reader_slower_than_retention_is_closed_with_1013_behind_the_message_it_was_in() {
    let mut server = retaining(3);
    let (client, _) = open_with(&mut server, "/channels/a", RAW);
    server.stall(client, 1);
    for n in 0..20 {
        publish(&mut server, "a", &n.to_string());
    }
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let got = frames(&got);
    assert_eq!(got[0], text("0"));
    assert_eq!(closed(&got[1..]).0, 1013);
    assert!(!server.is_open(client));
}

#[test]
fn control_frames_never_come_inside_a_message_that_was_cut() {
    let mut server = hub();
    let client = open(&mut server, "/channels/a");
    server.stall(client, 3);
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    server.send(client, &frame(PING, "p"));
    server.wait(seconds(31));
    server.stop();
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let got = frames(&got);
    assert_eq!(got[0], text(&object(&one, "one")));
    // The close went out before the second message could.
    assert_eq!(closed(&got[1..]).0, 1001);
    assert!(!got.contains(&text(&object(&two, "two"))));
}

#[test]
fn nothing_is_delivered_behind_a_close() {
    let mut server = hub();
    let client = open(&mut server, "/channels/a");
    server.stop();
    assert_eq!(closed(&frames(&server.take(client))).0, 1001);
    let other = server.connect();
    server.send(other, post("/channels/a", "late").as_bytes());
    assert_eq!(server.take(client), b"");
}

#[test]
fn a_closing_socket_publishes_what_it_sent_before_and_nothing_after() {
    let mut server = hub();
    let client = open(&mut server, "/channels/a");
    let sent = [
        frame(TEXT, "before"),
        close_frame(1000, ""),
        frame(TEXT, "after"),
    ]
    .concat();
    server.send(client, &sent);
    assert!(!server.is_open(client));
    assert_eq!(ids(&mut server, "a").len(), 1);
}
