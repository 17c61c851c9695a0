//! What a reader of a channel makes of its bytes, in each encoding.

use barewire::channel::{Batch, Data, Encoding, Id};
use barewire::http::{BodyDecoder, BodyLength, Piece, write_last_chunk};
use barewire::sse::MAX_EVENT;
use barewire::ws::{Limits, Role};

use super::choice::uncut;
use super::json::{Value, base64};
use super::sse_decoder;
use super::ws_decoder::{self, Seen};

/// A message as a reader sees it. Bare frames say neither id nor event.
#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    pub id: Option<Id>,
    pub event: Option<String>,
    pub data: Vec<u8>,
    /// It came as an event-stream block, in which all line ends are LF.
    lines: bool,
}

impl Got {
    /// Whether this is that message.
    pub fn is(&self, id: Id, event: &str, data: &Data) -> bool {
        let same_data = match data.as_text() {
            Some(text) if self.lines => {
                text.replace("\r\n", "\n").replace('\r', "\n").as_bytes() == self.data
            }
            _ => data.as_bytes() == self.data,
        };
        self.id.is_none_or(|own| own == id)
            && self.event.as_deref().is_none_or(|own| own == event)
            && same_data
    }
}

/// What a poll got.
pub struct Poll {
    pub events: Vec<Got>,
    pub batch: Said,
}

/// What the body of a poll says of its batch, which has to be what the [`Batch`] says.
#[derive(Debug)]
pub struct Said {
    pub messages: usize,
    pub last_id: Id,
    pub gap: bool,
    pub more: bool,
}

impl PartialEq<Batch> for Said {
    fn eq(&self, batch: &Batch) -> bool {
        self.messages == batch.messages
            && self.last_id == batch.last_id
            && self.gap == batch.gap
            && self.more == batch.more
    }
}

/// The messages in whole encodings of messages.
pub fn messages(encoding: Encoding, bytes: &[u8]) -> Vec<Got> {
    match encoding {
        Encoding::Json => {
            let list = [b"[", bytes.strip_suffix(b",").unwrap_or(bytes), b"]"].concat();
            let Value::List(objects) = Value::parse(&list) else {
                panic!("no list");
            };
            objects.iter().map(object).collect()
        }
        Encoding::SocketJson | Encoding::SocketRaw => frames(bytes)
            .into_iter()
            .map(|frame| match (frame, encoding) {
                (Seen::Text(json), Encoding::SocketJson) => object(&Value::parse(json.as_bytes())),
                (Seen::Text(text), _) => bare(text.into_bytes()),
                (Seen::Binary(bytes), Encoding::SocketRaw) => bare(bytes),
                (other, _) => panic!("{other:?} in a run"),
            })
            .collect(),
        Encoding::EventStream => blocks(bytes),
        Encoding::EventChunks => {
            let mut chunks = bytes.to_vec();
            write_last_chunk(&mut chunks);
            blocks(&unchunked(&chunks))
        }
        #[cfg(feature = "deflate")]
        Encoding::SocketJsonDeflated => messages(Encoding::SocketJson, &inflated(bytes)),
        #[cfg(feature = "deflate")]
        Encoding::SocketRawDeflated => messages(Encoding::SocketRaw, &inflated(bytes)),
        other => panic!("{other:?} is not known here"),
    }
}

/// The same frames without compression.
#[cfg(feature = "deflate")]
fn inflated(bytes: &[u8]) -> Vec<u8> {
    use barewire::ws;
    let whole = super::choice::uncut(bytes.len());
    let limits = ws::Limits::default();
    let (seen, error) = super::ws_deflate::decode(ws::Role::Client, &limits, false, bytes, &whole);
    assert_eq!(error, None);
    let mut out = Vec::new();
    for frame in &seen {
        match frame {
            Seen::Text(text) => ws::write_message(&mut out, text.into(), None),
            Seen::Binary(bytes) => ws::write_message(&mut out, bytes.into(), None),
            other => panic!("{other:?} in a run"),
        }
    }
    out
}

fn bare(data: Vec<u8>) -> Got {
    Got {
        id: None,
        event: None,
        data,
        lines: false,
    }
}

/// The object that stands for a message in JSON.
fn object(value: &Value) -> Got {
    let data = value.text("data");
    let data = match value.get("encoding") {
        None => data.as_bytes().to_vec(),
        Some(Value::Text(encoding)) if encoding == "base64" => {
            let data = base64(data.as_bytes()).expect("base64");
            assert!(std::str::from_utf8(&data).is_err(), "text travels as text");
            data
        }
        Some(other) => panic!("encoding {other:?}"),
    };
    Got {
        id: Some(value.text("id").parse().expect("an id")),
        event: Some(value.text("event").into()),
        data,
        lines: false,
    }
}

/// The messages in an event stream of a channel. Comments and the preamble are none.
pub fn blocks(bytes: &[u8]) -> Vec<Got> {
    let stream = sse_decoder::decode(MAX_EVENT, bytes, &uncut(bytes.len()));
    assert_eq!(stream.error, None);
    let block = |(name, data, id): sse_decoder::Seen| {
        let id: Id = id.parse().expect("every message has its id");
        // Data that is no text travels as the JSON object; text may look like one too.
        let marked = data.starts_with('{') && data.ends_with(",\"encoding\":\"base64\"}");
        if marked && data.starts_with(&format!("{{\"id\":\"{id}\",\"event\":")) {
            let got = object(&Value::parse(data.as_bytes()));
            assert_eq!((got.id, got.event.as_deref()), (Some(id), Some(&*name)));
            return got;
        }
        Got {
            id: Some(id),
            event: Some(name),
            data: data.into_bytes(),
            lines: true,
        }
    };
    stream.events.into_iter().map(block).collect()
}

/// The events of whole frames of a server.
fn frames(bytes: &[u8]) -> Vec<Seen> {
    let (seen, error) =
        ws_decoder::decode(Role::Client, &Limits::default(), bytes, &uncut(bytes.len()));
    assert_eq!(error, None);
    seen
}

fn unchunked(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, u64::MAX).expect("no limit");
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        match decoder.decode(&bytes[at..]).expect("chunks") {
            (used, Piece::Data(data)) => {
                body.extend_from_slice(data);
                at += used;
            }
            (used, Piece::End) => {
                assert_eq!(at + used, bytes.len());
                return body;
            }
            (_, Piece::More) => panic!("a chunk is cut"),
        }
    }
}

/// What the body of a poll says.
pub fn poll(body: &[u8]) -> Poll {
    let value = Value::parse(body);
    let Some(Value::List(events)) = value.get("events") else {
        panic!("a poll without events");
    };
    let told = |name| value.get(name) == Some(&Value::Bool(true));
    Poll {
        events: events.iter().map(object).collect(),
        batch: Said {
            messages: events.len(),
            last_id: value.text("last_id").parse().expect("an id"),
            gap: told("gap"),
            more: told("more"),
        },
    }
}
