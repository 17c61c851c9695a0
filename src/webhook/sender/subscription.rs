//! One subscription: where it stands in its channel, whom it sends to, and how that went.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::target::Target;
use crate::channel::Id;
use crate::http::iso_date;
use crate::json::{self, Value};
use crate::webhook::{Secret, Special};

/// Tries that are remembered of a subscription.
const TRIES: usize = 20;
/// How long the old secret signs beside a new one, in milliseconds: a day.
pub(super) const ROTATION: u64 = 24 * 60 * 60 * 1000;

/// What a delivery's body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object with id, type, timestamp, channel and data.
    #[default]
    Json,
    /// The message as it was published.
    Raw,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Raw => "raw",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Format> {
        [Format::Json, Format::Raw]
            .into_iter()
            .find(|format| format.name() == name)
    }
}

/// Whether anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// What is published is sent.
    Active,
    /// Nothing is sent until it is resumed; its place is kept.
    Paused,
    /// It was given up: its receiver has failed for days, or has said that it is gone.
    Disabled,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Paused => "paused",
            State::Disabled => "disabled",
        }
    }

    fn parse(name: &str) -> Option<State> {
        [State::Active, State::Paused, State::Disabled]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was answered with this status.
    Status(u16),
    /// The host's name was not found.
    Lookup,
    /// Nothing may be sent to the host's address.
    Refused(Special),
    /// No connection could be made.
    Connect,
    /// The connection could not be secured.
    Secure,
    /// No answer came in time.
    Timeout,
    /// The receiver ended the connection before it had answered.
    Ended,
    /// What it answered is no HTTP, or its head is too large.
    Malformed,
}

impl Outcome {
    /// Whether the event was taken (RFC 9110 15.3).
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Status(200..=299))
    }

    /// Whether the receiver says that this very message is not to its liking, so that another try will hardly help: not
    /// that it was slow (408), busy (425, 429), or away.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Outcome::Status(status @ 400..=499) if !matches!(status, 408 | 410 | 425 | 429))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Status(status @ 300..=399) => {
                write!(f, "answered {status}; redirects are not followed")
            }
            Outcome::Status(status) => write!(f, "answered {status}"),
            Outcome::Lookup => f.write_str("the host's name was not found"),
            Outcome::Refused(special) => {
                write!(f, "nothing is sent to the host's address: it is {special}")
            }
            Outcome::Connect => f.write_str("no connection could be made"),
            Outcome::Secure => f.write_str("the connection could not be secured"),
            Outcome::Timeout => f.write_str("no answer came in time"),
            Outcome::Ended => f.write_str("the connection ended before an answer"),
            Outcome::Malformed => f.write_str("the answer was no HTTP, or too large"),
        }
    }
}

/// One try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// When it began, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) took_ms: u32,
    pub(super) message: Id,
    pub(super) outcome: Outcome,
}

/// What is kept of a subscription, in memory and, but for its tries, wherever subscriptions outlive the process.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(super) id: Box<str>,
    pub(super) channel: Arc<str>,
    /// As it was given.
    pub(super) url: Box<str>,
    pub(super) target: Arc<Target>,
    pub(super) format: Format,
    pub(super) secret: Secret,
    /// The secret before, and until when it signs, too.
    pub(super) old: Option<(Secret, u64)>,
    pub(super) state: State,
    /// The last message that is done with.
    pub(super) cursor: Id,
    /// Failures of the message that is to be delivered next.
    pub(super) failures: u32,
    /// Since when its receiver fails, in milliseconds since 1970.
    pub(super) failing_since: Option<u64>,
    /// When the next try is made, if it waits for one.
    pub(super) next_attempt: Option<u64>,
    pub(super) tries: VecDeque<Try>,
}

impl Subscription {
    pub(super) fn remember(&mut self, attempt: Try) {
        if self.tries.len() == TRIES {
            self.tries.pop_front();
        }
        self.tries.push_back(attempt);
    }

    /// The secrets that sign at this time.
    pub(super) fn secrets(&self, unix_ms: u64) -> impl Iterator<Item = &Secret> {
        let old = self.old.as_ref().filter(|(_, until)| unix_ms < *until);
        [&self.secret]
            .into_iter()
            .chain(old.map(|(secret, _)| secret))
    }

    /// Without its secrets, as it is listed.
    pub(super) fn write_json(&self, out: &mut Vec<u8>, with_tries: bool) {
        let mut object = Object::begin(out);
        object.text("id", &self.id);
        object.text("url", &self.url);
        object.text("format", self.format.name());
        object.text("state", self.state.name());
        object.text("cursor", &self.cursor.to_string());
        object.raw("failures", &self.failures.to_string());
        match self.next_attempt {
            Some(at) => object.text("next_attempt", &iso_date(at)),
            None => object.raw("next_attempt", "null"),
        }
        if with_tries {
            let mut tries = Vec::from(b"[");
            for (at, attempt) in self.tries.iter().enumerate() {
                if at > 0 {
                    tries.push(b',');
                }
                let mut object = Object::begin(&mut tries);
                object.text("at", &iso_date(attempt.at));
                object.raw("took_ms", &attempt.took_ms.to_string());
                object.text("message", &attempt.message.to_string());
                match attempt.outcome {
                    Outcome::Status(status) => object.raw("status", &status.to_string()),
                    _ => object.raw("status", "null"),
                }
                match attempt.outcome.is_success() {
                    true => object.raw("error", "null"),
                    false => object.text("error", &attempt.outcome.to_string()),
                }
                object.end();
            }
            tries.push(b']');
            object.raw("tries", &String::from_utf8_lossy(&tries));
        }
        object.end();
    }

    /// All that outlives the process, secrets included.
    pub(super) fn to_note(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("id", &self.id);
        object.text("channel", &self.channel);
        object.text("url", &self.url);
        object.text("format", self.format.name());
        object.text("secret", &self.secret.reveal());
        if let Some((old, until)) = &self.old {
            object.text("old", &old.reveal());
            object.raw("old_until", &until.to_string());
        }
        object.text("state", self.state.name());
        object.text("cursor", &self.cursor.to_string());
        object.raw("failures", &self.failures.to_string());
        if let Some(since) = self.failing_since {
            object.raw("failing_since", &since.to_string());
        }
        if let Some(at) = self.next_attempt {
            object.raw("next_attempt", &at.to_string());
        }
        object.end();
        out
    }

    /// What [`Subscription::to_note`] has written; `None` if it has not.
    pub(super) fn from_note(note: &[u8]) -> Option<Subscription> {
        let value = Value::parse(std::str::from_utf8(note).ok()?)?;
        let text = |name| value.get(name).and_then(Value::as_str);
        let number = |name| match value.get(name) {
            Some(Value::Number(number)) => number.parse::<u64>().ok(),
            _ => None,
        };
        let url = text("url")?;
        let old = text("old").and_then(|old| Secret::parse(old).ok());
        Some(Subscription {
            id: text("id")?.into(),
            channel: text("channel")?.into(),
            target: Arc::new(Target::parse(url).ok()?),
            url: url.into(),
            format: Format::parse(text("format")?)?,
            secret: Secret::parse(text("secret")?).ok()?,
            old: old.zip(number("old_until")),
            state: State::parse(text("state")?)?,
            cursor: text("cursor")?.parse().ok()?,
            failures: number("failures")?.try_into().ok()?,
            failing_since: number("failing_since"),
            next_attempt: number("next_attempt"),
            tries: VecDeque::new(),
        })
    }
}

/// A JSON object while it is written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    has_members: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object {
            out,
            has_members: false,
        }
    }

    /// A member whose value is a string.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        json::write_string(self.out, value);
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.extend_from_slice(value.as_bytes());
    }

    fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.has_members, true) {
            self.out.push(b',');
        }
        json::write_string(self.out, name);
        self.out.push(b':');
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::webhook::sender) fn subscription() -> Subscription {
        Subscription {
            id: "wh_1".into(),
            channel: "a \"b\"".into(),
            url: "http://a.example/\u{201c}"[..17].into(),
            target: Arc::new(Target::parse("http://a.example/").unwrap()),
            format: Format::Raw,
            secret: Secret::from_key(&[1; 24]).unwrap(),
            old: Some((Secret::from_key(&[2; 24]).unwrap(), 99)),
            state: State::Paused,
            cursor: Id { ms: 5, seq: 6 },
            failures: 7,
            failing_since: Some(8),
            next_attempt: Some(9),
            tries: VecDeque::new(),
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let mut before = subscription();
        for round in 0..2 {
            let after = Subscription::from_note(&before.to_note()).unwrap();
            assert_eq!(format!("{after:?}"), format!("{before:?}"), "{round}");
            assert_eq!(after.secret, before.secret);
            assert_eq!(after.old, before.old);
            (before.old, before.failing_since, before.next_attempt) = (None, None, None);
        }
        for garbage in ["", "{}", "[1]", "{\"id\":\"a\"}"] {
            assert!(Subscription::from_note(garbage.as_bytes()).is_none());
        }
    }

    #[test]
    fn what_is_listed_holds_no_secret() {
        let mut out = Vec::new();
        let mut subscription = subscription();
        for at in 0..TRIES as u64 + 5 {
            subscription.remember(Try {
                at,
                took_ms: 3,
                message: Id { ms: 1, seq: 2 },
                outcome: Outcome::Status(500),
            });
        }
        assert_eq!(subscription.tries.len(), TRIES);
        subscription.write_json(&mut out, true);
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("whsec"), "{text}");
        let value = Value::parse(&text).unwrap();
        assert_eq!(value.get("state").and_then(Value::as_str), Some("paused"));
        assert_eq!(
            value.get("tries").and_then(Value::as_array).map(<[_]>::len),
            Some(TRIES)
        );
    }

    #[test]
    fn the_old_secret_signs_until_its_day_is_over() {
        let subscription = subscription();
        assert_eq!(subscription.secrets(98).count(), 2);
        assert_eq!(subscription.secrets(99).count(), 1);
    }
}
