//! Long polling: the server holds a request until there is something to answer, or until its time is up.
//!
//!     cargo run --release --example long_polling
//!     curl 'http://127.0.0.1:5001/long-poll?client_id=me'                         # waits
//!     curl -d '{"message": "hello"}' http://127.0.0.1:5001/broadcast              # from elsewhere: it is answered
//!     curl -H 'X-Last-Event-Id: 0' http://127.0.0.1:5001/api/updates              # the same with a cursor
//!
//! The two differ in who remembers what a client has seen. At `/long-poll` the server does, so that each client says
//! who it is; at `/api/updates` the client itself does, and the server needs to know nothing of it.

mod common;

use std::sync::{Arc, Mutex};

use barewire::{Response, Server};
use common::textbook::{self, Clients, Log, Waiting, answer, id_in, nothing, refuse};
use common::{Options, iso_timestamp};
use serde_json::{Value, json};

const HELP: &str = "\
Long polling: POST /broadcast takes {\"message\": ...}. GET /long-poll?client_id=ID waits for the next message to this
client; GET /api/updates with X-Last-Event-Id: N waits for events after N.

Usage: long_polling [--listen ADDR] [--wait SECONDS]

  --listen ADDR    the address to listen on [default: 127.0.0.1:5001]; port 0 lets the system choose
  --wait SECONDS   how long a request is held [default: 30]";

/// What was said, the clients of `/long-poll`, and the requests that wait at `/api/updates`.
type Board = (Log, Clients, Waiting);

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let wait = options.seconds("wait", "30")?;
    let mut server = Server::bind(&*options.listen("127.0.0.1:5001")?)?;
    textbook::open_to_pages(&mut server, &["/long-poll", "/api/updates", "/broadcast"]);
    let board = Arc::new(Mutex::new(Board::default()));

    let shared = Arc::clone(&board);
    server.get("/long-poll", move |request, reply| {
        // HEAD comes here, too, and would take a message that nobody gets to see.
        if request.method() == "HEAD" {
            return reply.header("Allow", "GET, OPTIONS").status(405);
        }
        let Some(id) = request.query("client_id") else {
            return reply.send(refuse(400, "say who you are: ?client_id=ID"));
        };
        let (log, clients, _) = &mut *shared.lock().unwrap();
        let client = clients.get(&id, log.last_id());
        if let Some(event) = log.after(client.seen).next() {
            client.seen = event.id;
            return reply.send(one(Some(&event.message)));
        }
        client.waiting.park(reply.later_within(wait, || one(None)));
    });

    let shared = Arc::clone(&board);
    server.get("/api/updates", move |request, reply| {
        let Some(seen) = id_in(request.header("X-Last-Event-Id")) else {
            return reply.send(refuse(400, "X-Last-Event-Id is a number"));
        };
        let (log, _, waiting) = &mut *shared.lock().unwrap();
        if log.has_after(seen) {
            return reply.send(all(log, seen));
        }
        waiting.park(reply.later_within(wait, nothing));
    });

    let broadcast = move |message: Value| {
        let (log, clients, waiting) = &mut *board.lock().unwrap();
        let id = log.push(message.clone());
        // Who does not wait just now gets it with its next request.
        clients.answer_each(id, || one(Some(&message)));
        waiting.answer_all(|| all(log, id - 1));
        json!({"status": "broadcasted", "clients": clients.len()})
    };
    server.post("/broadcast", textbook::with_message(broadcast));

    common::serve(server)
}

/// The answer at `/long-poll`.
fn one(message: Option<&Value>) -> Response {
    let status = if message.is_some() { "data" } else { "timeout" };
    let json = json!({"timestamp": iso_timestamp(), "message": message, "status": status});
    answer(&json)
}

/// The answer at `/api/updates`.
fn all(log: &Log, seen: u64) -> Response {
    let events: Value = log.after(seen).map(|event| event.json()).collect();
    answer(&json!({"events": events, "lastEventId": log.last_id()}))
}
