//! What the store's rows hold, byte for byte.
//!
//! ```text
//!   a block:    checksum (8) │ messages (4) │ message │ message │ ...          little-endian, no padding
//!   a message:  ms (varint) │ seq (varint) │ kind (1) │ [length (varint) │ event] │ length (varint) │ data
//!               kind: bit 0 is binary data, bit 1 an event name; no other bit is set
//! ```
//!
//! Each message stands by itself, so that blocks are joined by copying. The checksum is over the number of the channel
//! and all that follows it: a block that lies under another channel's key, or is all zeros, is none. The database has
//! checksums of its own, but looks at them only after a crash; these are looked at whenever a block is read.
//!
//! The rule for every decoder here: **whatever the bytes, they are decoded or refused**. Nothing is reserved for what is
//! only declared, and what decodes is what some encoder could have written: ids grow, text is UTF-8, nothing is left over.

mod block;
mod bytes;
mod small;
#[cfg(test)]
mod tests;

pub(super) use block::{BlockWriter, read_block};
pub use bytes::Malformed;
use bytes::{checksum, seal};
pub(super) use small::{DIGEST, Head, Remembered, State};

/// The format of the file that this version writes.
pub const FORMAT: u32 = 1;

/// Decodes the bytes as each kind of row, for a fuzzer: what decodes has to be what encodes to the same bytes.
#[doc(hidden)]
pub fn decode_anything(bytes: &[u8]) {
    let seal_of = |kept: &[u8]| seal(kept.to_vec());
    // A fuzzer doesn't find checksums: rows are tried as they are, and with the right one.
    for row in [bytes.to_vec(), seal_of(bytes)] {
        if let Ok(head) = Head::decode(&row) {
            assert_eq!(head.encode(), row);
        }
        if let Ok(state) = State::decode(&row) {
            assert_eq!(state.encode(), row);
        }
        if let Ok(remembered) = Remembered::decode(&row) {
            assert_eq!(remembered.encode(), row);
        }
    }
    let mut block = [&checksum(7, bytes).to_le_bytes()[..], bytes].concat();
    for _ in 0..2 {
        let mut again = BlockWriter::default();
        let read = read_block(7, &block, |stored| {
            again.push(&stored.to_record()?);
            Ok(true)
        });
        if read.is_ok() {
            assert_eq!(again.finish(7), block);
        }
        block = bytes.to_vec();
    }
}
