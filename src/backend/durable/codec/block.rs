//! Blocks: rows of messages.
//!
//! A commit writes what came to a channel as one block; later, small blocks are joined into larger ones by copying the bytes
//! of their messages ([`BlockWriter::join`]). Reading goes through a block from its start and may stop early
//! ([`read_block`]), as messages have no index. The invariant: **the ids of a block grow**, so that a block that is read is in order
//! whatever the medium did. `rows` writes and joins them, `page` reads them for readers of history.

use std::sync::Arc;

use super::bytes::{Input, Malformed, checksum, write_bytes, write_varint};
use crate::channel::{Data, Id, Record};

/// The bytes in front of a block's messages.
const BLOCK_HEADER: usize = 12;

const BINARY: u8 = 1;
const NAMED: u8 = 2;

/// Messages of one channel on their way into a row.
#[derive(Debug, Default)]
pub(crate) struct BlockWriter {
    /// Begins with room for the header.
    bytes: Vec<u8>,
    messages: u32,
}

impl BlockWriter {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(crate) fn messages(&self) -> u32 {
        self.messages
    }

    pub(crate) fn push(&mut self, record: &Record) {
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
    pub(crate) fn join(&mut self, channel: u32, block: &[u8], floor: Id) -> Result<(), Malformed> {
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
    pub(crate) fn finish(mut self, channel: u32) -> Vec<u8> {
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
pub(crate) struct Stored<'a> {
    pub(crate) id: Id,
    event: Option<&'a str>,
    binary: bool,
    data: &'a [u8],
    /// All of it, as it lies in its block.
    encoded: &'a [u8],
}

impl Stored<'_> {
    /// As [`Record`] counts.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.event.map_or(0, str::len)
    }

    /// A copy.
    pub(crate) fn to_record(self) -> Result<Record, Malformed> {
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
pub(crate) fn read_block<'a>(
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
