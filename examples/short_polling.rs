//! Short polling: the client asks every few seconds, and is answered at once with whatever there is.
//!
//!     cargo run --release --example short_polling
//!     curl -d '{"message": "hello"}' http://127.0.0.1:5000/send
//!     curl http://127.0.0.1:5000/poll
//!
//! It needs nothing but requests and answers. What it costs: a message waits for the next poll, and most polls
//! bring nothing.

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use barewire::Server;
use common::{Options, answer, iso_timestamp, keep, message_of};
use serde_json::{Value, json};

const HELP: &str = "\
Short polling: POST /send takes {\"message\": ...}, GET /poll gives all messages since the last poll.

Usage: short_polling [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:5000]; port 0 lets the system choose";

/// Messages that wait for a poll. Beyond it the oldest is forgotten.
const KEPT: usize = 1_000;

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = Server::bind(options.text("listen", "127.0.0.1:5000"))?;
    let sent = Arc::new(Mutex::new(VecDeque::new()));

    let messages = Arc::clone(&sent);
    server.get("/poll", move |_request, reply| {
        let messages: Vec<Value> = messages.lock().unwrap().drain(..).collect();
        reply.send(answer(
            &json!({"timestamp": iso_timestamp(), "messages": messages}),
        ));
    });

    server.post("/send", move |request, reply| {
        reply.send(match message_of(request) {
            Ok(message) => {
                keep(&mut sent.lock().unwrap(), message, KEPT);
                answer(&json!({"status": "received"}))
            }
            Err(refusal) => refusal,
        });
    });

    common::serve(server)
}
