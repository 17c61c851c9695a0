//! Who may come in from a browser's page: the `Origin` rule.
//!
//! A browser lets any page open a WebSocket to any host, with that host's cookies, and lets any page post a plain
//! form anywhere; neither is held back by the same-origin policy (CWE-1385, RFC 6455 10.2). What the browser does
//! is to say, in `Origin`, which page it was. So an upgrade or a publish with an `Origin` that is neither the
//! server's own nor allowed by name is refused. Programs that are no browsers send no `Origin` and are not
//! concerned.
//!
//! Origins are compared whole: scheme, host and port (RFC 6454 5). A page whose origin is opaque says `null`,
//! which is nobody's own. What no page can send is not allowed by name: a rule that never matches looks as if it did.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http::is_host;
use crate::scan;

/// The origins that may come in besides the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<Box<str>>,
    any: bool,
    /// What was wrong with the first origin that could not be allowed, in words for the programmer who wrote it.
    pub(crate) problem: Option<String>,
}

impl Origins {
    /// Allows one more origin, such as `https://example.com`; `*` allows every one. What no page can send is remembered as
    /// a problem.
    pub(crate) fn allow(&mut self, origin: &str) {
        if origin == "*" {
            self.any = true;
            return;
        }
        let given = origin
            .strip_suffix('/')
            .filter(|given| !given.ends_with('/'));
        let given = given.unwrap_or(origin);
        match check(given) {
            Ok(()) => self.allowed.push(given.into()),
            Err(why) => {
                self.problem.get_or_insert(format!("{origin:?}: {why}"));
            }
        }
    }

    /// No origin is allowed besides the server's own.
    pub(super) fn are_none(&self) -> bool {
        self.allowed.is_empty() && !self.any
    }

    /// What an answer may say to whatever page has asked, where that can't be known: `*`, or the only origin that is
    /// allowed.
    pub(super) fn only(&self) -> Option<&str> {
        match &*self.allowed {
            _ if self.any => Some("*"),
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether a request with these `Origin` fields may come in to a server of this origin. A browser sends one; where there are
    /// more, none may hide behind another.
    pub(super) fn admit<'o>(&self, origins: impl Iterator<Item = &'o [u8]>, own: Own<'_>) -> bool {
        let mut origins = origins;
        origins.all(|origin| self.admits(origin, own))
    }

    /// Whether this origin is allowed by name.
    pub(super) fn names(&self, origin: &str) -> bool {
        let named = |origin| {
            self.allowed
                .iter()
                .any(|allowed| Origin::parse(allowed) == Some(origin))
        };
        self.any || Origin::parse(origin).is_some_and(named)
    }

    fn admits(&self, origin: &[u8], own: Own<'_>) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else {
            return self.any;
        };
        let scheme = if own.secured { "https" } else { "http" };
        let own = |origin: Origin<'_>| own.host.is_some_and(|host| origin.is_of(scheme, host));
        self.names(origin) || Origin::parse(origin).is_some_and(own)
    }
}

/// The server's own origin, as a request has reached it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'h> {
    /// `Host`.
    pub(super) host: Option<&'h str>,
    /// It came over TLS.
    pub(super) secured: bool,
}

/// Scheme, host and port. Scheme and host are compared without case (RFC 6454 4).
#[derive(Clone, Copy, Debug)]
struct Origin<'o> {
    scheme: &'o str,
    host: &'o str,
    port: u16,
}

impl<'o> Origin<'o> {
    fn parse(origin: &'o str) -> Option<Origin<'o>> {
        let (scheme, authority) = origin.split_once("://")?;
        Origin::of(scheme, authority)
    }

    fn of(scheme: &'o str, authority: &'o str) -> Option<Origin<'o>> {
        let default = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => 0,
        };
        // The colons of an IPv6 address stand before its bracket.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        let port = if port.is_empty() {
            default
        } else {
            scan::port(port)?
        };
        (!host.is_empty()).then_some(Origin { scheme, host, port })
    }

    fn is_of(self, scheme: &str, host: &str) -> bool {
        Origin::of(scheme, host) == Some(self)
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Origin<'_>) -> bool {
        self.port == other.port
            && self.scheme.eq_ignore_ascii_case(other.scheme)
            && (self.host.eq_ignore_ascii_case(other.host)
                || ipv6(self.host).is_some_and(|address| ipv6(other.host) == Some(address)))
    }
}

/// An address in brackets, however it is spelled (RFC 5952 1).
fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Looks whether an origin is one that a browser can send: `scheme "://" host [ ":" port ]` (RFC 6454 6.2), with the
/// host as the URL Standard (3.5) writes it.
fn check(origin: &str) -> Result<(), &'static str> {
    if origin.eq_ignore_ascii_case("null") {
        return Err("pages of files and in sandboxes all say null; only \"*\" lets them in");
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return Err("an origin begins with a scheme, such as https://");
    };
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(of_scheme)
    {
        return Err("this is not a scheme");
    }
    let is = |name| scheme.eq_ignore_ascii_case(name);
    if is("ws") || is("wss") {
        return Err("a page has an origin of http or https, also where it opens a WebSocket");
    }
    if is("file") {
        return Err("pages of files say null; only \"*\" lets them in");
    }
    if authority.contains(['/', '?', '#', '@']) {
        return Err("an origin is a scheme, a host and perhaps a port, and nothing else");
    }
    if authority.contains('*') {
        return Err("an origin has one host: there are no patterns but \"*\" for every origin");
    }
    if !authority.is_ascii() {
        return Err("a browser sends a host in ASCII, such as xn--bcher-kva.example");
    }
    let (true, false, Some(Origin { host, .. })) = (
        is_host(authority),
        authority.contains('%'),
        Origin::of(scheme, authority),
    ) else {
        return Err("behind the scheme comes a host, and perhaps a port");
    };
    // RFC 6454 leaves it to the URL Standard (3.5): a host whose last label is a number is an IPv4 address.
    let last = host.trim_end_matches('.').rsplit('.').next();
    let is_number = last.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if (is("http") || is("https")) && is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("a browser writes an IPv4 address as four decimal numbers");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Origins, Own};

    fn own(host: &str) -> Own<'_> {
        Own {
            host: Some(host),
            secured: false,
        }
    }

    fn admits(origins: &Origins, origin: &str, host: &str) -> bool {
        origins.admit([origin.as_bytes()].into_iter(), own(host))
    }

    #[test]
    fn the_servers_own_origin_and_no_origin_come_in() {
        let origins = Origins::default();
        assert!(origins.admit(std::iter::empty(), own("a.example")));
        assert!(admits(&origins, "http://a.example", "a.example"));
        assert!(admits(&origins, "http://A.example:80", "a.example"));
        assert!(admits(&origins, "http://a.example", "a.example:80"));
        assert!(admits(&origins, "http://[::1]:9000", "[::1]:9000"));
    }

    #[test]
    fn every_other_origin_is_refused() {
        let origins = Origins::default();
        for origin in [
            "null",
            "",
            "http://b.example",
            "http://a.example.b.example",
            "http://b.a.example",
            "http://a.example:81",
            "https://a.example",
            "http://",
            "http://a.example:+80",
            "a.example",
        ] {
            assert!(!admits(&origins, origin, "a.example"), "{origin}");
        }
        let ours = &b"http://a.example"[..];
        let nameless = Own {
            host: None,
            secured: false,
        };
        assert!(!origins.admit([&b"\xff"[..]].into_iter(), own("a.example")));
        assert!(!origins.admit([ours].into_iter(), nameless));
        assert!(!origins.admit([ours, b"http://b.example"].into_iter(), own("a.example")));
    }

    #[test]
    fn a_page_that_came_in_plaintext_is_foreign_where_it_is_not_spoken() {
        let secured = Own {
            secured: true,
            ..own("a.example")
        };
        let origins = Origins::default();
        let admits = |origin: &str| origins.admit([origin.as_bytes()].into_iter(), secured);
        assert!(admits("https://a.example"));
        assert!(admits("https://a.example:443"));
        assert!(!admits("http://a.example"));
    }

    #[test]
    fn an_origin_can_be_allowed_by_name() {
        let mut origins = Origins::default();
        origins.allow("https://b.example/");
        assert!(admits(&origins, "https://b.example", "a.example"));
        assert!(admits(&origins, "https://B.example:443", "a.example"));
        assert!(!admits(&origins, "http://b.example", "a.example"));
        assert!(!admits(&origins, "null", "a.example"));
        origins.allow("*");
        assert!(admits(&origins, "null", "a.example"));
    }

    #[test]
    fn what_a_page_can_send_can_be_allowed_and_is_admitted() {
        for origin in [
            "https://b.example",
            "http://localhost:3000",
            "http://192.168.0.1:8080",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "https://b_c.example",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            let mut origins = Origins::default();
            origins.allow(origin);
            assert_eq!(origins.problem, None);
            assert!(admits(&origins, origin, "a.example"), "{origin}");
        }
        let mut origins = Origins::default();
        origins.allow("http://[0:0::1]");
        assert!(admits(&origins, "http://[::1]", "a.example"));
    }

    #[test]
    fn what_no_page_can_send_is_a_problem_that_says_why() {
        for (origin, why) in [
            ("app.example", "scheme"),
            ("localhost:3000", "scheme"),
            ("", "scheme"),
            ("//b.example", "scheme"),
            ("://b.example", "not a scheme"),
            ("1http://b.example", "not a scheme"),
            ("blob:https://b.example", "not a scheme"),
            ("https://*.example", "patterns"),
            ("https://b.example:*", "patterns"),
            ("*://b.example", "not a scheme"),
            ("null", "null"),
            ("file://", "null"),
            ("wss://b.example", "WebSocket"),
            ("https://b.example/app", "nothing else"),
            ("https://b.example?a", "nothing else"),
            ("https://b.example//", "nothing else"),
            ("https://u@b.example", "nothing else"),
            ("https://b\u{fc}cher.example", "ASCII"),
            ("https://", "a host"),
            ("https://:443", "a host"),
            ("https://b.example:70000", "a host"),
            ("https://b.example:+1", "a host"),
            ("https://b c.example", "a host"),
            (" https://b.example", "not a scheme"),
            ("https://b%2eexample", "a host"),
            ("https://[::1", "a host"),
            ("http://127.1", "IPv4"),
            ("http://127.0.0.01", "IPv4"),
        ] {
            let mut origins = Origins::default();
            origins.allow(origin);
            let problem = origins.problem.clone().unwrap_or_default();
            assert!(problem.contains(why), "{origin}: {problem}");
            assert!(origins.are_none(), "{origin}");
        }
    }
}
