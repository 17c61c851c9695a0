//! Short polling: the client asks every few seconds, and is answered at once with whatever there is.
//!
//!     cargo run --release --example short_polling
//!     curl -d '{"message": "hello"}' http://127.0.0.1:5000/send
//!     curl http://127.0.0.1:5000/poll
//!
//! It needs nothing but requests and answers. What it costs: a message waits for the next poll, and most polls
//! bring nothing.

mod common;

use std::sync::{Arc, Mutex};

use barewire::Server;
use common::textbook::{Log, answer, open_to_pages, with_message};
use common::{Options, iso_timestamp};
use serde_json::json;

const HELP: &str = "\
Short polling: POST /send takes {\"message\": ...}, GET /poll gives all messages since the last poll.

Usage: short_polling [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:5000]; port 0 lets the system choose";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = Server::bind(&*options.listen("127.0.0.1:5000")?)?;
    open_to_pages(&mut server, &["/poll", "/send"]);
    let sent = Arc::new(Mutex::new(Log::default()));

    let waiting = Arc::clone(&sent);
    server.get("/poll", move |request, reply| {
        let mut waiting = waiting.lock().unwrap();
        let messages: Vec<_> = waiting.after(0).map(|event| &event.message).collect();
        let messages = json!({"timestamp": iso_timestamp(), "messages": messages});
        // HEAD comes here, too, but nobody gets to see what it is answered.
        if request.method() == "GET" {
            waiting.clear();
        }
        reply.send(answer(&messages));
    });

    let send = move |message| {
        sent.lock().unwrap().push(message);
        json!({"status": "received"})
    };
    server.post("/send", with_message(send));

    common::serve(server)
}
