//! What a handler sees of a request.
//!
//! It borrows everything from the bytes that came (the head, the body) and from the route's pattern, and decodes when it is asked: a
//! handler that asks for nothing costs nothing. What is handed out is whatever the client sent; the one exception is
//! [`Request::safe_path`], which says no to what would leave a folder. `exchange` makes one for the authorisation hook, for a
//! handler and for `on_open`.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::pattern::Pattern;
use crate::http::{Error, Fields, RequestHead, cookie, percent_decode, query_value};

/// A request: its head, the parameters of its path, and its body where it has one.
///
/// Text is decoded when it is asked for. Invalid text (a bad percent escape, bytes that are not UTF-8) is treated as
/// absent.
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
    ///
    /// Its value is chosen by the client: `..`, an absolute path, a slash (of `%2F`), a NUL. For the name of a file see
    /// [`Request::safe_path`].
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.pattern?.parameter(self.path(), name)
    }

    /// The parameter `name` of the route's pattern as a path that stays below the folder that it is joined to:
    /// `/`-separated names, each decoded separately. `None` (to be answered with 404) if it is no such path: if it
    /// is empty, absolute or ends with a slash, or a name in it is empty, `.` or `..`, or holds a slash, a backslash, a
    /// colon (a drive or a stream of Windows) or a control character. On Windows also if a name is a device's, such as
    /// `NUL`, or ends with a dot or a space.
    ///
    /// Names that begin with a dot, such as `.git`, are allowed, and symbolic links are not looked at.
    ///
    /// ```
    /// # let mut server = barewire::Server::bind("127.0.0.1:0")?;
    /// server.get("/files/{*path}", |request, reply| {
    ///     let path = request.safe_path("path");
    ///     match path.and_then(|path| std::fs::read_to_string(format!("public/{path}")).ok()) {
    ///         Some(text) => reply.text(text),
    ///         None => reply.status(404),
    ///     }
    /// });
    /// # Ok::<(), barewire::Error>(())
    /// ```
    pub fn safe_path(&self, name: &str) -> Option<Cow<'a, str>> {
        let encoded = self.pattern?.encoded(self.path(), name)?;
        for segment in encoded.split('/') {
            // Split first, decode then (RFC 3986 2.4): a slash that was encoded is part of a name, and of no file's.
            if !is_file_name(&percent_decode(segment).ok()?) {
                return None;
            }
        }
        percent_decode(encoded).ok()
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

    /// All fields of the head, in order: for repeated fields, and values that are not UTF-8.
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

/// Whether a name is one that means the same on every system, or nothing at all: a file, or a folder, of its folder.
fn is_file_name(name: &str) -> bool {
    let means_more = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    let is_special = matches!(name, "" | "." | "..")
        || name.contains(means_more)
        || (cfg!(windows) && is_special_on_windows(name));
    !is_special
}

/// Windows leaves out dots and spaces at the end of a name, and takes some names for devices, whatever follows the dot.
fn is_special_on_windows(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_device = |device: &&str| stem.eq_ignore_ascii_case(device);
    let is_port = stem.get(..3).is_some_and(|port| {
        let digit = &stem[3..];
        let is_digit = digit.chars().count() == 1
            && digit.contains(|c: char| c.is_ascii_digit() || "\u{b9}\u{b2}\u{b3}".contains(c));
        (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT")) && is_digit
    });
    name.ends_with(['.', ' ']) || DEVICES.iter().any(is_device) || is_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;

    fn safe(target: &str) -> Option<String> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
        let pattern = Pattern::parse("/f/{*path}").unwrap();
        let request = Request::new(head, b"", ([127, 0, 0, 1], 1).into());
        assert!(pattern.matches(request.path()), "{target}");
        let path = request.of_route(&pattern).safe_path("path");
        path.map(Cow::into_owned)
    }

    #[test]
    fn a_safe_path_stays_below_its_folder() {
        for (target, path) in [
            ("/f/a", "a"),
            ("/f/a/b.txt?c=../d", "a/b.txt"),
            ("/f/a%20b/%C3%A9", "a b/\u{e9}"),
            ("/f/...", "..."),
            ("/f/..a/b..", "..a/b.."),
            ("/f/.well-known/x", ".well-known/x"),
            ("/f/%2525", "%25"),
        ] {
            assert_eq!(safe(target).as_deref(), Some(path), "{target}");
        }
    }

    #[test]
    fn what_might_lead_elsewhere_is_no_safe_path() {
        for target in [
            "/f/",
            "/f//etc/passwd",
            "/f/%2Fetc/passwd",
            "/f/..",
            "/f/../x",
            "/f/a/../../x",
            "/f/a/%2e%2e/x",
            "/f/a/.%2E",
            "/f/..%2Fx",
            "/f/a%2F..%2F..%2Fx",
            "/f/.",
            "/f/a/./b",
            "/f/a//b",
            "/f/a/",
            "/f/a%00.txt",
            "/f/a%0Ab",
            "/f/a%7F",
            "/f/a%C2%85",
            "/f/..%5Cx",
            "/f/a\\b",
            "/f/C:%5Cx",
            "/f/C:",
            "/f/a.txt::$DATA",
            "/f/%ff",
            "/f/%",
            "/f/a%zz",
        ] {
            assert_eq!(safe(target), None, "{target}");
        }
    }

    #[test]
    fn a_parameter_of_one_segment_is_safe_too_and_another_name_is_none() {
        let head = b"GET /u/..%2Fx HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = RequestHead::parse(head, &HeadLimits::default()).unwrap();
        let pattern = Pattern::parse("/u/{name}").unwrap();
        let request = Request::new(head, b"", ([127, 0, 0, 1], 1).into());
        assert_eq!(request.safe_path("name"), None);
        let request = request.of_route(&pattern);
        assert_eq!(request.param("name").as_deref(), Some("../x"));
        assert_eq!(request.safe_path("name"), None);
        assert_eq!(request.safe_path("other"), None);
    }

    #[test]
    fn windows_has_names_that_are_no_files() {
        for name in [
            "NUL",
            "con.txt",
            "Aux ",
            "com1",
            "LPT9.x",
            "COM\u{b9}",
            "a.",
            "a ",
            "CONIN$",
        ] {
            assert!(is_special_on_windows(name), "{name}");
        }
        for name in [
            "nula",
            "com",
            "com10",
            "coma",
            "a.nul",
            "\u{e9}\u{e9}",
            ".a",
        ] {
            assert!(!is_special_on_windows(name), "{name}");
        }
    }
}
