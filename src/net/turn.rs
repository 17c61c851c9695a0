//! The loop: one turn after another.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use super::accept::Acceptor;
use super::clock::Clock;
use super::deadline::{Entry, Wheel};
use super::mailbox::{Letter, Mailbox};
use super::output::Output;
use super::peers::Peers;
use super::slots::{Slot, Visit};
use super::{ConnectionId, Dial, Flow, Io, Limits, Now, Protocol};
use crate::slab::Slab;

/// The read buffer that all connections share.
pub(super) const READ_BUFFER: usize = 256 * 1024;
/// Readiness events taken from the system at once.
const EVENTS: usize = 1024;
/// How often a turn looks after readers that its own work has woken, before it looks at the sockets again.
const WAKE_ROUNDS: usize = 4;
/// How many connections with much to write go on in one turn, each by one budget: the others' requests come in between.
const BULK: usize = 16;
/// How long the loop sleeps at most, so that [`Protocol::tick`] comes about once a second.
const TICK: u64 = 1_000;

const WAKER: Token = Token(usize::MAX);
/// Listeners have the tokens just below the waker's.
const FIRST_LISTENER: usize = usize::MAX - 1024;

/// An event loop for one protocol. Turn it, or let it run.
pub struct Loop<P: Protocol> {
    protocol: P,
    poll: Poll,
    events: Events,
    mailbox: Mailbox<P::Command>,
    closer: Closer<P::Command>,
    letters: Vec<Letter<P::Command>>,
    acceptor: Acceptor,
    peers: Peers,
    slots: Slab<Slot<P::Connection>>,
    /// Connections that have something to do at once, in the order of their turn.
    ready: VecDeque<u32>,
    /// Those that have more to write than one turn allows, in the order of their next one.
    bulk: VecDeque<u32>,
    woken: Vec<u64>,
    /// Some of the woken may not have been looked after yet.
    waking: bool,
    wheel: Wheel,
    due: Vec<Entry>,
    buffer: Vec<u8>,
    output: Output,
    clock: Clock,
    limits: Limits,
    generation: u32,
    /// How many of the mailbox's stops have been acted on.
    stops: u8,
    /// When what is left of shutting down is cut off.
    drain_until: Option<u64>,
}

impl<P: Protocol> std::fmt::Debug for Loop<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loop")
            .field("connections", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl<P: Protocol> Loop<P> {
    /// A loop for the protocol that `make` builds; it gets the loop's mailbox, in which at most `queued` commands
    /// wait.
    ///
    /// # Errors
    /// The system gives no poll instance.
    pub fn new(
        limits: Limits,
        queued: usize,
        make: impl FnOnce(Mailbox<P::Command>) -> P,
    ) -> io::Result<Loop<P>> {
        let poll = Poll::new()?;
        let mailbox = Mailbox::new(Waker::new(poll.registry(), WAKER)?, queued);
        let clock = Clock::new();
        Ok(Loop {
            protocol: make(mailbox.clone()),
            poll,
            events: Events::with_capacity(EVENTS),
            closer: Closer(Some(mailbox.clone())),
            mailbox,
            letters: Vec::new(),
            acceptor: Acceptor::default(),
            peers: Peers::default(),
            slots: Slab::new(),
            ready: VecDeque::new(),
            bulk: VecDeque::new(),
            woken: Vec::new(),
            waking: false,
            wheel: Wheel::new(clock.now().ms),
            due: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            output: Output::new(),
            clock,
            limits,
            generation: 0,
            stops: 0,
            drain_until: None,
        })
    }

    /// Listens on one more address.
    ///
    /// # Errors
    /// The address can't be bound.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        let mut listener = mio::net::TcpListener::bind(address)?;
        let token = Token(FIRST_LISTENER + self.acceptor.len());
        self.poll
            .registry()
            .register(&mut listener, token, Interest::READABLE)?;
        self.acceptor.add(listener);
        Ok(())
    }

    /// The addresses that it listens on.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.acceptor.addresses().collect()
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// The protocol, to change it between turns.
    pub fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    /// The protocol without its loop: every connection is dropped, and nothing listens any more. The mailbox stays
    /// open, as the protocol may have a use for it.
    pub fn into_protocol(mut self) -> P {
        self.closer.0 = None;
        self.protocol
    }

    /// The way in from other threads.
    pub fn mailbox(&self) -> Mailbox<P::Command> {
        self.mailbox.clone()
    }

    /// Changes what is allowed from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.slots.len()
    }

    /// Bytes that all peers together have not taken yet.
    pub fn backlog(&self) -> usize {
        self.slots.values().map(Slot::backlog_len).sum()
    }

    /// Whether it was stopped and has nothing left to do.
    pub fn is_done(&self) -> bool {
        self.drain_until.is_some() && self.slots.len() == 0
    }

    /// Turns until [`Mailbox::stop`] and the end of what that leaves to do.
    ///
    /// # Errors
    /// The system's poll fails.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.is_done() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Does what is ready, after waiting for it for at most `timeout` (`None`: as long as it takes; zero: not at
    /// all).
    ///
    /// # Errors
    /// The system's poll fails.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.wait(timeout)?;
        let now = self.clock.now();
        self.note_events();
        self.accept(now);
        self.deliver(now);
        self.stop(now);
        self.expire(now);
        self.serve(now);
        self.protocol.tick(now);
        self.wake(now);
        self.dial(now);
        if self.is_done() {
            self.mailbox.close();
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let idle = self.ready.is_empty() && self.bulk.is_empty() && !self.waking;
        let timeout = if self.mailbox.doze(self.stops) && idle {
            let patience = Duration::from_millis(self.patience());
            Some(timeout.map_or(patience, |timeout| timeout.min(patience)))
        } else {
            Some(Duration::ZERO)
        };
        let result = self.poll.poll(&mut self.events, timeout);
        self.mailbox.rise();
        match result {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// How long there is nothing to do unless something arrives, in milliseconds.
    fn patience(&self) -> u64 {
        let now = self.clock.now().ms;
        let mut until = now + TICK;
        until = until.min(self.wheel.next().unwrap_or(u64::MAX));
        until = until.min(self.drain_until.unwrap_or(u64::MAX));
        until = until.min(self.protocol.due());
        if self.slots.len() < self.limits.connections {
            until = until.min(self.acceptor.due().unwrap_or(u64::MAX));
        }
        until.saturating_sub(now)
    }

    fn note_events(&mut self) {
        for event in &self.events {
            match event.token() {
                WAKER => {}
                Token(token) if token >= FIRST_LISTENER => self.acceptor.ready(),
                Token(token) => {
                    let index = token as u32;
                    if let Some(slot) = self.slots.get_mut(index) {
                        slot.mark(event);
                        enqueue(&mut self.ready, index, slot);
                    }
                }
            }
        }
    }

    fn accept(&mut self, now: Now) {
        let room = self.limits.connections.saturating_sub(self.slots.len());
        let mut opened = Vec::new();
        let result = self
            .acceptor
            .accept(now.ms, room, |stream, peer| opened.push((stream, peer)));
        let limit = self.limits.connections_per_address;
        let limited = limit < self.limits.connections;
        for (stream, peer) in opened {
            if limited && !self.peers.admits(peer.ip(), limit) {
                continue;
            }
            let index = self.slots.next_index();
            if limited {
                self.peers.add(index, peer.ip());
            }
            if let Err(error) = self.open(stream, peer, now) {
                self.peers.remove(index);
                self.protocol.failed(error);
            }
        }
        if let Err(error) = result {
            self.protocol.failed(error);
        }
    }

    fn open(
        &mut self,
        mut stream: mio::net::TcpStream,
        peer: SocketAddr,
        now: Now,
    ) -> io::Result<()> {
        // What is sent is already coalesced; waiting for more would only add delay.
        stream.set_nodelay(true)?;
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let mut flow = Flow::new();
        // The index is known only when the slot is taken, and the slot is made of what the protocol says.
        let id = ConnectionId {
            index: self.slots.next_index(),
            generation,
        };
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(id.index as usize), interests)?;
        let mut io = Io::new(id, now, &mut self.output, 0, &mut flow);
        let connection = self.protocol.opened(peer, &mut io);
        self.slots.insert(Slot::new(id, stream, connection, flow));
        self.with(id.index, now, |slot, visit| slot.begin(visit));
        Ok(())
    }

    /// Makes the connections that the protocol asks for.
    fn dial(&mut self, now: Now) {
        let mut dials = Vec::new();
        self.protocol.take_dials(&mut dials);
        // How dialing goes may wake somebody, or ask for another dial: the next turn comes at once.
        self.waking |= !dials.is_empty();
        for Dial {
            address,
            timeout,
            mut connection,
        } in dials
        {
            self.generation = self.generation.wrapping_add(1);
            let id = ConnectionId {
                index: self.slots.next_index(),
                generation: self.generation,
            };
            let interests = Interest::READABLE | Interest::WRITABLE;
            let stream = mio::net::TcpStream::connect(address).and_then(|mut stream| {
                self.poll
                    .registry()
                    .register(&mut stream, Token(id.index as usize), interests)?;
                Ok(stream)
            });
            match stream {
                Ok(stream) => {
                    let deadline = now.ms.saturating_add(super::millis(timeout));
                    self.slots
                        .insert(Slot::dialing(id, stream, connection, deadline));
                    self.with(id.index, now, |slot, visit| slot.visit(visit));
                }
                Err(error) => {
                    self.protocol.broke(&mut connection, error.kind());
                    self.protocol.closed(id, connection, now);
                }
            }
        }
    }

    fn deliver(&mut self, now: Now) {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters);
        for Letter { to, command } in letters.drain(..) {
            match to {
                None => self.protocol.ordered(command, now),
                Some(id) => self.with_id(id, now, |slot, visit| {
                    slot.call(visit, |protocol, connection, io| {
                        protocol.told(connection, command, io)
                    });
                    slot.visit(visit);
                }),
            }
        }
        self.letters = letters;
    }

    /// Acts on stops: the first begins to shut down, the second and the deadline end everything at once.
    fn stop(&mut self, now: Now) {
        let stops = self.mailbox.stops();
        if stops > 0 && self.drain_until.is_none() {
            self.acceptor.close();
            // What was ordered before the stop still reaches those who wait for it: what came since this turn took its
            // letters, too.
            self.deliver(now);
            self.wake(now);
            let timeout = super::millis(self.limits.drain_timeout);
            self.drain_until = Some(now.ms.saturating_add(timeout));
            self.protocol.draining(now);
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
        }
        self.due = due;
    }

    /// Visits every connection that is ready now, once each, and then a few of those that write much.
    fn serve(&mut self, now: Now) {
        for _ in 0..self.ready.len() {
            let next = self.ready.pop_front();
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
    }

    /// Looks after those whom the work of this turn has woken.
    fn wake(&mut self, now: Now) {
        for _ in 0..WAKE_ROUNDS {
            let mut woken = std::mem::take(&mut self.woken);
            self.protocol.take_woken(&mut woken);
            let none = woken.is_empty();
            for waiter in woken.drain(..) {
                self.with_id(ConnectionId::from_u64(waiter), now, |slot, visit| {
                    slot.resume(visit)
                });
            }
            self.woken = woken;
            self.waking = !none;
            if none {
                return;
            }
        }
    }

    fn with_id(
        &mut self,
        id: ConnectionId,
        now: Now,
        work: impl FnOnce(&mut Slot<P::Connection>, &mut Visit<'_, P>),
    ) {
        if self.slots.get(id.index).is_some_and(|slot| slot.id == id) {
            self.with(id.index, now, work);
        }
    }

    /// Does some work on a connection, and then removes it or puts it into the ready list if that is where it
    /// belongs.
    fn with(
        &mut self,
        index: u32,
        now: Now,
        work: impl FnOnce(&mut Slot<P::Connection>, &mut Visit<'_, P>),
    ) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let mut visit = Visit {
            protocol: &mut self.protocol,
            output: &mut self.output,
            buffer: &mut self.buffer,
            wheel: &mut self.wheel,
            limits: &self.limits,
            now,
        };
        work(slot, &mut visit);
        if slot.is_dead() {
            self.remove(index, now);
        } else if slot.is_unfinished() {
            enqueue(&mut self.bulk, index, slot);
        } else if slot.is_ready(&self.limits) {
            enqueue(&mut self.ready, index, slot);
        }
    }

    fn remove(&mut self, index: u32, now: Now) {
        if let Some(slot) = self.slots.remove(index) {
            self.protocol.closed(slot.id, slot.connection, now);
            self.peers.remove(index);
            self.acceptor.relieved();
        }
    }
}

/// Closes the mailbox when its loop is gone, however it went: who sends then is told so.
struct Closer<C>(Option<Mailbox<C>>);

impl<C> Drop for Closer<C> {
    fn drop(&mut self) {
        if let Some(mailbox) = &self.0 {
            mailbox.close();
        }
    }
}

fn enqueue<C>(ready: &mut VecDeque<u32>, index: u32, slot: &mut Slot<C>) {
    if !slot.queued {
        slot.queued = true;
        ready.push_back(index);
    }
}
