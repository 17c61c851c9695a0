//! The `Cookie` field (RFC 6265 4.2.1): `name=value` pairs, with `; ` between them.

/// The value of the first cookie called `name`. Names are case-sensitive; of a value in double quotes, these are a
/// part.
///
/// ```
/// assert_eq!(barewire::http::cookie(b"theme=dark; SID=31d4d96e", "SID"), Some(&b"31d4d96e"[..]));
/// ```
pub fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field.split(|byte| *byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (&pair[..at] == name.as_bytes()).then(|| &pair[at + 1..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        // RFC 6265 3.1 has the first.
        let field = b"SID=31d4d96e407aad42; lang=en-US; empty=; token=a=b;xSID=no; SID=second";
        for (name, value) in [
            ("SID", Some(&b"31d4d96e407aad42"[..])),
            ("lang", Some(b"en-US")),
            ("empty", Some(b"")),
            ("token", Some(b"a=b")),
            ("xSID", Some(b"no")),
            ("sid", None),
            ("ID", None),
            ("", None),
        ] {
            assert_eq!(cookie(field, name), value, "{name}");
        }
    }

    #[test]
    fn what_is_no_pair_is_passed_over() {
        assert_eq!(cookie(b";; a ; =x ;b=1", "b"), Some(&b"1"[..]));
        assert_eq!(cookie(b"", "a"), None);
        assert_eq!(cookie(b"a", "a"), None);
        assert_eq!(cookie(b"\xff=1; a=\xff", "a"), Some(&b"\xff"[..]));
    }
}
