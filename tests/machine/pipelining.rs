//! Requests that are sent ahead: RFC 9112 9.3.2. One at a time, in order, and none is lost.

use barewire::Later;

use crate::support::*;

/// `/later` promises its answer, and the test keeps the promise.
fn promising() -> (Simulation, Shared<Vec<Later>>) {
    let promises: Shared<Vec<Later>> = Shared::default();
    let kept = promises.clone();
    let server = server(|server| {
        routes(server);
        server.get("/later", move |_, reply| kept.push(reply.later()));
    });
    (server, promises)
}

/// Keeps the oldest promise, and lets the server see it.
fn keep(server: &mut Simulation, promises: &Shared<Vec<Later>>, text: &'static str) {
    let promise = promises.with(|promises| promises.remove(0));
    promise.send(Response::text(text)).unwrap();
    server.wait(ONE_MS);
}

fn bodies(bytes: &[u8]) -> Vec<String> {
    let answers = answers(bytes);
    answers
        .iter()
        .map(|answer| answer.text().to_owned())
        .collect()
}

#[test]
fn requests_are_answered_in_order() {
    let mut server = hub();
    let client = server.connect();
    let asked = get("/")
        + &post("/", "1")
        + &get("/channels/a?wait=0&from=now")
        + &post("/", "2")
        + &get("/");
    let got = talk(&mut server, client, asked.as_bytes());
    let statuses: Vec<u16> = got.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 204, 200, 200]);
    assert_eq!(
        (got[1].text(), got[3].text(), got[4].text()),
        ("1", "2", "home")
    );
}

#[test]
fn a_get_behind_posts_sees_what_they_did() {
    let mut server = hub();
    let client = server.connect();
    let asked = post("/channels/a", "one") + &post("/channels/a", "two") + &get("/channels/a");
    let got = talk(&mut server, client, asked.as_bytes());
    assert_eq!(got.len(), 3);
    assert!(got[2].text().contains("\"data\":\"one\"},"), "{:?}", got[2]);
    assert!(got[2].text().contains("\"data\":\"two\"}]"), "{:?}", got[2]);
}

#[test]
fn requests_behind_a_long_poll_wait_for_its_answer() {
    let mut server = hub();
    let client = server.connect();
    let asked = get("/channels/a?wait=30") + &post("/", "behind") + &get("/");
    server.send(client, asked.as_bytes());
    assert_eq!(server.take(client), b"");
    let id = publish(&mut server, "a", "news");
    let got = bodies(&server.take(client));
    assert_eq!(
        got,
        [batch(&[(&id, "news")], &id), "behind".into(), "home".into()]
    );
}

#[test]
fn long_polls_behind_each_other_wait_one_after_the_other() {
    let mut server = hub();
    let client = server.connect();
    let poll = get("/channels/a?from=now&wait=10");
    server.send(client, poll.repeat(3).as_bytes());
    for _ in 0..3 {
        server.wait(seconds(9));
        assert_eq!(server.take(client), b"");
        server.wait(seconds(1));
        assert_eq!(statuses(&server.take(client)), [204]);
    }
}

#[test]
fn a_publish_behind_the_poll_that_waits_for_it_comes_after_the_poll_has_given_up() {
    let mut server = hub();
    let client = server.connect();
    let asked = get("/channels/a?wait=5") + &post("/channels/a", "x") + &get("/channels/a");
    server.send(client, asked.as_bytes());
    server.wait(seconds(5));
    assert_eq!(statuses(&server.take(client)), [204, 201, 200]);
}

#[test]
fn requests_behind_a_promised_answer_wait_for_it() {
    let (mut server, promises) = promising();
    let client = server.connect();
    server.send(client, (get("/later") + &get("/later")).as_bytes());
    server.send(client, get("/").as_bytes());
    assert_eq!(server.take(client), b"");
    keep(&mut server, &promises, "first");
    assert_eq!(bodies(&server.take(client)), ["first"]);
    keep(&mut server, &promises, "second");
    assert_eq!(bodies(&server.take(client)), ["second", "home"]);
}

#[test]
fn a_head_that_is_cut_behind_a_promised_answer_is_put_together() {
    let (mut server, promises) = promising();
    let client = server.connect();
    let next = post("/", "body");
    server.send(client, get("/later").as_bytes());
    for byte in next.as_bytes() {
        server.send(client, &[*byte]);
    }
    keep(&mut server, &promises, "first");
    assert_eq!(bodies(&server.take(client)), ["first", "body"]);
}

#[test]
fn a_handshake_behind_other_requests_opens_when_they_are_answered() {
    let (mut server, promises) = promising();
    let client = server.connect();
    let mut sent = (get("/") + &get("/later") + &upgrade("/echo", "")).into_bytes();
    sent.extend(frame(TEXT, "hello"));
    server.send(client, &sent);
    assert_eq!(bodies(&server.take(client)), ["home"]);
    keep(&mut server, &promises, "later");
    let bytes = server.take(client);
    let (first, rest) = answer(&bytes, false);
    assert_eq!(first.text(), "later");
    let (second, rest) = answer(rest, false);
    assert_eq!((second.status, frames(rest)), (101, vec![text("hello")]));
}

#[test]
fn two_polls_and_a_handshake_get_three_answers() {
    let mut server = hub();
    let id = publish(&mut server, "a", "x");
    let client = server.connect();
    let asked = get("/channels/a") + &get("/channels/a?wait=5") + &upgrade("/channels/a", "");
    server.send(client, asked.as_bytes());
    let bytes = server.take(client);
    let (first, rest) = answer(&bytes, false);
    let (second, rest) = answer(rest, false);
    let (third, rest) = answer(rest, false);
    assert_eq!((first.status, second.status, third.status), (200, 200, 101));
    assert_eq!(first.body, second.body);
    assert_eq!(frames(rest), [text(&object(&id, "x"))]);
}

#[test]
fn nothing_behind_an_answer_that_closes_is_looked_at() {
    let mut server = hub();
    for last in [
        request("GET /", "Connection: close\r\n"),
        "nonsense\r\n\r\n".into(),
    ] {
        let client = server.connect();
        let asked = last + &post("/channels/a", "smuggled");
        assert_eq!(talk(&mut server, client, asked.as_bytes()).len(), 1);
        assert!(!server.is_open(client));
    }
    assert!(
        ask(&mut server, &get("/channels/a"))
            .text()
            .starts_with("{\"events\":[],")
    );
}

#[test]
fn whoever_sends_too_far_ahead_is_not_read_from_until_the_answer_is_out() {
    let (mut server, promises) = promising();
    let client = server.connect();
    server.send(client, get("/later").as_bytes());
    let many = 5_000;
    let ahead = get("/");
    for _ in 0..many {
        server.send(client, ahead.as_bytes());
    }
    assert_eq!(server.take(client), b"");
    keep(&mut server, &promises, "first");
    let got = answers(&server.take(client));
    assert_eq!((got.len(), got[0].text()), (1 + many, "first"));
}

/// `/large` is 10,000 bytes; the test knows how often it was asked for.
fn large() -> (Simulation, Shared<Vec<()>>) {
    let asked: Shared<Vec<()>> = Shared::default();
    let hook = asked.clone();
    let server = server(|server| {
        routes(server);
        server.get("/large", move |_, reply| {
            hook.push(());
            reply.text("x".repeat(10_000));
        });
    });
    (server, asked)
}

#[test]
fn few_bytes_that_ask_for_many_are_answered_as_the_answers_are_taken() {
    let (mut server, asked) = large();
    let client = server.connect();
    server.stall(client, 0);
    let many = get("/large").repeat(500) + &upgrade("/echo", "");
    server.send(client, many.as_bytes());
    // 64 KiB of unread output is where it ends.
    assert_eq!(asked.take().len(), 7);
    server.wait(seconds(80));
    assert!(
        server.is_open(client),
        "whether it takes anything is for the loop to watch"
    );
    server.send(client, &frame(TEXT, "still here"));
    assert_eq!(asked.take().len(), 0);
    server.resume(client);
    assert_eq!(asked.take().len(), 493);
    let bytes = server.take(client);
    let mut rest = &bytes[..];
    for _ in 0..500 {
        let (answer, tail) = answer(rest, false);
        assert_eq!(answer.body.len(), 10_000);
        rest = tail;
    }
    let (opened, rest) = answer(rest, false);
    assert_eq!(
        (opened.status, frames(rest)),
        (101, vec![text("still here")])
    );
}

#[test]
fn whoever_takes_the_answers_gets_them_all_at_once() {
    let (mut server, _) = large();
    let client = server.connect();
    let many = get("/large").repeat(100) + "GET /";
    assert_eq!(talk(&mut server, client, many.as_bytes()).len(), 100);
    assert_eq!(
        server.deadline(client),
        Some(seconds(10)),
        "for the head that was begun"
    );
    server.send(client, b" HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answers(&server.take(client))[0].text(), "home");
}

#[test]
fn answers_that_wait_to_be_taken_are_owed_to_a_client_that_has_closed_its_half() {
    let (mut server, _) = large();
    let client = server.connect();
    server.stall(client, 0);
    server.send(client, get("/large").repeat(50).as_bytes());
    server.end(client);
    assert!(server.is_open(client));
    server.resume(client);
    assert_eq!(answers(&server.take(client)).len(), 50);
    assert!(!server.is_open(client));
}

// RFC 9112 9.6: a client may close its half as soon as it has asked

#[test]
fn a_promised_answer_is_still_owed_when_the_client_has_closed_its_half() {
    let (mut server, promises) = promising();
    let client = server.connect();
    server.send(client, get("/later").as_bytes());
    server.end(client);
    assert!(server.is_open(client));
    keep(&mut server, &promises, "late");
    let answer = &answers(&server.take(client))[0];
    assert_eq!((answer.text(), answer.closes()), ("late", true));
    assert!(!server.is_open(client));
}

#[test]
fn requests_behind_it_are_still_answered_too() {
    let (mut server, promises) = promising();
    let client = server.connect();
    server.send(
        client,
        (get("/later") + &get("/") + &get("/later") + &post("/", "x")).as_bytes(),
    );
    server.end(client);
    keep(&mut server, &promises, "first");
    assert_eq!(bodies(&server.take(client)), ["first", "home"]);
    keep(&mut server, &promises, "second");
    assert_eq!(bodies(&server.take(client)), ["second", "x"]);
    assert!(!server.is_open(client));
}

#[test]
fn a_client_that_ends_between_or_inside_requests_is_let_go() {
    let mut server = hub();
    for sent in [
        "",
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
    ] {
        let client = server.connect();
        server.send(client, sent.as_bytes());
        server.end(client);
        assert_eq!(
            (server.take(client), server.is_open(client)),
            (vec![], false),
            "{sent}"
        );
    }
}

#[test]
fn a_client_that_ends_while_it_waits_at_a_channel_frees_its_place() {
    let limits = Limits {
        channels: barewire::channel::Limits {
            subscribers: 1,
            ..Default::default()
        },
        ..Limits::default()
    };
    let mut server = hub_with(limits);
    for asked in [
        get("/channels/a?wait=60"),
        request("GET /channels/a", "Accept: text/event-stream\r\n"),
        upgrade("/channels/a", ""),
    ] {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        assert_eq!(
            ask(&mut server, &get("/channels/a?wait=60")).status,
            503,
            "{asked}"
        );
        server.end(client);
        assert!(!server.is_open(client), "{asked}");
    }
}

#[test]
fn a_client_that_ends_its_half_while_it_waits_is_told_that_there_is_nothing_new() {
    let waiting = Shared::default();
    let kept = waiting.clone();
    let mut server = server(|server| {
        routes(server);
        server.get("/next", move |_, reply| {
            let none = || Response::text("nothing");
            kept.push(reply.later_within(seconds(30), none));
        });
    });
    let id = publish(&mut server, "a", "x");
    let parked = format!("/channels/a?wait=60&last_event_id={id}");
    // Alone: the answer is the last.
    for (asked, status) in [(&*parked, 204), ("/next", 200)] {
        let client = server.connect();
        server.send(client, get(asked).as_bytes());
        assert_eq!(server.take(client), b"");
        server.end(client);
        let answers = answers(&server.take(client));
        assert_eq!((answers.len(), answers[0].status), (1, status), "{asked}");
        assert!(answers[0].closes() && !server.is_open(client), "{asked}");
        if status == 204 {
            assert_eq!(answers[0].field("Last-Event-ID"), Some(id.clone()));
        }
    }
    // With others behind it, which do not wait either. None is answered from further down the stack than another.
    let client = server.connect();
    let behind = [get(&parked), get("/"), get("/next")].concat().repeat(300);
    let last = request("GET /channels/a?from=now", "Accept: text/event-stream\r\n");
    server.send(client, (get(&parked) + &behind + &last).as_bytes());
    server.end(client);
    let answers = answers(&server.take(client));
    let got: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let expected: Vec<u16> = [204]
        .into_iter()
        .chain([204, 200, 200].repeat(300))
        .collect();
    assert_eq!(got, [expected, vec![200]].concat());
    assert!(!server.is_open(client));
    assert!(
        waiting
            .take()
            .iter()
            .all(|later: &Later| !later.is_awaited())
    );
}

#[test]
fn an_answer_that_is_on_its_way_reaches_a_client_that_has_ended_its_half() {
    let waiting = Shared::default();
    let kept = waiting.clone();
    let mut server = server(|server| {
        server.get("/next", move |_, reply| {
            kept.push(reply.later_within(seconds(30), Response::empty));
        });
    });
    let client = server.connect();
    server.send(client, get("/next").as_bytes());
    for later in waiting.take() {
        let later: Later = later;
        later.send(Response::text("just in time")).unwrap();
    }
    server.end(client);
    server.wait(ONE_MS);
    assert_eq!(bodies(&server.take(client)), ["just in time"]);
    assert!(!server.is_open(client));
}
