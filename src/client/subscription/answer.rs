//! The heads of the answers, and what each comes to: a [`Verdict`] by status, way and media type, and then the step that
//! follows from it. As WHATWG HTML 9.2.3 has it for an event stream, as RFC 6455 4.1 has it for a WebSocket.
//!
//! ```text
//!   head ──► Verdict ──► Socket, Stream, Batch   the body is read as that: `body`
//!                   ├──► NothingNew              asked again, or rested
//!                   ├──► Redirect                asked there, a bounded number of times
//!                   └──► an error                `Retry-After` is heeded; `fallback` says what follows
//! ```
//!
//! The invariant: whatever the head says, the connection goes on in exactly one of these ways, and the cursor has not moved.

use std::time::Duration;

use super::{Expected, Follower, Plan};
use crate::client::error::Error;
use crate::client::options::Transport;
use crate::client::talk::{PATIENCE, SESSION, retry_after};
use crate::client::url::Url;
use crate::http::{self, BodyDecoder, BodyLength, ResponseHead, response_body_length};
use crate::net::{Io, Now};
use crate::session::Session;
use crate::session::compression::Compression;
use crate::sse;

/// How much longer than one message a poll's answer may be: a batch is about 1 MiB unless its first message alone is
/// longer.
const BATCH: usize = 48 << 20;
/// Redirects that are followed without an answer between them (WHATWG Fetch 4.4 has 20).
const MAX_REDIRECTS: u8 = 20;

/// What an answer's head comes to.
enum Verdict {
    Socket {
        cursor: Option<Box<str>>,
        compression: Option<Compression>,
    },
    Stream(BodyDecoder),
    Batch {
        body: BodyDecoder,
        last_id: Option<Box<str>>,
        keep_alive: bool,
    },
    NothingNew {
        cursor: Option<Box<str>>,
        keep_alive: bool,
    },
    Redirect(Vec<u8>),
    Refusal {
        body: BodyDecoder,
        status: u16,
        retry_after: Option<Duration>,
    },
    /// A batch that is not worth to be drawn, and the cursor behind it.
    TooLarge(Option<Box<str>>),
    /// As a refusal, with nothing more to read.
    Refused(Error, Option<Duration>),
    Failed(Error),
    End,
}

impl Follower {
    /// What the head of an answer comes to.
    fn judge(&self, head: &ResponseHead<'_>, key: &[u8; 16], now: Now) -> Verdict {
        let transport = self.transport();
        let cursor = || {
            head.fields()
                .get_str("Last-Event-ID")
                .filter(|id| !id.is_empty())
                .map(Into::into)
        };
        if transport == Transport::WebSocket && head.status() == 101 {
            return match self.options.deflating.check_response(head, key, &[]) {
                Ok((_, compression)) => Verdict::Socket {
                    cursor: cursor(),
                    compression,
                },
                Err(error) => Verdict::Failed(Error::Handshake(error)),
            };
        }
        // Of a batch everything is kept, of a refusal only its beginning, and of a stream an event at a time.
        let whole = transport != Transport::EventStream && !self.obstacle.sounding;
        let limit = if head.status() == 200 && whole {
            self.options.max_message.saturating_add(BATCH) as u64
        } else {
            u64::MAX
        };
        let length = response_body_length(head, "GET");
        let (length, coding) = match length {
            Ok(length) => (length, content_coding(head)),
            Err(http::Error::UnknownTransferCoding) => (
                BodyLength::UntilClose,
                Some(list(head, "Transfer-Encoding")),
            ),
            Err(error) => return Verdict::Failed(Error::Http(error)),
        };
        let body = match BodyDecoder::new(length, limit) {
            Ok(body) => body,
            Err(http::Error::BodyTooLarge) => return Verdict::TooLarge(cursor()),
            Err(error) => return Verdict::Failed(Error::Http(error)),
        };
        let is = |media_type: &str| {
            let given = head.fields().get_str("Content-Type").unwrap_or_default();
            given
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case(media_type)
        };
        let keep_alive = head.keep_alive();
        match (head.status(), transport) {
            (200, transport) if transport != Transport::WebSocket && coding.is_some() => {
                Verdict::Failed(Error::Coding(coding.unwrap_or_default()))
            }
            (200, Transport::EventStream) if is(sse::MEDIA_TYPE) => Verdict::Stream(body),
            (200, Transport::LongPoll | Transport::ShortPoll) if is("application/json") => {
                let last_id = cursor();
                Verdict::Batch {
                    body,
                    last_id,
                    keep_alive,
                }
            }
            (200, transport) if transport != Transport::WebSocket => {
                let given = head
                    .fields()
                    .get_str("Content-Type")
                    .unwrap_or("no media type");
                Verdict::Failed(Error::MediaType(given.to_owned()))
            }
            (204, Transport::EventStream) => Verdict::End,
            (204, Transport::LongPoll | Transport::ShortPoll) => Verdict::NothingNew {
                cursor: cursor(),
                keep_alive,
            },
            (301 | 302 | 303 | 307 | 308, transport) if transport != Transport::WebSocket => {
                match head.fields().get("Location") {
                    Some(location) => Verdict::Redirect(location.to_owned()),
                    None => Verdict::Failed(Error::Status(head.status(), String::new())),
                }
            }
            // It speaks HTTP there and no WebSocket; what it says may have no end.
            (status @ 200..=299, Transport::WebSocket) => {
                Verdict::Failed(Error::Status(status, String::new()))
            }
            // What it says for people is not worth a way to read it.
            (status, _) if coding.is_some() => {
                Verdict::Refused(Error::Status(status, String::new()), retry_after(head, now))
            }
            (status, _) => Verdict::Refusal {
                body,
                status,
                retry_after: retry_after(head, now),
            },
        }
    }

    /// Takes the head of an answer. Says how much of the input that used.
    pub(super) fn take_head(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let Expected::Head { mut reader, key } =
            std::mem::replace(&mut self.expected, Expected::Idle)
        else {
            return 0;
        };
        let (used, verdict) = match reader.read(input, |head| self.judge(head, &key, io.now)) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.expected = Expected::Head { reader, key };
                return input.len();
            }
            Err(error) => {
                self.fail(Error::Http(error), io);
                return input.len();
            }
        };
        match verdict {
            Verdict::Socket {
                cursor,
                compression,
            } => {
                self.answered(cursor, io.now);
                let session = Box::new(Session::client().compressed(compression));
                io.read_in_pieces(session.is_compressed());
                self.expected = Expected::Socket(session);
                io.set_deadline(SESSION.ping_interval);
            }
            Verdict::Stream(body) => {
                self.answered(None, io.now);
                let last_id = self.cursor.id();
                let events = Box::new(sse::Decoder::resume(self.options.max_message, last_id));
                self.expected = Expected::Stream { body, events };
                match self.options.transport {
                    Some(_) => self.watch_silence(io),
                    // A channel's stream begins at once, unless something on the way holds it back.
                    None => io.set_deadline(PATIENCE),
                }
            }
            Verdict::Batch {
                body,
                last_id,
                keep_alive,
            } => {
                self.expected = Expected::Batch {
                    body,
                    bytes: Vec::new(),
                    last_id,
                    keep_alive,
                    since: io.now.ms,
                };
                io.set_deadline(PATIENCE);
            }
            Verdict::NothingNew { cursor, keep_alive } => {
                self.answered(cursor, io.now);
                self.works();
                let waited = self.transport() == Transport::LongPoll && !self.is_early(io);
                self.rest(!waited, keep_alive, io);
            }
            Verdict::Redirect(location) => self.redirect(&location, io),
            Verdict::Refusal {
                body,
                status,
                retry_after,
            } => {
                self.expected = Expected::Refusal {
                    body,
                    said: Vec::new(),
                    status,
                    retry_after,
                };
                io.set_deadline(PATIENCE);
            }
            Verdict::TooLarge(last_id) => {
                self.note_obstacle(last_id.as_deref());
                self.fail(Error::TooLarge, io);
            }
            Verdict::Refused(error, retry_after) => {
                self.plan = Some(Plan::Failed(error, retry_after));
                self.hang_up(io);
            }
            Verdict::Failed(error) => self.fail(error, io),
            Verdict::End => {
                self.plan = Some(Plan::End);
                self.hang_up(io);
            }
        }
        used
    }

    fn redirect(&mut self, location: &[u8], io: &mut Io<'_>) {
        self.redirects += 1;
        if self.redirects > MAX_REDIRECTS {
            return self.fail(Error::Redirects, io);
        }
        match self.led_to(location) {
            Ok(url) => {
                self.url = url;
                self.plan = Some(Plan::Again(Duration::ZERO));
                self.hang_up(io);
            }
            Err(error) => self.fail(error, io),
        }
    }

    /// Where a redirect leads: never from a secured connection to one that is not, which anybody could read.
    fn led_to(&mut self, location: &[u8]) -> Result<Url, Error> {
        let url = self.url.join(location)?;
        if self.url.scheme.is_secure() && !url.scheme.is_secure() {
            let why = "is where a secured connection redirects to, and is not secured";
            return Err(Error::Url(format!("{:?} {why}", url.to_string())));
        }
        #[cfg(feature = "tls")]
        crate::client::options::trust_for(&url, &mut self.options.tls)?;
        Ok(url)
    }
}

/// The coding of the content, if it is in one. `identity` is none (RFC 9110 12.5.3), wherever it stands.
fn content_coding(head: &ResponseHead<'_>) -> Option<String> {
    let coded = head
        .fields()
        .tokens("Content-Encoding")
        .any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    coded.then(|| list(head, "Content-Encoding"))
}

/// The members of a list field, for people.
fn list(head: &ResponseHead<'_>, name: &str) -> String {
    let members = head.fields().tokens(name).map(String::from_utf8_lossy);
    members.collect::<Vec<_>>().join(", ")
}
