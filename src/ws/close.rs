//! The body of a close frame: RFC 6455 5.5.1 and 7.4.
//!
//! ```text
//! +--------------+----------------------------+
//! | code, 16 bit | reason, UTF-8, 0-123 bytes |      or nothing at all
//! +--------------+----------------------------+
//! ```
//!
//! The invariant: a [`CloseCode`] can be on the wire. The codes that only name what happened
//! locally (1005 no code, 1006 no close frame, 1015 TLS failed) cannot be built, so they cannot be
//! sent.

use std::fmt;
use std::str;

use super::{Error, MAX_CONTROL_PAYLOAD};

/// RFC 6455 5.5: what a control frame can carry, without the two bytes of the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Why a connection is closed: a code that may be on the wire (RFC 6455 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// The server shuts down, or the page is left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// The endpoint cannot take this kind of message.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// A message is not what its kind demands, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    /// A message breaks a rule of the endpoint for which there is no better code.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// A message is too big to process.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// The client needs an extension that the server did not accept.
    pub const MANDATORY_EXTENSION: CloseCode = CloseCode(1010);
    /// Something unexpected kept the endpoint from going on.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The service restarts; a client may come back after a short random wait (IANA registry).
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// The service is overloaded; a client may come back later or go elsewhere (IANA registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    /// A gateway got an invalid answer from the server behind it (IANA registry).
    pub const BAD_GATEWAY: CloseCode = CloseCode(1014);

    /// The code, if it may be on the wire: 1000 to 1003, 1007 to 1014, and 3000 to 4999 for
    /// libraries and applications.
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(CloseCode(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A code and a reason to close with.
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
    fn the_codes_that_may_be_on_the_wire_are_exactly_these() {
        let allowed: Vec<u16> = (0..=u16::MAX)
            .filter(|&code| CloseCode::new(code).is_some())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(allowed, expected);
    }

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
