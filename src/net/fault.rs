//! A transport in memory that does whatever a socket may do, at any place.
//!
//! ```text
//!   end 0 ── write ──►  bytes on their way (at most ROOM)  ── read ──► end 1
//!         ◄── read ───  bytes on their way (at most ROOM)  ◄── write ──
//! ```
//!
//! An [`End`] is a [`Transport`]; [`Line`] is both ends seen from outside, where a test stands for the peer and for
//! the system: it takes the edges that a poll would tell of. [`Faults`] say what each operation at one end meets, in
//! turn and over and over: fewer bytes than it might move, `EINTR`, `EAGAIN`; and where the connection breaks.
//!
//! It keeps what the loop relies on: after a short operation, or one that would block, an edge comes once there is
//! more to be done (epoll(7), "Edge-triggered and level-triggered"). It counts what a loop must not do: operations
//! that move nothing and were not asked for by an edge.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use super::transport::{Readiness, Transport};

/// What one direction of a line holds: as much as the system's buffers would.
const ROOM: usize = 16 * 1024;

/// What one operation meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It moves at most so many bytes; at least one.
    AtMost(usize),
    /// `EINTR`: it is to be tried again at once.
    Interrupted,
    /// `EAGAIN`, although it might have gone on a moment later: an edge tells of that.
    WouldBlock,
}

/// How a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The next operation gives this error; later reads end and later writes give `EPIPE`.
    Fails(ErrorKind),
    /// Reads end, and writes give `EPIPE`: the peer has closed its socket.
    Ends,
    /// Reads end, and writes go on: the peer has closed its half.
    HalfEnds,
    /// Nothing arrives any more in either direction, and nobody is told.
    Vanishes,
}

/// Where a line breaks: behind so many bytes that were read, or written, at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Read(usize, How),
    Written(usize, How),
}

/// What goes wrong at one end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// What reads meet, in turn and over and over. Nothing, if it is empty.
    pub(crate) reads: Vec<Fault>,
    pub(crate) writes: Vec<Fault>,
    pub(crate) cut: Option<Cut>,
}

impl Faults {
    pub(crate) fn cut(cut: Cut) -> Faults {
        Faults {
            cut: Some(cut),
            ..Faults::default()
        }
    }
}

/// How one end has fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Bytes.
    pub(crate) read: usize,
    pub(crate) written: usize,
    /// Operations that moved bytes.
    pub(crate) useful: usize,
    /// Operations that met `EINTR`, `EAGAIN` or an error because they were meant to.
    pub(crate) injected: usize,
    /// Operations that found nothing to do: no bytes, no room, or an end that had been read before.
    pub(crate) useless: usize,
    /// Edges that were taken.
    pub(crate) edges: usize,
}

#[derive(Debug, Default)]
struct Side {
    faults: Faults,
    reads: usize,
    writes: usize,
    count: Count,
    /// On their way to this end.
    incoming: VecDeque<u8>,
    /// The other end will send nothing more behind that.
    no_more: bool,
    /// This end has closed its half.
    finished: bool,
    /// This end is closed.
    gone: bool,
    /// The next operation gives this.
    error: Option<ErrorKind>,
    /// Writing is over.
    broken: bool,
    /// What the other end sends goes nowhere.
    deaf: bool,
    /// A write was refused for want of room.
    blocked: bool,
    /// Edges that nobody has taken yet.
    ready: Readiness,
}

#[derive(Debug, Default)]
struct Wire {
    sides: [Side; 2],
}

/// A connection in memory, from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Rc<RefCell<Wire>>);

/// One end of a line: the first is a client's, the second a server's.
#[derive(Debug)]
pub(crate) struct End {
    line: Line,
    side: usize,
}

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

impl Line {
    pub(crate) fn new() -> Line {
        Line::default()
    }

    /// One end, which meets these faults.
    pub(crate) fn end(&self, side: usize, faults: Faults) -> End {
        let cut = faults.cut;
        {
            let mut wire = self.wire();
            wire.sides[side].faults = faults;
            // A new socket takes output, and an edge says so.
            wire.sides[side].ready.writable = true;
            if let Some(Cut::Read(0, how) | Cut::Written(0, how)) = cut {
                wire.cut(side, how);
            }
        }
        End {
            line: self.clone(),
            side,
        }
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.0.borrow_mut()
    }

    /// The edges at an end since they were taken last.
    pub(crate) fn take_ready(&self, side: usize) -> Option<Readiness> {
        let side = &mut self.wire().sides[side];
        let ready = std::mem::take(&mut side.ready);
        (ready != Readiness::default()).then(|| {
            side.count.edges += 1;
            ready
        })
    }

    /// Whether the end has been closed.
    pub(crate) fn is_gone(&self, side: usize) -> bool {
        self.wire().sides[side].gone
    }

    pub(crate) fn count(&self, side: usize) -> Count {
        self.wire().sides[side].count
    }

    /// The line breaks now, as this end sees it.
    pub(crate) fn cut(&self, side: usize, how: How) {
        self.wire().cut(side, how);
    }

    /// The client, where it is the test, sends this.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let server = &mut self.wire().sides[SERVER];
        if !server.deaf && !server.gone {
            server.incoming.extend(bytes);
            server.ready.readable = true;
        }
    }

    /// The client, where it is the test, does not close its half when it has seen the end.
    pub(crate) fn linger(&self) {
        self.wire().sides[CLIENT].finished = true;
    }

    /// The client, where it is the test, takes what has come. One that has seen the end closes its half, too.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut wire = self.wire();
        let client = &mut wire.sides[CLIENT];
        if client.deaf && !client.no_more {
            // It has vanished.
            return Vec::new();
        }
        let taken = client.incoming.drain(..).collect();
        if client.no_more && !client.finished {
            wire.finish(CLIENT);
        }
        wire.make_room(SERVER);
        taken
    }
}

impl Wire {
    /// The line breaks, as `side` sees it.
    fn cut(&mut self, side: usize, how: How) {
        let end = &mut self.sides[side];
        end.faults.cut = None;
        end.incoming.clear();
        end.deaf = true;
        if how == How::Vanishes {
            self.sides[1 - side].deaf = true;
            return;
        }
        end.no_more = true;
        end.ready.readable = true;
        end.ready.ending = true;
        if how == How::HalfEnds {
            return;
        }
        end.ready.writable = true;
        end.broken = true;
        if let How::Fails(error) = how {
            end.error = Some(error);
            end.ready.broken = true;
        }
        // What lies between the ends has told the other one, too.
        let other = &mut self.sides[1 - side];
        (other.deaf, other.broken, other.no_more) = (true, true, true);
        other.error = Some(ErrorKind::ConnectionReset);
        other.ready = Readiness {
            readable: true,
            writable: true,
            ending: true,
            broken: true,
        };
    }

    fn finish(&mut self, side: usize) {
        self.sides[side].finished = true;
        let other = &mut self.sides[1 - side];
        if !other.deaf {
            other.no_more = true;
            other.ready.readable = true;
            other.ready.ending = true;
        }
    }

    /// There is room again for what `side` writes.
    fn make_room(&mut self, side: usize) {
        let writer = &mut self.sides[side];
        if std::mem::take(&mut writer.blocked) {
            writer.ready.writable = true;
        }
    }

    fn read(&mut self, side: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let end = &mut self.sides[side];
        if let Some(error) = end.error.take() {
            end.count.injected += 1;
            return Err(error.into());
        }
        let most = match next(&end.faults.reads, &mut end.reads) {
            Fault::AtMost(most) => most.max(1).min(buffer.len()),
            Fault::Interrupted => {
                end.count.injected += 1;
                return Err(ErrorKind::Interrupted.into());
            }
            Fault::WouldBlock => {
                end.count.injected += 1;
                end.ready.readable = true;
                return Err(ErrorKind::WouldBlock.into());
            }
        };
        let most = match end.faults.cut {
            Some(Cut::Read(at, _)) => most.min(at - end.count.read),
            _ => most,
        };
        // Behind a cut nothing arrives: what lies here only fills what would be the system's buffer.
        let count = match end.deaf {
            true => 0,
            false => most.min(end.incoming.len()),
        };
        if count == 0 {
            end.count.useless += 1;
            return match end.no_more {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        for (place, byte) in buffer.iter_mut().zip(end.incoming.drain(..count)) {
            *place = byte;
        }
        end.count.read += count;
        end.count.useful += 1;
        if count < buffer.len() && !end.incoming.is_empty() {
            // As if the rest came only now.
            end.ready.readable = true;
        }
        if let Some(Cut::Read(at, how)) = end.faults.cut {
            if at == end.count.read {
                self.cut(side, how);
            }
        }
        self.make_room(1 - side);
        Ok(count)
    }

    fn write(&mut self, side: usize, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let [first, second] = &mut self.sides;
        let (end, other) = match side {
            CLIENT => (first, second),
            _ => (second, first),
        };
        if let Some(error) = end.error.take() {
            end.count.injected += 1;
            return Err(error.into());
        }
        if end.broken || end.finished {
            end.count.useless += 1;
            return Err(ErrorKind::BrokenPipe.into());
        }
        if other.gone {
            // What is sent to a socket that is closed is answered with a reset.
            self.cut(side, How::Fails(ErrorKind::ConnectionReset));
            return Err(ErrorKind::BrokenPipe.into());
        }
        let most = match next(&end.faults.writes, &mut end.writes) {
            Fault::AtMost(most) => most.max(1),
            Fault::Interrupted => {
                end.count.injected += 1;
                return Err(ErrorKind::Interrupted.into());
            }
            Fault::WouldBlock => {
                end.count.injected += 1;
                end.ready.writable = true;
                return Err(ErrorKind::WouldBlock.into());
            }
        };
        let most = match end.faults.cut {
            Some(Cut::Written(at, _)) => most.min(at - end.count.written),
            _ => most,
        };
        let room = ROOM - other.incoming.len().min(ROOM);
        let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
        let count = wanted.min(most).min(room);
        if count == 0 && wanted > 0 {
            end.count.useless += 1;
            end.blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = pieces.iter().flat_map(|piece| piece.iter()).take(count);
        match other.deaf {
            // What vanishes fills the system's buffer all the same, as nobody says that it has arrived.
            true if !other.no_more => other.incoming.extend(bytes),
            true => {}
            false => {
                other.incoming.extend(bytes);
                other.ready.readable = true;
            }
        }
        end.count.written += count;
        end.count.useful += 1;
        if count < wanted {
            match count == room {
                true => end.blocked = true,
                // As if there were room only now.
                false => end.ready.writable = true,
            }
        }
        if let Some(Cut::Written(at, how)) = end.faults.cut {
            if at == end.count.written {
                self.cut(side, how);
            }
        }
        Ok(count)
    }
}

fn next(faults: &[Fault], calls: &mut usize) -> Fault {
    if faults.is_empty() {
        return Fault::AtMost(usize::MAX);
    }
    *calls += 1;
    faults[(*calls - 1) % faults.len()]
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.line.wire().read(self.side, buffer)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.line.wire().write(self.side, pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for End {
    fn is_connected(&mut self) -> io::Result<bool> {
        match self.line.wire().sides[self.side].error.take() {
            Some(error) => Err(error.into()),
            None => Ok(true),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut wire = self.line.wire();
        if wire.sides[self.side].broken {
            return Err(ErrorKind::NotConnected.into());
        }
        wire.finish(self.side);
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut wire = self.line.wire();
        wire.sides[self.side].gone = true;
        if !wire.sides[self.side].broken {
            wire.finish(self.side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_arrives_at_an_end_that_has_vanished_however_it_is_asked_for() {
        let line = Line::new();
        let cut = Cut::Read(1, How::Vanishes);
        let (mut client, mut server) = (
            line.end(CLIENT, Faults::cut(cut)),
            line.end(SERVER, Faults::default()),
        );
        server.write_all(b"ab").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(client.read(&mut buffer).unwrap(), 1);
        // A hole in the stream is what TCP never has.
        server.write_all(b"c").unwrap();
        for _ in 0..2 {
            let error = client.read(&mut buffer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
}
