//! What is around the program: lines, edges, time.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use crate::Limits;
use crate::channel::{Data, Draft};
use crate::command::{Mailbox, Order};
use crate::net::fault::{CLIENT, Count, End, Fault, Faults, How, Line, SERVER};
use crate::net::{Connections, Now, Seal};
use crate::program::Program;
use crate::server::Server;

/// The read buffer, small enough that it is filled now and then.
const BUFFER: usize = 8 * 1024;
/// A time beyond that at which any test runs, so that ids and dates are the same in every run.
const EPOCH: u64 = 4_102_444_800_000;
/// Turns in a row in which something is to be done and nothing is.
const SPINS: usize = 8;

pub(super) struct World {
    pub(super) connections: Connections<Program, End>,
    pub(super) server_mailbox: Mailbox,
    now: Now,
    stops: u8,
    peers: Vec<Peer>,
    plugs: Vec<Plug>,
    /// What the lines of those who are dialed meet, at the client's end and at the server's.
    pub(super) dialed: VecDeque<[Faults; 2]>,
    /// Connections that were dialed.
    pub(super) dials: usize,
    first: Option<Line>,
    /// How those who come are secured.
    seal: Seal,
}

/// A client that the test plays.
struct Peer {
    line: Line,
    received: Vec<u8>,
}

/// An end that a connection of the loop's has.
struct Plug {
    index: u32,
    line: Line,
    side: usize,
}

impl World {
    pub(super) fn new(set_up: impl FnOnce(&mut Server)) -> World {
        let mut server = Server::unbound().unwrap();
        set_up(&mut server);
        let limits = Limits::default().net_limits();
        let mailbox = server.publisher().mailbox;
        let program = server.into_program();
        World {
            connections: Connections::new(program, mailbox.clone(), limits, BUFFER, 0),
            server_mailbox: mailbox,
            now: Now {
                ms: 0,
                unix_ms: EPOCH,
            },
            stops: 0,
            peers: Vec::new(),
            plugs: Vec::new(),
            dialed: VecDeque::new(),
            dials: 0,
            first: None,
            seal: Seal::Plain,
        }
    }

    /// From now on, who comes has to speak TLS.
    #[cfg(feature = "tls")]
    pub(super) fn secure(&mut self) {
        let tls = crate::net::tls::certificates::server("server");
        self.seal = Seal::Server(tls, b"in plaintext");
    }

    /// A client connects. Its number is how many there were before.
    pub(super) fn connect(&mut self, faults: Faults) -> usize {
        let line = Line::new();
        self.open(&line, faults);
        self.peers.push(Peer {
            line,
            received: Vec::new(),
        });
        self.peers.len() - 1
    }

    fn open(&mut self, line: &Line, faults: Faults) {
        let index = self.connections.next_index();
        let end = line.end(SERVER, faults);
        self.plugs.push(Plug {
            index,
            line: line.clone(),
            side: SERVER,
        });
        let wire = self.seal.wire(end).unwrap();
        self.connections
            .open(wire, ([127, 0, 0, 1], 1).into(), self.now);
    }

    fn dial(&mut self) {
        for dial in self.connections.take_dials() {
            self.dials += 1;
            let [clients, servers] = self.dialed.pop_front().unwrap_or_default();
            let line = Line::new();
            self.first.get_or_insert_with(|| line.clone());
            self.open(&line, servers);
            let index = self.connections.next_index();
            let end = line.end(CLIENT, clients);
            self.plugs.push(Plug {
                index,
                line,
                side: CLIENT,
            });
            let wire = dial.seal.wire(end).unwrap();
            self.connections.dial(wire, dial, self.now);
        }
    }

    pub(super) fn send(&mut self, peer: usize, bytes: &[u8]) {
        self.peers[peer].line.send(bytes);
    }

    /// What the peer has received so far.
    pub(super) fn received(&self, peer: usize) -> &[u8] {
        &self.peers[peer].received
    }

    pub(super) fn cut(&mut self, peer: usize, how: How) {
        self.peers[peer].line.cut(SERVER, how);
    }

    /// The peer will not close its half when it has seen the end.
    pub(super) fn linger(&mut self, peer: usize) {
        self.peers[peer].line.linger();
    }

    /// Whether the program has this connection.
    pub(super) fn is_open(&self, peer: usize) -> bool {
        !self.peers[peer].line.is_gone(SERVER)
    }

    pub(super) fn count(&self, peer: usize) -> Count {
        self.peers[peer].line.count(SERVER)
    }

    /// Bytes that the first who dialed has read and written.
    pub(super) fn first_dialed(&self) -> (usize, usize) {
        let count = self.first.as_ref().map(|line| line.count(CLIENT));
        count.map_or((0, 0), |count| (count.read, count.written))
    }

    pub(super) fn publish(&mut self, channel: &str, text: &str) {
        self.publish_data(channel, Data::Text(text.into()));
    }

    pub(super) fn publish_data(&mut self, channel: &str, data: Data) {
        let draft = Draft::new(channel, None, data, None).unwrap();
        self.server_mailbox.order(Order::Publish(draft)).unwrap();
    }

    /// Turns until there is nothing left to do. A loop that goes on although there is nothing fails.
    pub(super) fn settle(&mut self) {
        let (mut idle, mut spins) = (0, 0);
        while idle < 2 {
            let before = self.operations();
            let edges = self.mark();
            let _turning = self.server_mailbox.enter();
            self.connections.turn(self.now, self.stops);
            self.dial();
            for peer in &mut self.peers {
                peer.received.extend(peer.line.take());
            }
            let worked = edges || self.operations() != before;
            let done = !edges && self.connections.is_idle();
            idle = if done { idle + 1 } else { 0 };
            spins = if worked || done { 0 } else { spins + 1 };
            assert!(spins < SPINS, "the loop spins");
            self.check_counts();
        }
        self.plugs.retain(|plug| !plug.line.is_gone(plug.side));
    }

    /// Each edge may be followed by one look in vain, and the loop may look once more when a connection begins and when
    /// it closes.
    fn check_counts(&self) {
        for plug in &self.plugs {
            let count = plug.line.count(plug.side);
            assert!(count.useless <= count.edges + 2, "{count:?}");
        }
    }

    /// Tells the loop of every edge. Says whether there was one.
    fn mark(&mut self) -> bool {
        let mut any = false;
        for plug in &self.plugs {
            if plug.line.is_gone(plug.side) {
                continue;
            }
            if let Some(ready) = plug.line.take_ready(plug.side) {
                self.connections.mark(plug.index, ready);
                any = true;
            }
        }
        any
    }

    fn operations(&self) -> usize {
        let counts = self.plugs.iter().map(|plug| plug.line.count(plug.side));
        counts
            .map(|count| count.useful + count.injected + count.useless)
            .sum()
    }

    /// Time passes, and every deadline in it comes at its moment.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.ms + time.as_millis() as u64;
        self.settle();
        let mut spins = 0;
        while self.connections.due() <= end && !self.connections.is_done() {
            let due = self.connections.due().max(self.now.ms);
            spins = if due > self.now.ms { 0 } else { spins + 1 };
            assert!(spins < SPINS, "what is due is never done");
            self.set_time(due);
            self.settle();
        }
        self.set_time(end);
        self.settle();
    }

    /// The program is told to stop, and has the time for it that it may take.
    pub(super) fn stop(&mut self) {
        self.stops = 1;
        self.pass(crate::net::DRAIN_TIMEOUT);
    }

    /// Goes on to the next deadline, if there is one within an hour.
    pub(super) fn pass_to_next(&mut self) -> bool {
        let due = self.connections.due().max(self.now.ms);
        let near = due < self.now.ms + 3_600_000;
        if near {
            self.set_time(due);
            self.settle();
        }
        near
    }

    fn set_time(&mut self, ms: u64) {
        self.now = Now {
            ms,
            unix_ms: EPOCH + ms,
        };
    }
}

/// What one kind of operation meets. Some of them move bytes, or nothing ever would.
fn schedule() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        2 => Just(Fault::AtMost(1)),
        2 => (2..200_usize).prop_map(Fault::AtMost),
        1 => Just(Fault::AtMost(usize::MAX)),
        2 => Just(Fault::Interrupted),
        2 => Just(Fault::WouldBlock),
    ];
    let moving = prop_oneof![1..20_usize, 1..5_000_usize].prop_map(Fault::AtMost);
    (prop::collection::vec(fault, 0..6), moving).prop_map(|(mut faults, moving)| {
        faults.push(moving);
        faults
    })
}

/// Faults that delay and cut, and don't break anything.
pub(super) fn delays() -> impl Strategy<Value = Faults> {
    (schedule(), schedule()).prop_map(|(reads, writes)| Faults {
        reads,
        writes,
        cut: None,
    })
}
