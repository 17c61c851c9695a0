//! Targets and queries (RFC 9112 3.2, RFC 3986 2.1, URL Standard 5). Input: a target.
//!
//! Laws:
//! - the parts of a target put together are the target;
//! - decoding is what a second decoder makes of it, and encoding undoes it;
//! - the value of a name is that of the first pair of this name.

use std::borrow::Cow;

use barewire::http::{Error, Form, Target, percent_decode, query_pairs, query_value};

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    check_decoding(text);
    check_query(text);
    let Ok(target) = Target::parse(text) else {
        return;
    };
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    let (path, query) = (target.path(), target.query());
    let tail = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
    match target.form() {
        Form::Origin => {
            assert_eq!((target.authority(), text), (None, &*tail));
            assert!(path.starts_with('/'));
        }
        Form::Asterisk => assert_eq!((text, path, query), ("*", "*", None)),
        Form::Authority => {
            assert_eq!((target.authority(), path, query), (Some(text), "", None));
            assert!(text.contains(':') && !text.contains(['/', '?', '@']));
        }
        Form::Absolute => {
            let authority = target.authority().expect("it names a host");
            assert!(!authority.is_empty() && !authority.contains(['/', '?', '@']));
            let (_, rest) = text.split_once("://").expect("a scheme");
            let rest = rest.strip_prefix(authority).expect("the host comes first");
            // An empty path is read as "/".
            assert!(rest == tail || format!("/{rest}") == tail);
        }
    }
    for segment in path.split('/') {
        check_decoding(segment);
    }
    if let Some(query) = query {
        check_query(query);
    }
}

fn check_decoding(text: &str) {
    let decoded = percent_decode(text);
    assert_eq!(decoded, plainly(text, false));
    let Ok(decoded) = decoded else { return };
    assert_eq!(matches!(decoded, Cow::Borrowed(_)), !text.contains('%'));
    let encoded: String = decoded.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(percent_decode(&encoded), Ok(decoded));
}

fn plainly(text: &str, form: bool) -> Result<Cow<'_, str>, Error> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
            if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(Error::PercentEncoding);
            }
            let digits = std::str::from_utf8(digits).expect("ASCII");
            decoded.push(u8::from_str_radix(digits, 16).expect("two digits"));
            at += 3;
        } else {
            decoded.push(if form && byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    let decoded = String::from_utf8(decoded);
    decoded.map(Cow::Owned).map_err(|_| Error::NotUtf8)
}

fn check_query(query: &str) {
    let pairs: Vec<_> = query_pairs(query).collect();
    let plain: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| Ok((plainly(name, true)?, plainly(value, true)?)))
        .collect();
    assert_eq!(pairs, plain);
    for (name, _) in pairs.iter().flatten() {
        let first = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .find_map(|pair| {
                let (encoded, value) = pair.split_once('=').unwrap_or((pair, ""));
                (plainly(encoded, true).as_ref() == Ok(name)).then(|| plainly(value, true))
            });
        assert_eq!(query_value(query, name), first);
    }
}
