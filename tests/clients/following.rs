//! Subscriptions of a channel, each way.

use std::sync::Mutex;
use std::time::Duration;

use barewire::client::{Backoff, Event, Subscription};
use barewire::{ClientError, ClientLoop, Subscribe, Transport, Update};

use crate::proxy::{self, Fate};
use crate::support::{PATIENCE, Random, Running};

pub fn quick() -> Backoff {
    Backoff {
        initial: Duration::from_millis(2),
        max: Duration::from_millis(20),
    }
}

/// A subscription that does not rest for long.
pub fn follow(address: impl std::fmt::Display) -> Subscribe {
    Subscribe::to(&format!("http://{address}/channels/a"))
        .interval(Duration::from_millis(5))
        .backoff(quick())
}

pub fn next_event(subscription: &mut Subscription) -> Event {
    loop {
        match subscription.update_within(PATIENCE) {
            Some(Update::Event(event)) => return event,
            Some(Update::Ended(why)) => panic!("it ended: {why:?}"),
            Some(_) => {}
            None => panic!("nothing came"),
        }
    }
}

/// The data of the next events.
fn take(subscription: &mut Subscription, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| next_event(subscription).data().into_owned())
        .collect()
}

fn await_connected(subscription: &mut Subscription) -> Transport {
    loop {
        match subscription.update_within(PATIENCE) {
            Some(Update::Connected(transport)) => return transport,
            Some(Update::Lost { .. } | Update::FellBack { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The way that a request's head asks for.
fn way(head: &str) -> Transport {
    match head {
        head if head.contains("Upgrade: websocket") => Transport::WebSocket,
        head if head.contains("text/event-stream") => Transport::EventStream,
        head if head.contains("Prefer: wait=") => Transport::LongPoll,
        _ => Transport::ShortPoll,
    }
}

#[test]
fn each_way_gives_what_was_published_and_then_what_is() {
    let running = Running::usual();
    for number in 0..3 {
        running.publisher.publish("a", number.to_string()).unwrap();
    }
    running.publisher.publish("a", &b"\xFF\x00"[..]).unwrap();
    for &transport in Transport::ALL {
        let mut subscription = follow(running.address).transport(transport).open().unwrap();
        assert_eq!(await_connected(&mut subscription), transport);
        assert_eq!(take(&mut subscription, 3), ["0", "1", "2"], "{transport}");
        let binary = next_event(&mut subscription);
        assert!(binary.is_binary() && binary.bytes() == b"\xFF\x00");
        // Behind the second one, and what comes now.
        let mut subscription = follow(running.address).transport(transport).open().unwrap();
        let _ = next_event(&mut subscription);
        let second = next_event(&mut subscription).id().to_owned();
        let resumed = follow(running.address).transport(transport).after(&second);
        let mut subscription = resumed.open().unwrap();
        assert_eq!(take(&mut subscription, 1), ["2"], "{transport}");
        assert!(next_event(&mut subscription).is_binary());
    }
}

#[test]
fn each_way_can_begin_with_what_is_published_from_now_on() {
    for &transport in Transport::ALL {
        let running = Running::usual();
        running.publisher.publish("a", "before").unwrap();
        let mut probe = follow(running.address).open().unwrap();
        assert_eq!(take(&mut probe, 1), ["before"]);
        let now = follow(running.address)
            .transport(transport)
            .wait(Duration::from_secs(1))
            .from_now();
        let mut subscription = now.open().unwrap();
        await_connected(&mut subscription);
        running.publisher.publish("a", "after").unwrap();
        assert_eq!(take(&mut subscription, 1), ["after"], "{transport}");
    }
}

#[test]
fn a_client_of_a_loop_gets_the_same() {
    let running = Running::usual();
    for number in 0..3 {
        running.publisher.publish("a", number.to_string()).unwrap();
    }
    let (sender, came) = std::sync::mpsc::channel();
    let mut client = ClientLoop::new().unwrap();
    let mut ids = Vec::new();
    for &transport in Transport::ALL {
        let sender = sender.clone();
        let handler = move |update| {
            let _ = sender.send((transport, update));
        };
        let subscribe = follow(running.address).transport(transport);
        ids.push(client.subscribe(subscribe, handler).unwrap());
    }
    let mut data = std::collections::HashMap::new();
    while data.values().map(Vec::len).sum::<usize>() < 12 {
        client.turn(Some(PATIENCE)).unwrap();
        for (transport, update) in came.try_iter() {
            if let Update::Event(event) = update {
                let data: &mut Vec<String> = data.entry(transport).or_default();
                data.push(event.data().into_owned());
            }
        }
    }
    assert!(data.values().all(|data| data == &["0", "1", "2"]));
    for id in ids {
        client.close(id);
    }
    client.run().unwrap();
    let ended = came
        .try_iter()
        .filter(|(_, update)| *update == Update::Ended(None));
    assert_eq!((ended.count(), client.len()), (4, 0));
}

#[test]
fn nothing_is_lost_or_repeated_however_the_connections_are_cut() {
    let mut random = Random::seeded();
    let ways = Transport::ALL.iter().copied().map(Some).chain([None]);
    for transport in ways {
        let running = Running::usual();
        let cuts = Mutex::new(random.fork());
        let address = proxy::start(running.address, move |_| {
            let mut random = cuts.lock().unwrap();
            let root = random.below(200) as usize;
            Fate::CutAfter(250 + root * root)
        });
        let mut subscribe = follow(address);
        if let Some(transport) = transport {
            subscribe = subscribe.transport(transport);
        }
        let mut subscription = subscribe.open().unwrap();
        for number in 0..100 {
            running.publisher.publish("a", number.to_string()).unwrap();
        }
        let mut data = take(&mut subscription, 50);
        for number in 100..200 {
            running.publisher.publish("a", number.to_string()).unwrap();
        }
        data.extend(take(&mut subscription, 150));
        let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        assert_eq!(data, expected, "{transport:?}");
    }
}

#[test]
fn a_way_that_is_blocked_is_left_for_the_next_one() {
    for fate in [Fate::Forbid, Fate::End] {
        for blocked in 0..4 {
            let running = Running::usual();
            running.publisher.publish("a", "1").unwrap();
            let address = proxy::start(running.address, move |head| {
                if Transport::ALL[..blocked].contains(&way(head)) {
                    fate
                } else {
                    Fate::Pass
                }
            });
            let mut subscription = follow(address).open().unwrap();
            let expected = Transport::ALL[blocked];
            assert_eq!(await_connected(&mut subscription), expected, "{fate:?}");
            assert_eq!(take(&mut subscription, 1), ["1"]);
            running.publisher.publish("a", "2").unwrap();
            assert_eq!(take(&mut subscription, 1), ["2"]);
        }
    }
}

#[test]
fn a_refusal_of_every_way_is_told() {
    let running = Running::usual();
    let address = proxy::start(running.address, |_| Fate::Forbid);
    let mut subscription = follow(address).open().unwrap();
    let refused = ClientError::Status(403, String::new());
    assert_eq!(subscription.next(), Some(Err(refused)));
    assert_eq!(subscription.next(), None);
    assert!(subscription.is_ended());
}

#[test]
fn the_servers_own_refusal_is_told_in_its_words() {
    let running = Running::usual();
    let url = format!("http://{}/nowhere", running.address);
    let mut subscription = Subscribe::to(&url).backoff(quick()).open().unwrap();
    let error = subscription.next().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Status(404, _)), "{error}");
}

#[test]
fn a_host_is_looked_up_by_its_name() {
    let running = Running::usual();
    running.publisher.publish("a", "1").unwrap();
    let address = format!("localhost:{}", running.address.port());
    let mut subscription = follow(address).open().unwrap();
    assert_eq!(take(&mut subscription, 1), ["1"]);
}
