//! The law of every decoder, for whole clients: how the server's bytes are cut makes no difference.

use proptest::prelude::*;

use super::*;

/// What a server says on one connection that goes this way.
fn script(transport: Transport, request: &str) -> Vec<u8> {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let mut bytes = early.as_bytes().to_vec();
    match transport {
        Transport::WebSocket => {
            bytes = switching(request).into_bytes();
            for number in 1..=5 {
                bytes.extend(frame(&envelope(number)));
                bytes.extend([0x89, 1, b'p']);
            }
            bytes.extend(close_frame(1001));
        }
        Transport::EventStream => {
            bytes.extend(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            );
            for number in 1..=5 {
                let block = format!(": x\r\nid: {number}-0\rdata: {number}\r\n\r\n");
                crate::http::write_chunk(&mut bytes, block.as_bytes());
            }
        }
        Transport::LongPoll | Transport::ShortPoll => bytes.extend(messages(1..=5).into_bytes()),
    }
    bytes
}

proptest! {
    #[test]
    fn any_cutting_of_the_servers_bytes_gives_the_same_updates(
        way in 0..4_usize,
        cuts in prop::collection::vec(1..60_usize, 1..200),
    ) {
        let transport = Transport::ALL[way];
        let (mut world, told, _) = World::by(transport);
        let request = world.accept();
        let script = script(transport, &request);
        let (mut rest, mut cuts) = (&script[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            world.say(piece);
            rest = left;
        }
        let updates = told.take();
        prop_assert_eq!(&updates[0], &Update::Connected(transport));
        prop_assert_eq!(data(&updates), ["1", "2", "3", "4", "5"]);
        prop_assert_eq!(updates.len(), 6);
        prop_assert!(world.line.is_some());
    }

    #[test]
    fn whatever_a_server_says_nothing_panics_and_nothing_is_repeated(
        way in 0..4_usize,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in 0..2_000_usize,
        cut in 1..50_usize,
    ) {
        let transport = Transport::ALL[way];
        let (mut world, told, _) = World::by(transport);
        let request = world.accept();
        let mut script = script(transport, &request);
        let at = at % script.len();
        script.splice(at..(at + noise.len()).min(script.len()), noise);
        for piece in script.chunks(cut) {
            world.say(piece);
        }
        world.end();
        world.pass(seconds(30));
        let seen = data(&told.take());
        let mut once = seen.clone();
        once.dedup();
        prop_assert_eq!(seen, once);
    }
}
