//! Bytes whose meaning nobody knows, a line at a time, so that they are seen as they come.

use super::secrets;
use super::thing::{Kind, Side, Thing, Unknown};
use super::{Problem, Sink};

/// A line that is longer is shown in pieces, in bytes.
const MAX_LINE: usize = 1024;

/// Bytes without a meaning.
#[derive(Debug)]
pub(super) struct Noise {
    why: Unknown,
    offset: u64,
    line: Vec<u8>,
    /// What is wrong, until the first line has said so.
    problem: Option<Problem>,
    /// The line goes on, and is a secret.
    is_secret: bool,
}

impl Noise {
    pub(super) fn new(why: Unknown, offset: u64, problem: Option<Problem>) -> Noise {
        Noise {
            why,
            offset,
            line: Vec::new(),
            problem,
            is_secret: false,
        }
    }

    /// Takes all of the input.
    pub(super) fn feed(&mut self, from: Side, secrets: bool, mut input: &[u8], sink: Sink<'_>) {
        while !input.is_empty() {
            let room = MAX_LINE - self.line.len();
            let window = &input[..room.min(input.len())];
            let line = window.iter().position(|&byte| byte == b'\n');
            let used = line.map_or(window.len(), |end| end + 1);
            self.line.extend_from_slice(&window[..used]);
            input = &input[used..];
            if line.is_some() || self.line.len() == MAX_LINE {
                self.end(from, secrets, sink);
                self.is_secret &= line.is_none();
            }
        }
    }

    /// Gives what there is of a line.
    pub(super) fn end(&mut self, from: Side, secrets: bool, sink: Sink<'_>) {
        if self.line.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.line);
        if !secrets {
            if self.is_secret {
                bytes.fill(b'*');
            } else {
                // What lies behind a broken head may be the rest of it.
                let length = bytes.trim_ascii_end().len();
                self.is_secret = secrets::mask_field(&mut bytes[..length]);
            }
        }
        let length = bytes.len() as u64;
        sink(Thing {
            from,
            offset: self.offset,
            length,
            kind: Kind::Unknown(self.why),
            problem: self.problem.take(),
            is_cut: false,
            bytes,
        });
        self.offset += length;
    }
}
