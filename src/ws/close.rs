//! The body of a close frame: RFC 6455 5.5.1 and 7.4.
//!
//! ```text
//! +--------------+----------------------------+
//! | code, 16 bit | reason, UTF-8, 0-123 bytes |      or nothing at all
//! +--------------+----------------------------+
//! ```
//!
//! The invariant: what [`Close::parse`] gives has a code that may be on the wire and a reason that is
//! UTF-8. The decoder calls it for each close frame; `write_close` writes one.

use std::str;

use super::{CloseCode, Error, MAX_CONTROL_PAYLOAD};

/// RFC 6455 5.5: what a control frame can carry, without the two bytes of the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// A code and a reason to close with.
///
/// ```
/// use barewire::ws::{Close, CloseCode};
///
/// let close = Close::new(CloseCode::NORMAL, "done")?;
/// assert_eq!(Close::parse(b"\x03\xe8done")?, Some(close));
/// # Ok::<(), barewire::ws::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people who debug; often empty. At most 123 bytes, or the end of it is not sent.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// A code with a reason that fits into a close frame.
    pub fn new(code: CloseCode, reason: &'a str) -> Result<Close<'a>, Error> {
        if reason.len() > MAX_CLOSE_REASON {
            return Err(Error::CloseReasonTooLong);
        }
        Ok(Close { code, reason })
    }

    /// Reads the payload of a close frame, unmasked. `None` when it is empty, which is a close
    /// without a code.
    pub fn parse(payload: &'a [u8]) -> Result<Option<Close<'a>>, Error> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() {
                Ok(None)
            } else {
                Err(Error::CloseTooShort)
            };
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).ok_or(Error::InvalidCloseCode(code))?;
        let reason = str::from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
        Ok(Some(Close { code, reason }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 7.4.1 Defined status codes

    #[test]
    fn a_code_that_must_not_be_set_by_an_endpoint_is_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None);
            let payload = code.to_be_bytes();
            let refused = Close::parse(&payload);
            assert_eq!(refused, Err(Error::InvalidCloseCode(code)));
            assert_eq!(
                refused.map_err(Error::close_code),
                Err(CloseCode::PROTOCOL_ERROR)
            );
        }
    }

    // 5.5.1 Close

    #[test]
    fn an_empty_body_is_a_close_without_a_code() {
        assert_eq!(Close::parse(&[]), Ok(None));
    }

    #[test]
    fn a_body_must_start_with_two_bytes_of_code() {
        assert_eq!(Close::parse(&[3]), Err(Error::CloseTooShort));
        let close = Close {
            code: CloseCode::NORMAL,
            reason: "",
        };
        assert_eq!(Close::parse(&[0x03, 0xE8]), Ok(Some(close)));
    }

    #[test]
    fn the_reason_must_be_utf_8() {
        let close = Close {
            code: CloseCode::GOING_AWAY,
            reason: "så",
        };
        assert_eq!(Close::parse(b"\x03\xE9s\xC3\xA5"), Ok(Some(close)));
        let refused = Close::parse(b"\x03\xE9s\xC3");
        assert_eq!(refused, Err(Error::InvalidUtf8));
        assert_eq!(
            refused.map_err(Error::close_code),
            Err(CloseCode::INVALID_PAYLOAD)
        );
    }

    #[test]
    fn a_reason_that_does_not_fit_is_refused() {
        let reason = "x".repeat(124);
        assert!(Close::new(CloseCode::NORMAL, &reason[..123]).is_ok());
        assert_eq!(
            Close::new(CloseCode::NORMAL, &reason),
            Err(Error::CloseReasonTooLong)
        );
    }
}
