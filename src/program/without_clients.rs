//! What stands for the clients of a program that is built without them: none, at no cost.
//!
//! No [`Dialed`] can be, so that a connection is one that was accepted, and the compiler leaves out what would be done for
//! others.

use std::io::ErrorKind;

use crate::command::{Letter, Mailbox};
use crate::net::{ConnectionId, Dial, Io, Now};

/// A connection that can't be.
pub(crate) enum Dialed {}

/// No clients.
pub(crate) struct Dialer;

impl Dialer {
    pub(crate) fn new(_mailbox: Mailbox) -> Dialer {
        Dialer
    }

    pub(crate) fn len(&self) -> usize {
        0
    }

    pub(crate) fn take_woken(&mut self, _now: Now, _woken: &mut Vec<u64>) {}

    pub(crate) fn due(&self) -> u64 {
        u64::MAX
    }

    pub(crate) fn drop_panicked(&mut self) {}

    pub(crate) fn draining(&mut self, _now: Now) {}

    pub(crate) fn tick(&mut self, _now: Now) {}

    pub(crate) fn take_dials(&mut self, _dials: &mut Vec<Dial<Dialed>>) {}

    pub(crate) fn on_letter(&mut self, connection: &mut Dialed, _letter: Letter, _io: &mut Io<'_>) {
        match *connection {}
    }

    pub(crate) fn received(&mut self, connection: &mut Dialed, _: &mut [u8], _io: &mut Io<'_>) {
        match *connection {}
    }

    #[cfg(feature = "tls")]
    pub(crate) fn on_tls_error(
        &mut self,
        connection: &mut Dialed,
        _problem: crate::net::tls::Error,
    ) {
        match *connection {}
    }

    pub(crate) fn on_error(&mut self, connection: &mut Dialed, _error: ErrorKind) {
        match *connection {}
    }

    pub(crate) fn closed(&mut self, _id: ConnectionId, connection: Dialed, _now: Now) {
        match connection {}
    }
}

/// What is called with a connection and what it may do.
macro_rules! never {
    ($($name:ident)*) => {
        impl Dialer {
            $(pub(crate) fn $name(&mut self, connection: &mut Dialed, _io: &mut Io<'_>) {
                match *connection {}
            })*
        }
    };
}

never!(dialed ended expired resumed drain);
