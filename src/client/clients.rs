//! The clients of a loop: looking up, connecting, waiting, and handing what arrives to each one's [`Talk`].

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::error::Error;
use super::talk::{Around, Next, PATIENCE, Talk};
use crate::command::{ClientId, Letter, Mailbox, Order};
use crate::net::{ConnectionId, Dial, Io, Now, Protocol, millis};
use crate::random::Random;
use crate::session::compression::Compressors;
use crate::slab::Slab;

/// How long looking up a name may take. The system's own limit is sooner; this one is for an answer that was lost.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// All clients of a loop.
pub(crate) struct Clients {
    clients: Slab<Client>,
    mailbox: Mailbox,
    random: Random,
    /// What its connections compress with.
    pub(super) compressors: Compressors,
    dials: Vec<Dial<Dialed>>,
    /// Connections that put off input because their handlers send so much to others: they go on behind that.
    crowded: Vec<u64>,
    generation: u32,
    draining: bool,
    /// Whose handlers may be running: if one of them panics, it is this client's.
    calling: Option<ClientId>,
}

struct Client {
    id: ClientId,
    talk: Box<dyn Talk>,
    phase: Phase,
    /// Addresses of its host that were not tried yet.
    addresses: VecDeque<SocketAddr>,
    quit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until this time.
    LookingUp(u64),
    Connecting,
    Connected(ConnectionId),
    /// The next try comes at this time.
    Waiting(u64),
}

/// What the loop keeps for a connection of a client's.
#[derive(Debug)]
pub(crate) struct Dialed {
    client: ClientId,
    peer: SocketAddr,
    /// It stood at some time, so that its end is not a failure to connect.
    stood: bool,
    error: Option<Error>,
}

impl Clients {
    pub(crate) fn new(mailbox: Mailbox) -> Clients {
        Clients {
            clients: Slab::new(),
            mailbox,
            random: Random::new(),
            compressors: Compressors::default(),
            dials: Vec::new(),
            crowded: Vec::new(),
            generation: 0,
            draining: false,
            calling: None,
        }
    }

    /// Lets a client do something. Its handlers may run, and one of them may panic: see [`Clients::drop_panicked`].
    fn let_talk<R>(
        &mut self,
        id: ClientId,
        call: impl FnOnce(&mut dyn Talk, &Mailbox, &mut Random) -> R,
    ) -> Option<R> {
        let client = self
            .clients
            .get_mut(id.index)
            .filter(|client| client.id == id)?;
        self.calling = Some(id);
        let result = call(&mut *client.talk, &self.mailbox, &mut self.random);
        self.calling = None;
        Some(result)
    }

    /// Drops the client whose handler has panicked, if one did: what is left of it is not to be relied on.
    pub(crate) fn drop_panicked(&mut self) {
        if let Some(id) = self.calling.take() {
            self.clients.remove(id.index);
        }
    }

    /// Begins a client at the next turn.
    pub(super) fn begin(&mut self, talk: Box<dyn Talk>) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let id = ClientId {
            index: self.clients.next_index(),
            generation: self.generation,
        };
        // It is due at once, whatever the time is.
        let phase = Phase::Waiting(0);
        self.clients.insert(Client {
            id,
            talk,
            phase,
            addresses: VecDeque::new(),
            quit: false,
        });
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    fn get(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients
            .get_mut(id.index)
            .filter(|client| client.id == id)
    }

    /// Finds out the addresses of a client's host. A name is looked up in a thread of its own, since the system's
    /// way to do it blocks; it ends with the look-up.
    fn look_up(&mut self, id: ClientId, now: Now) {
        let Some(client) = self.get(id) else { return };
        client.phase = Phase::LookingUp(now.ms.saturating_add(millis(LOOKUP_TIMEOUT)));
        let (host, port) = (client.talk.url().host.clone(), client.talk.url().port);
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.looked_up(id, vec![SocketAddr::new(address, port)], now);
        }
        let mailbox = self.mailbox.clone();
        let thread = std::thread::Builder::new().name("barewire-lookup".into());
        let spawned = thread.spawn(move || {
            let addresses = (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect)
                .unwrap_or_default();
            // Without a loop there is nobody left to tell.
            let _ = mailbox.order_last(Order::LookedUp(id, addresses));
        });
        if spawned.is_err() {
            self.looked_up(id, Vec::new(), now);
        }
    }

    pub(crate) fn looked_up(&mut self, id: ClientId, addresses: Vec<SocketAddr>, now: Now) {
        let Some(client) = self.get(id) else { return };
        if !matches!(client.phase, Phase::LookingUp(_)) {
            return;
        }
        if addresses.is_empty() {
            let error = Error::Lookup(client.talk.url().host.clone());
            return self.over(id, Some(error), now);
        }
        client.addresses = addresses.into();
        self.dial(id);
    }

    /// Connects to the next address. Says whether there was one.
    fn dial(&mut self, id: ClientId) -> bool {
        let Some(client) = self.get(id) else {
            return false;
        };
        let Some(peer) = client.addresses.pop_front() else {
            return false;
        };
        client.phase = Phase::Connecting;
        let connection = Dialed {
            client: id,
            peer,
            stood: false,
            error: None,
        };
        let dial = Dial::new(peer, PATIENCE, connection);
        #[cfg(feature = "tls")]
        let dial = match (client.talk.url(), client.talk.tls()) {
            (url, Some(tls)) if url.scheme.is_secure() => dial.secured(tls, &url.host),
            (url, None) if url.scheme.is_secure() => Err(crate::net::tls::Error::NoRoots),
            _ => Ok(dial),
        };
        #[cfg(feature = "tls")]
        let Ok(dial) = dial else {
            // URLs are checked for that. Nothing is sent then, least of all in plaintext; the next tick gives up.
            client.addresses.clear();
            client.phase = Phase::LookingUp(0);
            return true;
        };
        self.dials.push(dial);
        true
    }

    fn over(&mut self, id: ClientId, error: Option<Error>, now: Now) {
        let over = |talk: &mut dyn Talk, _: &_, random: &mut _| talk.over(error, now, random);
        let Some(next) = self.let_talk(id, over) else {
            return;
        };
        let draining = self.draining;
        match (next, self.get(id)) {
            (Next::Connect(wait), Some(client)) if !client.quit && !draining => {
                client.phase = Phase::Waiting(now.ms.saturating_add(millis(wait)));
            }
            _ => {
                self.clients.remove(id.index);
            }
        }
    }

    /// Ends a client: politely if it is connected.
    pub(crate) fn quit(&mut self, id: ClientId, now: Now) -> Option<ConnectionId> {
        let client = self.get(id)?;
        client.quit = true;
        match client.phase {
            Phase::Connected(connection) => return Some(connection),
            // A connection that is on its way is let go when it is there.
            Phase::Waiting(_) | Phase::LookingUp(_) | Phase::Connecting => {
                self.let_talk(id, |talk, _, _| talk.quit(None));
                self.over(id, None, now);
            }
        }
        None
    }

    /// Calls a connection's client.
    fn call(&mut self, connection: &Dialed, call: impl FnOnce(&mut dyn Talk, &mut Around<'_>)) {
        let peer = connection.peer;
        self.let_talk(connection.client, |talk, mailbox, random| {
            let mut around = Around {
                mailbox,
                random,
                peer,
            };
            call(talk, &mut around);
        });
    }
}

impl Protocol for Clients {
    type Connection = Dialed;
    type Letter = Letter;
    type Order = Order;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Dialed {
        // A loop of clients alone listens nowhere; whoever comes all the same is let go.
        io.abort();
        Dialed {
            client: ClientId {
                index: u32::MAX,
                generation: 0,
            },
            peer,
            stood: false,
            error: None,
        }
    }

    fn dialed(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        connection.stood = true;
        match self.get(connection.client) {
            Some(client) if !client.quit => client.phase = Phase::Connected(io.id),
            _ => return io.abort(),
        }
        self.call(connection, |talk, around| talk.connected(io, around));
    }

    fn received(&mut self, connection: &mut Dialed, input: &mut [u8], io: &mut Io<'_>) {
        self.call(connection, |talk, around| talk.received(input, io, around));
        if io.is_paused() {
            self.crowded.push(io.id.to_u64());
        }
    }

    fn ended(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        self.call(connection, |talk, around| talk.ended(io, around));
    }

    fn expired(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        self.call(connection, |talk, around| talk.expired(io, around));
    }

    fn resumed(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        self.call(connection, |talk, _| talk.resumed(io));
        if io.is_paused() {
            self.received(connection, &mut [], io);
        }
    }

    fn draining(&mut self, now: Now) {
        self.draining = true;
        let ids: Vec<ClientId> = self.clients.values().map(|client| client.id).collect();
        for id in ids {
            // Those that are connected say goodbye in `drain`.
            self.quit(id, now);
        }
    }

    fn drain(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        self.call(connection, |talk, _| talk.quit(Some(io)));
    }

    fn told(&mut self, connection: &mut Dialed, letter: Letter, io: &mut Io<'_>) {
        self.call(connection, |talk, _| match letter {
            Letter::Quit => talk.quit(Some(io)),
            letter => talk.told(letter, io),
        });
    }

    fn ordered(&mut self, order: Order, now: Now) {
        match order {
            Order::LookedUp(id, addresses) => self.looked_up(id, addresses, now),
            Order::Quit(id) => {
                if let Some(connection) = self.quit(id, now) {
                    // To the connection, which is what can say goodbye. The loop is there: it has just asked.
                    let _ = self.mailbox.send_last(connection, Letter::Quit);
                }
            }
            // For the other half of the program.
            #[cfg(feature = "server")]
            Order::Publish { .. } | Order::CatchUp => {}
        }
    }

    #[cfg(feature = "tls")]
    fn insecure(&mut self, connection: &mut Dialed, problem: crate::net::tls::Error) {
        connection.error = Some(Error::Tls(problem));
    }

    fn broke(&mut self, connection: &mut Dialed, error: ErrorKind) {
        connection.error.get_or_insert(Error::Connection(error));
    }

    fn closed(&mut self, _id: ConnectionId, connection: Dialed, now: Now) {
        if !connection.stood && self.dial(connection.client) {
            return;
        }
        self.over(connection.client, connection.error, now);
    }

    fn shared(&self, _connection: &Dialed) -> &[u8] {
        &[]
    }

    fn shared_sent(&mut self, _connection: &mut Dialed, _sent: usize) -> Option<bytes::Bytes> {
        None
    }

    fn take_woken(&mut self, _now: Now, woken: &mut Vec<u64>) {
        woken.append(&mut self.crowded);
    }

    fn take_dials(&mut self, dials: &mut Vec<Dial<Dialed>>) {
        dials.append(&mut self.dials);
    }

    fn due(&self) -> u64 {
        let waits = self.clients.values().map(|client| match client.phase {
            Phase::Waiting(until) | Phase::LookingUp(until) => until,
            _ => u64::MAX,
        });
        if self.dials.is_empty() && self.crowded.is_empty() {
            waits.min().unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    fn tick(&mut self, now: Now) {
        let due = |client: &&Client| match client.phase {
            Phase::Waiting(until) | Phase::LookingUp(until) => until <= now.ms,
            _ => false,
        };
        let due: Vec<(ClientId, Phase)> = self
            .clients
            .values()
            .filter(due)
            .map(|client| (client.id, client.phase))
            .collect();
        for (id, phase) in due {
            if let Phase::Waiting(_) = phase {
                self.look_up(id, now);
            } else {
                self.looked_up(id, Vec::new(), now);
            }
        }
    }

    fn failed(&mut self, _error: std::io::Error) {}
}
