//! Recordings of clients of every textbook server and way say the same as when they were made. `UPDATE=1` writes what
//! they say anew, to be looked at; `tests/lens/run --record` makes the recordings.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use barewire::lens::{Happened, Options, read};

use super::view::{Form, View};

const RECORDINGS: [&str; 7] = [
    "echo",
    "hub",
    "long_polling",
    "server_sent_events",
    "short_polling",
    "tcp",
    "websocket",
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lens/recordings")
}

/// What is written, for who asks afterwards.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn replay(name: &str, form: Form) -> String {
    let recording = fs::read(directory().join(name).with_extension("txt")).unwrap();
    let page = Page::default();
    let to = Box::new(page.clone());
    let mut view = View::new(form, false, None, true, Options::default(), to);
    for entry in read(&recording) {
        let entry = entry.unwrap();
        match &entry.happened {
            Happened::Opened(words) => view.opened(entry.at, entry.connection, words),
            Happened::Sent(from, bytes) => view.sent(entry.at, entry.connection, *from, bytes),
            Happened::Ended(from) => view.ended(entry.at, entry.connection, *from),
        }
    }
    view.finish();
    let text = page.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

fn replays_to_the_same(name: &str, form: Form, extension: &str) {
    let said = replay(name, form);
    let path = directory().join(name).with_extension(extension);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &said).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap();
    assert_eq!(said, before, "{name} is not {}", path.display());
}

#[test]
fn recordings_replay_to_the_same_lines() {
    for name in RECORDINGS {
        replays_to_the_same(name, Form::Line, "lines");
    }
}

#[test]
fn recordings_replay_to_the_same_json() {
    for name in RECORDINGS {
        replays_to_the_same(name, Form::Json, "json");
    }
}

#[test]
fn recordings_are_opened_to_the_same_bits() {
    replays_to_the_same("websocket", Form::Open, "open");
    replays_to_the_same("server_sent_events", Form::Open, "open");
}

#[test]
fn a_recording_replays_to_the_same_however_it_was_cut() {
    use barewire::lens::{Conversation, Side};
    // Behind the handshake the other side says nothing that matters, so that each byte may come alone.
    let recording = fs::read(directory().join("websocket.txt")).unwrap();
    let all: Vec<_> = read(&recording).map(Result::unwrap).collect();
    let say = |cut: bool| {
        let mut conversation = Conversation::new(Options::default());
        let mut seen = Vec::new();
        for entry in &all {
            if let Happened::Sent(from, bytes) = &entry.happened {
                let size = if cut { 1 } else { bytes.len() };
                for piece in bytes.chunks(size) {
                    conversation.feed(*from, piece, &mut |thing| seen.push(thing));
                }
            }
        }
        for side in [Side::Client, Side::Server] {
            conversation.end(side, true, &mut |thing| seen.push(thing));
        }
        seen
    };
    assert_eq!(say(false), say(true));
}
