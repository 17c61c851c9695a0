//! Short and long polling: what is asked, when it is asked again, and that no answer makes it spin.

use super::*;
use crate::client::POLL_INTERVAL;

fn by_long_poll() -> (World, Told<Update>, ClientId) {
    World::by(Transport::LongPoll)
}

#[test]
fn a_long_poll_says_how_long_it_waits_and_what_it_has() {
    let (mut world, told, _) = by_long_poll();
    let request = world.accept();
    assert!(request.starts_with("GET /channels/a HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n"));
    assert!(request.contains("\r\nPrefer: wait=30\r\n") && !request.contains("Last-Event-ID"));
    world.say(messages(1..=3));
    world.rest();
    let request = world.said();
    assert!(request.contains("\r\nLast-Event-ID: 3-0\r\n"), "{request}");
    world.say(messages(4..=4));
    let updates = told.take();
    assert_eq!(updates[0], Update::Connected(Transport::LongPoll));
    assert_eq!(data(&updates), ["1", "2", "3", "4"]);
    assert_eq!((updates.len(), world.connections), (5, 1));
}

#[test]
fn a_long_poll_that_was_answered_goes_on_at_once() {
    let (mut world, ..) = by_long_poll();
    world.accept();
    world.say(messages(1..=1));
    assert_eq!(world.rest(), Duration::ZERO);
    world.said();
    world.pass(seconds(20));
    world.say(NOTHING);
    assert_eq!(world.rest(), Duration::ZERO);
}

#[test]
fn a_long_poll_that_is_answered_too_soon_rests() {
    let empty = batch(r#"{"events":[],"last_id":"7-0"}"#);
    let more = batch(r#"{"events":[],"last_id":"7-0","more":true}"#);
    for nothing in [NOTHING, &empty, &more] {
        let (mut world, told, _) = by_long_poll();
        world.accept();
        world.say(nothing);
        assert_eq!(world.rest(), POLL_INTERVAL, "{nothing}");
        world.said();
        world.say(nothing);
        assert_eq!(world.rest(), POLL_INTERVAL, "{nothing}");
        assert_eq!(told.take(), [Update::Connected(Transport::LongPoll)]);
    }
}

#[test]
fn the_same_batch_again_and_again_is_handed_on_once_and_asked_for_with_rests() {
    let (mut world, told, _) = by_long_poll();
    world.accept();
    for _ in 0..5 {
        world.say(messages(1..=2));
        world.rest();
        world.said();
    }
    assert_eq!(data(&told.take()), ["1", "2"]);
    world.say(messages(1..=2));
    assert_eq!(world.rest(), POLL_INTERVAL);
}

#[test]
fn a_short_poll_rests_between_two_requests_whatever_the_answer() {
    let (mut world, ..) = World::by(Transport::ShortPoll);
    assert!(!world.accept().contains("Prefer"));
    let more = batch(r#"{"events":[],"last_id":"7-0","more":true}"#);
    for nothing in [NOTHING, &messages(1..=1), &more, &more] {
        world.say(nothing);
        assert_eq!(world.rest(), POLL_INTERVAL, "{nothing}");
        world.said();
    }
}

#[test]
fn a_batch_that_was_full_is_followed_by_the_next_at_once() {
    let (mut world, ..) = World::by(Transport::ShortPoll);
    world.accept();
    let events = envelope(1);
    world.say(batch(&format!(
        r#"{{"events":[{events}],"last_id":"1-0","more":true}}"#
    )));
    assert_eq!(world.rest(), Duration::ZERO);
}

#[test]
fn a_server_that_closes_after_each_answer_is_polled_on_new_connections_at_the_same_pace() {
    let (mut world, told, _) = World::by(Transport::ShortPoll);
    let close = messages(1..=1).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    world.accept();
    world.say(&close);
    assert_eq!(world.rest(), POLL_INTERVAL);
    // One that does not say so, too.
    world.accept();
    world.say(messages(2..=2));
    world.pass(Duration::from_millis(500));
    world.end();
    assert_eq!(world.rest(), POLL_INTERVAL - Duration::from_millis(500));
    world.accept();
    world.say(messages(3..=3));
    world.reset();
    assert_eq!(world.rest(), POLL_INTERVAL);
    world.accept();
    assert!(lost(&told.take()).is_empty());
}

#[test]
fn a_request_that_crosses_the_servers_close_is_sent_again() {
    let (mut world, told, _) = by_long_poll();
    world.accept();
    world.say(messages(1..=1));
    world.rest();
    world.said();
    world.end();
    assert!(world.is_dialing());
    assert!(world.accept().contains("Last-Event-ID: 1-0"));
    assert!(lost(&told.take()).is_empty());
    // Once. On a new connection it is a failure.
    world.end();
    assert_eq!(lost(&told.take()), [&Error::Ended]);
}

#[test]
fn what_nobody_asked_for_ends_the_connection() {
    let (mut world, told, _) = World::by(Transport::ShortPoll);
    world.accept();
    world.say(messages(1..=1) + &messages(2..=2));
    assert!(world.line.is_none());
    assert_eq!(world.rest(), POLL_INTERVAL);
    assert!(world.accept().contains("Last-Event-ID: 1-0"));
    assert_eq!(data(&told.take()), ["1"]);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    for (transport, time) in [(Transport::ShortPoll, 10), (Transport::LongPoll, 40)] {
        let (mut world, told, _) = World::by(transport);
        world.accept();
        world.pass(seconds(time - 1));
        // Neither interim answers nor half of a head give it more time.
        world.say("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nA: ");
        assert!(told.take().is_empty());
        world.pass(seconds(2));
        assert_eq!(lost(&told.take()), [&Error::Timeout], "{transport}");
    }
}

#[test]
fn a_batch_that_trickles_is_given_up_and_one_that_is_only_large_is_not() {
    let (mut world, told, _) = by_long_poll();
    world.accept();
    world.say(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
    );
    for _ in 0..30 {
        world.say(" ");
        world.pass(seconds(1));
    }
    assert_eq!(lost(&told.take()), [&Error::Timeout]);

    let (mut world, told, _) = by_long_poll();
    world.accept();
    let answer = messages((1..=2_000).collect::<Vec<_>>());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    world.say(format!("{head}\r\n\r\n"));
    for piece in body.as_bytes().chunks(2_000) {
        world.pass(seconds(1));
        world.say(piece);
    }
    assert_eq!(data(&told.take()).len(), 2_000);
}

#[test]
fn a_batch_has_a_limit_that_is_checked_before_it_comes() {
    let (mut world, told, _) = by_long_poll();
    world.accept();
    world.say(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n",
    );
    assert_eq!(ended(&told.take()), [Some(&Error::TooLarge)]);
}

#[test]
fn what_is_no_batch_is_waited_out() {
    let (mut world, told, _) = by_long_poll();
    world.accept();
    world.say(batch("{}"));
    assert_eq!(lost(&told.take()), [&Error::Envelope]);
}

#[test]
fn retry_after_is_waited_and_a_wait_of_nothing_does_not_make_it_spin() {
    let busy = |after: &str| {
        answer(
            "503 Service Unavailable",
            &format!("Retry-After: {after}\r\n"),
            "busy",
        )
    };
    let (mut world, told, _) = by_long_poll();
    world.accept();
    world.say(busy("7"));
    let wait = world.rest();
    assert!(wait >= seconds(7) && wait <= seconds(8), "{wait:?}");
    let error = Error::Status(503, "busy".into());
    assert!(
        matches!(&told.take()[..], [Update::Lost { error: e, retry_in: w }] if *e == error && *w == wait)
    );
    // Nearly 25 days, as long as a timer of a browser can be.
    let longest = Duration::from_millis((1 << 31) - 1);
    for after in ["4000000000", "99999999999999999999"] {
        let (mut world, told, _) = by_long_poll();
        world.accept();
        world.say(busy(after));
        let told = told.take();
        assert!(matches!(&told[..], [Update::Lost { retry_in: wait, .. }] if *wait >= longest));
    }
    let connections = World::by(Transport::LongPoll).0.insist(&busy("0"));
    assert!(connections < 60, "{connections} connections in a minute");
}

#[test]
fn no_answer_makes_it_spin() {
    let closing = |answer: &str| answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let more = batch(r#"{"events":[],"last_id":"7-0","more":true}"#);
    for &transport in Transport::ALL {
        for answer in [
            NOTHING,
            &closing(NOTHING),
            &messages(1..=2),
            &closing(&messages(1..=2)),
            &more,
            &closing(&more),
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /channels/a\r\nContent-Length: 0\r\n\r\n",
            &format!("{STREAM}retry: 0\n\n"),
            "nonsense\r\n\r\n",
            FORBIDDEN,
        ] {
            let connections = World::by(transport).0.insist(answer);
            assert!(connections < 100, "{transport} {answer}: {connections}");
        }
    }
}

#[test]
fn a_batch_whose_last_id_lies_behind_its_messages_repeats_none() {
    let (mut world, told, _) = World::by(Transport::ShortPoll);
    world.accept();
    for _ in 0..2 {
        let event = envelope(5);
        world.say(batch(&format!(r#"{{"events":[{event}],"last_id":"3-0"}}"#)));
        world.rest();
        assert!(world.said().contains("Last-Event-ID: 5-0"));
    }
    assert_eq!(data(&told.take()), ["5"]);
}

#[test]
fn a_gap_is_told_in_front_of_what_comes_behind_it() {
    let (mut world, told, _) = World::following(
        Subscribe::to(URL)
            .transport(Transport::ShortPoll)
            .after("900-0"),
    );
    assert!(world.accept().contains("Last-Event-ID: 900-0"));
    // Another life of the server, whose clock is behind.
    let events = envelope(5);
    world.say(batch(&format!(
        r#"{{"events":[{events}],"last_id":"5-0","gap":true}}"#
    )));
    world.rest();
    assert!(world.said().contains("Last-Event-ID: 5-0"));
    world.say(messages(5..=6));
    assert_eq!(data(&told.take()), ["gap", "5", "6"]);
}

#[test]
fn who_begins_at_the_tail_knows_its_place_before_the_first_message() {
    let (mut world, ..) =
        World::following(Subscribe::to(URL).transport(Transport::LongPoll).from_now());
    // The first poll waits for nothing, as what was published meanwhile would be lost with its connection.
    let request = world.accept();
    assert!(request.starts_with("GET /channels/a?from=now ") && !request.contains("Prefer"));
    world.say(NOTHING);
    world.rest();
    let request = world.said();
    assert!(request.starts_with("GET /channels/a HTTP") && request.contains("Prefer: wait="));
    assert!(request.contains("Last-Event-ID: 7-0"));
}

#[test]
fn a_refusal_is_one_however_badly_it_is_said() {
    let head = "HTTP/1.1 403 Forbidden\r\n";
    let endless = "x".repeat(1_000);
    for (rest, said) in [
        ("Content-Length: 100\r\n\r\nno", "no"),
        ("Content-Length: 99999999999\r\n\r\nno", "no"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n", "no"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\nzzz", "no"),
        ("\r\nno", "no"),
        (&format!("\r\n{endless}"), &endless[..200]),
    ] {
        for end in [World::end, World::reset, |world: &mut World| {
            world.pass(seconds(11))
        }] {
            let (mut world, told, _) = by_long_poll();
            world.accept();
            world.say(format!("{head}{rest}"));
            end(&mut world);
            let error = Error::Status(403, said.to_owned());
            assert_eq!(ended(&told.take()), [Some(&error)], "{rest}");
            assert!(world.is_over());
        }
    }
}
