//! Which rule was broken, and what follows from it: the errors of the codecs, in more words.
//!
//! The invariant: nothing is a problem here that a codec does not refuse, and the answer is the codec's own
//! ([`http::Error::status`], [`ws::Error::close_code`]). What is added is the section that says so most exactly.

use crate::http;
use crate::ws::handshake::HandshakeError;
use crate::ws::{self, CloseCode};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The section that says so: `RFC 6455 5.1`.
    pub rule: &'static str,
    /// What is wrong, in words.
    pub says: String,
    /// What its receiver must do.
    pub must: &'static str,
    /// With which code.
    pub answer: Answer,
}

/// The code with which a broken rule is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status, if it was a request. A client has nobody to answer: it gives up, and a proxy says this.
    Status(u16),
    /// The code of a close frame.
    Close(u16),
}

impl Problem {
    pub(super) fn http(error: http::Error) -> Problem {
        Problem {
            rule: http_rule(error),
            says: error.to_string(),
            must: "answer with this status, once, and close: nobody knows where the next message would begin",
            answer: Answer::Status(error.status().code()),
        }
    }

    /// A request that goes on being readable, but is refused.
    pub(super) fn expectation(error: http::Error) -> Problem {
        Problem {
            must: "answer with this status instead of asking for the body",
            ..Problem::http(error)
        }
    }

    pub(super) fn handshake(error: HandshakeError) -> Problem {
        let status = error.status().code();
        let (says, answer) = (error.to_string(), Answer::Status(status));
        let (rule, must) = match error {
            HandshakeError::Http(error) => return Problem::http(error),
            HandshakeError::Method | HandshakeError::HttpVersion => ("RFC 6455 4.2.1", REFUSE),
            HandshakeError::Upgrade
            | HandshakeError::Connection
            | HandshakeError::Key
            | HandshakeError::Body => ("RFC 6455 4.2.1", REFUSE),
            HandshakeError::WebSocketVersion => ("RFC 6455 4.4", REFUSE),
            HandshakeError::Protocols => ("RFC 6455 4.1", REFUSE),
            HandshakeError::ProtocolNotOffered
            | HandshakeError::Refused(_)
            | HandshakeError::Accept => ("RFC 6455 4.1", FAIL),
            HandshakeError::ExtensionNotOffered => ("RFC 6455 9.1", FAIL),
            HandshakeError::ExtensionParameters => ("RFC 7692 7.1", FAIL),
        };
        Problem {
            rule,
            says,
            must,
            answer,
        }
    }

    /// What is wrong with a frame; whether it is a close frame decides where its text is ruled on.
    pub(super) fn frame(error: ws::Error, is_close: bool) -> Problem {
        Problem {
            rule: frame_rule(error, is_close),
            says: error.to_string(),
            must: "fail the connection: send a close frame with this code, read no further, and close (7.1.7)",
            answer: Answer::Close(error.close_code().as_u16()),
        }
    }

    /// The connection ends within a frame.
    pub(super) fn cut_frame() -> Problem {
        Problem {
            rule: "RFC 6455 7.1.5",
            says: "the connection ends within a frame".to_owned(),
            must: "report this code to the program; it is never sent",
            // CloseCode can't hold it, because it is not for the wire.
            answer: Answer::Close(1006),
        }
    }
}

const REFUSE: &str = "refuse the handshake with this status";
const FAIL: &str = "fail the connection, as a client; a proxy would answer with this status";

/// The section that forbids it.
fn http_rule(error: http::Error) -> &'static str {
    use http::Error;
    match error {
        Error::HeadTooLarge | Error::TooManyFields => "RFC 6585 5",
        Error::TargetTooLong => "RFC 9110 15.5.15",
        Error::MethodTooLong | Error::RequestLine => "RFC 9112 3",
        Error::TooManyEmptyLines
        | Error::Incomplete
        | Error::BareLineFeed
        | Error::BareCarriageReturn => "RFC 9112 2.2",
        Error::Nul | Error::FieldValue => "RFC 9110 5.5",
        Error::Method => "RFC 9110 9.1",
        Error::Target | Error::MissingHost | Error::RepeatedHost | Error::InvalidHost => {
            "RFC 9112 3.2"
        }
        Error::Version => "RFC 9110 15.6.6",
        Error::StatusLine => "RFC 9112 4",
        Error::FieldName => "RFC 9110 5.1",
        Error::FieldLine => "RFC 9112 5",
        Error::SpaceBeforeColon => "RFC 9112 5.1",
        Error::FoldedLine => "RFC 9112 5.2",
        Error::Expectation => "RFC 9110 10.1.1",
        Error::TransferEncodingInHttp10 | Error::UnknownTransferCoding => "RFC 9112 6.1",
        Error::TransferEncodingWithContentLength
        | Error::TransferEncoding
        | Error::RepeatedContentLength => "RFC 9112 6.3",
        Error::ContentLength => "RFC 9110 8.6",
        Error::BodyTooLarge => "RFC 9110 15.5.14",
        Error::ChunkSize | Error::ChunkEnd => "RFC 9112 7.1",
        Error::ChunkLine | Error::ChunkExtraTooLarge => "RFC 9112 7.1.1",
        Error::Trailer => "RFC 9112 7.1.2",
        Error::Truncated => "RFC 9112 8",
        Error::PercentEncoding | Error::NotUtf8 => "RFC 3986 2.1",
    }
}

/// The section that forbids it.
fn frame_rule(error: ws::Error, is_close: bool) -> &'static str {
    use ws::Error;
    match error {
        Error::ReservedOpcode(_)
        | Error::ReservedBits
        | Error::LengthNotMinimal
        | Error::LengthTopBit => "RFC 6455 5.2",
        Error::NotMasked | Error::Masked => "RFC 6455 5.1",
        Error::ControlFragmented | Error::ControlTooLong | Error::CloseReasonTooLong => {
            "RFC 6455 5.5"
        }
        Error::NothingToContinue | Error::MessageNotFinished => "RFC 6455 5.4",
        Error::InvalidUtf8 if is_close => "RFC 6455 5.5.1",
        Error::InvalidUtf8 => "RFC 6455 8.1",
        Error::CloseTooShort => "RFC 6455 5.5.1",
        // Those that have a meaning which is never sent are listed one by one; the others by ranges.
        Error::InvalidCloseCode(1004..=1006 | 1015) => "RFC 6455 7.4.1",
        Error::InvalidCloseCode(_) => "RFC 6455 7.4.2",
        Error::FrameTooBig | Error::MessageTooBig | Error::TooManyFragments => "RFC 6455 10.4",
        #[cfg(feature = "deflate")]
        Error::Deflate => "RFC 7692 7.2.2",
    }
}

/// What a code of a close frame means (RFC 6455 7.4.1 and the IANA registry).
pub(super) fn close_code_means(code: u16) -> &'static str {
    match CloseCode::new(code) {
        Some(CloseCode::NORMAL) => "the purpose is fulfilled",
        Some(CloseCode::GOING_AWAY) => "the server shuts down, or the page is left",
        Some(CloseCode::PROTOCOL_ERROR) => "the peer broke the protocol",
        Some(CloseCode::UNSUPPORTED_DATA) => "this kind of message can't be taken",
        Some(CloseCode::INVALID_PAYLOAD) => "a message is not what its kind demands",
        Some(CloseCode::POLICY_VIOLATION) => "a message breaks a rule of the endpoint",
        Some(CloseCode::MESSAGE_TOO_BIG) => "a message is too big",
        Some(CloseCode::MANDATORY_EXTENSION) => "the client needs an extension",
        Some(CloseCode::INTERNAL_ERROR) => "something unexpected happened",
        Some(CloseCode::SERVICE_RESTART) => "the service restarts",
        Some(CloseCode::TRY_AGAIN_LATER) => "the service is overloaded",
        Some(CloseCode::BAD_GATEWAY) => "the server behind a gateway answered badly",
        Some(code) if code.as_u16() < 4000 => "registered by a library or framework",
        Some(_) => "private to the application",
        None => "not a code that may be sent",
    }
}
