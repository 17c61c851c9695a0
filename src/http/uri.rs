//! What a request is for: RFC 9112 3.2 (the forms of a target), RFC 3986 2 and 3
//! (its characters and parts), and the form encoding of queries (URL Standard 5).
//!
//! ```text
//!   /ticks?from=now                     origin-form: the usual one
//!   http://example.com/ticks?from=now   absolute-form: to a proxy, but every server reads it
//!   *                                   asterisk-form: OPTIONS
//!   example.com:80                      authority-form: CONNECT
//! ```
//!
//! A target is lent in parts, still encoded: **split first, decode then**, so that a
//! `%2F` or `%26` in a name stays part of it. Decoding borrows where nothing is
//! encoded, and what it gives is UTF-8 or an error.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::Error;
use crate::scan::port;

/// The forms that a target can have (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A path with perhaps a query.
    Origin,
    /// A whole http or https URI.
    Absolute,
    /// A host and a port, for CONNECT.
    Authority,
    /// `*`, for OPTIONS about the server itself.
    Asterisk,
}

/// The schemes that a target in absolute-form may name. A request for one must not be answered over a connection of the
/// other (RFC 9110 7.4): the two are different origins (4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plaintext.
    Http,
    /// Over TLS.
    Https,
}

/// A request target in its parts, encoded as they were sent.
///
/// ```
/// use barewire::http::{Form, Target, percent_decode};
///
/// let target = Target::parse("/a%20b?from=now")?;
/// assert_eq!((target.form(), target.query()), (Form::Origin, Some("from=now")));
/// assert_eq!(percent_decode(target.path())?, "/a b");
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    form: Form,
    scheme: Option<Scheme>,
    authority: Option<&'b str>,
    path: &'b str,
    query: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// Takes a target apart. It must be of printable ASCII without a fragment, and have
    /// one of the four forms.
    pub fn parse(target: &'b str) -> Result<Target<'b>, Error> {
        let printable = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if target.is_empty() || !target.bytes().all(printable) {
            return Err(Error::Target);
        }
        if target.starts_with('/') {
            return Ok(Target::with_path(Form::Origin, target));
        }
        if target == "*" {
            return Ok(Target::with_path(Form::Asterisk, target));
        }
        match target.split_once("://") {
            Some((scheme, rest)) => Target::absolute(scheme, rest),
            None => Target::authority_form(target),
        }
    }

    fn absolute(scheme: &str, rest: &'b str) -> Result<Target<'b>, Error> {
        let scheme = [("http", Scheme::Http), ("https", Scheme::Https)]
            .into_iter()
            .find(|(name, _)| scheme.eq_ignore_ascii_case(name))
            .map(|(_, scheme)| scheme);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // This refuses user information too, as RFC 9110 4.2.4 advises.
        if scheme.is_none() || !is_host(authority) {
            return Err(Error::Target);
        }
        Ok(Target {
            scheme,
            authority: Some(authority),
            ..Target::with_path(Form::Absolute, path)
        })
    }

    /// RFC 9112 3.2.3: the port is not optional here.
    fn authority_form(target: &'b str) -> Result<Target<'b>, Error> {
        let has_port = target.ends_with(|last: char| last.is_ascii_digit())
            && target
                .rsplit_once(':')
                .is_some_and(|(_, digits)| port(digits).is_some());
        match has_port && is_host(target) {
            true => Ok(Target {
                form: Form::Authority,
                scheme: None,
                authority: Some(target),
                path: "",
                query: None,
            }),
            false => Err(Error::Target),
        }
    }

    fn with_path(form: Form, path: &'b str) -> Target<'b> {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        // RFC 9110 4.2.3: an empty path is the path "/".
        let path = if path.is_empty() { "/" } else { path };
        Target {
            form,
            scheme: None,
            authority: None,
            path,
            query,
        }
    }

    /// The form of the target.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The scheme, in absolute-form.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The host, and port if there is one, when the target names them.
    pub fn authority(&self) -> Option<&'b str> {
        self.authority
    }

    /// The path: it starts with `/`, or is `*`, or is empty in the authority-form.
    pub fn path(&self) -> &'b str {
        self.path
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&'b str> {
        self.query
    }
}

/// Whether `host` is `uri-host [ ":" port ]` with a host that is not empty
/// (RFC 9110 7.2 and 4.2.1, RFC 3986 3.2.2):
///
/// - an IPv6 address in brackets (of the future versions that the grammar provides for,
///   none exists), or
/// - a name or IPv4 address of `unreserved`, `sub-delims` and percent-encoded bytes,
/// - then perhaps a colon and a port, empty or at most 65535.
pub(crate) fn is_host(host: &str) -> bool {
    let (valid, rest) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
            None => return false,
        },
        None => {
            let end = host.find(':').unwrap_or(host.len());
            let (name, rest) = host.split_at(end);
            (is_reg_name(name.as_bytes()), rest)
        }
    };
    valid
        && (rest.is_empty()
            || rest
                .strip_prefix(':')
                .is_some_and(|digits| digits.is_empty() || port(digits).is_some()))
}

/// RFC 3986 3.2.2 `reg-name`, except the empty one.
fn is_reg_name(mut name: &[u8]) -> bool {
    let valid = !name.is_empty();
    loop {
        name = match name {
            [] => return valid,
            [b'%', high, low, rest @ ..] if escape(*high, *low).is_some() => rest,
            [byte, rest @ ..] if is_reg_name_byte(*byte) => rest,
            _ => return false,
        }
    }
}

/// RFC 3986 2.2 and 2.3: `unreserved` and `sub-delims`.
fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// The byte that `%` and these two stand for (RFC 3986 2.1).
fn escape(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Decodes the percent-encoding of a path segment. Borrows when nothing is encoded.
pub fn percent_decode(text: &str) -> Result<Cow<'_, str>, Error> {
    decode(text, false)
}

/// Decodes a name or value of a query, where `+` stands for a space.
fn form_decode(text: &str) -> Result<Cow<'_, str>, Error> {
    decode(text, true)
}

fn decode(text: &str, form: bool) -> Result<Cow<'_, str>, Error> {
    let is_encoded = |byte: u8| byte == b'%' || (form && byte == b'+');
    if !text.bytes().any(is_encoded) {
        return Ok(Cow::Borrowed(text));
    }
    // Decoding never makes text longer.
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                decoded.push(escape(*high, *low).ok_or(Error::PercentEncoding)?);
                rest
            }
            [b'%', ..] => return Err(Error::PercentEncoding),
            [b'+', rest @ ..] if form => {
                decoded.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        }
    }
    match String::from_utf8(decoded) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => Err(Error::NotUtf8),
    }
}

/// The pairs of a query in order, decoded; `a&b=1` has the pairs `a`, `` and `b`, `1`.
pub fn query_pairs(query: &str) -> QueryPairs<'_> {
    QueryPairs { query }
}

/// The pairs of a query; see [`query_pairs`].
#[derive(Debug, Clone)]
pub struct QueryPairs<'q> {
    query: &'q str,
}

impl<'q> QueryPairs<'q> {
    /// The next pair as it was sent.
    fn next_encoded(&mut self) -> Option<(&'q str, &'q str)> {
        loop {
            if self.query.is_empty() {
                return None;
            }
            let (pair, rest) = self.query.split_once('&').unwrap_or((self.query, ""));
            self.query = rest;
            if !pair.is_empty() {
                return Some(pair.split_once('=').unwrap_or((pair, "")));
            }
        }
    }
}

impl<'q> Iterator for QueryPairs<'q> {
    type Item = Result<(Cow<'q, str>, Cow<'q, str>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_encoded()?;
        let decoded = form_decode(name).and_then(|name| Ok((name, form_decode(value)?)));
        Some(decoded)
    }
}

/// The value of the first pair of this name, decoded. A pair whose name cannot be
/// decoded has no name to be asked for.
pub fn query_value<'q>(query: &'q str, name: &str) -> Option<Result<Cow<'q, str>, Error>> {
    let mut pairs = query_pairs(query);
    while let Some((encoded, value)) = pairs.next_encoded() {
        if form_decode(encoded).is_ok_and(|decoded| decoded == name) {
            return Some(form_decode(value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str) -> Option<(Form, Option<&str>, &str, Option<&str>)> {
        let target = Target::parse(target).ok()?;
        Some((
            target.form(),
            target.authority(),
            target.path(),
            target.query(),
        ))
    }

    // RFC 9112 3.2

    #[test]
    fn each_of_the_four_forms_is_taken_apart() {
        use Form::*;
        assert_eq!(parts("/"), Some((Origin, None, "/", None)));
        assert_eq!(
            parts("/a/b?c=d?e"),
            Some((Origin, None, "/a/b", Some("c=d?e")))
        );
        assert_eq!(parts("/a?"), Some((Origin, None, "/a", Some(""))));
        assert_eq!(parts("//a"), Some((Origin, None, "//a", None)));
        assert_eq!(
            parts("http://a.example:80/b?c"),
            Some((Absolute, Some("a.example:80"), "/b", Some("c")))
        );
        assert_eq!(parts("HTTP://a"), Some((Absolute, Some("a"), "/", None)));
        assert_eq!(
            parts("http://a?b/c"),
            Some((Absolute, Some("a"), "/", Some("b/c")))
        );
        assert_eq!(parts("*"), Some((Asterisk, None, "*", None)));
        assert_eq!(
            parts("[::1]:443"),
            Some((Authority, Some("[::1]:443"), "", None))
        );
    }

    #[test]
    fn the_absolute_form_alone_names_a_scheme_in_any_case() {
        let scheme = |target| Target::parse(target).unwrap().scheme();
        assert_eq!(scheme("http://a/"), Some(Scheme::Http));
        assert_eq!(scheme("HTTPS://a"), Some(Scheme::Https));
        for other in ["/", "/https://a", "*", "a:443"] {
            assert_eq!(scheme(other), None, "{other}");
        }
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for target in [
            "",
            "a",
            "a/b",
            "*a",
            "?a",
            "/a b",
            "/a#b",
            "/\u{e9}",
            "/\x7f",
            "/\t",
            "ftp://a/",
            "http:///a",
            "http://u@a/",
            "http://a b/",
            "http:/a",
            "a.example",
            "a.example:",
            "a.example:x",
            "::1",
            "mailto:a@b",
        ] {
            assert_eq!(Target::parse(target), Err(Error::Target), "{target:?}");
        }
    }

    // RFC 9110 7.2, RFC 3986 3.2.2

    #[test]
    fn a_host_is_a_name_or_an_address_with_perhaps_a_port() {
        for host in [
            "a",
            "a.example",
            "a.example:80",
            "a:",
            "a:65535",
            "127.0.0.1:8080",
            "[::1]",
            "[::ffff:1.2.3.4]:80",
            "a_b",
            "%41",
            "xn--a-ecp.example",
            "a,b",
        ] {
            assert!(is_host(host), "{host:?}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "u@a",
            "a/b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+80",
            "a:-1",
            "[",
            "[]",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[1.2.3.4]",
            "::1",
            "a%",
            "a%4",
            "a%zz",
            "a\"",
            "\u{e9}",
            "a?b",
            "a#b",
            "a\\b",
            "<a>",
            "http://a",
        ] {
            assert!(!is_host(host), "{host:?}");
        }
    }

    // RFC 3986 2.1

    #[test]
    fn percent_encoding_is_decoded_or_refused() {
        assert!(matches!(percent_decode("a+b"), Ok(Cow::Borrowed("a+b"))));
        assert_eq!(percent_decode("a+%2B").as_deref(), Ok("a++"));
        assert_eq!(percent_decode("%e2%82%AC%20a").as_deref(), Ok("\u{20ac} a"));
        for bad in ["%", "%4", "a%", "%zz", "%+1", "%%41"] {
            assert_eq!(percent_decode(bad), Err(Error::PercentEncoding), "{bad:?}");
        }
        for bad in ["%ff", "%c3", "%ed%a0%80"] {
            assert_eq!(percent_decode(bad), Err(Error::NotUtf8), "{bad:?}");
        }
    }

    // URL Standard 5.1

    #[test]
    fn a_query_is_split_before_it_is_decoded() {
        let pairs: Vec<_> = query_pairs("a=1&&b&c%26d=%3D+x&=e&f=g=h")
            .map(Result::unwrap)
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        assert_eq!(
            pairs,
            [
                ("a", "1"),
                ("b", ""),
                ("c&d", "= x"),
                ("", "e"),
                ("f", "g=h")
            ]
        );
    }

    #[test]
    fn a_value_is_that_of_the_first_pair_of_its_name() {
        let value = |query, name| query_value(query, name).map(|v| v.map(Cow::into_owned));
        assert_eq!(value("a=1&a=2", "a"), Some(Ok("1".into())));
        assert_eq!(value("%zz=1&%61+=2", "a "), Some(Ok("2".into())));
        assert_eq!(value("a=%zz", "a"), Some(Err(Error::PercentEncoding)));
        assert_eq!(value("ab=1", "a"), None);
        assert_eq!(value("", ""), None);
    }
}
