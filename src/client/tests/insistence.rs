//! Servers that change their minds: whatever a server mixes out of answers that lead nowhere, a client asks no more often
//! than it would ask one that never changes.

use proptest::prelude::*;

use super::*;

/// One thing that a server does. None of them is news to the client: ids do not grow.
#[derive(Clone, Copy, Debug)]
enum Act {
    Say(&'static str),
    /// Switches to a WebSocket, if it was asked for one.
    Switch,
    Frame(&'static str),
    Close(u16),
    Ping,
    End,
    Reset,
    Refuse,
    /// Is silent for so many milliseconds.
    Rest(u64),
}

const ACTS: [Act; 34] = [
    Act::Say(STREAM),
    Act::Say(NOTHING),
    Act::Say(FORBIDDEN),
    Act::Say(":\n\n"),
    Act::Say("retry: 0\n\n"),
    Act::Say("retry: 1\n\n"),
    Act::Say("data: x\n\n"),
    Act::Say("id: 7-0\ndata: x\n\n"),
    Act::Say("id\n\n"),
    Act::Say("event: gap\ndata\n\n"),
    Act::Say("id: 7-0\n"),
    Act::Say("HTTP/1.1 100 Continue\r\n\r\n"),
    Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    Act::Say("HTTP/1.1 302 Found\r\nLocation: /channels/a\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9000/b\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 408 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    Act::Say("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 421 X\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 426 X\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("HTTP/1.1 503 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"),
    Act::Say("nonsense\r\n\r\n"),
    Act::Say(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{\"events\":[],\"last_id\":\"7-0\"}\r\n",
    ),
    Act::Switch,
    Act::Frame(r#"{"id":"7-0","event":"message","data":"x"}"#),
    Act::Frame(r#"{"event":"gap"}"#),
    Act::Close(1001),
    Act::Close(1013),
    Act::Ping,
    Act::End,
    Act::Reset,
    Act::Refuse,
];

/// How many requests there are in ten minutes.
fn requests(subscribe: Subscribe, acts: &[Act]) -> usize {
    let (mut world, _told, _) = World::following(subscribe);
    let end = world.now.ms + 600_000;
    let (mut requests, mut request) = (0, String::new());
    let mut acts = acts.iter().cycle();
    while world.now.ms < end && !world.is_over() && requests < 100_000 {
        let act = *acts.next().unwrap();
        if world.is_dialing() {
            if matches!(act, Act::Refuse) {
                requests += 1;
                world.refuse(ErrorKind::ConnectionRefused);
                continue;
            }
            request = world.accept();
            requests += 1;
        }
        match act {
            Act::Say(text) => world.say(text),
            Act::Switch if request.contains("Sec-WebSocket-Key") => {
                world.say(switching(&std::mem::take(&mut request)));
            }
            Act::Frame(text) => world.say(frame(text)),
            Act::Close(code) => world.say(close_frame(code)),
            Act::Ping => world.say([0x89, 0]),
            Act::End => world.end(),
            Act::Reset => world.reset(),
            Act::Rest(ms) => world.pass(Duration::from_millis(ms)),
            Act::Switch | Act::Refuse => {}
        }
        let said = world.said();
        if said.contains(" HTTP/1.1\r\n") {
            requests += said.matches(" HTTP/1.1\r\n").count();
            request = said;
        } else if !world.is_dialing() && (world.line.is_none() || matches!(act, Act::Say(_))) {
            // What it does next comes when the client is back, or some time has passed.
            world.pass(Duration::from_millis(match world.line {
                None => 600_000,
                Some(_) => 100,
            }));
        }
    }
    requests
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        9 => prop::sample::select(ACTS.to_vec()),
        1 => (0..60_000_u64).prop_map(Act::Rest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn no_mixture_of_answers_that_lead_nowhere_makes_a_client_ask_often(
        way in 0..5_usize,
        acts in prop::collection::vec(act(), 1..12),
    ) {
        let subscribe = Subscribe::to(URL);
        let subscribe = match Transport::ALL.get(way) {
            Some(transport) => subscribe.transport(*transport),
            None => subscribe,
        };
        let count = requests(subscribe, &acts);
        // A short poll comes every two seconds.
        prop_assert!(count < 400, "{} requests", count);
    }
}
