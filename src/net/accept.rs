//! Accepting, and pausing when there is nothing to accept with.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};

use super::listeners::set_queue;
use super::wire::Seal;

/// How many connections one turn accepts, so that a flood of them does not starve those that are here.
const BUDGET: usize = 128;
/// How long accepting rests, in milliseconds, when descriptors or memory run out. It resumes sooner if one of our
/// own connections ends.
const REST: u64 = 100;

/// One listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    /// How its connections are secured.
    pub(super) seal: Seal,
    /// The loop has made it, and says how long its queue is.
    pub(super) own: bool,
}

/// The listeners of a loop.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// Some listener may have connections waiting. mio is edge-triggered: it will not say so again.
    pending: bool,
    /// Out of descriptors: not before this time, unless a connection ends.
    rest_until: Option<u64>,
}

impl Acceptor {
    /// One more.
    pub(super) fn add(&mut self, listener: Listener) {
        self.listeners.push(listener);
        self.pending = true;
    }

    pub(super) fn len(&self) -> usize {
        self.listeners.len()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = io::Result<SocketAddr>> {
        self.listeners
            .iter()
            .map(|listener| listener.socket.local_addr())
    }

    /// Lets `queue` connections wait at each listener that the loop has made. One that the system refuses to change
    /// stays as it is.
    pub(super) fn set_queue(&self, queue: u32) {
        for listener in self.listeners.iter().filter(|listener| listener.own) {
            let _: io::Result<()> = set_queue(&listener.socket, queue);
        }
    }

    /// Stops listening.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
        self.pending = false;
    }

    pub(super) fn ready(&mut self) {
        self.pending = true;
    }

    /// A descriptor has come back.
    pub(super) fn relieved(&mut self) {
        self.rest_until = None;
    }

    /// The time in milliseconds at which accepting goes on; `None` if there is nothing to accept.
    pub(super) fn due(&self) -> Option<u64> {
        self.pending.then_some(self.rest_until.unwrap_or(0))
    }

    /// Accepts at most `room` connections. Gives an error that is not one of a single connection: accepting rests
    /// then.
    pub(super) fn accept(
        &mut self,
        now: u64,
        room: usize,
        mut opened: impl FnMut(TcpStream, SocketAddr, &Seal),
    ) -> io::Result<()> {
        if self.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.rest_until = None;
        let mut budget = BUDGET.min(room);
        let mut drained = 0;
        for Listener { socket, seal, .. } in &self.listeners {
            loop {
                if budget == 0 {
                    return Ok(());
                }
                match socket.accept() {
                    Ok((stream, peer)) => {
                        budget -= 1;
                        opened(stream, peer, seal);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        drained += 1;
                        break;
                    }
                    // The peer has gone before we came to it (accept(2)): that is about nobody else.
                    Err(error) if of_one_connection(&error) => budget -= 1,
                    Err(error) => {
                        self.rest_until = Some(now + REST);
                        return Err(error);
                    }
                }
            }
        }
        self.pending = drained < self.listeners.len();
        Ok(())
    }
}

fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}
