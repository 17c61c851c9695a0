//! Whole lives of subscriptions, with the log, the receivers and the time played by the test.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::channel::{Data, Id, Record};
use crate::net::{ConnectionId, Now};
use crate::webhook::sender::delivery::Payload;
use crate::webhook::sender::dispatcher::{self, Dispatcher, Found, Key, Start};
use crate::webhook::sender::event::Event;
use crate::webhook::sender::options::{Options, Refused};
use crate::webhook::sender::subscription::{Format, Outcome, State};
use crate::webhook::sender::target::{Place, Target};
use crate::webhook::{GIVE_UP, Schedule, Secret};

const EPOCH: u64 = 1_700_000_000_000;
const CHANNEL: &str = "a";

/// How a receiver answers: the outcome, what it asks for, and how long that takes in milliseconds.
#[derive(Clone, Copy)]
struct Answer(Outcome, Option<Duration>, u64);

const OK: Answer = Answer(Outcome::Status(200), None, 1);
const DOWN: Answer = Answer(Outcome::Status(500), None, 1);

type Script = Box<dyn FnMut(&str, u32) -> Answer>;

struct World {
    machine: Dispatcher,
    now: Now,
    log: Vec<Record>,
    /// Messages up to this one are not retained.
    floor: Id,
    script: Script,
    tries: HashMap<String, u32>,
    under_way: Vec<(u64, Key, Place, Answer)>,
    /// What was sent: URL, what, and when.
    sent: Vec<(String, Payload, u64)>,
    most_at_once: usize,
    most_at_a_place: usize,
    events: Vec<Event>,
}

impl World {
    fn new(options: Options, script: impl FnMut(&str, u32) -> Answer + 'static) -> World {
        World {
            machine: Dispatcher::new(options),
            now: Now {
                ms: 0,
                unix_ms: EPOCH,
            },
            log: Vec::new(),
            floor: Id { ms: 0, seq: 0 },
            script: Box::new(script),
            tries: HashMap::new(),
            under_way: Vec::new(),
            sent: Vec::new(),
            most_at_once: 0,
            most_at_a_place: 0,
            events: Vec::new(),
        }
    }

    fn last(&self) -> Id {
        self.log.last().map_or(self.floor, |record| record.id)
    }

    fn subscribe(&mut self, id: &str, url: &str) {
        let target = Target::parse(url).unwrap();
        let secret = Secret::from_key(&[1; 24]).unwrap();
        let cursor = self.last();
        let new = dispatcher::subscription(
            id.into(),
            CHANNEL,
            (url, target),
            Format::Json,
            secret,
            cursor,
        );
        self.machine.add(new, true, self.now);
        self.settle();
    }

    fn publish(&mut self, text: &str) -> Id {
        let id = Id {
            ms: self.now.unix_ms,
            seq: self.log.len() as u64,
        };
        self.log
            .push(Record::new(id, None, Data::new(text.as_bytes())));
        self.machine.wake(CHANNEL);
        self.settle();
        id
    }

    /// All that can be done at this time.
    fn settle(&mut self) {
        loop {
            self.machine.tick(self.now);
            self.events.append(&mut self.machine.events);
            while let Some((key, _, cursor)) = self.machine.next_read() {
                let found = if cursor < self.floor {
                    Found::Gap(self.floor)
                } else {
                    let next = self.log.iter().find(|record| record.id > cursor);
                    next.cloned().map_or(Found::Nothing, Found::Message)
                };
                self.machine.found(key, found, self.now);
            }
            while let Some(start) = self.machine.next_start(self.now) {
                let Start::Dial(key, target) = start else {
                    panic!("connections are not kept here");
                };
                if target.name().is_some() {
                    self.machine.looked_up();
                }
                let (subscription, payload) = self.machine.payload(key).unwrap();
                let url = subscription.url.to_string();
                self.sent
                    .push((url.clone(), payload.clone(), self.now.unix_ms));
                let count = self.tries.entry(url.clone()).or_default();
                *count += 1;
                let answer = (self.script)(&url, *count);
                let until = self.now.ms + answer.2;
                self.under_way
                    .push((until, key, target.place.clone(), answer));
                let at_place = self
                    .under_way
                    .iter()
                    .filter(|(_, _, place, _)| *place == target.place);
                self.most_at_a_place = self.most_at_a_place.max(at_place.count());
                self.most_at_once = self.most_at_once.max(self.under_way.len());
            }
            assert_eq!(self.machine.under_way(), self.under_way.len());
            let now = self.now.ms;
            let Some(at) = self.under_way.iter().position(|(until, ..)| *until <= now) else {
                return;
            };
            let (_, key, place, Answer(outcome, retry_after, _)) = self.under_way.remove(at);
            self.machine.answered(key, outcome, retry_after, self.now);
            self.machine.gone(&place, None);
        }
    }

    /// Lets time pass, from one thing to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.now.ms + time.as_millis() as u64;
        loop {
            self.settle();
            let answers = self.under_way.iter().map(|(until, ..)| *until).min();
            let next = self.machine.due().min(answers.unwrap_or(u64::MAX));
            if next > end {
                break;
            }
            self.go_to(next.max(self.now.ms + 1));
        }
        self.go_to(end);
        self.settle();
    }

    fn go_to(&mut self, ms: u64) {
        self.now.unix_ms += ms - self.now.ms;
        self.now.ms = ms;
    }

    fn texts(&self, url: &str) -> Vec<String> {
        let of_url = self.sent.iter().filter(|(to, ..)| to == url);
        of_url
            .map(|(_, payload, _)| match payload {
                Payload::Message(record) => record.data.as_text().unwrap().to_owned(),
                Payload::Gap(after) => format!("gap {after}"),
            })
            .collect()
    }

    fn state(&self, id: &str) -> State {
        self.machine.subscription(id).unwrap().state
    }
}

const A: &str = "http://9.0.0.1/a";

#[test]
fn what_is_published_is_sent_once_in_order_and_one_at_a_time() {
    let mut world = World::new(Options::default(), |_, _| {
        Answer(Outcome::Status(204), None, 50)
    });
    world.publish("before");
    world.subscribe("s", A);
    for text in ["1", "2", "3"] {
        world.publish(text);
    }
    assert_eq!(world.under_way.len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.texts(A), ["1", "2", "3"]);
    assert_eq!(world.machine.due(), u64::MAX);
    let at: Vec<u64> = world.sent.iter().map(|(_, _, at)| at - EPOCH).collect();
    assert_eq!(at, [0, 50, 100]);
}

#[test]
fn what_fails_is_tried_again_as_the_schedule_says_and_what_is_behind_it_waits() {
    let mut world = World::new(
        Options::default(),
        |_, count| if count < 9 { DOWN } else { OK },
    );
    world.subscribe("s", A);
    world.publish("1");
    world.publish("2");
    world.pass(Duration::from_secs(60 * 60 * 60));
    assert_eq!(
        world.texts(A),
        ["1", "1", "1", "1", "1", "1", "1", "1", "1", "2"]
    );
    let at: Vec<u64> = world.sent.iter().map(|(_, _, at)| at / 1000).collect();
    let waits: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits
        .iter()
        .zip([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000])
    {
        assert!((least..=least + least / 2 + 1).contains(wait), "{waits:?}");
    }
    assert_eq!(world.state("s"), State::Active);
    assert_eq!(world.machine.subscription("s").unwrap().failures, 0);
}

#[test]
fn five_days_of_failure_are_the_end_and_nothing_is_lost() {
    for from_now in [false, true] {
        let mut world = World::new(Options::default(), |_, _| DOWN);
        world.subscribe("s", A);
        world.publish("1");
        world.pass(GIVE_UP - Duration::from_secs(1));
        assert_eq!(world.state("s"), State::Active);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.state("s"), State::Disabled);
        let [Event::Disabled { outcome, .. }] = &world.events[..] else {
            panic!("{:?}", world.events);
        };
        assert_eq!(*outcome, Outcome::Status(500));
        let tries = world.sent.len();
        world.publish("2");
        world.pass(GIVE_UP);
        assert_eq!(world.sent.len(), tries);
        world.script = Box::new(|_, _| OK);
        let from = from_now.then(|| world.last());
        world.machine.resume(CHANNEL, "s", from);
        world.publish("3");
        world.pass(Duration::from_secs(1));
        let expected: &[&str] = if from_now { &["3"] } else { &["1", "2", "3"] };
        assert_eq!(world.texts(A)[tries..], *expected);
    }
}

#[test]
fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let mut world = World::new(Options::default(), |_, _| {
        Answer(Outcome::Status(410), None, 1)
    });
    world.subscribe("s", A);
    world.publish("1");
    world.pass(GIVE_UP * 2);
    assert_eq!(world.texts(A), ["1"]);
    assert_eq!(world.state("s"), State::Disabled);
    assert!(matches!(world.events[..], [Event::Disabled { .. }]));
}

#[test]
fn a_redirect_is_a_failure() {
    let mut world = World::new(Options::default(), |_, count| match count {
        1 => Answer(Outcome::Status(302), None, 1),
        _ => OK,
    });
    world.subscribe("s", A);
    world.publish("1");
    assert_eq!(world.texts(A), ["1"]);
    world.pass(Duration::from_secs(8));
    assert_eq!(world.texts(A), ["1", "1"]);
}

#[test]
fn a_receiver_that_asks_for_time_has_it() {
    let asked = Duration::from_secs(7_000);
    let mut world = World::new(Options::default(), move |_, count| match count {
        1 => Answer(Outcome::Status(503), Some(asked), 1),
        2 => Answer(Outcome::Status(429), Some(Duration::from_secs(1)), 1),
        _ => OK,
    });
    world.subscribe("s", A);
    world.publish("1");
    world.pass(asked - Duration::from_secs(1));
    assert_eq!(world.sent.len(), 1);
    for _ in 0..3_600 {
        if world.sent.len() < 2 {
            world.pass(Duration::from_secs(1));
        }
    }
    assert_eq!(world.sent.len(), 2);
    // A shorter wait than the schedule's is none.
    world.pass(Duration::from_secs(200));
    assert_eq!(world.sent.len(), 2);
    world.pass(Duration::from_secs(300));
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn who_asks_for_more_time_than_there_is_is_given_up_without_being_asked_again() {
    let mut world = World::new(Options::default(), |_, _| {
        Answer(Outcome::Status(503), Some(GIVE_UP * 2), 1)
    });
    world.subscribe("s", A);
    world.publish("1");
    world.pass(GIVE_UP * 3);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.state("s"), State::Disabled);
}

#[test]
fn what_is_no_longer_retained_is_told_as_a_gap() {
    let mut world = World::new(
        Options::default(),
        |_, count| if count < 2 { DOWN } else { OK },
    );
    world.subscribe("s", A);
    world.publish("1");
    let second = world.publish("2");
    world.publish("3");
    world.floor = second;
    world.pass(Duration::from_secs(10));
    assert_eq!(
        world.texts(A),
        ["1".to_owned(), format!("gap {second}"), "3".to_owned()]
    );
}

#[test]
fn a_place_has_four_connections_at_most_and_all_together_as_many_as_may_be() {
    for (places, expected) in [(2, (4, 8)), (20, (1, 10))] {
        let options = Options {
            at_once: 10,
            per_place: 4,
            ..Options::default()
        };
        let answer = Answer(Outcome::Status(200), None, 10);
        let mut world = World::new(options, move |_, _| answer);
        for at in 0..20 {
            world.subscribe(
                &format!("s{at}"),
                &format!("http://9.0.0.{}/{at}", at % places),
            );
        }
        world.publish("1");
        world.pass(Duration::from_secs(1));
        assert_eq!((world.most_at_a_place, world.most_at_once), expected);
        assert_eq!(world.sent.len(), 20);
    }
}

#[test]
fn names_are_looked_up_so_many_at_a_time() {
    let mut world = World::new(Options::default(), |_, _| OK);
    for at in 0..20 {
        let url = format!("http://h{at}.example/");
        let target = Target::parse(&url).unwrap();
        let secret = Secret::from_key(&[1; 24]).unwrap();
        let new = dispatcher::subscription(
            format!("s{at}").into(),
            CHANNEL,
            (&url, target),
            Format::Json,
            secret,
            world.last(),
        );
        world.machine.add(new, true, world.now);
    }
    world
        .log
        .push(Record::new(Id { ms: 1, seq: 0 }, None, Data::new(b"1")));
    while let Some((key, ..)) = world.machine.next_read() {
        world
            .machine
            .found(key, Found::Message(world.log[0].clone()), world.now);
    }
    let begun =
        |world: &mut World| std::iter::from_fn(|| world.machine.next_start(world.now)).count();
    assert_eq!(begun(&mut world), 8);
    world.machine.looked_up();
    assert_eq!(begun(&mut world), 1);
}

#[test]
fn a_subscription_can_be_paused_and_removed_while_it_delivers() {
    let mut world = World::new(Options::default(), |_, _| {
        Answer(Outcome::Status(200), None, 100)
    });
    world.subscribe("s", A);
    world.publish("1");
    world.publish("2");
    world.machine.pause(CHANNEL, "s");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.texts(A), ["1"]);
    world.machine.resume(CHANNEL, "s", None);
    world.settle();
    assert_eq!(world.texts(A), ["1", "2"]);
    assert!(world.machine.remove(CHANNEL, "s"));
    assert_eq!(world.machine.under_way(), 0);
    world.under_way.clear();
    world.publish("3");
    world.pass(GIVE_UP);
    assert_eq!(world.texts(A), ["1", "2"]);
    assert!(!world.machine.remove(CHANNEL, "s"));
}

#[test]
fn one_that_goes_on_from_now_while_it_delivers_loses_nothing_of_what_comes_then() {
    // The first try takes its time, and succeeds; what is sent behind it fails once.
    let mut world = World::new(Options::default(), |_, count| match count {
        1 => Answer(Outcome::Status(200), None, 10_000),
        2 => DOWN,
        _ => OK,
    });
    world.subscribe("s", A);
    world.publish("1");
    let now = world.publish("skipped");
    world.machine.resume(CHANNEL, "s", Some(now));
    world.settle();
    world.publish("2");
    assert_eq!(world.machine.under_way(), 1);
    assert_eq!(world.texts(A), ["1"]);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.texts(A), ["1", "2", "2"]);
}

#[test]
fn what_is_refused_again_and_again_blocks_or_is_parked_by_choice() {
    for (refused, expected) in [
        (Refused::Block, vec!["poison"; 4]),
        (
            Refused::Park { after: 3 },
            vec!["poison", "poison", "poison", "next"],
        ),
    ] {
        let options = Options {
            refused,
            schedule: Schedule {
                waits: vec![Duration::from_secs(10)],
                ..Schedule::default()
            },
            ..Options::default()
        };
        let mut world = World::new(options, |_, count| match count {
            1..=3 => Answer(Outcome::Status(400), None, 1),
            _ => OK,
        });
        world.subscribe("s", A);
        let poison = world.publish("poison");
        world.publish("next");
        world.pass(Duration::from_secs(45));
        assert_eq!(world.texts(A)[..4], expected);
        let parked = world
            .events
            .iter()
            .any(|event| matches!(event, Event::Parked { message, .. } if *message == poison));
        assert_eq!(parked, refused != Refused::Block);
    }
}

#[test]
fn a_kept_connection_that_was_closed_is_no_failure() {
    let mut world = World::new(Options::default(), |_, _| OK);
    world.subscribe("s", A);
    let place = Target::parse(A).unwrap().place;
    let connection = ConnectionId::from_u64(7);
    world
        .log
        .push(Record::new(Id { ms: 1, seq: 0 }, None, Data::new(b"1")));
    world.machine.wake(CHANNEL);
    let give = |world: &mut World| {
        let (key, ..) = world.machine.next_read().unwrap();
        world
            .machine
            .found(key, Found::Message(world.log[0].clone()), world.now);
        key
    };
    let key = give(&mut world);
    assert!(matches!(
        world.machine.next_start(world.now),
        Some(Start::Dial(..))
    ));
    world
        .machine
        .answered(key, Outcome::Status(200), None, world.now);
    world.machine.rest(&place, connection);
    let key = give(&mut world);
    assert!(
        matches!(world.machine.next_start(world.now), Some(Start::Use(to)) if to == connection)
    );
    // It goes before it has been given anything.
    world.machine.gone(&place, Some(connection));
    assert!(
        matches!(world.machine.next_start(world.now), Some(Start::Dial(again, _)) if again == key)
    );
    assert_eq!(world.machine.subscription("s").unwrap().failures, 0);
}

#[test]
fn ten_thousand_idle_subscriptions_are_in_no_queue() {
    let options = Options {
        per_channel: usize::MAX,
        ..Options::default()
    };
    let mut world = World::new(options, |_, _| OK);
    for at in 0..10_000 {
        let target = Target::parse(A).unwrap();
        let secret = Secret::from_key(&[1; 24]).unwrap();
        let channel = format!("c{at}");
        let new = dispatcher::subscription(
            format!("s{at}").into(),
            &channel,
            (A, target),
            Format::Json,
            secret,
            world.last(),
        );
        world.machine.add(new, true, world.now);
    }
    world.settle();
    assert_eq!(world.machine.due(), u64::MAX);
    assert!(world.machine.next_read().is_none());
    world.machine.wake("c77");
    assert!(world.machine.next_read().is_some());
    assert!(world.machine.next_read().is_none());
}

proptest! {
    /// Whatever receivers answer, and whenever they are paused and resumed: each message is taken once they answer with 2xx, none
    /// is left out, and the first tries are in order.
    #[test]
    fn each_message_is_delivered_at_least_once_and_in_order(
        answers in proptest::collection::vec((0..6_u8, 0..3_000_u64), 1..40),
        steps in proptest::collection::vec((0..5_u8, 0..3_usize, 1..100_000_u64), 1..60),
    ) {
        let mut at = 0;
        let mut world = World::new(Options::default(), move |_, _| {
            let (kind, takes) = answers[at % answers.len()];
            at += 1;
            let outcome = match kind {
                0 => Outcome::Status(500),
                1 => Outcome::Ended,
                2 => Outcome::Timeout,
                _ => Outcome::Status(200),
            };
            Answer(outcome, None, takes)
        });
        let urls = ["http://9.0.0.1/0", "http://9.0.0.1/1", "http://9.0.0.2/2"];
        for (at, url) in urls.iter().enumerate() {
            world.subscribe(&format!("s{at}"), url);
        }
        let mut published = Vec::new();
        for (step, which, time) in steps {
            let id = format!("s{which}");
            match step {
                0 => world.machine.pause(CHANNEL, &id),
                1 => world.machine.resume(CHANNEL, &id, None),
                2 => world.pass(Duration::from_millis(time)),
                _ => {
                    let text = published.len().to_string();
                    world.publish(&text);
                    published.push(text);
                }
            }
            world.settle();
        }
        world.script = Box::new(|_, _| OK);
        for at in 0..urls.len() {
            world.machine.resume(CHANNEL, &format!("s{at}"), None);
        }
        world.pass(Duration::from_secs(24 * 60 * 60));
        for url in urls {
            let mut firsts = world.texts(url);
            firsts.dedup();
            prop_assert_eq!(&firsts, &published);
        }
        prop_assert_eq!(world.machine.due(), u64::MAX);
    }
}
