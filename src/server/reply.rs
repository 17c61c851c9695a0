//! How a handler answers: at once, later, or piece by piece.

use super::response::{Form, Response, refusal};
use crate::command::{Command, Promise};
use crate::error::Error;
use crate::http::{FieldValue, HttpDate, Status};
use crate::net::{ConnectionId, Mailbox, Stopped};
use crate::{http, sse};

/// The answer that a handler owes. Each of its methods gives it; a reply that is dropped without one becomes a 500.
#[derive(Debug)]
pub struct Reply<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) date: &'a HttpDate,
    pub(super) form: Form,
    pub(super) promise: Promise,
    pub(super) mailbox: &'a Mailbox<Command>,
    pub(super) answer: &'a mut Answer,
}

/// What became of a [`Reply`].
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing yet.
    Owed,
    /// It is written.
    Given,
    /// It is written, but is not what the handler wanted.
    Failed(Error),
    /// It comes through the mailbox.
    Promised,
    /// Its head is written; pieces come through the mailbox. An event stream gets comments while it is silent.
    Streamed { events: bool },
}

impl<'a> Reply<'a> {
    /// Sends a response.
    pub fn send(self, response: Response) {
        *self.answer = match response.problem {
            None => {
                self.form.write(self.out, self.date, &response);
                Answer::Given
            }
            Some(error) => {
                self.form.write(self.out, self.date, &broken());
                Answer::Failed(Error::Field(error))
            }
        };
    }

    /// 200 with plain text.
    pub fn text(self, text: impl Into<String>) {
        self.send(Response::text(text.into()));
    }

    /// 200 with an HTML page.
    pub fn html(self, html: impl Into<String>) {
        self.send(Response::html(html.into()));
    }

    /// 200 with JSON, as text.
    pub fn json(self, json: impl Into<String>) {
        self.send(Response::json(json.into()));
    }

    /// An answer without a body but for the status in words, such as 404 or 503; 204 has none at all.
    pub fn status(self, code: u16) {
        if code == Status::NO_CONTENT.code() {
            return self.send(Response::empty());
        }
        let status = Status::new(code).unwrap_or(Status::INTERNAL_SERVER_ERROR);
        self.send(Response::text(format!("{status}\n")).status(code));
    }

    /// Promises the answer for later, from any thread. Until it comes, the connection waits, and further requests
    /// on it too. A promise that is dropped becomes a 500.
    pub fn later(self) -> Later {
        *self.answer = Answer::Promised;
        Later {
            mailbox: Some(self.mailbox.clone()),
            promise: self.promise,
        }
    }

    /// Begins an answer whose body comes piece by piece, from any thread: chunked in HTTP/1.1, until the end of the
    /// connection in HTTP/1.0. It ends when the stream is dropped.
    ///
    /// A media type that can't be written gives the client a 500, and every write to the stream fails.
    pub fn stream(self, media_type: &str) -> Stream {
        let mailbox = match FieldValue::new(media_type) {
            Ok(value) => {
                self.form.write_stream(self.out, self.date, value);
                *self.answer = Answer::Streamed {
                    events: media_type == sse::MEDIA_TYPE,
                };
                Some(self.mailbox.clone())
            }
            Err(error) => {
                self.form.write(self.out, self.date, &broken());
                *self.answer = Answer::Failed(Error::Field(error));
                None
            }
        };
        Stream {
            mailbox,
            promise: self.promise,
        }
    }

    /// Begins an event stream: see [`EventStream`].
    pub fn events(self) -> EventStream {
        EventStream {
            stream: self.stream(sse::MEDIA_TYPE),
        }
    }
}

pub(super) fn broken() -> Response {
    refusal(
        Status::INTERNAL_SERVER_ERROR,
        "the server made an answer that can't be sent",
    )
}

/// An answer that was promised ([`Reply::later`]).
#[derive(Debug)]
#[must_use = "a promise that is dropped becomes a 500"]
pub struct Later {
    mailbox: Option<Mailbox<Command>>,
    promise: Promise,
}

impl Later {
    /// Keeps the promise. If the client has gone meanwhile, nothing happens.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn send(mut self, response: Response) -> Result<(), Stopped> {
        self.give(response)
    }

    fn give(&mut self, response: Response) -> Result<(), Stopped> {
        match self.mailbox.take() {
            Some(mailbox) => {
                let command = Command::Answer(self.promise.serial, Box::new(response));
                mailbox.send(Some(self.promise.id), command)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if self.mailbox.is_some() {
            let why = "the answer that was promised did not come";
            // If the server has ended there is nobody left to tell.
            let _ = self.give(refusal(Status::INTERNAL_SERVER_ERROR, why));
        }
    }
}

/// A body that is written piece by piece ([`Reply::stream`]). Ends when it is dropped.
#[derive(Debug)]
pub struct Stream {
    mailbox: Option<Mailbox<Command>>,
    promise: Promise,
}

impl Stream {
    /// Sends a piece. If the client has gone, nothing happens.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn write(&self, piece: impl Into<Vec<u8>>) -> Result<(), Stopped> {
        let mailbox = self.mailbox.as_ref().ok_or(Stopped::Ended)?;
        mailbox.send(
            Some(self.promise.id),
            Command::Piece(self.promise.serial, piece.into()),
        )
    }

    /// The connection it goes over.
    pub fn id(&self) -> ConnectionId {
        self.promise.id
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(mailbox) = &self.mailbox {
            let _ = mailbox.send(Some(self.promise.id), Command::End(self.promise.serial));
        }
    }
}

/// An event stream of a handler's own ([`Reply::events`]); for a channel's, see
/// [`Server::channels`](crate::Server::channels). Ends when it is dropped. Comments go out while it is silent, so
/// that proxies keep it open.
#[derive(Debug)]
pub struct EventStream {
    stream: Stream,
}

impl EventStream {
    /// Sends an event.
    ///
    /// # Errors
    /// The server has ended or is overloaded.
    pub fn send(&self, event: &sse::Event<'_>) -> Result<(), Stopped> {
        let mut block = Vec::new();
        sse::write_event(&mut block, event);
        self.stream.write(block)
    }

    /// The connection it goes over.
    pub fn id(&self) -> ConnectionId {
        self.stream.id()
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Error {
        Error::Field(error)
    }
}
