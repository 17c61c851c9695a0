//! A stream with faults, for tests of what reads and writes: short operations, delays, errors that are to be tried
//! again, and a cut.
//!
//! Faults are given as lists, one for reads and one for writes; each operation meets the next of its list, over and over.
//! So a test says exactly what happens, and the same happens every time. The invariant: no byte is lost, changed or
//! moved before the cut, and none passes behind it.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// What one operation meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap {
    /// Nothing: it does what it can.
    None,
    /// It moves at most so many bytes; at least one.
    Short(usize),
    /// It takes so long, as on a slow line. The thread sleeps.
    Delay(Duration),
    /// It is interrupted (`EINTR`) and has to be tried again.
    Interrupted,
    /// It would block (`EAGAIN`) and has to be tried again later.
    WouldBlock,
}

/// How a stream breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The peer has closed: reads give no bytes, and writes fail with [`ErrorKind::BrokenPipe`].
    End,
    /// The peer has reset the connection: every operation fails with [`ErrorKind::ConnectionReset`].
    Reset,
}

/// What goes wrong with a stream.
///
/// Written as `Mishaps { reads, ..Mishaps::default() }`: a later version may have more fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// What reads meet, in turn and over and over; nothing, if it is empty.
    pub reads: Vec<Mishap>,
    /// What writes meet.
    pub writes: Vec<Mishap>,
    /// The stream breaks once so many bytes were read.
    pub cut_reads: Option<(u64, Break)>,
    /// The stream breaks once so many bytes were written.
    pub cut_writes: Option<(u64, Break)>,
}

/// A stream with faults.
///
/// ```
/// use barewire::net::{Break, Faulty, Mishap, Mishaps};
/// use std::io::Read;
///
/// let mishaps = Mishaps {
///     reads: vec![Mishap::Short(1), Mishap::Interrupted],
///     cut_reads: Some((3, Break::End)),
///     ..Mishaps::default()
/// };
/// let mut text = String::new();
/// Faulty::new(&b"hello"[..], mishaps).read_to_string(&mut text)?;
/// assert_eq!(text, "hel");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Faulty<S> {
    stream: S,
    mishaps: Mishaps,
    /// How many reads and writes there were, and how many bytes they moved.
    reads: usize,
    writes: usize,
    read: u64,
    written: u64,
    broken: Option<Break>,
}

impl<S> Faulty<S> {
    /// A stream that meets these.
    pub fn new(stream: S, mishaps: Mishaps) -> Faulty<S> {
        Faulty {
            stream,
            mishaps,
            reads: 0,
            writes: 0,
            read: 0,
            written: 0,
            broken: None,
        }
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

/// How many of `length` bytes an operation may move, as the `number`th that meets these, with so many left to a cut.
fn room(list: &[Mishap], number: &mut usize, length: usize, left: u64) -> io::Result<usize> {
    let mishap = match list {
        [] => Mishap::None,
        list => list[*number % list.len()],
    };
    *number = number.wrapping_add(1);
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    let most = match mishap {
        Mishap::None => length,
        Mishap::Short(most) => most.max(1),
        Mishap::Delay(delay) => {
            std::thread::sleep(delay);
            length
        }
        Mishap::Interrupted => return Err(ErrorKind::Interrupted.into()),
        Mishap::WouldBlock => return Err(ErrorKind::WouldBlock.into()),
    };
    Ok(most.min(length).min(left))
}

/// How many bytes are left to a cut that comes behind so many, of which `passed` have gone; `Err` behind it.
fn left(cut: Option<(u64, Break)>, passed: u64) -> Result<u64, Break> {
    match cut {
        Some((at, how)) if passed >= at => Err(how),
        Some((at, _)) => Ok(at - passed),
        None => Ok(u64::MAX),
    }
}

impl<S: Read> Read for Faulty<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = match self
            .broken
            .map_or_else(|| left(self.mishaps.cut_reads, self.read), Err)
        {
            Ok(left) => left,
            Err(how) => {
                self.broken = Some(how);
                return match how {
                    Break::End => Ok(0),
                    Break::Reset => Err(ErrorKind::ConnectionReset.into()),
                };
            }
        };
        let room = room(&self.mishaps.reads, &mut self.reads, buffer.len(), left)?;
        let count = self.stream.read(&mut buffer[..room])?;
        self.read += count as u64;
        Ok(count)
    }
}

impl<S: Write> Write for Faulty<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = match self
            .broken
            .map_or_else(|| left(self.mishaps.cut_writes, self.written), Err)
        {
            Ok(left) => left,
            Err(how) => {
                self.broken = Some(how);
                return Err(match how {
                    Break::End => ErrorKind::BrokenPipe.into(),
                    Break::Reset => ErrorKind::ConnectionReset.into(),
                });
            }
        };
        let room = room(&self.mishaps.writes, &mut self.writes, bytes.len(), left)?;
        let count = self.stream.write(&bytes[..room])?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn each_operation_meets_the_next_of_its_list() {
        let mishaps = Mishaps {
            reads: vec![Mishap::Short(2), Mishap::WouldBlock, Mishap::None],
            writes: vec![Mishap::Short(0), Mishap::Interrupted],
            ..Mishaps::default()
        };
        let mut stream = Faulty::new(io::Cursor::new(b"abcdef".to_vec()), mishaps);
        let mut buffer = [0; 6];
        assert_eq!(stream.read(&mut buffer).unwrap(), 2);
        assert_eq!(errors(stream.read(&mut buffer)), ErrorKind::WouldBlock);
        assert_eq!(stream.read(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"cdef");
        assert_eq!(stream.write(b"xyz").unwrap(), 1);
        assert_eq!(errors(stream.write(b"yz")), ErrorKind::Interrupted);
        stream.write_all(b"yz").unwrap();
        assert_eq!(stream.into_inner().into_inner(), b"abcdefxyz");
    }

    #[test]
    fn a_cut_ends_both_directions_at_its_byte() {
        for (how, read, written) in [
            (Break::End, None, ErrorKind::BrokenPipe),
            (
                Break::Reset,
                Some(ErrorKind::ConnectionReset),
                ErrorKind::ConnectionReset,
            ),
        ] {
            let mishaps = Mishaps {
                cut_writes: Some((3, how)),
                ..Mishaps::default()
            };
            let mut stream = Faulty::new(io::Cursor::new(Vec::new()), mishaps);
            assert_eq!(stream.write(b"abcde").unwrap(), 3);
            assert_eq!(errors(stream.write(b"de")), written);
            assert_eq!(
                stream.read(&mut [0; 1]).map_err(|error| error.kind()).err(),
                read
            );
            assert_eq!(stream.into_inner().into_inner(), b"abc");
        }
    }
}
