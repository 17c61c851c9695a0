//! All connections of a loop, and what a turn does for them, whatever carries their bytes.
//!
//! Who owns them says what has become ready ([`Connections::mark`]) and what time it is, brings those that were
//! accepted ([`Connections::open`]) and those that were dialed ([`Connections::dial`]), and calls
//! [`Connections::turn`]. The loop does so with sockets and the system's clock; tests do it with transports that
//! fail and a clock of their own.
//!
//! ```text
//!   ready     has something to read or to write                   all of them, once each
//!   securing  its next step is one of a handshake: a lot of work  a few in a turn (HANDSHAKES)
//!   bulk      has more to write than one budget                   a few in a turn (BULK)
//!   woken     named by Protocol::take_woken                       at the end of the turn, up to WAKE_ROUNDS times
//! ```
//!
//! - **A connection is in at most one list**, at most once (`queued`), and comes back to its end while there is more: so
//!   nobody waits for more than one visit of everybody else.
//! - **Whatever one visit sets off is finite.** Letters that its handlers post are delivered behind it, a batch at once; those
//!   that come of that wait for the next visit. Readers that are woken write from a shared log, and wake nobody in turn but
//!   through what they read.
//! - **An id outlives its connection.** The place may be another's by then, which is what the generation is for
//!   (`with_id`): letters, deadlines and wake-ups for one that is gone are dropped.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::clock::millis;
use super::deadline::{Entry, Wheel};
use super::mailbox::{Mailbox, Post};
use super::output::Output;
use super::peers::Peers;
use super::slot::{Slot, Visit};
use super::transport::{Readiness, Transport};
use super::wire::Wire;
use super::{ConnectionId, Dial, Flow, Io, Limits, Now, Protocol, Traffic};
use crate::slab::Slab;

/// How often a turn looks after readers that its own work has woken, before it looks at the sockets again.
const WAKE_ROUNDS: usize = 4;
/// How many steps of handshakes one turn takes. Each costs a good part of a millisecond of computing, which a stranger
/// gets for a few bytes: those who are connected wait for so many at most, and the rest of a flood waits for its turn.
const HANDSHAKES: usize = 8;
/// How many connections with much to write go on in one turn, each by one budget: the others' requests come in between.
const BULK: usize = 16;

pub(crate) struct Connections<P: Protocol, S> {
    pub(crate) protocol: P,
    pub(super) mailbox: Mailbox<P::Letter, P::Order>,
    posts: Vec<Post<P::Letter, P::Order>>,
    slots: Slab<Slot<P::Connection, S>>,
    peers: Peers,
    /// Connections that have something to do at once, in the order of their turn.
    ready: VecDeque<u32>,
    /// Those that have more to write than one turn allows, in the order of their next one.
    bulk: VecDeque<u32>,
    /// Those whose next step is one of their handshake, in the order of their turn.
    securing: VecDeque<u32>,
    woken: Vec<u64>,
    /// Some of the woken may not have been looked after yet.
    waking: bool,
    wheel: Wheel,
    due: Vec<Entry>,
    /// What all connections are read into.
    buffer: Vec<u8>,
    output: Output,
    pub(super) limits: Limits,
    generation: u32,
    /// How many of the mailbox's stops have been acted on.
    stops: u8,
    /// When what is left of shutting down is cut off.
    drain_until: Option<u64>,
    /// Some connection has gone since [`Connections::take_freed`].
    freed: bool,
    traffic: Traffic,
}

impl<P: Protocol, S: Transport> Connections<P, S> {
    /// None yet, from time `now` on, with a read buffer of so many bytes.
    pub(crate) fn new(
        protocol: P,
        mailbox: Mailbox<P::Letter, P::Order>,
        limits: Limits,
        buffer: usize,
        now: u64,
    ) -> Connections<P, S> {
        Connections {
            protocol,
            mailbox,
            posts: Vec::new(),
            slots: Slab::new(),
            peers: Peers::default(),
            ready: VecDeque::new(),
            bulk: VecDeque::new(),
            securing: VecDeque::new(),
            woken: Vec::new(),
            waking: false,
            wheel: Wheel::new(now),
            due: Vec::new(),
            buffer: vec![0; buffer],
            output: Output::new(),
            limits,
            generation: 0,
            stops: 0,
            drain_until: None,
            freed: false,
            traffic: Traffic::default(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many more there may be.
    pub(super) fn room(&self) -> usize {
        self.limits.connections.saturating_sub(self.slots.len())
    }

    /// Bytes that all peers together have not taken yet.
    pub(crate) fn backlog(&self) -> usize {
        self.slots.values().map(Slot::backlog_len).sum()
    }

    /// Whether they were stopped and nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.drain_until.is_some() && self.slots.len() == 0
    }

    /// Whether the next turn has nothing to do unless something becomes ready, comes in or is due.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.bulk.is_empty() && self.securing.is_empty() && !self.waking
    }

    /// How many of the mailbox's stops have been acted on.
    pub(super) fn stops_seen(&self) -> u8 {
        self.stops
    }

    /// When a turn is due even if nothing happens, in milliseconds.
    pub(crate) fn due(&self) -> u64 {
        let until = self.wheel.next().unwrap_or(u64::MAX);
        until
            .min(self.drain_until.unwrap_or(u64::MAX))
            .min(self.protocol.due())
    }

    /// Whether a connection has gone since this was asked last: its descriptor is free.
    pub(super) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// The place that the next connection takes.
    pub(crate) fn next_index(&self) -> u32 {
        self.slots.next_index()
    }

    /// The connection at this place has become ready for something.
    pub(crate) fn mark(&mut self, index: u32, ready: Readiness) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.mark(ready);
            match slot.is_securing() {
                true => enqueue(&mut self.securing, index, slot),
                false => enqueue(&mut self.ready, index, slot),
            }
        }
    }

    /// Whether this peer may have one more connection.
    pub(super) fn admits(&self, peer: SocketAddr) -> bool {
        let limit = self.limits.connections_per_address;
        !self.counts_peers() || self.peers.admits(peer.ip(), limit)
    }

    fn counts_peers(&self) -> bool {
        self.limits.connections_per_address < self.limits.connections
    }

    /// A peer has connected. Its place is what [`Connections::next_index`] gave.
    pub(crate) fn open(&mut self, wire: impl Into<Wire<S>>, peer: SocketAddr, now: Now) {
        let wire = wire.into();
        let id = self.next_id();
        if self.counts_peers() {
            self.peers.add(id.index, peer.ip());
        }
        let mut flow = Flow {
            secured: wire.is_secured(),
            ..Flow::new()
        };
        let mut io = Io::new(id, now, &mut self.output, 0, &mut flow);
        let connection = self.protocol.opened(peer, &mut io);
        self.traffic.accepted += 1;
        self.slots.insert(Slot::new(id, wire, connection, flow));
        self.with(id.index, now, |slot, visit| slot.begin(visit));
    }

    /// What a turn does: posts, the stops that were asked for by now, deadlines, then everybody who is ready. Who calls it
    /// is inside a turn of its own ([`Mailbox::enter`]), as connections come and go beside it.
    pub(crate) fn turn(&mut self, now: Now, stops: u8) {
        self.deliver(now);
        self.stop(now, stops);
        self.expire(now);
        self.serve(now);
        self.protocol.tick(now);
        self.wake(now);
    }

    /// The turn is over, which began at `began`.
    pub(crate) fn end_turn(&mut self, began: std::time::Instant) {
        if self.protocol.turned(began) {
            for slot in self.slots.values() {
                self.protocol.survey(&slot.connection, slot.backlog_len());
            }
            self.protocol.surveyed(self.traffic);
        }
    }

    /// Moves out the connections that the protocol wants to be made. [`Connections::dial`] is for those that are on
    /// their way, and [`Connections::cannot_dial`] for the others.
    pub(crate) fn take_dials(&mut self) -> Vec<Dial<P::Connection>> {
        let mut dials = Vec::new();
        self.protocol.take_dials(&mut dials);
        // How dialing goes may wake somebody, or ask for another dial: the next turn comes at once.
        self.waking |= !dials.is_empty();
        dials
    }

    /// A connection is being made. Its place is what [`Connections::next_index`] gave.
    pub(crate) fn dial(&mut self, wire: impl Into<Wire<S>>, dial: Dial<P::Connection>, now: Now) {
        let id = self.next_id();
        let deadline = now.ms.saturating_add(millis(dial.timeout));
        self.slots
            .insert(Slot::dialing(id, wire.into(), dial.connection, deadline));
        self.with(id.index, now, |slot, visit| slot.visit(visit));
    }

    /// A connection can't even be begun.
    pub(super) fn cannot_dial(
        &mut self,
        dial: Dial<P::Connection>,
        error: std::io::ErrorKind,
        now: Now,
    ) {
        let (id, mut connection) = (self.next_id(), dial.connection);
        self.protocol.on_error(&mut connection, error);
        self.protocol.closed(id, connection, now);
    }

    fn next_id(&mut self) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        ConnectionId {
            index: self.slots.next_index(),
            generation: self.generation,
        }
    }

    /// Delivers what waits in the mailbox: orders first, so that what was ordered is done before anybody is told that
    /// it is, then all letters of one connection after another, so that they go out in one write.
    fn deliver(&mut self, now: Now) {
        self.mailbox.take(&mut self.posts);
        if !self.posts.is_empty() {
            self.deliver_posts(now);
        }
    }

    fn deliver_posts(&mut self, now: Now) {
        let mut posts = std::mem::take(&mut self.posts);
        // The sort is stable: for each receiver the order stays.
        posts.sort_by_key(Post::receiver);
        let mut left = posts.drain(..).peekable();
        while let Some(post) = left.next() {
            let (to, letter) = match post {
                Post::Order(order) => {
                    self.protocol.on_order(order, now);
                    continue;
                }
                Post::Letter(to, letter) => (to, letter),
            };
            let mut first = Some(letter);
            let mut next = || match first.take() {
                None => match left.next_if(|post| post.receiver() == Some(to.to_u64()))? {
                    Post::Letter(_, letter) => Some(letter),
                    Post::Order(_) => None,
                },
                first => first,
            };
            self.with_id(to, now, |slot, visit| slot.deliver(visit, &mut next));
            // The rest of a connection that is gone, or closed meanwhile.
            while next().is_some() {}
        }
        drop(left);
        self.posts = posts;
    }

    /// Acts on stops: the first begins to shut down, the second and the deadline end everything at once.
    fn stop(&mut self, now: Now, stops: u8) {
        if stops > 0 && self.drain_until.is_none() {
            let timeout = millis(self.limits.drain_timeout);
            self.drain_until = Some(now.ms.saturating_add(timeout));
            self.protocol.draining(now);
            // What was ordered before the stop has been delivered, and still reaches those who wait for it.
            self.wake(now);
            for index in 0..self.slots.end() {
                self.with(index, now, |slot, visit| slot.drain(visit));
            }
        }
        if stops > 1 || self.drain_until.is_some_and(|until| until <= now.ms) {
            for index in 0..self.slots.end() {
                self.remove(index, now);
            }
        }
        self.stops = stops;
    }

    fn expire(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now.ms, &mut due);
        for entry in due.drain(..) {
            self.with_id(entry.id, now, |slot, visit| slot.expire(entry, visit));
            self.deliver_own(now);
        }
        self.due = due;
    }

    /// Visits every connection that is ready now, once each, and then a few of those whose turn is a lot of work:
    /// those in their handshakes, and those that write much.
    fn serve(&mut self, now: Now) {
        for _ in 0..self.ready.len() {
            let next = self.ready.pop_front();
            self.serve_one(next, now);
        }
        for _ in 0..self.securing.len().min(HANDSHAKES) {
            let next = self.securing.pop_front();
            self.serve_one(next, now);
        }
        for _ in 0..self.bulk.len().min(BULK) {
            let next = self.bulk.pop_front();
            self.serve_one(next, now);
        }
    }

    fn serve_one(&mut self, index: Option<u32>, now: Now) {
        let Some(index) = index else { return };
        if let Some(slot) = self.slots.get_mut(index) {
            slot.queued = false;
        }
        self.with(index, now, |slot, visit| slot.visit(visit));
        self.deliver_own(now);
    }

    /// Delivers what a handler has just sent to others, before it can become much.
    fn deliver_own(&mut self, now: Now) {
        if self.mailbox.has_own() {
            self.deliver(now);
        }
    }

    /// Looks after those whom the work of this turn has woken.
    fn wake(&mut self, now: Now) {
        for _ in 0..WAKE_ROUNDS {
            self.protocol.take_woken(now, &mut self.woken);
            self.waking = !self.woken.is_empty();
            if !self.waking {
                return;
            }
            self.resume_woken(now);
        }
    }

    fn resume_woken(&mut self, now: Now) {
        let mut woken = std::mem::take(&mut self.woken);
        for waiter in woken.drain(..) {
            self.with_id(ConnectionId::from_u64(waiter), now, |slot, visit| {
                slot.resume(visit)
            });
            self.deliver_own(now);
        }
        self.woken = woken;
    }

    fn with_id(
        &mut self,
        id: ConnectionId,
        now: Now,
        work: impl FnOnce(&mut Slot<P::Connection, S>, &mut Visit<'_, P>),
    ) {
        if self.slots.get(id.index).is_some_and(|slot| slot.id == id) {
            self.with(id.index, now, work);
        }
    }

    /// Does some work on a connection, and then removes it or puts it into the list where it belongs, if any.
    fn with(
        &mut self,
        index: u32,
        now: Now,
        work: impl FnOnce(&mut Slot<P::Connection, S>, &mut Visit<'_, P>),
    ) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let mut visit = Visit {
            protocol: &mut self.protocol,
            output: &mut self.output,
            buffer: &mut self.buffer,
            wheel: &mut self.wheel,
            traffic: &mut self.traffic,
            limits: &self.limits,
            now,
        };
        work(slot, &mut visit);
        if slot.is_dead() {
            self.remove(index, now);
        } else if slot.is_unfinished() {
            enqueue(&mut self.bulk, index, slot);
        } else if slot.is_securing() && slot.is_ready(&self.limits) {
            enqueue(&mut self.securing, index, slot);
        } else if slot.is_ready(&self.limits) {
            enqueue(&mut self.ready, index, slot);
        }
    }

    fn remove(&mut self, index: u32, now: Now) {
        if let Some(slot) = self.slots.remove(index) {
            self.protocol.closed(slot.id, slot.connection, now);
            self.peers.remove(index);
            self.freed = true;
        }
    }
}

fn enqueue<C, S>(ready: &mut VecDeque<u32>, index: u32, slot: &mut Slot<C, S>) {
    if !slot.queued {
        slot.queued = true;
        ready.push_back(index);
    }
}
