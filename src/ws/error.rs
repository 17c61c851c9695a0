//! What a peer, or the caller, did that the protocol or a limit forbids.

use std::fmt;

use super::CloseCode;

/// Why framing failed.
///
/// The decoder's errors are final: the connection is to be closed with
/// [`close_code`](Error::close_code), and the text of the error fits into the close frame as its
/// reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The opcode is one of 3 to 7 or 11 to 15 (RFC 6455 5.2).
    ReservedOpcode(u8),
    /// A reserved bit is set and no extension gives it a meaning (RFC 6455 5.2).
    ReservedBits,
    /// A length is written in more bytes than it needs (RFC 6455 5.2).
    LengthNotMinimal,
    /// The top bit of a 64-bit length is set (RFC 6455 5.2).
    LengthTopBit,
    /// A client sent a frame without a masking key (RFC 6455 5.1).
    NotMasked,
    /// A server sent a frame with a masking key (RFC 6455 5.1).
    Masked,
    /// A control frame has its FIN bit clear (RFC 6455 5.5).
    ControlFragmented,
    /// A control frame carries more than 125 bytes (RFC 6455 5.5).
    ControlTooLong,
    /// A continuation frame came while no message was open (RFC 6455 5.4).
    NothingToContinue,
    /// A text or binary frame came before the last message was finished (RFC 6455 5.4).
    MessageNotFinished,
    /// Text is not UTF-8 (RFC 6455 5.6 and 8.1), or the reason of a close frame is not (5.5.1).
    InvalidUtf8,
    /// The payload of a close frame is a single byte, too short for a code (RFC 6455 5.5.1).
    CloseTooShort,
    /// A close frame carries a code that may not be on the wire (RFC 6455 7.4).
    InvalidCloseCode(u16),
    /// The reason to close with is longer than 123 bytes (RFC 6455 5.5). Only the caller can cause
    /// it.
    CloseReasonTooLong,
    /// A frame announces more bytes than [`Limits::frame`](super::Limits::frame).
    FrameTooBig,
    /// A message grows past [`Limits::message`](super::Limits::message).
    MessageTooBig,
    /// A message comes in more frames than [`Limits::fragments`](super::Limits::fragments).
    TooManyFragments,
    /// A compressed message is no DEFLATE stream, or is cut off (RFC 7692 7.2.2).
    #[cfg(feature = "deflate")]
    Deflate,
}

impl Error {
    /// The code to close the connection with (RFC 6455 7.4.1).
    pub fn close_code(self) -> CloseCode {
        match self {
            Error::ReservedOpcode(_)
            | Error::ReservedBits
            | Error::LengthNotMinimal
            | Error::LengthTopBit
            | Error::NotMasked
            | Error::Masked
            | Error::ControlFragmented
            | Error::ControlTooLong
            | Error::NothingToContinue
            | Error::MessageNotFinished
            | Error::CloseTooShort
            | Error::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Error::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            // RFC 7692 has no code for it; to RFC 6455 7.4.1 it is data that is not what its message says it is.
            #[cfg(feature = "deflate")]
            Error::Deflate => CloseCode::INVALID_PAYLOAD,
            Error::FrameTooBig | Error::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Error::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Error::CloseReasonTooLong => CloseCode::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::ReservedOpcode(opcode) => return write!(f, "opcode {opcode} is reserved"),
            Error::InvalidCloseCode(code) => {
                return write!(f, "{code} is not a code that a close frame may carry");
            }
            Error::ReservedBits => "a reserved bit is set without an extension that defines it",
            Error::LengthNotMinimal => "the length is not written in the fewest bytes",
            Error::LengthTopBit => "the top bit of the 64-bit length is set",
            Error::NotMasked => "a frame from a client is not masked",
            Error::Masked => "a frame from a server is masked",
            Error::ControlFragmented => "a control frame is fragmented",
            Error::ControlTooLong => "a control frame carries more than 125 bytes",
            Error::NothingToContinue => "a continuation frame without a message to continue",
            Error::MessageNotFinished => "a new message before the last one was finished",
            Error::InvalidUtf8 => "text that is not UTF-8",
            Error::CloseTooShort => "a close frame with a single byte, too short for a code",
            Error::CloseReasonTooLong => "the reason to close is longer than 123 bytes",
            Error::FrameTooBig => "the frame is larger than the limit",
            Error::MessageTooBig => "the message is larger than the limit",
            Error::TooManyFragments => "the message comes in more frames than the limit",
            #[cfg(feature = "deflate")]
            Error::Deflate => "the compressed message cannot be inflated",
        })
    }
}

impl std::error::Error for Error {}
