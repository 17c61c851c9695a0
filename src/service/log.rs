//! The access log: a hook that sees every answer to a request, and what was asked.
//!
//! A request and its answer may lie far apart: a promise, a long poll, a body that comes slowly. What was asked is kept
//! here meanwhile, by connection, since a connection has one request at a time; connections themselves hold nothing for it,
//! and without a hook nothing is kept at all. The entry is made when a head is complete or refused ([`Log::asked`],
//! [`Log::asked_badly`]), used up by the answer ([`Log::answered`]), and forgotten with the connection.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::http::{MAX_EMPTY_LINES, RequestHead, Status, Target};
use crate::net::ConnectionId;

/// An answer on its way: what [`Server::on_answer`](crate::Server::on_answer) sees.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The address at the other end of the connection: the client's, or its proxy's.
    pub peer: SocketAddr,
    /// The method, such as `GET`; `None` if the request could not be read that far.
    pub method: Option<&'a str>,
    /// The target as it was sent: the path with the query, which may hold secrets. `None` if the request could not be
    /// read that far.
    pub target: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer with its head; of one that goes on (a stream, a WebSocket) only of its head.
    pub bytes: usize,
}

type OnAnswer = Box<dyn FnMut(&Answered<'_>) + Send>;

pub(crate) struct Log {
    hook: OnAnswer,
    asked: HashMap<u64, Asked>,
}

/// A request that has no answer yet.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    peer: SocketAddr,
    method: Option<Box<str>>,
    target: Option<Box<str>>,
}

impl Log {
    pub(crate) fn new(hook: OnAnswer) -> Log {
        Log {
            hook,
            asked: HashMap::new(),
        }
    }

    /// A request has come.
    pub(super) fn asked(&mut self, id: ConnectionId, peer: SocketAddr, head: &RequestHead<'_>) {
        let asked = Asked {
            peer,
            method: Some(head.method().into()),
            target: Some(head.target().into()),
        };
        self.asked.insert(id.to_u64(), asked);
    }

    /// Something has come that is no request, or not a whole head in time.
    pub(super) fn asked_badly(&mut self, id: ConnectionId, peer: SocketAddr, input: &[u8]) {
        let (method, target) = start_of_line(input);
        let asked = Asked {
            peer,
            method: method.map(Into::into),
            target: target.map(Into::into),
        };
        self.asked.insert(id.to_u64(), asked);
    }

    /// Its answer is written.
    pub(super) fn answered(&mut self, id: ConnectionId, status: Status, bytes: usize) {
        if let Some(asked) = self.asked.remove(&id.to_u64()) {
            (self.hook)(&Answered {
                peer: asked.peer,
                method: asked.method.as_deref(),
                target: asked.target.as_deref(),
                status: status.code(),
                bytes,
            });
        }
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.asked.remove(&id.to_u64());
    }
}

/// The method and the target of a request line that is cut or broken, as far as they are whole and valid: nothing else is
/// handed to whatever writes the log.
fn start_of_line(mut input: &[u8]) -> (Option<&str>, Option<&str>) {
    for _ in 0..MAX_EMPTY_LINES {
        input = input.strip_prefix(b"\r\n").unwrap_or(input);
    }
    let line = input.split(|&byte| matches!(byte, b'\r' | b'\n')).next();
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ');
    let (method, target, behind) = (words.next(), words.next(), words.next());
    // A word is whole if something comes behind it.
    let method = method
        .filter(|word| target.is_some() && crate::http::is_token(word))
        .and_then(|word| std::str::from_utf8(word).ok());
    let target = target
        .filter(|_| behind.is_some() && method.is_some())
        .and_then(|word| std::str::from_utf8(word).ok())
        .filter(|target| Target::parse(target).is_ok());
    (method, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_a_broken_request_line_is_whole_and_valid() {
        for (input, method, target) in [
            ("GET /a HTTP/3.0\r\nX", Some("GET"), Some("/a")),
            ("\r\nPOST /a?b HTTP/1.1\nX", Some("POST"), Some("/a?b")),
            ("GET /a ", Some("GET"), Some("/a")),
            ("GET /a", Some("GET"), None),
            ("GET ", Some("GET"), None),
            ("GET", None, None),
            ("", None, None),
            ("GET  /a HTTP/1.1\r\n", Some("GET"), None),
            ("GET /a\u{1b}[2J HTTP/1.1\r\n", Some("GET"), None),
            ("GET /\u{e9} HTTP/1.1\r\n", Some("GET"), None),
            ("G\u{1b}T /a HTTP/1.1\r\n", None, None),
            ("\u{16}\u{3}\u{1} /a \r\n", None, None),
        ] {
            assert_eq!(
                start_of_line(input.as_bytes()),
                (method, target),
                "{input:?}"
            );
        }
    }
}
