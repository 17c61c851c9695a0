//! The clients of a loop, and everything that one does without a connection: it looks up a name, dials one address after
//! the other, and waits.
//!
//! ```text
//!   begin ──► Waiting ──► LookingUp ──► Connecting ──► Connected
//!                ▲            │ no address  │ no more       │ closed
//!                │            ▼             ▼ addresses     ▼
//!                ├── wait ── disconnected: Talk says what comes next ── end ──► gone
//!                │                │ rest
//!                └── look ── Resting
//! ```
//!
//! The invariant: **a client that waits for a time, of its phase or of its own, has one entry in the deadlines, and no other
//! has one**; phases change in [`Dialer::enter`] and clients go in [`Dialer::remove`], and nowhere else. So what a turn of the loop costs does not
//! depend on how many clients there are.
//!
//! It is the [`Protocol`] of a loop of clients alone, and one half of a program's that serves too. What arrives goes to
//! the client's [`Talk`]; a client that is gone by then is named by its id in vain.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::error::Error;
use super::talk::{Around, PATIENCE, Sequel, Talk};
use crate::command::{ClientId, Letter, Mailbox, Order};
use crate::net::{ConnectionId, Dial, Io, Now, Protocol, millis};
use crate::random::Random;
use crate::session::compression::Compressors;
use crate::slab::Slab;

/// How long looking up a name may take. The system's own limit is sooner; this one is for an answer that was lost.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// All clients of a loop.
pub(crate) struct Dialer {
    clients: Slab<Caller>,
    /// When a client wants to be called although nothing happens, and its place: the soonest first.
    deadlines: BTreeSet<(u64, u32)>,
    pub(super) mailbox: Mailbox,
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

/// One client, with or without a connection.
struct Caller {
    id: ClientId,
    talk: Box<dyn Talk>,
    phase: Phase,
    /// Its entry in the deadlines; `u64::MAX` if it has none.
    until: u64,
    /// Addresses of its host that were not tried yet.
    addresses: VecDeque<SocketAddr>,
    quit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For at most until this time, in milliseconds of the loop.
    LookingUp(u64),
    Connecting,
    Connected(ConnectionId),
    /// The next try comes at this time.
    Waiting(u64),
    /// It has nothing to do.
    Resting,
}

impl Phase {
    /// When it ends by itself.
    fn deadline(self) -> u64 {
        match self {
            Phase::LookingUp(until) | Phase::Waiting(until) => until,
            Phase::Connecting | Phase::Connected(_) | Phase::Resting => u64::MAX,
        }
    }
}

/// What the loop keeps for a connection of a client's.
#[derive(Debug)]
pub(crate) struct Dialed {
    /// `None` for who was not dialed, but came by itself.
    client: Option<ClientId>,
    peer: SocketAddr,
    /// It stood at some time, so that its end is not a failure to connect.
    stood: bool,
    error: Option<Error>,
}

impl Dialer {
    pub(crate) fn new(mailbox: Mailbox) -> Dialer {
        Dialer {
            clients: Slab::new(),
            deadlines: BTreeSet::new(),
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

    /// Lets a client do something. Its handlers may run, and one of them may panic: see [`Dialer::drop_panicked`].
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
            self.remove(id);
        }
    }

    /// Begins a client at the next turn.
    pub(crate) fn begin(&mut self, talk: Box<dyn Talk>) -> ClientId {
        let id = self.add(talk);
        // It is due at once, whatever the time is.
        self.enter(id, Phase::Waiting(0));
        id
    }

    /// Adds a client that has nothing to do yet.
    pub(super) fn add(&mut self, talk: Box<dyn Talk>) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let id = ClientId {
            index: self.clients.next_index(),
            generation: self.generation,
        };
        self.clients.insert(Caller {
            id,
            talk,
            phase: Phase::Resting,
            until: u64::MAX,
            addresses: VecDeque::new(),
            quit: false,
        });
        id
    }

    /// Takes a client into another phase.
    fn enter(&mut self, id: ClientId, phase: Phase) {
        let Some(client) = self.get(id) else { return };
        client.phase = phase;
        // A connection has a deadline of its own.
        let own = match phase {
            Phase::Connected(_) => u64::MAX,
            _ => client.talk.due(),
        };
        let until = phase.deadline().min(own);
        let before = std::mem::replace(&mut client.until, until);
        self.deadlines.remove(&(before, id.index));
        if until != u64::MAX {
            self.deadlines.insert((until, id.index));
        }
    }

    /// Lets a client go.
    fn remove(&mut self, id: ClientId) {
        let Some(client) = self.get(id) else { return };
        let until = client.until;
        self.deadlines.remove(&(until, id.index));
        self.clients.remove(id.index);
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    fn get(&mut self, id: ClientId) -> Option<&mut Caller> {
        self.clients
            .get_mut(id.index)
            .filter(|client| client.id == id)
    }

    /// Finds out the addresses of a client's host. A name is looked up in a thread of its own, since the system's
    /// way to do it blocks; it ends with the look-up.
    fn look_up(&mut self, id: ClientId, now: Now) {
        let until = now.ms.saturating_add(millis(LOOKUP_TIMEOUT));
        self.enter(id, Phase::LookingUp(until));
        let Some(client) = self.get(id) else { return };
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

    pub(crate) fn looked_up(&mut self, id: ClientId, mut addresses: Vec<SocketAddr>, now: Now) {
        let Some(client) = self.get(id) else { return };
        if !matches!(client.phase, Phase::LookingUp(_)) {
            return;
        }
        if !addresses.is_empty() {
            client.talk.admit(&mut addresses);
        }
        if addresses.is_empty() {
            let error = Error::Lookup(client.talk.url().host.clone());
            return self.disconnected(id, Some(error), now);
        }
        client.addresses = addresses.into();
        self.dial(id, now);
    }

    /// The only client that waits for its time.
    #[cfg(all(test, feature = "webhook"))]
    pub(crate) fn only(&self) -> ClientId {
        let waiting = |client: &&Caller| matches!(client.phase, Phase::Waiting(_));
        let mut waiting = self.clients.values().filter(waiting);
        let only = waiting.next().map(|client| client.id);
        assert!(waiting.next().is_none());
        only.unwrap()
    }

    /// Its look-up, by a stand-in for the system's resolver.
    #[cfg(all(test, feature = "webhook"))]
    pub(crate) fn look_up_with(&mut self, id: ClientId, addresses: Vec<SocketAddr>, now: Now) {
        self.enter(id, Phase::LookingUp(u64::MAX));
        self.looked_up(id, addresses, now);
    }

    /// Connects to the next address. Says whether there was one.
    fn dial(&mut self, id: ClientId, now: Now) -> bool {
        let address = self.get(id).and_then(|client| client.addresses.pop_front());
        let Some(peer) = address else { return false };
        self.enter(id, Phase::Connecting);
        let patience = self
            .get(id)
            .map_or(PATIENCE, |client| client.talk.patience());
        let connection = Dialed {
            client: Some(id),
            peer,
            stood: false,
            error: None,
        };
        match self.secured(id, Dial::new(peer, patience, connection)) {
            Ok(dial) => self.dials.push(dial),
            Err(error) => self.disconnected(id, Some(error), now),
        }
        true
    }

    /// The same connection, over TLS where the client's URL asks for it. URLs are checked before, so that this does not
    /// fail; if it did, nothing would be sent, least of all in plaintext.
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::unused_self, clippy::unnecessary_wraps)
    )]
    fn secured(&mut self, _id: ClientId, dial: Dial<Dialed>) -> Result<Dial<Dialed>, Error> {
        #[cfg(feature = "tls")]
        if let Some(client) = self.get(_id) {
            let url = client.talk.url();
            if url.scheme.is_secure() {
                let tls = client.talk.tls().ok_or(crate::net::tls::Error::NoRoots)?;
                return Ok(dial.secured(tls, &url.host)?);
            }
        }
        Ok(dial)
    }

    /// A client's connection is gone, or there never was one: it goes on, or ends.
    fn disconnected(&mut self, id: ClientId, error: Option<Error>, now: Now) {
        let sequel =
            |talk: &mut dyn Talk, _: &_, random: &mut _| talk.disconnected(error, now, random);
        let Some(next) = self.let_talk(id, sequel) else {
            return;
        };
        let draining = self.draining;
        match (next, self.get(id)) {
            (Sequel::Connect(wait), Some(client)) if !client.quit && !draining => {
                self.enter(id, Phase::Waiting(now.ms.saturating_add(millis(wait))));
            }
            (Sequel::Rest, Some(client)) if !client.quit && !draining => {
                self.enter(id, Phase::Resting);
            }
            _ => self.remove(id),
        }
    }

    /// Lets a client look at what its handles have for it, or at the time: it may have something to do, or no more.
    pub(super) fn look(&mut self, id: ClientId, now: Now) {
        match self.get(id).map(|client| client.phase) {
            // Its turn comes with the connection.
            Some(Phase::Connected(connection)) => self.crowded.push(connection.to_u64()),
            Some(Phase::Waiting(_) | Phase::Resting) => {
                self.let_talk(id, |talk, _, _| talk.look(now));
                self.disconnected(id, None, now);
            }
            Some(phase @ (Phase::LookingUp(_) | Phase::Connecting)) => {
                self.let_talk(id, |talk, _, _| talk.look(now));
                self.enter(id, phase);
            }
            None => {}
        }
    }

    /// Ends a client: politely if it is connected.
    pub(crate) fn quit(&mut self, id: ClientId, now: Now) -> Option<ConnectionId> {
        let client = self.get(id)?;
        client.quit = true;
        match client.phase {
            Phase::Connected(connection) => return Some(connection),
            // A connection that is on its way is let go when it is there.
            Phase::Waiting(_) | Phase::LookingUp(_) | Phase::Connecting | Phase::Resting => {
                self.let_talk(id, |talk, _, _| talk.quit(None));
                self.disconnected(id, None, now);
            }
        }
        None
    }

    /// Calls a connection's client.
    fn call(&mut self, connection: &Dialed, call: impl FnOnce(&mut dyn Talk, &mut Around<'_>)) {
        let peer = connection.peer;
        let Some(id) = connection.client else { return };
        self.let_talk(id, |talk, mailbox, random| {
            let mut around = Around {
                mailbox,
                random,
                peer,
            };
            call(talk, &mut around);
        });
    }
}

impl Protocol for Dialer {
    type Connection = Dialed;
    type Letter = Letter;
    type Order = Order;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Dialed {
        // A loop of clients alone listens nowhere; whoever comes all the same is let go.
        io.abort();
        Dialed {
            client: None,
            peer,
            stood: false,
            error: None,
        }
    }

    fn dialed(&mut self, connection: &mut Dialed, io: &mut Io<'_>) {
        connection.stood = true;
        let client = connection.client.and_then(|id| self.get(id));
        match client.filter(|client| !client.quit).map(|client| client.id) {
            Some(id) => self.enter(id, Phase::Connected(io.id)),
            None => return io.abort(),
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

    fn on_letter(&mut self, connection: &mut Dialed, letter: Letter, io: &mut Io<'_>) {
        self.call(connection, |talk, _| match letter {
            Letter::Quit => talk.quit(Some(io)),
            letter => talk.on_letter(letter, io),
        });
    }

    fn on_order(&mut self, order: Order, now: Now) {
        match order {
            Order::LookedUp(id, addresses) => self.looked_up(id, addresses, now),
            Order::Look(id) => self.look(id, now),
            Order::Quit(id) => {
                if let Some(connection) = self.quit(id, now) {
                    // To the connection, which is what can say goodbye. The loop is there: it has just asked.
                    let _ = self.mailbox.send_last(connection, Letter::Quit);
                }
            }
            // For the other half of the program.
            #[cfg(feature = "server")]
            Order::Publish { .. } | Order::CatchUp | Order::Measure(_) => {}
            #[cfg(feature = "backend")]
            Order::Report(_) => {}
            #[cfg(all(feature = "backend", feature = "webhook"))]
            Order::News(_) => {}
        }
    }

    #[cfg(feature = "tls")]
    fn on_tls_error(&mut self, connection: &mut Dialed, problem: crate::net::tls::Error) {
        connection.error = Some(Error::Tls(problem));
    }

    fn on_error(&mut self, connection: &mut Dialed, error: ErrorKind) {
        connection.error.get_or_insert(Error::Connection(error));
    }

    fn closed(&mut self, _id: ConnectionId, connection: Dialed, now: Now) {
        let Some(id) = connection.client else { return };
        if !connection.stood && self.dial(id, now) {
            return;
        }
        self.disconnected(id, connection.error, now);
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
        let soonest = self.deadlines.first().map(|&(until, _)| until);
        if self.dials.is_empty() && self.crowded.is_empty() {
            soonest.unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    fn tick(&mut self, now: Now) {
        // What they enter lies ahead, but for waits of no time at all, which are taken in the next turn.
        let due: Vec<u32> = self
            .deadlines
            .range(..=(now.ms, u32::MAX))
            .map(|&(_, index)| index)
            .collect();
        for index in due {
            let client = self.clients.get(index);
            match client.map(|client| (client.id, client.phase)) {
                Some((id, phase)) if phase.deadline() > now.ms => self.look(id, now),
                Some((id, Phase::Waiting(_))) => self.look_up(id, now),
                Some((id, Phase::LookingUp(_))) => self.looked_up(id, Vec::new(), now),
                _ => {}
            }
        }
    }

    fn failed(&mut self, _error: std::io::Error) {}
}
