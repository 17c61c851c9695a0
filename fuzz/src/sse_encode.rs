//! Writing event streams (WHATWG HTML 9.2.5). Input: for each block a choice and the texts of its fields.
//!
//! Law: whatever the encoder accepts is read as it was meant, and nothing besides it. No text of a user adds a line,
//! an event or a field; what could is refused, and nothing else is.

use barewire::sse::{
    Comment, Event, EventId, EventName, HEARTBEAT, MAX_EVENT, write_comment, write_event,
    write_retry,
};

use super::choice::Choices;
use super::sse_decoder::{Outcome, decode};

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let mut wire = Vec::new();
    let mut expected = Outcome {
        events: Vec::new(),
        last_event_id: String::new(),
        retry: None,
        error: None,
    };
    while !choices.is_empty() {
        let choice = choices.byte();
        match choice % 8 {
            0 => wire.extend_from_slice(HEARTBEAT),
            1 => {
                let text = choices.text();
                match Comment::new(text) {
                    Ok(comment) => write_comment(&mut wire, &comment),
                    Err(_) => assert!(text.contains(['\r', '\n'])),
                }
            }
            2 => {
                let retry = choices.number().into();
                write_retry(&mut wire, retry);
                expected.retry = Some(retry);
            }
            _ => write_block(&mut wire, &mut choices, choice, &mut expected),
        }
    }
    assert_eq!(decode(MAX_EVENT, &wire, &[0..wire.len()]), expected);
}

fn write_block(out: &mut Vec<u8>, choices: &mut Choices<'_>, choice: u8, expected: &mut Outcome) {
    let unsafe_text = |text: &str| text.contains(['\r', '\n', '\0']);
    let (mut name, mut id) = (None, None);
    if choice & 8 != 0 {
        let text = choices.text();
        name = EventName::new(text).ok();
        assert_eq!(name.is_none(), unsafe_text(text));
    }
    if choice & 16 != 0 {
        let text = choices.text();
        id = EventId::new(text).ok();
        assert_eq!(id.is_none(), unsafe_text(text));
    }
    let data = (choice & 32 != 0).then(|| choices.text());
    let retry = (choice & 64 != 0).then(|| choices.number().into());
    write_event(
        out,
        &Event {
            name,
            id,
            data,
            retry,
        },
    );

    expected.retry = retry.or(expected.retry);
    if let Some(id) = id {
        expected.last_event_id = id.as_str().into();
    }
    if let Some(data) = data {
        let name = name.map(EventName::as_str).filter(|name| !name.is_empty());
        expected.events.push((
            name.unwrap_or("message").into(),
            data.replace("\r\n", "\n").replace('\r', "\n"),
            expected.last_event_id.clone(),
        ));
    }
}
