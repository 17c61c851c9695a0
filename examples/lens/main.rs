//! The lens: every byte between a client and a server, and what it means.
//!
//!     cargo run --release --example websocket -- --listen 127.0.0.1:9001
//!     cargo run --release --features lens --example lens -- --listen 127.0.0.1:8080 --to 127.0.0.1:9001 --open
//!     websocat ws://127.0.0.1:8080/
//!
//! It is a proxy that changes nothing, or a reader of what such a proxy has recorded (`--record FILE`, then `lens FILE`).

#[path = "../common/mod.rs"]
mod common;
mod json;
mod line;
mod open;
mod proxy;
mod view;

use std::fs::File;
use std::io::{IsTerminal, Read};

use barewire::lens::{Happened, Options, read};
use common::{print, say};
use view::{Form, View};

const HELP: &str = "\
Shows every byte between a client and a server, and what it means.

Usage: lens --listen ADDR --to HOST:PORT [OPTIONS]
       lens [OPTIONS] [FILE]           a recording, or standard input

  --listen ADDR   the address to listen on; port 0 lets the system choose
  --to HOST:PORT  where to connect for each client
  --open          each thing down to its bits, instead of one line
  --json          a JSON object per line, instead
  --only KINDS    only these, separated by commas: request, response, body, chunk, frame, message, event, fields, comment,
                  unknown; or heads, frames, events
  --no-pings      pings and pongs are counted and not shown
  --secrets       credentials, cookies and tokens in targets are shown
  --record FILE   records what passes, secrets too: lens FILE reads it
  --pcap FILE     writes a capture that Wireshark opens, secrets too
  --blind         passes on and looks at nothing, to measure what looking costs";

fn main() {
    if let Err(why) = run() {
        say(format_args!("lens: {why}"));
        std::process::exit(1);
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn run() -> Outcome {
    use lexopt::prelude::*;
    let (mut listen, mut to, mut file) = (None, None, None);
    let (mut record, mut pcap) = (None, None);
    let is_terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (mut json, mut open, mut only, mut pings, mut secrets) = (false, false, None, true, false);
    let mut blind = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => {
                print(HELP);
                return Ok(());
            }
            Long("listen") => listen = Some(arguments.value()?.string()?),
            Long("to") => to = Some(arguments.value()?.string()?),
            Long("record") => record = Some(arguments.value()?),
            Long("pcap") => pcap = Some(arguments.value()?),
            Long("only") => only = Some(view::kinds(&arguments.value()?.string()?)?),
            Long("json") => json = true,
            Long("open") => open = true,
            Long("no-pings") => pings = false,
            Long("secrets") => secrets = true,
            Long("blind") => blind = true,
            Value(name) if file.is_none() => file = Some(name),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let form = match (json, open) {
        (true, _) => Form::Json,
        (false, true) => Form::Open,
        (false, false) => Form::Line,
    };
    let options = Options {
        secrets,
        ..Options::default()
    };
    let view = View::new(
        form,
        is_terminal,
        only,
        pings,
        options,
        Box::new(std::io::stdout()),
    );
    match (listen, to) {
        (Some(listen), Some(to)) if file.is_none() => {
            let view = Some(view).filter(|_| !blind);
            proxy::run(&listen, &to, view, record.as_deref(), pcap.as_deref())
        }
        (None, None) if record.is_none() && pcap.is_none() => replay(file.as_deref(), view),
        (None, None) => Err("--record and --pcap are for a proxy: give --listen and --to".into()),
        _ => Err("give both --listen and --to for a proxy, or a FILE to read".into()),
    }
}

/// Shows a recording. What is wrong with a line of it is said, and the rest is shown.
fn replay(file: Option<&std::ffi::OsStr>, mut view: View) -> Outcome {
    let mut recording = Vec::new();
    let name = match file.filter(|name| *name != "-") {
        Some(name) => {
            let shown = name.to_string_lossy().into_owned();
            let opened = File::open(name).and_then(|mut file| file.read_to_end(&mut recording));
            opened.map_err(|why| format!("{shown}: {why}"))?;
            shown
        }
        None => {
            std::io::stdin().read_to_end(&mut recording)?;
            "standard input".to_owned()
        }
    };
    if recording.is_empty() {
        return Err(format!("{name}: there is nothing in it").into());
    }
    let mut problems = 0;
    for entry in read(&recording) {
        match entry {
            Ok(entry) => match &entry.happened {
                Happened::Opened(words) => view.opened(entry.at, entry.connection, words),
                Happened::Sent(from, bytes) => view.sent(entry.at, entry.connection, *from, bytes),
                Happened::Ended(from) => view.ended(entry.at, entry.connection, *from),
            },
            Err(why) => {
                view.flush();
                say(format_args!("lens: {name}: {why}"));
                problems += 1;
            }
        }
    }
    view.finish();
    match problems {
        0 => Ok(()),
        _ => std::process::exit(1),
    }
}
