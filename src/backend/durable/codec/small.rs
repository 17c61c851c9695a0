//! Small rows: what the store knows of a channel, of all channels, and of a key.
//!
//! Each is of a fixed size and ends with its checksum ([`seal`]). The invariant: **a row that decodes encodes to the same
//! bytes**, and what it says is possible: a floor in front of the first message, counts that fit. `core` reads and writes them.

use super::bytes::{Malformed, seal, unseal, write_id};
use crate::channel::Id;

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
pub(crate) struct Head {
    /// Under which its rows lie.
    pub(crate) number: u32,
    /// The cursor in front of the oldest message retained.
    pub(crate) floor: Id,
    /// The newest message, or the birth of the channel.
    pub(crate) last: Id,
    /// The oldest message retained; meaningless without one.
    pub(crate) first: Id,
    /// How many are retained.
    pub(crate) messages: u64,
    /// Their data and event names.
    pub(crate) bytes: u64,
    /// The key of the oldest row.
    pub(crate) row: Id,
    /// The key of the last joined block, if it may take more.
    pub(crate) block: Option<Id>,
    /// How many bytes that has.
    pub(crate) block_bytes: u32,
    /// The key of the first row behind the joined ones.
    pub(crate) tail: Id,
    /// How many rows there are from it on.
    pub(crate) tail_rows: u32,
    /// Their bytes.
    pub(crate) tail_bytes: u32,
}

impl Head {
    /// A channel that begins at `birth`.
    pub(crate) fn new(number: u32, birth: Id) -> Head {
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

    pub(crate) fn encode(&self) -> Vec<u8> {
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

    pub(crate) fn decode(bytes: &[u8]) -> Result<Head, Malformed> {
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
pub(crate) struct State {
    /// The greatest id given and kept.
    pub(crate) last: Id,
    /// No id beyond this one was given: what was not synced is below it.
    pub(crate) ceiling: Id,
    /// The floor of every channel that there is not.
    pub(crate) birth: Id,
    /// The number that the next channel gets.
    pub(crate) next_number: u32,
    /// How long the store has been open, over all its lives, in milliseconds: the clock of keys, which no one sets.
    pub(crate) uptime: u64,
    /// How many keys are remembered.
    pub(crate) keys: u64,
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        for id in [self.last, self.ceiling, self.birth] {
            write_id(&mut out, id);
        }
        out.extend_from_slice(&self.next_number.to_le_bytes());
        out.extend_from_slice(&self.uptime.to_le_bytes());
        out.extend_from_slice(&self.keys.to_le_bytes());
        seal(out)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<State, Malformed> {
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
pub(crate) const DIGEST: usize = 20;

/// What was published under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Its message.
    pub(crate) id: Id,
    /// When it was published, by [`State::uptime`].
    pub(crate) at: u64,
    /// The digest of event and data.
    pub(crate) digest: [u8; DIGEST],
}

impl Remembered {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(52);
        write_id(&mut out, self.id);
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.digest);
        seal(out)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Remembered, Malformed> {
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
