//! Choices: what a law takes from the front of an input before the rest goes to the code under test.
//!
//! ```text
//!   input   [ choice ][ choice ] ... [ bytes for the wire ]
//!             e.g. how to cut          as they are
//! ```

use std::ops::Range;

/// The choices of an input, taken from its front. Beyond its end every choice is zero.
#[derive(Clone, Debug)]
pub struct Choices<'i> {
    rest: &'i [u8],
}

impl<'i> Choices<'i> {
    pub fn of(input: &'i [u8]) -> Choices<'i> {
        Choices { rest: input }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        byte
    }

    /// Two bytes, the most significant first.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// As many bytes as the next choice says, or as there are.
    pub fn bytes(&mut self) -> &'i [u8] {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }

    /// As [`Choices::bytes`], as far as they are UTF-8.
    pub fn text(&mut self) -> &'i str {
        let bytes = self.bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid"),
        }
    }

    pub fn rest(&self) -> &'i [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Cuts `length` bytes into pieces, each of at least one byte: a choice of 0 gives single bytes, and each other
/// choice pieces of changing sizes, which are larger on the whole the larger its last three bits are.
pub fn cuts(length: usize, choice: u8) -> Vec<Range<usize>> {
    let mut state = u32::from(choice).wrapping_mul(0x9E37_79B9) | 1;
    let largest = if choice == 0 { 1 } else { 2 << (choice & 7) };
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let end = length.min(start + 1 + state as usize % largest);
        pieces.push(start..end);
        start = end;
    }
    pieces
}
