//! What a handler sees of a request.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::pattern::Pattern;
use crate::http::{Error, Fields, RequestHead, cookie, query_value};

/// A request: its head, the parameters of its path, and its body where it has one.
///
/// Text is decoded when it is asked for. What is not valid (a bad percent escape, bytes that are not UTF-8) is
/// as if it were not there.
///
/// ```
/// # let mut server = barewire::Server::unbound()?;
/// server.get("/rooms/{room}", |request, reply| {
///     let room = request.param("room").unwrap_or_default();           // /rooms/blue%20one: "blue one"
///     let page = request.query("page").unwrap_or("1".into());         // ?page=2
///     let language = request.header("Accept-Language").unwrap_or("en");
///     reply.text(format!("{room}, page {page}, in {language}"));
/// });
/// # Ok::<(), barewire::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    head: RequestHead<'a>,
    pattern: Option<&'a Pattern>,
    body: &'a [u8],
    peer: SocketAddr,
}

impl<'a> Request<'a> {
    pub(super) fn new(head: RequestHead<'a>, body: &'a [u8], peer: SocketAddr) -> Request<'a> {
        Request {
            head,
            pattern: None,
            body,
            peer,
        }
    }

    pub(super) fn of_route(self, pattern: &'a Pattern) -> Request<'a> {
        Request {
            pattern: Some(pattern),
            ..self
        }
    }

    /// The method, such as `GET`. Methods are case-sensitive (RFC 9110 9.1).
    pub fn method(&self) -> &'a str {
        self.head.method()
    }

    /// The path as it was sent, still percent-encoded.
    pub fn path(&self) -> &'a str {
        self.head.uri().path()
    }

    /// The parameter `name` of the route's pattern, decoded. For a name that the pattern has, it is there unless the
    /// client encoded it badly, so that `.unwrap_or_default()` does for most.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.pattern?.parameter(self.path(), name)
    }

    /// The first value of `name` in the query, decoded; a `+` is a space.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query_checked(name)?.ok()
    }

    /// As [`Request::query`], for who has to tell a value that can't be decoded from none.
    pub(super) fn query_checked(&self, name: &str) -> Option<Result<Cow<'a, str>, Error>> {
        query_value(self.head.uri().query()?, name)
    }

    /// The first field called `name` (in any case), if it is ASCII or UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.head.fields().get(name)?).ok()
    }

    /// The first cookie called `name` (RFC 6265 4.2.1; its case counts), if it is ASCII or UTF-8.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.head.fields().all("Cookie");
        let found = fields.find_map(|field| cookie(field, name))?;
        std::str::from_utf8(found).ok()
    }

    /// All fields of the head, in order, for what [`Request::header`] is too simple for.
    pub fn fields(&self) -> Fields<'a> {
        self.head.fields()
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The address at the other end of the connection: the client's, or its proxy's.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn head(&self) -> &RequestHead<'a> {
        &self.head
    }
}
