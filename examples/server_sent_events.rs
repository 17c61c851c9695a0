//! Server-sent events: the client asks once, and the answer never ends.
//!
//!     cargo run --release --example server_sent_events
//!     curl -N http://127.0.0.1:5002/stream
//!     curl -d '{"price": 42}' http://127.0.0.1:5002/broadcast                     # from elsewhere
//!
//! In a page it is `new EventSource("http://127.0.0.1:5002/stream")`, which connects again by itself and then says
//! in `Last-Event-ID` what it has seen; it gets here what it has missed.

mod common;

use std::sync::{Arc, Mutex};

use barewire::sse::{Event, EventId, EventName};
use barewire::{EventStream, Server};
use common::textbook::{FOR_ALL_PAGES, Log, every, open_to_pages, with_json};
use common::{Options, iso_timestamp};
use serde_json::{Value, json};

const HELP: &str = "\
Server-sent events: GET /stream is a stream of events, POST /broadcast sends any JSON to all streams.

Usage: server_sent_events [--listen ADDR] [--heartbeat SECONDS]

  --listen ADDR         the address to listen on [default: 127.0.0.1:5002]; port 0 lets the system choose
  --heartbeat SECONDS   how often streams get a heartbeat event [default: 15]";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let heartbeat = options.seconds("heartbeat", "15")?;
    let mut server = Server::bind(&*options.listen("127.0.0.1:5002")?)?;
    open_to_pages(&mut server, &["/stream", "/broadcast"]);
    // What was said, and the streams that are open.
    let board = Arc::new(Mutex::new((Log::default(), Vec::<EventStream>::new())));

    let shared = Arc::clone(&board);
    server.get("/stream", move |request, reply| {
        let stream = reply.header(FOR_ALL_PAGES.0, FOR_ALL_PAGES.1).events();
        let _ = stream.send_event("connected", &now());
        let (log, streams) = &mut *shared.lock().unwrap();
        if let Some(seen) = request.header("Last-Event-ID").filter(|id| !id.is_empty()) {
            // What is no id of this server is from another life, as one is that is still to come.
            for event in log.after(seen.parse().unwrap_or(u64::MAX)) {
                send(&stream, event.id, &event.message.to_string());
            }
        }
        streams.push(stream);
    });

    let shared = Arc::clone(&board);
    let broadcast = move |message: Value| {
        let (log, streams) = &mut *shared.lock().unwrap();
        let data = message.to_string();
        let id = log.push(message);
        // Who has gone is forgotten.
        streams.retain(|stream| send(stream, id, &data));
        json!({"status": "sent", "clients": streams.len()})
    };
    server.post("/broadcast", with_json(broadcast));

    // Streams can be written to from any thread.
    every(heartbeat, move || {
        let (_, streams) = &mut *board.lock().unwrap();
        streams.retain(|stream| stream.send_event("heartbeat", &now()).is_ok());
    });

    common::serve(server)
}

/// Sends a message, if the client is still there.
fn send(stream: &EventStream, id: u64, data: &str) -> bool {
    let (name, id) = (EventName::new("message").ok(), id.to_string());
    let id = EventId::new(&id).ok();
    let event = Event {
        name,
        id,
        ..Event::message(data)
    };
    stream.send(&event).is_ok()
}

fn now() -> String {
    json!({"timestamp": iso_timestamp()}).to_string()
}
