//! Who may take how long. Each state of a connection has a deadline, and a silent or slow peer meets it.

use crate::support::*;

/// Sends nothing more for this long: nothing may come, and the connection stays.
fn quiet(server: &mut Simulation, client: Client, time: std::time::Duration) {
    server.wait(time);
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (vec![], true)
    );
}

fn timed_out(server: &mut Simulation, client: Client) {
    server.wait(ONE_MS);
    let got = answers(&server.take(client));
    assert_eq!((got.len(), got[0].status, got[0].closes()), (1, 408, true));
    assert!(!server.is_open(client));
}

// The head: RFC 9110 15.5.9

#[test]
fn a_head_has_ten_seconds_from_its_first_byte() {
    let mut server = hub();
    let client = server.connect();
    quiet(&mut server, client, seconds(9));
    server.send(client, b"G");
    quiet(&mut server, client, seconds(10) - ONE_MS);
    timed_out(&mut server, client);
}

#[test]
fn a_head_that_trickles_gets_no_more_time() {
    let mut server = hub();
    let client = server.connect();
    for byte in b"GET / HTTP" {
        server.send(client, &[*byte]);
        assert!(server.is_open(client));
        server.wait(seconds(1) - ONE_MS);
    }
    quiet(&mut server, client, 9 * ONE_MS);
    timed_out(&mut server, client);
}

#[test]
fn empty_lines_that_trickle_get_no_more_time() {
    let mut server = hub();
    let client = server.connect();
    for byte in b"\r\n\r\n" {
        server.send(client, &[*byte]);
        server.wait(seconds(3));
    }
    assert!(!server.is_open(client));
}

#[test]
fn a_connection_that_never_says_a_word_closes_without_one() {
    let mut server = hub();
    let client = server.connect();
    quiet(&mut server, client, seconds(10) - ONE_MS);
    server.wait(ONE_MS);
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (vec![], false)
    );
}

#[test]
fn the_next_head_has_its_own_ten_seconds() {
    let mut server = hub();
    let client = server.connect();
    assert_eq!(
        talk(&mut server, client, (get("/") + "GET").as_bytes()).len(),
        1
    );
    quiet(&mut server, client, seconds(10) - ONE_MS);
    timed_out(&mut server, client);
}

#[test]
fn a_head_that_was_begun_behind_a_long_poll_has_ten_seconds_from_its_answer() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, (get("/channels/a?wait=40") + "GET").as_bytes());
    quiet(&mut server, client, seconds(40) - ONE_MS);
    server.wait(ONE_MS);
    assert_eq!(statuses(&server.take(client)), [204]);
    quiet(&mut server, client, seconds(10) - ONE_MS);
    timed_out(&mut server, client);
}

// Between requests

#[test]
fn an_idle_connection_closes_silently_after_75_seconds() {
    let mut server = hub();
    let client = server.connect();
    for _ in 0..2 {
        assert_eq!(ask_on(&mut server, client, &get("/")).status, 200);
        quiet(&mut server, client, seconds(75) - ONE_MS);
    }
    server.wait(ONE_MS);
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (vec![], false)
    );
}

#[test]
fn every_kind_of_answer_begins_the_75_seconds_anew() {
    let mut server = server(|server| {
        routes(server);
        server.get("/later", |_, reply| drop(reply.later()));
        server.get("/stream", |_, reply| drop(reply.stream("text/plain")));
        server.get("/events", |_, reply| drop(reply.events()));
    });
    for asked in [
        get("/"),
        get("/nowhere"),
        post("/", "body"),
        post("/channels/a", "x"),
        get("/channels/a"),
        get("/channels/a?from=now&wait=60"),
        get("/later"),
        get("/stream"),
        get("/events"),
        request("HEAD /stream", ""),
    ] {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        if asked.contains("wait") {
            server.wait(seconds(60));
        }
        assert!(!server.take(client).is_empty(), "{asked}");
        assert_eq!(server.deadline(client), Some(seconds(75)), "{asked}");
    }
}

// The body

#[test]
fn a_body_may_pause_for_thirty_seconds_and_no_longer() {
    let mut server = hub();
    for fields in ["Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
        let client = server.connect();
        server.send(client, request("POST /channels/a", fields).as_bytes());
        for byte in b"1\r\na\r\n" {
            quiet(&mut server, client, seconds(30) - ONE_MS);
            server.send(client, &[*byte]);
        }
        quiet(&mut server, client, seconds(30) - ONE_MS);
        timed_out(&mut server, client);
    }
}

#[test]
fn a_client_that_was_told_to_go_on_and_does_not_is_408() {
    let mut server = hub();
    let client = server.connect();
    let fields = "Expect: 100-continue\r\nContent-Length: 9\r\n";
    server.send(client, request("POST /channels/a", fields).as_bytes());
    assert_eq!(server.take(client), b"HTTP/1.1 100 Continue\r\n\r\n");
    quiet(&mut server, client, seconds(30) - ONE_MS);
    timed_out(&mut server, client);
}

// Answers that wait

#[test]
fn a_promised_answer_has_no_deadline_but_its_promise() {
    let kept = Shared::default();
    let promises = kept.clone();
    let mut server = server(move |server| {
        server.get("/", move |_, reply| promises.push(reply.later()));
    });
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    assert_eq!(server.deadline(client), None);
    quiet(&mut server, client, seconds(3600));
    let _ = kept.take().remove(0).send(Response::text("at last"));
    quiet_until_told(&mut server);
    assert_eq!(answers(&server.take(client))[0].text(), "at last");
}

fn quiet_until_told(server: &mut Simulation) {
    server.wait(ONE_MS);
}

#[test]
fn a_waiting_poll_keeps_its_deadline_whatever_is_sent_behind_it() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, get("/channels/a?wait=20").as_bytes());
    server.wait(seconds(15));
    server.send(client, b"GET / HTTP/1.1\r\n");
    assert_eq!(server.deadline(client), Some(seconds(5)));
    server.wait(seconds(5));
    assert_eq!(statuses(&server.take(client)), [204]);
}

// WebSockets: RFC 6455 5.5.2 and 7.1.1

#[test]
fn a_silent_socket_is_pinged_every_thirty_seconds_and_dropped_after_two_in_vain() {
    let mut server = hub();
    for path in ["/echo", "/channels/a"] {
        let client = open(&mut server, path);
        for _ in 0..2 {
            quiet(&mut server, client, seconds(30) - ONE_MS);
            server.wait(ONE_MS);
            assert_eq!(frames(&server.take(client)), [(PING, vec![])]);
        }
        quiet(&mut server, client, seconds(30) - ONE_MS);
        server.wait(ONE_MS);
        assert_eq!(
            (server.take(client), server.is_open(client)),
            (vec![], false),
            "{path}"
        );
    }
}

#[test]
fn any_byte_of_the_peer_is_a_sign_of_life() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    // A pong, a part of a frame, and the rest of it.
    for sent in [
        frame(PONG, ""),
        frame(TEXT, "hello")[..3].to_vec(),
        frame(TEXT, "hello")[3..].to_vec(),
    ] {
        server.wait(seconds(60) - ONE_MS);
        server.send(client, &sent);
        assert!(server.is_open(client));
    }
    server.take(client);
    server.wait(seconds(60));
    assert!(server.is_open(client));
    server.wait(seconds(30));
    assert!(!server.is_open(client));
}

#[test]
fn who_has_not_taken_what_was_sent_owes_no_sign_of_life() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    // A slow line: beyond the high-water mark, what it says is not read.
    server.stall(client, 0);
    let large = "x".repeat(100_000);
    server.send(client, &frame(TEXT, &large));
    for _ in 0..10 {
        server.wait(seconds(30));
        server.send(client, &frame(PONG, ""));
    }
    assert!(server.is_open(client));
    server.resume(client);
    assert_eq!(
        frames(&server.take(client)),
        [(TEXT, large.into_bytes())],
        "and no pings"
    );
    // From then on it does.
    server.wait(seconds(90));
    assert!(!server.is_open(client));
}

#[test]
fn a_peer_has_five_seconds_to_answer_our_close() {
    let mut server = server(|server| {
        server.websocket("/", |socket, _| {
            socket.close(barewire::ws::CloseCode::NORMAL, "")
        });
    });
    let client = open(&mut server, "/");
    assert_eq!(
        closed(&converse(&mut server, client, &frame(TEXT, "x"))),
        (1000, "".into())
    );
    quiet(&mut server, client, seconds(5) - ONE_MS);
    server.wait(ONE_MS);
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (vec![], false)
    );
}

#[test]
fn a_peer_that_goes_on_talking_gets_no_more_than_these_five_seconds() {
    let mut server = server(|server| {
        server.websocket("/", |socket, _| {
            socket.close(barewire::ws::CloseCode::NORMAL, "")
        });
    });
    let client = open(&mut server, "/");
    converse(&mut server, client, &frame(TEXT, "x"));
    for _ in 0..4 {
        server.wait(seconds(1));
        assert_eq!(converse(&mut server, client, &frame(TEXT, "on and on")), []);
        assert!(server.is_open(client));
    }
    server.wait(seconds(1));
    assert!(!server.is_open(client));
}
