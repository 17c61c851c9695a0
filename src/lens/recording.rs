//! Recordings: what passed on connections, as text that people can read, compare and write by hand.
//!
//! ```text
//!   barewire-recording 1
//!   # a comment
//!   0.000000 1 open 127.0.0.1:50000 to 127.0.0.1:9000
//!   0.000135 1 C "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
//!   0.000871 1 S "HTTP/1.1 204 No Content\r\n\r\n"
//!   0.001002 1 end C
//! ```
//!
//! A line is the seconds since the recording began, the number of a connection, and what happened on it: it was opened (and
//! words for people), the client (`C`) or the server (`S`) sent bytes, or one of them closed its half. Bytes stand in
//! quotes, printable ASCII as it is, everything else, the quote and the backslash as `\r`, `\n`, `\t`, `\"`, `\\` or `\x00`
//! with two hexadecimal digits.
//!
//! The invariant: what a [`Recorder`] has written, [`read`] gives back. A recording holds everything as it came, secrets
//! too.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::Side;

const FIRST_LINE: &str = "barewire-recording 1";

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was opened; words for people.
    Opened(String),
    /// A side has sent bytes.
    Sent(Side, Vec<u8>),
    /// A side has closed its half.
    Ended(Side),
}

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When, since the recording began.
    pub at: Duration,
    /// On which connection.
    pub connection: u64,
    /// What.
    pub happened: Happened,
}

/// Writes a recording, a line for each thing that happens.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    line: String,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// Those of writing, here as below.
    pub fn new(mut out: W) -> io::Result<Recorder<W>> {
        writeln!(out, "{FIRST_LINE}")?;
        let line = String::new();
        Ok(Recorder { out, line })
    }

    /// A connection was opened.
    pub fn opened(&mut self, at: Duration, connection: u64, words: &str) -> io::Result<()> {
        let words = words.replace(char::is_control, " ");
        self.begin(at, connection, format_args!("open {words}"))
    }

    /// A side has sent bytes.
    pub fn sent(
        &mut self,
        at: Duration,
        connection: u64,
        from: Side,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.line.clear();
        for &byte in bytes {
            match byte {
                b'\r' => self.line.push_str("\\r"),
                b'\n' => self.line.push_str("\\n"),
                b'\t' => self.line.push_str("\\t"),
                b'"' => self.line.push_str("\\\""),
                b'\\' => self.line.push_str("\\\\"),
                b' '..=b'~' => self.line.push(char::from(byte)),
                other => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.line.push_str("\\x");
                    self.line.push(char::from(HEX[usize::from(other >> 4)]));
                    self.line.push(char::from(HEX[usize::from(other & 15)]));
                }
            }
        }
        let line = std::mem::take(&mut self.line);
        let written = self.begin(at, connection, format_args!("{} \"{line}\"", letter(from)));
        self.line = line;
        written
    }

    /// A side has closed its half.
    pub fn ended(&mut self, at: Duration, connection: u64, from: Side) -> io::Result<()> {
        self.begin(at, connection, format_args!("end {}", letter(from)))
    }

    /// What it has written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Sees to it that all of it is written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn begin(&mut self, at: Duration, connection: u64, what: fmt::Arguments<'_>) -> io::Result<()> {
        let (seconds, micros) = (at.as_secs(), at.subsec_micros());
        writeln!(self.out, "{seconds}.{micros:06} {connection} {what}")
    }
}

fn letter(side: Side) -> char {
    match side {
        Side::Client => 'C',
        Side::Server => 'S',
    }
}

/// Why a line is none of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoRecording {
    /// Which line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub says: &'static str,
}

impl fmt::Display for NoRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.says)
    }
}

impl std::error::Error for NoRecording {}

/// Reads a recording, line by line. A line that is none is an error, and those behind it are read.
///
/// ```
/// use barewire::lens::{Happened, Recorder, Side, read};
/// use std::time::Duration;
///
/// let mut text = Vec::new();
/// let mut recorder = Recorder::new(&mut text)?;
/// recorder.sent(Duration::from_micros(135), 1, Side::Client, b"\x81\x00")?;
/// assert!(text.ends_with(b"0.000135 1 C \"\\x81\\x00\"\n"));
/// let entry = read(&text).next().unwrap()?;
/// assert_eq!(entry.happened, Happened::Sent(Side::Client, b"\x81\x00".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(recording: &[u8]) -> impl Iterator<Item = Result<Entry, NoRecording>> + '_ {
    let lines = recording.split_inclusive(|&byte| byte == b'\n').enumerate();
    let mut failed = false;
    let lines = lines.map_while(move |(number, line)| {
        if failed {
            return None;
        }
        let says = match (number, parse(line)) {
            (0, _) if line.trim_ascii_end() == FIRST_LINE.as_bytes() => return Some(None),
            (0, _) => {
                failed = true;
                "this is no recording: its first line has to be \"barewire-recording 1\""
            }
            (_, Ok(entry)) => return Some(entry.map(Ok)),
            // What was to come behind it is not there.
            (_, Err(_)) if !line.ends_with(b"\n") => "the recording is cut here",
            (_, Err(says)) => says,
        };
        let line = number + 1;
        Some(Some(Err(NoRecording { line, says })))
    });
    lines.flatten()
}

/// A line; `None` if it is empty or a comment.
fn parse(line: &[u8]) -> Result<Option<Entry>, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (at, connection, what, rest) = (word(), word(), word(), word());
    let at = at.parse().ok().map(Duration::try_from_secs_f64);
    let at = at
        .and_then(Result::ok)
        .ok_or("no seconds at its beginning")?;
    let connection = connection
        .parse()
        .map_err(|_| "no number of a connection")?;
    let happened = match (what, side(rest)) {
        ("open", _) => Happened::Opened(rest.to_owned()),
        ("end", Some(side)) => Happened::Ended(side),
        (from, _) => {
            let from = side(from).ok_or("what happened is none of: open, C, S, end")?;
            Happened::Sent(from, quoted(rest)?)
        }
    };
    Ok(Some(Entry {
        at,
        connection,
        happened,
    }))
}

fn side(word: &str) -> Option<Side> {
    match word {
        "C" => Some(Side::Client),
        "S" => Some(Side::Server),
        _ => None,
    }
}

/// The bytes in a quoted text.
fn quoted(text: &str) -> Result<Vec<u8>, &'static str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let mut rest = inner.ok_or("bytes that are not in quotes")?.bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'"' => return Err("a quote within the quotes"),
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(byte @ (b'"' | b'\\')) => byte,
                Some(b'x') => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    let (high, low) = (digit(), digit());
                    let value = high.zip(low).map(|(high, low)| high << 4 | low);
                    // Two hexadecimal digits are a byte.
                    value.ok_or("\\x without two hexadecimal digits")? as u8
                }
                _ => return Err("a backslash before something else than r, n, t, x, \" or \\"),
            },
            byte => byte,
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        let mut recorder = Recorder::new(&mut text).unwrap();
        let at = Duration::from_micros(1_000_001);
        recorder.opened(at, 3, "a to\nb").unwrap();
        recorder.sent(at, 3, Side::Server, &all).unwrap();
        recorder.ended(at, 3, Side::Client).unwrap();
        let entry = |happened| {
            Ok(Entry {
                at,
                connection: 3,
                happened,
            })
        };
        let read: Vec<_> = read(&text).collect();
        assert_eq!(
            read,
            [
                entry(Happened::Opened("a to b".to_owned())),
                entry(Happened::Sent(Side::Server, all)),
                entry(Happened::Ended(Side::Client)),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_is_read() {
        let says = |text: &str| -> Vec<_> {
            read(text.as_bytes())
                .map(|line| line.map_err(|why| (why.line, why.says)))
                .collect()
        };
        let none = "this is no recording: its first line has to be \"barewire-recording 1\"";
        assert_eq!(says("GET / HTTP/1.1\n1 1 C \"\"\n"), [Err((1, none))]);
        assert_eq!(says(""), []);
        let text = "barewire-recording 1\n\n# x\n0 1 C \"a\n0 1 C \"\\q\"\n0 1 end S\n0.5 1 S \"ab";
        let seen = says(text);
        assert_eq!(seen[0], Err((4, "bytes that are not in quotes")));
        assert!(seen[1].is_err() && seen[2].is_ok());
        assert_eq!(seen[3], Err((7, "the recording is cut here")));
    }
}
