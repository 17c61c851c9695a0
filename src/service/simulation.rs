//! A server without sockets or a clock: for tests of a program's handlers, and of this crate.
//!
//! It stands where the loop stands: it calls the same [`Protocol`] in the same order (input, letters, wake-ups, deadlines,
//! the shared bytes at the end), so that a test sees the bytes that a client would. What it leaves out is the system: nothing is
//! ever half written unless the test says how much a client takes.

use std::time::{Duration, Instant};

use super::shared::Service;
use super::state::Connection;
use crate::net::{ConnectionId, Flow, Io, Now, Output, Post, Protocol, Traffic, millis, unix_ms};

/// A [`Server`](crate::Server) whose clients are byte vectors and whose time passes only by [`Simulation::wait`].
///
/// Everything that a connection does happens inside the call that causes it, so a test needs no threads, no sleeps
/// and no ports:
///
/// ```
/// use std::time::Duration;
/// let mut server = barewire::Server::unbound()?;
/// server.get("/", |_request, reply| reply.text("hello"));
/// let mut server = server.simulate();
///
/// let client = server.connect();
/// server.send(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
/// assert!(server.take(client).ends_with(b"\r\n\r\nhello"));
///
/// server.wait(Duration::from_secs(75));       // the keep-alive time
/// assert!(!server.is_open(client));
/// # Ok::<(), barewire::Error>(())
/// ```
pub struct Simulation {
    service: Service,
    clients: Vec<Client>,
    now: Now,
    output: Output,
    /// Bytes that clients have sent and the server has read.
    read: u64,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("clients", &self.clients.len())
            .field("now", &self.now)
            .finish()
    }
}

struct Client {
    id: ConnectionId,
    /// Until it is closed.
    connection: Option<Connection>,
    flow: Flow,
    /// Sent to the client, and not taken by the test.
    received: Vec<u8>,
    /// How much the test has taken.
    taken: usize,
    /// The client does not read: nothing more is written to it than this many bytes in all.
    stalled_at: Option<usize>,
    backlog: Vec<u8>,
    /// What it sends while it is not read from.
    unread: Vec<u8>,
}

/// How often the connections that were woken are looked after in one step; more means that they wake each other
/// for ever.
const ROUNDS: usize = 1_000;

impl Simulation {
    pub(crate) fn new(service: Service) -> Simulation {
        let now = Now {
            ms: 0,
            unix_ms: unix_ms(),
        };
        let mut simulation = Simulation {
            service,
            clients: Vec::new(),
            now,
            output: Output::new(),
            read: 0,
        };
        simulation.tell_time();
        simulation
    }

    #[cfg(all(test, feature = "backend"))]
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// A client connects.
    pub fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId::from_u64(self.clients.len() as u64);
        let mut flow = Flow::new();
        let mut io = Io::new(id, self.now, &mut self.output, 0, &mut flow);
        let connection = self.service.opened(([127, 0, 0, 1], 1).into(), &mut io);
        let (received, backlog, unread) = (Vec::new(), Vec::new(), Vec::new());
        self.clients.push(Client {
            id,
            connection: Some(connection),
            flow,
            received,
            taken: 0,
            stalled_at: None,
            backlog,
            unread,
        });
        self.settle();
        id
    }

    /// The client sends bytes. They arrive at once and in one piece, unless the server has stopped reading from it:
    /// then they wait.
    pub fn send(&mut self, client: ConnectionId, bytes: &[u8]) {
        let Some(at) = self.at(client) else { return };
        self.clients[at].unread.extend_from_slice(bytes);
        self.settle();
    }

    /// The client closes its half of the connection.
    pub fn end(&mut self, client: ConnectionId) {
        self.call(client, |service, connection, io| {
            service.ended(connection, io)
        });
        self.settle();
    }

    /// The client stops reading when it has taken `after` more bytes. [`Simulation::take`] takes what it got.
    pub fn stall(&mut self, client: ConnectionId, after: usize) {
        if let Some(at) = self.at(client) {
            let client = &mut self.clients[at];
            client.stalled_at = Some(client.received.len() + after);
        }
    }

    /// The client reads again.
    pub fn resume(&mut self, client: ConnectionId) {
        if let Some(at) = self.at(client) {
            let client = &mut self.clients[at];
            client.stalled_at = None;
            let backlog = std::mem::take(&mut client.backlog);
            client.received.extend_from_slice(&backlog);
            self.call(client_id(at), |service, connection, io| {
                service.resumed(connection, io)
            });
            self.settle();
        }
    }

    /// What the server has sent to the client since the last time. Empty if it has sent nothing.
    pub fn take(&mut self, client: ConnectionId) -> Vec<u8> {
        match self.at(client) {
            Some(at) => {
                let client = &mut self.clients[at];
                let taken = std::mem::take(&mut client.received);
                client.taken += taken.len();
                client.stalled_at = client
                    .stalled_at
                    .map(|limit| limit.saturating_sub(taken.len()));
                taken
            }
            None => Vec::new(),
        }
    }

    /// Whether the server has not closed the connection.
    pub fn is_open(&self, client: ConnectionId) -> bool {
        self.at(client)
            .is_some_and(|at| self.clients[at].connection.is_some())
    }

    /// How long it takes from now until this connection's deadline, if nothing happens before.
    pub fn deadline(&self, client: ConnectionId) -> Option<Duration> {
        let client = &self.clients[self.at(client)?];
        client.connection.as_ref()?;
        let at = client.flow.deadline;
        (at != u64::MAX).then(|| Duration::from_millis(at.saturating_sub(self.now.ms)))
    }

    /// Time passes, and every deadline in it comes at its moment.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now.ms.saturating_add(millis(time));
        while let Some((at, client)) = self.next_deadline().filter(|&(at, _)| at <= end) {
            self.wait_for_service(at);
            self.set_time(at.max(self.now.ms));
            if let Some(index) = self.at(client) {
                self.clients[index].flow.deadline = u64::MAX;
            }
            self.call(client, |service, connection, io| {
                service.expired(connection, io)
            });
            self.settle();
        }
        self.wait_for_service(end);
        self.set_time(end);
        self.settle();
    }

    /// Time passes up to `end`, as far as there is something that the service wants to do in it.
    fn wait_for_service(&mut self, end: u64) {
        while (self.now.ms + 1..end).contains(&self.service.due()) {
            self.set_time(self.service.due());
            self.settle();
        }
    }

    /// The wall clock is set: it shows this time since 1970 from now on, and goes on from there. Deadlines, waits and ages
    /// go by another clock and know nothing of it.
    pub fn set_unix_time(&mut self, since_1970: Duration) {
        self.now.unix_ms = millis(since_1970);
        self.tell_time();
    }

    fn tell_time(&mut self) {
        if let Some(meter) = &mut self.service.meter {
            meter.set_time(self.now);
        }
    }

    /// The server begins to shut down, as by [`Stopper::stop`](crate::Stopper::stop).
    pub fn stop(&mut self) {
        self.service.draining(self.now);
        self.settle();
        for index in 0..self.clients.len() {
            self.call(client_id(index), |service, connection, io| {
                service.drain(connection, io)
            });
        }
        self.settle();
    }

    fn at(&self, client: ConnectionId) -> Option<usize> {
        let index = usize::try_from(client.to_u64()).ok()?;
        (index < self.clients.len()).then_some(index)
    }

    fn set_time(&mut self, ms: u64) {
        self.now.unix_ms = self
            .now
            .unix_ms
            .saturating_add(ms.saturating_sub(self.now.ms));
        self.now.ms = ms;
        self.tell_time();
    }

    fn next_deadline(&self) -> Option<(u64, ConnectionId)> {
        let open = self
            .clients
            .iter()
            .filter(|client| client.connection.is_some());
        let due = open
            .map(|client| (client.flow.deadline, client.id))
            .filter(|&(at, _)| at != u64::MAX);
        due.min_by_key(|&(at, _)| at)
    }

    fn call(
        &mut self,
        client: ConnectionId,
        call: impl FnOnce(&mut Service, &mut Connection, &mut Io<'_>),
    ) {
        let _turning = self.service.mailbox.enter();
        let Some(at) = self.at(client) else { return };
        let client = &mut self.clients[at];
        let Some(connection) = &mut client.connection else {
            return;
        };
        let mut io = Io::new(
            client.id,
            self.now,
            &mut self.output,
            client.backlog.len(),
            &mut client.flow,
        );
        call(&mut self.service, connection, &mut io);
        let sent = self.output.to_vec(&[]);
        self.output.clear();
        client.write(&sent);
        if client.flow.closing || client.flow.aborted {
            if let Some(connection) = client.connection.take() {
                self.service.closed(client.id, connection, self.now);
            }
        }
        self.pump(at);
    }

    /// Everything that follows from the last step, until nothing more does.
    fn settle(&mut self) {
        let _turning = self.service.mailbox.enter();
        self.service.tick(self.now);
        for _ in 0..ROUNDS {
            let mut idle = true;
            for post in self.service.take_posts() {
                idle = false;
                match post {
                    Post::Order(order) => self.service.on_order(order, self.now),
                    Post::Letter(to, letter) => self.call(to, |service, connection, io| {
                        service.on_letter(connection, letter, io)
                    }),
                }
            }
            let mut woken = Vec::new();
            self.service.take_woken(self.now, &mut woken);
            for id in woken {
                idle = false;
                self.resume_writable(ConnectionId::from_u64(id));
            }
            for index in 0..self.clients.len() {
                idle &= !self.deliver(index);
            }
            idle &= !self.end_turn();
            if idle {
                return;
            }
        }
    }

    /// The turn is over. Returns whether somebody wanted to look at all connections.
    fn end_turn(&mut self) -> bool {
        if !self.service.turned(Instant::now()) {
            return false;
        }
        let mut traffic = Traffic {
            accepted: self.clients.len() as u64,
            received: self.read,
            sent: 0,
        };
        for client in &self.clients {
            traffic.sent += (client.taken + client.received.len()) as u64;
            if let Some(connection) = &client.connection {
                self.service.survey(connection, client.backlog.len());
            }
        }
        self.service.surveyed(traffic);
        true
    }

    /// Gives the server what the client has sent, if it reads. Says whether it did.
    fn deliver(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        let high_water = self.service.high_water();
        if client.unread.is_empty() || client.flow.paused || client.backlog.len() >= high_water {
            return false;
        }
        let mut input = std::mem::take(&mut client.unread);
        self.read += input.len() as u64;
        self.call(client_id(index), |service, connection, io| {
            service.received(connection, &mut input, io)
        });
        true
    }

    fn resume_writable(&mut self, client: ConnectionId) {
        if self
            .at(client)
            .is_some_and(|at| self.clients[at].is_writable())
        {
            self.call(client, |service, connection, io| {
                service.resumed(connection, io)
            });
        }
    }

    /// What the client shares with others, as far as it takes it.
    fn pump(&mut self, index: usize) {
        let client = &mut self.clients[index];
        while client.is_writable() {
            let Some(connection) = &mut client.connection else {
                return;
            };
            let shared = self.service.shared(connection).to_vec();
            let room = client.stalled_at.map_or(usize::MAX, |limit| {
                limit.saturating_sub(client.received.len())
            });
            let sent = shared.len().min(room);
            if sent == 0 {
                return;
            }
            client.received.extend_from_slice(&shared[..sent]);
            if let Some(rest) = self.service.shared_sent(connection, sent) {
                client.write(&rest);
            }
        }
    }
}

impl Client {
    fn is_writable(&self) -> bool {
        self.backlog.is_empty()
            && self
                .stalled_at
                .is_none_or(|limit| self.received.len() < limit)
    }

    fn write(&mut self, bytes: &[u8]) {
        let room = match self.stalled_at {
            _ if !self.backlog.is_empty() => 0,
            None => bytes.len(),
            Some(limit) => limit.saturating_sub(self.received.len()).min(bytes.len()),
        };
        self.received.extend_from_slice(&bytes[..room]);
        self.backlog.extend_from_slice(&bytes[room..]);
    }
}

fn client_id(index: usize) -> ConnectionId {
    ConnectionId::from_u64(index as u64)
}
