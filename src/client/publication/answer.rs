//! What an answer says of its message: published, tried again, or refused for good. The table stands in [`super`].

use super::{Answer, Courier, Expected, Trouble};
use crate::client::error::Error;
use crate::client::talk::{MAX_SAID, retry_after};
use crate::http::{self, BodyDecoder, BodyLength, Piece, ResponseHead, response_body_length};
use crate::json::Value;
use crate::net::{Io, Now};

/// The most bytes of an acknowledgement: an id, and whatever a server adds to it.
const MAX_ANSWER: usize = 4 * 1024;

/// What the program is told, and whether an error leaves open whether the message was published.
pub(super) type Told = Result<String, (Error, bool)>;

/// The head of an answer, and how its body is read.
fn judge_head(head: &ResponseHead<'_>, now: Now) -> Result<(Answer, BodyDecoder), http::Error> {
    let answer = Answer {
        status: head.status(),
        retry_after: retry_after(head, now),
        location: head.fields().get_str("Location").map(str::to_owned),
        keep_alive: head.keep_alive(),
    };
    // However badly its end is marked, the beginning of what it says can be read.
    let length = response_body_length(head, "POST").unwrap_or(BodyLength::UntilClose);
    Ok((answer, BodyDecoder::new(length, u64::MAX)?))
}

impl Courier {
    /// Takes the head of an answer. Says how much of the input that used.
    pub(super) fn take_head(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let Expected::Head(reader) = &mut self.expected else {
            return input.len();
        };
        match reader.read(input, |head| judge_head(head, io.now)) {
            Ok(None) => input.len(),
            Ok(Some((used, Ok((answer, body))))) => {
                let said = Vec::new();
                self.expected = Expected::Body { body, said, answer };
                used
            }
            Ok(Some((_, Err(error)))) | Err(error) => {
                self.fail(Trouble::open(Error::Http(error)), io);
                input.len()
            }
        }
    }

    /// Takes a piece of what an answer says. Says how much of the input that used.
    pub(super) fn take_body(&mut self, input: &[u8], io: &mut Io<'_>) -> usize {
        let Expected::Body { body, said, answer } = &mut self.expected else {
            return input.len();
        };
        let most = if answer.status == 201 {
            MAX_ANSWER
        } else {
            MAX_SAID
        };
        let (used, is_complete) = match body.decode(input) {
            Ok((used, Piece::End)) => (used, true),
            Ok((used, Piece::More)) => (used, false),
            Ok((used, Piece::Data(data))) => {
                let room = most.saturating_sub(said.len()).min(data.len());
                said.extend_from_slice(&data[..room]);
                (used, false)
            }
            Err(_) => {
                answer.keep_alive = false;
                (input.len(), true)
            }
        };
        if is_complete {
            self.end_body(io);
        } else if said.len() >= most {
            answer.keep_alive = false;
            self.end_body(io);
        }
        used
    }

    /// An answer has said what it will.
    pub(super) fn end_body(&mut self, io: &mut Io<'_>) {
        let expected = std::mem::replace(&mut self.expected, Expected::Idle);
        let Expected::Body { said, answer, .. } = expected else {
            return;
        };
        match self.judge(&answer, &said) {
            Err(trouble) => self.fail(trouble, io),
            Ok(told) => {
                self.take_result(told);
                // What is not read to its end would be taken for the next answer. Else the next message goes out when all
                // that has come is looked at.
                if !answer.keep_alive {
                    self.leave(io);
                }
            }
        }
    }

    /// What an answer says of the first message.
    pub(super) fn judge(&self, answer: &Answer, said: &[u8]) -> Result<Told, Trouble> {
        let status = answer.status;
        let words = || String::from_utf8_lossy(said).trim().to_owned();
        let refused = |open| Ok(Err((Error::Status(status, words()), open)));
        let again = |open| {
            let error = Error::Status(status, words());
            let retry_after = answer.retry_after;
            Err(Trouble {
                error,
                retry_after,
                open,
            })
        };
        match status {
            201 => match id(said) {
                Some(id) => Ok(Ok(id)),
                None => Err(Trouble::open(Error::Envelope)),
            },
            200..=299 => {
                let why = "where a channel answers 201: is this a channel's URL?";
                Ok(Err((Error::Status(status, why.into()), true)))
            }
            300..=399 => {
                let to = answer.location.as_deref().unwrap_or("nowhere");
                let why = format!("it redirects to {to}, which is where to publish");
                let is_open = !matches!(status, 301 | 302 | 307 | 308);
                Ok(Err((Error::Status(status, why), is_open)))
            }
            425 | 429 => again(false),
            408 => again(true),
            400..=499 => refused(false),
            // A server of this crate says when to come again, and only where nothing was kept.
            503 => again(answer.retry_after.is_none()),
            _ => again(true),
        }
    }

    /// The first message is settled by its answer.
    pub(super) fn take_result(&mut self, told: Told) {
        self.failures = 0;
        match told {
            Ok(id) => self.settle(Ok(id)),
            Err((error, open)) => {
                if let Some(item) = self.waiting.front_mut().filter(|_| open) {
                    item.open.get_or_insert(item.asked);
                }
                self.give_up(error);
            }
        }
    }
}

/// The id that an acknowledgement tells.
fn id(said: &[u8]) -> Option<String> {
    let answer = Value::parse(std::str::from_utf8(said).ok()?)?;
    let id = answer.get("id")?.as_str()?;
    (!id.is_empty()).then(|| id.to_owned())
}
