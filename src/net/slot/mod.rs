//! One connection as the loop sees it: a socket, its unread output and its place in the order of things.
//!
//! ```text
//!   dialed ──► Connecting ─┐
//!   accepted ──────────────┴─► Securing ──► Open ──► Closing ──► Lingering ──► Dead
//!                              (TLS only)    │      output goes   our half is
//!                                            │      out           closed
//!                                            └──► Dead, from everywhere: aborted, or the system says that it is broken
//! ```
//!
//! [`Connections`](super::connections) owns the slots and decides whose turn it is. What it calls is one *visit* each, and
//! every visit has the same order:
//!
//! ```text
//!   [begin | visit | deliver | resume | expire | drain]
//!        └─► call: the protocol answers into Output ─► flush: one write ─► write_shared
//!                                                                             └─► settle: phase, deadline, stall
//! ```
//!
//! - **Output belongs to one visit.** The loop has one [`Output`]; it is empty when a visit begins, and `flush` empties it:
//!   to the socket, and what that does not take, to this connection's backlog. Large payloads in it are borrowed from the
//!   read buffer, which the next visit overwrites; so nothing may come between the call and the flush.
//! - **The protocol has no say** before Open and once it has closed (`is_open`): every call goes through that question.
//! - **`settle` comes last**, once, and draws the consequences: it alone goes from Open to Closing and from there to
//!   Lingering, and puts the next deadline into the wheel. An entry there that is not the one in `scheduled` is stale.
//! - **Edges are kept until they are used.** `readable` and `writable` are what the system has said last and no operation
//!   has refuted since; `ending` and `broken` never go back. A slot that could do something at once says so (`is_ready`),
//!   and is put into a list, because no further edge would come.
//!
//! The beginning is in [`securing`], the way of output in [`writing`].

mod securing;
mod writing;

use std::io::ErrorKind;

use super::backlog::Backlog;
use super::deadline::{Entry, Wheel};
use super::output::Output;
use super::transport::{Readiness, Taken, Transport};
use super::wire::Wire;
use super::{ConnectionId, Flow, Io, Limits, Now, Protocol, Traffic};

/// How long a closed connection waits for its peer's end before it is dropped, in milliseconds (RFC 9112 9.6).
const LINGER: u64 = 2_000;

/// How much is written to one connection before it is the others' turn, in bytes: one large answer, or one reader who
/// has much to catch up on, keeps nobody waiting.
const WRITE_BUDGET: usize = 64 * 1024;

/// How much is read at once from a connection that is read in pieces, in bytes.
const READ_PIECE: usize = 64 * 1024;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// On its way to the peer. The first readiness says how that went.
    Connecting,
    /// The handshake of TLS is under way. The protocol has nothing to say yet.
    Securing,
    Open,
    /// What output there is goes out; nothing is read.
    Closing,
    /// Our half is closed; the peer has until the flow's deadline, which is nobody else's by now, to close its own.
    Lingering,
    /// To be removed.
    Dead,
}

pub(super) struct Slot<C, S> {
    pub(super) id: ConnectionId,
    pub(super) connection: C,
    wire: Wire<S>,
    backlog: Option<Box<Backlog>>,
    flow: Flow,
    /// When the peer, which takes no more for now, must have taken something; before that, when the handshake of TLS
    /// must be done.
    stall_at: u64,
    /// The entry in the wheel that counts; any other is stale.
    scheduled: u64,
    phase: Phase,
    readable: bool,
    writable: bool,
    /// The peer has closed its half: an end is there to be read.
    ending: bool,
    /// The system has said that the connection is broken.
    broken: bool,
    /// The end has been read.
    ended: bool,
    /// The peer takes output again, and what waited for that has not gone on yet.
    unblocked: bool,
    /// There may be more to write than its turn allowed.
    unfinished: bool,
    /// In the ready list.
    pub(super) queued: bool,
}

/// What of the loop a visit needs.
pub(super) struct Visit<'a, P> {
    pub(super) protocol: &'a mut P,
    pub(super) output: &'a mut Output,
    pub(super) buffer: &'a mut [u8],
    pub(super) wheel: &'a mut Wheel,
    pub(super) limits: &'a Limits,
    pub(super) traffic: &'a mut Traffic,
    pub(super) now: Now,
}

impl<C, S: Transport> Slot<C, S> {
    pub(super) fn new(id: ConnectionId, wire: Wire<S>, connection: C, flow: Flow) -> Slot<C, S> {
        Slot {
            id,
            connection,
            wire,
            backlog: None,
            flow,
            stall_at: u64::MAX,
            scheduled: u64::MAX,
            phase: Phase::Open,
            readable: false,
            // A new socket takes output; an edge that says so comes only after one that did not.
            writable: true,
            ending: false,
            broken: false,
            ended: false,
            unblocked: false,
            unfinished: false,
            queued: false,
        }
    }

    /// A connection that is being made, until `deadline` at the latest.
    pub(super) fn dialing(
        id: ConnectionId,
        wire: Wire<S>,
        connection: C,
        deadline: u64,
    ) -> Slot<C, S> {
        let flow = Flow {
            deadline,
            secured: wire.is_secured(),
            ..Flow::new()
        };
        Slot {
            phase: Phase::Connecting,
            writable: false,
            ..Slot::new(id, wire, connection, flow)
        }
    }

    pub(super) fn mark(&mut self, ready: Readiness) {
        self.readable |= ready.readable;
        if ready.writable && !self.writable {
            self.writable = true;
            self.unblocked = true;
        }
        self.ending |= ready.ending;
        self.broken |= ready.broken;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// Whether a visit would find something to do at once.
    pub(super) fn is_ready(&self, limits: &Limits) -> bool {
        match self.phase {
            Phase::Open => self.is_to_be_read(limits),
            Phase::Securing | Phase::Lingering => self.readable,
            Phase::Connecting | Phase::Closing => false,
            Phase::Dead => true,
        }
    }

    /// Whether its next visit is a step of its handshake, which is a lot of work.
    pub(super) fn is_securing(&self) -> bool {
        self.phase == Phase::Securing
    }

    /// Whether it has used up its turn and waits for another one to write more.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    fn is_to_be_read(&self, limits: &Limits) -> bool {
        self.readable
            && self.is_open()
            && !self.flow.paused
            && self.backlog_len() < limits.high_water
    }

    /// Whether the protocol still has a say: it is not called again once it has closed the connection.
    fn is_open(&self) -> bool {
        self.phase == Phase::Open && !self.flow.closing && !self.flow.aborted
    }

    pub(super) fn backlog_len(&self) -> usize {
        let backlog = self.backlog.as_ref().map_or(0, |backlog| backlog.len());
        backlog + self.wire.unsent()
    }

    /// When the wheel is to name this connection.
    fn due(&self) -> u64 {
        match self.phase {
            Phase::Connecting | Phase::Lingering => self.flow.deadline,
            Phase::Open => self.flow.deadline.min(self.stall_at),
            Phase::Securing | Phase::Closing => self.stall_at,
            Phase::Dead => u64::MAX,
        }
    }

    /// What the protocol said when the connection opened takes effect.
    pub(super) fn begin<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        if self.wire.is_secured() {
            self.begin_securing(visit);
        }
        self.flush(visit, 0);
        self.write_shared(visit);
        self.settle(visit);
    }

    /// Calls the protocol and sends what it answers, and what it shares with others.
    pub(super) fn call<P>(
        &mut self,
        visit: &mut Visit<'_, P>,
        call: impl FnOnce(&mut P, &mut C, &mut Io<'_>),
    ) where
        P: Protocol<Connection = C>,
    {
        if self.is_open() {
            let backlog = self.backlog_len();
            let mut io = Io::new(self.id, visit.now, visit.output, backlog, &mut self.flow);
            call(visit.protocol, &mut self.connection, &mut io);
            self.flush(visit, 0);
            self.write_shared(visit);
        }
    }

    /// Gives the protocol the letters that have come, and sends what it answers, in as few writes as the budget allows.
    pub(super) fn deliver<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
        next: &mut impl FnMut() -> Option<P::Letter>,
    ) {
        while self.is_open() {
            let Some(mut letter) = next() else { break };
            self.call(visit, |protocol, connection, io| {
                loop {
                    protocol.on_letter(connection, letter, io);
                    if io.is_closing() || io.out.len() >= WRITE_BUDGET {
                        return;
                    }
                    letter = match next() {
                        Some(letter) => letter,
                        None => return,
                    };
                }
            });
        }
        self.settle(visit);
    }

    /// What a ready connection gets: its backlog written, and one read.
    pub(super) fn visit<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        if self.phase == Phase::Connecting {
            self.finish_connecting(visit);
        }
        if self.is_securing() {
            self.secure(visit);
        }
        if self.is_securing() {
            return self.settle(visit);
        }
        let unblocked = std::mem::take(&mut self.unblocked);
        if std::mem::take(&mut self.unfinished) || unblocked {
            self.write_backlog(visit);
            self.resume(visit);
        }
        match self.phase {
            Phase::Open if self.is_to_be_read(visit.limits) => self.read(visit),
            // Nobody reads from it for now, so nobody would meet the error; and what could still be read is of a peer
            // that can't be answered.
            Phase::Open if self.broken && self.is_open() => {
                self.break_off(visit, ErrorKind::ConnectionReset);
            }
            Phase::Lingering if self.readable => self.discard(visit.buffer),
            _ => {}
        }
        self.settle(visit);
    }

    /// Ends the connection because the system says so. The protocol hears of it unless it has closed anyway.
    fn break_off<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
        error: ErrorKind,
    ) {
        let concerned = self.is_open() || self.phase == Phase::Connecting || self.is_securing();
        // Who breaks the rules of TLS is still told so, with an alert (RFC 8446 6.2).
        let alert = error == ErrorKind::InvalidData && self.wire.is_secured();
        self.backlog = None;
        self.phase = if alert { Phase::Closing } else { Phase::Dead };
        if concerned {
            #[cfg(feature = "tls")]
            if let Some(problem) = self.wire.take_problem() {
                visit.protocol.on_tls_error(&mut self.connection, problem);
            }
            visit.protocol.on_error(&mut self.connection, error);
        }
    }

    /// Goes on with what waits in the protocol, if the peer takes output.
    pub(super) fn resume<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        // Who has not finished goes on when its turn comes.
        if !self.writable || self.backlog.is_some() || self.unfinished {
            return;
        }
        self.call(visit, |protocol, connection, io| {
            protocol.resumed(connection, io)
        });
        self.settle(visit);
    }

    /// Its entry in the wheel has come out.
    pub(super) fn expire<P: Protocol<Connection = C>>(
        &mut self,
        entry: Entry,
        visit: &mut Visit<'_, P>,
    ) {
        if entry.at != self.scheduled {
            return;
        }
        self.scheduled = u64::MAX;
        let now = visit.now.ms;
        match self.phase {
            Phase::Connecting if self.flow.deadline <= now => {
                self.break_off(visit, ErrorKind::TimedOut);
            }
            Phase::Securing if self.stall_at <= now => {
                self.wire.expire();
                self.break_off(visit, ErrorKind::TimedOut);
            }
            _ => {}
        }
        if self.stall_at <= now && self.phase != Phase::Dead {
            // The system tells of room only when there is a good deal of it. Who reads slowly has taken something
            // all the same, and a write that succeeds says so.
            self.writable = true;
            self.write_backlog(visit);
            self.resume(visit);
            if !self.writable && self.stall_at <= now {
                self.break_off(visit, ErrorKind::TimedOut);
            }
        }
        match self.phase {
            Phase::Open if self.flow.deadline <= now => {
                self.flow.deadline = u64::MAX;
                self.call(visit, |protocol, connection, io| {
                    protocol.expired(connection, io)
                });
            }
            Phase::Lingering if self.flow.deadline <= now => self.phase = Phase::Dead,
            _ => {}
        }
        self.settle(visit);
    }

    /// The program shuts down. What is not there yet will not be waited for.
    pub(super) fn drain<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        if self.phase == Phase::Connecting || self.is_securing() {
            self.break_off(visit, ErrorKind::Interrupted);
        }
        self.call(visit, |protocol, connection, io| {
            protocol.drain(connection, io)
        });
        self.visit(visit);
    }

    fn read<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        let most = match self.flow.in_pieces {
            true => READ_PIECE.min(visit.buffer.len()),
            false => visit.buffer.len(),
        };
        match self.wire.read(&mut visit.buffer[..most]) {
            Ok(Taken { count: 0, .. }) => {
                self.readable = false;
                if !std::mem::replace(&mut self.ended, true) {
                    self.call(visit, |protocol, connection, io| {
                        protocol.ended(connection, io)
                    });
                }
            }
            Ok(Taken { count, more }) => {
                // An end that is already there comes without a further edge.
                self.readable = self.ending || more;
                visit.traffic.received += count as u64;
                visit.output.lend_from(&visit.buffer[..count]);
                let backlog = self.backlog_len();
                let mut io = Io::new(self.id, visit.now, visit.output, backlog, &mut self.flow);
                visit
                    .protocol
                    .received(&mut self.connection, &mut visit.buffer[..count], &mut io);
                self.flush(visit, count);
                self.write_shared(visit);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.break_off(visit, error.kind()),
        }
        // Reading may have had to write.
        self.note_unsent();
    }

    /// Reads what nobody wants any more, until the peer's end.
    fn discard(&mut self, buffer: &mut [u8]) {
        match self.wire.read_socket(buffer) {
            Ok(Taken { count: 0, .. }) => self.phase = Phase::Dead,
            Ok(Taken { more, .. }) => self.readable = self.ending || more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.phase = Phase::Dead,
        }
    }

    /// Closes our half. One who has said the end before is told so all the same where that takes more than FIN.
    fn finish(&mut self, now: u64) {
        let finished = match self.ended && !self.wire.is_secured() {
            true => Err(ErrorKind::NotConnected.into()),
            false => self.wire.finish(),
        };
        match finished {
            Ok(()) if !self.ended => {
                // What has arrived meanwhile is still to be read and thrown away.
                self.readable = true;
                self.flow.deadline = now.saturating_add(LINGER);
                self.phase = Phase::Lingering;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
            _ => self.phase = Phase::Dead,
        }
    }

    /// Draws the consequences of a visit: closing, and the next deadline.
    fn settle<P>(&mut self, visit: &mut Visit<'_, P>) {
        if self.flow.aborted {
            self.phase = Phase::Dead;
        }
        if self.phase == Phase::Open && self.flow.closing {
            self.phase = Phase::Closing;
        }
        if self.phase == Phase::Closing && self.backlog_len() == 0 {
            self.finish(visit.now.ms);
        }
        self.watch_stall(visit);
        let due = self.due();
        if due < self.scheduled {
            self.scheduled = due;
            visit.wheel.schedule(Entry {
                id: self.id,
                at: due,
            });
        }
    }
}
