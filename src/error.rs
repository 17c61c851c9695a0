//! What can go wrong for a program that runs a server.

use std::fmt;
use std::io;

/// Why a server can't be set up, run or reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system refused: an address that is taken, no descriptors, no poll instance.
    Io(io::Error),
    /// An address can't be listened on. Holds the address and the system's error.
    Listen(String, io::Error),
    /// A route is invalid, or takes the same requests as another. Holds the reason.
    Route(String),
    /// An origin given to [`Server::allow_origin`](crate::Server::allow_origin) is one that no page can have. Holds the
    /// reason.
    Origin(String),
    /// The answer of a handler, or of the authorization hook, can't be sent. Its client got a 500.
    #[cfg(feature = "server")]
    Response {
        /// The method and the pattern of the handler's route, such as `GET /files/{*path}`, or whatever else answered.
        route: String,
        /// Which field or status, and which rule it breaks.
        error: crate::response::ResponseError,
    },
    /// An event's name is invalid.
    EventName(crate::sse::Error),
    /// A channel refused a publish that came from another thread.
    Channel(crate::channel::Error),
    /// What stands behind the channels can't be opened, has failed, or has not kept what a [`Publisher`](crate::Publisher)
    /// published. Holds the reason.
    #[cfg(feature = "backend")]
    Backend(std::sync::Arc<str>),
    /// A client was set up with an invalid URL, field or subprotocol, or failed.
    #[cfg(feature = "client")]
    Client(crate::client::Error),
    /// Certificates or keys can't be used.
    #[cfg(feature = "tls")]
    Tls(crate::net::tls::Error),
    /// Something could not be sent: the server has ended, or too much is queued.
    Unreachable(crate::net::SendError),
    /// The client at this address was cut off because it did not take what was sent to it: at
    /// [`Limits::backlog`](crate::Limits::backlog), or in the middle of a streamed answer after
    /// [`Limits::stall_timeout`](crate::Limits::stall_timeout).
    CutOff(std::net::SocketAddr),
    /// A handler returned without an answer. The client got a 500.
    NoAnswer,
    /// A handler panicked. Its connection was ended with 500 or 1011; the server goes on.
    Panicked,
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "{error}"),
            Error::Listen(address, error) => write!(f, "can't listen on {address}: {error}"),
            Error::Route(why) => write!(f, "invalid route: {why}"),
            Error::Origin(why) => write!(f, "invalid origin: {why}"),
            #[cfg(feature = "server")]
            Error::Response { route, error } => {
                write!(f, "what {route} answered can't be sent: {error}")
            }
            Error::EventName(error) => write!(f, "{error}"),
            Error::Channel(error) => write!(f, "{error}"),
            #[cfg(feature = "backend")]
            Error::Backend(why) => f.write_str(why),
            #[cfg(feature = "client")]
            Error::Client(error) => write!(f, "{error}"),
            #[cfg(feature = "tls")]
            Error::Tls(error) => write!(f, "{error}"),
            Error::Unreachable(error) => write!(f, "{error}"),
            Error::CutOff(peer) => {
                write!(f, "{peer} was cut off: it did not take what was sent to it")
            }
            Error::NoAnswer => f.write_str("a handler returned without an answer"),
            Error::Panicked => f.write_str("a handler panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What is wrapped is printed already, so that its own cause comes next: who prints a chain prints each once.
        match self {
            Error::Io(error) | Error::Listen(_, error) => error.source(),
            #[cfg(feature = "server")]
            Error::Response { error, .. } => error.source(),
            Error::EventName(error) => error.source(),
            Error::Channel(error) => error.source(),
            #[cfg(feature = "client")]
            Error::Client(error) => error.source(),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.source(),
            Error::Unreachable(error) => error.source(),
            #[cfg(feature = "backend")]
            Error::Backend(_) => None,
            Error::Route(_)
            | Error::Origin(_)
            | Error::CutOff(_)
            | Error::NoAnswer
            | Error::Panicked => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As programs print a chain: `a: b: c`.
    fn chain(error: &dyn std::error::Error) -> String {
        match error.source() {
            Some(source) => format!("{error}: {}", chain(source)),
            None => error.to_string(),
        }
    }

    #[test]
    fn a_chain_says_everything_once() {
        let taken = || io::Error::from(io::ErrorKind::AddrInUse);
        let wrapped = io::Error::other(io::Error::other("the disk is full"));
        for (error, printed) in [
            (Error::Io(taken()), taken().to_string()),
            (
                Error::Listen("a:1".into(), taken()),
                format!("can't listen on a:1: {}", taken()),
            ),
            (Error::Io(wrapped), "the disk is full".into()),
            (
                Error::Channel(crate::channel::Error::ReservedEvent),
                crate::channel::Error::ReservedEvent.to_string(),
            ),
            (
                Error::Route("\"x\" y".into()),
                "invalid route: \"x\" y".into(),
            ),
        ] {
            assert_eq!(chain(&error), printed);
        }
    }
}
