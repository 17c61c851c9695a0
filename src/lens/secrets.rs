//! What a transcript is better without: credentials, cookies, tokens in targets.
//!
//! They are written over with `*` where they lie, byte for byte, so that offsets, lengths and syntax stay as they were.
//! A field that holds a credential keeps its scheme and its names: `Authorization: Bearer ******`, `Cookie: id=******`.

/// Fields whose value is a secret but for its first word.
const CREDENTIALS: [&str; 2] = ["authorization", "proxy-authorization"];
/// Fields whose value is a secret.
const KEYS: [&str; 4] = ["x-api-key", "api-key", "x-auth-token", "x-csrf-token"];
/// Fields with URLs, whose queries may hold secrets.
const ADDRESSES: [&str; 3] = ["referer", "location", "content-location"];
/// Names of secrets in queries.
const PARAMETERS: [&str; 17] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "code",
    "id_token",
    "jwt",
    "key",
    "password",
    "refresh_token",
    "secret",
    "session",
    "sig",
    "signature",
    "ticket",
    "token",
];

/// Masks what is secret in a head, or in a part of one that begins with a line.
pub(super) fn mask_head(head: &mut [u8]) {
    for (number, line) in head.split_inclusive_mut(|&byte| byte == b'\n').enumerate() {
        let length = line.trim_ascii_end().len();
        let line = &mut line[..length];
        // A first line that is cut may also be one with a field.
        if number > 0 || !mask_field(line) {
            mask_field(line);
            mask_target(line);
        }
    }
}

/// Masks what is secret in a line that may be a field, and says whether it was one that may hold secrets.
pub(super) fn mask_field(line: &mut [u8]) -> bool {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return false;
    };
    let (name, value) = line.split_at_mut(colon);
    let value = &mut value[1..];
    let is = |names: &[&str]| {
        let name = name.trim_ascii();
        names
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    if is(&CREDENTIALS) {
        let start = value.iter().position(|byte| !byte.is_ascii_whitespace());
        let value = &mut value[start.unwrap_or(0)..];
        match value.iter().position(|byte| *byte == b' ') {
            Some(space) => value[space + 1..].fill(b'*'),
            None => value.fill(b'*'),
        }
    } else if is(&KEYS) {
        let space = value.len() - value.trim_ascii_start().len();
        value[space..].fill(b'*');
    } else if is(&["cookie"]) {
        value.split_mut(|&byte| byte == b';').for_each(mask_pair);
    } else if is(&["set-cookie"]) {
        value
            .split_mut(|&byte| byte == b';')
            .take(1)
            .for_each(mask_pair);
    } else if is(&ADDRESSES) {
        mask_target(value);
    } else {
        return false;
    }
    true
}

/// `name=value`; without a name all of it is the value (RFC 6265 5.2 would drop it).
fn mask_pair(pair: &mut [u8]) {
    let start = match pair.iter().position(|&byte| byte == b'=') {
        Some(equals) => equals + 1,
        None => pair.len() - pair.trim_ascii_start().len(),
    };
    pair[start..].fill(b'*');
}

/// Masks the values of what is secret in a query, wherever in the line it stands.
fn mask_target(line: &mut [u8]) {
    let Some(query) = line.iter().position(|&byte| byte == b'?') else {
        return;
    };
    for pair in line[query + 1..].split_mut(|&byte| byte == b'&' || byte == b';') {
        let end = pair.iter().position(|&byte| byte == b' ' || byte == b'#');
        let end = end.unwrap_or(pair.len());
        let pair = &mut pair[..end];
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = pair.split_at_mut(equals);
        if PARAMETERS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        {
            value[1..].fill(b'*');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(head: &str) -> String {
        let mut head = head.as_bytes().to_vec();
        mask_head(&mut head);
        String::from_utf8(head).unwrap()
    }

    #[test]
    fn credentials_lose_all_but_their_scheme() {
        assert_eq!(
            masked("GET / HTTP/1.1\r\nAUTHORIZATION:  Bearer abc.def\r\nX-Api-Key: 12\r\n\r\n"),
            "GET / HTTP/1.1\r\nAUTHORIZATION:  Bearer *******\r\nX-Api-Key: **\r\n\r\n"
        );
        assert_eq!(masked("Authorization: abc\r\n"), "Authorization: ***\r\n");
    }

    #[test]
    fn cookies_keep_their_names() {
        assert_eq!(
            masked("\r\nCookie: a=1; b=22\r\nSet-Cookie: id=abc; Path=/\r\n"),
            "\r\nCookie: a=*; b=**\r\nSet-Cookie: id=***; Path=/\r\n"
        );
    }

    #[test]
    fn tokens_in_targets_are_masked_and_nothing_else_is() {
        assert_eq!(
            masked(
                "GET /a?x=1&Access_Token=abc&last_id=2 HTTP/1.1\r\nReferer: http://a/?token=12#f\r\n"
            ),
            "GET /a?x=1&Access_Token=***&last_id=2 HTTP/1.1\r\nReferer: http://a/?token=**#f\r\n"
        );
        let plain = "GET /token?tokens=1 HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n\r\n";
        assert_eq!(masked(plain), plain);
    }
}
