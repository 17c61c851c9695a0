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

use std::sync::Arc;

use crate::channel::{Data, Id, Record};

/// The format of the file that this version writes.
pub const FORMAT: u32 = 1;

/// The bytes in front of a block's messages.
pub(super) const BLOCK_HEADER: usize = 12;

const BINARY: u8 = 1;
const NAMED: u8 = 2;

/// Bytes that no encoder here has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Result<Id, Malformed> {
        Ok(Id {
            ms: self.u64()?,
            seq: self.u64()?,
        })
    }

    /// LEB128 in its shortest form.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return is_shortest.then_some(value).ok_or(Malformed);
            }
        }
        Err(Malformed)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_id(out: &mut Vec<u8>, id: Id) {
    out.extend_from_slice(&id.ms.to_le_bytes());
    out.extend_from_slice(&id.seq.to_le_bytes());
}

/// A sum that changes with any bit. It finds what a medium has garbled; it withstands nobody who forges on purpose.
fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |sum: u64, word: u64| {
        let product = (sum ^ word).wrapping_mul(MULTIPLIER);
        product ^ (product >> 32)
    };
    // Four sums side by side, so that no word waits for the one before it.
    let mut sums = [seed, !seed, seed.rotate_left(17), seed.rotate_left(41)];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (sum, word) in sums.iter_mut().zip(chunk.chunks_exact(8)) {
            *sum = mix(
                *sum,
                u64::from_le_bytes(word.try_into().unwrap_or_default()),
            );
        }
    }
    let mut sum = mix(bytes.len() as u64, seed);
    for part in sums {
        sum = mix(sum, part);
    }
    for word in chunks.remainder().chunks(8) {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        sum = mix(sum, u64::from_le_bytes(padded));
    }
    sum
}

/// Messages of one channel on their way into a row.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    /// Begins with room for the header.
    bytes: Vec<u8>,
    messages: u32,
}

impl BlockWriter {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    pub(super) fn push(&mut self, record: &Record) {
        self.begin();
        self.messages += 1;
        let out = &mut self.bytes;
        write_varint(out, record.id.ms);
        write_varint(out, record.id.seq);
        let binary = matches!(record.data, Data::Binary(_));
        let named = record.event.is_some();
        out.push(u8::from(binary) * BINARY + u8::from(named) * NAMED);
        if let Some(event) = &record.event {
            write_bytes(out, event.as_bytes());
        }
        write_bytes(out, record.data.as_bytes());
    }

    /// Appends the messages of a block that lie behind `floor`, as they are.
    pub(super) fn join(&mut self, channel: u32, block: &[u8], floor: Id) -> Result<(), Malformed> {
        self.begin();
        read_block(channel, block, |stored| {
            if stored.id > floor {
                self.messages = self.messages.checked_add(1).ok_or(Malformed)?;
                self.bytes.extend_from_slice(stored.encoded);
            }
            Ok(true)
        })
    }

    fn begin(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.resize(BLOCK_HEADER, 0);
        }
    }

    /// The block, for the channel with this number.
    pub(super) fn finish(mut self, channel: u32) -> Vec<u8> {
        self.begin();
        self.bytes[8..BLOCK_HEADER].copy_from_slice(&self.messages.to_le_bytes());
        let sum = checksum(u64::from(channel), &self.bytes[8..]);
        self.bytes[..8].copy_from_slice(&sum.to_le_bytes());
        self.bytes
    }
}

fn open_block(channel: u32, block: &[u8]) -> Result<(u32, Input<'_>), Malformed> {
    let mut input = Input(block);
    let sum = input.u64()?;
    if sum != checksum(u64::from(channel), input.0) {
        return Err(Malformed);
    }
    let messages = input.u32()?;
    if messages == 0 {
        return Err(Malformed);
    }
    Ok((messages, input))
}

/// A message of a block, still in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) id: Id,
    event: Option<&'a str>,
    binary: bool,
    data: &'a [u8],
    /// All of it, as it lies in its block.
    encoded: &'a [u8],
}

impl Stored<'_> {
    /// As [`Record`] counts.
    pub(super) fn size(&self) -> usize {
        self.data.len() + self.event.map_or(0, str::len)
    }

    /// A copy.
    pub(super) fn to_record(self) -> Result<Record, Malformed> {
        let data = match self.binary {
            true => Data::Binary(self.data.into()),
            false => Data::Text(
                std::str::from_utf8(self.data)
                    .map_err(|_| Malformed)?
                    .into(),
            ),
        };
        Ok(Record {
            id: self.id,
            event: self.event.map(Arc::from),
            data,
        })
    }
}

/// Hands each message of a block of the channel with this number to `visit`, until it says that it has had enough.
pub(super) fn read_block<'a>(
    channel: u32,
    block: &'a [u8],
    mut visit: impl FnMut(Stored<'a>) -> Result<bool, Malformed>,
) -> Result<(), Malformed> {
    let (messages, mut input) = open_block(channel, block)?;
    let mut last = None;
    for _ in 0..messages {
        let begin = input.0;
        let id = Id {
            ms: input.varint()?,
            seq: input.varint()?,
        };
        if last.is_some_and(|last| id <= last) {
            return Err(Malformed);
        }
        last = Some(id);
        let [kind] = input.array()?;
        if kind & !(BINARY | NAMED) != 0 {
            return Err(Malformed);
        }
        let event = match kind & NAMED {
            0 => None,
            _ => Some(input.text()?),
        };
        let data = input.bytes()?;
        let stored = Stored {
            id,
            event,
            binary: kind & BINARY != 0,
            data,
            encoded: &begin[..begin.len() - input.0.len()],
        };
        if !visit(stored)? {
            return Ok(());
        }
    }
    match input.0 {
        [] => Ok(()),
        _ => Err(Malformed),
    }
}

/// What the store knows of a channel: its row under the channel's name.
///
/// ```text
///     floor        first                                         last
///       │            │                                             │
///   ────┤ ┌──────────┼───────┐ ┌───────────────┐ ┌───┐ ┌─┐ ┌────┐  │
///         │ dead     │ live  │ │     block     │ │   │ │ │ │    │ ◄┘
///         └──────────┴───────┘ └───────────────┘ └───┘ └─┘ └────┘
///         row                  block             tail: one row for each commit, until they are joined
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Under which its rows lie.
    pub(super) number: u32,
    /// The cursor in front of the oldest message retained.
    pub(super) floor: Id,
    /// The newest message, or the birth of the channel.
    pub(super) last: Id,
    /// The oldest message retained; meaningless without one.
    pub(super) first: Id,
    /// How many are retained.
    pub(super) messages: u64,
    /// Their data and event names.
    pub(super) bytes: u64,
    /// The key of the oldest row.
    pub(super) row: Id,
    /// The key of the last joined block, if it may take more.
    pub(super) block: Option<Id>,
    /// How many bytes that has.
    pub(super) block_bytes: u32,
    /// The key of the first row behind the joined ones.
    pub(super) tail: Id,
    /// How many rows there are from it on.
    pub(super) tail_rows: u32,
    /// Their bytes.
    pub(super) tail_bytes: u32,
}

impl Head {
    /// A channel that begins at `birth`.
    pub(super) fn new(number: u32, birth: Id) -> Head {
        Head {
            number,
            floor: birth,
            last: birth,
            first: birth,
            messages: 0,
            bytes: 0,
            row: birth,
            block: None,
            block_bytes: 0,
            tail: birth,
            tail_rows: 0,
            tail_bytes: 0,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(&self.number.to_le_bytes());
        for id in [self.floor, self.last, self.first] {
            write_id(&mut out, id);
        }
        out.extend_from_slice(&self.messages.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        write_id(&mut out, self.row);
        out.push(u8::from(self.block.is_some()));
        write_id(&mut out, self.block.unwrap_or(Id { ms: 0, seq: 0 }));
        out.extend_from_slice(&self.block_bytes.to_le_bytes());
        write_id(&mut out, self.tail);
        out.extend_from_slice(&self.tail_rows.to_le_bytes());
        out.extend_from_slice(&self.tail_bytes.to_le_bytes());
        seal(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Head, Malformed> {
        let mut input = unseal(bytes)?;
        let number = input.u32()?;
        let (floor, last, first) = (input.id()?, input.id()?, input.id()?);
        let (messages, bytes) = (input.u64()?, input.u64()?);
        let row = input.id()?;
        let [has_block] = input.array()?;
        let block = input.id()?;
        let head = Head {
            number,
            floor,
            last,
            first,
            messages,
            bytes,
            row,
            block: (has_block == 1).then_some(block),
            block_bytes: input.u32()?,
            tail: input.id()?,
            tail_rows: input.u32()?,
            tail_bytes: input.u32()?,
        };
        let is_canonical = has_block == 1 || (has_block == 0 && block == Id { ms: 0, seq: 0 });
        let is_ordered = match head.messages {
            0 => floor == last && head.bytes == 0,
            _ => floor < first && first <= last && row <= first,
        };
        match is_canonical && is_ordered && input.0.is_empty() {
            true => Ok(head),
            false => Err(Malformed),
        }
    }
}

/// What the store knows of all channels together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The greatest id given and kept.
    pub(super) last: Id,
    /// No id beyond this one was given: what was not synced is below it.
    pub(super) ceiling: Id,
    /// The floor of every channel that there is not.
    pub(super) birth: Id,
    /// The number that the next channel gets.
    pub(super) next_number: u32,
    /// How long the store has been open, over all its lives, in milliseconds: the clock of keys, which no one sets.
    pub(super) uptime: u64,
    /// How many keys are remembered.
    pub(super) keys: u64,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        for id in [self.last, self.ceiling, self.birth] {
            write_id(&mut out, id);
        }
        out.extend_from_slice(&self.next_number.to_le_bytes());
        out.extend_from_slice(&self.uptime.to_le_bytes());
        out.extend_from_slice(&self.keys.to_le_bytes());
        seal(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<State, Malformed> {
        let mut input = unseal(bytes)?;
        let state = State {
            last: input.id()?,
            ceiling: input.id()?,
            birth: input.id()?,
            next_number: input.u32()?,
            uptime: input.u64()?,
            keys: input.u64()?,
        };
        match input.0.is_empty() && state.birth <= state.last && state.last <= state.ceiling {
            true => Ok(state),
            false => Err(Malformed),
        }
    }
}

/// The bytes of a digest (SHA-1). It tells a retry from another message; who looks for collisions finds them in
/// messages of his own.
pub(super) const DIGEST: usize = 20;

/// What was published under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Its message.
    pub(super) id: Id,
    /// When it was published, by [`State::uptime`].
    pub(super) at: u64,
    /// The digest of event and data.
    pub(super) digest: [u8; DIGEST],
}

impl Remembered {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(52);
        write_id(&mut out, self.id);
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.digest);
        seal(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Remembered, Malformed> {
        let mut input = unseal(bytes)?;
        let remembered = Remembered {
            id: input.id()?,
            at: input.u64()?,
            digest: input.array()?,
        };
        match input.0 {
            [] => Ok(remembered),
            _ => Err(Malformed),
        }
    }
}

/// Appends a checksum to a small row.
fn seal(mut row: Vec<u8>) -> Vec<u8> {
    let sum = checksum(0, &row);
    row.extend_from_slice(&sum.to_le_bytes());
    row
}

fn unseal(row: &[u8]) -> Result<Input<'_>, Malformed> {
    let (row, sum) = row.split_last_chunk().ok_or(Malformed)?;
    match u64::from_le_bytes(*sum) == checksum(0, row) {
        true => Ok(Input(row)),
        false => Err(Malformed),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ms: u64, event: Option<&str>, data: Data) -> Record {
        Record {
            id: Id { ms, seq: ms / 2 },
            event: event.map(Arc::from),
            data,
        }
    }

    fn sample() -> (Vec<Record>, Vec<u8>) {
        let records = vec![
            record(1, None, Data::new(b"")),
            record(300, Some("tick"), Data::new("ü".repeat(200).as_bytes())),
            record(u64::MAX, None, Data::Binary(b"text"[..].into())),
        ];
        let mut block = BlockWriter::default();
        records.iter().for_each(|record| block.push(record));
        (records, block.finish(3))
    }

    fn read(channel: u32, block: &[u8]) -> Result<Vec<Record>, Malformed> {
        let mut records = Vec::new();
        read_block(channel, block, |stored| {
            records.push(stored.to_record()?);
            Ok(true)
        })?;
        Ok(records)
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        let (records, block) = sample();
        assert_eq!(read(3, &block), Ok(records));
        assert_eq!(read(4, &block), Err(Malformed));
    }

    #[test]
    fn blocks_are_joined_by_copying() {
        let (mut records, block) = sample();
        let mut joined = BlockWriter::default();
        let mut earlier = BlockWriter::default();
        let first = record(1, None, Data::new(b"first"));
        earlier.push(&first);
        let begin = Id { ms: 0, seq: 0 };
        joined.join(3, &earlier.finish(3), begin).unwrap();
        joined.join(3, &block, records[0].id).unwrap();
        records[0] = first;
        assert_eq!(read(3, &joined.finish(3)), Ok(records));
    }

    #[test]
    fn a_block_with_any_bit_changed_or_any_byte_missing_is_refused() {
        let (_, block) = sample();
        for bit in 0..block.len() * 8 {
            let mut changed = block.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(3, &changed), Err(Malformed), "bit {bit}");
        }
        for length in 0..block.len() {
            assert_eq!(read(3, &block[..length]), Err(Malformed), "{length} bytes");
        }
        assert_eq!(read(3, &vec![0; block.len()]), Err(Malformed));
    }

    #[test]
    fn small_rows_are_read_as_they_were_written_and_refused_when_changed() {
        let id = |ms| Id { ms, seq: 1 };
        let mut head = Head::new(9, id(3));
        (head.first, head.last, head.messages) = (id(4), id(7), 2);
        (head.row, head.block) = (id(2), Some(id(4)));
        let state = State {
            last: id(8),
            ceiling: id(9),
            birth: id(1),
            next_number: 10,
            uptime: 11,
            keys: 12,
        };
        let remembered = Remembered {
            id: id(8),
            at: 6,
            digest: [7; DIGEST],
        };
        assert_eq!(Head::decode(&head.encode()), Ok(head));
        assert_eq!(State::decode(&state.encode()), Ok(state));
        assert_eq!(Remembered::decode(&remembered.encode()), Ok(remembered));
        for row in [head.encode(), state.encode(), remembered.encode()] {
            for bit in 0..row.len() * 8 {
                let mut changed = row.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                decode_anything(&changed);
                assert_eq!(Head::decode(&changed), Err(Malformed));
                assert_eq!(State::decode(&changed), Err(Malformed));
                assert_eq!(Remembered::decode(&changed), Err(Malformed));
            }
        }
    }

    #[test]
    fn lengths_beyond_what_there_is_are_refused_without_reserving_it() {
        for length in [1, 1 << 20, 1 << 40, u64::MAX] {
            let mut body = Vec::from(1_u32.to_le_bytes());
            body.extend_from_slice(&[1, 0, 0]);
            write_varint(&mut body, length);
            let block = [&checksum(3, &body).to_le_bytes()[..], &body].concat();
            assert_eq!(read(3, &block), Err(Malformed));
        }
    }

    #[test]
    fn a_varint_has_one_form() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(Input(&bytes).varint(), Ok(value));
        }
        for bytes in [&[0x80, 0][..], &[0xFF; 10], &[0x80; 11], &[0x80]] {
            assert_eq!(Input(bytes).varint(), Err(Malformed), "{bytes:?}");
        }
    }
}
