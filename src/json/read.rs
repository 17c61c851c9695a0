//! Reading JSON: what a client needs to take an envelope apart.
//!
//! An envelope is an object of strings, and a batch an object with a list of envelopes. [`Value::parse`] reads any
//! JSON text strictly, in one pass over the bytes and with a bound on its depth; what lies deeper than an envelope
//! can is nobody's.

use std::borrow::Cow;

use super::write::needs_escape;

/// How deep a value may be nested: a batch is three deep, and a stack is finite.
const MAX_DEPTH: usize = 16;

/// A JSON value. Numbers are kept as they were written, since nobody here counts with them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'j> {
    Null,
    Bool(bool),
    Number(&'j str),
    String(Cow<'j, str>),
    Array(Vec<Value<'j>>),
    Object(Vec<(Cow<'j, str>, Value<'j>)>),
}

impl<'j> Value<'j> {
    /// Reads a JSON text. `None` if it is none, or nested too deep.
    pub(crate) fn parse(text: &'j str) -> Option<Value<'j>> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(value)
    }

    /// The last member called `name`, as most readers of JSON take it.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'j>> {
        match self {
            Value::Object(members) => members
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Value<'j>]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Value::Bool(true)
    }
}

struct Reader<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Reader<'j> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `word` if it comes next.
    fn take(&mut self, word: &str) -> Option<()> {
        self.text
            .get(self.at..)?
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Value<'j>> {
        self.skip_space();
        match self.peek()? {
            b'n' => self.take("null").map(|()| Value::Null),
            b't' => self.take("true").map(|()| Value::Bool(true)),
            b'f' => self.take("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' if depth < MAX_DEPTH => self.array(depth + 1),
            b'{' if depth < MAX_DEPTH => self.object(depth + 1),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'j>> {
        let mut values = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take("]").is_some() {
            return Some(Value::Array(values));
        }
        loop {
            values.push(self.value(depth)?);
            self.skip_space();
            if self.take("]").is_some() {
                return Some(Value::Array(values));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'j>> {
        let mut members = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take("}").is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(":")?;
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.take("}").is_some() {
                return Some(Value::Object(members));
            }
            self.take(",")?;
        }
    }

    fn number(&mut self) -> Option<Value<'j>> {
        let start = self.at;
        let _ = self.take("-");
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.take(".").is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at).map(Value::Number)
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// A string; borrowed if nothing in it is escaped.
    fn string(&mut self) -> Option<Cow<'j, str>> {
        self.take("\"")?;
        let mut owned = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = rest.bytes().position(needs_escape)?;
            let piece = rest.get(..plain)?;
            self.at += plain + 1;
            match rest.as_bytes().get(plain)? {
                b'"' if owned.is_empty() => return Some(Cow::Borrowed(piece)),
                b'"' => return Some(Cow::Owned(owned + piece)),
                b'\\' => {
                    owned.push_str(piece);
                    owned.push(self.escaped()?);
                }
                _ => return None,
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    /// A code unit, or two that are a surrogate pair. One alone stands for nothing: U+FFFD.
    fn unicode(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        let before = self.at;
        if (0xd800..0xdc00).contains(&first) && self.take("\\u").is_some() {
            let second = self.code_unit()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = before;
        }
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn code_unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Value};
    use crate::json::write_string;
    use proptest::prelude::*;

    #[test]
    fn an_envelope_is_read() {
        let value = Value::parse(
            r#" {"id":"1-0", "data":"a\nb\ud83c\udf31\ud800x", "n":[-1.5e+3, true, null]} "#,
        )
        .unwrap();
        assert_eq!(value.get("id").and_then(Value::as_str), Some("1-0"));
        assert_eq!(
            value.get("data").and_then(Value::as_str),
            Some("a\nb🌱\u{fffd}x")
        );
        let list = value.get("n").and_then(Value::as_array).unwrap();
        assert_eq!(
            list,
            [Value::Number("-1.5e+3"), Value::Bool(true), Value::Null]
        );
        assert!(list[1].is_true() && value.get("other").is_none());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            ".5",
            "tru",
            "nullx",
            "1 2",
            "[1 2]",
            "{\"a\" 1}",
            "NaN",
        ] {
            assert_eq!(Value::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Value::parse(&nested(MAX_DEPTH)).is_some());
        assert!(Value::parse(&nested(MAX_DEPTH + 1)).is_none());
        assert!(Value::parse(&"[".repeat(1_000_000)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            let written = String::from_utf8(out).unwrap();
            prop_assert_eq!(Value::parse(&written), Some(Value::String(text.into())));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), json in r#"[\[\]{}",:\\u0-9a-f. truefalsn-]{0,40}"#) {
            let _ = (Value::parse(&text), Value::parse(&json));
        }
    }
}
