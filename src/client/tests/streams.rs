//! Event streams as WHATWG HTML 9.2 has them, of any server.

use super::*;

fn streaming() -> (World, Told<Update>, ClientId) {
    World::by(Transport::EventStream)
}

#[test]
fn the_last_event_id_is_sent_again_and_retry_is_heeded() {
    let (mut world, told, _) = streaming();
    let request = world.accept();
    assert!(request.contains("\r\nAccept: text/event-stream\r\n"));
    assert!(request.contains("\r\nCache-Control: no-store\r\n"));
    world.say(STREAM);
    world.say("retry: 3000\nid: a b\ndata: 1\n\ndata: 2\n\nid: cut\ndata: 3\n");
    world.end();
    let wait = world.rest();
    assert!(
        wait >= seconds(3) && wait <= Duration::from_millis(3500),
        "{wait:?}"
    );
    assert!(world.accept().contains("\r\nLast-Event-ID: a b\r\n"));
    world.say(STREAM);
    let updates = told.take();
    assert_eq!(data(&updates), ["1", "2"]);
    let connected = Update::Connected(Transport::EventStream);
    assert_eq!(
        (&updates[0], updates.last()),
        (&connected, Some(&connected))
    );
    assert_eq!(lost(&updates), [&Error::Ended]);
}

#[test]
fn an_id_without_an_event_moves_the_cursor_and_an_empty_one_takes_it_away() {
    let (mut world, ..) = streaming();
    world.accept();
    world.say(format!("{STREAM}id: 1\ndata\n\nid: 2\n\n"));
    world.end();
    world.rest();
    assert!(world.accept().contains("\r\nLast-Event-ID: 2\r\n"));
    world.say(format!("{STREAM}data: 1\n\n"));
    world.end();
    world.rest();
    // No id came on this connection, so the old one stays.
    assert!(world.accept().contains("\r\nLast-Event-ID: 2\r\n"));
    world.say(format!("{STREAM}id: 3\ndata\n\nid\ndata\n\n"));
    world.end();
    world.rest();
    assert!(!world.accept().contains("Last-Event-ID"));
}

#[test]
fn an_empty_id_on_a_later_connection_takes_the_cursor_away() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say(format!("{STREAM}id: 5\ndata: a\n\n"));
    world.end();
    world.rest();
    assert!(world.accept().contains("\r\nLast-Event-ID: 5\r\n"));
    world.say(format!("{STREAM}data: b\n\nid\ndata: c\n\ndata: d\n\n"));
    let ids: Vec<String> = events(&told.take())
        .iter()
        .map(|event| event.id().into())
        .collect();
    // An event without an id has the last one, as on an unbroken stream.
    assert_eq!(ids, ["5", "5", "", ""]);
    world.end();
    world.rest();
    assert!(!world.accept().contains("Last-Event-ID"));
    // So does a block without data.
    world.say(format!("{STREAM}id: 6\n\n"));
    world.end();
    world.rest();
    assert!(world.accept().contains("\r\nLast-Event-ID: 6\r\n"));
    world.say(format!("{STREAM}id\n\n"));
    world.end();
    world.rest();
    assert!(!world.accept().contains("Last-Event-ID"));
}

#[test]
fn an_id_is_sent_as_utf8_and_one_that_cannot_be_sent_is_left_out() {
    let long = "x".repeat(20_000);
    for (id, sent) in [
        ("\u{65e5}\u{672c}".as_bytes(), Some("\u{65e5}\u{672c}")),
        // Not UTF-8, and so read as U+FFFD.
        (b"\xe9", Some("\u{fffd}")),
        ("\u{85}".as_bytes(), Some("\u{85}")),
        (b"a\tb", Some("a\tb")),
        (b"a\x01b", None),
        (b"\x7f", None),
        (b" \t ", None),
        (long.as_bytes(), None),
    ] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say([STREAM.as_bytes(), b"id: ", id, b"\ndata: 1\n\n"].concat());
        world.end();
        assert_eq!(lost(&told.take()), [&Error::Ended]);
        world.rest();
        let request = world.accept();
        match sent {
            Some(id) => assert!(request.contains(&format!("\r\nLast-Event-ID: {id}\r\n"))),
            None => assert!(!request.contains("Last-Event-ID"), "{request}"),
        }
        world.say(format!("{STREAM}data: 2\n\n"));
        assert_eq!(data(&told.take()), ["2"]);
    }
}

#[test]
fn a_channels_stream_that_begins_anew_does_not_take_the_cursor_back() {
    let (mut world, told, _) = World::following(Subscribe::to(URL));
    world.accept();
    world.say(FORBIDDEN);
    world.accept();
    for _ in 0..3 {
        // It does not heed the cursor.
        let block = |n: u64| format!("id: {n}-0\ndata: {n}\n\n");
        world.say(format!("{STREAM}{}{}{}", block(1), block(2), block(3)));
        world.end();
        world.rest();
        assert!(world.accept().contains("Last-Event-ID: 3-0"));
    }
    assert_eq!(data(&told.take()), ["1", "2", "3"]);
}

#[test]
fn white_space_around_an_id_does_not_keep_it_from_being_sent() {
    let (mut world, ..) = streaming();
    world.accept();
    world.say(format!("{STREAM}id:   5 \ndata\n\n"));
    world.end();
    world.rest();
    assert!(world.accept().contains("\r\nLast-Event-ID: 5\r\n"));
}

#[test]
fn ids_of_other_servers_mean_nothing_to_the_order_of_events() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say(format!(
        "{STREAM}id: 9-1\ndata: a\n\ndata: b\n\nid: 3-1\ndata: c\n\n"
    ));
    assert_eq!(data(&told.take()), ["a", "b", "c"]);
}

#[test]
fn status_204_ends_it() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(
        (told.take(), world.is_over()),
        (vec![Update::Ended(None)], true)
    );
}

#[test]
fn another_media_type_fails_it() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say(answer("200 OK", "Content-Type: text/html\r\n", "<p>"));
    let error = Error::MediaType("text/html".into());
    assert_eq!(ended(&told.take()), [Some(&error)]);
    let (mut world, told, _) = streaming();
    world.accept();
    world.say("HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream ; charset=utf-8\r\n\r\n");
    assert_eq!(told.take(), [Update::Connected(Transport::EventStream)]);
}

#[test]
fn every_other_status_fails_it() {
    for status in [
        101, 201, 206, 304, 400, 401, 403, 404, 408, 410, 425, 429, 500, 501, 502, 503, 504,
    ] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        let error = Error::Status(status, String::new());
        assert_eq!(ended(&told.take()), [Some(&error)]);
    }
}

#[test]
fn a_status_that_passes_is_waited_out_where_it_says_how_long_or_once_the_server_has_streamed() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let error = Error::Status(status, String::new());
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(lost(&told.take()), [&error]);
        assert!(world.rest() >= seconds(7));
        world.accept();
        world.say(format!("{STREAM}data: 1\n\n"));
        world.end();
        world.rest();
        world.accept();
        world.say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(lost(&told.take()), [&Error::Ended, &error]);
    }
}

#[test]
fn a_date_to_come_back_at_is_compared_with_the_servers_clock() {
    for (date, least) in [
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 20),
        ("Date: Sun, 06 Nov 1994 08:50:37 GMT\r\n", 0),
    ] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 503 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:57 GMT\r\n{date}\
             Content-Length: 0\r\n\r\n"
        ));
        assert_eq!(lost(&told.take()).len(), 1);
        let rest = world.rest();
        assert!(
            rest >= seconds(least) && rest < seconds(least + 2),
            "{rest:?}"
        );
    }
}

#[test]
fn a_date_to_come_back_at_is_compared_with_our_clock_where_the_server_says_no_time() {
    for (after, least) in [
        // The world's clock stands at the beginning of 1970.
        ("Thu, 01 Jan 1970 00:00:20 GMT", 20),
        ("Wed, 31 Dec 1969 23:59:40 GMT", 0),
        ("Thursday, 01-Jan-70 00:00:20 GMT", 0),
        ("soon", 0),
    ] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 503 X\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(lost(&told.take()).len(), 1, "{after}");
        let rest = world.rest();
        assert!(
            rest >= seconds(least) && rest < seconds(least + 2),
            "{after}: {rest:?}"
        );
    }
}

#[test]
fn a_redirect_in_plain_utf8_or_with_a_space_is_followed() {
    for (location, target) in [("/gr\u{fc}n", "/gr%C3%BCn"), ("/a b", "/a%20b")] {
        let (mut world, ..) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(world.accept().starts_with(&format!("GET {target} HTTP")));
    }
    for location in ["mailto:x", "http:/x", "about:blank"] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
        let told = told.take();
        assert!(
            matches!(ended(&told)[..], [Some(Error::Url(why))] if why.contains("names no server"))
        );
    }
}

#[test]
fn redirects_are_followed_within_a_bound() {
    for status in [301, 302, 303, 307, 308] {
        let (mut world, told, _) = streaming();
        world.accept();
        world.say(format!(
            "HTTP/1.1 {status} X\r\nLocation: ../b?c\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(world.accept().starts_with("GET /b?c HTTP/1.1\r\n"));
        world.say(format!("{STREAM}data: 1\n\n"));
        world.end();
        world.rest();
        // The URL that the program gave is the one to come back to.
        assert!(world.accept().starts_with("GET /channels/a HTTP/1.1\r\n"));
        assert_eq!(data(&told.take()), ["1"]);
    }
    let (mut world, told, _) = streaming();
    let around = "HTTP/1.1 302 X\r\nLocation: /channels/a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(world.insist(around), 21);
    assert_eq!(ended(&told.take()), [Some(&Error::Redirects)]);
}

#[test]
fn a_redirect_tells_no_secrets_to_another_server() {
    let subscribe = Subscribe::to(URL)
        .transport(Transport::EventStream)
        .header("Authorization", "Bearer abc");
    let (mut world, ..) = World::following(subscribe);
    assert!(world.accept().contains("Authorization: Bearer abc"));
    world.say("HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    assert!(world.accept().contains("Authorization: Bearer abc"));
    world.say("HTTP/1.1 302 X\r\nLocation: //127.0.0.1:9001/b\r\nContent-Length: 0\r\n\r\n");
    let request = world.accept();
    assert!(request.contains("Host: 127.0.0.1:9001\r\n") && !request.contains("Bearer"));
}

#[test]
fn a_redirect_to_where_it_cannot_go_says_so() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say("HTTP/1.1 302 X\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(ended(&told.take())[..], [Some(Error::Url(why))] if why.contains("scheme")));
    let (mut world, told, _) = streaming();
    world.accept();
    world.say("HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(
        ended(&told.take())[..],
        [Some(Error::Status(302, _))]
    ));
}

#[test]
fn a_stream_may_be_silent_for_ever_unless_it_is_said_how_long() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say(STREAM);
    told.take();
    world.pass(seconds(10_000));
    assert!(told.take().is_empty());
    let subscribe = Subscribe::to(URL)
        .transport(Transport::EventStream)
        .silence(Some(seconds(45)));
    let (mut world, told, _) = World::following(subscribe);
    world.accept();
    world.say(STREAM);
    world.pass(seconds(44));
    world.say(": \n\n");
    world.pass(seconds(44));
    assert_eq!(told.take(), [Update::Connected(Transport::EventStream)]);
    world.pass(seconds(2));
    assert_eq!(lost(&told.take()), [&Error::Silence]);
}

#[test]
fn a_stream_that_ends_at_once_is_come_back_to_ever_more_slowly() {
    let (mut world, ..) = streaming();
    let ending = format!("{STREAM}retry: 0\n\n");
    let mut waits = Vec::new();
    for round in 0..40 {
        world.accept();
        // With and without a word.
        world.say(if round % 2 == 0 { &ending } else { STREAM });
        world.end();
        waits.push(world.rest());
    }
    let total: Duration = waits.iter().sum();
    assert!(total > seconds(3), "{waits:?}");
}

#[test]
fn an_event_too_large_is_given_up_before_it_is_kept() {
    let (mut world, told, _) = streaming();
    world.accept();
    world.say(format!("{STREAM}data: "));
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..17 {
        world.say(&piece);
    }
    assert_eq!(ended(&told.take()), [Some(&Error::TooLarge)]);
}
