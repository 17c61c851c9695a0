//! The URLs that a client connects to (RFC 3986, RFC 6455 3).
//!
//! ```text
//!   http://host:port/path?query#fragment
//!   scheme  authority    target
//! ```
//!
//! A [`Url`] that was built can be asked for: its host is one that a name can be looked up for or an address, its target
//! is what a request line may hold. A program's URL is taken as it is or refused. A server's `Location` is resolved against
//! the URL that led to it ([`Url::join`], RFC 3986 5.2.2), and forgiven what browsers forgive.

use std::fmt;

use super::error::Error;
use crate::http::{Target, is_host};
use crate::scan;

/// An absolute URL, taken apart: whom to connect to and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query, as they go into a request line. Begins with a slash.
    pub(crate) target: String,
}

/// What a URL's connection is made of. `ws` is the same connection as `http`, and `wss` as `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    WebSocket,
    #[cfg(feature = "tls")]
    Https,
    #[cfg(feature = "tls")]
    SecureWebSocket,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::WebSocket => "ws",
            #[cfg(feature = "tls")]
            Scheme::Https => "https",
            #[cfg(feature = "tls")]
            Scheme::SecureWebSocket => "wss",
        }
    }

    /// The port where a URL has none (RFC 9110 4.2, RFC 6455 3).
    fn port(self) -> u16 {
        if self.is_secure() { 443 } else { 80 }
    }

    pub(crate) fn is_secure(self) -> bool {
        match self {
            Scheme::Http | Scheme::WebSocket => false,
            #[cfg(feature = "tls")]
            Scheme::Https | Scheme::SecureWebSocket => true,
        }
    }
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// It is none, or of a scheme that this build does not speak.
    pub(crate) fn parse(url: &str) -> Result<Url, Error> {
        let wrong = |why: &str| Error::Url(format!("{url:?} {why}"));
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong("has no scheme, such as http://"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "ws" => Scheme::WebSocket,
            #[cfg(feature = "tls")]
            "https" => Scheme::Https,
            #[cfg(feature = "tls")]
            "wss" => Scheme::SecureWebSocket,
            #[cfg(not(feature = "tls"))]
            "https" | "wss" => {
                return Err(wrong(
                    "needs TLS: build barewire with the feature `tls` for it",
                ));
            }
            _ => return Err(wrong("has a scheme other than http, https, ws and wss")),
        };
        // A fragment is for who asks, not for who is asked (RFC 9110 7.1).
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong("has credentials in it: send them in a field"));
        }
        let (host, port) =
            split_port(authority).ok_or_else(|| wrong("has no valid host and port"))?;
        let port = match port {
            "" => scheme.port(),
            port => scan::port(port).ok_or_else(|| wrong("has no valid port"))?,
        };
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        if Target::parse(&target).is_err() || target.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(wrong(
                "has a path or query with characters that have to be percent-encoded",
            ));
        }
        let url = Url {
            scheme,
            host: host.to_owned(),
            port,
            target,
        };
        if host.is_empty() || !is_host(&url.authority()) || host.contains('%') {
            return Err(wrong("has no valid host"));
        }
        #[cfg(feature = "tls")]
        if scheme.is_secure() && crate::net::tls::server_name(host).is_err() {
            return Err(wrong("has a host that no certificate can be for"));
        }
        Ok(url)
    }

    /// Host and port as they go into `Host` and `Origin`: without a port that is the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Where a `Location` leads from here (RFC 3986 5.2.2). Bytes that no URL may hold are percent-encoded, as browsers
    /// do: servers send paths in plain UTF-8, and with spaces.
    ///
    /// # Errors
    /// It leads to no server, or to none that this build can speak to.
    pub(super) fn join(&self, location: &[u8]) -> Result<Url, Error> {
        let location = &*percent_encoded(location);
        if let Some(scheme) = scheme_of(location) {
            if location[scheme.len()..].starts_with("://") {
                return Url::parse(location);
            }
            // `mailto:x` is another resource, and `http:/x` names no server: neither is a path here.
            return Err(Error::Url(format!(
                "{location:?}, where the server redirects to, names no server"
            )));
        }
        let origin = format!("{}://{}", self.scheme.name(), self.authority());
        if location.starts_with("//") {
            return Url::parse(&format!("{}:{location}", self.scheme.name()));
        }
        let path = self.target.split('?').next().unwrap_or("/");
        if location.is_empty() || location.starts_with(['?', '#']) {
            let query = &self.target[path.len()..];
            let kept = if location.starts_with('?') { "" } else { query };
            return Url::parse(&format!("{origin}{path}{kept}{location}"));
        }
        let end = location.find(['?', '#']).unwrap_or(location.len());
        let (led, rest) = location.split_at(end);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let joined = if led.starts_with('/') {
            without_dots(led)
        } else {
            without_dots(&format!("{folder}/{led}"))
        };
        Url::parse(&format!("{origin}{joined}{rest}"))
    }

    /// Whether both lead to the same server, who may be told the same secrets.
    pub(super) fn is_same_origin(&self, other: &Url) -> bool {
        let secure = self.scheme.is_secure();
        self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && secure == other.scheme.is_secure()
    }
}

/// The scheme of a reference that has one (RFC 3986 3.1): what is in front of its first colon, if that can be a scheme.
fn scheme_of(reference: &str) -> Option<&str> {
    let (scheme, _) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

/// The reference with whatever no URL may hold percent-encoded (RFC 3986 2.1). What is encoded already stays as it is.
fn percent_encoded(reference: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(reference.len());
    for &byte in reference {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            encoded.extend(['%', char::from(high), char::from(low)]);
        }
    }
    encoded
}

/// A path without its `.` and `..` (RFC 3986 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.name(),
            self.authority(),
            self.target
        )
    }
}

/// Host (without brackets) and port (perhaps empty).
fn split_port(authority: &str) -> Option<(&str, &str)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return if rest.is_empty() {
            Some((host, ""))
        } else {
            Some((host, rest.strip_prefix(':')?))
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, port)),
        None => Some((authority, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, u16, String) {
        let url = Url::parse(url).unwrap();
        (url.host, url.port, url.target)
    }

    #[test]
    fn host_port_and_target_are_told_apart() {
        let is = |host: &str, port, target: &str| (host.to_owned(), port, target.to_owned());
        assert_eq!(parsed("http://a"), is("a", 80, "/"));
        assert_eq!(
            parsed("HTTP://a.example:9000/b?c=d#e"),
            is("a.example", 9000, "/b?c=d")
        );
        assert_eq!(parsed("ws://[::1]:1/"), is("::1", 1, "/"));
        assert_eq!(parsed("ws://a?b"), is("a", 80, "/?b"));
    }

    #[test]
    fn what_is_no_url_of_ours_says_why() {
        for (url, why) in [
            ("a.example/b", "no scheme"),
            ("ftp://a", "other than http"),
            ("http://", "host"),
            ("http://:80/", "host"),
            ("http://a:b/", "port"),
            ("http://a:+1/", "port"),
            ("http://a:70000/", "port"),
            ("http://[::1/", "host"),
            ("http://[a]/", "host"),
            ("http://u:p@a/", "credentials"),
            ("http://a/b c", "percent-encoded"),
            ("http://a/\r\nX: y", "percent-encoded"),
            ("http://a\r\nX: y/", "port"),
            ("http://a\r\n/", "host"),
            ("http://a b/", "host"),
            ("http://gr\u{fc}n/", "host"),
            ("http://a%2eb/", "host"),
        ] {
            let error = Url::parse(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn what_needs_tls_says_so() {
        for url in ["https://a", "wss://a/b"] {
            let error = Url::parse(url).unwrap_err().to_string();
            assert!(error.contains("feature `tls`"), "{error}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_secure_url_has_its_own_port_and_origin() {
        let is = |host: &str, port, target: &str| (host.to_owned(), port, target.to_owned());
        assert_eq!(parsed("https://a"), is("a", 443, "/"));
        assert_eq!(parsed("WSS://[::1]/b"), is("::1", 443, "/b"));
        assert_eq!(Url::parse("wss://a:443/").unwrap().authority(), "a");
        assert_eq!(Url::parse("wss://a:80/").unwrap().authority(), "a:80");
        let (plain, secure) = (Url::parse("http://a:1/"), Url::parse("https://a:1/"));
        assert!(!plain.unwrap().is_same_origin(&secure.unwrap()));
        let from = Url::parse("https://a/b").unwrap();
        assert_eq!(from.join(b"//c/d").unwrap().to_string(), "https://c/d");
        let error = Url::parse("https://-/").unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }

    #[test]
    fn a_redirect_leads_from_where_it_came() {
        let from = Url::parse("http://a:9000/b/c?d").unwrap();
        for (location, to) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://a:9000/y?z"),
            ("y", "http://a:9000/b/y"),
            ("", "http://a:9000/b/c?d"),
            ("#f", "http://a:9000/b/c?d"),
            ("?e", "http://a:9000/b/c?e"),
            ("../y?z=../.", "http://a:9000/y?z=../."),
            ("../../../y/.", "http://a:9000/y/"),
            ("./y/..", "http://a:9000/b/"),
            ("/x/./y", "http://a:9000/x/y"),
            // A URL in the query makes no absolute one of it.
            (
                "/login?back=http://x/y",
                "http://a:9000/login?back=http://x/y",
            ),
            ("./a:b", "http://a:9000/b/a:b"),
            ("1:b", "http://a:9000/b/1:b"),
        ] {
            let joined = from.join(location.as_bytes()).unwrap();
            assert_eq!(joined.to_string(), to);
        }
    }

    #[test]
    fn a_redirect_may_hold_what_has_to_be_encoded() {
        let from = Url::parse("http://a/b/c").unwrap();
        for (location, to) in [
            ("/gr\u{fc}n".as_bytes(), "http://a/gr%C3%BCn"),
            (b"/gr\xfcn", "http://a/gr%FCn"),
            (b"/x y?z={\"a\"}", "http://a/x%20y?z=%7B%22a%22%7D"),
            (b"http://h/x y#f g", "http://h/x%20y"),
            (b"%20a\tb", "http://a/b/%20a%09b"),
            (b"\\\\h\\x", "http://a/b/%5C%5Ch%5Cx"),
        ] {
            assert_eq!(from.join(location).unwrap().to_string(), to);
        }
    }

    #[test]
    fn a_redirect_to_no_server_is_an_error_and_no_path() {
        let from = Url::parse("http://a/b").unwrap();
        for (location, why) in [
            ("mailto:x", "names no server"),
            ("http:/x", "names no server"),
            ("http:x", "names no server"),
            ("about:blank", "names no server"),
            ("data:text/event-stream,x", "names no server"),
            ("//", "host"),
            ("///x", "host"),
            ("http:///x", "host"),
            ("ftp://a/", "other than http"),
            ("//gr\u{fc}n/", "host"),
        ] {
            let error = from.join(location.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{location}: {error}");
        }
    }
}
