//! Long polling: the server holds a request until there is something to answer, or until its time is up.
//!
//!     cargo run --release --example long_polling
//!     curl 'http://127.0.0.1:5001/long-poll?client_id=me'                         # waits
//!     curl -d '{"message": "hello"}' http://127.0.0.1:5001/broadcast              # from elsewhere: it is answered
//!     curl -H 'X-Last-Event-Id: 0' http://127.0.0.1:5001/api/updates              # the same with a cursor
//!
//! The two differ in who remembers. At `/long-poll` the server keeps a queue for each client; at `/api/updates` the
//! client keeps the id of the last event it has seen, and the server needs to know nothing of it.

mod common;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use barewire::{Later, Response, Server};
use common::{Options, answer, iso_timestamp, keep, refuse};
use serde_json::{Value, json};

const HELP: &str = "\
Long polling: POST /broadcast takes {\"message\": ...}. GET /long-poll?client_id=ID waits for the next message to this
client; GET /api/updates with X-Last-Event-Id: N waits for events after N.

Usage: long_polling [--listen ADDR] [--wait SECONDS]

  --listen ADDR    the address to listen on [default: 127.0.0.1:5001]; port 0 lets the system choose
  --wait SECONDS   how long a request is held [default: 30]";

/// How many clients have a queue, and how many messages are kept in each, and for all.
const CLIENTS: usize = 10_000;
const KEPT: usize = 1_000;

/// One client: the messages that wait for it, or its requests that wait for messages.
#[derive(Default)]
struct Client {
    queue: VecDeque<Value>,
    waiting: VecDeque<Later>,
}

#[derive(Default)]
struct Board {
    clients: HashMap<String, Client>,
    events: VecDeque<Value>,
    last_id: u64,
    /// The requests that wait at `/api/updates`.
    waiting: Vec<Later>,
}

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let wait = options.seconds("wait", "30")?;
    let mut server = Server::bind(options.text("listen", "127.0.0.1:5001"))?;
    let board = Arc::new(Mutex::new(Board::default()));

    let shared = Arc::clone(&board);
    server.get("/long-poll", move |request, reply| {
        let Some(id) = request.query("client_id") else {
            return reply.send(refuse(400, "say who you are: ?client_id=ID"));
        };
        let clients = &mut shared.lock().unwrap().clients;
        if clients.len() >= CLIENTS && !clients.contains_key(&*id) {
            return reply.send(refuse(503, "there are too many clients"));
        }
        let client = clients.entry(id.into_owned()).or_default();
        if let Some(message) = client.queue.pop_front() {
            return reply.send(one(Some(&message)));
        }
        client.waiting.retain(Later::is_awaited);
        let later = reply.later_within(wait, || one(None));
        client.waiting.push_back(later);
    });

    let shared = Arc::clone(&board);
    server.get("/api/updates", move |request, reply| {
        let seen = request.header("X-Last-Event-Id").unwrap_or("0");
        let Ok(seen) = seen.parse::<u64>() else {
            return reply.send(refuse(400, "X-Last-Event-Id is a number"));
        };
        let board = &mut *shared.lock().unwrap();
        // An id that is still to come, perhaps from before a restart, waits for the next event as the last one does.
        let newer = |event: &&Value| event["id"].as_u64() > Some(seen);
        let events: Vec<&Value> = board.events.iter().filter(newer).collect();
        if !events.is_empty() {
            return reply.send(all(&events));
        }
        board.waiting.retain(Later::is_awaited);
        let later = reply.later_within(wait, Response::empty);
        board.waiting.push(later);
    });

    server.post("/broadcast", move |request, reply| {
        let message = match common::message_of(request) {
            Ok(message) => message,
            Err(refusal) => return reply.send(refusal),
        };
        let board = &mut *board.lock().unwrap();
        for client in board.clients.values_mut() {
            client.give(&message);
        }
        board.last_id += 1;
        let event = json!({"id": board.last_id, "message": message, "timestamp": iso_timestamp()});
        for later in board.waiting.drain(..) {
            // Who has gone comes back with the same cursor.
            let _ = later.send(all(&[&event]));
        }
        keep(&mut board.events, event, KEPT);
        let clients = board.clients.len();
        reply.send(answer(
            &json!({"status": "broadcasted", "clients": clients}),
        ));
    });

    common::serve(server)
}

impl Client {
    /// Answers the request that has waited longest, or keeps the message for the next one.
    fn give(&mut self, message: &Value) {
        while let Some(later) = self.waiting.pop_front() {
            if later.send(one(Some(message))).is_ok() {
                return;
            }
        }
        keep(&mut self.queue, message.clone(), KEPT);
    }
}

/// The answer at `/long-poll`.
fn one(message: Option<&Value>) -> Response {
    let status = if message.is_some() { "data" } else { "timeout" };
    answer(&json!({"timestamp": iso_timestamp(), "message": message, "status": status}))
}

/// The answer at `/api/updates`.
fn all(events: &[&Value]) -> Response {
    let last_id = events.last().map(|event| &event["id"]);
    answer(&json!({"events": events, "lastEventId": last_id}))
}
