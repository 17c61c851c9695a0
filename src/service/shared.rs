//! What all connections of a server share: routes, channels, limits, and the hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::access::Access;
use super::channels::Channels;
use super::form::Form;
use super::log::Log;
use super::meter::Meter;
use super::origin::Origins;
use super::request::Request;
use super::router::Router;
use crate::command::{Letter, Mailbox, Order};
use crate::error::Error;
use crate::http::{DateCache, RequestHead, Status};
use crate::limits::Limits;
use crate::net::{Io, Now, Post};
use crate::response::Response;
use crate::session::compression::Deflating;

type Authorize = Box<dyn FnMut(&Request<'_>) -> Access + Send>;
type OnError = Box<dyn FnMut(&Error) + Send>;

/// How often channels are swept, in milliseconds.
const SWEEP_EVERY: u64 = 1_000;

pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) channels: Channels,
    pub(crate) limits: Limits,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) origins: Origins,
    pub(crate) on_error: Option<OnError>,
    pub(crate) log: Option<Box<Log>>,
    /// What is counted, if anybody may ask.
    pub(crate) meter: Option<Box<Meter>>,
    pub(crate) dates: DateCache,
    pub(crate) deflating: Deflating,
    pub(crate) mailbox: Mailbox,
    /// Connections that wait until their output is taken, or until what their handlers have sent to others is delivered:
    /// they would fill memory, or somebody waits to write more.
    pub(crate) crowded: Vec<u64>,
    /// Readers whose history is read from a backend.
    #[cfg(feature = "backend")]
    pub(super) cold: super::cold::Cold,
    /// The server shuts down: every answer is the last of its connection.
    pub(crate) draining: bool,
    swept: u64,
}

impl Service {
    pub(crate) fn new(limits: Limits, mailbox: Mailbox, channels: Channels) -> Service {
        Service {
            router: Router::default(),
            channels,
            limits,
            authorize: None,
            origins: Origins::default(),
            on_error: None,
            log: None,
            meter: None,
            dates: DateCache::new(),
            deflating: Deflating::default(),
            mailbox,
            crowded: Vec::new(),
            #[cfg(feature = "backend")]
            cold: Default::default(),
            draining: false,
            swept: 0,
        }
    }

    /// What was wrong with how the server was set up: the first route or origin that makes no sense. It stays: a server
    /// that lacks one is not to be served by trying again.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.router.problem(), &self.origins.problem) {
            (Some(why), _) => Err(Error::Route(why)),
            (None, Some(why)) => Err(Error::Origin(why.clone())),
            (None, None) => Ok(()),
        }
    }

    /// Answers a request of this connection. If the answer is its last, it says so and the connection closes behind
    /// it.
    pub(super) fn respond(&mut self, io: &mut Io<'_>, form: Form, response: &Response) {
        // The server may have begun to shut down since the request came.
        let form = Form {
            keep_alive: form.keep_alive && !self.draining,
            ..form
        };
        let date = self.dates.at(io.now.unix_ms / 1000);
        let before = io.out.len();
        form.write(io.out.buffer(), date, response);
        self.log_answer(io, response.status, before);
        self.end_answer(io, form);
    }

    /// Counts an answer, and shows it to the program's access log. Before it there were so many bytes of output.
    pub(super) fn log_answer(&mut self, io: &Io<'_>, status: Status, before: usize) {
        if let Some(meter) = &mut self.meter {
            meter.answered(status);
        }
        let Some(log) = &mut self.log else { return };
        let bytes = io.out.len().saturating_sub(before);
        let logged = catch_unwind(AssertUnwindSafe(|| log.answered(io.id, status, bytes)));
        if logged.is_err() {
            self.report(&Error::Panicked);
        }
    }

    /// What follows a whole answer: the next request, or the end.
    pub(super) fn end_answer(&mut self, io: &mut Io<'_>, form: Form) {
        if form.keep_alive && !self.draining {
            io.set_deadline(self.limits.keep_alive);
        } else {
            io.close();
        }
    }

    /// Tells the program's error hook.
    pub(crate) fn report(&mut self, error: &Error) {
        if let Some(on_error) = &mut self.on_error {
            // A hook that panics has nobody left to tell.
            let _ = catch_unwind(AssertUnwindSafe(|| on_error(error)));
        }
    }

    pub(crate) fn sweep(&mut self, now: Now) {
        if now.ms >= self.swept.saturating_add(SWEEP_EVERY) {
            self.swept = now.ms;
            self.channels.sweep(now);
        }
    }

    /// What the mailbox holds, for who has no loop.
    pub(crate) fn take_posts(&mut self) -> Vec<Post<Letter, Order>> {
        let mut letters = Vec::new();
        self.mailbox.take(&mut letters);
        letters
    }

    pub(crate) fn high_water(&self) -> usize {
        self.limits.high_water
    }

    pub(super) fn form(&self, head: &RequestHead<'_>) -> Form {
        Form::of(head, self.draining)
    }
}
