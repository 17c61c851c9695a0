//! Request heads beside a second reading. Input: a head as it is sent, and what follows it.
//!
//! Law: barewire takes the heads that [`read`] takes, and of each says the same; where it refuses one, the status is that
//! of a rule which the head breaks.
//!
//! The second reading shares nothing with barewire: no httparse, no view, no state between reads. It goes through the
//! whole input with the text of RFC 9112 in hand, one rule after the other, and notes every rule that is broken. Where
//! the RFC leaves a choice it chooses as barewire's documentation says that it does.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use barewire::http::{
    BodyLength, HeadFinder, HeadLimits, MAX_EMPTY_LINES, MAX_FIELDS, RequestHead, Version,
    request_body_length,
};

/// Longer heads are about limits, which are the business of other laws.
const LONGEST: usize = 8 * 1024;

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes that it takes, its empty line and those before it included.
    pub length: usize,
    pub method: String,
    pub target: String,
    pub minor_version: u8,
    pub fields: Vec<(String, Vec<u8>)>,
    pub host: Option<String>,
    pub keep_alive: bool,
    /// Whether a 100 is waited for, or the status for another expectation.
    pub expects_continue: Result<bool, u16>,
    /// The length of the body, or the statuses with which it is refused.
    pub body: Result<Body, BTreeSet<u16>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    Exactly(u64),
    Chunked,
}

/// What an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    Head(Box<Head>),
    /// The empty line has not come, and nothing before that is wrong with the ends of lines.
    Incomplete,
    /// The statuses of all rules that are broken.
    Refused(BTreeSet<u16>),
}

pub fn check(input: &[u8]) {
    if input.len() > LONGEST {
        return;
    }
    match (read(input), production(input)) {
        (Reading::Refused(statuses), Reading::Refused(status)) => {
            assert!(status.is_subset(&statuses), "{status:?} of {statuses:?}");
        }
        (Reading::Head(plain), Reading::Head(mut ours)) => {
            if let (Err(statuses), Err(status)) = (&plain.body, &ours.body) {
                assert!(status.is_subset(statuses), "{status:?} of {statuses:?}");
                ours.body.clone_from(&plain.body);
            }
            assert_eq!(ours, plain);
        }
        (plain, ours) => assert_eq!(ours, plain),
    }
}

/// What barewire says.
fn production(bytes: &[u8]) -> Reading {
    let limits = HeadLimits::default();
    let refused = |error: barewire::http::Error| BTreeSet::from([error.status().code()]);
    let length = match HeadFinder::default().find(bytes, &limits) {
        Ok(Some(length)) => length,
        Ok(None) => return Reading::Incomplete,
        Err(error) => return Reading::Refused(refused(error)),
    };
    let head = match RequestHead::parse(&bytes[..length], &limits) {
        Ok(head) => head,
        Err(error) => return Reading::Refused(refused(error)),
    };
    let body = match request_body_length(&head) {
        Ok(BodyLength::None) => Ok(Body::None),
        Ok(BodyLength::Exactly(length)) => Ok(Body::Exactly(length)),
        Ok(BodyLength::Chunked) => Ok(Body::Chunked),
        Ok(BodyLength::UntilClose) => panic!("a request ends before its connection does"),
        Err(error) => Err(refused(error)),
    };
    Reading::Head(Box::new(Head {
        length,
        method: head.method().into(),
        target: head.target().into(),
        minor_version: match head.version() {
            Version::Http10 => 0,
            Version::Http11 => 1,
        },
        fields: head
            .fields()
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect(),
        host: head.host().map(str::to_owned),
        keep_alive: head.keep_alive(),
        expects_continue: head.expectation().map_err(|error| error.status().code()),
        body,
    }))
}

/// RFC 9112 2 to 6.
pub fn read(bytes: &[u8]) -> Reading {
    let (lines, length) = match lines(bytes) {
        Ok(Some(found)) => found,
        Ok(None) => return Reading::Incomplete,
        Err(status) => return Reading::Refused(BTreeSet::from([status])),
    };
    let mut broken = BTreeSet::new();

    // 3: request-line = method SP request-target SP HTTP-version
    let words: Vec<&[u8]> = lines[0].split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else {
        broken.insert(400);
        return Reading::Refused(broken);
    };
    if !is_token(method) {
        broken.insert(400);
    }
    // 2.3
    let minor_version = match version {
        b"HTTP/1.0" => 0,
        b"HTTP/1.1" => 1,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            broken.insert(505);
            1
        }
        _ => {
            broken.insert(400);
            1
        }
    };
    let method = String::from_utf8_lossy(method).into_owned();
    let target = String::from_utf8_lossy(target).into_owned();
    let authority = authority(&method, &target).unwrap_or_else(|| {
        broken.insert(400);
        None
    });

    let mut fields = Vec::new();
    for line in &lines[1..] {
        match field(line) {
            Some(field) => fields.push(field),
            None => drop(broken.insert(400)),
        }
    }
    if lines.len() - 1 > MAX_FIELDS {
        broken.insert(431);
    }

    // 3.2: exactly one Host, which HTTP/1.0 may lack.
    let hosts = values(&fields, "host");
    let host = match &hosts[..] {
        [host] if is_authority(&String::from_utf8_lossy(host)) => {
            Some(String::from_utf8_lossy(host).into_owned())
        }
        [] if minor_version == 0 => None,
        _ => {
            broken.insert(400);
            None
        }
    };
    if !broken.is_empty() {
        return Reading::Refused(broken);
    }

    // 9.3
    let options = list(&fields, "connection");
    let has = |option: &str| options.iter().any(|o| o.eq_ignore_ascii_case(option));
    let keep_alive = !has("close") && (minor_version == 1 || has("keep-alive"));
    // RFC 9110 10.1.1: a server that gets 100-continue from HTTP/1.0 ignores it.
    let expectations = list(&fields, "expect");
    let expects_continue = match minor_version {
        0 => Ok(false),
        _ if expectations
            .iter()
            .any(|other| !other.eq_ignore_ascii_case("100-continue")) =>
        {
            Err(417)
        }
        _ => Ok(!expectations.is_empty()),
    };
    Reading::Head(Box::new(Head {
        length,
        body: body(&fields, minor_version),
        method,
        target,
        minor_version,
        fields,
        // 3.2.2: an authority in the target goes before Host.
        host: authority.or(host),
        keep_alive,
        expects_continue,
    }))
}

type Lines<'b> = (Vec<&'b [u8]>, usize);

/// 2.1 and 2.2: the start line and the field lines without their ends, and how many bytes they take with all empty
/// lines. `None`: the last line has not come. An error is the status of an end that is none.
fn lines(bytes: &[u8]) -> Result<Option<Lines<'_>>, u16> {
    let (mut lines, mut empty, mut start) = (Vec::new(), 0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == 0 || (byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r')) {
            return Err(400);
        }
        if byte == b'\r' && bytes.get(at + 1).is_some_and(|&next| next != b'\n') {
            return Err(400);
        }
        if byte != b'\n' {
            continue;
        }
        let line = &bytes[start..at - 1];
        start = at + 1;
        match (line.is_empty(), lines.is_empty()) {
            (false, _) => lines.push(line),
            (true, false) => return Ok(Some((lines, start))),
            (true, true) => empty += 1,
        }
        if empty > MAX_EMPTY_LINES {
            return Err(400);
        }
    }
    Ok(None)
}

/// RFC 9110 5.6.2
fn is_token(bytes: &[u8]) -> bool {
    let tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(tchar)
}

/// 5: field-line = field-name ":" OWS field-value OWS
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // RFC 9110 5.5, and field-vchar with obs-text
    let allowed = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if !is_token(name) || !value.iter().all(allowed) {
        return None;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    Some((name, trimmed(value).to_vec()))
}

/// Without OWS around it.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn values<'f>(fields: &'f [(String, Vec<u8>)], name: &str) -> Vec<&'f [u8]> {
    fields
        .iter()
        .filter(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| &field.1[..])
        .collect()
}

/// RFC 9110 5.6.1: the members of a list, without the empty ones; a comma in a quoted string separates nothing. Each
/// line is a list of its own (5.3 joins them with a comma), also one whose quoted string does not end.
fn list(fields: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    let mut members = Vec::new();
    for value in values(fields, name) {
        let (mut member, mut quoted, mut escaped) = (Vec::new(), false, false);
        for &byte in value.iter().chain(b",") {
            if byte == b',' && !quoted {
                members.push(std::mem::take(&mut member));
                continue;
            }
            member.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = !quoted,
                _ => {}
            }
        }
        if quoted {
            // The comma that was put behind it.
            member.pop();
            members.push(member);
        }
    }
    members
        .iter()
        .map(|member| String::from_utf8_lossy(trimmed(member)).into_owned())
        .filter(|member| !member.is_empty())
        .collect()
}

/// 3.2: the authority that the target names, if it names one. `None` is a target that is none, or not of the form that
/// the method asks for.
fn authority(method: &str, target: &str) -> Option<Option<String>> {
    // Of what is not in the grammar of RFC 3986, printable characters are let pass but for the start of a fragment.
    if !target.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        return None;
    }
    if method == "CONNECT" {
        // 3.2.3: with a port, which is not empty.
        let port = target.rsplit(':').next().unwrap_or_default();
        let whole = !port.is_empty() && !port.contains(']') && target.contains(':');
        return (whole && is_authority(target)).then(|| Some(target.to_owned()));
    }
    if target.starts_with('/') {
        return Some(None);
    }
    if target == "*" {
        return (method == "OPTIONS").then_some(None);
    }
    // 3.2.2, with the schemes that there are (RFC 9110 4.2).
    let lower = target.to_ascii_lowercase();
    let start = ["http://", "https://"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme))?
        .len();
    let rest = &target[start..];
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    is_authority(authority).then(|| Some(authority.to_owned()))
}

/// RFC 9110 7.2: uri-host [ ":" port ], with a host (4.2.1) and without user information (4.2.4).
fn is_authority(text: &str) -> bool {
    let (host, port) = match text
        .rfind(':')
        .filter(|&colon| !text[colon..].contains(']'))
    {
        Some(colon) => (&text[..colon], &text[colon + 1..]),
        None => (text, ""),
    };
    // RFC 3986 3.2.3 has any number of digits; TCP has 65535 ports.
    let is_port = port.chars().all(|digit| digit.is_ascii_digit())
        && port.trim_start_matches('0').len() <= 5
        && (port.is_empty() || port.parse::<u64>().is_ok_and(|port| port <= 65_535));
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    is_port
        && match literal {
            // RFC 3986 3.2.2, but for IPvFuture, of which there is none.
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host.as_bytes()),
        }
}

/// RFC 3986 3.2.2: reg-name, which is not empty here.
fn is_name(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        let unreserved = name[at].is_ascii_alphanumeric() || b"-._~".contains(&name[at]);
        if unreserved || b"!$&'()*+,;=".contains(&name[at]) {
            at += 1;
        } else if name[at] == b'%'
            && at + 2 < name.len()
            && name[at + 1].is_ascii_hexdigit()
            && name[at + 2].is_ascii_hexdigit()
        {
            at += 3;
        } else {
            return false;
        }
    }
    !name.is_empty()
}

/// 6.3, "Message Body Length", for a request.
fn body(fields: &[(String, Vec<u8>)], minor_version: u8) -> Result<Body, BTreeSet<u16>> {
    let lengths = values(fields, "content-length");
    let codings = list(fields, "transfer-encoding");
    let coded = !values(fields, "transfer-encoding").is_empty();
    let mut broken = BTreeSet::new();
    let mut body = Body::None;

    // RFC 9110 8.6: Content-Length = 1*DIGIT, and once.
    match lengths[..] {
        [] => {}
        [digits] => match std::str::from_utf8(digits) {
            Ok(text) if !text.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                match text.parse() {
                    Ok(length) => body = Body::Exactly(length),
                    Err(_) => drop(broken.insert(400)),
                }
            }
            _ => drop(broken.insert(400)),
        },
        _ => drop(broken.insert(400)),
    }
    if coded {
        // 6.1: not in HTTP/1.0, and not beside Content-Length.
        if minor_version == 0 || !lengths.is_empty() {
            broken.insert(400);
        }
        let chunked = |coding: &String| coding.eq_ignore_ascii_case("chunked");
        let times = codings.iter().filter(|coding| chunked(coding)).count();
        match (times, codings.last().is_some_and(chunked), codings.len()) {
            (1, true, 1) => body = Body::Chunked,
            // The end can be found, but what comes can't be read.
            (1, true, _) => drop(broken.insert(501)),
            _ => drop(broken.insert(400)),
        }
    }
    match broken.is_empty() {
        true => Ok(body),
        false => Err(broken),
    }
}
