//! A subscription, or a client that publishes, without sockets: the server is played by the program, and time passes when
//! it says so.
//!
//! It is what a loop does for one client, in a few lines: connections that are asked for are made or refused, bytes are
//! handed over, deadlines come at their time. So a whole life with all its connections takes microseconds, in tests and
//! under a fuzzer.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dialer::{Dialed, Dialer};
use super::error::Error;
use super::options::{Subscribe, Update};
use super::publication::{Outbox, Publish, Settled};
use crate::command::ClientId;
use crate::limits::{Limits, MAX_QUEUED};
use crate::net::{ConnectionId, Dial, Flow, Io, Loop, Now, Output, Protocol, millis};

impl Subscribe {
    /// Begins it without sockets, threads or a clock: for tests of what a program makes of its updates, and of what a
    /// server says.
    ///
    /// ```
    /// use barewire::{Subscribe, Transport, Update};
    ///
    /// let subscribe = Subscribe::to("http://127.0.0.1/stream").transport(Transport::EventStream);
    /// let mut simulation = subscribe.simulate()?;
    /// assert!(simulation.accept());
    /// assert!(simulation.take().starts_with(b"GET /stream HTTP/1.1\r\n"));
    /// simulation.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 42\n\n");
    /// let updates = simulation.updates();
    /// assert!(matches!(&updates[1], Update::Event(event) if event.data() == "42"));
    /// # Ok::<(), barewire::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Subscribe::open`].
    pub fn simulate(self) -> Result<Simulation, Error> {
        let mut simulation = Simulation::new()?;
        let into = Arc::clone(&simulation.updates);
        let handler = move |update| lock(&into).push(update);
        simulation.dialer.subscribe(self, Box::new(handler))?;
        simulation.tick();
        Ok(simulation)
    }
}

impl Publish {
    /// Begins it without sockets, threads or a clock: for tests of what a program makes of a server's answers.
    ///
    /// ```
    /// use barewire::Publish;
    ///
    /// let (mut simulation, outbox) = Publish::to("http://127.0.0.1/channels/a").simulate()?;
    /// outbox.send("42")?;
    /// simulation.turn();
    /// assert!(simulation.accept());
    /// assert!(simulation.take().starts_with(b"POST /channels/a HTTP/1.1\r\n"));
    /// simulation.say(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"id\":\"1-0\"}");
    /// let settled = simulation.updates();
    /// assert_eq!(settled[0].1.as_deref(), Ok("1-0"));
    /// # Ok::<(), barewire::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Publish::open`].
    pub fn simulate(self) -> Result<(Simulation<Settled>, Outbox), Error> {
        let mut simulation = Simulation::new()?;
        let into = Arc::clone(&simulation.updates);
        let handler = move |post, result| lock(&into).push((post, result));
        let outbox = simulation.dialer.publish(self, Box::new(handler))?;
        simulation.looks = Some(outbox.client());
        Ok((simulation, outbox))
    }
}

type Updates<U> = Arc<Mutex<Vec<U>>>;

fn lock<U>(updates: &Updates<U>) -> MutexGuard<'_, Vec<U>> {
    updates.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client whose server is played by the program: see [`Subscribe::simulate`] and [`Publish::simulate`]. Its URL has an
/// address in place of a name, as names are looked up in a thread.
pub struct Simulation<U = Update> {
    dialer: Dialer,
    now: Now,
    /// Connections that were asked for and are not made yet.
    dials: Vec<Dial<Dialed>>,
    line: Option<Line>,
    connections: u32,
    sent: Vec<u8>,
    updates: Updates<U>,
    /// Who has to look at what its handles have put in: here no loop carries their orders.
    looks: Option<ClientId>,
}

/// A connection that stands.
struct Line {
    id: ConnectionId,
    dialed: Dialed,
    flow: Flow,
}

impl<U> std::fmt::Debug for Simulation<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").finish_non_exhaustive()
    }
}

impl<U> Simulation<U> {
    fn new() -> Result<Simulation<U>, Error> {
        let limits = Limits::default().net_limits();
        Ok(Simulation {
            dialer: Loop::new(limits, MAX_QUEUED, Dialer::new)?.into_protocol(),
            now: Now { ms: 0, unix_ms: 0 },
            dials: Vec::new(),
            line: None,
            connections: 0,
            sent: Vec::new(),
            updates: Arc::default(),
            looks: None,
        })
    }

    /// Lets the client take what was put into its outbox.
    pub fn turn(&mut self) {
        if let Some(id) = self.looks {
            self.dialer.look(id, self.now);
        }
        self.tick();
    }

    /// Makes the connection that the client asks for. Returns whether it asked for one.
    pub fn accept(&mut self) -> bool {
        let Some(dial) = self.next_dial() else {
            return false;
        };
        self.connections += 1;
        self.line = Some(Line {
            id: ConnectionId::from_u64(u64::from(self.connections) << 32),
            dialed: dial.connection,
            flow: Flow::new(),
        });
        self.call(|dialer, dialed, io| dialer.dialed(dialed, io));
        true
    }

    /// Refuses the connection that the client asks for. Returns whether it asked for one.
    pub fn refuse(&mut self) -> bool {
        let Some(mut dial) = self.next_dial() else {
            return false;
        };
        let id = ConnectionId::from_u64(u64::MAX);
        self.dialer
            .on_error(&mut dial.connection, ErrorKind::ConnectionRefused);
        self.dialer.closed(id, dial.connection, self.now);
        self.tick();
        true
    }

    fn next_dial(&mut self) -> Option<Dial<Dialed>> {
        (!self.dials.is_empty()).then(|| self.dials.remove(0))
    }

    /// Takes what the client has sent.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// The server says this, if it is connected.
    pub fn say(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.call(|dialer, dialed, io| dialer.received(dialed, &mut bytes, io));
    }

    /// The server ends the connection.
    pub fn end(&mut self) {
        self.call(|dialer, dialed, io| dialer.ended(dialed, io));
        self.disconnect();
    }

    /// The connection breaks.
    pub fn reset(&mut self) {
        if let Some(line) = &mut self.line {
            self.dialer
                .on_error(&mut line.dialed, ErrorKind::ConnectionReset);
        }
        self.disconnect();
    }

    /// Lets at most this time pass, until the client asks for a connection or sends something. Returns how long that
    /// took.
    pub fn wait(&mut self, time: Duration) -> Duration {
        let before = self.now.ms;
        let end = before.saturating_add(millis(time));
        while self.dials.is_empty() && self.sent.is_empty() {
            let deadline = self.line.as_ref().map_or(u64::MAX, |l| l.flow.deadline);
            let due = deadline.min(self.dialer.due()).max(self.now.ms);
            if due > end || due == u64::MAX {
                self.now.ms = end;
                break;
            }
            self.now.ms = due;
            if deadline <= due {
                if let Some(line) = &mut self.line {
                    line.flow.deadline = u64::MAX;
                }
                self.call(|dialer, dialed, io| dialer.expired(dialed, io));
            }
            self.tick();
        }
        Duration::from_millis(self.now.ms - before)
    }

    /// Whether a connection stands.
    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// Whether nothing will come any more.
    pub fn is_ended(&self) -> bool {
        self.dialer.len() == 0
    }

    /// Takes what the program was told since the last call.
    pub fn updates(&mut self) -> Vec<U> {
        std::mem::take(&mut *lock(&self.updates))
    }

    fn tick(&mut self) {
        self.dialer.tick(self.now);
        self.dialer.take_dials(&mut self.dials);
        let mut woken = Vec::new();
        self.dialer.take_woken(self.now, &mut woken);
        if self
            .line
            .as_ref()
            .is_some_and(|line| woken.contains(&line.id.to_u64()))
        {
            self.call(|dialer, dialed, io| dialer.resumed(dialed, io));
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut Dialer, &mut Dialed, &mut Io<'_>)) {
        let Some(line) = &mut self.line else { return };
        let mut out = Output::new();
        let mut io = Io::new(line.id, self.now, &mut out, 0, &mut line.flow);
        call(&mut self.dialer, &mut line.dialed, &mut io);
        if !line.flow.aborted {
            self.sent.extend_from_slice(out.buffer());
        }
        if line.flow.closing || line.flow.aborted {
            self.disconnect();
        }
    }

    fn disconnect(&mut self) {
        if let Some(line) = self.line.take() {
            self.dialer.closed(line.id, line.dialed, self.now);
            self.tick();
        }
    }
}
