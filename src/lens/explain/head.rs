//! A head: its first line in words, its fields in name and value (RFC 9112 3 to 5).

use super::Parts;
use super::field::meaning;
use crate::lens::span::Span;
use crate::lens::thing::Thing;

pub(super) fn request(thing: &Thing) -> Span {
    let means = "What the client asks for, and what it has to say besides";
    let words = [
        ("method", "What to do", "RFC 9110 9.1"),
        ("target", "With what", "RFC 9112 3.2"),
        ("version", "How the message is written", "RFC 9112 2.3"),
    ];
    lines(
        Parts::of("request", thing, means, "RFC 9112 2.1"),
        &words,
        "request line",
        "RFC 9112 3",
    )
}

pub(super) fn response(thing: &Thing) -> Span {
    let means = "How the server answers, and what it has to say besides";
    let words = [
        ("version", "How the message is written", "RFC 9112 2.3"),
        ("status", "What came of the request", "RFC 9110 15"),
        ("reason", "The same, for people", "RFC 9112 4"),
    ];
    lines(
        Parts::of("response", thing, means, "RFC 9112 2.1"),
        &words,
        "status line",
        "RFC 9112 4",
    )
}

type Word = (&'static str, &'static str, &'static str);

fn lines(mut head: Parts<'_>, words: &[Word; 3], start: &'static str, rule: &'static str) -> Span {
    let mut is_first = true;
    while !head.rest.is_empty() {
        let line = line(head.rest);
        let length = line.len() as u64;
        let content = &line[..line.len() - end(line)];
        if content.is_empty() {
            let (name, means) = match is_first {
                true => ("empty line", "Nothing: a server passes over it"),
                false => ("empty line", "The head ends here"),
            };
            head.part(name, length, means, "RFC 9112 2.2");
            continue;
        }
        let part = match is_first {
            true => start_line(head.inner(start, length, "The first line", rule), words),
            false => field(head.inner("field", length, "", "RFC 9112 5")),
        };
        head.push(part);
        is_first = false;
    }
    head.done("rest", "Not kept here", "RFC 9112 2.1")
}

/// The next line, its end included.
pub(super) fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    &bytes[..end.map_or(bytes.len(), |end| end + 1)]
}

/// How many bytes end it.
pub(super) fn end(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

fn start_line(mut line: Parts<'_>, words: &[Word; 3]) -> Span {
    let mut content = &line.rest[..line.rest.len() - end(line.rest)];
    for (number, (name, means, rule)) in words.iter().enumerate() {
        let space = content.iter().position(|&byte| byte == b' ');
        // The last word may hold spaces.
        let length = space.filter(|_| number < 2).unwrap_or(content.len());
        line.part(name, length as u64, *means, rule);
        content = &content[length..];
        if content.first() == Some(&b' ') {
            line.part("space", 1, "What stands between two words", "RFC 9112 3");
            content = &content[1..];
        }
    }
    crlf(line)
}

/// A field line, a trailer too.
pub(super) fn field(mut line: Parts<'_>) -> Span {
    let content = &line.rest[..line.rest.len() - end(line.rest)];
    let Some(colon) = content.iter().position(|&byte| byte == b':') else {
        line.whole.meaning = "What is no field".to_owned();
        line.part(
            "text",
            content.len() as u64,
            "There is no colon in it",
            "RFC 9112 5",
        );
        return crlf(line);
    };
    let (name, value) = (&content[..colon], &content[colon + 1..]);
    let (means, rule) = meaning(&String::from_utf8_lossy(name));
    line.whole.meaning = means.to_owned();
    line.whole.rule = rule;
    line.part(
        "name",
        colon as u64,
        "Which field; in any case",
        "RFC 9110 5.1",
    );
    line.part("colon", 1, "The name ends here", "RFC 9112 5");
    let before = value.len() - value.trim_ascii_start().len();
    let after = value.trim_ascii_start().len() - value.trim_ascii().len();
    let inner = value.trim_ascii().len() as u64;
    line.part(
        "space",
        before as u64,
        "Not part of the value",
        "RFC 9112 5.1",
    );
    line.part("value", inner, means, rule);
    line.part(
        "space",
        after as u64,
        "Not part of the value",
        "RFC 9112 5.1",
    );
    crlf(line)
}

/// What is left of a line: its end.
fn crlf(line: Parts<'_>) -> Span {
    let means = match line.rest {
        b"\r\n" => "The line ends here",
        _ => "The line ends here; CRLF would be right",
    };
    line.done("line end", means, "RFC 9112 2.2")
}
