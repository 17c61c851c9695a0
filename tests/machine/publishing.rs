//! Publishing: POST, frames, and other threads. What is published is in the channel once, in order, and nothing
//! that is refused is.

use crate::support::*;

#[test]
fn a_post_is_201_with_the_id() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, post("/channels/a", "hello").as_bytes());
    let answer = dateless(&server.take(client));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}",
            body.len()
        )
    );
    let id = body
        .strip_prefix("{\"id\":\"")
        .unwrap()
        .strip_suffix("\"}")
        .unwrap();
    assert_eq!(
        ask(&mut server, &get("/channels/a")).text(),
        batch(&[(id, "hello")], id)
    );
}

#[test]
fn ids_grow_also_within_a_millisecond() {
    let mut server = hub();
    let ids: Vec<barewire::channel::Id> = (0..20)
        .map(|n| {
            if n % 5 == 0 {
                server.wait(ONE_MS);
            }
            publish(&mut server, "a", "x").parse().unwrap()
        })
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert!(ids.iter().any(|id| id.seq > 0));
}

#[test]
fn the_query_names_the_event() {
    let mut server = hub();
    for (query, event) in [
        ("?event=tick", "tick"),
        ("?event=a%20b+c", "a b c"),
        ("?event=%F0%9F%8C%B1", "\u{1f331}"),
        ("?event=message", "message"),
        ("?event=", "message"),
        ("?other=x", "message"),
    ] {
        let path = format!("/channels/a{query}");
        assert_eq!(ask(&mut server, &post(&path, "x")).status, 201, "{query}");
        let seen = ask(&mut server, &get("/channels/a"));
        let last = seen.text().rsplit("\"event\":\"").next().unwrap();
        assert!(
            last.starts_with(&format!("{event}\",\"data\":\"x\"}}]")),
            "{query}: {last}"
        );
    }
}

#[test]
fn an_event_name_that_could_inject_a_line_or_is_taken_is_400_and_nothing_is_published() {
    let mut server = hub();
    let long = "x".repeat(257);
    for event in [
        "a%0Ab", "a%0Db", "a%00b", "%0a", "gap", &long, "%zz", "%ff", "a%",
    ] {
        let client = server.connect();
        let answer = ask_on(
            &mut server,
            client,
            &post(&format!("/channels/a?event={event}"), "x"),
        );
        assert_eq!(answer.status, 400, "{event}");
        assert!(server.is_open(client));
    }
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().starts_with("{\"events\":[],"));
}

#[test]
fn whatever_is_published_arrives_as_it_was() {
    let mut server = hub();
    let data = "\"quoted\" \\ \r\n\t\u{0}\u{1f}\u{7f} gr\u{fc}n \u{1f331} </script>";
    publish(&mut server, "a", data);
    let seen = ask(&mut server, &get("/channels/a"));
    let expected =
        "\"\\\"quoted\\\" \\\\ \\r\\n\\t\\u0000\\u001f\u{7f} gr\u{fc}n \u{1f331} </script>\"";
    assert!(seen.text().contains(expected), "{}", seen.text());
}

#[test]
fn an_empty_body_is_a_message_too() {
    let mut server = hub();
    let id = publish(&mut server, "a", "");
    let client = server.connect();
    let bare = "POST /channels/a HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(ask_on(&mut server, client, bare).status, 201);
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().contains(&object(&id, "")));
    assert_eq!(seen.text().matches("\"data\":\"\"").count(), 2);
}

#[test]
fn bytes_that_are_not_utf8_travel_as_base64() {
    let mut server = hub();
    let client = server.connect();
    let sent = [
        request("POST /channels/a", "Content-Length: 2\r\n").as_bytes(),
        b"\xff\x00",
    ]
    .concat();
    let published = talk(&mut server, client, &sent);
    let id = &published[0].text()[7..][..published[0].text().len() - 9];
    let envelope = format!(
        "{{\"id\":\"{id}\",\"event\":\"message\",\"data\":\"/wA=\",\"encoding\":\"base64\"}}"
    );
    let poll = ask(&mut server, &get("/channels/a"));
    assert_eq!(
        poll.text(),
        format!("{{\"events\":[{envelope}],\"last_id\":\"{id}\"}}")
    );
    let (_, stream) = listen(&mut server, "/channels/a", "");
    assert_eq!(
        stream,
        format!("retry: 2000\n\nid: {id}\ndata: {envelope}\n\n")
    );
    let (_, frames) = open_with(&mut server, "/channels/a", "");
    assert_eq!(frames, [text(&envelope)]);
    let (_, frames) = open_with(
        &mut server,
        "/channels/a",
        "Sec-WebSocket-Protocol: raw\r\n",
    );
    assert_eq!(frames, [(BINARY, b"\xff\x00".to_vec())]);
}

#[test]
fn channels_are_apart() {
    let mut server = hub();
    let a = publish(&mut server, "a", "one");
    let b = publish(&mut server, "b", "two");
    assert_eq!(
        ask(&mut server, &get("/channels/a")).text(),
        batch(&[(&a, "one")], &a)
    );
    assert_eq!(
        ask(&mut server, &get("/channels/b")).text(),
        batch(&[(&b, "two")], &b)
    );
}

#[test]
fn a_channel_is_the_same_at_every_url_that_spells_its_name() {
    let mut server = hub();
    let id = publish(&mut server, "%61%2d", "x");
    assert_eq!(
        ask(&mut server, &get("/channels/a-")).text(),
        batch(&[(&id, "x")], &id)
    );
}

#[test]
fn a_program_publishes_from_other_threads_in_order() {
    let mut publisher = None;
    let errors = Shared::default();
    let hook = errors.clone();
    let mut server = server(|server| {
        routes(server);
        publisher = Some(server.publisher());
        server.on_error(move |error| hook.push(error.to_string()));
    });
    let publisher = publisher.unwrap();
    let client = server.connect();
    server.send(client, get("/channels/a?wait=60").as_bytes());
    let thread = std::thread::spawn(move || {
        publisher.publish("a", "one").unwrap();
        publisher
            .publish("a", barewire::Post::from(b"two").event("tick"))
            .unwrap();
    });
    thread.join().unwrap();
    server.wait(ONE_MS);
    let answers = answers(&server.take(client));
    let body = answers[0].text();
    assert!(body.contains("\"data\":\"one\"},{\"id\""), "{body}");
    assert!(
        body.contains("\"event\":\"tick\",\"data\":\"two\"}],"),
        "{body}"
    );
    assert_eq!(errors.take().len(), 0);
}

#[test]
fn a_publisher_is_refused_what_no_channel_takes() {
    let errors = Shared::default();
    let hook = errors.clone();
    let mut publisher = None;
    let mut server = server(|server| {
        routes(server);
        publisher = Some(server.publisher());
        server.on_error(move |error| hook.push(error.to_string()));
    });
    let publisher = publisher.unwrap();
    let long = "x".repeat(257);
    for name in NO_NAMES.iter().map(|&(_, name)| name).chain(["", &long]) {
        let refused = publisher.publish(name, "no").unwrap_err();
        let why = "a channel's name is 1 to 256 bytes without control characters";
        assert_eq!(refused.to_string(), why, "{name:?}");
    }
    for event in ["gap", "a\nb", &long] {
        let refused = publisher.publish("a", barewire::Post::from("no").event(event));
        assert!(refused.is_err(), "{event:?}");
    }
    server.wait(ONE_MS);
    assert_eq!(errors.take(), [""; 0]);
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().starts_with("{\"events\":[],"));
}

/// Names with a control character, as they stand in a URL and decoded: NUL, CR, LF, TAB, DEL, and one of C1.
const NO_NAMES: [(&str, &str); 7] = [
    ("a%00", "a\0"),
    ("a%0Db", "a\rb"),
    ("%0A", "\n"),
    ("a%09b", "a\tb"),
    ("%7F", "\u{7f}"),
    ("a%C2%80", "a\u{80}"),
    ("%C2%9Fa", "\u{9f}a"),
];

#[test]
fn a_channels_name_has_no_control_characters_in_any_way() {
    let mut server = hub();
    for (name, _) in NO_NAMES {
        let path = format!("/channels/{name}");
        for asked in [
            post(&path, "x"),
            get(&path),
            get(&format!("{path}?wait=5")),
            request(&format!("GET {path}"), "Accept: text/event-stream\r\n"),
            upgrade(&path, ""),
            upgrade(&path, "Sec-WebSocket-Protocol: raw\r\n"),
        ] {
            assert_eq!(ask(&mut server, &asked).status, 400, "{asked}");
        }
        let events = request(&format!("HEAD {path}"), "Accept: text/event-stream\r\n");
        for asked in [request(&format!("HEAD {path}"), ""), events] {
            let client = server.connect();
            server.send(client, asked.as_bytes());
            assert_eq!(answer(&server.take(client), true).0.status, 400, "{asked}");
        }
    }
    // What looks alike and is none: space, NBSP, a line separator, an emoji.
    for name in ["a%20b", "%C2%A0", "%E2%80%A8", "%F0%9F%8C%B1"] {
        publish(&mut server, name, "x");
    }
}

// Larger than readers take

/// Three MiB of these.
fn large(byte: char) -> String {
    byte.to_string().repeat(3 << 20)
}

#[test]
fn a_message_that_its_readers_could_not_take_is_refused_to_who_publishes_it() {
    let errors = Shared::default();
    let (hook, mut publisher) = (errors.clone(), None);
    let mut server = server(|server| {
        server.limits(Limits {
            body: 16 << 20,
            ..Limits::default()
        });
        routes(server);
        publisher = Some(server.publisher());
        server.on_error(move |error: &barewire::Error| hook.push(error.to_string()));
    });
    // As JSON 18 MB, and as lines of an event stream 22 MB.
    for byte in ['\u{1}', '\n'] {
        let answer = ask(&mut server, &post("/channels/a", &large(byte)));
        assert_eq!(answer.status, 413);
        let client = open(&mut server, "/channels/a");
        let got = converse(&mut server, client, &frame(TEXT, large(byte)));
        assert_eq!(closed(&got).0, 1009);
        publisher
            .as_ref()
            .unwrap()
            .publish("a", large(byte))
            .unwrap();
        server.wait(ONE_MS);
    }
    // As base64 16.8 MB.
    let client = open(&mut server, "/channels/a");
    let got = converse(&mut server, client, &frame(BINARY, vec![0xFF; 12_600_000]));
    assert_eq!(closed(&got).0, 1009);
    let errors = errors.take();
    assert!(
        errors.len() == 2 && errors[0].contains("larger"),
        "{errors:?}"
    );
    assert!(
        ask(&mut server, &get("/channels/a"))
            .text()
            .starts_with("{\"events\":[]")
    );
    // Of other text, as much is taken.
    assert_eq!(
        ask(&mut server, &post("/channels/a", &large('x'))).status,
        201
    );
}

/// A POST under idempotency keys.
fn keyed(path: &str, body: &str, fields: &str) -> String {
    let length = body.len();
    let fields = format!("{fields}Content-Length: {length}\r\n");
    request(&format!("POST {path}"), &fields) + body
}

#[test]
fn a_key_publishes_once() {
    let mut server = hub();
    let key = "Idempotency-Key: k\r\n";
    let first = ask(&mut server, &keyed("/channels/a", "x", key));
    let again = ask(&mut server, &keyed("/channels/a", "x", key));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.text(), again.text());
    // Another message under the same key, by its data or its event; and keys that are none.
    for (path, body, fields, status) in [
        ("/channels/a", "y", key, 422),
        ("/channels/a?event=e", "x", key, 422),
        ("/channels/b", "y", key, 201),
        ("/channels/a", "x", "Idempotency-Key:\r\n", 400),
        (
            "/channels/a",
            "x",
            "Idempotency-Key: k\r\nIdempotency-Key: l\r\n",
            400,
        ),
    ] {
        let answer = ask(&mut server, &keyed(path, body, fields));
        assert_eq!(answer.status, status, "{path} {body} {fields}");
    }
    let all = ask(&mut server, &get("/channels/a"));
    assert_eq!(all.text().matches("\"data\":").count(), 1);
}

#[test]
fn a_key_of_a_publishers_publishes_once() {
    let errors = Shared::default();
    let hook = errors.clone();
    let mut publisher = None;
    let mut server = server(|server| {
        routes(server);
        publisher = Some(server.publisher());
        server.on_error(move |error| hook.push(error.to_string()));
    });
    let publisher = publisher.unwrap();
    let post = |data: &str| barewire::Post::from(data).key("k");
    publisher.publish("a", post("x")).unwrap();
    publisher.publish("a", post("x").event("message")).unwrap();
    publisher.publish("b", post("y")).unwrap();
    server.wait(ONE_MS);
    // The same keys as everybody else's.
    let answer = ask(
        &mut server,
        &keyed("/channels/a", "x", "Idempotency-Key: k\r\n"),
    );
    assert_eq!(answer.status, 201);
    assert_eq!(errors.take(), [""; 0]);
    publisher.publish("a", post("other")).unwrap();
    server.wait(ONE_MS);
    assert_eq!(
        errors.take(),
        ["this idempotency key was used for another message"]
    );
    for channel in ["/channels/a", "/channels/b"] {
        let all = ask(&mut server, &get(channel));
        assert_eq!(all.text().matches("\"data\":").count(), 1, "{channel}");
    }
    let long = "k".repeat(256);
    for key in ["", &long] {
        let refused = publisher.publish("a", barewire::Post::from("x").key(key));
        let why = refused.unwrap_err().to_string();
        assert_eq!(why, "an idempotency key is 1 to 255 bytes");
    }
}
