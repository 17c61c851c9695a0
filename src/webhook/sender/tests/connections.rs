//! A courier on a dialer, without sockets: what names resolve to, and what receivers say, is the test's.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Data, Id, Record};
use crate::client::{Dialed, Dialer};
use crate::limits::Limits;
use crate::net::{ConnectionId, Dial, Flow, Io, Loop, Now, Output, Protocol};
use crate::webhook::sender::courier::Courier;
use crate::webhook::sender::dispatcher::{self, Found, Start};
use crate::webhook::sender::options::Options;
use crate::webhook::sender::shared::Shared;
use crate::webhook::sender::subscription::{Format, Outcome};
use crate::webhook::sender::target::Target;
use crate::webhook::{Allowed, Secret};

struct World {
    shared: Arc<Shared>,
    clients: Dialer,
    now: Now,
    dials: Vec<Dial<Dialed>>,
    line: Option<(Dialed, Flow)>,
    sent: Vec<u8>,
}

fn id() -> ConnectionId {
    ConnectionId::from_u64(3)
}

impl World {
    fn new(url: &str, options: Options) -> World {
        let limits = Limits::default().net_limits();
        let clients = Loop::new(limits, 10, Dialer::new).unwrap().into_protocol();
        let mut world = World {
            shared: Arc::new(Shared::new(options)),
            clients,
            now: Now {
                ms: 0,
                unix_ms: 1_700_000_000_000,
            },
            dials: Vec::new(),
            line: None,
            sent: Vec::new(),
        };
        let secret = Secret::from_key(&[1; 24]).unwrap();
        let (target, cursor) = (Target::parse(url).unwrap(), Id { ms: 0, seq: 0 });
        let new =
            dispatcher::subscription("s".into(), "a", (url, target), Format::Json, secret, cursor);
        world.shared.machine().add(new, true, world.now);
        world.turn();
        world
    }

    /// A message is there for the subscription whenever it wants one.
    fn turn(&mut self) {
        let mut machine = self.shared.machine();
        machine.tick(self.now);
        while let Some((key, _, cursor)) = machine.next_read() {
            let id = Id {
                ms: cursor.ms + 1,
                seq: 0,
            };
            let record = Record::new(id, None, Data::new(b"x"));
            machine.found(key, Found::Message(record), self.now);
        }
        while let Some(start) = machine.next_start(self.now) {
            if let Start::Dial(key, target) = start {
                let courier = Courier::new(Arc::clone(&self.shared), target, key);
                self.clients.begin(Box::new(courier));
            }
        }
    }

    /// Looks up without asking anybody, since the host is an address; or gives what a stand-in resolver says.
    fn resolve(&mut self, addresses: &[&str]) {
        let addresses: Vec<SocketAddr> = addresses
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 80))
            .collect();
        let id = self.clients.only();
        self.clients.look_up_with(id, addresses, self.now);
        self.clients.take_dials(&mut self.dials);
    }

    fn dialed(&self) -> Vec<String> {
        self.dials
            .iter()
            .map(|dial| dial.address.ip().to_string())
            .collect()
    }

    fn accept(&mut self) {
        let dial = self.dials.remove(0);
        assert_eq!(dial.timeout, Duration::from_secs(5));
        self.line = Some((dial.connection, Flow::new()));
        self.call(|clients, connection, io| clients.dialed(connection, io));
    }

    fn call(&mut self, call: impl FnOnce(&mut Dialer, &mut Dialed, &mut Io<'_>)) {
        let (mut connection, mut flow) = self.line.take().unwrap();
        let mut output = Output::new();
        let mut io = Io::new(id(), self.now, &mut output, 0, &mut flow);
        call(&mut self.clients, &mut connection, &mut io);
        let is_over = io.is_closing();
        self.sent.extend(output.to_vec(&[]));
        match is_over {
            true => self.clients.closed(id(), connection, self.now),
            false => self.line = Some((connection, flow)),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.call(|clients, connection, io| clients.received(connection, &mut bytes.to_vec(), io));
    }

    fn outcome(&self) -> Option<Outcome> {
        let machine = self.shared.machine();
        let tries = &machine.subscription("s").unwrap().tries;
        tries.back().map(|last| last.outcome)
    }

    fn wait(&mut self, time: Duration) {
        let ms = time.as_millis() as u64;
        self.now.ms += ms;
        self.now.unix_ms += ms;
        self.turn();
    }
}

#[test]
fn what_was_looked_at_is_what_is_dialed_and_nothing_else_of_what_the_name_has() {
    let mut world = World::new("http://hooks.example/", Options::default());
    world.resolve(&[
        "127.0.0.1",
        "9.9.9.9",
        "::ffff:10.0.0.1",
        "2606:4700::1",
        "169.254.169.254",
    ]);
    assert_eq!(world.dialed(), ["9.9.9.9"]);
    let dial = world.dials.remove(0);
    // The first is not there: the next that was looked at is dialed, without another look-up.
    let mut connection = dial.connection;
    world
        .clients
        .on_error(&mut connection, ErrorKind::ConnectionRefused);
    world.clients.closed(id(), connection, world.now);
    world.clients.take_dials(&mut world.dials);
    assert_eq!(world.dialed(), ["2606:4700::1"]);
}

#[test]
fn a_name_that_resolves_otherwise_the_second_time_gains_nothing() {
    let mut world = World::new("http://hooks.example/", Options::default());
    world.resolve(&["9.9.9.9"]);
    world.accept();
    world.say(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(world.outcome(), Some(Outcome::Status(500)));
    world.wait(Duration::from_secs(10));
    world.resolve(&["127.0.0.1", "10.0.0.1"]);
    assert_eq!(world.dialed(), [""; 0]);
    assert!(
        matches!(world.outcome(), Some(Outcome::Refused(_))),
        "{:?}",
        world.outcome()
    );
    // It is a failure like any other: the third time it is right again.
    world.wait(Duration::from_secs(400));
    world.resolve(&["9.9.9.9"]);
    assert_eq!(world.dialed(), ["9.9.9.9"]);
}

#[test]
fn what_is_allowed_by_name_or_network_is_dialed() {
    for allowed in [
        Allowed::new().name("hooks.example"),
        Allowed::new().network("10.0.0.0/8".parse().unwrap()),
    ] {
        let options = Options {
            allowed,
            ..Options::default()
        };
        let mut world = World::new("http://hooks.example/", options);
        world.resolve(&["10.0.0.1"]);
        assert_eq!(world.dialed(), ["10.0.0.1"]);
    }
}

#[test]
fn a_name_that_has_no_address_is_a_failure() {
    let mut world = World::new("http://hooks.example/", Options::default());
    world.resolve(&[]);
    assert_eq!(world.outcome(), Some(Outcome::Lookup));
}

#[test]
fn how_an_answer_is_cut_makes_no_difference() {
    for (answer, outcome, sent) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            Outcome::Status(200),
            2,
        ),
        ("HTTP/1.1 204 X\r\n\r\n", Outcome::Status(204), 2),
        (
            "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            Outcome::Status(201),
            2,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Outcome::Status(200),
            1,
        ),
        ("HTTP/1.0 200 OK\r\n\r\n", Outcome::Status(200), 1),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            Outcome::Status(200),
            1,
        ),
        ("HTTP/1.1 101 X\r\n\r\n", Outcome::Malformed, 1),
        ("HTTP/1.1 99 X\r\n\r\n", Outcome::Malformed, 1),
        ("nonsense\r\n\r\n", Outcome::Malformed, 1),
    ] {
        for cut in 1..=answer.len() {
            let mut world = World::new("http://9.9.9.9/", Options::default());
            world.resolve(&["9.9.9.9"]);
            world.accept();
            for piece in answer.as_bytes().chunks(cut) {
                if world.line.is_some() {
                    world.say(piece);
                }
            }
            assert_eq!(world.outcome(), Some(outcome), "{answer:?} {cut}");
            // The next message goes over the same connection, if that was kept.
            world.turn();
            if world.line.is_some() {
                world.call(|clients, connection, io| clients.resumed(connection, io));
            }
            let requests = world
                .sent
                .windows(5)
                .filter(|five| five == b"POST ")
                .count();
            assert_eq!(requests, sent, "{answer:?} {cut}");
        }
    }
}

#[test]
fn no_answer_in_time_is_a_failure() {
    let mut world = World::new("http://9.9.9.9/", Options::default());
    world.resolve(&["9.9.9.9"]);
    world.accept();
    let (_, flow) = world.line.as_ref().unwrap();
    assert_eq!(flow.deadline, 15_000);
    world.say(b"HTTP/1.1 200 O");
    world.call(|clients, connection, io| clients.expired(connection, io));
    assert_eq!(world.outcome(), Some(Outcome::Timeout));
    assert_eq!(world.shared.machine().under_way(), 0);
}
