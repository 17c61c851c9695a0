//! Several loops over the same channels, in lock step: the order in which they take their turns is the test's.
//!
//! A loop does nothing here unless it is sent something or told to [`turn`], so "not yet" is a state to be tested.

use std::thread;

use barewire::channel::Id;
use barewire::{Cores, Error, Publisher, Stopper, channel};

use crate::support::*;

/// So many loops with the routes of [`hub`].
fn cores(loops: usize) -> Vec<Simulation> {
    cores_with(loops, Limits::default())
}

fn cores_with(loops: usize, limits: Limits) -> Vec<Simulation> {
    simulated(with_limits(loops, limits))
}

fn with_limits(loops: usize, limits: Limits) -> Cores {
    Cores::unbound(loops, |server| {
        server.limits(limits.clone());
        routes(server);
        Ok(())
    })
    .unwrap()
}

fn simulated(cores: Cores) -> Vec<Simulation> {
    let servers = cores.into_servers().into_iter();
    servers.map(Server::simulate).collect()
}

fn keeping(age: std::time::Duration, channels: usize) -> Limits {
    Limits {
        channels: channel::Limits {
            channels,
            retention: channel::Retention {
                age,
                ..Default::default()
            },
            ..Default::default()
        },
        ..Limits::default()
    }
}

/// The loop does what waits for it.
fn turn(server: &mut Simulation) {
    server.wait(seconds(0));
}

fn after(path: &str, id: &str) -> String {
    request(&format!("GET {path}"), &format!("Last-Event-ID: {id}\r\n"))
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

// One order

#[test]
fn a_message_has_the_same_id_and_the_same_place_on_every_loop() {
    let mut cores = cores(3);
    let mut all = Vec::new();
    for n in 0..30 {
        let data = format!("m{n}");
        let id = publish(&mut cores[n * n % 3], "a", &data);
        all.push((id, data));
    }
    let messages: Vec<(&str, &str)> = all.iter().map(|(id, data)| (&**id, &**data)).collect();
    assert!(messages.windows(2).all(|two| id(two[0].0) < id(two[1].0)));
    for core in &mut cores {
        let got = ask(core, &get("/channels/a"));
        assert_eq!(got.text(), batch(&messages, messages[29].0));
    }
}

#[test]
fn ids_grow_over_all_channels_and_loops_also_when_their_clocks_differ() {
    let mut cores = cores(2);
    cores[0].wait(seconds(100));
    let ahead = publish(&mut cores[0], "a", "1");
    let behind = publish(&mut cores[1], "a", "2");
    let elsewhere = publish(&mut cores[1], "b", "3");
    assert!(id(&ahead) < id(&behind) && id(&behind) < id(&elsewhere));
    assert_eq!(id(&ahead).ms, id(&elsewhere).ms);
}

#[test]
fn threads_that_publish_and_loops_that_take_turns_get_one_order() {
    let cores = with_limits(3, Limits::default());
    let publishers: Vec<Publisher> = (0..4).map(|_| cores.publisher()).collect();
    let mut cores = simulated(cores);
    thread::scope(|scope| {
        for (thread, publisher) in publishers.into_iter().enumerate() {
            scope.spawn(move || {
                for n in 0..50 {
                    publisher.publish("a", format!("{thread}.{n}")).unwrap();
                }
            });
        }
        for n in 0..60 {
            publish(&mut cores[n % 3], "a", &format!("4.{n}"));
        }
    });
    let got: Vec<String> = cores
        .iter_mut()
        .map(|core| ask(core, &get("/channels/a")).text().to_owned())
        .collect();
    assert!(got[0] == got[1] && got[1] == got[2]);
    let data = got[0].split("\"data\":\"").skip(1);
    let data: Vec<(usize, usize)> = data
        .map(|rest| rest.split('"').next().unwrap().split_once('.').unwrap())
        .map(|(thread, n)| (thread.parse().unwrap(), n.parse().unwrap()))
        .collect();
    assert_eq!(data.len(), 4 * 50 + 60);
    for from in 0..5 {
        let of_one: Vec<usize> = data
            .iter()
            .filter(|(thread, _)| *thread == from)
            .map(|(_, n)| *n)
            .collect();
        assert!(of_one.windows(2).all(|two| two[0] + 1 == two[1]), "{from}");
    }
}

// Read your writes

#[test]
fn whoever_was_told_of_a_message_finds_it_on_every_loop() {
    let mut cores = cores(2);
    let one = publish(&mut cores[0], "a", "one");
    // The other loop has had no turn since.
    let got = ask(&mut cores[1], &get("/channels/a"));
    assert_eq!(got.text(), batch(&[(&one, "one")], &one));
    // And a publish there comes behind it, on both.
    let two = publish(&mut cores[1], "a", "two");
    for core in &mut cores {
        let got = ask(core, &get("/channels/a"));
        assert_eq!(got.text(), batch(&[(&one, "one"), (&two, "two")], &two));
    }
}

#[test]
fn a_pipelined_publish_is_seen_by_the_poll_behind_it() {
    let mut cores = cores(2);
    let other = publish(&mut cores[1], "a", "other");
    let both = post("/channels/a", "own") + &get("/channels/a");
    let client = cores[0].connect();
    let answers = talk(&mut cores[0], client, both.as_bytes());
    let own = answers[0].text()[7..].trim_end_matches("\"}").to_owned();
    let expected = batch(&[(&other, "other"), (&own, "own")], &own);
    assert_eq!(answers[1].text(), expected);
}

#[test]
fn what_a_handler_publishes_is_seen_by_the_requests_behind_it() {
    let cores = Cores::unbound(2, |server| {
        let publisher = server.publisher();
        routes(server);
        server.post("/publish", move |_, reply| {
            publisher.publish("a", "from a handler").unwrap();
            reply.text("done");
        });
        Ok(())
    });
    let mut cores = simulated(cores.unwrap());
    // All in one read, before the loop hears of anything else.
    let three = post("/publish", "") + &get("/channels/a") + &get("/channels/a?from=now&wait=1");
    let client = cores[1].connect();
    let polled = talk(&mut cores[1], client, three.as_bytes());
    assert!(polled[1].text().contains("from a handler"), "{polled:?}");
    cores[1].wait(seconds(1));
    let waited = answers(&cores[1].take(client));
    assert_eq!(waited[0].status, 204);
    assert_eq!(
        waited[0].field("Last-Event-ID"),
        polled[1].field("Last-Event-ID")
    );
    // A stream that begins now begins behind it, also in a channel that has a reader already.
    listen(&mut cores[1], "/channels/a", "");
    let stream = request("GET /channels/a?from=now", "Accept: text/event-stream\r\n");
    let client = cores[1].connect();
    cores[1].send(client, (post("/publish", "") + &stream).as_bytes());
    turn(&mut cores[1]);
    let got = cores[1].take(client);
    let (_, stream) = answer(&got, false);
    assert!(!String::from_utf8_lossy(stream).contains("from a handler"));
}

#[test]
fn every_way_of_reading_gets_what_another_loop_publishes() {
    let mut cores = cores(2);
    let (events, _) = listen(&mut cores[1], "/channels/a", "");
    let socket = open(&mut cores[1], "/channels/a");
    let (raw, _) = open_with(
        &mut cores[1],
        "/channels/a",
        "Sec-WebSocket-Protocol: raw\r\n",
    );
    let poll = cores[1].connect();
    cores[1].send(poll, get("/channels/a?wait=30").as_bytes());
    let one = publish(&mut cores[0], "a", "one");
    turn(&mut cores[1]);
    assert_eq!(
        take_streamed(&mut cores[1], events),
        format!("id: {one}\ndata: one\n\n")
    );
    let object = object(&one, "one");
    assert_eq!(frames(&cores[1].take(socket)), [text(&object)]);
    assert_eq!(frames(&cores[1].take(raw)), [text("one")]);
    let polled = answers(&cores[1].take(poll));
    assert_eq!(polled[0].text(), batch(&[(&one, "one")], &one));
}

#[test]
fn what_a_websocket_publishes_reaches_the_other_loops_in_its_order() {
    let mut cores = cores(2);
    let writer = open(&mut cores[0], "/channels/a");
    let reader = open(&mut cores[1], "/channels/a");
    let (first, binary) = (frame(TEXT, "first"), frame(BINARY, b"\xff"));
    let echoed = converse(&mut cores[0], writer, &[first, binary].concat());
    assert_eq!(echoed.len(), 2);
    turn(&mut cores[1]);
    assert_eq!(frames(&cores[1].take(reader)), echoed);
}

#[test]
fn what_threads_publish_reaches_all_loops() {
    let cores = with_limits(2, Limits::default());
    let publisher = cores.publisher();
    let mut cores = simulated(cores);
    publisher
        .publish("a", barewire::Post::from("one").event("tick"))
        .unwrap();
    let got = cores.iter_mut().map(|core| ask(core, &get("/channels/a")));
    let got: Vec<Answer> = got.collect();
    assert!(
        got[0]
            .text()
            .contains("\"event\":\"tick\",\"data\":\"one\"")
    );
    assert_eq!(got[0].text(), got[1].text());
    for (name, event) in [("", "a"), ("a", "gap"), ("a", "b\nc")] {
        let told = publisher.publish(name, barewire::Post::from("x").event(event));
        assert!(matches!(told, Err(Error::Channel(_))), "{told:?}");
    }
}

#[test]
fn a_key_of_a_threads_is_one_for_all_loops() {
    let cores = with_limits(2, Limits::default());
    let publisher = cores.publisher();
    let mut cores = simulated(cores);
    let post = |data: &str| barewire::Post::from(data).key("k");
    publisher.publish("a", post("one")).unwrap();
    publisher.publish("a", post("one")).unwrap();
    let told = publisher.publish("a", post("two"));
    assert!(matches!(told, Err(Error::Channel(_))), "{told:?}");
    let request = "POST /channels/a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\none";
    assert_eq!(ask(&mut cores[1], request).status, 201);
    for core in &mut cores {
        let all = ask(core, &get("/channels/a"));
        assert_eq!(all.text().matches("\"data\":").count(), 1);
    }
}

// Cursors

#[test]
fn a_reader_that_hops_from_loop_to_loop_gets_every_message_once() {
    let mut cores = cores(3);
    let mut cursor = ask(&mut cores[0], &get("/channels/a?from=now"))
        .field("Last-Event-ID")
        .unwrap();
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    for n in 0..40 {
        for m in 0..n % 4 {
            let data = format!("{n}.{m}");
            sent.push(data.clone());
            publish(&mut cores[(n + m) % 3], "a", &data);
        }
        let answer = ask(&mut cores[n * 7 % 3], &after("/channels/a", &cursor));
        assert!(!answer.text().contains("\"gap\""), "{}", answer.text());
        cursor = answer.field("Last-Event-ID").unwrap();
        let data = answer.text().split("\"data\":\"").skip(1);
        got.extend(data.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert_eq!(got, sent);
}

#[test]
fn the_beginning_of_an_empty_channel_is_the_same_place_on_every_loop() {
    let mut cores = cores(2);
    // By a poll, which begins nothing, and by a reader, which begins the channel.
    let polled = ask(&mut cores[0], &get("/channels/a"));
    let (_, preamble) = listen(&mut cores[1], "/channels/a?from=now", "");
    let cursor = polled.field("Last-Event-ID").unwrap();
    assert!(preamble.contains(&format!("id: {cursor}\n")), "{preamble}");
    let one = publish(&mut cores[1], "a", "one");
    for core in &mut cores {
        let got = ask(core, &after("/channels/a", &cursor));
        assert_eq!(got.text(), batch(&[(&one, "one")], &one));
    }
}

#[test]
fn a_cursor_of_another_life_is_a_gap_on_every_loop() {
    let mut earlier = cores(2);
    let old = publish(&mut earlier[0], "a", "old");
    // A life begins at the time of its clock, which is in milliseconds.
    thread::sleep(2 * ONE_MS);
    let mut cores = cores(2);
    let new = publish(&mut cores[0], "a", "new");
    assert_ne!(old, new);
    for core in &mut cores {
        let got = ask(core, &after("/channels/a", &old));
        assert!(got.text().contains("\"gap\":true"), "{}", got.text());
    }
}

#[test]
fn what_is_retained_is_the_same_on_every_loop() {
    let mut limits = Limits::default();
    limits.channels.retention.messages = 3;
    let mut cores = cores_with(2, limits);
    let ids: Vec<String> = (0..5)
        .map(|n| publish(&mut cores[n % 2], "a", "x"))
        .collect();
    for core in &mut cores {
        let whole = ask(core, &after("/channels/a", &ids[1]));
        assert!(!whole.text().contains("\"gap\""), "{}", whole.text());
        let torn = ask(core, &after("/channels/a", &ids[0]));
        assert!(torn.text().contains("\"gap\":true"), "{}", torn.text());
    }
}

// Channels that end

/// Time passes for all loops; each sweeps, and hears what the others found.
fn pass(cores: &mut [Simulation], time: std::time::Duration) {
    for _ in 0..3 {
        for core in &mut *cores {
            core.wait(time / 3);
        }
    }
}

#[test]
fn a_channel_that_one_loop_reads_is_kept_by_all() {
    let mut cores = cores_with(2, keeping(seconds(10), 10));
    let last = publish(&mut cores[0], "a", "one");
    let (reader, _) = listen(&mut cores[1], "/channels/a", "");
    cores[1].take(reader);
    // Other channels come and go, which would move the beginning of a channel that is not kept.
    publish(&mut cores[0], "b", "two");
    pass(&mut cores, seconds(60));
    for core in &mut cores {
        let got = ask(core, &after("/channels/a", &last));
        assert_eq!(got.text(), batch(&[], &last));
    }
    // And one that nobody reads is kept by none.
    let gone = ask(&mut cores[0], &get("/channels/b"));
    assert!(id(&gone.field("Last-Event-ID").unwrap()) > id(&last));
}

#[test]
fn a_channel_is_forgotten_by_all_loops_together_and_its_cursors_are_no_positions_of_the_next() {
    let mut cores = cores_with(3, keeping(seconds(10), 1));
    let begin = ask(&mut cores[0], &get("/channels/a"));
    let begin = begin.field("Last-Event-ID").unwrap();
    let old = publish(&mut cores[0], "a", "old");
    pass(&mut cores, seconds(60));
    // There is room for one channel, so that this one could not begin if any loop still had the other.
    for core in &mut cores {
        let polled = ask(core, &after("/channels/a", &old));
        assert_eq!(polled.text(), batch(&[], &old));
    }
    let (_, preamble) = listen(&mut cores[2], "/channels/b?from=now", "");
    assert!(preamble.contains(&format!("id: {old}\n")), "{preamble}");
    pass(&mut cores, seconds(1));
    for core in &mut cores {
        let refused = ask(core, &post("/channels/a", "x"));
        assert_eq!(refused.status, 503);
        assert_eq!(refused.field("Retry-After").as_deref(), Some("1"));
        let got = ask(core, &after("/channels/b", &begin));
        assert!(got.text().contains("\"gap\":true"), "{}", got.text());
    }
}

#[test]
fn a_reader_that_comes_while_the_others_give_a_channel_up_keeps_it() {
    let mut cores = cores_with(2, keeping(seconds(10), 10));
    let last = publish(&mut cores[0], "a", "one");
    // The first loop has said that it has no use for the channel; the second has not had a turn since.
    cores[0].wait(seconds(60));
    let (_, _) = listen(
        &mut cores[0],
        "/channels/a",
        &format!("Last-Event-ID: {last}\r\n"),
    );
    pass(&mut cores, seconds(60));
    let two = publish(&mut cores[1], "a", "two");
    for core in &mut cores {
        let got = ask(core, &after("/channels/a", &last));
        assert_eq!(got.text(), batch(&[(&two, "two")], &two));
    }
}

#[test]
fn a_message_that_comes_while_the_others_give_a_channel_up_keeps_it() {
    let mut cores = cores_with(2, keeping(seconds(10), 10));
    let one = publish(&mut cores[0], "a", "one");
    cores[0].wait(seconds(60));
    // It is young by the clock of the loop that publishes it.
    cores[1].wait(seconds(55));
    let two = publish(&mut cores[1], "a", "two");
    pass(&mut cores, seconds(3));
    let got = ask(&mut cores[1], &after("/channels/a", &one));
    assert_eq!(got.text(), batch(&[(&two, "two")], &two));
}

#[test]
fn room_for_channels_is_counted_over_all_loops_and_comes_back() {
    let mut cores = cores_with(2, keeping(seconds(10), 4));
    for n in 0..4 {
        publish(&mut cores[n % 2], &format!("c{n}"), "x");
    }
    for core in &mut cores {
        assert_eq!(ask(core, &post("/channels/new", "x")).status, 503);
        assert_eq!(ask(core, &post("/channels/c0", "x")).status, 201);
    }
    pass(&mut cores, seconds(60));
    publish(&mut cores[1], "new", "x");
}

#[test]
fn a_thread_that_begins_too_many_channels_is_refused_by_all_loops_and_one_tells() {
    let told = Shared::<Vec<String>>::default();
    let cores = Cores::unbound(2, |server| {
        let told = told.clone();
        server.limits(keeping(seconds(10), 2));
        server.on_error(move |error| told.push(error.to_string()));
        routes(server);
        Ok(())
    });
    let cores = cores.unwrap();
    let publisher = cores.publisher();
    let mut cores = simulated(cores);
    for n in 0..4 {
        publisher.publish(&format!("c{n}"), "x").unwrap();
    }
    for core in &mut cores {
        turn(core);
        turn(core);
        assert!(ask(core, &get("/channels/c1")).text().contains("\"x\""));
        assert!(!ask(core, &get("/channels/c2")).text().contains("\"x\""));
    }
    assert_eq!(told.take().len(), 2);
}

#[test]
fn a_message_that_readers_could_not_take_is_refused_by_all_loops_and_one_tells() {
    let told = Shared::<Vec<String>>::default();
    let cores = Cores::unbound(2, |server| {
        let told = told.clone();
        server.on_error(move |error| told.push(error.to_string()));
        routes(server);
        Ok(())
    });
    let cores = cores.unwrap();
    let publisher = cores.publisher();
    let mut cores = simulated(cores);
    publisher.publish("a", "\u{1}".repeat(3 << 20)).unwrap();
    let client = open(&mut cores[0], "/channels/a");
    let got = converse(&mut cores[0], client, &frame(TEXT, "\u{1}".repeat(3 << 20)));
    assert_eq!(closed(&got).0, 1009);
    for core in &mut cores {
        turn(core);
        let seen = ask(core, &get("/channels/a"));
        assert!(
            seen.text().starts_with("{\"events\":[]"),
            "{} bytes",
            seen.body.len()
        );
    }
    assert_eq!(told.take().len(), 1);
}

// Behind

/// Publishes on the first loop until that is refused, while the second has no turn. Says how often.
fn fill(first: &mut Simulation) -> usize {
    let large = "x".repeat(1024 * 1024);
    for n in 0..1000 {
        match ask(first, &post("/channels/a", &large)).status {
            201 => {}
            503 => return n,
            status => panic!("{status}"),
        }
    }
    panic!("never refused")
}

#[test]
fn a_loop_that_is_too_far_behind_stops_publishing_but_loses_nothing() {
    let mut limits = Limits::default();
    limits.channels.retention.bytes = usize::MAX;
    let cores = with_limits(2, limits);
    let publisher = cores.publisher();
    let mut cores = simulated(cores);
    let (first, second) = cores.split_at_mut(1);
    let (first, second) = (&mut first[0], &mut second[0]);
    let socket = open(first, "/channels/b");
    let count = fill(first);
    assert!((32..=64).contains(&count), "{count}");
    let full = Err::<(), _>(barewire::net::SendError::Full);
    let told = publisher.publish("a", "x");
    assert!(
        matches!(&told, Err(Error::Unreachable(why)) if Err::<(), _>(*why) == full),
        "{told:?}"
    );
    let sent = converse(first, socket, &frame(TEXT, "x"));
    assert_eq!(closed(&sent).0, 1013);
    // Reading goes on meanwhile, and with one turn of the other loop all is well.
    assert_eq!(ask(first, &get("/channels/b")).status, 200);
    turn(second);
    publisher.publish("a", "thread").unwrap();
    let last = publish(first, "a", "last");
    let (mut got, mut cursor) = (0, None::<String>);
    loop {
        let asked = match &cursor {
            None => get("/channels/a"),
            Some(cursor) => after("/channels/a", cursor),
        };
        let answer = ask(second, &asked);
        assert!(!answer.text().contains("\"gap\""));
        got += answer.text().matches("\"data\"").count();
        cursor = answer.field("Last-Event-ID");
        if cursor.as_ref() == Some(&last) {
            break;
        }
    }
    assert_eq!(got, count + 2);
}

#[test]
fn nothing_waits_for_a_loop_that_is_gone() {
    let mut cores = cores(2);
    assert!(fill(&mut cores[0]) > 0);
    cores.pop();
    publish(&mut cores[0], "a", "x");
    publish(&mut cores[0], "a", "y");
}

#[test]
fn handles_of_loops_that_are_gone_say_so() {
    let cores = with_limits(2, Limits::default());
    let (publisher, stopper): (Publisher, Stopper) = (cores.publisher(), cores.stopper());
    publisher.publish("a", "taken").unwrap();
    drop(cores);
    let told = publisher.publish("a", "lost");
    let ended = barewire::net::SendError::Ended;
    assert!(matches!(told, Err(Error::Unreachable(why)) if why == ended));
    stopper.stop();
}
