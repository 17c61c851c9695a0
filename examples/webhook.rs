//! Webhooks, both ends of them: channels that are sent to URLs, and a receiver that believes only what is signed.
//!
//!     cargo run --features webhook --example webhook
//!     curl --json '{"url":"http://127.0.0.1:9006/hook","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}' \
//!         http://127.0.0.1:9006/channels/demo/webhooks                   # register a URL
//!     curl -d hello http://127.0.0.1:9006/channels/demo                  # publish: the receiver prints it
//!     curl http://127.0.0.1:9006/channels/demo/webhooks                  # how deliveries go
//!     curl -d forged http://127.0.0.1:9006/hook                          # 401: nobody has signed it
//!
//! In production the two are far apart: the sender anywhere, and the receiver in a program that need not use this library for
//! more than `Verifier`, or at all. This machine has to be allowed by name, because nothing is sent to it by default.

mod common;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use barewire::Server;
use barewire::webhook::{Allowed, Options, Schedule, Verifier};

const HELP: &str = "\
Channels that are sent to URLs, at /channels/NAME/webhooks, and a receiver that verifies what comes, at /hook.

Usage: webhook [--listen ADDR] [--secret SECRET]

  --listen ADDR    the address to listen on [default: 127.0.0.1:9006]; port 0 lets the system choose
  --secret SECRET  what the receiver believes [default: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]";

fn main() -> common::Outcome {
    let options = common::Options::parse(HELP)?;
    let mut server = Server::bind(&*options.listen("127.0.0.1:9006")?)?;
    send(&mut server)?;
    let secret = options.text("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    receive(&mut server, Verifier::new(secret)?);
    common::serve(server)
}

/// The sender: whoever registers a URL for a channel is sent what is published there, until it is answered with 2xx.
fn send(server: &mut Server) -> common::Outcome {
    let schedule = Schedule {
        waits: [1, 5, 30].map(Duration::from_secs).to_vec(), // by default up to ten hours
        ..Schedule::default()
    };
    let allowed = Allowed::new().network("127.0.0.0/8".parse()?);
    let options = Options {
        allowed,
        schedule,
        ..Options::default()
    };
    server.channels("/channels/{name}");
    server.webhooks("/channels/{name}/webhooks", options)?;
    Ok(())
}

/// The receiver: verify the bytes that came before anything else, do the work, remember the id, and say so.
fn receive(server: &mut Server, verifier: Verifier) {
    // The same event may come again, if an answer was lost. What has to outlive this process belongs into its database.
    let mut seen: VecDeque<String> = VecDeque::new();
    server.post("/hook", move |request, reply| {
        let field = |name| request.header(name);
        if let Err(why) = verifier.verify(field, request.body(), SystemTime::now()) {
            common::say(format_args!("refused: {why}"));
            return reply.header("WWW-Authenticate", "Webhook").status(401);
        }
        let id = request.header("webhook-id").unwrap_or_default();
        if !seen.iter().any(|known| known == id) {
            common::print(String::from_utf8_lossy(request.body()));
            seen.push_front(id.to_owned());
            seen.truncate(10_000);
        }
        reply.status(204);
    });
}
