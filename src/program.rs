//! A server and clients on one loop.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::client::{Clients, Dialed};
use crate::command::Command;
use crate::net::{ConnectionId, Dial, Io, Now, Protocol};
use crate::server::{Served, Service};

#[cfg(test)]
mod faults;

/// What a program does on its loop: it serves who comes, and talks to whom it dials.
pub(crate) struct Program {
    pub(crate) service: Service,
    pub(crate) clients: Clients,
}

/// A connection of either kind.
pub(crate) enum Connection {
    Served(Served),
    Dialed(Dialed),
}

/// Calls the half of the program that a connection belongs to.
macro_rules! either {
    ($program:ident, $connection:expr, $half:ident, $inner:ident => $call:expr) => {
        match $connection {
            Connection::Served($inner) => {
                let $half = &mut $program.service;
                $call
            }
            Connection::Dialed($inner) => {
                let $half = &mut $program.clients;
                $call
            }
        }
    };
}

impl Protocol for Program {
    type Connection = Connection;
    type Command = Command;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> Connection {
        Connection::Served(self.service.opened(peer, io))
    }

    fn dialed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.dialed(inner, io));
    }

    fn received(&mut self, connection: &mut Connection, input: &mut [u8], io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.received(inner, input, io));
    }

    fn ended(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.ended(inner, io));
    }

    fn expired(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.expired(inner, io));
    }

    fn resumed(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.resumed(inner, io));
    }

    fn draining(&mut self, now: Now) {
        self.clients.draining(now);
    }

    fn drain(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.drain(inner, io));
    }

    fn told(&mut self, connection: &mut Connection, command: Command, io: &mut Io<'_>) {
        either!(self, connection, half, inner => half.told(inner, command, io));
    }

    fn ordered(&mut self, command: Command, now: Now) {
        match command {
            Command::LookedUp(..) | Command::Quit(_) => self.clients.ordered(command, now),
            command => self.service.ordered(command, now),
        }
    }

    fn broke(&mut self, connection: &mut Connection, error: ErrorKind) {
        either!(self, connection, half, inner => half.broke(inner, error));
    }

    fn closed(&mut self, id: ConnectionId, connection: Connection, now: Now) {
        either!(self, connection, half, inner => half.closed(id, inner, now));
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

    fn take_woken(&mut self, woken: &mut Vec<u64>) {
        self.service.take_woken(woken);
    }

    fn take_dials(&mut self, dials: &mut Vec<Dial<Connection>>) {
        let mut dialed = Vec::new();
        self.clients.take_dials(&mut dialed);
        dials.extend(dialed.into_iter().map(
            |Dial {
                 address,
                 timeout,
                 connection,
             }| Dial {
                address,
                timeout,
                connection: Connection::Dialed(connection),
            },
        ));
    }

    fn due(&self) -> u64 {
        self.clients.due()
    }

    fn tick(&mut self, now: Now) {
        self.service.tick(now);
        self.clients.tick(now);
    }

    fn failed(&mut self, error: std::io::Error) {
        self.service.failed(error);
    }
}
