//! Which way is taken when, and the end of a subscription in each of its phases.

use super::*;

fn following() -> (World, Told<Update>, ClientId) {
    World::following(Subscribe::to(URL))
}

/// The way that the client asks for.
fn way(request: &str) -> Transport {
    match request {
        request if request.contains("Upgrade: websocket") => Transport::WebSocket,
        request if request.contains("text/event-stream") => Transport::EventStream,
        request if request.contains("Prefer: wait=") => Transport::LongPoll,
        _ => Transport::ShortPoll,
    }
}

fn fallen(updates: &[Update]) -> Vec<Transport> {
    let from = |update: &Update| match update {
        Update::FellBack {
            transport: from, ..
        } => Some(*from),
        _ => None,
    };
    updates.iter().filter_map(from).collect()
}

#[test]
fn ways_are_tried_in_turn_and_the_refusal_of_the_last_is_final() {
    let (mut world, told, _) = following();
    for &transport in Transport::ALL {
        assert_eq!(way(&world.accept()), transport);
        world.say(FORBIDDEN);
    }
    let updates = told.take();
    assert_eq!(fallen(&updates), Transport::ALL[..3]);
    let error = Error::Status(403, "no".into());
    assert_eq!(
        (ended(&updates), world.is_over()),
        (vec![Some(&error)], true)
    );
}

#[test]
fn an_answer_without_an_end_in_place_of_a_websocket_is_not_waited_for() {
    let (mut world, told, _) = following();
    world.accept();
    world.say(STREAM);
    world.say("data: on and on\n\n");
    assert_eq!(way(&world.accept()), Transport::EventStream);
    assert_eq!(fallen(&told.take()), [Transport::WebSocket]);
}

#[test]
fn the_place_is_kept_when_the_way_changes() {
    let (mut world, told, _) = following();
    let request = world.accept();
    world.say(switching(&request));
    world.say(frame(&envelope(1)));
    world.end();
    world.rest();
    let request = world.accept();
    assert!(request.contains("Last-Event-ID: 1-0"));
    world.say(FORBIDDEN);
    let request = world.accept();
    assert!(request.contains("Last-Event-ID: 1-0"));
    assert_eq!(way(&request), Transport::EventStream);
    world.say(format!("{STREAM}id: 2-0\ndata: 2\n\n"));
    assert_eq!(data(&told.take()), ["1", "2"]);
}

#[test]
fn a_server_that_is_gone_is_no_reason_to_fall_back() {
    let (mut world, told, _) = following();
    for _ in 0..20 {
        world.refuse(ErrorKind::ConnectionRefused);
        world.rest();
        world.refuse(ErrorKind::TimedOut);
        world.rest();
    }
    assert_eq!(fallen(&told.take()), []);
    assert_eq!(way(&world.accept()), Transport::WebSocket);
}

#[test]
fn a_way_that_is_cut_twice_before_anything_came_does_not_work() {
    for cut in [World::end, World::reset] {
        let (mut world, told, _) = following();
        for _ in 0..2 {
            assert_eq!(way(&world.accept()), Transport::WebSocket);
            cut(&mut world);
            world.rest();
        }
        assert_eq!(fallen(&told.take()), [Transport::WebSocket]);
        assert_eq!(way(&world.accept()), Transport::EventStream);
    }
}

#[test]
fn an_upgrade_that_is_swallowed_is_tried_once() {
    let (mut world, told, _) = following();
    world.accept();
    world.pass(seconds(11));
    assert_eq!(way(&world.accept()), Transport::EventStream);
    assert_eq!(fallen(&told.take()), [Transport::WebSocket]);
}

#[test]
fn a_websocket_that_opens_and_says_nothing_does_not_work() {
    let (mut world, told, _) = following();
    let request = world.accept();
    assert_eq!(way(&request), Transport::WebSocket);
    world.say(switching(&request));
    while world.line.is_some() {
        world.sent.clear();
        world.pass(seconds(30));
    }
    let error = Error::Silence;
    let fell = Update::FellBack {
        transport: Transport::WebSocket,
        error,
    };
    assert!(told.take().contains(&fell));
    assert_eq!(way(&world.accept()), Transport::EventStream);
}

/// Something on the way lets it open, and cuts it soon.
#[test]
fn half_a_frame_does_not_show_that_a_websocket_works_and_a_whole_ping_does() {
    for (said, then) in [
        (&[0x89][..], Transport::EventStream),
        (&[0x89, 0], Transport::WebSocket),
    ] {
        let (mut world, _told, _) = following();
        for _ in 0..2 {
            let request = world.accept();
            assert_eq!(way(&request), Transport::WebSocket);
            world.say(switching(&request));
            world.say(said);
            world.reset();
            world.pass(seconds(60));
        }
        assert_eq!(way(&world.accept()), then);
    }
}

#[test]
fn a_stream_that_something_on_the_way_holds_back_does_not_work() {
    let (mut world, told, _) = following();
    world.accept();
    world.say(FORBIDDEN);
    assert_eq!(way(&world.accept()), Transport::EventStream);
    world.say(STREAM);
    world.pass(seconds(11));
    assert_eq!(
        fallen(&told.take()),
        [Transport::WebSocket, Transport::EventStream]
    );
    assert_eq!(way(&world.accept()), Transport::LongPoll);
}

/// The beginning of a gzip stream that never says anything more.
const GZIPPED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n\x1f";

#[test]
fn an_answer_in_a_coding_that_nobody_asked_for_is_an_error_and_another_way_is_tried() {
    let (mut world, told, _) = following();
    world.accept();
    world.say(FORBIDDEN);
    let request = world.accept();
    assert!(request.contains("\r\nAccept-Encoding: identity\r\n"));
    world.say(GZIPPED);
    let fell = Update::FellBack {
        transport: Transport::EventStream,
        error: Error::Coding("gzip".into()),
    };
    assert!(told.take().contains(&fell));
    assert_eq!(way(&world.accept()), Transport::LongPoll);
    world.say(messages(1..=1).replacen("\r\n", "\r\nContent-Encoding: br\r\n", 1));
    assert_eq!(way(&world.accept()), Transport::ShortPoll);
    world.say(messages(1..=1).replacen("\r\n", "\r\nContent-Encoding: Identity\r\n", 1));
    assert_eq!(data(&told.take()), ["1"]);
}

#[test]
fn a_coding_that_cannot_be_read_ends_the_only_way_and_is_named() {
    for (fields, coding) in [
        ("Content-Encoding: identity, gzip\r\n", "identity, gzip"),
        ("Content-Encoding: x-new\r\n", "x-new"),
        ("Transfer-Encoding: gzip, chunked\r\n", "gzip, chunked"),
        ("Transfer-Encoding: gzip\r\n", "gzip"),
    ] {
        for transport in &Transport::ALL[1..] {
            let (mut world, told, _) = World::by(*transport);
            world.accept();
            world.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{fields}\r\n",
                match transport {
                    Transport::EventStream => "text/event-stream",
                    _ => "application/json",
                }
            ));
            let error = Error::Coding(coding.into());
            assert_eq!(ended(&told.take()), [Some(&error)], "{transport} {fields}");
            assert!(error.to_string().contains(coding));
        }
    }
}

#[test]
fn a_refusal_in_a_coding_is_one_all_the_same() {
    let (mut world, told, _) = World::by(Transport::LongPoll);
    world.accept();
    world.say("HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f");
    assert_eq!(lost(&told.take()), [&Error::Status(503, String::new())]);
    assert!(world.rest() >= seconds(7));
}

#[test]
fn a_long_poll_that_does_not_wait_is_none() {
    let (mut world, told, _) = following();
    for _ in 0..2 {
        world.accept();
        world.say(FORBIDDEN);
    }
    assert_eq!(way(&world.accept()), Transport::LongPoll);
    world.say(batch(r#"{"events":[],"last_id":"0-0"}"#));
    assert_eq!(way(&world.accept()), Transport::ShortPoll);
    let updates = told.take();
    assert!(matches!(
        updates.last(),
        Some(Update::FellBack {
            transport: Transport::LongPoll,
            error: Error::NoWait
        })
    ));
}

#[test]
fn a_restart_behind_a_proxy_does_not_cost_the_way() {
    let (mut world, told, _) = following();
    let request = world.accept();
    world.say(switching(&request));
    world.say(frame(&envelope(1)));
    world.end();
    for _ in 0..5 {
        world.rest();
        assert_eq!(way(&world.accept()), Transport::WebSocket);
        world.say(answer("502 Bad Gateway", "", ""));
    }
    assert_eq!(fallen(&told.take()), []);
}

#[test]
fn when_no_way_works_for_now_the_best_is_tried_again() {
    let (mut world, told, _) = following();
    let mut seen = Vec::new();
    while seen.len() < 9 {
        world.rest();
        seen.push(way(&world.accept()));
        world.say(answer("502 Bad Gateway", "", ""));
    }
    let twice = |way| [way, way];
    let mut expected = Transport::ALL
        .iter()
        .copied()
        .flat_map(twice)
        .collect::<Vec<_>>();
    expected.push(Transport::WebSocket);
    assert_eq!(seen, expected);
    assert!(ended(&told.take()).is_empty());
    assert!(world.insist(&answer("502 Bad Gateway", "", "")) < 60);
}

#[test]
fn a_websocket_that_breaks_the_rules_says_which() {
    let (mut world, told, _) = World::by(Transport::WebSocket);
    let request = world.accept();
    world.say(switching(&request));
    world.say([0xFF, 0]);
    assert!(matches!(lost(&told.take())[..], [Error::WebSocket(_)]));
    assert_eq!(world.frames().0, ["close Some(1002)"]);
    world.rest();
    let request = world.accept();
    world.say(switching(&request));
    world.say(frame("hello"));
    assert_eq!(lost(&told.take()), [&Error::Envelope]);
}

#[test]
fn a_host_that_is_not_found_is_looked_up_again() {
    let (mut world, told, id) = World::following(Subscribe::to("http://name.invalid/"));
    world.clients.looked_up(id, Vec::new(), world.now);
    let error = Error::Lookup("name.invalid".into());
    assert_eq!(lost(&told.take()), [&error]);
    // An answer that comes when nobody waits for it any more changes nothing.
    let address = "127.0.0.1:80".parse().unwrap();
    world.clients.looked_up(id, vec![address], world.now);
    world.clients.take_dials(&mut world.dials);
    assert!(!world.is_dialing());
}

#[test]
fn a_look_up_whose_answer_is_lost_is_given_up() {
    let (mut world, told, _) = World::following(Subscribe::to("http://name.invalid/"));
    world.pass(seconds(61));
    assert_eq!(lost(&told.take()), [&Error::Lookup("name.invalid".into())]);
}

#[test]
fn the_addresses_of_a_host_are_tried_in_turn() {
    let (mut world, told, id) = World::following(Subscribe::to("http://name.invalid:81/"));
    let addresses = ["127.0.0.1:81", "127.0.0.2:81"].map(|address| address.parse().unwrap());
    world.clients.looked_up(id, addresses.to_vec(), world.now);
    world.clients.take_dials(&mut world.dials);
    for address in addresses {
        assert_eq!(world.dials[0].address, address);
        world.refuse(ErrorKind::ConnectionRefused);
    }
    let error = Error::Connection(ErrorKind::ConnectionRefused);
    assert_eq!(lost(&told.take()), [&error]);
}

/// Brings a subscription into one of its phases.
type Phase = fn() -> (World, Told<Update>, ClientId);

fn phases() -> Vec<Phase> {
    vec![
        // Looking up.
        || World::following(Subscribe::to("http://name.invalid/")),
        // Connecting.
        following,
        // Waiting for an answer.
        || {
            let (mut world, told, id) = following();
            world.accept();
            (world, told, id)
        },
        // Between two polls.
        || {
            let (mut world, told, id) = World::by(Transport::ShortPoll);
            world.accept();
            world.say(messages(1..=1));
            (world, told, id)
        },
        // In a stream.
        || {
            let (mut world, told, id) = World::by(Transport::EventStream);
            world.accept();
            world.say(STREAM);
            (world, told, id)
        },
        // In a batch.
        || {
            let (mut world, told, id) = World::by(Transport::LongPoll);
            world.accept();
            world.say(&messages(1..=1)[..80]);
            (world, told, id)
        },
        // Waiting to connect.
        || {
            let (mut world, told, id) = following();
            world.refuse(ErrorKind::ConnectionRefused);
            (world, told, id)
        },
    ]
}

#[test]
fn it_can_be_ended_in_every_phase_and_says_so_once() {
    for (number, phase) in phases().into_iter().enumerate() {
        let (mut world, told, id) = phase();
        told.take();
        world.quit(id);
        assert_eq!(told.take(), [Update::Ended(None)], "phase {number}");
        assert!(world.is_over());
        if world.is_dialing() {
            // What was on its way is let go.
            world.accept();
            assert!(world.line.is_none());
        }
        world.quit(id);
        world.pass(seconds(100));
        assert!(told.take().is_empty() && !world.is_dialing());
    }
}

#[test]
fn when_the_loop_shuts_down_it_ends_in_every_phase() {
    for (number, phase) in phases().into_iter().enumerate() {
        let (mut world, told, _) = phase();
        told.take();
        world.clients.draining(world.now);
        world.call(|clients, dialed, io| clients.drain(dialed, io));
        assert_eq!(told.take(), [Update::Ended(None)], "phase {number}");
        assert!(world.is_over());
    }
}

#[test]
fn an_open_websocket_is_ended_with_a_closing_handshake() {
    let (mut world, told, id) = following();
    let request = world.accept();
    world.say(switching(&request));
    told.take();
    world.quit(id);
    assert_eq!(world.frames().0, ["close Some(1000)"]);
    // What still comes is not handed on.
    world.say(frame(&envelope(1)));
    assert!(told.take().is_empty());
    world.say(close_frame(1000));
    world.end();
    assert_eq!(told.take(), [Update::Ended(None)]);
    assert!(world.is_over());
}
