//! Why a channel refuses, and the status that answers it.

use std::fmt;

use crate::http::Status;
use crate::ws::CloseCode;

/// Why something could not be published or subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A channel's name is empty, longer than [`MAX_NAME`](super::MAX_NAME) bytes, or holds a control character.
    InvalidName,
    /// An event name holds CR, LF or NUL (it would inject lines into event streams), or is longer than
    /// [`MAX_NAME`](super::MAX_NAME) bytes.
    InvalidEvent,
    /// The event name `gap` is reserved for the event that says that messages are missing.
    ReservedEvent,
    /// The message is larger, as it would be sent, than its readers take ([`Limits::encoded`](super::Limits::encoded)).
    TooLarge,
    /// An idempotency key is empty or longer than [`MAX_KEY`](super::MAX_KEY) bytes.
    InvalidKey,
    /// The idempotency key was used for another message.
    KeyReused,
    /// As many idempotency keys are remembered as may be.
    TooManyKeys,
    /// The hub holds as many channels as it may.
    TooManyChannels,
    /// The channel has as many subscribers as it may.
    TooManySubscribers,
    /// One of the loops that share the channels is too far behind the others
    /// ([`MAX_BEHIND`](crate::limits::MAX_BEHIND)).
    Overloaded,
}

impl Error {
    /// The status that answers a request that failed so.
    pub fn status(self) -> Status {
        match self {
            Error::InvalidName | Error::InvalidEvent | Error::ReservedEvent | Error::InvalidKey => {
                Status::BAD_REQUEST
            }
            Error::TooLarge => Status::CONTENT_TOO_LARGE,
            Error::KeyReused => Status::UNPROCESSABLE_CONTENT,
            Error::TooManyKeys
            | Error::TooManyChannels
            | Error::TooManySubscribers
            | Error::Overloaded => Status::SERVICE_UNAVAILABLE,
        }
    }

    /// The code that closes a WebSocket whose message was refused so (RFC 6455 7.4.1, and 1013 of IANA's registry).
    pub fn close_code(self) -> CloseCode {
        match self {
            Error::InvalidName
            | Error::InvalidEvent
            | Error::ReservedEvent
            | Error::InvalidKey
            | Error::KeyReused => CloseCode::POLICY_VIOLATION,
            Error::TooLarge => CloseCode::MESSAGE_TOO_BIG,
            Error::TooManyKeys
            | Error::TooManyChannels
            | Error::TooManySubscribers
            | Error::Overloaded => CloseCode::TRY_AGAIN_LATER,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::InvalidName => "a channel's name is 1 to 256 bytes without control characters",
            Error::InvalidEvent => "an event name is at most 256 bytes without CR, LF or NUL",
            Error::ReservedEvent => {
                "the event name \"gap\" is reserved: readers are told of missing messages by it"
            }
            Error::TooLarge => "the message is larger, as it would be sent, than its readers take",
            Error::InvalidKey => "an idempotency key is 1 to 255 bytes",
            Error::KeyReused => "this idempotency key was used for another message",
            Error::TooManyKeys => "too many idempotency keys are in use; try again later",
            Error::TooManyChannels => "this server holds as many channels as it may",
            Error::TooManySubscribers => "this channel has as many subscribers as it may",
            Error::Overloaded => "this server is too far behind with what was published",
        })
    }
}

impl std::error::Error for Error {}
