//! What the textbook servers share and no tutorial is about: JSON in and out, pages of other origins, and bounds for
//! what is kept.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use barewire::{Later, Limits, Reply, Request, Response, Server};
use serde_json::{Value, json};

use super::iso_timestamp;

/// The largest request body, and the longest request target, in bytes.
const MAX_BODY: usize = 64 * 1024;
const MAX_TARGET: usize = 1024;

/// The field by which pages of every origin may read an answer.
pub const FOR_ALL_PAGES: (&str, &str) = ("Access-Control-Allow-Origin", "*");

/// Lets pages of every origin use these paths, for the page of a tutorial lies in a file or on another port: this
/// answers the preflights, and the field [`FOR_ALL_PAGES`] is in every answer (CORS, WHATWG Fetch 3.2). These servers
/// hold nothing secret and use no cookies; one that does has to name the origins that it trusts.
///
/// What everybody may send has to be small, or it fills the memory.
pub fn open_to_pages(server: &mut Server, paths: &[&str]) {
    server.limits(Limits {
        body: MAX_BODY,
        target: MAX_TARGET,
        ..Limits::default()
    });
    for path in paths {
        server.route("OPTIONS", path, |_request, reply| {
            let fields = "Content-Type, Cache-Control, Last-Event-ID, X-Last-Event-Id";
            let allowed = nothing()
                .header("Access-Control-Allow-Methods", "GET, POST")
                .header("Access-Control-Allow-Headers", fields)
                .header("Access-Control-Max-Age", "600");
            reply.send(allowed);
        });
    }
}

/// A JSON answer. Caches leave it alone: it holds for this moment only.
pub fn answer(json: &Value) -> Response {
    let (name, value) = FOR_ALL_PAGES;
    Response::json(json.to_string())
        .header("Cache-Control", "no-store")
        .header(name, value)
}

/// 204: there is nothing to say.
pub fn nothing() -> Response {
    let (name, value) = FOR_ALL_PAGES;
    Response::empty().header(name, value)
}

/// An answer that says in JSON what is wrong.
pub fn refuse(status: u16, why: impl ToString) -> Response {
    answer(&json!({"error": why.to_string()})).status(status)
}

/// A handler for a POST of JSON, which makes the answer of it. What is no JSON is refused.
pub fn with_json(mut handler: impl FnMut(Value) -> Value) -> impl FnMut(&Request<'_>, Reply<'_>) {
    move |request, reply| {
        reply.send(match serde_json::from_slice(request.body()) {
            Ok(json) => answer(&handler(json)),
            Err(error) => refuse(400, error),
        });
    }
}

/// A handler for a POST of JSON with a `message`, which makes the answer of that. What has none is refused.
pub fn with_message(
    mut handler: impl FnMut(Value) -> Value,
) -> impl FnMut(&Request<'_>, Reply<'_>) {
    move |request, reply| {
        let mut json = serde_json::from_slice::<Value>(request.body());
        reply.send(match json.as_mut().map(|json| json.get_mut("message")) {
            Ok(Some(message)) => answer(&handler(message.take())),
            Ok(None) => refuse(400, "send a message, as in {\"message\": \"hello\"}"),
            Err(error) => refuse(400, error),
        });
    }
}

/// The id of the last message that a client has seen, as it says in a field. None, an empty one and `null`, which a page
/// says before it has seen any, are 0; what is no number is nothing.
pub fn id_in(field: Option<&str>) -> Option<u64> {
    match field.unwrap_or_default() {
        "" | "null" => Some(0),
        id => id.parse().ok(),
    }
}

/// A message with its id and the time at which it came.
pub struct Event {
    pub id: u64,
    pub message: Value,
    pub timestamp: String,
    /// How long the message is as text.
    length: usize,
}

impl Event {
    /// All that there is to know of it.
    pub fn json(&self) -> Value {
        json!({"id": self.id, "message": self.message, "timestamp": self.timestamp})
    }
}

/// The newest messages, in order, with ids that count up from 1.
#[derive(Default)]
pub struct Log {
    events: VecDeque<Event>,
    last_id: u64,
    /// The lengths of all messages together.
    length: usize,
}

impl Log {
    /// How many messages are kept, and how many bytes of them as text. Beyond either, the oldest go.
    const MESSAGES: usize = 1_000;
    const BYTES: usize = 1024 * 1024;

    /// Adds a message, and gives it an id.
    pub fn push(&mut self, message: Value) -> u64 {
        let length = message.to_string().len();
        while self.events.len() >= Log::MESSAGES || self.length + length > Log::BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.length -= oldest.length;
        }
        self.length += length;
        self.last_id += 1;
        self.events.push_back(Event {
            id: self.last_id,
            message,
            timestamp: iso_timestamp(),
            length,
        });
        self.last_id
    }

    /// The messages behind one that was seen: all that are kept behind 0, and behind an id that is still to come. Such
    /// an id is from before a restart, and who brings it has seen nothing of this life.
    pub fn after(&self, seen: u64) -> impl Iterator<Item = &Event> {
        let seen = if seen > self.last_id { 0 } else { seen };
        // Ids have no gaps, so that what was seen can be skipped without being looked at.
        let skipped = match self.events.front() {
            Some(oldest) => (seen.saturating_add(1)).saturating_sub(oldest.id),
            None => 0,
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.events.range(skipped.min(self.events.len())..)
    }

    /// Whether there is something behind a message that was seen.
    pub fn has_after(&self, seen: u64) -> bool {
        self.after(seen).next().is_some()
    }

    /// The id of the newest message; 0 before the first.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Forgets all messages. The ids count on.
    pub fn clear(&mut self) {
        self.events.clear();
        self.length = 0;
    }
}

/// Requests that wait for an answer, in the order in which they came.
#[derive(Default)]
pub struct Waiting(VecDeque<Later>);

impl Waiting {
    /// Adds a request. Those before it that have gone or are answered are forgotten.
    pub fn park(&mut self, later: Later) {
        while self.0.front().is_some_and(|first| !first.is_awaited()) {
            self.0.pop_front();
        }
        self.0.push_back(later);
    }

    /// Answers the request that has waited longest, if one is still there.
    pub fn answer_first(&mut self, response: impl Fn() -> Response) -> bool {
        while let Some(later) = self.0.pop_front() {
            if later.send(response()).is_ok() {
                return true;
            }
        }
        false
    }

    /// Answers all that are still there.
    pub fn answer_all(&mut self, response: impl Fn() -> Response) {
        while self.answer_first(&response) {}
    }
}

/// What the server knows of a client: the last message that it was given, and its requests that wait for the next.
#[derive(Default)]
pub struct Client {
    pub seen: u64,
    pub waiting: Waiting,
    /// When it asked, as [`Clients::asked`] counts.
    asked: u64,
}

/// All clients that have asked, by their ids.
#[derive(Default)]
pub struct Clients {
    clients: HashMap<String, Client>,
    /// Counts how often any of them asked.
    asked: u64,
    /// The requests of clients that are forgotten; their time will be up.
    forgotten: Waiting,
}

impl Clients {
    /// How many are known. For a new one beyond it, the one that has been silent longest is forgotten.
    const MOST: usize = 10_000;

    /// A client that asks. A new one has seen all up to `seen`.
    pub fn get(&mut self, id: &str, seen: u64) -> &mut Client {
        if self.clients.len() >= Clients::MOST && !self.clients.contains_key(id) {
            let silent = self.clients.iter().min_by_key(|(_, client)| client.asked);
            let silent = silent.map(|(id, _)| id.clone()).unwrap_or_default();
            let client = self.clients.remove(&silent).unwrap_or_default();
            for later in client.waiting.0 {
                self.forgotten.park(later);
            }
        }
        self.asked += 1;
        let client = self.clients.entry(id.to_owned()).or_insert_with(|| Client {
            seen,
            ..Client::default()
        });
        client.asked = self.asked;
        client
    }

    /// Answers one request of each that waits, with the message that has this id.
    pub fn answer_each(&mut self, id: u64, response: impl Fn() -> Response) {
        for client in self.clients.values_mut() {
            if client.waiting.answer_first(&response) {
                client.seen = id;
            }
        }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.clients.len()
    }
}

/// Calls a function now and again, in a thread of its own.
pub fn every(interval: Duration, mut function: impl FnMut() + Send + 'static) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(interval);
            function();
        }
    });
}
