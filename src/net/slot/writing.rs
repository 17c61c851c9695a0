//! Output on its way to the socket: in order, within a budget, and watched.
//!
//! ```text
//!   1. the backlog      what the socket did not take before          write_backlog
//!   2. the answer       what the protocol has just left in Output    flush
//!   3. shared bytes     what the protocol lends from its channels    write_shared
//! ```
//!
//! The invariants:
//!
//! - **The order holds.** Nothing is written past a backlog: an answer joins it, and shared bytes wait.
//! - **`writable` is what edges say.** It is set by an edge and cleared by a write that was short or would block. The system
//!   tells only of changes, so that whoever clears it too early hangs, and whoever never does spins.
//! - **A turn ends** after [`WRITE_BUDGET`]: `unfinished` then puts the connection behind the others, though its socket would
//!   take more.
//! - **A stall ends.** While the socket is full, `stall_at` is set, and each byte that it takes sets it anew.

use std::io::{ErrorKind, Write};

use super::{Phase, Slot, Visit, WRITE_BUDGET};
use crate::net::backlog::Written;
use crate::net::clock::millis;
use crate::net::protocol::Protocol;
use crate::net::transport::{SHORT_WRITE_FILLS, Transport};

impl<C, S: Transport> Slot<C, S> {
    /// What waits in the wire does so because the socket is full.
    pub(super) fn note_unsent(&mut self) {
        self.writable &= self.wire.unsent() == 0;
    }

    /// Sends the answer of this visit: at once if nothing waits in front of it, and what is left joins the backlog.
    ///
    /// Its turn is [`WRITE_BUDGET`], or as much as the peer has sent itself: the `taken` bytes that are answered, and
    /// the messages that were put together.
    pub(super) fn flush<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
        taken: usize,
    ) {
        let broken = match visit.output.is_empty() {
            true => None,
            false => self.send(visit, taken),
        };
        visit.output.end_loan();
        if self.backlog_len() > visit.limits.backlog {
            self.break_off(visit, ErrorKind::QuotaExceeded);
        } else if let Some(error) = broken {
            self.break_off(visit, error);
        }
    }

    fn send<P: Protocol<Connection = C>>(
        &mut self,
        visit: &mut Visit<'_, P>,
        taken: usize,
    ) -> Option<ErrorKind> {
        let output = &mut *visit.output;
        let budget = WRITE_BUDGET.max(taken).max(output.kept_len());
        let mut broken = None;
        if !self.flow.aborted {
            let mut sent = 0;
            if self.writable && self.backlog.is_none() && !self.is_securing() {
                match output.write_to(&mut self.wire, visit.buffer, budget) {
                    Ok((count, written)) => {
                        sent = count;
                        visit.traffic.sent += count as u64;
                        self.writable = written != Written::Full;
                        self.note_unsent();
                        self.unfinished |= written == Written::Enough;
                    }
                    Err(error) => broken = Some(error.kind()),
                }
            }
            if sent < output.len() {
                let backlog = self.backlog.get_or_insert_with(Box::default);
                output.leave(visit.buffer, sent, backlog);
            }
        }
        output.clear();
        broken
    }

    pub(super) fn write_backlog<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        let before = self.backlog_len();
        let written = match &mut self.backlog {
            Some(backlog) => backlog.write_to(&mut self.wire, WRITE_BUDGET),
            // What the wire has kept goes out, too.
            None => self.wire.flush().map(|()| Written::All),
        };
        match written {
            Ok(Written::All) => self.backlog = None,
            Ok(Written::Enough) => self.unfinished = true,
            Ok(Written::Full) => self.writable = false,
            Err(error) => return self.break_off(visit, error.kind()),
        }
        self.note_unsent();
        visit.traffic.sent += before.saturating_sub(self.backlog_len()) as u64;
        if !self.writable && self.backlog_len() < before {
            self.stall_at = u64::MAX;
        }
    }

    /// Writes what this connection shares with others, from where it lies, while the socket takes it and its turn lasts.
    pub(super) fn write_shared<P: Protocol<Connection = C>>(&mut self, visit: &mut Visit<'_, P>) {
        let mut written = 0;
        while self.is_open() && self.writable && !self.unfinished {
            // The rest of what was cut goes first.
            if self.backlog.is_some() {
                self.write_backlog(visit);
                continue;
            }
            let bytes = visit.protocol.shared(&self.connection);
            if bytes.is_empty() {
                return;
            }
            if written >= WRITE_BUDGET {
                self.unfinished = true;
                return;
            }
            // Only what is larger than a whole budget is cut for its sake.
            let wanted = bytes.len().min(WRITE_BUDGET);
            match self.wire.write(&bytes[..wanted]) {
                Ok(0) => self.break_off(visit, ErrorKind::WriteZero),
                Ok(sent) => {
                    written += sent;
                    visit.traffic.sent += sent as u64;
                    self.writable = sent == wanted || !SHORT_WRITE_FILLS;
                    self.note_unsent();
                    self.stall_at = u64::MAX;
                    if let Some(rest) = visit.protocol.shared_sent(&mut self.connection, sent) {
                        self.backlog.get_or_insert_with(Box::default).push(rest);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.break_off(visit, error.kind()),
            }
        }
    }

    pub(super) fn watch_stall<P>(&mut self, visit: &Visit<'_, P>) {
        if self.is_securing() {
            return;
        }
        if self.writable || self.phase == Phase::Connecting {
            self.stall_at = u64::MAX;
        } else if self.stall_at == u64::MAX {
            self.stall_at = visit
                .now
                .ms
                .saturating_add(millis(visit.limits.stall_timeout));
        }
    }
}
