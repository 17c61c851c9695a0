//! A channel as text/event-stream: WHATWG HTML 9.2.

use crate::support::*;

const PREAMBLE: &str = "retry: 2000\n\n";

fn block(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}

fn after(id: &str) -> String {
    format!("Last-Event-ID: {id}\r\n")
}

#[test]
fn a_stream_says_what_it_is_and_that_nobody_should_hold_it_back() {
    let mut server = hub();
    let client = server.connect();
    server.send(
        client,
        request("GET /channels/a", "Accept: text/event-stream\r\n").as_bytes(),
    );
    assert_eq!(
        dateless(&server.take(client)),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nretry: 2000\n\n\r\n"
    );
}

#[test]
fn a_stream_carries_what_is_retained_and_then_what_comes() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    let (client, first) = listen(&mut server, "/channels/a", "");
    assert_eq!(
        first,
        [PREAMBLE, &block(&one, "one"), &block(&two, "two")].concat()
    );
    let three = publish(&mut server, "a", "three");
    assert_eq!(take_streamed(&mut server, client), block(&three, "three"));
    publish(&mut server, "b", "elsewhere");
    assert_eq!(server.take(client), b"");
}

#[test]
fn an_event_has_its_name_and_its_lines() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    let answer = ask(
        &mut server,
        &post("/channels/a?event=tick", "a\nb\r\nc\r\n d\n"),
    );
    let id = &answer.text()[7..answer.text().len() - 2];
    let expected =
        format!("id: {id}\nevent: tick\ndata: a\ndata: b\ndata: c\ndata:  d\ndata: \n\n");
    assert_eq!(take_streamed(&mut server, client), expected);
    let id = publish(&mut server, "a", "data: x\n\nevent: evil\ndata: y");
    let expected = format!("id: {id}\ndata: data: x\ndata: \ndata: event: evil\ndata: data: y\n\n");
    assert_eq!(take_streamed(&mut server, client), expected);
}

#[test]
fn the_stream_is_chosen_by_accept() {
    let mut server = hub();
    for accept in [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/event-stream; charset=utf-8",
        "application/json, text/event-stream;q=0.5",
        "text/html\r\nAccept: text/event-stream",
    ] {
        let client = server.connect();
        server.send(
            client,
            request("GET /channels/a?wait=0", &format!("Accept: {accept}\r\n")).as_bytes(),
        );
        assert!(
            server.take(client).starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{accept}"
        );
    }
    for accept in [
        "*/*",
        "text/*",
        "application/json",
        "text/event-streams",
        "x=\"text/event-stream\"",
        "",
    ] {
        let asked = request("GET /channels/a?wait=0", &format!("Accept: {accept}\r\n"));
        assert_eq!(ask(&mut server, &asked).status, 204, "{accept}");
    }
}

#[test]
fn a_stream_in_http_1_0_is_not_chunked() {
    let mut server = hub();
    let id = publish(&mut server, "a", "x");
    for fields in ["", "Connection: keep-alive\r\n"] {
        let client = server.connect();
        let asked =
            format!("GET /channels/a HTTP/1.0\r\nAccept: text/event-stream\r\n{fields}\r\n");
        server.send(client, asked.as_bytes());
        let (answer, _) = answer(&server.take(client), false);
        assert_eq!(answer.text(), [PREAMBLE, &block(&id, "x")].concat());
        assert!(answer.closes(), "only the end of the connection ends it");
        assert!(server.is_open(client));
        server.wait(seconds(15));
        assert_eq!(server.take(client), b":\n\n");
    }
}

#[test]
fn a_stream_resumes_behind_the_id_of_the_field_or_the_query() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    let rest = [PREAMBLE, &block(&two, "two")].concat();
    assert_eq!(listen(&mut server, "/channels/a", &after(&one)).1, rest);
    assert_eq!(
        listen(&mut server, &format!("/channels/a?last_event_id={one}"), "").1,
        rest
    );
    // An EventSource keeps its URL when it comes back; the field is newer.
    let path = format!("/channels/a?last_event_id={one}");
    assert_eq!(listen(&mut server, &path, &after(&two)).1, PREAMBLE);
}

#[test]
fn a_stream_from_the_tail_begins_with_its_place() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let (client, first) = listen(&mut server, "/channels/a?from=now", "");
    assert_eq!(first, format!("id: {one}\nretry: 2000\n\n"));
    // Cut off before anything came, it loses nothing.
    server.end(client);
    let two = publish(&mut server, "a", "two");
    let (_, again) = listen(&mut server, "/channels/a?from=now", &after(&one));
    assert_eq!(again, [PREAMBLE, &block(&two, "two")].concat());
}

#[test]
fn a_stream_from_the_tail_of_a_new_channel_has_a_place_too() {
    let mut server = hub();
    let (client, first) = listen(&mut server, "/channels/new?from=now", "");
    let id = first
        .strip_prefix("id: ")
        .and_then(|rest| rest.strip_suffix("\nretry: 2000\n\n"));
    let id = id.unwrap_or_else(|| panic!("{first:?}")).to_owned();
    server.end(client);
    let one = publish(&mut server, "new", "one");
    let (_, again) = listen(&mut server, "/channels/new?from=now", &after(&id));
    assert_eq!(again, [PREAMBLE, &block(&one, "one")].concat());
}

fn gap(id: &str) -> String {
    format!("id: {id}\nevent: gap\ndata: {{\"after\":\"{id}\"}}\n\n")
}

#[test]
fn a_gap_is_an_event_in_front_of_what_is_left_and_is_told_once() {
    let mut server = retaining(2);
    let ids: Vec<String> = ["1", "2", "3", "4"]
        .map(|n| publish(&mut server, "a", n))
        .into();
    let rest = [block(&ids[2], "3"), block(&ids[3], "4")].concat();
    let (_, first) = listen(&mut server, "/channels/a", &after(&ids[0]));
    assert_eq!(first, [PREAMBLE, &gap(&ids[1]), &rest].concat());
    // Who was cut off behind the gap comes back without a second one.
    let (_, again) = listen(&mut server, "/channels/a", &after(&ids[1]));
    assert_eq!(again, [PREAMBLE, &rest].concat());
    // Another life of the server.
    let (_, foreign) = listen(&mut server, "/channels/a", &after("7-7"));
    assert_eq!(foreign, [PREAMBLE, &gap(&ids[1]), &rest].concat());
}

#[test]
fn heartbeats_come_every_fifteen_seconds() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    for _ in 0..3 {
        server.wait(seconds(15) - ONE_MS);
        assert_eq!(server.take(client), b"");
        server.wait(ONE_MS);
        assert_eq!(server.take(client), b"3\r\n:\n\n\r\n");
    }
}

#[test]
fn what_a_client_sends_behind_its_request_is_not_kept() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    for _ in 0..100 {
        server.send(client, &[b'x'; 10_000]);
    }
    let id = publish(&mut server, "a", "x");
    assert_eq!(take_streamed(&mut server, client), block(&id, "x"));
}

// Slow readers

#[test]
fn a_slow_reader_gets_everything_in_order_once_it_reads() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    for after in [0, 1, 17, 100] {
        server.stall(client, after);
        let mut expected = String::new();
        for n in 0..50 {
            let text = format!("message {n}");
            let id = publish(&mut server, "a", &text);
            expected += &block(&id, &text);
        }
        let mut got = server.take(client);
        assert_eq!(got.len(), after);
        server.resume(client);
        got.extend(server.take(client));
        assert_eq!(streamed(&got), expected, "{after}");
    }
}

#[test]
fn a_reader_slower_than_retention_is_told_of_the_gap_and_goes_on_in_order() {
    let mut server = retaining(3);
    let (client, _) = listen(&mut server, "/channels/a", "");
    for cut in [0, 10] {
        server.stall(client, cut);
        let ids: Vec<String> = (0..20)
            .map(|n| publish(&mut server, "a", &n.to_string()))
            .collect();
        let mut got = server.take(client);
        server.resume(client);
        got.extend(server.take(client));
        let last: Vec<String> = (17..20).map(|n| block(&ids[n], &n.to_string())).collect();
        // A message that was begun is finished first.
        let begun = if cut == 0 {
            String::new()
        } else {
            block(&ids[0], "0")
        };
        assert_eq!(
            streamed(&got),
            begun + &gap(&ids[16]) + &last.concat(),
            "{cut}"
        );
        let next = publish(&mut server, "a", "next");
        assert_eq!(take_streamed(&mut server, client), block(&next, "next"));
    }
}

#[test]
fn a_reader_slower_than_retention_is_ended_if_the_program_says_so() {
    let mut server = ending_slow_readers(3);
    let (client, _) = listen(&mut server, "/channels/a", "");
    server.stall(client, 10);
    let ids: Vec<String> = (0..3)
        .map(|n| publish(&mut server, "a", &n.to_string()))
        .collect();
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let all: Vec<String> = (0..3).map(|n| block(&ids[n], &n.to_string())).collect();
    assert_eq!(streamed(&got), all.concat(), "still retained");

    server.stall(client, 10);
    let ids: Vec<String> = (0..20)
        .map(|n| publish(&mut server, "a", &n.to_string()))
        .collect();
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    let (got, rest) = unchunk(&got);
    assert_eq!(String::from_utf8(got).unwrap(), block(&ids[0], "0"));
    assert_eq!((rest, server.is_open(client)), (Some(&b""[..]), false));
    // Who comes back is told what is missing.
    let field = format!("Last-Event-ID: {}\r\n", ids[0]);
    let (_, first) = listen(&mut server, "/channels/a", &field);
    assert!(first.contains(&gap(&ids[16])), "{first}");
}

#[test]
fn a_slow_reader_gets_no_heartbeats_on_top_of_what_it_has_not_read() {
    let mut server = hub();
    let (client, _) = listen(&mut server, "/channels/a", "");
    server.stall(client, 5);
    let id = publish(&mut server, "a", "x");
    server.wait(seconds(60));
    let mut got = server.take(client);
    server.resume(client);
    got.extend(server.take(client));
    assert_eq!(streamed(&got), block(&id, "x"));
    server.wait(seconds(15));
    assert_eq!(take_streamed(&mut server, client), ":\n\n");
}
