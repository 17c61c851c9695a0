//! Why a client did not get what it wanted. Whether the same may succeed later ([`Error::is_transient`]) decides between
//! another try and the end.

use std::fmt;
use std::io::ErrorKind;

use crate::ws::handshake::HandshakeError;
use crate::{http, ws};

/// What can go wrong for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The URL is invalid, or can't be connected to. Holds the URL and the reason.
    Url(String),
    /// A field to be sent holds what no field may hold (RFC 9110 5.5), or is one that the client writes itself.
    Field(http::Error),
    /// The host's name was not found.
    Lookup(String),
    /// The connection could not be made, or broke.
    Connection(ErrorKind),
    /// The connection could not be secured, or what came over it can't be relied on.
    #[cfg(feature = "tls")]
    Tls(crate::net::tls::Error),
    /// The system does not provide a poll instance, or polling fails.
    Loop(ErrorKind),
    /// The server did not answer in time.
    Timeout,
    /// The server ended the connection before its answer was complete.
    Ended,
    /// The server's answer was not valid HTTP.
    Http(http::Error),
    /// The server answered with this status, which is final. With it, what it said for people.
    Status(u16, String),
    /// The server answered 200 with another media type than was asked for.
    MediaType(String),
    /// The answer is in a content or transfer coding that was not asked for, such as gzip, and can't be read (RFC 9110
    /// 8.4).
    Coding(String),
    /// The server answers a long poll at once although it has nothing new.
    NoWait,
    /// More redirects than are followed.
    Redirects,
    /// The answer to the opening handshake was wrong.
    Handshake(HandshakeError),
    /// The server broke the rules of WebSocket.
    WebSocket(ws::Error),
    /// A message is larger than is taken ([`Subscribe::max_message`](super::Subscribe::max_message)). It will be as
    /// large the next time.
    TooLarge,
    /// A message of the server's was not what a channel sends.
    Envelope,
    /// Nothing came for longer than a server that is alive would be silent.
    Silence,
    /// A message can't be published anywhere: its event name or its key is invalid.
    Post(crate::channel::Error),
    /// As many messages wait to be published as may: see [`Publish::outbox`](super::Publish::outbox).
    Full,
    /// The client was ended before.
    Closed,
    /// Whether the message was published is not known: an answer was lost, and then came this. Within five minutes of the
    /// first try it can be published again under the same key ([`Post::key`](crate::Post::key)) without being published
    /// twice; later it may be there twice.
    InDoubt(Box<Error>),
    /// The system provides no randomness, without which frames can't be masked.
    Randomness,
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Lookup(_)
            | Error::Connection(_)
            | Error::Timeout
            | Error::Ended
            | Error::Silence
            | Error::Full => true,
            Error::InDoubt(error) => error.is_transient(),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.is_transient(),
            Error::Status(code, _) => matches!(code, 408 | 425 | 429 | 500..=599),
            // A server that is in the middle of a restart, or a proxy in front of one, says anything.
            Error::Http(_) | Error::WebSocket(_) | Error::Envelope => true,
            Error::Handshake(_)
            | Error::MediaType(_)
            | Error::Coding(_)
            | Error::TooLarge
            | Error::NoWait
            | Error::Redirects => false,
            Error::Url(_)
            | Error::Field(_)
            | Error::Randomness
            | Error::Loop(_)
            | Error::Post(_)
            | Error::Closed => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Url(why) => write!(f, "the URL {why}"),
            Error::Field(error) => write!(f, "a field can't be sent: {error}"),
            Error::Lookup(host) => write!(f, "the host {host:?} was not found"),
            Error::Connection(kind) => write!(f, "the connection failed: {kind}"),
            #[cfg(feature = "tls")]
            Error::Tls(error) => write!(f, "{error}"),
            Error::Loop(kind) => write!(f, "the event loop failed: {kind}"),
            Error::Timeout => f.write_str("the server did not answer in time"),
            Error::Ended => f.write_str("the server ended the connection"),
            Error::Http(error) => write!(f, "the answer was not valid HTTP: {error}"),
            Error::Status(code, said) if said.is_empty() => write!(f, "the server answered {code}"),
            // A hub's answers begin with their status themselves.
            Error::Status(code, said) if said.starts_with(&code.to_string()) => {
                write!(f, "the server answered {said}")
            }
            Error::Status(code, said) => write!(f, "the server answered {code}: {said}"),
            Error::MediaType(given) => write!(
                f,
                "the server answered with {given}, which was not asked for"
            ),
            Error::Coding(coding) => write!(
                f,
                "the answer comes in the coding {coding}, which was not asked for and can't be read"
            ),
            Error::NoWait => f.write_str("the server does not wait when it has nothing new"),
            Error::Redirects => f.write_str("the server redirects too often"),
            Error::Handshake(error) => write!(f, "the opening handshake failed: {error}"),
            Error::WebSocket(error) => {
                write!(f, "the server broke the rules of WebSocket: {error}")
            }
            Error::TooLarge => f.write_str("a message is larger than is taken"),
            Error::Envelope => f.write_str("a message was not what a channel sends"),
            Error::Silence => f.write_str("nothing came for too long"),
            Error::Post(error) => write!(f, "the message can't be published: {error}"),
            Error::Full => f.write_str("as many messages wait to be published as may"),
            Error::Closed => f.write_str("the client was ended before"),
            Error::InDoubt(error) => {
                write!(f, "whether the message was published is not known: {error}")
            }
            Error::Randomness => f.write_str("the system has no randomness to give"),
        }
    }
}

/// What it wraps is part of what it says, and wraps nothing itself: there is no source that would not be printed twice.
impl std::error::Error for Error {}

/// What a loop's turn says.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::Loop(error.kind())
    }
}

#[cfg(feature = "tls")]
impl From<crate::net::tls::Error> for Error {
    fn from(error: crate::net::tls::Error) -> Error {
        Error::Tls(error)
    }
}
