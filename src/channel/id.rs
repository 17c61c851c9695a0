//! Message ids: `<milliseconds>-<sequence>`, the form of Redis Streams ids.
//!
//! An id is a name, a time and a cursor at once. The invariant: each id of a channel is greater than all that the
//! channel gave before, also when the clock is set back, because the next one is made from the last and not from the clock
//! alone. The log makes them; the encodings write them, on the stack; what a client sends as its cursor is parsed
//! here, strictly: two numbers in digits that 64 bits hold.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::scan::decimal;

/// The id of a message, and so a cursor: "everything up to here has been read".
///
/// The first part is the wall-clock time of the publish in milliseconds since 1970; the second counts messages
/// within that millisecond. Ids of a channel only ever grow, also when the clock is set back.
///
/// ```
/// use barewire::channel::Id;
/// let id: Id = "1763709279000-3".parse().unwrap();
/// assert!(id < Id { ms: 1763709279001, seq: 0 });
/// assert_eq!(id.to_string(), "1763709279000-3");
/// assert!("12".parse::<Id>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: u64,
    /// The count within the millisecond.
    pub seq: u64,
}

/// The most bytes that an id takes in text: two numbers of twenty digits and a dash.
pub(crate) const MAX_TEXT: usize = 41;

impl Id {
    /// The first id after this one for a message published at `ms`.
    pub(crate) fn next(self, ms: u64) -> Id {
        if ms > self.ms {
            return Id { ms, seq: 0 };
        }
        match self.seq.checked_add(1) {
            Some(seq) => Id { ms: self.ms, seq },
            None => Id {
                ms: self.ms.saturating_add(1),
                seq: 0,
            },
        }
    }

    /// The id as text, without the heap.
    pub(crate) fn text(self) -> Text {
        let mut text = Text {
            bytes: [0; MAX_TEXT],
            length: 0,
        };
        // Two u64 and a dash fit by the constant above, so this cannot fail.
        let _ = write!(text, "{}-{}", self.ms, self.seq);
        text
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Why a text is no [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a message id is two decimal numbers with a dash between them, such as 1763709279000-0",
        )
    }
}

impl std::error::Error for InvalidId {}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Id, InvalidId> {
        let (ms, seq) = text.split_once('-').ok_or(InvalidId)?;
        let number = |digits: &str| decimal(digits.as_bytes()).ok_or(InvalidId);
        Ok(Id {
            ms: number(ms)?,
            seq: number(seq)?,
        })
    }
}

/// An id in text form, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    bytes: [u8; MAX_TEXT],
    length: u8,
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        // Only digits and a dash are ever written, so the text is never replaced by the empty one.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let start = usize::from(self.length);
        let end = start + piece.len();
        let place = self.bytes.get_mut(start..end).ok_or(fmt::Error)?;
        place.copy_from_slice(piece.as_bytes());
        self.length = u8::try_from(end).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_with_the_clock_and_without_it() {
        let id = Id { ms: 5, seq: 0 };
        assert_eq!(id.next(6), Id { ms: 6, seq: 0 });
        assert_eq!(id.next(5), Id { ms: 5, seq: 1 });
        assert_eq!(id.next(2), Id { ms: 5, seq: 1 });
        assert_eq!(
            Id {
                ms: 5,
                seq: u64::MAX
            }
            .next(5),
            Id { ms: 6, seq: 0 }
        );
    }

    #[test]
    fn text_and_back() {
        for id in [
            Id { ms: 0, seq: 0 },
            Id {
                ms: u64::MAX,
                seq: u64::MAX,
            },
            Id { ms: 17, seq: 4 },
        ] {
            assert_eq!(id.text().as_str(), id.to_string());
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "+1-0",
            "1-+0",
            "1-0-0",
            " 1-0",
            "1 -0",
            "a-0",
            "18446744073709551616-0",
        ] {
            assert_eq!(text.parse::<Id>(), Err(InvalidId), "{text:?}");
        }
    }
}
