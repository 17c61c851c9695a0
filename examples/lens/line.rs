//! A thing in one line: `+0.0123  C>S  frame  text fin  len 5 (+6)  "Hello"`.

use std::io::Write;
use std::time::Duration;

use barewire::lens::{Answer, Frame, Kind, Place, Problem, Side, Thing};

/// How much of a text a line shows, in characters.
const SHOWN: usize = 60;

pub fn write(
    out: &mut Vec<u8>,
    colours: bool,
    at: Duration,
    connection: u64,
    kind: &str,
    thing: &Thing,
) {
    let (at, number, way) = (at.as_secs_f64(), number(connection), way(thing.from));
    let (dim, bright, plain) = match (colours, thing.from) {
        (false, _) => ("", "", ""),
        (true, Side::Client) => ("\x1b[2m", "\x1b[36m", "\x1b[0m"),
        (true, Side::Server) => ("\x1b[2m", "\x1b[33m", "\x1b[0m"),
    };
    let what = what(thing);
    let _ = write!(
        out,
        "{dim}+{at:.4}{plain}  {number}{bright}{way}{plain}  {kind:<8}  {what}"
    );
    if thing.is_cut {
        let _ = write!(out, "  (incomplete)");
    }
    let _ = writeln!(out);
    if let Some(problem) = &thing.problem {
        let (red, plain) = if colours {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        let _ = writeln!(out, "         {red}! {}{plain}", explain(problem));
    }
}

/// The rule that was broken, and what has to be done about it.
pub fn explain(problem: &Problem) -> String {
    let code = match problem.answer {
        Answer::Status(status) => format!("status {status}"),
        Answer::Close(code) => format!("close code {code}"),
    };
    format!(
        "{}: {}. The receiver MUST {}: {code}",
        problem.rule, problem.says, problem.must
    )
}

/// The connection's number, unless it is the first.
pub fn number(connection: u64) -> String {
    match connection {
        1 => String::new(),
        number => format!("#{number} "),
    }
}

pub fn way(from: Side) -> &'static str {
    match from {
        Side::Client => "C>S",
        Side::Server => "S>C",
    }
}

fn what(thing: &Thing) -> String {
    match &thing.kind {
        Kind::Request(head) | Kind::Response(head) => {
            let [first, second, third] = &head.start;
            let line = format!("{first} {second} {third}");
            format!(
                "{}  {} fields  len {}",
                text(&line),
                head.fields.len(),
                thing.length
            )
        }
        Kind::Body => format!("len {}  {}", thing.length, shown(&thing.bytes)),
        Kind::Chunk(chunk) if chunk.size == 0 => format!("last  (+{})", thing.length),
        Kind::Chunk(chunk) => {
            let framing = thing.length.saturating_sub(chunk.size);
            format!(
                "len {} (+{framing})  {}",
                chunk.size,
                shown(&thing.payload())
            )
        }
        Kind::Frame(frame) => frame_line(thing, frame),
        Kind::Message(message) => {
            format!(
                "{:?} in {} frames  len {}",
                message.kind, message.frames, message.length
            )
        }
        Kind::Event(event) => {
            let id = if event.id.is_empty() {
                String::new()
            } else {
                format!("  id {:?}", event.id)
            };
            let retry = event
                .retry
                .map_or(String::new(), |retry| format!("  retry {retry}"));
            format!(
                "{}{id}{retry}  len {}  {}",
                event.name,
                event.data_length,
                text_in_quotes(&event.data)
            )
        }
        Kind::Fields(event) => {
            let retry = event
                .retry
                .map_or(String::new(), |retry| format!("  retry {retry}"));
            format!("id {:?}{retry}", event.id)
        }
        Kind::Comment => text_in_quotes(&thing.comment()),
        _ => format!("len {}  {}", thing.length, shown(&thing.bytes)),
    }
}

fn frame_line(thing: &Thing, frame: &Frame) -> String {
    let header = &frame.header;
    let mut line = frame.opcode().into_owned();
    if header.fin {
        line.push_str(" fin");
    }
    if frame.compressed && header.rsv == 4 {
        line.push_str(" compressed");
    } else if header.rsv != 0 {
        line.push_str(&format!(" rsv {:03b}", header.rsv));
    }
    if frame.place == Place::Ignored {
        line.push_str(" ignored");
    }
    line.push_str(&format!("  len {} (+{})", header.length, frame.header_len));
    if let Some((code, reason)) = &frame.close {
        line.push_str(&format!("  {code} {}", text_in_quotes(reason)));
    } else if let Some(inflated) = &frame.inflated {
        line.push_str(&format!(
            "  inflates to {}  {}",
            inflated.length,
            shown(&inflated.bytes)
        ));
    } else {
        line.push_str(&format!("  {}", shown(&thing.payload())));
    }
    line
}

/// Bytes as text, if they are text, or in hexadecimal; in part, with a count.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text_in_quotes(text),
        Err(_) => {
            let most = SHOWN / 3;
            let hex: Vec<String> = bytes
                .iter()
                .take(most)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let rest = bytes.len().saturating_sub(most);
            let more = if rest > 0 {
                format!(" … {rest} more bytes")
            } else {
                String::new()
            };
            format!("{}{more}", hex.join(" "))
        }
    }
}

/// A text in quotes, with what would disturb a terminal escaped; in part, with a count.
pub fn text_in_quotes(whole: &str) -> String {
    let shown = text(whole);
    let more = whole.chars().count().saturating_sub(SHOWN);
    match more {
        0 => format!("\"{shown}\""),
        more => format!("\"{shown}\" … {more} more"),
    }
}

fn text(whole: &str) -> String {
    let mut shown = String::with_capacity(SHOWN + 8);
    for character in whole.chars().take(SHOWN) {
        match character {
            '"' | '\'' | ' '..='[' | ']'..='~' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}
