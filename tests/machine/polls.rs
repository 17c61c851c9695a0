//! Short and long polls of a channel.

use crate::support::*;

/// `Last-Event-ID: id`.
fn after(id: &str) -> String {
    format!("Last-Event-ID: {id}\r\n")
}

fn poll(server: &mut Simulation, fields: &str) -> Answer {
    ask(server, &request("GET /channels/a", fields))
}

// The short poll

#[test]
fn a_poll_gets_everything_retained_and_the_cursor_to_come_back_with() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    let answer = poll(&mut server, "");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.field("Content-Type").as_deref(),
        Some("application/json")
    );
    assert_eq!(answer.field("Cache-Control").as_deref(), Some("no-store"));
    assert_eq!(answer.field("Last-Event-ID").as_deref(), Some(&*two));
    assert_eq!(answer.text(), batch(&[(&one, "one"), (&two, "two")], &two));
    assert_eq!(
        poll(&mut server, &after(&one)).text(),
        batch(&[(&two, "two")], &two)
    );
}

#[test]
fn with_nothing_new_the_cursor_is_the_one_that_was_given() {
    let mut server = hub();
    let id = publish(&mut server, "a", "x");
    assert_eq!(poll(&mut server, &after(&id)).text(), batch(&[], &id));
    // A channel that does not exist yet has a cursor too, and it holds once it exists.
    let nothing = ask(&mut server, &get("/channels/new"));
    let cursor = nothing.field("Last-Event-ID").unwrap();
    assert_eq!(nothing.text(), batch(&[], &cursor));
    let first = publish(&mut server, "new", "first");
    let asked = request("GET /channels/new", &after(&cursor));
    assert_eq!(
        ask(&mut server, &asked).text(),
        batch(&[(&first, "first")], &first)
    );
}

#[test]
fn the_cursor_comes_in_the_field_or_the_query_and_the_field_wins() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let two = publish(&mut server, "a", "two");
    let three = publish(&mut server, "a", "three");
    let from = |query: &str, fields: &str| request(&format!("GET /channels/a{query}"), fields);
    let by_query = from(&format!("?last_event_id={two}"), "");
    let rest = batch(&[(&three, "three")], &three);
    assert_eq!(ask(&mut server, &by_query).text(), rest);
    let both = from(&format!("?last_event_id={one}"), &after(&two));
    assert_eq!(ask(&mut server, &both).text(), rest);
    // An EventSource has sent an empty field; the query is what counts then.
    let empty = from(&format!("?last_event_id={two}"), "Last-Event-ID:\r\n");
    assert_eq!(ask(&mut server, &empty).text(), rest);
    // A cursor goes before `from`: who comes back has a place.
    for asked in [
        from("?from=now", &after(&two)),
        from(&format!("?from=now&last_event_id={two}"), ""),
    ] {
        assert_eq!(ask(&mut server, &asked).text(), rest);
    }
}

#[test]
fn from_now_begins_at_the_tail() {
    let mut server = hub();
    let one = publish(&mut server, "a", "one");
    let answer = ask(&mut server, &get("/channels/a?from=now"));
    assert_eq!(answer.text(), batch(&[], &one));
    let two = publish(&mut server, "a", "two");
    assert_eq!(
        poll(&mut server, &after(&one)).text(),
        batch(&[(&two, "two")], &two)
    );
}

#[test]
fn a_cursor_that_is_none_is_400_in_every_way() {
    let mut server = hub();
    publish(&mut server, "a", "x");
    for cursor in [
        "x",
        "12",
        "1-",
        "-1",
        "1-2-3",
        "+1-2",
        "1-+2",
        "0x1-0",
        "1 - 2",
        "99999999999999999999-0",
        "\u{e9}",
    ] {
        let accept = "Accept: text/event-stream\r\n";
        for asked in [
            request("GET /channels/a", &after(cursor)),
            request("GET /channels/a?wait=1", &after(cursor)),
            request("GET /channels/a", &(after(cursor) + accept)),
            upgrade("/channels/a", &after(cursor)),
        ] {
            let client = server.connect();
            assert_eq!(ask_on(&mut server, client, &asked).status, 400, "{cursor}");
            assert!(server.is_open(client));
        }
    }
    for query in [
        "last_event_id=x",
        "last_event_id=%zz",
        "last_event_id=%ff",
        "from=then",
        "from=",
        "from=%zz",
    ] {
        assert_eq!(
            ask(&mut server, &get(&format!("/channels/a?{query}"))).status,
            400,
            "{query}"
        );
    }
    // Bytes that are no text are no cursor either.
    let client = server.connect();
    server.send(
        client,
        b"GET /channels/a HTTP/1.1\r\nHost: a\r\nLast-Event-ID: \xff\r\n\r\n",
    );
    assert_eq!(statuses(&server.take(client)), [400]);
}

#[test]
fn a_cursor_that_fell_out_of_the_window_is_told_of_a_gap() {
    let mut server = retaining(2);
    let ids: Vec<String> = ["1", "2", "3", "4"]
        .map(|n| publish(&mut server, "a", n))
        .into();
    let whole = batch(&[(&ids[2], "3"), (&ids[3], "4")], &ids[3]);
    let gap = whole.strip_suffix('}').unwrap().to_owned() + ",\"gap\":true}";
    assert_eq!(poll(&mut server, &after(&ids[0])).text(), gap);
    // The last one that fell out is still a place: nothing is missing behind it.
    assert_eq!(poll(&mut server, &after(&ids[1])).text(), whole);
    assert_eq!(poll(&mut server, "").text(), whole);
    // A cursor from another life of the server is never taken for a position.
    for foreign in ["0-0", "1-0", "18446744073709551615-0"] {
        assert_eq!(poll(&mut server, &after(foreign)).text(), gap, "{foreign}");
    }
}

#[test]
fn a_gap_is_told_also_where_nothing_is_left() {
    let mut server = hub();
    let asked = request("GET /channels/none", &after("1-0"));
    let answer = ask(&mut server, &asked);
    assert!(
        answer.text().starts_with("{\"events\":[],\"last_id\":\""),
        "{}",
        answer.text()
    );
    assert!(answer.text().ends_with(",\"gap\":true}"));
}

// Batches

#[test]
fn a_batch_holds_so_many_messages_and_says_that_there_are_more() {
    let mut server = hub();
    let ids: Vec<String> = (0..1001).map(|_| publish(&mut server, "a", "x")).collect();
    let answer = poll(&mut server, "");
    assert_eq!(answer.text().matches("\"id\"").count(), 1000);
    assert!(
        answer
            .text()
            .ends_with(&format!("],\"last_id\":\"{}\",\"more\":true}}", ids[999]))
    );
    assert_eq!(
        poll(&mut server, &after(&ids[999])).text(),
        batch(&[(&ids[1000], "x")], &ids[1000])
    );
    // Exactly as many as fit are all.
    let answer = poll(&mut server, &after(&ids[0]));
    assert_eq!(answer.text().matches("\"id\"").count(), 1000);
    assert!(!answer.text().contains("more"));
}

#[test]
fn a_batch_holds_so_many_bytes_and_at_least_one_message() {
    let mut server = hub();
    let large = "x".repeat(700_000);
    let ids: Vec<String> = (0..3).map(|_| publish(&mut server, "a", &large)).collect();
    let mut cursor = String::new();
    for (n, id) in ids.iter().enumerate() {
        let answer = match n {
            0 => poll(&mut server, ""),
            _ => poll(&mut server, &after(&cursor)),
        };
        assert_eq!(answer.text().matches("\"id\"").count(), 1);
        assert_eq!(answer.text().ends_with("\"more\":true}"), n < 2);
        cursor = answer.field("Last-Event-ID").unwrap();
        assert_eq!(&cursor, id);
    }
    // JSON makes six bytes of each of these, so that one message alone is more than a batch's bytes.
    let escaped = publish(&mut server, "b", &"\u{1}".repeat(1_000_000));
    let answer = ask(&mut server, &get("/channels/b"));
    assert!(answer.body.len() > 6_000_000);
    assert_eq!(answer.field("Last-Event-ID"), Some(escaped));
}

// The long poll: RFC 7240 4.3

#[test]
fn a_long_poll_with_something_new_answers_at_once() {
    let mut server = hub();
    let id = publish(&mut server, "a", "x");
    let answer = poll(&mut server, "Prefer: wait=30\r\n");
    assert_eq!(answer.text(), batch(&[(&id, "x")], &id));
}

#[test]
fn a_long_poll_is_woken_by_a_publish() {
    let mut server = hub();
    let seen = publish(&mut server, "a", "seen");
    let client = server.connect();
    let asked = request("GET /channels/a", &(after(&seen) + "Prefer: wait=30\r\n"));
    server.send(client, asked.as_bytes());
    server.wait(seconds(29));
    assert_eq!(server.take(client), b"");
    let id = publish(&mut server, "a", "new");
    let answer = &answers(&server.take(client))[0];
    assert_eq!(
        (answer.status, answer.text()),
        (200, &*batch(&[(&id, "new")], &id))
    );
    assert_eq!(answer.field("Last-Event-ID"), Some(id));
    server.wait(seconds(74));
    assert!(server.is_open(client));
}

#[test]
fn all_who_wait_are_woken_and_each_gets_what_it_has_not_had() {
    let mut server = hub();
    let clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &clients {
        server.send(*client, get("/channels/a?wait=30&from=now").as_bytes());
    }
    let id = publish(&mut server, "a", "x");
    for client in clients {
        assert_eq!(
            answers(&server.take(client))[0].text(),
            batch(&[(&id, "x")], &id)
        );
    }
}

#[test]
fn a_publish_elsewhere_wakes_nobody() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, get("/channels/a?wait=30").as_bytes());
    publish(&mut server, "b", "x");
    assert_eq!(server.take(client), b"");
}

#[test]
fn a_long_poll_that_gets_nothing_is_204_at_its_deadline_with_its_cursor() {
    let mut server = hub();
    let id = publish(&mut server, "a", "x");
    let client = server.connect();
    server.send(client, get("/channels/a?wait=7&from=now").as_bytes());
    server.wait(seconds(7) - ONE_MS);
    assert_eq!(server.take(client), b"");
    server.wait(ONE_MS);
    assert_eq!(
        dateless(&server.take(client)),
        format!(
            "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nLast-Event-ID: {id}\r\n\r\n"
        )
    );
    assert!(server.is_open(client));
}

#[test]
fn a_wait_of_zero_does_not_wait_and_one_of_more_than_sixty_waits_sixty() {
    let mut server = hub();
    assert_eq!(ask(&mut server, &get("/channels/a?wait=0")).status, 204);
    for wait in ["60", "61", "3600", "99999999999999999999999999"] {
        let client = server.connect();
        server.send(client, get(&format!("/channels/a?wait={wait}")).as_bytes());
        assert_eq!(server.deadline(client), Some(seconds(60)), "{wait}");
    }
}

#[test]
fn the_preference_is_read_as_its_grammar_says() {
    let mut server = hub();
    for prefer in [
        "wait=5",
        "WAIT=5",
        "wait=\"5\"",
        "wait = 5",
        "respond-async, wait=5",
        "respond-async;x=\"a,b\", wait=5; foo",
        "wait=5\r\nPrefer: respond-async",
        "respond-async\r\nPrefer: wait=5",
        "waiting=9, wait=5",
    ] {
        let client = server.connect();
        let asked = request("GET /channels/a", &format!("Prefer: {prefer}\r\n"));
        server.send(client, asked.as_bytes());
        assert_eq!(
            (server.take(client), server.deadline(client)),
            (vec![], Some(seconds(5))),
            "{prefer}"
        );
    }
}

#[test]
fn a_preference_that_makes_no_sense_is_none_and_such_a_query_is_400() {
    let mut server = hub();
    for prefer in [
        "wait",
        "wait=",
        "wait=x",
        "wait=-1",
        "wait=+5",
        "wait=1.5",
        "wait=5s",
        "x=\"wait=5\"",
        "await=5",
        "",
    ] {
        let answer = poll(&mut server, &format!("Prefer: {prefer}\r\n"));
        assert_eq!(answer.status, 200, "{prefer}");
    }
    for wait in ["", "x", "-1", "%2B5", "1.5", "5s", "%zz", "%ff"] {
        let asked = get(&format!("/channels/a?wait={wait}"));
        assert_eq!(ask(&mut server, &asked).status, 400, "{wait}");
    }
}

#[test]
fn a_long_poll_with_a_gap_is_told_at_once() {
    let mut server = retaining(1);
    let one = publish(&mut server, "a", "1");
    publish(&mut server, "a", "2");
    publish(&mut server, "a", "3");
    let answer = poll(&mut server, &(after(&one) + "Prefer: wait=30\r\n"));
    assert!(
        answer.text().ends_with(",\"gap\":true}"),
        "{}",
        answer.text()
    );
    let nothing = ask(
        &mut server,
        &request("GET /channels/b?wait=30", &after("1-0")),
    );
    assert!(
        nothing.text().ends_with(",\"gap\":true}"),
        "{}",
        nothing.text()
    );
}

#[test]
fn head_of_a_long_poll_waits_like_get_and_has_no_body() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, request("HEAD /channels/a?wait=30", "").as_bytes());
    assert_eq!(server.take(client), b"");
    let id = publish(&mut server, "a", "x");
    let bytes = server.take(client);
    let (answer, rest) = answer(&bytes, true);
    assert_eq!((answer.field("Last-Event-ID"), rest), (Some(id), &b""[..]));
}
