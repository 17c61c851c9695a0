//! A server and clients on one loop.
//!
//! To the loop a program is one [`Protocol`]; each connection belongs to one of its halves, and every call is handed to that one. The
//! server's half catches the panics of handlers where it calls them, because it knows what to answer then; those of clients'
//! handlers are caught here, where the client that ran can be taken out.
//!
//! It costs one word to tell which half a connection belongs to, and nothing where clients are not built in: then there is
//! no other half (`without_clients`).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

#[cfg(feature = "client")]
use crate::client::{Dialed, Dialer};
use crate::command::{Letter, Order};
use crate::error::Error;
use crate::net::{ConnectionId, Dial, Io, Now, Protocol, Traffic};
use crate::service::{Connection as Served, Service};

#[cfg(all(test, feature = "client"))]
mod tests;
#[cfg(not(feature = "client"))]
mod without_clients;
#[cfg(not(feature = "client"))]
use without_clients::Dialed;
#[cfg(not(feature = "client"))]
pub(crate) use without_clients::Dialer;

/// What a program does on its loop: it serves who comes, and talks to whom it dials.
pub(crate) struct Program {
    pub(crate) service: Service,
    pub(crate) clients: Dialer,
    /// What sends channels to other servers, if this program does.
    #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
    pub(crate) webhooks: Option<Box<crate::webhook::Webhooks>>,
}

/// A connection of either kind.
pub(crate) enum Connection {
    Served(Served),
    Dialed(Dialed),
}

/// What an idle connection costs is hardly more than this.
const _: () = assert!(size_of::<Connection>() <= 152);

impl Program {
    /// Calls the clients. A panic in a handler of one of them ends that client, and nothing else: says whether there
    /// was none.
    fn clients(&mut self, call: impl FnOnce(&mut Dialer)) -> bool {
        let called = catch_unwind(AssertUnwindSafe(|| call(&mut self.clients)));
        if called.is_err() {
            self.clients.drop_panicked();
            self.service.report(&Error::Panicked);
        }
        called.is_ok()
    }
}

/// Calls the half of the program that a connection belongs to.
macro_rules! either {
    ($program:ident, $connection:expr, $io:ident, $half:ident, $inner:ident => $call:expr) => {
        match $connection {
            Connection::Served($inner) => {
                let $half = &mut $program.service;
                $call
            }
            Connection::Dialed($inner) => {
                if !$program.clients(|$half| $call) {
                    $io.abort();
                }
            }
        }
    };
}

impl Protocol for Program {
    type Connection = Connection;
    type Letter = Letter;
    type Order = Order;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Connection {
        Connection::Served(self.service.opened(peer, io))
    }

    fn dialed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.dialed(inner, io));
    }

    fn received(&mut self, connection: &mut Connection, input: &mut [u8], io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.received(inner, input, io));
    }

    fn ended(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.ended(inner, io));
    }

    fn expired(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.expired(inner, io));
    }

    fn resumed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.resumed(inner, io));
    }

    fn draining(&mut self, now: Now) {
        self.service.draining(now);
        #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
        if let Some(webhooks) = &mut self.webhooks {
            webhooks.drain();
        }
        // Who is left when a handler panics is told then.
        for _ in 0..=self.clients.len() {
            if self.clients(|clients| clients.draining(now)) {
                return;
            }
        }
    }

    fn drain(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.drain(inner, io));
    }

    fn on_letter(&mut self, connection: &mut Connection, letter: Letter, io: &mut Io<'_>) {
        either!(self, connection, io, half, inner => half.on_letter(inner, letter, io));
    }

    fn on_order(&mut self, order: Order, now: Now) {
        match order {
            #[cfg(feature = "client")]
            Order::LookedUp(..) | Order::Look(_) | Order::Quit(_) => {
                self.clients(|clients| clients.on_order(order, now));
            }
            #[cfg(all(feature = "webhook", feature = "backend", feature = "client"))]
            Order::News(news) => {
                if let Some(webhooks) = &mut self.webhooks {
                    webhooks.told(news, &mut self.service.channels, now);
                }
            }
            order => self.service.on_order(order, now),
        }
    }

    #[cfg(feature = "tls")]
    fn on_tls_error(&mut self, connection: &mut Connection, problem: crate::net::tls::Error) {
        match connection {
            // What strangers do wrong is nothing that went wrong here.
            Connection::Served(_) => {}
            Connection::Dialed(dialed) => self.clients.on_tls_error(dialed, problem),
        }
    }

    fn on_error(&mut self, connection: &mut Connection, error: ErrorKind) {
        match connection {
            Connection::Served(served) => self.service.on_error(served, error),
            Connection::Dialed(dialed) => self.clients.on_error(dialed, error),
        }
    }

    fn closed(&mut self, id: ConnectionId, connection: Connection, now: Now) {
        match connection {
            Connection::Served(served) => self.service.closed(id, served, now),
            Connection::Dialed(dialed) => {
                self.clients(|clients| clients.closed(id, dialed, now));
            }
        }
    }

    fn shared(&self, connection: &Connection) -> &[u8] {
        match connection {
            Connection::Served(served) => self.service.shared(served),
            Connection::Dialed(_) => &[],
        }
    }

    fn shared_sent(&mut self, connection: &mut Connection, sent: usize) -> Option<bytes::Bytes> {
        match connection {
            Connection::Served(served) => self.service.shared_sent(served, sent),
            Connection::Dialed(_) => None,
        }
    }

    fn take_woken(&mut self, now: Now, woken: &mut Vec<u64>) {
        self.service.take_woken(now, woken);
        #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
        if let Some(webhooks) = &mut self.webhooks {
            webhooks.turn(&mut self.service.channels, &mut self.clients, now, woken);
        }
        self.clients.take_woken(now, woken);
    }

    fn take_dials(&mut self, dials: &mut Vec<Dial<Connection>>) {
        // Whoever has something to dial is due at once.
        if self.clients.due() > 0 {
            return;
        }
        let mut dialed = Vec::new();
        self.clients.take_dials(&mut dialed);
        let dialed = dialed.into_iter();
        dials.extend(dialed.map(|dial| dial.map(Connection::Dialed)));
    }

    fn due(&self) -> u64 {
        let due = self.service.due().min(self.clients.due());
        #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
        if let Some(webhooks) = &self.webhooks {
            return due.min(webhooks.due());
        }
        due
    }

    fn tick(&mut self, now: Now) {
        self.service.tick(now);
        if self.clients.due() <= now.ms {
            self.clients(|clients| clients.tick(now));
        }
    }

    fn turned(&mut self, began: Instant) -> bool {
        self.service.turned(began)
    }

    fn survey(&mut self, connection: &Connection, backlog: usize) {
        match connection {
            Connection::Served(served) => self.service.survey(served, backlog),
            Connection::Dialed(_) => self.service.look_at_dialed(backlog),
        }
    }

    fn surveyed(&mut self, traffic: Traffic) {
        self.service.surveyed(traffic);
    }

    fn failed(&mut self, error: std::io::Error) {
        self.service.failed(error);
    }
}
