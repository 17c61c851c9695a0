//! A thing down to its bits: the RFC's drawing filled in, the bytes with each part in its colour, masked and unmasked ones
//! under each other, and what each means.

use std::io::Write;
use std::time::Duration;

use barewire::lens::{Frame, Kind, Span, Thing};

use crate::line;

/// How much of a part is shown in hexadecimal, in bytes.
const SHOWN: usize = 64;
/// Bytes in a line of hexadecimal.
const COLUMNS: usize = 16;

pub fn write(
    out: &mut Vec<u8>,
    colours: bool,
    at: Duration,
    connection: u64,
    kind: &str,
    thing: &Thing,
) {
    line::write(out, colours, at, connection, kind, thing);
    let span = thing.explain();
    if let Kind::Frame(frame) = &thing.kind {
        drawing(out, frame);
    }
    let mut colour = 0;
    for part in &span.parts {
        tree(out, colours, thing, part, 1, &mut colour);
    }
    if span.parts.is_empty() {
        tree(out, colours, thing, &span, 1, &mut colour);
    }
    let _ = writeln!(out);
}

/// RFC 6455 5.2, with the bits that came.
fn drawing(out: &mut Vec<u8>, frame: &Frame) {
    let header = &frame.header;
    let bits = |value: u64, width: u32| -> String {
        let bit = |at: u32| {
            if value >> (width - 1 - at) & 1 == 1 {
                "1"
            } else {
                "0"
            }
        };
        (0..width).map(bit).collect::<Vec<_>>().join(" ")
    };
    let _ = writeln!(
        out,
        "      0                   1                   2                   3"
    );
    let _ = writeln!(
        out,
        "      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1"
    );
    let _ = writeln!(
        out,
        "     +-+-+-+-+-------+-+-------------+-------------------------------+"
    );
    let mask = header.mask.is_some();
    let extended = match header.short {
        126 => bits(header.length, 16),
        127 => bits(header.length >> 48, 16),
        _ => String::new(),
    };
    let rsv = |bit: u8| header.rsv >> bit & 1;
    let _ = writeln!(
        out,
        "     |{}|{}|{}|{}|{}|{}|{}|{extended:<31}|",
        u8::from(header.fin),
        rsv(2),
        rsv(1),
        rsv(0),
        bits(header.opcode.into(), 4),
        u8::from(mask),
        bits(header.short.into(), 7),
    );
    let _ = writeln!(
        out,
        "     |F|R|R|R| opcode|M| Payload len |    Extended payload length    |"
    );
    let _ = writeln!(
        out,
        "     |I|S|S|S|  (4)  |A|     (7)     |           (16/64)             |"
    );
    let _ = writeln!(
        out,
        "     |N|V|V|V|       |S|             |                               |"
    );
    let _ = writeln!(
        out,
        "     | |1|2|3|       |K|             |                               |"
    );
    let _ = writeln!(
        out,
        "     +-+-+-+-+-------+-+-------------+-------------------------------+"
    );
}

fn tree(
    out: &mut Vec<u8>,
    colours: bool,
    thing: &Thing,
    span: &Span,
    depth: usize,
    colour: &mut usize,
) {
    let indent = "    ".repeat(depth);
    let (begin, end) = match (colours, span.parts.is_empty()) {
        (true, true) => {
            *colour += 1;
            (COLOURS[*colour % COLOURS.len()], "\x1b[0m")
        }
        _ => ("", ""),
    };
    let (name, offset, length, rule) = (span.name, span.offset, span.length, span.rule);
    let bytes_word = if length == 1 { "byte" } else { "bytes" };
    let meaning = &*span.meaning;
    let _ = writeln!(
        out,
        "{indent}{begin}{name}{end}  at {offset}, {length} {bytes_word}: {meaning} ({rule})"
    );
    for bits in &span.bits {
        let (name, width, value) = (bits.name, usize::from(bits.width), bits.value);
        let _ = writeln!(out, "{indent}  {value:0width$b}  {name}: {}", bits.meaning);
    }
    if !span.parts.is_empty() {
        for part in &span.parts {
            tree(out, colours, thing, part, depth + 1, colour);
        }
        return;
    }
    let Some(bytes) = bytes(thing, span) else {
        return;
    };
    let key = match &thing.kind {
        Kind::Frame(frame) if matches!(span.name, "payload" | "code" | "reason") => {
            frame.header.mask
        }
        _ => None,
    };
    let Some(key) = key else {
        return hex(out, &indent, begin, end, "", bytes);
    };
    // Masked and unmasked bytes under each other.
    let start = match &thing.kind {
        Kind::Frame(frame) => (span.offset - thing.offset) as usize - frame.header_len,
        _ => 0,
    };
    let unmasked: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ key[(start + at) % 4])
        .collect();
    let shown = bytes.len().min(SHOWN);
    for at in (0..shown).step_by(COLUMNS) {
        let end_of_row = (at + COLUMNS).min(shown);
        hex(
            out,
            &indent,
            begin,
            end,
            "masked    ",
            &bytes[at..end_of_row],
        );
        hex(
            out,
            &indent,
            begin,
            end,
            "unmasked  ",
            &unmasked[at..end_of_row],
        );
    }
    rest(out, &indent, bytes.len() - shown);
}

const COLOURS: [&str; 6] = [
    "\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m",
];

/// The bytes of a part, as far as they are kept. Those of an event lie where its chunks lie, and are in its lines.
fn bytes<'t>(thing: &'t Thing, span: &Span) -> Option<&'t [u8]> {
    if matches!(
        thing.kind,
        Kind::Event(_) | Kind::Fields(_) | Kind::Message(_)
    ) {
        return None;
    }
    let start = usize::try_from(span.offset - thing.offset).ok()?;
    let end = start.saturating_add(usize::try_from(span.length).ok()?);
    let bytes = thing.bytes.get(start..end.min(thing.bytes.len()))?;
    (!bytes.is_empty()).then_some(bytes)
}

fn hex(out: &mut Vec<u8>, indent: &str, begin: &str, end: &str, label: &str, bytes: &[u8]) {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    for row in shown.chunks(COLUMNS) {
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = row
            .iter()
            .map(|&byte| {
                if matches!(byte, b' '..=b'~') {
                    char::from(byte)
                } else {
                    '.'
                }
            })
            .collect();
        let hex = hex.join(" ");
        let row = format!("{indent}  {label}{begin}{hex:<47}{end}  {text}");
        let _ = writeln!(out, "{}", row.trim_end());
    }
    rest(out, indent, bytes.len() - shown.len());
}

fn rest(out: &mut Vec<u8>, indent: &str, count: usize) {
    if count > 0 {
        let _ = writeln!(out, "{indent}  … {count} more bytes");
    }
}
