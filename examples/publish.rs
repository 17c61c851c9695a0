//! Publishes to a channel: its arguments, or each line of standard input. Each message is there once when this ends well,
//! whatever happens to the connection or to the hub meanwhile.
//!
//!     cargo run --release --example hub
//!     cargo run --release --example publish -- http://127.0.0.1:9000/channels/demo hello    # in another terminal

mod common;

use std::error::Error;
use std::io::{BufRead, ErrorKind, Write};
use std::time::Duration;

use barewire::client::Publishing;
use barewire::{ClientError, Post, Publish};
use common::{say, tls::Trust};

const HELP: &str = "\
Publishes to a channel, and prints the id of each message; on stderr, why one has to wait.

Usage: publish URL [DATA | -] [--event TYPE] [--key KEY] [--bearer TOKEN] [--within SECONDS] [--ca FILE]

  DATA               the message; without it, or with -, each line of standard input is one
  --event TYPE       its event name [default: message]
  --key KEY          its idempotency key, so that it is published once if this is run again within five minutes; for
                     one message only [default: a random one for each]
  --bearer TOKEN     sent as Authorization: Bearer TOKEN
  --within SECONDS   how long each message is tried [default: 240]
  --ca FILE          trust only who has a certificate from one of these authorities (PEM); takes --features tls

It ends with 1 if a message was not published, or nobody knows, and says which one and why.";

fn main() -> common::Outcome {
    let mut arguments = Arguments::parse()?;
    if let Some(data) = arguments.data.take() {
        return arguments.publish(data.as_bytes());
    }
    let mut lines = std::io::stdin().lock();
    let mut line = Vec::new();
    // A line of bytes that are no text is a message, too.
    while lines.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            line.pop();
        }
        arguments.publish(&line)?;
        line.clear();
    }
    Ok(())
}

struct Arguments {
    publishing: Publishing,
    data: Option<String>,
    event: Option<String>,
    key: Option<String>,
}

impl Arguments {
    /// Publishes a message, and prints its id where the next program gets it at once.
    fn publish(&mut self, data: &[u8]) -> common::Outcome {
        let mut post = Post::from(data);
        if let Some(event) = &self.event {
            post = post.event(event);
        }
        if let Some(key) = &self.key {
            post = post.key(key);
        }
        let shown = String::from_utf8_lossy(data);
        match self.publishing.publish(post) {
            Ok(id) => {
                let mut out = std::io::stdout().lock();
                match writeln!(out, "{id}").and_then(|()| out.flush()) {
                    // Nobody wants to know the ids: they are published all the same.
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                    _ => Ok(()),
                }
            }
            Err(error @ ClientError::InDoubt(_)) => Err(format!("{shown:?}: {error}").into()),
            Err(error) => Err(format!("{shown:?} was not published: {error}").into()),
        }
    }

    fn parse() -> Result<Arguments, Box<dyn Error>> {
        use lexopt::prelude::*;
        let (mut url, mut data, mut event, mut key) = (None, None, None, None);
        let (mut bearer, mut within, mut ca) = (None, None, None);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("event") => event = Some(arguments.value()?.string()?),
                Long("key") => key = Some(arguments.value()?.string()?),
                Long("bearer") => bearer = Some(arguments.value()?.string()?),
                Long("within") => within = Some(arguments.value()?.parse::<f64>()?),
                Long("ca") => ca = Some(arguments.value()?.string()?),
                Long("help") | Short('h') => {
                    common::print(HELP);
                    std::process::exit(0);
                }
                Value(value) if url.is_none() => url = Some(value.string()?),
                Value(value) if data.is_none() => data = Some(value.string()?),
                _ => return Err(argument.unexpected().into()),
            }
        }
        let data = data.filter(|data| data != "-");
        if key.is_some() && data.is_none() {
            return Err("--key is for one message, which has to be an argument".into());
        }
        let mut publish = Publish::to(&url.ok_or("which URL? See --help")?);
        publish = publish.trusting(ca.as_deref())?.on_retry(|why, wait| {
            let wait = wait.as_secs_f64();
            say(format_args!("not yet: {why}; again in {wait:.1} s"));
        });
        if let Some(token) = bearer {
            publish = publish.header("Authorization", &format!("Bearer {token}"));
        }
        if let Some(seconds) = within {
            publish = publish.within(Duration::try_from_secs_f64(seconds)?);
        }
        Ok(Arguments {
            publishing: publish.open()?,
            data,
            event,
            key,
        })
    }
}
