//! A JSON reader (RFC 8259) that takes what is valid and nothing else, to judge what barewire writes.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// The value of this text; panics if it is no JSON text.
    pub fn parse(json: &[u8]) -> Value {
        let text = std::str::from_utf8(json).expect("JSON is UTF-8");
        let mut reader = Reader { rest: text };
        let value = reader.value();
        assert_eq!(reader.rest, "", "JSON goes on behind its value: {text}");
        value
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The text of a member; panics if there is none.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            other => panic!("{name} is {other:?}"),
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn next(&mut self) -> char {
        let mut chars = self.rest.chars();
        let next = chars.next().expect("JSON ends early");
        self.rest = chars.as_str();
        next
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Value {
        match self.next() {
            '{' => self.object(),
            '[' => self.list(),
            '"' => Value::Text(self.text()),
            't' if self.take("rue") => Value::Bool(true),
            'f' if self.take("alse") => Value::Bool(false),
            'n' if self.take("ull") => Value::Null,
            digit @ ('-' | '0'..='9') => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit());
                let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                Value::Number(format!("{digit}{digits}"))
            }
            other => panic!("no JSON value begins with {other:?}"),
        }
    }

    fn object(&mut self) -> Value {
        let mut members = BTreeMap::new();
        if self.take("}") {
            return Value::Object(members);
        }
        loop {
            assert_eq!(self.next(), '"', "a member's name is a string");
            let name = self.text();
            assert_eq!(self.next(), ':');
            let value = self.value();
            assert!(members.insert(name, value).is_none(), "a name occurs twice");
            match self.next() {
                ',' => {}
                '}' => return Value::Object(members),
                other => panic!("{other:?} between members"),
            }
        }
    }

    fn list(&mut self) -> Value {
        let mut values = Vec::new();
        if self.take("]") {
            return Value::List(values);
        }
        loop {
            values.push(self.value());
            match self.next() {
                ',' => {}
                ']' => return Value::List(values),
                other => panic!("{other:?} between values"),
            }
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.next() {
                '"' => return text,
                '\\' => text.push(self.escape()),
                control @ '\0'..='\u{1f}' => panic!("{control:?} stands in a string"),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> char {
        match self.next() {
            same @ ('"' | '\\' | '/') => same,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: String = (0..4).map(|_| self.next()).collect();
                let code = u32::from_str_radix(&digits, 16).expect("four hexadecimal digits");
                char::from_u32(code).expect("barewire writes no surrogates")
            }
            other => panic!("\\{other} is no escape"),
        }
    }
}

/// What base64 (RFC 4648 4) stands for; `None` if it is not in its one form.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for (at, group) in text.chunks(4).enumerate() {
        let is_last = (at + 1) * 4 == text.len();
        let padding = match group {
            [_, _, b'=', b'='] if is_last => 2,
            [_, _, _, b'='] if is_last => 1,
            [_, _, _, _] => 0,
            _ => return None,
        };
        let mut bits = 0u32;
        for &character in &group[..4 - padding] {
            let value = ALPHABET.iter().position(|&known| known == character)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * padding;
        let group = bits.to_be_bytes();
        if group[4 - padding..].iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(&group[1..4 - padding]);
    }
    Some(bytes)
}
