//! The contract between the loop and a protocol.
//!
//! In one sentence: **the loop calls the protocol for one connection at a time, and does what [`Io`] was left with (output,
//! a deadline, a pause, an end) when the call returns; until [`Protocol::closed`] has the connection back, everything
//! that was waited for is followed by one of these calls.**
//!
//! ```text
//!   opened | dialed ──► received*  ended?  expired*  resumed*  on_letter*  drain? ──► on_error? ──► closed
//!                       shared ─► shared_sent, whenever its own output is all gone
//! ```
//!
//! - **After [`Io::close`] or [`Io::abort`]** nothing is called for this connection but [`Protocol::closed`]: what is still
//!   read is thrown away, letters are dropped, and no error is reported. Output that was left before still goes out after
//!   `close`. Whatever runs in the same call may go on writing; it joins that output.
//! - **[`Protocol::resumed`] is owed** to a connection that was named by [`Protocol::take_woken`], and to one whose output
//!   did not all go out at once, when its peer has taken all of it. It never comes while output waits: one that was named
//!   meanwhile gets its call when that is taken, and several reasons are one call. It says that something may have changed,
//!   not what: the protocol looks again at whatever it had put off.
//! - **A deadline is one.** Setting it replaces the one before, and it is no longer set when [`Protocol::expired`] comes. It
//!   may come late, as the loop counts whole milliseconds and turns when it can, but never early.
//! - **A pause** ([`Io::pause_reading`]) stops [`Protocol::received`] and [`Protocol::ended`], and nothing else. It is the
//!   protocol's to end, from whatever call comes next.
//! - **Letters** ([`Protocol::on_letter`]) and orders come in the order in which each thread posted them, orders first.
//! - **Between calls** the protocol may be changed by its owner ([`Loop::protocol_mut`](super::Loop::protocol_mut)); what that
//!   wants done is named by `take_woken`, `take_dials` or `due`, which every turn asks.

use std::net::SocketAddr;
use std::time::Duration;

use super::clock::millis;
#[cfg(feature = "tls")]
use super::tls;
use super::{Now, Output, Seal};

/// Names one connection for as long as it lives; never reused while anybody could still mean the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// The id as one number.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The id that [`ConnectionId::to_u64`] made this number of.
    pub fn from_u64(number: u64) -> ConnectionId {
        ConnectionId {
            index: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// A protocol on the loop: one value for all connections, and one [`Protocol::Connection`] for each.
///
/// Only [`Protocol::opened`] and [`Protocol::received`] have to be written. The defaults of the rest are right for a
/// protocol that asks and answers; one that sets a deadline, takes letters or shares bytes among its connections says
/// what is to happen then. When each is called, and what holds then, is the contract of
/// [`Io`]: output, deadline, pause and end that a call leaves there are done when it returns.
pub trait Protocol {
    /// What is kept for each connection. Make it small: an idle connection costs this and little more.
    type Connection;
    /// What other threads may send to one connection through the [`Mailbox`](super::Mailbox). [`std::convert::Infallible`] is for
    /// nothing at all.
    type Letter: Send + 'static;
    /// What other threads may send to the protocol as a whole.
    type Order: Send + 'static;

    /// A peer has connected.
    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Self::Connection;

    /// Bytes have arrived. They are the protocol's to change; what it needs later it has to keep.
    fn received(&mut self, connection: &mut Self::Connection, input: &mut [u8], io: &mut Io<'_>);

    /// The peer will send nothing more. The default closes the connection.
    fn ended(&mut self, _connection: &mut Self::Connection, io: &mut Io<'_>) {
        io.close();
    }

    /// The deadline that was set has passed. It is no longer set. The default closes the
    /// connection.
    fn expired(&mut self, _connection: &mut Self::Connection, io: &mut Io<'_>) {
        io.close();
    }

    /// The connection was named by [`Protocol::take_woken`], or its peer has taken all output after some had to wait:
    /// whatever was put off for either goes on. Never called while output waits.
    fn resumed(&mut self, _connection: &mut Self::Connection, _io: &mut Io<'_>) {}

    /// The program shuts down. [`Protocol::drain`] follows for every connection.
    fn draining(&mut self, _now: Now) {}

    /// The program shuts down: the connection should say so and end. The default closes it.
    fn drain(&mut self, _connection: &mut Self::Connection, io: &mut Io<'_>) {
        io.close();
    }

    /// A letter for this connection has come through the [`Mailbox`](super::Mailbox).
    fn on_letter(
        &mut self,
        _connection: &mut Self::Connection,
        _letter: Self::Letter,
        _io: &mut Io<'_>,
    ) {
    }

    /// An order has come through the [`Mailbox`](super::Mailbox).
    fn on_order(&mut self, _order: Self::Order, _now: Now) {}

    /// The connection is gone: the last call for it, always made. Whatever it held elsewhere has to be given back.
    fn closed(&mut self, _id: ConnectionId, _connection: Self::Connection, _now: Now) {}

    /// Bytes that many connections share and that this one gets next: written from where they lie, whenever its
    /// own output is all gone.
    fn shared(&self, _connection: &Self::Connection) -> &[u8] {
        &[]
    }

    /// The first `sent` bytes of what [`Protocol::shared`] gave are written. If that cut something that must not be mixed
    /// with other output, its rest is returned and goes out first.
    fn shared_sent(
        &mut self,
        _connection: &mut Self::Connection,
        _sent: usize,
    ) -> Option<bytes::Bytes> {
        None
    }

    /// Names (by [`ConnectionId::to_u64`]) the connections for which [`Protocol::resumed`] is due.
    fn take_woken(&mut self, _now: Now, _woken: &mut Vec<u64>) {}

    /// Once a turn, for what has to be done now and then.
    fn tick(&mut self, _now: Now) {}

    /// A turn is over; it began, behind its wait, at `began`. Returns whether the protocol wants to look at all connections
    /// now ([`Protocol::survey`]).
    fn turned(&mut self, _began: std::time::Instant) -> bool {
        false
    }

    /// One of all connections, whose peer has not taken this many bytes yet.
    fn survey(&mut self, _connection: &Self::Connection, _backlog: usize) {}

    /// All connections were shown, and this has gone over them and those before.
    fn surveyed(&mut self, _traffic: Traffic) {}

    /// Something failed that belongs to no connection, such as accepting.
    fn failed(&mut self, _error: std::io::Error) {}

    /// Moves out the connections that the protocol wants to be made. Asked for once a turn.
    fn take_dials(&mut self, _dials: &mut Vec<Dial<Self::Connection>>) {}

    /// A connection that was dialed stands. The first call for it.
    fn dialed(&mut self, _connection: &mut Self::Connection, _io: &mut Io<'_>) {}

    /// A connection could not be secured, or broke the rules of TLS. [`Protocol::on_error`] follows.
    #[cfg(feature = "tls")]
    fn on_tls_error(&mut self, _connection: &mut Self::Connection, _problem: tls::Error) {}

    /// A connection could not be made, or broke: by the system's error, [`QuotaExceeded`](std::io::ErrorKind) at
    /// [`Limits::backlog`](super::Limits::backlog), or [`TimedOut`](std::io::ErrorKind) after
    /// [`Limits::stall_timeout`](super::Limits::stall_timeout). Not called once the protocol has closed it.
    /// [`Protocol::closed`] follows.
    fn on_error(&mut self, _connection: &mut Self::Connection, _error: std::io::ErrorKind) {}

    /// When [`Protocol::tick`] and [`Protocol::take_woken`] are wanted even if nothing else happens, in milliseconds of
    /// [`Now::ms`].
    fn due(&self) -> u64 {
        u64::MAX
    }
}

/// What has gone over a loop's connections since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Bytes that were read, without TLS.
    pub received: u64,
    /// Bytes that the system has taken, without TLS.
    pub sent: u64,
}

/// A connection to be made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Dial<C> {
    /// Where to.
    pub address: SocketAddr,
    /// How long that may take.
    pub timeout: Duration,
    /// What the protocol keeps for it.
    pub connection: C,
    /// How it is secured.
    pub(crate) seal: Seal,
}

impl<C> Dial<C> {
    /// A connection to `address`, which may take so long to be made.
    pub fn new(address: SocketAddr, timeout: Duration, connection: C) -> Dial<C> {
        let seal = Seal::Plain;
        Dial {
            address,
            timeout,
            connection,
            seal,
        }
    }

    /// Over TLS, with the server of this name or address. [`Protocol::dialed`] comes when the handshake is done.
    ///
    /// # Errors
    /// No certificate can be for that name.
    #[cfg(feature = "tls")]
    pub fn secured(self, tls: &tls::ClientTls, name: &str) -> Result<Dial<C>, tls::Error> {
        let seal = Seal::Client(tls.clone(), tls::server_name(name)?);
        Ok(Dial { seal, ..self })
    }

    /// The same connection, for which something else is kept.
    pub(crate) fn map<D>(self, map: impl FnOnce(C) -> D) -> Dial<D> {
        Dial {
            address: self.address,
            timeout: self.timeout,
            connection: map(self.connection),
            seal: self.seal,
        }
    }
}

/// What a protocol may do for the connection that it was called for.
#[derive(Debug)]
pub struct Io<'a> {
    /// The connection.
    pub id: ConnectionId,
    /// The time of this turn.
    pub now: Now,
    /// Where its answer goes.
    pub out: &'a mut Output,
    /// Bytes that its peer has not taken yet, before this answer.
    pub backlog: usize,
    flow: &'a mut Flow,
}

/// What a connection has asked of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// When [`Protocol::expired`] is due, in milliseconds of [`Now::ms`]; `u64::MAX` for never.
    pub deadline: u64,
    /// Not to be read from for now.
    pub paused: bool,
    /// To be read from in small pieces: see [`Io::read_in_pieces`].
    pub in_pieces: bool,
    /// To be closed once its output is gone.
    pub closing: bool,
    /// To be dropped at once.
    pub aborted: bool,
    /// Nobody on the way can read or change what it carries: it goes over TLS. The loop says so, and asks nothing by it.
    pub secured: bool,
}

impl Flow {
    /// No deadline, and open in both directions.
    pub const fn new() -> Flow {
        Flow {
            deadline: u64::MAX,
            paused: false,
            in_pieces: false,
            closing: false,
            aborted: false,
            secured: false,
        }
    }
}

impl Default for Flow {
    fn default() -> Flow {
        Flow::new()
    }
}

impl<'a> Io<'a> {
    /// The parts put together: for tests of a protocol that have no loop.
    pub fn new(
        id: ConnectionId,
        now: Now,
        out: &'a mut Output,
        backlog: usize,
        flow: &'a mut Flow,
    ) -> Io<'a> {
        Io {
            id,
            now,
            out,
            backlog,
            flow,
        }
    }

    /// Calls [`Protocol::expired`] after `delay`, instead of at the time that was set before.
    pub fn set_deadline(&mut self, delay: Duration) {
        self.flow.deadline = self.now.ms.saturating_add(millis(delay));
    }

    /// Sets no deadline any more.
    pub fn clear_deadline(&mut self) {
        self.flow.deadline = u64::MAX;
    }

    /// Stops reading from the peer, or goes on.
    pub fn pause_reading(&mut self, paused: bool) {
        self.flow.paused = paused;
    }

    /// Reads at most 64 KiB from the peer at once, or as much as there is: where each byte may be much work, as those
    /// of compressed messages may be, the others get their turn in between.
    pub fn read_in_pieces(&mut self, in_pieces: bool) {
        self.flow.in_pieces = in_pieces;
    }

    /// Closes the connection once its output is gone. Nothing is read any more.
    pub fn close(&mut self) {
        self.flow.closing = true;
    }

    /// Drops the connection at once, with whatever output is left.
    pub fn abort(&mut self) {
        self.flow.aborted = true;
    }

    /// Whether the peer is not read from: see [`Io::pause_reading`].
    pub fn is_paused(&self) -> bool {
        self.flow.paused
    }

    /// Whether the connection goes over TLS.
    pub fn is_secured(&self) -> bool {
        self.flow.secured
    }

    /// Whether the connection is about to end.
    pub fn is_closing(&self) -> bool {
        self.flow.closing || self.flow.aborted
    }
}
