//! Those who dial: clients of every kind, talking to the server on the same loop, with faults at both ends.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::world::{World, delays};
use crate::client::{Closed, Connect, Error, SILENCE, Subscribe, Transport, Update};
use crate::net::fault::{Cut, Faults, How};
#[cfg(feature = "tls")]
use crate::net::tls::certificates;

const MESSAGES: usize = 5;
/// How many deadlines may pass until everything has come.
const PATIENCE: usize = 200;

/// What carries the bytes: the lines alone, or with TLS over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Plain,
    #[cfg(feature = "tls")]
    Secured,
}

impl Carrier {
    fn subscribe(self, at: &str) -> Subscribe {
        match self {
            Carrier::Plain => Subscribe::to(&format!("http://{at}")),
            #[cfg(feature = "tls")]
            Carrier::Secured => {
                Subscribe::to(&format!("https://{at}")).tls(&certificates::client())
            }
        }
    }

    fn connect(self, at: &str) -> Connect {
        match self {
            Carrier::Plain => Connect::to(&format!("ws://{at}")),
            #[cfg(feature = "tls")]
            Carrier::Secured => Connect::to(&format!("wss://{at}")).tls(&certificates::client()),
        }
    }

    fn secure(self, _world: &mut World) {
        match self {
            Carrier::Plain => {}
            #[cfg(feature = "tls")]
            Carrier::Secured => _world.secure(),
        }
    }
}

type Told<T> = Arc<Mutex<Vec<T>>>;

/// What a subscriber was told, and how often it connected.
pub(super) struct Followed {
    pub(super) updates: Vec<Update>,
    pub(super) dials: usize,
    /// Bytes that its first connection read and wrote.
    pub(super) moved: (usize, usize),
}

impl Followed {
    pub(super) fn data(&self) -> Vec<String> {
        let event = |update: &Update| match update {
            Update::Event(event) if event.is_gap() => Some("gap".to_owned()),
            Update::Event(event) => Some(event.data().into_owned()),
            _ => None,
        };
        self.updates.iter().filter_map(event).collect()
    }
}

fn message(number: usize) -> String {
    format!("{number} {}", "x".repeat(number * 7))
}

pub(super) fn messages() -> Vec<String> {
    (0..MESSAGES).map(message).collect()
}

/// Follows a channel this way, over connections with these faults, until everything has come; and is ended then.
fn follow(transport: Transport, faults: Vec<[Faults; 2]>) -> Followed {
    follow_over(Carrier::Plain, transport, faults)
}

pub(super) fn follow_over(
    carrier: Carrier,
    transport: Transport,
    faults: Vec<[Faults; 2]>,
) -> Followed {
    let told: Told<Update> = Arc::default();
    let into = Arc::clone(&told);
    let mut world = World::new(|server| {
        server.channels("/channels/{name}");
        let subscribe = carrier
            .subscribe("127.0.0.1:9/channels/a")
            .transport(transport)
            .silence(Some(SILENCE));
        let handler = move |update| into.lock().unwrap().push(update);
        server.subscribe(subscribe, handler).unwrap();
    });
    carrier.secure(&mut world);
    world.dialed = faults.into();
    let mut followed = Followed {
        updates: Vec::new(),
        dials: 0,
        moved: (0, 0),
    };
    for number in 0..MESSAGES {
        world.publish("a", &message(number));
        world.settle();
    }
    for _ in 0..PATIENCE {
        followed.updates.append(&mut told.lock().unwrap());
        if followed.data().len() >= MESSAGES || !world.pass_to_next() {
            break;
        }
    }
    (followed.dials, followed.moved) = (world.dials, world.first_dialed());
    world.stop();
    assert!(world.connections.is_done());
    followed.updates.append(&mut told.lock().unwrap());
    assert_eq!(followed.updates.last(), Some(&Update::Ended(None)));
    let ends = followed
        .updates
        .iter()
        .filter(|update| matches!(update, Update::Ended(_)));
    assert_eq!(ends.count(), 1);
    followed
}

/// What one connection came to that echoes three messages and is closed then.
pub(super) struct Echoed {
    received: Vec<String>,
    pub(super) overs: Vec<Closed>,
    pub(super) moved: (usize, usize),
}

fn sent() -> Vec<String> {
    vec!["small".into(), "l".repeat(5_000), "last".into()]
}

fn echo(faults: [Faults; 2]) -> Echoed {
    echo_over(Carrier::Plain, faults)
}

pub(super) fn echo_over(carrier: Carrier, faults: [Faults; 2]) -> Echoed {
    let (received, overs): (Told<String>, Told<Closed>) = Default::default();
    let (heard, over) = (Arc::clone(&received), Arc::clone(&overs));
    let mut world = World::new(|server| {
        server.websocket("/echo", |socket, message| socket.send(message));
        let connect = carrier
            .connect("127.0.0.1:9/echo")
            .on_open(|socket| sent().iter().for_each(|text| socket.send(text)))
            .on_close(move |told| over.lock().unwrap().push(told));
        let on_message = move |socket: &mut crate::Socket<'_>, message: crate::Message<'_>| {
            let text = String::from_utf8_lossy(message.as_bytes()).into_owned();
            if text == "last" {
                socket.close(crate::ws::CloseCode::NORMAL, "enough");
            }
            heard.lock().unwrap().push(text);
        };
        server.connect(connect, on_message).unwrap();
    });
    carrier.secure(&mut world);
    world.dialed.push_back(faults);
    world.settle();
    let moved = world.first_dialed();
    // Who has vanished is waited for, for a while.
    world.pass(4 * crate::limits::PING_INTERVAL);
    assert_eq!(
        (
            world.connections.len(),
            world.connections.protocol.clients.len()
        ),
        (0, 0)
    );
    Echoed {
        received: received.lock().unwrap().clone(),
        overs: overs.lock().unwrap().clone(),
        moved,
    }
}

pub(super) fn check_echo(echoed: &Echoed, broken: bool) {
    assert!(sent().starts_with(&echoed.received));
    let [over] = &echoed.overs[..] else {
        panic!("told {} times", echoed.overs.len());
    };
    assert_eq!(over.retry_in, None);
    if !broken {
        assert_eq!(echoed.received, sent());
        assert_eq!(over.error, None);
    }
}

fn transport() -> impl Strategy<Value = Transport> {
    prop::sample::select(Transport::ALL.to_vec())
}

fn how() -> impl Strategy<Value = How> {
    let errors = [
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
    ];
    prop_oneof![
        2 => prop::sample::select(errors.to_vec()).prop_map(How::Fails),
        1 => Just(How::Ends),
        1 => Just(How::Vanishes),
    ]
}

#[test]
fn the_subscriptions_and_the_echo_are_whole() {
    for &transport in Transport::ALL {
        let followed = follow(transport, Vec::new());
        assert_eq!(followed.updates[0], Update::Connected(transport));
        assert_eq!((followed.data(), followed.dials), (messages(), 1));
        assert_eq!(followed.updates.len(), MESSAGES + 2);
    }
    check_echo(&echo(Default::default()), false);
}

#[test]
fn a_client_is_told_what_the_system_said() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::TimedOut] {
        for cut in [
            Cut::Read(0, How::Fails(kind)),
            Cut::Read(200, How::Fails(kind)),
        ] {
            let echoed = echo([Faults::cut(cut), Faults::default()]);
            assert_eq!(echoed.overs[0].error, Some(Error::Connection(kind)));
        }
    }
}

#[test]
fn a_line_that_breaks_at_any_byte_loses_and_repeats_nothing() {
    for &transport in Transport::ALL {
        let (read, written) = follow(transport, Vec::new()).moved;
        let reset = How::Fails(ErrorKind::ConnectionReset);
        let reads = (0..=read).map(|at| Cut::Read(at, reset));
        let writes = (0..=written).map(|at| Cut::Written(at, How::Ends));
        for cut in reads.chain(writes) {
            let faults = vec![[Faults::cut(cut), Faults::default()]];
            let followed = follow(transport, faults);
            assert_eq!(followed.data(), messages(), "{transport} {cut:?}");
            assert!((1..=3).contains(&followed.dials), "{transport} {cut:?}");
        }
    }
}

#[test]
fn a_websocket_that_breaks_at_any_byte_is_over_once() {
    let (read, written) = echo(Default::default()).moved;
    // The large message is the same everywhere.
    let places =
        |end: usize| (0..=end).filter(move |at| *at < 700 || at % 97 == 0 || at + 300 > end);
    let reset = How::Fails(ErrorKind::ConnectionReset);
    let reads = places(read).map(|at| Cut::Read(at, reset));
    let writes = places(written).map(|at| Cut::Written(at, How::Ends));
    for cut in reads.chain(writes) {
        check_echo(&echo([Faults::cut(cut), Faults::default()]), true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn no_schedule_of_short_and_interrupted_operations_can_be_seen_by_clients(
        transport in transport(),
        faults in [delays(), delays()],
        more in [delays(), delays()],
    ) {
        check_echo(&echo(faults.clone()), false);
        let followed = follow(transport, vec![faults, more]);
        prop_assert_eq!(&followed.updates[0], &Update::Connected(transport));
        prop_assert_eq!(followed.data(), messages());
        prop_assert_eq!(followed.updates.len(), MESSAGES + 2);
    }

    #[test]
    fn lines_that_break_under_any_schedule_lose_and_repeat_nothing(
        transport in transport(),
        lines in prop::collection::vec(
            ([delays(), delays()], any::<bool>(), any::<bool>(), 0..900_usize, how()),
            1..4,
        ),
    ) {
        let line = |(mut faults, served, reading, at, how): ([Faults; 2], bool, bool, _, _)| {
            faults[usize::from(served)].cut = Some(match reading {
                true => Cut::Read(at, how),
                false => Cut::Written(at, how),
            });
            faults
        };
        let lines: Vec<[Faults; 2]> = lines.into_iter().map(line).collect();
        check_echo(&echo(lines[0].clone()), true);
        let followed = follow(transport, lines);
        prop_assert_eq!(followed.data(), messages());
    }
}
