//! Reading event streams (WHATWG HTML 9.2.6). Input: how to cut, the limit, a stream as it is sent.
//!
//! Laws:
//! - the same bytes give the same events, last event ID, reconnection time and error, however they are cut;
//! - without a limit the events are those of a second reader, which follows the text of the standard line by line.

use barewire::sse::{Decoder, Error, MAX_EVENT};

use super::choice::{Choices, cuts, uncut};

/// An event that owns its text: name, data, last event ID.
pub type Seen = (String, String, String);

/// What came of a stream.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub events: Vec<Seen>,
    pub last_event_id: String,
    pub retry: Option<u64>,
    pub error: Option<Error>,
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let cut = choices.byte();
    let limit = match choices.byte() {
        0 => MAX_EVENT,
        small => usize::from(small) * 2,
    };
    let bytes = choices.rest();

    let mut whole = decode(limit, bytes, &uncut(bytes.len()));
    let mut pieces = decode(limit, bytes, &cuts(bytes.len(), cut));
    if whole.error.is_some() {
        // What stands between the last event and the error was not interpreted for anybody to see.
        (whole.retry, pieces.retry) = (None, None);
    }
    assert_eq!(pieces, whole);
    for (name, data, id) in &whole.events {
        assert!(!name.is_empty() && !name.contains(['\r', '\n']));
        assert!(!data.contains('\r') && !id.contains(['\r', '\n', '\0']));
        assert!(data.len() <= limit);
    }
    if limit == MAX_EVENT {
        assert_eq!(whole, plainly(bytes));
    }
}

pub fn decode(limit: usize, bytes: &[u8], pieces: &[std::ops::Range<usize>]) -> Outcome {
    let mut decoder = Decoder::new(limit);
    let (mut events, mut error) = (Vec::new(), None);
    'pieces: for piece in pieces {
        let mut at = piece.start;
        while at < piece.end {
            match decoder.decode(&bytes[at..piece.end]) {
                Ok((used, event)) => {
                    assert!(used > 0);
                    at += used;
                    events.extend(event.map(|event| {
                        (
                            event.name.into(),
                            event.data.into(),
                            event.last_event_id.into(),
                        )
                    }));
                }
                Err(why) => {
                    assert_eq!(
                        decoder.decode(b"data: x\n\n"),
                        Err(why),
                        "an error is final"
                    );
                    error = Some(why);
                    break 'pieces;
                }
            }
        }
    }
    Outcome {
        events,
        last_event_id: decoder.last_event_id().into(),
        retry: decoder.retry(),
        error,
    }
}

/// 9.2.6, "Interpreting an event stream", on the whole text.
fn plainly(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
    let (mut events, mut last_event_id, mut retry) = (Vec::new(), String::new(), None);
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What follows the last line end is no line yet.
    lines.pop();
    for line in lines {
        if line.is_empty() {
            last_event_id.clone_from(&id);
            if let Some(data) = data.strip_suffix('\n') {
                let name = if name.is_empty() { "message" } else { &name };
                events.push((name.to_owned(), data.to_owned(), last_event_id.clone()));
            }
            name.clear();
            data.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // What 64 bits can't hold is the longest time.
                retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    Outcome {
        events,
        last_event_id,
        retry,
        error: None,
    }
}
