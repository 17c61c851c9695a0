//! Shutting down: whatever is under way ends as its client expects an end.

use barewire::Later;

use crate::support::*;

#[test]
fn idle_connections_close() {
    let mut server = hub();
    let (fresh, used) = (server.connect(), server.connect());
    ask_on(&mut server, used, &get("/"));
    server.stop();
    for client in [fresh, used] {
        assert_eq!(
            (server.take(client), server.is_open(client)),
            (vec![], false)
        );
    }
}

#[test]
fn a_parked_long_poll_gets_204_and_its_connection_closes() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, (get("/channels/a?wait=60") + &get("/")).as_bytes());
    server.stop();
    let got = answers(&server.take(client));
    assert_eq!((got.len(), got[0].status, got[0].closes()), (1, 204, true));
    assert!(!server.is_open(client));
}

#[test]
fn an_event_stream_ends_with_its_last_chunk() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    let old = server.connect();
    server.send(
        old,
        b"GET /channels/a HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n",
    );
    server.take(old);
    server.stop();
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (b"0\r\n\r\n".to_vec(), false)
    );
    assert_eq!((server.take(old), server.is_open(old)), (vec![], false));
}

#[test]
fn a_handlers_stream_ends_with_its_last_chunk_and_later_pieces_go_nowhere() {
    let streams = Shared::default();
    let hook = streams.clone();
    let mut server = server(|server| {
        server.get("/", move |_, reply| hook.push(reply.stream("text/csv")));
    });
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    server.take(client);
    server.stop();
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (b"0\r\n\r\n".to_vec(), false)
    );
    let stream = streams.take().remove(0);
    let _ = stream.write("late");
    drop(stream);
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"");
}

#[test]
fn a_websocket_is_closed_with_1001_and_may_answer() {
    for path in ["/echo", "/channels/a"] {
        let mut server = hub();
        let client = open(&mut server, path);
        server.stop();
        let (code, _) = closed(&frames(&server.take(client)));
        assert_eq!(code, 1001);
        // Nothing follows a close frame, whatever is said or published (RFC 6455 5.5.1).
        assert_eq!(converse(&mut server, client, &frame(TEXT, "x")), []);
        assert!(server.is_open(client));
        assert_eq!(converse(&mut server, client, &close_frame(1001, "")), []);
        assert!(!server.is_open(client));
    }
}

#[test]
fn a_websocket_that_does_not_answer_is_dropped_after_five_seconds() {
    let mut server = hub();
    let client = open(&mut server, "/echo");
    server.stop();
    server.wait(seconds(5) - ONE_MS);
    assert!(server.is_open(client));
    server.wait(ONE_MS);
    assert!(!server.is_open(client));
}

#[test]
fn a_request_on_its_way_is_answered_with_connection_close() {
    let mut server = hub();
    let asked = post("/", "hello");
    for cut in [1, 20, asked.len() - 3] {
        let client = server.connect();
        server.send(client, &asked.as_bytes()[..cut]);
        server.stop();
        assert!(server.is_open(client));
        let answers = talk(&mut server, client, &asked.as_bytes()[cut..]);
        assert_eq!(
            (answers[0].text(), answers[0].closes()),
            ("hello", true),
            "{cut}"
        );
        assert!(!server.is_open(client));
    }
}

#[test]
fn a_promised_answer_is_given_with_connection_close() {
    let promises: Shared<Vec<Later>> = Shared::default();
    let hook = promises.clone();
    let mut server = server(|server| {
        server.get("/", move |_, reply| hook.push(reply.later()));
    });
    let client = server.connect();
    server.send(client, get("/").repeat(2).as_bytes());
    server.stop();
    assert!(server.is_open(client));
    promises
        .take()
        .remove(0)
        .send(Response::text("kept"))
        .unwrap();
    server.wait(ONE_MS);
    let got = answers(&server.take(client));
    assert_eq!(
        (got.len(), got[0].text(), got[0].closes()),
        (1, "kept", true)
    );
    assert!(!server.is_open(client));
}

#[test]
fn a_long_poll_that_comes_while_shutting_down_does_not_wait() {
    let mut server = hub();
    let asked = get("/channels/a?wait=60");
    let client = server.connect();
    server.send(client, &asked.as_bytes()[..5]);
    server.stop();
    let answers = talk(&mut server, client, &asked.as_bytes()[5..]);
    assert_eq!((answers[0].status, answers[0].closes()), (204, true));
    assert!(!server.is_open(client));
}
