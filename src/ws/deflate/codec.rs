//! One message at a time: RFC 7692 7.2.
//!
//! ```text
//!  Deflater   message -> DEFLATE, sync flush -> [ ........ | 00 00 FF FF ] -> without the last four bytes
//!  Inflater   payload -> [ ........ ] then [ 00 00 FF FF ] -> INFLATE -> message, up to a limit
//! ```
//!
//! The DEFLATE itself is the `flate2` crate's, with a backend in Rust. What is here is what RFC 7692 adds: where a
//! message ends, what is kept between messages, and what is refused.
//!
//! A state is made for the first message that needs it, so that one which is never used takes no memory.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::WindowBits;
use crate::ws::Error;

/// RFC 7692 7.2.1: what a sync flush ends with, an empty block without compression. It is not sent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The smallest window that the backend has.
const LEAST_WINDOW_BITS: u8 = 9;

/// How much room for output is made at first, and how much more at a time when compressing.
const ROOM: usize = 4 * 1024;

/// How many blocks with BFINAL set one message may have (RFC 7692 7.2.3.4 has one, at its end). Behind each the
/// window is set up anew, which costs its size.
const MOST_ENDS: u32 = 16;

/// Compresses messages.
#[derive(Debug)]
pub struct Deflater {
    compress: Option<Compress>,
    level: u8,
    window_bits: WindowBits,
    takeover: bool,
}

impl Deflater {
    /// One that refers at most this far back and, with `takeover`, to earlier messages. `level` is from 1 to 9.
    pub fn new(level: u8, window_bits: WindowBits, takeover: bool) -> Deflater {
        Deflater {
            compress: None,
            level: level.clamp(1, 9),
            window_bits,
            // See `may_refer_too_far`.
            takeover: takeover && window_bits.get() >= LEAST_WINDOW_BITS,
        }
    }

    /// Appends `message` as the payload of a compressed message, if that is smaller. If it is not, or can't be done
    /// in this window, nothing is appended and the message is to be sent as it is (RFC 7692 6).
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        if self.may_refer_too_far(message) {
            return false;
        }
        let start = out.len();
        let deflated = self.compress(message, out);
        if !deflated {
            out.truncate(start);
        }
        if !(deflated && self.takeover) {
            // A message that is not sent compressed is not in the receiver's window.
            if let Some(compress) = &mut self.compress {
                compress.reset();
            }
        }
        deflated
    }

    /// The backend has no window of 256 bytes. Messages no longer than that can't refer further back than it, so
    /// they may be compressed with a larger one, as long as they don't refer to earlier messages.
    fn may_refer_too_far(&self, message: &[u8]) -> bool {
        self.window_bits.get() < LEAST_WINDOW_BITS && message.len() > self.window_bits.bytes()
    }

    fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let compress = self.compress.get_or_insert_with(|| {
            let bits = self.window_bits.get().max(LEAST_WINDOW_BITS);
            Compress::new_with_window_bits(Compression::new(self.level.into()), false, bits)
        });
        let start = out.len();
        // What takes more than this is not smaller.
        let most = message.len() + TAIL.len();
        let mut rest = message;
        loop {
            let made = out.len() - start;
            if made >= most {
                return false;
            }
            if out.len() == out.capacity() {
                out.reserve((most - made).min(ROOM.max(made)));
            }
            let before = compress.total_in();
            if compress
                .compress_vec(rest, out, FlushCompress::Sync)
                .is_err()
            {
                return false;
            }
            // As many bytes as were there at most.
            rest = &rest[(compress.total_in() - before) as usize..];
            // With room left, everything has been flushed.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        let end = out.len().saturating_sub(TAIL.len());
        if end < start + 1 || end - start >= message.len() || out[end..] != TAIL {
            return false;
        }
        out.truncate(end);
        true
    }
}

/// Inflates messages.
#[derive(Debug)]
pub struct Inflater {
    decompress: Option<Decompress>,
    window_bits: WindowBits,
    takeover: bool,
    buffer: Vec<u8>,
}

impl Inflater {
    /// One for messages that refer at most this far back and, with `takeover`, to earlier messages.
    pub fn new(window_bits: WindowBits, takeover: bool) -> Inflater {
        Inflater {
            decompress: None,
            window_bits,
            takeover,
            buffer: Vec::new(),
        }
    }

    /// Inflates the payload of a compressed message, all its frames together.
    ///
    /// # Errors
    /// [`Error::Deflate`], or [`Error::MessageTooBig`] as soon as there are more than `limit` bytes. Nothing can be
    /// inflated after an error where there is context takeover.
    pub fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<&[u8], Error> {
        self.buffer.clear();
        if !self.takeover {
            if let Some(decompress) = &mut self.decompress {
                decompress.reset(false);
            }
        }
        // No bytes are no stream (7.2.3.6 makes one byte of an empty message), and they say nothing.
        if !payload.is_empty() {
            let mut ends = 0;
            let ended = self.take(payload, limit, &mut ends)?;
            let len = self.buffer.len();
            if !ended {
                self.take(&TAIL, limit, &mut ends)?;
            }
            // They only complete an empty block; where they do more, something was cut off.
            if self.buffer.len() != len {
                return Err(Error::Deflate);
            }
        }
        Ok(&self.buffer)
    }

    /// What the last call of [`Inflater::inflate`] gave.
    pub fn message(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes a part of a stream. Returns whether the stream ended with the last byte (BFINAL).
    fn take(&mut self, mut input: &[u8], limit: usize, ends: &mut u32) -> Result<bool, Error> {
        let buffer = &mut self.buffer;
        let decompress = self.decompress.get_or_insert_with(|| {
            let bits = self.window_bits.get().max(LEAST_WINDOW_BITS);
            Decompress::new_with_window_bits(false, bits)
        });
        loop {
            if buffer.len() == buffer.capacity() {
                // One byte beyond the limit tells that it is passed.
                let most = limit.saturating_add(1) - buffer.len();
                buffer.reserve_exact(ROOM.max(buffer.len()).min(most));
            }
            let (before, had) = (decompress.total_in(), buffer.len());
            let status = decompress
                .decompress_vec(input, buffer, FlushDecompress::Sync)
                .map_err(|_| Error::Deflate)?;
            let taken = decompress.total_in() - before;
            // As many bytes as were there at most.
            input = &input[taken as usize..];
            if buffer.len() > limit {
                return Err(Error::MessageTooBig);
            }
            if status == Status::StreamEnd {
                *ends += 1;
                if *ends > MOST_ENDS {
                    return Err(Error::Deflate);
                }
                // What follows may refer to what was before (7.2.3.4).
                decompress.reset(false);
                let window = buffer.len().saturating_sub(WindowBits::MAX.bytes());
                decompress
                    .set_dictionary(&buffer[window..])
                    .map_err(|_| Error::Deflate)?;
                if input.is_empty() {
                    return Ok(true);
                }
            } else if buffer.len() < buffer.capacity() {
                if input.is_empty() {
                    return Ok(false);
                }
                if taken == 0 && buffer.len() == had {
                    return Err(Error::Deflate);
                }
            }
        }
    }

    /// Inflates into this buffer from now on, and gives the one that was used: inflaters of which one is used at a
    /// time may share one.
    pub fn replace_buffer(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.buffer, buffer)
    }
}
