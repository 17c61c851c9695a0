//! Where a subscription's deliveries go: its URL, and what of it makes one connection as good as another.

use std::fmt;

use crate::client::Url;
use crate::webhook::{Host, HostError};

/// Bytes of a URL, at most.
const MAX_URL: usize = 2048;

/// A URL that deliveries may go to, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// With an address in its plain spelling, so that what is looked at is what is connected to.
    pub(super) url: Url,
    pub(super) host: Host,
    pub(super) place: Place,
}

/// What connections are kept for and counted by: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(std::sync::Arc<str>);

/// Why nothing can be delivered to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetError {
    TooLong,
    Scheme,
    Url(String),
    Host(HostError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::TooLong => write!(f, "the URL is longer than {MAX_URL} bytes"),
            TargetError::Scheme => f.write_str("deliveries go to URLs of http and https"),
            TargetError::Url(why) => f.write_str(why),
            TargetError::Host(why) => why.fmt(f),
        }
    }
}

impl Target {
    /// Takes a URL apart.
    pub(crate) fn parse(text: &str) -> Result<Target, TargetError> {
        if text.len() > MAX_URL {
            return Err(TargetError::TooLong);
        }
        let scheme = text.split("://").next().unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(TargetError::Scheme);
        }
        // The error says what is wrong with the URL, and a URL with credentials must not come back in an answer or a log.
        let parsed = Url::parse(text).map_err(|error| {
            let why = error.to_string();
            let why = why.rsplit_once("\" ").map_or(&*why, |(_, why)| why);
            TargetError::Url(format!("the URL {why}"))
        });
        let mut url = parsed?;
        let host = Host::parse(&url.host).map_err(TargetError::Host)?;
        url.host = match &host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_string(),
        };
        let scheme = if url.scheme.is_secure() { "s" } else { "" };
        let place = Place(format!("{scheme}/{}/{}", url.host, url.port).into());
        Ok(Target { url, host, place })
    }

    /// The host, if it has to be looked up.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_connected_to_as_it_was_read() {
        for (url, host) in [
            ("http://127.1/", "127.0.0.1"),
            ("http://0x7f000001:80/a", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://[::FFFF:127.0.0.1]:8080/", "::ffff:127.0.0.1"),
            ("http://Hooks.Example./", "hooks.example"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.url.host, host, "{url}");
        }
    }

    #[test]
    fn what_nothing_is_delivered_to_says_why_and_does_not_repeat_secrets() {
        for (url, why) in [
            ("ftp://a/", "http and https"),
            ("ws://a/", "http and https"),
            ("a/b", "http and https"),
            ("", "http and https"),
            ("http://", "host"),
            ("http://user:hunter2@a/", "credentials"),
            ("http://hunter2@a/", "credentials"),
            ("http://a:99999/", "port"),
            ("http://1.2.3.4.5/", "number"),
            ("http://a/b c", "percent-encoded"),
            ("http://gr\u{fc}n/", "host"),
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(
                error.contains(why) && !error.contains("hunter2"),
                "{url}: {error}"
            );
        }
        let long = format!("http://a/{}", "b".repeat(MAX_URL));
        assert_eq!(Target::parse(&long), Err(TargetError::TooLong));
    }

    #[test]
    fn connections_are_shared_by_scheme_host_and_port() {
        let place = |url| Target::parse(url).unwrap().place;
        assert_eq!(place("http://a/b"), place("http://A:80/c?d"));
        assert_ne!(place("http://a/"), place("http://a:81/"));
        assert_eq!(place("http://127.1/"), place("http://127.0.0.1/"));
    }
}
