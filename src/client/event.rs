//! What a subscriber is given: an event, in whichever encoding it came.
//!
//! ```text
//!   frame, batch    {"id":"..","event":"..","data":"..","encoding":"base64"}
//!   event stream    id, event, data; data that is not text is that same object
//! ```
//!
//! All of them come to the same [`Event`], so that a program can't tell the ways apart. It is the inverse of what
//! `channel::Encoding` writes; whatever else a server says is [`Error::Envelope`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use crate::channel::{DEFAULT_EVENT, Data, GAP_EVENT};
use crate::json::Value;

/// A message of a channel, or an event of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(super) id: Box<str>,
    pub(super) name: Option<Box<str>>,
    pub(super) data: Data,
}

impl Event {
    /// Its id: the cursor to go on from. Empty if the stream gives none.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its event name; `message` if it was published without one.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_EVENT)
    }

    /// What it carries, as text. Of binary data, what is not UTF-8 is replaced: see [`Event::bytes`].
    pub fn data(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.data.as_bytes())
    }

    /// As [`Event::data`], without a copy.
    pub fn into_data(self) -> String {
        self.data().into_owned()
    }

    /// What it carries, as it was published.
    pub fn bytes(&self) -> &[u8] {
        self.data.as_bytes()
    }

    /// Whether it carries data that is not text.
    pub fn is_binary(&self) -> bool {
        self.data.as_text().is_none()
    }

    /// Whether it says that messages are missing in front of the next one. In a stream its id is where the gap ends; in a
    /// poll, which does not say that, its id is where the gap begins. The name is reserved: a program that hands
    /// events on to another channel leaves gaps out.
    pub fn is_gap(&self) -> bool {
        self.name.as_deref() == Some(GAP_EVENT)
    }

    pub(super) fn new(id: &str, name: &str, data: Data) -> Event {
        Event {
            id: id.into(),
            name: (name != DEFAULT_EVENT).then(|| name.into()),
            data,
        }
    }

    pub(super) fn gap(id: &str) -> Event {
        Event::new(id, GAP_EVENT, Data::Text("".into()))
    }

    /// Reads an envelope `{"id":..,"event":..,"data":..}`, perhaps with `"encoding":"base64"`.
    pub(super) fn from_envelope(envelope: &Value<'_>) -> Result<Event, Error> {
        let member = |name: &str| {
            envelope
                .get(name)
                .and_then(Value::as_str)
                .ok_or(Error::Envelope)
        };
        let (id, name, data) = (member("id")?, member("event")?, member("data")?);
        let data = match envelope.get("encoding").and_then(Value::as_str) {
            None => Data::Text(data.into()),
            Some("base64") => {
                Data::Binary(STANDARD.decode(data).map_err(|_| Error::Envelope)?.into())
            }
            Some(_) => return Err(Error::Envelope),
        };
        Ok(Event::new(id, name, data))
    }

    /// Reads an event of an event stream. One of a channel's may be an envelope, when its data is not text: it is
    /// if it says so and its id is the event's own, which nobody can know before it is published.
    pub(super) fn from_stream(id: &str, name: &str, data: &str) -> Event {
        let envelope = (data.starts_with("{\"id\":\"")
            && data.ends_with(",\"encoding\":\"base64\"}"))
        .then(|| Value::parse(data))
        .flatten();
        match envelope.map(|envelope| Event::from_envelope(&envelope)) {
            Some(Ok(event)) if *event.id == *id => event,
            _ => Event::new(id, name, Data::Text(data.into())),
        }
    }
}

/// What a poll's answer holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) last_id: Box<str>,
    pub(super) gap: bool,
    pub(super) more: bool,
}

impl Batch {
    /// The id of its first message, of the beginning of its text as a server of this crate writes it.
    pub(super) fn first_id(start: &[u8]) -> Option<&str> {
        let rest = start.strip_prefix(b"{\"events\":[{\"id\":\"")?;
        let end = rest.iter().position(|&byte| byte == b'"')?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    /// Reads `{"events":[..],"last_id":".."}`, perhaps with `"gap":true` and `"more":true`.
    pub(super) fn parse(body: &[u8]) -> Result<Batch, Error> {
        let text = std::str::from_utf8(body).map_err(|_| Error::Envelope)?;
        let batch = Value::parse(text).ok_or(Error::Envelope)?;
        let events = batch
            .get("events")
            .and_then(Value::as_array)
            .ok_or(Error::Envelope)?;
        let is = |name: &str| batch.get(name).is_some_and(Value::is_true);
        Ok(Batch {
            events: events
                .iter()
                .map(Event::from_envelope)
                .collect::<Result<_, _>>()?,
            last_id: batch
                .get("last_id")
                .and_then(Value::as_str)
                .ok_or(Error::Envelope)?
                .into(),
            gap: is("gap"),
            more: is("more"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Encoding, Hub, Limits, Start};

    #[test]
    fn what_a_channel_writes_is_read() {
        let mut hub = Hub::new(Limits::default(), 1_000);
        hub.publish("a", Some("tick"), Data::new(b"4\"2"), 2_000)
            .unwrap();
        hub.publish("a", None, Data::new(b"\xff\x00"), 2_000)
            .unwrap();
        let mut body = Vec::new();
        hub.batch("a", Start::Oldest, &mut body).unwrap();
        assert_eq!(Batch::first_id(&body[..64]), Some("2000-0"));
        let batch = Batch::parse(&body).unwrap();
        assert_eq!(
            (&*batch.last_id, batch.gap, batch.more),
            ("2000-1", false, false)
        );
        assert_eq!(
            (batch.events[0].name(), &*batch.events[0].data()),
            ("tick", "4\"2")
        );
        assert_eq!(
            (batch.events[1].name(), batch.events[1].bytes()),
            ("message", &b"\xff\x00"[..])
        );
        assert!(batch.events[1].is_binary());
    }

    #[test]
    fn an_envelope_in_an_event_stream_is_told_from_text_that_looks_like_one() {
        let mut block = Vec::new();
        let record = crate::channel::Record {
            id: "7-0".parse().unwrap(),
            event: None,
            data: Data::new(b"\xff"),
        };
        Encoding::Json.write(&mut block, &record);
        let envelope = std::str::from_utf8(&block).unwrap().trim_end_matches(',');
        assert_eq!(
            Event::from_stream("7-0", "message", envelope).bytes(),
            b"\xff"
        );
        assert_eq!(
            Event::from_stream("8-0", "message", envelope).bytes(),
            envelope.as_bytes()
        );
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for body in [
            &b"\xff"[..],
            b"",
            b"[]",
            b"{}",
            br#"{"events":[{}],"last_id":"1-0"}"#,
            br#"{"events":[]}"#,
        ] {
            assert_eq!(Batch::parse(body), Err(Error::Envelope));
        }
    }
}
