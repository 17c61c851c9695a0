//! Server-sent events: the client asks once, and the answer never ends.
//!
//!     cargo run --release --example server_sent_events
//!     curl -N http://127.0.0.1:5002/stream
//!     curl -d '{"price": 42}' http://127.0.0.1:5002/broadcast                     # from elsewhere
//!
//! In a page it is `new EventSource("http://127.0.0.1:5002/stream")`, which connects again by itself and then says
//! in `Last-Event-ID` what it has seen; it gets here what it has missed.

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use barewire::sse::{Event, EventId, EventName};
use barewire::{EventStream, Server};
use common::{Options, answer, iso_timestamp, keep};
use serde_json::json;

const HELP: &str = "\
Server-sent events: GET /stream is a stream of events, POST /broadcast sends any JSON to all streams.

Usage: server_sent_events [--listen ADDR] [--heartbeat SECONDS]

  --listen ADDR         the address to listen on [default: 127.0.0.1:5002]; port 0 lets the system choose
  --heartbeat SECONDS   how often streams get a heartbeat event [default: 15]";

/// Messages that are kept for who connects again.
const KEPT: usize = 100;

#[derive(Default)]
struct Streams {
    open: Vec<EventStream>,
    /// The newest messages, with their ids.
    recent: VecDeque<(u64, String)>,
    last_id: u64,
}

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let heartbeat = options.seconds("heartbeat", "15")?;
    let mut server = Server::bind(options.text("listen", "127.0.0.1:5002"))?;
    let streams = Arc::new(Mutex::new(Streams::default()));

    let shared = Arc::clone(&streams);
    server.get("/stream", move |request, reply| {
        // Pages of every origin may read this.
        let stream = reply.header("Access-Control-Allow-Origin", "*").events();
        send(&stream, "connected", None, &now());
        let streams = &mut *shared.lock().unwrap();
        let seen = request.header("Last-Event-ID").map(str::parse::<u64>);
        if let Some(Ok(seen)) = seen {
            for (id, data) in streams.recent.iter().filter(|(id, _)| *id > seen) {
                send(&stream, "message", Some(*id), data);
            }
        }
        streams.open.push(stream);
    });

    let shared = Arc::clone(&streams);
    server.post("/broadcast", move |request, reply| {
        let data = match common::json_of(request) {
            Ok(message) => message.to_string(),
            Err(refusal) => return reply.send(refusal),
        };
        let streams = &mut *shared.lock().unwrap();
        streams.last_id += 1;
        streams.send_all("message", Some(streams.last_id), &data);
        keep(&mut streams.recent, (streams.last_id, data), KEPT);
        let clients = streams.open.len();
        reply.send(answer(&json!({"status": "sent", "clients": clients})));
    });

    // Streams can be written to from any thread.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(heartbeat);
            streams.lock().unwrap().send_all("heartbeat", None, &now());
        }
    });

    common::serve(server)
}

impl Streams {
    /// Sends an event to all, and forgets those who have gone.
    fn send_all(&mut self, name: &str, id: Option<u64>, data: &str) {
        self.open.retain(|stream| send(stream, name, id, data));
    }
}

fn send(stream: &EventStream, name: &str, id: Option<u64>, data: &str) -> bool {
    let id = id.map(|id| id.to_string());
    let event = Event {
        name: EventName::new(name).ok(),
        id: id.as_deref().and_then(|id| EventId::new(id).ok()),
        ..Event::message(data)
    };
    stream.send(&event).is_ok()
}

fn now() -> String {
    json!({"timestamp": iso_timestamp()}).to_string()
}
