//! What a server has sent to one client, read as its client would read it, and the laws of any such output:
//!
//! - it is whole responses, then perhaps the frames of a server: nothing that does not parse, and nothing cut;
//! - there is at most one response for each request, in order, and one more for what is no request: a 4xx or 5xx that
//!   says `Connection: close`;
//! - nothing comes behind a response that closes, nor behind a close frame;
//! - HTTP/1.0 gets no chunks, and HEAD, 204 and 304 no body;
//! - what comes from a channel is what a reader of its encoding understands, in the order of its ids.

use barewire::channel::{Encoding, Id};
use barewire::http::{
    BodyDecoder, BodyLength, HeadFinder, HeadLimits, MAX_EMPTY_LINES, Piece, RequestHead,
    ResponseHead, Version, request_body_length, response_body_length,
};
use barewire::ws::{Header, Limits, Opcode, Role};

use super::choice::uncut;
use super::messages::{blocks, messages, poll};
use super::ws_decoder::{Seen, decode};

/// A request as the client meant it.
struct Asked {
    method: String,
    path: String,
    version: Version,
}

/// A response.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// It has ended: what follows is another one.
    pub complete: bool,
}

/// All that a client got.
#[derive(Debug, Default, PartialEq)]
pub struct Output {
    /// Without the 100s, which depend on when the body comes.
    pub answers: Vec<Answer>,
    /// Messages behind a 101.
    pub data: Vec<Seen>,
    /// Pings, pongs and the close behind a 101.
    pub control: Vec<Seen>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    pub fn is_event_stream(&self) -> bool {
        self.status == 200 && self.field("Content-Type") == Some("text/event-stream")
    }
}

impl Output {
    /// Reads what was `received` by a client that has `sent` these bytes to a server with these limits.
    pub fn read(sent: &[u8], received: &[u8], limits: &barewire::Limits) -> Output {
        let asked = asked(sent, limits);
        let mut output = Output::default();
        let mut rest = received;
        while !rest.is_empty() {
            let last = output.answers.last();
            assert!(
                last.is_none_or(
                    |answer| answer.complete && answer.field("Connection") != Some("close")
                ),
                "something follows {last:?}: {:?}",
                String::from_utf8_lossy(rest)
            );
            let request = asked.get(output.answers.len());
            let (used, answer) = read_answer(rest, request);
            rest = &rest[used..];
            let Some(answer) = answer else { continue };
            let switches = answer.status == 101;
            let closes = answer.field("Connection") == Some("close");
            match request {
                None => assert!(
                    answer.status >= 400 && closes,
                    "{answer:?} without a request"
                ),
                Some(request) if request.path.starts_with("/channels/") => {
                    check_channel(&answer, request)
                }
                Some(_) => {}
            }
            output.answers.push(answer);
            if switches {
                let extensions = output
                    .answers
                    .last()
                    .and_then(|answer| answer.field("Sec-WebSocket-Extensions"));
                let extensions = extensions.map(str::to_owned);
                output.read_frames(rest, extensions.as_deref());
                break;
            }
        }
        if let (Some(request), Some(answer)) = (
            output
                .answers
                .len()
                .checked_sub(1)
                .and_then(|at| asked.get(at)),
            output.answers.last(),
        ) {
            let bare = answer.field("Sec-WebSocket-Protocol").is_none();
            if answer.status == 101 && bare && request.path.starts_with("/channels/") {
                output.check_objects();
            }
        }
        output
    }

    /// The same with all dates alike and ids counted from `birth` on, as from a server that began at another moment.
    ///
    /// Only what has been read is changed: in the bytes themselves a peer may have had anything echoed that looks like a
    /// date, and what comes behind it is the next frame.
    pub fn without_time(mut self, birth: u64) -> Output {
        for answer in &mut self.answers {
            for (name, value) in &mut answer.fields {
                match &**name {
                    "Date" => value.clear(),
                    "Last-Event-ID" => *value = text_from(value, birth),
                    _ => {}
                }
            }
            count_from(&mut answer.body, birth);
        }
        for message in &mut self.data {
            match message {
                Seen::Text(text) => *text = text_from(text, birth),
                Seen::Binary(bytes) => count_from(bytes, birth),
                Seen::Ping(_) | Seen::Pong(_) | Seen::Close(_) => {}
            }
        }
        self
    }

    fn read_frames(&mut self, bytes: &[u8], extensions: Option<&str>) {
        let mut at = 0;
        while at < bytes.len() {
            let header = Header::decode(&bytes[at..]).expect("a valid header");
            let (header, length) = header.expect("a whole header");
            at += length + header.length as usize;
            let closes = header.opcode == Opcode::Close;
            assert!(
                !closes || at == bytes.len(),
                "something follows the close frame"
            );
        }
        assert_eq!(at, bytes.len(), "a frame is cut");
        let whole = uncut(bytes.len());
        let limits = Limits::default();
        let (seen, error) = match extensions {
            None => decode(Role::Client, &limits, bytes, &whole),
            #[cfg(feature = "deflate")]
            Some(agreed) => {
                let takeover = !agreed.contains("server_no_context_takeover");
                super::ws_deflate::decode(Role::Client, &limits, takeover, bytes, &whole)
            }
            #[cfg(not(feature = "deflate"))]
            Some(agreed) => panic!("{agreed} was agreed on"),
        };
        assert_eq!(error, None);
        let is_data = |frame: &Seen| matches!(frame, Seen::Text(_) | Seen::Binary(_));
        (self.data, self.control) = seen.into_iter().partition(is_data);
    }

    /// Frames of a channel are JSON objects, and their ids grow.
    fn check_objects(&self) {
        let mut run = Vec::new();
        for frame in &self.data {
            let Seen::Text(text) = frame else {
                panic!("{frame:?} from a channel")
            };
            barewire::ws::write_message(&mut run, text.into(), None);
        }
        let ids = messages(Encoding::SocketJson, &run)
            .into_iter()
            .map(|got| got.id);
        check_order(ids);
    }
}

/// Counts the ids in it from `birth` on.
fn count_from(bytes: &mut [u8], birth: u64) {
    const DIGITS: usize = 13;
    const FIRST: u64 = 5_000_000_000_000;
    for at in 0..bytes.len() {
        let Some(digits) = bytes
            .get(at..at + DIGITS + 1)
            .and_then(|id| id.strip_suffix(b"-"))
        else {
            continue;
        };
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<u64>().ok());
        let Some(number) = number else { continue };
        // Ids from before are the one that the hub was born with.
        let counted = match number.checked_sub(birth) {
            Some(age @ 0..1_000_000) => FIRST + age,
            None if number + 60_000 > birth => FIRST - 1,
            _ => continue,
        };
        bytes[at..at + DIGITS].copy_from_slice(counted.to_string().as_bytes());
    }
}

fn text_from(text: &str, birth: u64) -> String {
    let mut bytes = text.as_bytes().to_vec();
    count_from(&mut bytes, birth);
    String::from_utf8(bytes).expect("digits take the place of digits")
}

fn check_order(ids: impl Iterator<Item = Option<Id>>) {
    let ids: Vec<_> = ids.collect();
    // A gap has the id in front of the message that follows it.
    assert!(ids.is_sorted(), "{ids:?}");
}

fn asked(sent: &[u8], limits: &barewire::Limits) -> Vec<Asked> {
    let head_limits = HeadLimits {
        head: limits.head,
        fields: limits.fields,
        target: limits.target,
    };
    let (mut asked, mut at) = (Vec::new(), 0);
    while let Ok(Some(length)) = HeadFinder::default().find(&sent[at..], &head_limits) {
        let Ok(head) = RequestHead::parse(&sent[at..at + length], &head_limits) else {
            break;
        };
        at += length;
        asked.push(Asked {
            method: head.method().into(),
            path: head.uri().path().into(),
            version: head.version(),
        });
        let Ok(length) = request_body_length(&head) else {
            break;
        };
        let Ok(mut decoder) = BodyDecoder::new(length, limits.body as u64) else {
            break;
        };
        loop {
            match decoder.decode(&sent[at..]) {
                Ok((used, Piece::Data(_))) => at += used,
                Ok((used, Piece::End)) => {
                    at += used;
                    break;
                }
                Ok((_, Piece::More)) | Err(_) => return asked,
            }
        }
    }
    // One that was not read to its end may show that it is HEAD, whose answer has no body whatever it says.
    let mut begun = &sent[at..];
    for _ in 0..MAX_EMPTY_LINES {
        begun = begun.strip_prefix(b"\r\n").unwrap_or(begun);
    }
    if begun.starts_with(b"HEAD ") {
        asked.push(Asked {
            method: "HEAD".into(),
            path: "".into(),
            version: Version::Http11,
        });
    }
    asked
}

/// The response at the front of `bytes`, and how many of them it takes. `None` for a 100.
fn read_answer(bytes: &[u8], request: Option<&Asked>) -> (usize, Option<Answer>) {
    let limits = HeadLimits::default();
    let length = HeadFinder::default()
        .find(bytes, &limits)
        .expect("a valid head");
    let length = length.expect("a whole head");
    let head = ResponseHead::parse(&bytes[..length], &limits).expect("a valid head");
    if head.status() == 100 {
        let version = request.map(|request| request.version);
        assert_eq!(version, Some(Version::Http11), "100 for whom?");
        return (length, None);
    }
    assert_eq!(head.fields().all("Date").count(), 1);
    let method = request.map_or("GET", |request| &request.method);
    let framing = response_body_length(&head, method).expect("a body with a length");
    let old = request.is_some_and(|request| request.version == Version::Http10);
    assert!(
        !(old && framing == BodyLength::Chunked),
        "chunks for HTTP/1.0"
    );
    if framing == BodyLength::UntilClose {
        assert!(
            old && !head.keep_alive(),
            "nothing tells the end of the body"
        );
    }
    let mut answer = Answer {
        status: head.status(),
        fields: head
            .fields()
            .iter()
            .map(|(name, value)| (name.into(), String::from_utf8_lossy(value).into()))
            .collect(),
        body: Vec::new(),
        complete: false,
    };
    let mut decoder = BodyDecoder::new(framing, u64::MAX).expect("no limit");
    let mut at = length;
    loop {
        match decoder.decode(&bytes[at..]).expect("a valid body") {
            (used, Piece::Data(data)) => {
                answer.body.extend_from_slice(data);
                at += used;
            }
            (used, Piece::End) => {
                answer.complete = true;
                return (at + used, Some(answer));
            }
            (used, Piece::More) => {
                assert!(!matches!(framing, BodyLength::Exactly(_)), "a body is cut");
                return (at + used, Some(answer));
            }
        }
    }
}

fn check_channel(answer: &Answer, request: &Asked) {
    if request.method != "GET" || answer.status != 200 {
        return;
    }
    if answer.is_event_stream() {
        check_order(blocks(&answer.body).into_iter().map(|got| got.id));
    } else {
        let poll = poll(&answer.body);
        let last_id = poll.batch.last_id.to_string();
        assert_eq!(answer.field("Last-Event-ID"), Some(&*last_id));
        check_order(poll.events.into_iter().map(|got| got.id));
    }
}
