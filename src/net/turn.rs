//! The loop: one turn after another, over mio.
//!
//! ```text
//!   wait:  doze ─► poll ─► rise       asleep only while nothing is ready, posted or due
//!   note:  which sockets have become readable or writable
//!   accept: some of those who wait, as long as there is room
//!   [Connections::turn]  posts ─► stops ─► deadlines ─► whoever is ready ─► tick ─► whoever was woken
//!   dial:  connections that the protocol has asked for
//! ```
//!
//! Here is what has to do with the system: the poll, its tokens, the clock, listeners and waking. What a turn does for the
//! connections is in [`Connections`](super::connections), which runs without any of it in tests.
//!
//! - **Time is read once a turn**, after the poll, and handed down as a value; a turn that takes long is late for its
//!   deadlines, never inconsistent.
//! - **Tokens** of connections are their places in the slab; listeners have those just below the waker's, at the upper end.
//!   The place of a connection that has gone is taken by the next one in the same turn, so an event may name the wrong one:
//!   it then looks once in vain.
//! - **A loop sleeps** at most until the next second (so that [`Protocol::tick`] comes), the next deadline, or whatever
//!   [`Protocol::due`] says; and not at all if [`Mailbox`] has something for it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::accept::{Acceptor, Listener};
use super::clock::{Clock, millis};
use super::connections::Connections;
use super::listeners::set_queue;
use super::mailbox::Mailbox;
use super::wire::Seal;
use super::{Limits, Now, Protocol};

/// The read buffer that all connections share.
const READ_BUFFER: usize = 1024 * 1024;
/// Readiness events taken from the system at once.
const EVENTS: usize = 1024;
/// How long the loop sleeps at most, so that [`Protocol::tick`] comes about once a second.
const TICK: u64 = 1_000;

const WAKER: Token = Token(usize::MAX);
/// Listeners have the tokens just below the waker's.
const FIRST_LISTENER: usize = usize::MAX - 1024;

/// An event loop for one protocol. Turn it, or let it run.
pub struct Loop<P: Protocol> {
    connections: Connections<P, TcpStream>,
    poll: Poll,
    events: Events,
    closer: Closer<P::Letter, P::Order>,
    acceptor: Acceptor,
    clock: Clock,
    #[cfg(feature = "lens")]
    taps: Option<super::trace::Taps>,
}

impl<P: Protocol> std::fmt::Debug for Loop<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loop")
            .field("connections", &self.connections.len())
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
        make: impl FnOnce(Mailbox<P::Letter, P::Order>) -> P,
    ) -> io::Result<Loop<P>> {
        let poll = Poll::new()?;
        let mailbox = Mailbox::new(Waker::new(poll.registry(), WAKER)?, queued);
        let clock = Clock::new();
        let protocol = make(mailbox.clone());
        Ok(Loop {
            closer: Closer(Some(mailbox.clone())),
            connections: Connections::new(protocol, mailbox, limits, READ_BUFFER, clock.now().ms),
            poll,
            events: Events::with_capacity(EVENTS),
            acceptor: Acceptor::default(),
            clock,
            #[cfg(feature = "lens")]
            taps: None,
        })
    }

    /// Looks at what passes on connections that are opened from now on, accepted or dialed: `make` gives a tap for each
    /// peer that is to be looked at. It is told plaintext, also where the connection goes over TLS.
    #[cfg(feature = "lens")]
    pub fn trace(
        &mut self,
        make: impl FnMut(SocketAddr) -> Option<Box<dyn super::Tap>> + Send + 'static,
    ) {
        self.taps = Some(Box::new(make));
    }

    /// Listens on one more address.
    ///
    /// # Errors
    /// The address can't be bound.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        self.bind(address, Seal::Plain)
    }

    /// Accepts from one more listener, which was made elsewhere: with options of its own, or inherited. Its queue stays as
    /// it is.
    ///
    /// # Errors
    /// The system refuses to poll it.
    pub fn listen_on(&mut self, listener: std::net::TcpListener) -> io::Result<()> {
        self.adopt(listener, Seal::Plain)
    }

    /// Listens on one more address, for TLS. A peer that speaks in plaintext is answered with `plain`, in plaintext, and closed;
    /// `plain` may be empty.
    ///
    /// # Errors
    /// The address can't be bound.
    #[cfg(feature = "tls")]
    pub fn listen_tls(
        &mut self,
        address: SocketAddr,
        tls: &super::tls::ServerTls,
        plain: &'static [u8],
    ) -> io::Result<()> {
        let seal = Seal::Server(tls.clone(), plain);
        self.bind(address, seal)
    }

    /// Accepts from one more listener, as [`Loop::listen_on`], for TLS, as [`Loop::listen_tls`].
    ///
    /// # Errors
    /// The system refuses to poll it.
    #[cfg(feature = "tls")]
    pub fn listen_tls_on(
        &mut self,
        listener: std::net::TcpListener,
        tls: &super::tls::ServerTls,
        plain: &'static [u8],
    ) -> io::Result<()> {
        self.adopt(listener, Seal::Server(tls.clone(), plain))
    }

    fn bind(&mut self, address: SocketAddr, seal: Seal) -> io::Result<()> {
        let socket = TcpListener::bind(address)?;
        set_queue(&socket, self.connections.limits.listen_queue)?;
        self.add_listener(Listener {
            socket,
            seal,
            own: true,
        })
    }

    fn adopt(&mut self, listener: std::net::TcpListener, seal: Seal) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.add_listener(Listener {
            socket: TcpListener::from_std(listener),
            seal,
            own: false,
        })
    }

    fn add_listener(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = Token(FIRST_LISTENER + self.acceptor.len());
        self.poll
            .registry()
            .register(&mut listener.socket, token, Interest::READABLE)?;
        self.acceptor.add(listener);
        Ok(())
    }

    /// The addresses that it listens on.
    ///
    /// # Errors
    /// The system does not know an address.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.acceptor.addresses().collect()
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.connections.protocol
    }

    /// The protocol, to change it between turns.
    pub fn protocol_mut(&mut self) -> &mut P {
        &mut self.connections.protocol
    }

    /// The protocol without its loop: every connection is dropped, and nothing listens any more. The mailbox stays
    /// open, as the protocol may have a use for it.
    pub fn into_protocol(mut self) -> P {
        self.closer.0 = None;
        self.connections.protocol
    }

    /// The way in from other threads.
    pub fn mailbox(&self) -> Mailbox<P::Letter, P::Order> {
        self.connections.mailbox.clone()
    }

    /// What is allowed.
    pub fn limits(&self) -> &Limits {
        &self.connections.limits
    }

    /// Changes what is allowed from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.acceptor.set_queue(limits.listen_queue);
        self.connections.limits = limits;
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Bytes that all peers together have not taken yet.
    pub fn backlog(&self) -> usize {
        self.connections.backlog()
    }

    /// Whether it was stopped and has nothing left to do.
    pub fn is_done(&self) -> bool {
        self.connections.is_done()
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
    /// all). Times above a millisecond are rounded down to whole ones.
    ///
    /// # Errors
    /// The system's poll fails.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.wait(timeout)?;
        let _turning = self.connections.mailbox.enter();
        let began = Instant::now();
        let now = self.clock.at(began);
        self.note_events();
        self.accept(now);
        let stops = self.connections.mailbox.stops();
        if stops > 0 {
            self.acceptor.close();
        }
        self.connections.turn(now, stops);
        self.dial(now);
        if self.connections.take_freed() {
            self.acceptor.relieved();
        }
        self.connections.end_turn(began);
        if self.is_done() {
            self.connections.mailbox.close();
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let connections = &self.connections;
        let may_wait = connections.mailbox.doze(connections.stops_seen()) && connections.is_idle();
        // The clock is read only for a wait.
        let timeout = if may_wait && timeout != Some(Duration::ZERO) {
            let patience = Duration::from_millis(self.patience());
            timeout.map_or(patience, |timeout| timeout.min(patience))
        } else {
            Duration::ZERO
        };
        let result = poll(&mut self.poll, &mut self.events, timeout);
        self.connections.mailbox.rise();
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
        let now = self.clock.ms();
        let mut until = (now + TICK).min(self.connections.due());
        if self.connections.room() > 0 {
            until = until.min(self.acceptor.due().unwrap_or(u64::MAX));
        }
        until.saturating_sub(now)
    }

    fn note_events(&mut self) {
        for event in &self.events {
            match event.token() {
                WAKER => {}
                Token(token) if token >= FIRST_LISTENER => self.acceptor.ready(),
                Token(token) => self.connections.mark(token as u32, event.into()),
            }
        }
    }

    fn accept(&mut self, now: Now) {
        let mut opened = Vec::new();
        let result = self
            .acceptor
            .accept(now.ms, self.connections.room(), |stream, peer, seal| {
                opened.push((stream, peer, seal.clone()))
            });
        for (stream, peer, seal) in opened {
            if !self.connections.admits(peer) {
                continue;
            }
            if let Err(error) = self.open(stream, peer, &seal, now) {
                self.connections.protocol.failed(error);
            }
        }
        if let Err(error) = result {
            self.connections.protocol.failed(error);
        }
    }

    fn open(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        seal: &Seal,
        now: Now,
    ) -> io::Result<()> {
        // What is sent is already coalesced; waiting for more would only add delay.
        stream.set_nodelay(true)?;
        self.register(&mut stream)?;
        #[cfg_attr(not(feature = "lens"), expect(unused_mut))]
        let mut wire = seal.wire(stream)?;
        #[cfg(feature = "lens")]
        wire.trace(self.taps.as_mut().and_then(|make| make(peer)));
        self.connections.open(wire, peer, now);
        Ok(())
    }

    /// Makes the connections that the protocol asks for.
    fn dial(&mut self, now: Now) {
        let dials = self.connections.take_dials();
        if dials.is_empty() {
            return;
        }
        for dial in dials {
            let wire = TcpStream::connect(dial.address).and_then(|mut stream| {
                self.register(&mut stream)?;
                dial.seal.wire(stream)
            });
            match wire {
                #[cfg_attr(not(feature = "lens"), expect(unused_mut))]
                Ok(mut wire) => {
                    #[cfg(feature = "lens")]
                    wire.trace(self.taps.as_mut().and_then(|make| make(dial.address)));
                    self.connections.dial(wire, dial, now);
                }
                Err(error) => self.connections.cannot_dial(dial, error.kind(), now),
            }
        }
    }

    /// Readiness of a stream will name the place that the next connection takes.
    fn register(&self, stream: &mut TcpStream) -> io::Result<()> {
        let token = Token(self.connections.next_index() as usize);
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, token, interests)
    }
}

/// Polls for at most `timeout`. The system counts whole milliseconds, and what asks it rounds up: so longer times are
/// rounded down, and a shorter one is slept through between two looks, which keeps an event waiting for no longer than
/// the caller would wait for it.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Duration) -> io::Result<()> {
    if timeout.is_zero() {
        return poll.poll(events, Some(timeout));
    }
    let (wait, nap) = split(timeout);
    poll.poll(events, Some(wait))?;
    if !nap.is_zero() && events.is_empty() {
        std::thread::sleep(nap);
        poll.poll(events, Some(Duration::ZERO))?;
    }
    Ok(())
}

/// How long the system waits for events, in whole milliseconds, and how long is slept if that is not at all.
fn split(timeout: Duration) -> (Duration, Duration) {
    let whole = Duration::from_millis(millis(timeout));
    match whole.is_zero() {
        true => (Duration::ZERO, timeout),
        false => (whole, Duration::ZERO),
    }
}

/// Closes the mailbox when its loop is gone, however it went: who sends then is told so.
struct Closer<L, O>(Option<Mailbox<L, O>>);

impl<L, O> Drop for Closer<L, O> {
    fn drop(&mut self) {
        if let Some(mailbox) = &self.0 {
            mailbox.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_it_may_be_and_none_is_a_spin() {
        for nanos in [
            0,
            1,
            100_000,
            999_999,
            1_000_000,
            1_000_001,
            1_999_999,
            5_500_000_000,
        ] {
            let timeout = Duration::from_nanos(nanos);
            let (wait, nap) = split(timeout);
            assert!(wait + nap <= timeout, "{timeout:?}");
            assert_eq!(wait.subsec_nanos() % 1_000_000, 0, "{timeout:?}");
            assert_eq!((wait + nap).is_zero(), timeout.is_zero(), "{timeout:?}");
        }
    }

    #[test]
    fn a_wait_of_less_than_a_millisecond_takes_less_than_one() {
        let mut system = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        // Whoever has a lot else to do takes longer now and then.
        let quick = (0..1_000).any(|_| {
            let began = Instant::now();
            poll(&mut system, &mut events, Duration::from_micros(100)).unwrap();
            let took = began.elapsed();
            assert!(took >= Duration::from_micros(100), "{took:?}");
            took < Duration::from_millis(1)
        });
        assert!(quick);
    }
}
