//! Where a head ends: RFC 9112 2.1 and 2.2.
//!
//! ```text
//!   [CRLF]  start-line CRLF  field-line CRLF  ...  CRLF | body
//!    ^ empty lines before it are ignored            ^ this one ends the head
//! ```
//!
//! A head arrives in any number of reads. [`HeadFinder`] remembers where the last
//! look stopped, so that a head costs one look at each of its bytes however it is
//! cut: the attack of one byte per packet gets linear time too.
//!
//! The invariant: **the first byte that decides, decides**. The bytes are judged in
//! order, and an error or the end is reported at the byte that makes it certain, so
//! every cutting of the same bytes gives the same answer. The limits take part in
//! that order: they are byte positions like any other, and hold for a head that
//! arrives whole as for one that trickles.

use super::{Error, HeadLimits, MAX_EMPTY_LINES};
use crate::scan::position;

/// How much longer than its target a request line may be before the target must be
/// what is too long: a method, two spaces, the version and CRLF.
const REQUEST_LINE_EXTRA: usize = 64;

/// Looks for the end of a head in bytes that are still arriving.
///
/// ```
/// use barewire::http::{HeadFinder, HeadLimits};
///
/// let (mut finder, limits) = (HeadFinder::default(), HeadLimits::default());
/// assert_eq!(finder.find(b"GET / HTTP/1.1\r\nHost: a", &limits)?, None);
/// let end = finder.find(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody", &limits)?;
/// assert_eq!(end, Some(27)); // where the body begins
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HeadFinder {
    /// Everything before this has been looked at.
    seen: usize,
    /// Where the current line starts.
    line: usize,
    /// Empty lines before the start line.
    empty_lines: u8,
    /// The start line is complete; field lines follow.
    in_fields: bool,
}

const _: () = assert!(size_of::<HeadFinder>() <= 24);

impl HeadFinder {
    /// Looks on for the end of the head. `bytes` is everything since its start, those
    /// of earlier calls included; the limits stay the same between calls.
    ///
    /// Returns the length of the head with its empty line (and the empty lines before
    /// it, which [`RequestHead::parse`](super::RequestHead::parse) skips), or `None`
    /// when it is still incomplete. Start the next head with a new finder.
    pub fn find(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Error> {
        loop {
            let (limit, excess) = self.limit(limits);
            let window = &bytes[..bytes.len().min(limit)];
            let rest = window.get(self.seen..).unwrap_or_default();
            let line = window.get(self.line..).unwrap_or_default();
            // What was looked at and did not decide; unless the limit does.
            let undecided = |seen: usize| match (bytes.len() > limit, excess) {
                (false, _) => Ok(seen),
                (true, Error::TargetTooLong) if !line.contains(&b' ') => Err(Error::MethodTooLong),
                (true, excess) => Err(excess),
            };

            let Some(offset) =
                position(rest, |byte| (byte == b'\r') | (byte == b'\n') | (byte == 0))
            else {
                self.seen = undecided(self.seen.max(window.len()))?;
                return Ok(None);
            };
            let at = self.seen + offset;
            match (window[at], window.get(at + 1)) {
                (0, _) => return Err(Error::Nul),
                (b'\n', _) => return Err(Error::BareLineFeed),
                (_, Some(b'\n')) => {}
                (_, Some(_)) => return Err(Error::BareCarriageReturn),
                (_, None) => {
                    self.seen = undecided(at)?;
                    return Ok(None);
                }
            }

            let empty = at == self.line;
            self.seen = at + 2;
            self.line = self.seen;
            match (empty, self.in_fields) {
                (true, true) => return Ok(Some(self.seen)),
                (true, false) if self.empty_lines == MAX_EMPTY_LINES => {
                    return Err(Error::TooManyEmptyLines);
                }
                (true, false) => self.empty_lines += 1,
                (false, _) => self.in_fields = true,
            }
        }
    }

    /// The position that no byte of the current line may reach, and what it means if
    /// one does.
    fn limit(&self, limits: &HeadLimits) -> (usize, Error) {
        let line = (self.line + REQUEST_LINE_EXTRA).saturating_add(limits.target);
        match !self.in_fields && line < limits.head {
            true => (line, Error::TargetTooLong),
            false => (limits.head, Error::HeadTooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(bytes: &[u8]) -> Result<Option<usize>, Error> {
        HeadFinder::default().find(bytes, &HeadLimits::default())
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        // A quadratic search would meet what takes the place of the bytes that it has seen (CVE-2023-43669).
        let mut bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n".to_vec();
        let (whole, mut finder) = (bytes.len(), HeadFinder::default());
        for end in 0..whole {
            assert_eq!(finder.find(&bytes[..end], &HeadLimits::default()), Ok(None));
            // The last byte may be half of a line's end.
            bytes[..end.saturating_sub(1)].fill(0);
        }
        assert_eq!(finder.find(&bytes, &HeadLimits::default()), Ok(Some(whole)));
    }

    #[test]
    fn a_head_ends_behind_its_empty_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(find(head), Ok(Some(head.len())));
        assert_eq!(find(b"GET / HTTP/1.1\r\n\r\nbody\r\n\r\n"), Ok(Some(18)));
    }

    #[test]
    fn a_head_that_arrives_byte_by_byte_is_found_at_its_last_byte() {
        let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut finder = HeadFinder::default();
        for end in 0..head.len() {
            assert_eq!(
                finder.find(&head[..end], &HeadLimits::default()),
                Ok(None),
                "{end}"
            );
        }
        assert_eq!(
            finder.find(head, &HeadLimits::default()),
            Ok(Some(head.len()))
        );
    }

    // RFC 9112 2.2

    #[test]
    fn a_few_empty_lines_before_the_request_belong_to_the_head() {
        assert_eq!(find(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Some(22)));
        let mut many = b"\r\n".repeat(usize::from(MAX_EMPTY_LINES));
        assert_eq!(find(&many), Ok(None));
        many.extend_from_slice(b"\r\n");
        assert_eq!(find(&many), Err(Error::TooManyEmptyLines));
    }

    #[test]
    fn a_bare_line_feed_is_refused_at_once() {
        assert_eq!(find(b"GET / HTTP/1.1\n"), Err(Error::BareLineFeed));
        assert_eq!(
            find(b"GET / HTTP/1.1\r\nA: b\n\r\n"),
            Err(Error::BareLineFeed)
        );
        assert_eq!(find(b"GET / HTTP/1.1\r\n\n"), Err(Error::BareLineFeed));
    }

    #[test]
    fn a_bare_carriage_return_is_refused_at_once() {
        assert_eq!(find(b"GET /\r"), Ok(None));
        assert_eq!(find(b"GET /\r "), Err(Error::BareCarriageReturn));
        assert_eq!(
            find(b"GET / HTTP/1.1\r\nA: b\r\r\n"),
            Err(Error::BareCarriageReturn)
        );
    }

    #[test]
    fn a_nul_is_refused_at_once() {
        assert_eq!(find(b"GET /\0"), Err(Error::Nul));
    }

    // Limits

    #[test]
    fn a_head_may_have_exactly_the_limit_whole_or_in_parts() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let limits = |head| HeadLimits {
            head,
            ..HeadLimits::default()
        };
        let exact = limits(head.len());
        assert_eq!(
            HeadFinder::default().find(head, &exact),
            Ok(Some(head.len()))
        );
        assert_eq!(
            HeadFinder::default().find(&head[..head.len() - 1], &exact),
            Ok(None)
        );
        let short = limits(head.len() - 1);
        assert_eq!(
            HeadFinder::default().find(head, &short),
            Err(Error::HeadTooLarge)
        );
        let mut finder = HeadFinder::default();
        assert_eq!(finder.find(&head[..head.len() - 1], &short), Ok(None));
        assert_eq!(finder.find(head, &short), Err(Error::HeadTooLarge));
    }

    #[test]
    fn a_request_line_that_grows_without_end_has_too_long_a_target() {
        let mut line = b"GET /".to_vec();
        line.resize(super::super::MAX_TARGET + REQUEST_LINE_EXTRA, b'a');
        assert_eq!(find(&line), Ok(None));
        line.push(b'a');
        assert_eq!(find(&line), Err(Error::TargetTooLong));
    }

    // RFC 9112 3

    #[test]
    fn a_request_line_that_grows_without_a_space_has_too_long_a_method() {
        let mut line = b"\r\n".to_vec();
        line.resize(2 + super::super::MAX_TARGET + REQUEST_LINE_EXTRA, b'A');
        assert_eq!(find(&line), Ok(None));
        line.push(b' ');
        assert_eq!(find(&line), Err(Error::MethodTooLong));
    }
}
