//! Messages that are larger than is taken: another way, the end, or on behind them; never the same bytes again.

use super::*;
use crate::client::Oversized;

/// The head of a batch that is larger than any that is taken.
fn huge(last_id: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLast-Event-ID: {last_id}\r\n\
         Content-Length: 99999999999\r\n\r\n{{\"events\":[{{\"id\":\"7-0\",\"event\":\"message\",\"data\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    )
}

/// What a server says whose message number 7 is larger than 1,000 bytes in every way.
fn say(world: &mut World, request: &str, behind: &str) {
    if request.contains("Upgrade: websocket") {
        world.say(switching(request));
        // A frame of 64 KiB.
        world.say([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    } else if request.contains("text/event-stream") {
        world.say(format!("{STREAM}id: {behind}\ndata: {}", "x".repeat(2_000)));
    } else {
        world.say(huge(behind));
    }
    world.frames();
}

fn following(transport: Option<Transport>, oversized: Oversized) -> (World, Told<Update>) {
    let subscribe = Subscribe::to(URL)
        .max_message(1_000)
        .oversized(oversized)
        .after("3-0");
    let (world, told, _) = World::following(match transport {
        Some(transport) => subscribe.transport(transport),
        None => subscribe,
    });
    (world, told)
}

#[test]
fn each_way_is_tried_once_and_then_it_says_so_and_ends() {
    let (mut world, told) = following(None, Oversized::End);
    for _ in Transport::ALL {
        let request = world.accept();
        assert!(request.contains("Last-Event-ID: 3-0"));
        say(&mut world, &request, "7-0");
    }
    let updates = told.take();
    assert_eq!(
        (ended(&updates), world.is_over()),
        (vec![Some(&Error::TooLarge)], true)
    );
    let fell = updates.iter().filter(|update| {
        matches!(
            update,
            Update::FellBack {
                error: Error::TooLarge,
                ..
            }
        )
    });
    assert_eq!(fell.count(), 3);
    for &transport in Transport::ALL {
        let (mut world, told) = following(Some(transport), Oversized::End);
        let request = world.accept();
        say(&mut world, &request, "7-0");
        assert_eq!(ended(&told.take()), [Some(&Error::TooLarge)], "{transport}");
        assert!(world.is_over() && !world.is_dialing());
    }
}

#[test]
fn by_choice_it_goes_on_behind_it_with_a_gap() {
    for &transport in Transport::ALL {
        let (mut world, told) = following(Some(transport), Oversized::Skip);
        let request = world.accept();
        say(&mut world, &request, "7-0");
        if transport == Transport::WebSocket {
            // Its frame did not say which message it is: a poll does.
            let request = world.accept();
            assert!(request.contains("Last-Event-ID: 3-0") && !request.contains("Prefer"));
            say(&mut world, &request, "9-0");
        }
        let gaps = told.take();
        assert_eq!(data(&gaps), ["gap"], "{transport}");
        assert_eq!(events(&gaps)[0].id(), "7-0");
        assert!(ended(&gaps).is_empty() && lost(&gaps).is_empty());
        world.rest();
        let request = world.accept();
        assert!(request.contains("Last-Event-ID: 7-0"), "{request}");
        assert_eq!(
            request.contains("Upgrade"),
            transport == Transport::WebSocket
        );
        if transport == Transport::EventStream {
            world.say(format!("{STREAM}id: 8-0\ndata: 8\n\n"));
            assert_eq!(data(&told.take()), ["8"]);
        }
    }
}

#[test]
fn whatever_ids_a_server_makes_up_it_does_not_make_it_spin() {
    for &transport in Transport::ALL {
        for same in [true, false] {
            let (mut world, _) = following(Some(transport), Oversized::Skip);
            let (end, mut requests) = (world.now.ms + 60_000, 0);
            while world.now.ms < end && !world.is_over() {
                let request = world.accept();
                requests += 1;
                let id = if same { 7 } else { 7 + requests };
                say(&mut world, &request, &format!("{id}-0"));
                world.rest();
            }
            assert!(requests < 60, "{transport}: {requests}");
            assert!(!same || world.is_over());
        }
    }
}

#[test]
fn where_the_place_behind_it_is_not_said_it_ends() {
    for &transport in Transport::ALL {
        let (mut world, told) = following(Some(transport), Oversized::Skip);
        while !world.is_over() {
            let request = world.accept();
            if request.contains("text/event-stream") {
                world.say(format!("{STREAM}data: {}", "x".repeat(2_000)));
            } else if request.contains("Upgrade: ") {
                say(&mut world, &request, "7-0");
            } else {
                world.say(huge("3-0").replace("{\"events\"", "{\"e\""));
            }
            world.frames();
        }
        assert_eq!(ended(&told.take()), [Some(&Error::TooLarge)], "{transport}");
        assert!(world.connections <= 2);
    }
}
