//! What a message takes in the largest of its encodings: the bound between those who publish and those who read.
//!
//! A reader refuses what is longer than it has memory for, in whichever way it reads. A message that was taken and that
//! no reader takes would stop all of them in front of it for as long as it is retained; so what is checked when it is
//! published is not what it is, but what it will be:
//!
//! | what a byte becomes | in a JSON envelope | in an event stream |
//! | --- | --- | --- |
//! | most text | itself | itself |
//! | a quote, a backslash | 2 bytes | itself |
//! | LF, CR | 2 bytes | 7, as the end of a line and the name of the next field |
//! | any other control character | 6 bytes, `\u0001` | itself |
//! | what is not UTF-8 | 4 for 3, as base64 | the same, as an envelope |
//!
//! Nothing becomes more than seven times as long, and nearly all messages are smaller than a seventh of what is allowed:
//! only the others are looked through.

use super::log::Data;
use crate::{json, sse, ws};

/// Bytes of a message in its largest encoding, unless the program says otherwise: as much as our clients take by
/// default, whichever way they read ([`ws::MAX_MESSAGE`], [`ws::MAX_FRAME`], [`sse::MAX_EVENT`]).
pub const MAX_ENCODED: usize = least([ws::MAX_MESSAGE, ws::MAX_FRAME, sse::MAX_EVENT]);

const fn least(limits: [usize; 3]) -> usize {
    let [mut least, b, c] = limits;
    if b < least {
        least = b;
    }
    if c < least {
        least = c;
    }
    least
}

/// What a byte becomes at most.
const GROWTH: usize = 7;

/// The most that an encoding adds to event name and data: an id of 41 characters twice, and the names of fields and
/// members around them.
const AROUND: usize = 256;

/// Whether no encoding of a message takes more than `limit` bytes.
pub(super) fn fits(event: Option<&str>, data: &Data, limit: usize) -> bool {
    let name = event.unwrap_or(super::DEFAULT_EVENT);
    let length = data.as_bytes().len();
    // The name may stand twice: in the block's field, and in the envelope that its data is.
    let around = AROUND + 2 * GROWTH * name.len();
    if length.saturating_mul(GROWTH).saturating_add(around) <= limit {
        return true;
    }
    let largest = match data.as_text() {
        Some(text) => json::escaped_len(text).max(sse::data_len(text)),
        None => length.div_ceil(3).saturating_mul(4),
    };
    let around = AROUND + name.len() + json::escaped_len(name);
    largest.saturating_add(around) <= limit
}

#[cfg(test)]
mod tests {
    use super::super::{Encoding, Id, Record};
    use super::*;

    /// The longest of all encodings, as they are written.
    fn largest(event: Option<&str>, data: &Data) -> usize {
        let record = Record {
            id: Id {
                ms: u64::MAX,
                seq: u64::MAX,
            },
            event: event.map(Into::into),
            data: data.clone(),
        };
        let encodings = [
            Encoding::Json,
            Encoding::SocketJson,
            Encoding::SocketRaw,
            Encoding::EventChunks,
        ];
        let written = encodings.map(|encoding| {
            let mut out = Vec::new();
            encoding.write(&mut out, &record);
            out.len()
        });
        written.into_iter().max().unwrap_or(0)
    }

    #[test]
    fn a_message_that_fits_is_never_larger_and_one_that_does_not_is_hardly_smaller() {
        let long_name = "\u{1}".repeat(super::super::MAX_NAME);
        for event in [None, Some("tick"), Some(&*long_name)] {
            for bytes in [
                &b"a"[..],
                b"\n",
                b"\r",
                b"\r\n",
                b"\n\r",
                b"\x01",
                b"\"",
                b"\\",
                b"\t",
                b"\xff",
                b"ab\ncd\r\n\x01\x02e\"",
                "\u{1F331}".as_bytes(),
            ] {
                for times in [0, 1, 10, 1_000] {
                    let data = Data::new(&bytes.repeat(times));
                    let size = largest(event, &data);
                    let what = format!("{bytes:?} {times} times, under {event:?}: {size}");
                    assert!(!fits(event, &data, size - 1), "{what}");
                    let more = AROUND + 8 * event.map_or(7, str::len);
                    assert!(fits(event, &data, size + more), "{what}");
                }
            }
        }
    }

    #[test]
    fn no_length_is_too_long_to_count() {
        assert!(!fits(None, &Data::new(b"a"), 0));
        assert!(fits(None, &Data::new(b""), usize::MAX));
    }
}
