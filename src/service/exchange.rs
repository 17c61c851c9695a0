//! One HTTP exchange: a head, perhaps a body, and its answer (RFC 9110, RFC 9112).
//!
//! ```text
//!   take_head ──► begin ──► refuse? ── yes ──► respond
//!                   │          │
//!                   │          no, all there ──────────────► answer ──► a handler, a channel, a WebSocket
//!                   └── a body follows: Body ──► take_body ────┘
//! ```
//!
//! The order of the questions is the order of what they cost and of what an answer may give away: is the head whole and
//! within its limits, who may come in at all (the authorisation hook), may this page (Origin), is there such a route. Only then
//! is memory taken for a body, and only as it comes. A refusal before a body that will still come ends the connection, because
//! what follows could not be told from the next request (RFC 9112 9.3).
//!
//! [`machine`](super::machine) calls `take_head` and `take_body` with what has arrived, in the states Head and Body, and
//! gets back how much of it was used. A handler runs inside `call_handler`, where a panic is caught and what it had written
//! is taken back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::access::Access;
use super::cors;
use super::credit::Bounds;
use super::form::Form;
use super::origin::Own;
use super::reply::{Answer, Fallback, Reply, broken};
use super::request::Request;
use super::router::{Endpoint, Found, Pages, asks_for_socket};
use super::shared::Service;
use super::state::{Connection, Parked, State, Upload};
use crate::command::Promise;
use crate::error::Error;
use crate::http::{
    BodyDecoder, BodyLength, HeadFinder, Piece, RequestHead, Scheme, Status, request_body_length,
};
use crate::net::{Io, Protocol};
use crate::response::{Extra, Response, ResponseError, refusal};

/// Answers "go on" to who asked before sending a body (RFC 9110 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// When to look again after an answer that should come through the mailbox any moment.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The answer to a request that breaks a rule.
fn fault(error: crate::http::Error) -> Response {
    refusal(error.status(), &error.to_string())
}

impl Service {
    /// Takes a request's head, and its body too where that is there already. Says how much of the input that used,
    /// or `None` if the head is not complete.
    pub(super) fn take_head(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        finder: &mut Option<HeadFinder>,
        io: &mut Io<'_>,
    ) -> Option<usize> {
        let limits = self.limits.head_limits();
        let header_timeout = self.limits.header_timeout;
        let looking = finder.get_or_insert_with(|| {
            // One deadline for the whole head, from its first byte on.
            io.set_deadline(header_timeout);
            HeadFinder::default()
        });
        let length = match looking.find(input, &limits) {
            Ok(Some(length)) => length,
            Ok(None) => return None,
            Err(error) => {
                self.reject_unread(connection, io, input, fault(error));
                return Some(input.len());
            }
        };
        *finder = None;
        let (head_bytes, behind) = input.split_at(length);
        let head = match RequestHead::parse(head_bytes, &limits) {
            Ok(head) => head,
            Err(error) => {
                self.reject_unread(connection, io, input, fault(error));
                return Some(input.len());
            }
        };
        match self.begin(connection, &head, head_bytes, behind, io) {
            Ok(body) => Some(length + body),
            Err(error) => {
                let mut refusal = fault(error);
                cors::show(&self.origins, &head, &mut refusal);
                self.reject(connection, io, self.form(&head), &refusal);
                Some(input.len())
            }
        }
    }

    /// Looks at a complete head: who may come in, whether a body follows, and if it is all there, answers. Says how
    /// much of what lies behind the head was used.
    fn begin(
        &mut self,
        connection: &mut Connection,
        head: &RequestHead<'_>,
        head_bytes: &[u8],
        behind: &[u8],
        io: &mut Io<'_>,
    ) -> Result<usize, crate::http::Error> {
        if let Some(log) = &mut self.log {
            log.asked(io.id, connection.peer, head);
        }
        let length = request_body_length(head)?;
        let expects = head.expectation()?;
        connection.serial = connection.serial.wrapping_add(1);
        let found = self.router.find(head);
        if let Some(mut response) = self.refuse(connection, head, &found, io.is_secured()) {
            if response.status.code() >= 400 {
                cors::show(&self.origins, head, &mut response);
            }
            // A body that nobody wants is not waited for: the connection ends with the answer. Behind a CONNECT comes
            // what the client means for somebody else (RFC 9110 9.3.6); it must not be read as requests.
            let follows = !matches!(length, BodyLength::None | BodyLength::Exactly(0));
            let ends = follows || head.method() == "CONNECT";
            let form = if ends {
                self.form(head).last()
            } else {
                self.form(head)
            };
            self.respond(io, form, &response);
            return Ok(0);
        }
        let decoder = BodyDecoder::new(length, self.limits.body as u64)?;
        match length {
            BodyLength::None => {
                self.answer(connection, head, &found, b"", io);
                Ok(0)
            }
            BodyLength::Exactly(length) if behind.len() as u64 >= length => {
                // No longer than the input, so it fits a usize.
                let length = length as usize;
                self.answer(connection, head, &found, &behind[..length], io);
                Ok(length)
            }
            _ => {
                if expects && behind.is_empty() {
                    io.out.copy(CONTINUE);
                }
                io.set_deadline(self.limits.body_timeout);
                connection.begin_body(Upload {
                    head: head_bytes.into(),
                    form: self.form(head),
                    decoder,
                    body: Vec::new(),
                });
                Ok(0)
            }
        }
    }

    /// Why this request is refused before its body is looked at, if it is: another scheme's target, the authorisation
    /// hook, the origin rule, or no route.
    fn refuse(
        &mut self,
        connection: &Connection,
        head: &RequestHead<'_>,
        found: &Found,
        secured: bool,
    ) -> Option<Response> {
        // RFC 9110 7.4: a request for the other scheme's resource is not for this connection.
        let other = if secured { Scheme::Http } else { Scheme::Https };
        if head.uri().scheme() == Some(other) {
            let why = "the target's scheme is not the one of this connection";
            return Some(refusal(Status::MISDIRECTED_REQUEST, why));
        }
        if let Found::Options {
            allowed,
            shared: true,
        } = found
        {
            if let Some(response) = cors::preflight(&self.origins, head, allowed) {
                return Some(response);
            }
        }
        if let Some(authorize) = &mut self.authorize {
            let mut request = Request::new(*head, b"", connection.peer);
            if let Found::Handler(index) | Found::Channel(index) | Found::WebSocket(index) = found {
                if let Some(route) = self.router.get(*index) {
                    request = request.of_route(&route.pattern);
                }
            }
            match catch_unwind(AssertUnwindSafe(|| authorize(&request))) {
                Ok(Access::Allow) => {}
                Ok(Access::Forbid) => {
                    return Some(refusal(Status::FORBIDDEN, "this is not for you"));
                }
                Ok(Access::Challenge(challenge)) => {
                    let response = refusal(Status::UNAUTHORIZED, "it takes credentials to come in");
                    let response = response.header("WWW-Authenticate", &challenge);
                    if let Some(problem) = response.problem {
                        self.report_response("the authorization hook".into(), problem);
                        return Some(broken());
                    }
                    return Some(response);
                }
                Err(_) => {
                    self.report(&Error::Panicked);
                    return Some(refusal(
                        Status::INTERNAL_SERVER_ERROR,
                        "the server's authorisation failed",
                    ));
                }
            }
        }
        let publishes = matches!(found, Found::Channel(_)) && head.method() == "POST";
        let changes =
            matches!(found, Found::Handler(index) if self.router.pages(*index) == Pages::Change);
        let guarded = publishes || changes || opens_socket(head, found);
        let host = head.host();
        let own = Own { host, secured };
        if guarded && !self.origins.admit(head.fields().all("Origin"), own) {
            return Some(refusal(
                Status::FORBIDDEN,
                "pages of this Origin are not allowed here",
            ));
        }
        unanswerable(found, head)
    }

    /// Takes a piece of a body. Says how much of the input that used, or `None` if there is nothing to be kept or
    /// done.
    pub(super) fn take_body(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        io: &mut Io<'_>,
    ) -> Option<usize> {
        let State::Body(upload) = connection.state() else {
            return None;
        };
        let mut at = 0;
        loop {
            match upload.decoder.decode(&input[at..]) {
                Ok((used, Piece::Data(data))) => {
                    upload.body.extend_from_slice(data);
                    at += used;
                }
                Ok((used, Piece::More)) => {
                    io.set_deadline(self.limits.body_timeout);
                    return Some(at + used);
                }
                Ok((used, Piece::End)) => {
                    at += used;
                    break;
                }
                Err(error) => {
                    self.reject_upload(connection, io, fault(error));
                    return Some(input.len());
                }
            }
        }
        let upload = connection.end_body()?;
        match RequestHead::parse(&upload.head, &self.limits.head_limits()) {
            Ok(head) => {
                let found = self.router.find(&head);
                self.answer(connection, &head, &found, &upload.body, io);
            }
            Err(error) => self.reject(connection, io, upload.form, &fault(error)),
        }
        Some(at)
    }

    /// Answers a request whose head could not be read, or did not come, and ends the connection.
    pub(super) fn reject_unread(
        &mut self,
        connection: &mut Connection,
        io: &mut Io<'_>,
        input: &[u8],
        mut refusal: Response,
    ) {
        if let Some(log) = &mut self.log {
            log.asked_badly(io.id, connection.peer, input);
        }
        cors::show_unread(&self.origins, input, &mut refusal);
        self.reject(connection, io, Form::unread(input), &refusal);
    }

    /// Answers a request whose body could not be read, or did not come, and ends the connection.
    pub(super) fn reject_upload(
        &mut self,
        connection: &mut Connection,
        io: &mut Io<'_>,
        mut refusal: Response,
    ) {
        let State::Body(upload) = connection.peek() else {
            return;
        };
        if let Ok(head) = RequestHead::parse(&upload.head, &self.limits.head_limits()) {
            cors::show(&self.origins, &head, &mut refusal);
        }
        let form = upload.form;
        self.reject(connection, io, form, &refusal);
    }

    /// Answers a complete request.
    fn answer(
        &mut self,
        connection: &mut Connection,
        head: &RequestHead<'_>,
        found: &Found,
        body: &[u8],
        io: &mut Io<'_>,
    ) {
        let request = Request::new(*head, body, connection.peer);
        match found {
            Found::Handler(index) => {
                self.count_request();
                self.call_handler(connection, *index, request, io);
            }
            Found::Channel(index) => self.answer_channel(connection, *index, &request, io),
            Found::WebSocket(index) => self.open_socket(connection, *index, &request, io),
            _ => {
                let form = self.form(head);
                let response = unanswerable(found, head).unwrap_or_else(Response::empty);
                self.respond(io, form, &response);
            }
        }
        if self.draining {
            // What opened just now missed the end that came to all others.
            self.drain(connection, io);
        }
    }

    /// Answers with a response that the program promised on this route, and made outside a [`Reply`].
    pub(super) fn respond_promised(
        &mut self,
        io: &mut Io<'_>,
        form: Form,
        route: usize,
        response: Response,
    ) {
        match response.problem {
            None => self.respond(io, form, &response),
            Some(error) => {
                self.report_response(self.router.name(route), error);
                self.respond(io, form, &broken());
            }
        }
    }

    fn report_response(&mut self, route: String, error: ResponseError) {
        self.report(&Error::Response { route, error });
    }

    fn call_handler(
        &mut self,
        connection: &mut Connection,
        index: usize,
        request: Request<'_>,
        io: &mut Io<'_>,
    ) {
        let form = self.form(request.head());
        let mut extra = Extra::default();
        if self.router.pages(index) != Pages::Program {
            let origin = cors::reader(&self.origins, request.head());
            extra.fields = cors::fields(&self.origins, origin.as_deref());
        }
        let Some(route) = self.router.get_mut(index) else {
            return;
        };
        let handler = match &mut route.endpoint {
            Endpoint::Handler { handler, .. } => handler,
            Endpoint::Report(report) => {
                let report = *report;
                return self.answer_report(connection, index, report, form, io);
            }
            _ => return,
        };
        let request = request.of_route(&route.pattern);
        let mut answer = Answer::Owed;
        let (before, own) = (io.out.len(), io.out.buffer().len());
        let reply = Reply {
            promise: Promise {
                id: io.id,
                serial: connection.serial,
            },
            date: self.dates.at(io.now.unix_ms / 1000),
            out: io.out.buffer(),
            form,
            extra,
            mailbox: &self.mailbox,
            bounds: Bounds {
                window: self.limits.high_water.max(1),
                most: self.limits.backlog,
            },
            answer: &mut answer,
        };
        let called = catch_unwind(AssertUnwindSafe(|| handler(&request, reply)));
        if called.is_err() {
            // What it may have written is not a whole answer.
            io.out.buffer().truncate(own);
            return self.fail_handler(io, form, Error::Panicked);
        }
        match answer {
            Answer::Given(status) => {
                self.log_answer(io, status, before);
                self.end_answer(io, form);
            }
            Answer::Promised(awaited, fallback) => {
                match &fallback {
                    Some(fallback) => io.set_deadline(fallback.time),
                    None => io.clear_deadline(),
                }
                connection.promise(Parked {
                    form,
                    route: index,
                    awaited,
                    fallback,
                });
                if self.draining || connection.ended {
                    self.answer_otherwise(connection, io);
                }
            }
            Answer::Streamed { .. } if form.head_only => {
                self.log_answer(io, Status::OK, before);
                self.end_answer(io, form.in_pieces());
            }
            Answer::Streamed { debtor, events } => {
                self.log_answer(io, Status::OK, before);
                let form = form.in_pieces();
                connection.stream(form, events, debtor);
                io.set_deadline(self.limits.heartbeat);
            }
            Answer::Broken(problem) => {
                self.report_response(self.router.name(index), problem);
                self.log_answer(io, Status::INTERNAL_SERVER_ERROR, before);
                self.end_answer(io, form);
            }
            Answer::Owed => self.fail_handler(io, form, Error::NoAnswer),
        }
    }

    /// A promise that was not kept in time, or can't be waited for: its client gets the other answer, if there is
    /// one and the promised one is not on its way.
    pub(super) fn give_up_promise(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        if self.answer_otherwise(connection, io) {
            self.process_rest(connection, io);
        }
    }

    /// As [`Service::give_up_promise`], without a look at further requests. Returns whether it was answered.
    fn answer_otherwise(&mut self, connection: &mut Connection, io: &mut Io<'_>) -> bool {
        let State::Promised(parked) = connection.state() else {
            return false;
        };
        if parked.fallback.is_some() && !parked.awaited.0.take() {
            // Should it not get into the mailbox after all, it is missed at the next look.
            io.set_deadline(LOOK_AGAIN);
            return false;
        }
        let Some(Fallback { make, .. }) = parked.fallback.take() else {
            return false;
        };
        let (form, route) = (parked.form, parked.route);
        connection.take_promise();
        let response = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| {
            self.report(&Error::Panicked);
            refusal(Status::INTERNAL_SERVER_ERROR, "the server failed to answer")
        });
        self.respond_promised(io, form, route, response);
        true
    }

    fn fail_handler(&mut self, io: &mut Io<'_>, form: Form, error: Error) {
        self.report(&error);
        let form = Form {
            keep_alive: false,
            ..form
        };
        self.respond(
            io,
            form,
            &refusal(Status::INTERNAL_SERVER_ERROR, "the server failed to answer"),
        );
    }
}

/// Whether a request asks for a WebSocket where there is one.
fn opens_socket(head: &RequestHead<'_>, found: &Found) -> bool {
    match found {
        Found::WebSocket(_) => true,
        Found::Channel(_) => asks_for_socket(head),
        _ => false,
    }
}

/// The answer to what no route takes.
fn unanswerable(found: &Found, head: &RequestHead<'_>) -> Option<Response> {
    let path = head.uri().path();
    Some(match found {
        Found::Handler(_) | Found::Channel(_) | Found::WebSocket(_) => return None,
        Found::Options { allowed, .. } => Response::empty().header("Allow", allowed),
        Found::UpgradeRequired => refusal(Status::UPGRADE_REQUIRED, "this is a WebSocket endpoint")
            .header("Sec-WebSocket-Version", "13")
            .upgrade(),
        Found::MethodNotAllowed(allowed) => refusal(
            Status::METHOD_NOT_ALLOWED,
            &format!("{path} answers to {allowed}"),
        )
        .header("Allow", allowed),
        Found::UnknownMethod => refusal(
            Status::NOT_IMPLEMENTED,
            "this server does not know the method",
        ),
        Found::Nowhere => refusal(Status::NOT_FOUND, &format!("there is nothing at {path}")),
    })
}
