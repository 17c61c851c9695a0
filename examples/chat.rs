//! A chat in the terminal: whoever is on the same channel of a hub talks with everybody else there.
//!
//!     cargo run --release --example hub
//!     cargo run --release --example chat -- --name Ada        # in one terminal
//!     cargo run --release --example chat -- --name Grace      # in another one
//!
//! It listens with a subscription, which keeps its place whatever happens to the connection, and speaks over a
//! WebSocket, which is opened again when it is lost. Where something between here and the hub lets no WebSocket through,
//! it can only listen, and says so. Both are on one loop, in the main thread; reading standard input blocks, so that has
//! a thread of its own.

mod common;

use std::error::Error;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};

use barewire::client::Backoff;
use barewire::{ClientLoop, Connect, Sender, Subscribe, Update};
use common::{print, say, tls::Trust};
use serde_json::{Value, json};

const HELP: &str = "\
Talks with everybody on a channel: sends each line of standard input, prints what the others say, and what was said
before. On stderr it tells how it is connected.

Usage: chat [URL] [--name NAME] [--ca FILE]

  URL            the channel [default: http://127.0.0.1:9000/channels/chat]
  --name NAME    who you are [default: guest and a number]
  --ca FILE      trust only who has a certificate from one of these authorities (PEM); takes --features tls";

fn main() -> common::Outcome {
    let Arguments { url, name, ca } = arguments()?;
    // Names may be taken twice; what comes back is told by the time at which this program began.
    let me = format!("{:x}", std::time::UNIX_EPOCH.elapsed()?.as_nanos());
    let mut client = ClientLoop::new()?;

    let (failed, failures) = channel::<String>();
    let (myself, deaf, stopper) = (me.clone(), failed.clone(), client.stopper());
    let ears = Subscribe::to(&url).trusting(ca.as_deref())?;
    client.subscribe(ears, move |update| match update {
        Update::Event(event) if event.is_gap() => say("some of what was said is lost"),
        Update::Event(event) => hear(&event.data(), &myself),
        Update::Connected(transport) => say(format_args!("connected: {transport}")),
        Update::Lost {
            error: why,
            retry_in: wait,
        } => {
            let wait = wait.as_secs_f64();
            say(format_args!("lost: {why}; again in {wait:.1} s"));
        }
        Update::FellBack {
            transport: from,
            error: why,
        } => say(format_args!("{from} does not work here: {why}")),
        Update::Ended(Some(why)) => {
            let _ = deaf.send(why.to_string());
            stopper.stop();
        }
        _ => {}
    })?;

    let (opened, mouths) = channel();
    let over = opened.clone();
    let mouth = Connect::to(&format!("{url}?from=now"))
        .trusting(ca.as_deref())?
        .reconnect(Backoff::default())
        .on_open(move |socket| drop(opened.send(Some(socket.sender()))))
        .on_close(move |end| {
            if let (Some(why), None) = (end.error, end.retry_in) {
                say(format_args!("can only listen here: {why}"));
            }
            drop(over.send(None));
        });
    client.connect(mouth, |_socket, _message| {})?;

    let stopper = client.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    let stopper = client.stopper();
    std::thread::spawn(move || {
        if speak(&mouths, &name, &me) > 0 {
            let _ = failed.send("not everything was sent".to_owned());
        }
        stopper.stop();
    });
    client.run()?;
    // If something went wrong, this is what did first.
    failures.try_recv().map_or(Ok(()), |why| Err(why.into()))
}

/// Prints what somebody says: without control characters, which could do anything to a terminal.
fn hear(said: &str, me: &str) {
    let json: Value = serde_json::from_str(said).unwrap_or_default();
    let line = match (json["name"].as_str(), json["text"].as_str()) {
        _ if json["from"] == me => return,
        (Some(name), Some(text)) => format!("{name}: {text}"),
        _ => said.to_owned(),
    };
    print(line.replace(char::is_control, " "));
}

/// Sends the lines of standard input, each as soon as there is a connection to send it over. Returns how many could not
/// be sent.
fn speak(mouths: &Receiver<Option<Sender>>, name: &str, me: &str) -> usize {
    let (mut mouth, mut unsent) = (None, 0);
    for line in std::io::stdin().lock().split(b'\n') {
        let line = match line {
            Ok(line) => line,
            Err(why) => {
                say(format_args!("not sent: the rest of the input: {why}"));
                return unsent + 1;
            }
        };
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        mouth = mouths.try_iter().last().unwrap_or(mouth);
        while mouth.is_none() {
            // There is nobody left to say so when there will be no connection.
            let Ok(next) = mouths.recv() else { break };
            mouth = next;
        }
        if let Err(why) = speak_line(mouth.as_ref(), line, name, me) {
            let line = String::from_utf8_lossy(line);
            say(format_args!("not sent: {line}: {why}"));
            unsent += 1;
        }
    }
    unsent
}

fn speak_line(
    mouth: Option<&Sender>,
    line: &[u8],
    name: &str,
    me: &str,
) -> Result<(), Box<dyn Error>> {
    // A part of it is never left out or made up in silence.
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let mouth = mouth.ok_or("this can only listen")?;
    let said = json!({ "name": name, "text": text, "from": me });
    Ok(mouth.send(&said.to_string())?)
}

struct Arguments {
    url: String,
    name: String,
    ca: Option<String>,
}

fn arguments() -> Result<Arguments, lexopt::Error> {
    use lexopt::prelude::*;
    let mut given = Arguments {
        url: String::new(),
        name: format!("guest {}", std::process::id()),
        ca: None,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("name") => given.name = arguments.value()?.string()?,
            Long("ca") => given.ca = Some(arguments.value()?.string()?),
            Long("help") | Short('h') => {
                common::print(HELP);
                std::process::exit(0);
            }
            Value(value) if given.url.is_empty() => given.url = value.string()?,
            _ => return Err(argument.unexpected()),
        }
    }
    if given.url.is_empty() {
        given.url = "http://127.0.0.1:9000/channels/chat".to_owned();
    }
    Ok(given)
}
