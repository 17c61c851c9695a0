//! The beginning of a connection: the wait for the peer, and the handshake of TLS.
//!
//! ```text
//!   dialed ──► Connecting ──► Securing ──► Open      the protocol is called (dialed) when it is Open
//!   accepted ───────────────► Securing ──► Open      the protocol was called (opened) before; its output waits
//! ```
//!
//! In plaintext there is no Securing. `stall_at` is the handshake's deadline meanwhile; the protocol's own begins behind it.
//! Each step of a handshake is a good part of a millisecond of computing, so that [`Connections`](super::super::connections)
//! lets only a few of them be taken in a turn.

use std::io::ErrorKind;

use super::{Phase, Slot, Visit};
use crate::net::clock::millis;
use crate::net::protocol::Protocol;
use crate::net::transport::{Shaken, Transport};

impl<C, S: Transport> Slot<C, S> {
    /// Finds out how connecting went.
    pub(super) fn finish_connecting<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
    ) {
        match self.wire.is_connected() {
            Ok(true) if self.wire.is_secured() => {
                self.flow.deadline = u64::MAX;
                self.begin_securing(visit);
            }
            Ok(true) => {
                self.phase = Phase::Open;
                self.flow.deadline = u64::MAX;
                (self.writable, self.unblocked) = (true, false);
                self.call(visit, |protocol, connection, io| {
                    protocol.dialed(connection, io)
                });
            }
            Ok(false) => {}
            Err(error) => self.break_off(visit, error.kind()),
        }
    }

    pub(super) fn begin_securing<P>(&mut self, visit: &mut Visit<'_, P>) {
        let timeout = millis(visit.limits.handshake_timeout);
        self.stall_at = visit.now.ms.saturating_add(timeout);
        self.phase = Phase::Securing;
    }

    /// Goes on with the handshake. What the protocol has said by then waits, and its deadline begins behind it.
    pub(super) fn secure<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        match self.wire.shake(self.readable, visit.buffer) {
            Ok(Shaken::Done) => return self.finish_securing(visit),
            Ok(Shaken::More) => {}
            Ok(Shaken::Plain(answer)) => {
                self.wire.unseal();
                self.backlog = Some(Box::default());
                if let Some(backlog) = &mut self.backlog {
                    backlog.copy(answer);
                }
                self.phase = Phase::Closing;
                return self.write_backlog(visit);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.break_off(visit, error.kind()),
        }
        (self.writable, self.unblocked) = (self.wire.unsent() == 0, false);
    }

    pub(super) fn finish_securing<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
    ) {
        self.phase = Phase::Open;
        let until = std::mem::replace(&mut self.stall_at, u64::MAX);
        (self.writable, self.unblocked) = (self.wire.unsent() == 0, false);
        // It stays readable: what came with the last message lies here, and no edge will tell of it.
        if self.wire.is_client() {
            return self.call(visit, |protocol, connection, io| {
                protocol.dialed(connection, io)
            });
        }
        let begun = until.saturating_sub(millis(visit.limits.handshake_timeout));
        let took = visit.now.ms.saturating_sub(begun);
        self.flow.deadline = self.flow.deadline.saturating_add(took);
        self.write_backlog(visit);
    }
}
