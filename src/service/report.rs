//! What a server says of itself: whether it works.

use super::form::Form;
use super::router::Report;
use super::shared::Service;
use super::ways::no_store;
use crate::http::Status;
use crate::json;
use crate::net::Io;
use crate::response::{RETRY_AFTER, Response};

/// Whether a server is to be sent requests, and why not.
enum Health {
    Ok,
    /// Answers as if all were well: it is of use to readers.
    Degraded(String),
    Unavailable(&'static str, String),
}

impl Service {
    /// Answers a request for one of these.
    pub(super) fn answer_report(&mut self, report: Report, form: Form, io: &mut Io<'_>) {
        let response = match report {
            Report::Health => self.health().response(),
        };
        self.respond(io, form, &no_store(response));
    }

    fn health(&self) -> Health {
        if self.draining {
            return Health::Unavailable("draining", "the server shuts down".into());
        }
        #[cfg(feature = "backend")]
        if let Some((backend, _)) = self.channels.backend() {
            use crate::backend::Health as Backend;
            return match backend.health() {
                Backend::Ok => Health::Ok,
                Backend::Degraded(why) => Health::Degraded(format!("publishing is refused: {why}")),
                Backend::Starting(why) => Health::Unavailable("starting", why.as_ref().into()),
                Backend::Failed(why) => Health::Unavailable("failed", why.as_ref().into()),
            };
        }
        Health::Ok
    }
}

impl Health {
    fn response(&self) -> Response {
        let (status, word, why) = match self {
            Health::Ok => (Status::OK, "ok", None),
            Health::Degraded(why) => (Status::OK, "degraded", Some(why)),
            Health::Unavailable(word, why) => (Status::SERVICE_UNAVAILABLE, *word, Some(why)),
        };
        let mut body = Vec::from(&b"{\"status\":"[..]);
        json::write_string(&mut body, word);
        if let Some(why) = why {
            body.extend_from_slice(b",\"why\":");
            json::write_string(&mut body, why);
        }
        body.push(b'}');
        let response = Response::bytes("application/json", body).status(status.code());
        match status {
            Status::SERVICE_UNAVAILABLE => response.header("Retry-After", RETRY_AFTER),
            _ => response,
        }
    }
}
