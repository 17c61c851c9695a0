//! A thing as a JSON object in one line, written member by member: nothing is built for it first.

use std::io::Write;
use std::time::Duration;

use barewire::lens::{Answer, Kind, Side, Thing};
use encode::base64;

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        let _ = write!(self.out, "\"{name}\":");
    }

    /// A number, a truth, or null.
    fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        string(self.out, text);
    }

    /// Text as it is, and anything else in base64.
    fn bytes(&mut self, name: &str, encoding: &str, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(name, text),
            Err(_) => {
                self.text(name, &base64(bytes));
                self.text(encoding, "base64");
            }
        }
    }
}

/// With quotes, and what needs it escaped.
fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// `null`, or what is there.
fn or_null<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

pub fn write(out: &mut Vec<u8>, at: Duration, connection: u64, kind: &str, thing: &Thing) {
    out.push(b'{');
    let mut object = Object { out };
    // To the microsecond, whatever a number of floating point would make of it.
    let (seconds, micros) = (at.as_secs(), at.subsec_micros());
    object.plain("at", format_args!("{seconds}.{micros:06}"));
    object.plain("connection", connection);
    object.text(
        "from",
        match thing.from {
            Side::Client => "client",
            Side::Server => "server",
        },
    );
    object.text("kind", kind);
    object.plain("offset", thing.offset);
    object.plain("length", thing.length);
    content(&mut object, thing);
    if thing.is_cut {
        object.plain("incomplete", true);
    }
    match &thing.problem {
        None => object.plain("problem", "null"),
        Some(problem) => {
            object.name("problem");
            object.out.push(b'{');
            object.text("rule", problem.rule);
            object.text("says", &problem.says);
            match problem.answer {
                Answer::Status(status) => object.plain("status", status),
                Answer::Close(code) => object.plain("close", code),
            }
            object.out.push(b'}');
        }
    }
    object.out.extend_from_slice(b"}\n");
}

/// What a thing of its kind has besides.
fn content(object: &mut Object<'_>, thing: &Thing) {
    match &thing.kind {
        Kind::Request(head) | Kind::Response(head) => {
            let [first, second, third] = &head.start;
            match thing.from {
                Side::Client => {
                    object.text("method", first);
                    object.text("target", second);
                    object.text("version", third);
                }
                Side::Server => {
                    object.text("version", first);
                    object.plain("status", or_null(second.parse::<u16>().ok()));
                    object.text("reason", third);
                }
            }
            object.name("fields");
            object.out.push(b'[');
            for (number, (name, value)) in head.fields.iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                let _ = write!(object.out, "{comma}[");
                string(object.out, name);
                object.out.push(b',');
                string(object.out, value);
                object.out.push(b']');
            }
            object.out.push(b']');
        }
        Kind::Chunk(chunk) => {
            object.plain("size", chunk.size);
            object.bytes("data", "encoding", &thing.payload());
            cut(object, (thing.bytes.len() as u64) < thing.length);
        }
        Kind::Body => {
            object.bytes("data", "encoding", &thing.bytes);
            cut(object, (thing.bytes.len() as u64) < thing.length);
        }
        Kind::Frame(frame) => {
            let header = &frame.header;
            object.plain("fin", header.fin);
            object.plain("rsv", header.rsv);
            object.text("opcode", &frame.opcode());
            object.plain("masked", header.mask.is_some());
            match header.mask {
                Some(key) => {
                    object.plain("mask", format_args!("\"{:08x}\"", u32::from_be_bytes(key)));
                }
                None => object.plain("mask", "null"),
            }
            object.plain("payload_length", header.length);
            let payload = thing.payload();
            object.bytes("payload", "encoding", &payload);
            cut(
                object,
                !thing.is_cut && (payload.len() as u64) < header.length,
            );
            if header.opcode == 8 {
                let (code, reason) = match &frame.close {
                    Some((code, reason)) => (Some(*code), &**reason),
                    None => (None, ""),
                };
                object.plain("code", or_null(code));
                object.text("reason", reason);
            }
            match &frame.inflated {
                Some(inflated) => {
                    object.bytes("inflated", "inflated_encoding", &inflated.bytes);
                    if inflated.bytes.len() < inflated.length {
                        object.plain("inflated_cut", true);
                    }
                }
                None if frame.compressed => object.plain("inflated", "null"),
                None => {}
            }
        }
        Kind::Message(message) => {
            object.plain("payload_length", message.length);
            object.plain("frames", message.frames);
        }
        Kind::Event(event) => {
            object.text("id", &event.id);
            object.text("event", &event.name);
            object.text("data", &event.data);
            object.plain("retry", or_null(event.retry));
            cut(object, event.data.len() < event.data_length);
        }
        Kind::Fields(event) => {
            object.text("id", &event.id);
            object.plain("retry", or_null(event.retry));
        }
        Kind::Comment => object.text("text", &thing.comment()),
        _ => object.bytes("data", "encoding", &thing.bytes),
    }
}

/// Not all of it is shown.
fn cut(object: &mut Object<'_>, is_cut: bool) {
    if is_cut {
        object.plain("cut", true);
    }
}

/// RFC 4648 4, because examples have no crate for it.
mod encode {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub fn base64(bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let word = group
                .iter()
                .fold(0u32, |word, &byte| word << 8 | u32::from(byte));
            let word = word << (8 * (3 - group.len()));
            for digit in 0..4 {
                match digit <= group.len() {
                    true => text.push(char::from(
                        ALPHABET[(word >> (18 - 6 * digit) & 63) as usize],
                    )),
                    false => text.push('='),
                }
            }
        }
        text
    }
}
