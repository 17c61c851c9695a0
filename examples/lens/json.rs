//! A thing as a JSON object in one line.

use std::time::Duration;

use barewire::lens::{Answer, Kind, Side, Thing};
use encode::base64;
use serde_json::{Map, Value, json};

pub fn write(out: &mut Vec<u8>, at: Duration, connection: u64, kind: &str, thing: &Thing) {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    // To the microsecond, whatever a number of floating point would make of it.
    let at = format!("{}.{:06}", at.as_secs(), at.subsec_micros());
    put("at", serde_json::from_str(&at).unwrap_or_default());
    put("connection", connection.into());
    let from = match thing.from {
        Side::Client => "client",
        Side::Server => "server",
    };
    put("from", from.into());
    put("kind", kind.into());
    put("offset", thing.offset.into());
    put("length", thing.length.into());
    match &thing.kind {
        Kind::Request(head) | Kind::Response(head) => {
            let [first, second, third] = &head.start;
            match thing.from {
                Side::Client => {
                    put("method", json!(first));
                    put("target", json!(second));
                    put("version", json!(third));
                }
                Side::Server => {
                    put("version", json!(first));
                    put(
                        "status",
                        second
                            .parse()
                            .map_or(Value::Null, |status: u16| status.into()),
                    );
                    put("reason", json!(third));
                }
            }
            put("fields", json!(head.fields));
        }
        Kind::Chunk(chunk) => {
            put("size", chunk.size.into());
            text(&mut put, "data", "encoding", &thing.payload());
            if (thing.bytes.len() as u64) < thing.length {
                put("cut", true.into());
            }
        }
        Kind::Body => {
            text(&mut put, "data", "encoding", &thing.bytes);
            if (thing.bytes.len() as u64) < thing.length {
                put("cut", true.into());
            }
        }
        Kind::Frame(frame) => {
            let header = &frame.header;
            put("fin", header.fin.into());
            put("rsv", header.rsv.into());
            put("opcode", json!(frame.opcode()));
            put("masked", header.mask.is_some().into());
            let mask = header
                .mask
                .map(|key| format!("{:08x}", u32::from_be_bytes(key)));
            put("mask", json!(mask));
            put("payload_length", header.length.into());
            let payload = thing.payload();
            text(&mut put, "payload", "encoding", &payload);
            if !thing.is_cut && (payload.len() as u64) < header.length {
                put("cut", true.into());
            }
            if header.opcode == 8 {
                let (code, reason) = match &frame.close {
                    Some((code, reason)) => (Some(*code), &**reason),
                    None => (None, ""),
                };
                put("code", json!(code));
                put("reason", json!(reason));
            }
            if frame.compressed {
                match &frame.inflated {
                    Some(inflated) => {
                        text(&mut put, "inflated", "inflated_encoding", &inflated.bytes);
                        if inflated.bytes.len() < inflated.length {
                            put("inflated_cut", true.into());
                        }
                    }
                    None => put("inflated", Value::Null),
                }
            }
        }
        Kind::Message(message) => {
            put("payload_length", message.length.into());
            put("frames", message.frames.into());
        }
        Kind::Event(event) => {
            put("id", json!(event.id));
            put("event", json!(event.name));
            put("data", json!(event.data));
            put("retry", json!(event.retry));
            if event.data.len() < event.data_length {
                put("cut", true.into());
            }
        }
        Kind::Fields(event) => {
            put("id", json!(event.id));
            put("retry", json!(event.retry));
        }
        Kind::Comment => put("text", json!(thing.comment())),
        _ => text(&mut put, "data", "encoding", &thing.bytes),
    }
    if thing.is_cut {
        put("incomplete", true.into());
    }
    let problem = thing.problem.as_ref().map(|problem| {
        let (name, code) = match problem.answer {
            Answer::Status(status) => ("status", status),
            Answer::Close(code) => ("close", code),
        };
        json!({ "rule": problem.rule, "says": problem.says, name: code })
    });
    put("problem", json!(problem));
    if serde_json::to_writer(&mut *out, &object).is_ok() {
        out.push(b'\n');
    }
}

/// Text as it is, and anything else in base64.
fn text(put: &mut impl FnMut(&str, Value), name: &str, encoding: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => put(name, text.into()),
        Err(_) => {
            put(name, base64(bytes).into());
            put(encoding, "base64".into());
        }
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
