//! Who may come in from a browser's page: the `Origin` rule.
//!
//! A browser lets any page open a WebSocket to any host, with that host's cookies, and lets any page post a plain
//! form anywhere; neither is held back by the same-origin policy (CWE-1385, RFC 6455 10.2). What the browser does
//! is to say, in `Origin`, which page it was. So an upgrade or a publish with an `Origin` that is neither the
//! server's own nor allowed by name is refused. Programs that are no browsers send no `Origin` and are not
//! concerned.
//!
//! Origins are compared whole: scheme, host and port (RFC 6454 5). A page whose origin is opaque says `null`,
//! which is nobody's own.

use crate::scan;

/// The origins that may come in besides the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<Box<str>>,
    any: bool,
}

impl Origins {
    /// Allows one more origin, such as `https://example.com`; `*` allows every one.
    pub(crate) fn allow(&mut self, origin: &str) {
        if origin == "*" {
            self.any = true;
        }
        self.allowed.push(origin.trim_end_matches('/').into());
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
            && self.host.eq_ignore_ascii_case(other.host)
    }
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
}
