//! Follows a channel, or any event stream, and prints its events.
//!
//!     cargo run --release --example hub
//!     cargo run --release --example tail -- http://127.0.0.1:9000/channels/demo       # in another terminal

mod common;

use std::io::{self, ErrorKind, Write};

use barewire::{Subscribe, Transport, Update};
use common::{say, tls::Trust};

const HELP: &str = "\
Follows a channel and prints its events; on stderr, how it is connected.

Usage: tail URL [--transport auto|websocket|sse|long-poll|short-poll] [--last-event-id ID | --from-now]
            [--count N] [--json] [--ca FILE]

  --transport WAY      how to read [default: auto]; with sse, URL may be any server's event stream
  --last-event-id ID   begin behind this event; without it, with the oldest that is retained
  --from-now           begin with what is published from now on
  --count N            end after so many events
  --json               print a line {\"id\",\"event\",\"data\"} per event
  --ca FILE            trust only who has a certificate from one of these authorities (PEM); takes --features tls";

fn main() -> common::Outcome {
    let arguments = Arguments::parse()?;
    let mut subscription = arguments.subscribe.open()?;
    let mut left = arguments.count;
    while left != Some(0) {
        match subscription.next_update() {
            Some(Update::Event(event)) => {
                let line = if arguments.json {
                    json(&event)
                } else {
                    event.data().into_owned()
                };
                match write_line(&line) {
                    // As in `tail URL | head -n 1`: there is nobody left to read for.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                    written => written?,
                }
                left = left.map(|left: u64| left - 1);
            }
            Some(Update::Connected(transport)) => say(format_args!("connected: {transport}")),
            Some(Update::Lost {
                error: why,
                retry_in: wait,
            }) => {
                let wait = wait.as_secs_f64();
                say(format_args!("lost: {why}; again in {wait:.1} s"));
            }
            Some(Update::FellBack {
                transport: from,
                error: why,
            }) => {
                say(format_args!("{from} does not work here: {why}"));
            }
            Some(Update::Ended(Some(why))) => return Err(why.to_string().into()),
            Some(Update::Ended(None)) | None => break,
            Some(_) => {}
        }
    }
    Ok(())
}

/// Writes an event where the next program gets it at once.
fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn json(event: &barewire::client::Event) -> String {
    let mut line =
        serde_json::json!({ "id": event.id(), "event": event.name(), "data": event.data() });
    if event.is_binary() {
        use base64::Engine as _;
        line["data"] = base64::engine::general_purpose::STANDARD
            .encode(event.bytes())
            .into();
        line["encoding"] = "base64".into();
    }
    line.to_string()
}

struct Arguments {
    subscribe: Subscribe,
    count: Option<u64>,
    json: bool,
}

impl Arguments {
    fn parse() -> Result<Arguments, Box<dyn std::error::Error>> {
        use lexopt::prelude::*;
        let (mut url, mut transport, mut after, mut from_now) = (None, None, None, false);
        let (mut count, mut json, mut ca) = (None, false, None);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("transport") => transport = way(&arguments.value()?.string()?)?,
                Long("last-event-id") => after = Some(arguments.value()?.string()?),
                Long("from-now") => from_now = true,
                Long("count") => count = Some(arguments.value()?.parse()?),
                Long("json") => json = true,
                Long("ca") => ca = Some(arguments.value()?.string()?),
                Long("help") | Short('h') => {
                    common::print(HELP);
                    std::process::exit(0);
                }
                Value(value) if url.is_none() => url = Some(value.string()?),
                _ => return Err(argument.unexpected().into()),
            }
        }
        let mut subscribe = Subscribe::to(&url.ok_or("which URL? See --help")?);
        subscribe = subscribe.trusting(ca.as_deref())?;
        if let Some(transport) = transport {
            subscribe = subscribe.transport(transport);
        }
        if let Some(after) = after {
            subscribe = subscribe.after(&after);
        }
        if from_now {
            subscribe = subscribe.from_now();
        }
        Ok(Arguments {
            subscribe,
            count,
            json,
        })
    }
}

fn way(name: &str) -> Result<Option<Transport>, String> {
    if name == "auto" {
        return Ok(None);
    }
    let way = Transport::ALL.iter().find(|way| way.name() == name);
    way.copied().map(Some).ok_or(format!(
        "{name} is no transport: auto, websocket, sse, long-poll or short-poll"
    ))
}
