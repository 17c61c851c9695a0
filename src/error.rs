//! What can go wrong for a program that runs a server.

use std::fmt;
use std::io;

/// Why a server can't be set up, run or reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system refused: an address that is taken, no descriptors, no poll instance.
    Io(io::Error),
    /// An address can't be listened on. Says which, and what the system said.
    Listen(String, io::Error),
    /// A path given to the server is no pattern that it understands. Says which and why.
    Route(String),
    /// An origin given to [`Server::allow_origin`](crate::Server::allow_origin) is one that no page can have. Says which
    /// and why.
    Origin(String),
    /// A field of a reply holds what no field may hold (a line break, most often). The client got a 500.
    Field(crate::http::Error),
    /// An event's name holds what no name may hold.
    EventName(crate::sse::Error),
    /// A channel refused a publish that came from another thread.
    Channel(crate::channel::Error),
    /// A client was asked for something that makes no sense, or failed.
    #[cfg(feature = "client")]
    Client(crate::client::Error),
    /// Certificates or keys can't be used.
    #[cfg(feature = "tls")]
    Tls(crate::net::tls::Error),
    /// The server has ended, or has too many commands to do.
    Unreachable(crate::net::SendError),
    /// A handler returned without an answer. The client got a 500.
    NoAnswer,
    /// A handler panicked. Its connection was ended with 500 or 1011; the server goes on.
    Panicked,
}

/// The result of what can fail so.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "{error}"),
            Error::Listen(address, error) => write!(f, "can't listen on {address}: {error}"),
            Error::Route(why) => write!(f, "invalid route: {why}"),
            Error::Origin(why) => write!(f, "invalid origin: {why}"),
            Error::Field(error) => write!(f, "invalid field in a reply: {error}"),
            Error::EventName(error) => write!(f, "{error}"),
            Error::Channel(error) => write!(f, "{error}"),
            #[cfg(feature = "client")]
            Error::Client(error) => write!(f, "{error}"),
            #[cfg(feature = "tls")]
            Error::Tls(error) => write!(f, "{error}"),
            Error::Unreachable(error) => write!(f, "{error}"),
            Error::NoAnswer => f.write_str("a handler returned without an answer"),
            Error::Panicked => f.write_str("a handler panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) | Error::Listen(_, error) => Some(error),
            Error::Field(error) => Some(error),
            Error::EventName(error) => Some(error),
            Error::Channel(error) => Some(error),
            #[cfg(feature = "client")]
            Error::Client(error) => Some(error),
            #[cfg(feature = "tls")]
            Error::Tls(error) => Some(error),
            Error::Unreachable(error) => Some(error),
            Error::Route(_) | Error::Origin(_) | Error::NoAnswer | Error::Panicked => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl From<crate::net::SendError> for Error {
    fn from(error: crate::net::SendError) -> Error {
        Error::Unreachable(error)
    }
}

#[cfg(feature = "client")]
impl From<crate::client::Error> for Error {
    fn from(error: crate::client::Error) -> Error {
        Error::Client(error)
    }
}

#[cfg(feature = "tls")]
impl From<crate::net::tls::Error> for Error {
    fn from(error: crate::net::tls::Error) -> Error {
        Error::Tls(error)
    }
}
