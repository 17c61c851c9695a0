//! A server before a backend, as a machine without I/O: the backend is the model, in memory, and answers when the test says
//! so.

mod health;
mod metrics;
mod opening;

use std::sync::{Arc, Mutex, MutexGuard};

use super::simulation::Simulation;
use super::{Endpoint, Feed, Meter, Report};
use crate::Server;
use crate::backend::memory::Memory;
use crate::backend::{Backend, Draft, Health, Query, Refusal, Sink, Ticket};
use crate::channel::Retention;
use crate::net::ConnectionId;

/// The time at which everything begins.
const BIRTH: u64 = 1_000;

/// A backend whose readings wait, and whose health is what a test says.
#[derive(Debug)]
struct Model {
    memory: Memory,
    parts: Mutex<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// What was asked for, if it waits.
    held: Option<Vec<(Query, Ticket)>>,
    health: Health,
}

impl Model {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap()
    }

    /// Readings wait from now on.
    fn hold(&self) {
        self.parts().held = Some(Vec::new());
    }

    /// Those that waited are made.
    fn release(&self) {
        for (query, ticket) in self.parts().held.take().unwrap() {
            self.memory.read(query, ticket).unwrap();
        }
    }
}

impl Backend for Model {
    fn start(&self, sink: Arc<dyn Sink>) {
        self.memory.start(sink);
    }

    fn publish(&self, draft: Draft, ticket: Ticket) -> Result<(), Refusal> {
        match self.health() {
            Health::Ok => self.memory.publish(draft, ticket),
            _ => Err(Refusal::Away),
        }
    }

    fn read(&self, query: Query, ticket: Ticket) -> Result<(), Refusal> {
        if let Some(held) = &mut self.parts().held {
            held.push((query, ticket));
            return Ok(());
        }
        self.memory.read(query, ticket)
    }

    fn health(&self) -> Health {
        self.parts().health.clone()
    }

    fn stop(&self) {
        self.memory.stop();
    }
}

/// A server before a backend.
fn server() -> (Simulation, Arc<Model>) {
    let model = Arc::new(Model {
        memory: Memory::new(Retention::default(), || BIRTH),
        parts: Mutex::new(Parts {
            held: None,
            health: Health::Ok,
        }),
    });
    again(model)
}

/// Another server before the same backend.
fn again(model: Arc<Model>) -> (Simulation, Arc<Model>) {
    let mut service = Server::unbound().unwrap().into_program().service;
    let report = Endpoint::Report(Report::Health);
    service.router.add("/health", report);
    let report = Endpoint::Report(Report::Metrics);
    service.router.add("/metrics", report);
    service.meter = Some(Box::new(Meter::new()));
    service.router.add_channels("/channels/{name}");
    let feed = Arc::new(Feed::new(1, BIRTH));
    feed.stand_before(Arc::clone(&model) as Arc<dyn Backend>);
    service
        .channels
        .stand_before(&feed, service.mailbox.clone());
    (Simulation::new(service), model)
}

fn ask(server: &mut Simulation, client: ConnectionId, request: &str) -> String {
    server.send(client, request.as_bytes());
    text(server, client)
}

fn text(server: &mut Simulation, client: ConnectionId) -> String {
    String::from_utf8_lossy(&server.take(client)).into_owned()
}

fn publish(server: &mut Simulation, message: &str) -> String {
    let client = server.connect();
    let length = message.len();
    let request = format!(
        "POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{message}"
    );
    ask(server, client, &request)
}
