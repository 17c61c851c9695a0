//! The fields of a head: RFC 9110 5, RFC 9112 5.
//!
//! ```text
//!   field-line = field-name ":" OWS field-value OWS CRLF
//!   value      = member *( OWS "," OWS member )        for the fields that are lists
//! ```
//!
//! [`Fields`] is a view of field lines that have been checked once; it walks them
//! when asked and allocates nothing. **What it walks is valid**: each line has a
//! token, a colon, a value without control characters, and CRLF. Only
//! [`head`](super::head) makes one, after that check.
//!
//! Most questions to a head are about fields that are not there. A word of 64 bits
//! beside the lines, one bit per kind of name, answers nearly all of those without
//! a walk.

use super::{Error, trim_ows};
use crate::scan::find;

/// The fields of a head, in the order of the wire. A view: copying it copies no field.
///
/// ```
/// use barewire::http::{HeadLimits, RequestHead};
///
/// let head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html, text/plain\r\n\r\n";
/// let head = RequestHead::parse(head, &HeadLimits::default())?;
/// assert_eq!(head.fields().get("HOST"), Some(&b"a"[..])); // names in any case
/// assert!(head.fields().has_token("accept", "text/plain"));
/// # Ok::<(), barewire::http::Error>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Fields<'b> {
    /// Complete, valid field lines, each with its CRLF.
    lines: &'b [u8],
    /// [`name_bit`] of every name that occurs.
    names: u64,
}

/// One of 64 kinds of name. Names that differ in case only are of one kind. Of a name that is written in the source it is
/// known when that is compiled, which is why whoever asks for one is inlined.
#[inline]
fn name_bit(name: &[u8]) -> u64 {
    let lower = |byte: Option<&u8>| byte.map_or(0, |b| usize::from(b | 0x20));
    1 << ((name.len() * 7 + lower(name.first()) * 3 + lower(name.last())) % 64)
}

impl<'b> Fields<'b> {
    /// The view of `lines`, once they are seen to be the lines that httparse read:
    /// httparse also takes LF for a line end, and the walk does not.
    pub(super) fn checked(
        lines: &'b [u8],
        parsed: &[httparse::Header<'b>],
    ) -> Result<Fields<'b>, Error> {
        let mut walk = lines;
        let mut names = 0;
        for field in parsed {
            let line = next_line(&mut walk).ok_or(Error::Incomplete)?;
            let line = line.strip_suffix(b"\r").ok_or(Error::BareLineFeed)?;
            let value = line.strip_prefix(field.name.as_bytes());
            if !value.is_some_and(|value| value.starts_with(b":")) {
                return Err(Error::FieldLine);
            }
            names |= name_bit(field.name.as_bytes());
        }
        match walk.is_empty() {
            true => Ok(Fields { lines, names }),
            false => Err(Error::FieldLine),
        }
    }

    /// All fields, each with its name and its value without the white space around it.
    pub fn iter(self) -> FieldIter<'b> {
        FieldIter { lines: self.lines }
    }

    /// The value of the first field of this name; case does not matter (RFC 9110 5.1).
    #[inline]
    pub fn get(self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// As [`Fields::get`], for a value that is UTF-8, as every ASCII value is.
    pub fn get_str(self, name: &str) -> Option<&'b str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all fields of this name, in order.
    #[inline]
    pub fn all<'n>(self, name: &'n str) -> Values<'b, 'n> {
        let known = self.names & name_bit(name.as_bytes()) != 0;
        Values {
            lines: if known { self.lines } else { &[] },
            name,
        }
    }

    /// The members of the comma-separated list that all fields of this name make
    /// together (RFC 9110 5.3 and 5.6.1).
    pub fn tokens<'n>(self, name: &'n str) -> Tokens<'b, 'n> {
        Tokens {
            values: self.all(name),
            list: &[],
        }
    }

    /// Whether `token` is a member of that list; case does not matter.
    pub fn has_token(self, name: &str, token: &str) -> bool {
        self.tokens(name)
            .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(name, value)| (name, String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

impl<'b> IntoIterator for Fields<'b> {
    type Item = (&'b str, &'b [u8]);
    type IntoIter = FieldIter<'b>;

    fn into_iter(self) -> FieldIter<'b> {
        self.iter()
    }
}

/// Takes the next line off `lines`, without its LF.
fn next_line<'b>(lines: &mut &'b [u8]) -> Option<&'b [u8]> {
    let end = find(lines, b'\n')?;
    let (line, rest) = (&lines[..end], &lines[end + 1..]);
    *lines = rest;
    Some(line)
}

/// The fields of a head one after the other; see [`Fields::iter`].
#[derive(Debug, Clone)]
pub struct FieldIter<'b> {
    lines: &'b [u8],
}

impl<'b> Iterator for FieldIter<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = next_line(&mut self.lines)?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        // A name is a token, hence ASCII; the default is never taken.
        let name = std::str::from_utf8(&line[..colon]).unwrap_or_default();
        Some((name, value_of(line, colon)))
    }
}

/// The value in a line whose colon stands at `colon`.
fn value_of(line: &[u8], colon: usize) -> &[u8] {
    let value = &line[colon + 1..];
    trim_ows(value.strip_suffix(b"\r").unwrap_or(value))
}

/// The values of all fields of one name; see [`Fields::all`].
#[derive(Debug, Clone)]
pub struct Values<'b, 'n> {
    lines: &'b [u8],
    name: &'n str,
}

impl<'b> Iterator for Values<'b, '_> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let colon = self.name.len();
        while let Some(line) = next_line(&mut self.lines) {
            // A name holds no colon, so this colon is the first of the line.
            if line.get(colon) == Some(&b':')
                && line[..colon].eq_ignore_ascii_case(self.name.as_bytes())
            {
                return Some(value_of(line, colon));
            }
        }
        None
    }
}

/// The members of a list, over all fields of one name; see [`Fields::tokens`].
///
/// White space around a member and empty members are left out (RFC 9110 5.6.1.2). A
/// comma inside a quoted string belongs to its member; a quoted string that does not
/// end takes the rest of its field. Each byte is looked at once.
#[derive(Debug, Clone)]
pub struct Tokens<'b, 'n> {
    values: Values<'b, 'n>,
    /// What is left of the current field's value.
    list: &'b [u8],
}

impl<'b> Iterator for Tokens<'b, '_> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if self.list.is_empty() {
                self.list = self.values.next()?;
            }
            let end = member_end(self.list);
            let member = trim_ows(&self.list[..end]);
            self.list = self.list.get(end + 1..).unwrap_or_default();
            if !member.is_empty() {
                return Some(member);
            }
        }
    }
}

/// Where the first member of `list` ends: at the first comma that is not inside a
/// quoted string (RFC 9110 5.6.4), or with the list.
fn member_end(list: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    list.len()
}

#[cfg(test)]
mod tests {
    use super::super::{HeadLimits, RequestHead};
    use super::*;

    fn fields(lines: &str, check: impl FnOnce(Fields<'_>)) {
        let head = format!("GET / HTTP/1.0\r\n{lines}\r\n");
        let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default());
        check(head.expect("a valid head").fields());
    }

    fn members(lines: &str) -> Vec<String> {
        let mut members = Vec::new();
        fields(lines, |fields| {
            members.extend(
                fields
                    .tokens("list")
                    .map(|m| String::from_utf8_lossy(m).into_owned()),
            );
        });
        members
    }

    // RFC 9110 5.1 and 5.5

    #[test]
    fn fields_keep_their_order_and_their_case_and_lose_the_space_around_values() {
        fields("B: 2\r\nA:\t1 \r\nb:\r\nC: x: y\r\n", |fields| {
            let all: Vec<_> = fields.iter().collect();
            assert_eq!(
                all,
                [("B", &b"2"[..]), ("A", b"1"), ("b", b""), ("C", b"x: y")]
            );
            assert_eq!(fields.get("a"), Some(&b"1"[..]));
            assert_eq!(fields.get_str("c"), Some("x: y"));
            assert_eq!(fields.get("d"), None);
            assert_eq!(fields.all("b").count(), 2);
        });
    }

    #[test]
    fn a_name_that_starts_like_another_is_another() {
        fields("Hosts: a\r\nHos: b\r\nX: Host: c\r\n", |fields| {
            assert_eq!(fields.get("host"), None);
            assert_eq!(fields.get("x: host"), None);
        });
    }

    #[test]
    fn a_value_of_other_bytes_is_lent_as_bytes() {
        let head = b"GET / HTTP/1.0\r\nA: \xff\r\n\r\n";
        let head = RequestHead::parse(head, &HeadLimits::default()).unwrap();
        assert_eq!(head.fields().get("a"), Some(&b"\xff"[..]));
        assert_eq!(head.fields().get_str("a"), None);
    }

    // RFC 9110 5.6.1

    #[test]
    fn a_list_is_joined_over_its_fields_and_empty_members_are_left_out() {
        assert_eq!(
            members("List: a , b,,\r\nX: y\r\nlist: ,\r\nLIST: c\r\n"),
            ["a", "b", "c"]
        );
        assert_eq!(members("X: y\r\n"), [""; 0]);
    }

    // RFC 9110 5.6.4

    #[test]
    fn a_comma_in_a_quoted_string_separates_nothing() {
        assert_eq!(
            members("List: a;b=\"c, \\\" d\", e\r\n"),
            ["a;b=\"c, \\\" d\"", "e"]
        );
        assert_eq!(members("List: \"a, b\r\nList: c\r\n"), ["\"a, b", "c"]);
    }

    #[test]
    fn a_token_is_found_in_any_case_and_never_inside_a_member() {
        fields("Connection: keep-alive, UPGRADE\r\n", |fields| {
            assert!(fields.has_token("connection", "upgrade"));
            assert!(!fields.has_token("connection", "alive"));
            assert!(!fields.has_token("upgrade", "upgrade"));
        });
    }
}
