//! How long is waited between two tries: longer each time, whatever a server says before it fails, until it lasts or
//! leads further; and never less than it asks for.

use super::*;
use crate::client::Backoff;

/// What a server says on its connection number `n`, before it ends it.
type Script = Box<dyn Fn(u64, &str) -> Vec<u8>>;

fn stream(events: impl Fn(u64) -> String + 'static) -> Script {
    Box::new(move |n, _| format!("{STREAM}{}", events(n)).into_bytes())
}

fn socket(frames: impl Fn(u64) -> Vec<u8> + 'static) -> Script {
    Box::new(move |n, request| [switching(request).into_bytes(), frames(n)].concat())
}

/// The waits behind connections that each say this and end.
fn waits(transport: Transport, say: &Script, count: u64) -> (World, Told<Update>, Vec<Duration>) {
    let (mut world, told, _) = World::by(transport);
    let mut waits = Vec::new();
    for n in 1..=count {
        let request = world.accept();
        world.say(say(n, &request));
        world.frames();
        world.end();
        waits.push(world.rest());
    }
    (world, told, waits)
}

#[test]
fn no_word_before_the_end_keeps_the_waits_from_growing() {
    let event = |n: u64| format!("id: {n}-0\ndata: x\n\n");
    let scripts: [(&str, Transport, Script); 9] = [
        (
            "a comment",
            Transport::EventStream,
            stream(|_| ":\n\n".into()),
        ),
        (
            "retry: 0",
            Transport::EventStream,
            stream(|_| "retry: 0\n\n".into()),
        ),
        (
            "an event",
            Transport::EventStream,
            stream(|_| "data: x\n\n".into()),
        ),
        (
            "the same event",
            Transport::EventStream,
            stream(move |_| event(1)),
        ),
        ("one more event", Transport::EventStream, stream(event)),
        (
            "one more event",
            Transport::WebSocket,
            socket(|n| frame(&envelope(n))),
        ),
        (
            "a ping",
            Transport::WebSocket,
            socket(|_| vec![0x89, 1, b'p']),
        ),
        (
            "half a frame",
            Transport::WebSocket,
            socket(|_| vec![0x81, 9, b'{']),
        ),
        (
            "a batch, then half of one",
            Transport::LongPoll,
            Box::new(|n, _| {
                let half = &messages(1..=1)[..80];
                messages(n..=n)
                    .into_bytes()
                    .into_iter()
                    .chain(half.bytes())
                    .collect()
            }),
        ),
    ];
    for (what, transport, say) in scripts {
        let (mut world, told, _) = World::by(transport);
        let (end, mut requests) = (world.now.ms + 120_000, 0);
        while world.now.ms < end {
            requests += 1;
            let request = world.accept();
            if what == "a batch, then half of one" {
                let said = say(requests, &request);
                let (whole, half) = said.split_at(messages(requests..=requests).len());
                world.say(whole);
                world.rest();
                world.said();
                world.say(half);
            } else {
                world.say(say(requests, &request));
            }
            world.frames();
            world.end();
            world.rest();
        }
        // In two minutes: 7 until the waits are at their most, and one for every 15 seconds on average from then on.
        assert!(requests < 40, "{what} by {transport}: {requests} requests");
        assert!(!lost(&told.take()).is_empty(), "{what} by {transport}");
    }
}

#[test]
fn a_connection_that_has_lasted_begins_with_short_waits_again() {
    let say = stream(|_| ":\n\n".into());
    let (mut world, _, _) = waits(Transport::EventStream, &say, 30);
    world.accept();
    world.say(STREAM);
    world.pass(seconds(31));
    world.end();
    assert!(world.rest() <= Duration::from_millis(500));
}

#[test]
fn a_cursor_that_has_moved_further_than_before_the_failures_begins_with_short_waits_again() {
    let events = |from: u64, to: u64| {
        (from..to)
            .map(|n| format!("id: {n}\ndata\n\n"))
            .collect::<String>()
    };
    let say = stream(move |n| events(3 * n, 3 * n + 3));
    let (mut world, _, _) = waits(Transport::EventStream, &say, 30);
    world.accept();
    world.say(format!("{STREAM}{}", events(900, 904)));
    world.end();
    assert!(world.rest() <= Duration::from_millis(500));
}

#[test]
fn a_websocket_comes_back_with_waits_that_grow_until_one_has_lasted() {
    let backoff = Backoff {
        initial: seconds(1),
        max: seconds(30),
    };
    let connect = Connect::to("ws://127.0.0.1:9001/").reconnect(backoff);
    let (mut world, told, _) = World::connecting(connect);
    let mut long = 0;
    for failures in 1..=40_u32 {
        let request = world.accept();
        world.say(switching(&request));
        world.say(frame("hello"));
        world.say([0x89, 0]);
        world.frames();
        world.end();
        let retry = told.take().remove(0).retry_in.unwrap();
        assert!(retry <= seconds(30.min(1 << (failures - 1).min(10))));
        long += u32::from(retry > seconds(10));
        assert_eq!(world.rest(), retry);
    }
    assert!(long > 3, "{long} of 40");
    let request = world.accept();
    world.say(switching(&request));
    world.pass(seconds(30));
    assert_eq!(world.frames().0, ["ping"]);
    world.pass(seconds(1));
    world.end();
    assert!(told.take()[0].retry_in.unwrap() <= seconds(1));
}

#[test]
fn another_way_is_not_tried_sooner_than_the_server_asks() {
    const BUSY: &str =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n";
    let (mut world, told, _) = World::following(Subscribe::to(URL));
    // Each of the ways fails until it is left for the next one, all ways twice over.
    for _ in 0..16 {
        world.accept();
        world.say(BUSY);
        let wait = world.rest();
        assert!(wait >= seconds(120), "{wait:?}");
    }
    let fell = |update: &Update| matches!(update, Update::FellBack { .. });
    assert!(told.take().iter().any(fell));
    // So is what an event stream has asked for: a second way is asked for what it says in vain.
    let (mut world, _told, _) = World::following(Subscribe::to(URL));
    world.accept();
    world.say(FORBIDDEN);
    for _ in 0..2 {
        world.accept();
        world.say(format!("{STREAM}retry: 60000\n\n"));
        world.end();
        let wait = world.rest();
        assert!(wait >= seconds(60), "{wait:?}");
    }
}

#[test]
fn a_server_is_never_come_back_to_sooner_than_it_asks() {
    for (retry, least) in [
        ("0", Duration::from_millis(250)),
        ("2000", seconds(2)),
        ("60000", seconds(60)),
        ("7200000", seconds(7_200)),
        // Nearly 25 days, as long as a timer of a browser can be.
        ("99999999999", Duration::from_millis((1 << 31) - 1)),
        (
            "99999999999999999999999",
            Duration::from_millis((1 << 31) - 1),
        ),
    ] {
        let (mut world, told, _) = World::by(Transport::EventStream);
        world.accept();
        world.say(format!("{STREAM}retry: {retry}\n\n"));
        world.end();
        let told = told.take();
        let Some(Update::Lost { retry_in: wait, .. }) = told.last() else {
            panic!("{told:?}")
        };
        assert!(
            *wait >= least && *wait <= least + seconds(1),
            "{retry}: {wait:?}"
        );
    }
}
