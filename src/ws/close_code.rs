//! The codes of a close frame: RFC 6455 7.4.
//!
//! The invariant: a [`CloseCode`] may be on the wire. The codes that only name what happened
//! locally (1005 no code, 1006 no close frame, 1015 TLS failed) cannot be built, so they cannot be
//! sent.

use std::fmt;

/// Why a connection is closed: a code that may be on the wire (RFC 6455 7.4).
///
/// ```
/// use barewire::ws::CloseCode;
///
/// assert_eq!(CloseCode::GOING_AWAY.as_u16(), 1001);
/// assert!(CloseCode::new(4_000).is_some()); // an application's own
/// assert!(CloseCode::new(1_006).is_none()); // names what happened, and is never sent
/// ```
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
}
