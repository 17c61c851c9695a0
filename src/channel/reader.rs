//! A reader: a cursor into one channel, and what it may be given. Kept by a connection, and moved on by its `Hub`.

use super::Id;
use super::encoded::Encoding;
use crate::json;

/// Messages that a poll gets at once by default: 1,000.
pub const BATCH_MESSAGES: usize = 1_000;
/// Bytes that a poll's messages take at once by default, unless the first alone takes more: 1 MiB.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// A cursor that waits at a channel. Given by [`Hub::attach`](super::Hub::attach), ended by [`Hub::detach`](super::Hub::detach).
///
/// It belongs to the hub that gave it; another hub has nothing for it to read.
#[derive(Debug)]
pub struct Reader {
    pub(super) channel: u32,
    pub(super) place: u32,
    pub(super) next: u64,
    pub(super) encoding: Encoding,
    pub(super) gap: bool,
    /// It gets nothing from its hub until it is placed.
    #[cfg(feature = "backend")]
    pub(super) held: bool,
}

impl Reader {
    /// Whether it gets nothing from its hub until it is placed.
    pub(super) fn is_held(&self) -> bool {
        #[cfg(feature = "backend")]
        return self.held;
        #[cfg(not(feature = "backend"))]
        return false;
    }
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next<'h> {
    /// It has read everything.
    Nothing,
    /// Messages are missing: [`Hub::write_gap`](super::Hub::write_gap) appends the event that says so and moves on.
    Gap,
    /// Encoded messages, as many as lie in one slice.
    Bytes(&'h [u8]),
}

/// What a poll gets: everything behind its cursor, or as much as a batch may hold.
///
/// The body is `{"events":[...],"last_id":".."}`, with `"more":true` if the batch was full and `"gap":true` if
/// messages are missing in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// How many messages it holds.
    pub messages: usize,
    /// The cursor to come back with.
    pub last_id: Id,
    /// Messages are missing between the cursor that was given and the first one here.
    pub gap: bool,
    /// There is more to be had at once.
    pub more: bool,
}

impl Batch {
    /// Whether it holds nothing that would end a long poll: no message and no gap.
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && !self.gap
    }

    pub(super) fn write_start(out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"events\":[");
    }

    pub(super) fn write_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"],\"last_id\":");
        json::write_string(out, self.last_id.text().as_str());
        if self.gap {
            out.extend_from_slice(b",\"gap\":true");
        }
        if self.more {
            out.extend_from_slice(b",\"more\":true");
        }
        out.push(b'}');
    }
}
