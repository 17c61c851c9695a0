//! Heads as they arrive: found and judged by the codec of HTTP, and split into words also where it refuses them.
//!
//! ```text
//!   bytes ──► HeadFinder ──► where the head ends, or the byte that makes it certain that it is none
//!                 └─► RequestHead / ResponseHead ──► what it asks for, how long its body is, what comes behind it
//! ```
//!
//! The invariant: where a head ends depends on the bytes alone. The finder says at which length it knows; on an error
//! the length is looked for again, a byte at a time, because it says only what is wrong.

use super::Problem;
use super::thing::{Head, Side};
use crate::http::{
    self, BodyLength, HeadFinder, HeadLimits, RequestHead, ResponseHead, request_body_length,
    response_body_length,
};
use crate::ws::handshake::{self, Upgrade};

/// A head that is arriving.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    finder: HeadFinder,
    buffer: Vec<u8>,
}

/// What a step found.
pub(super) enum Found {
    /// All input was used, and more is needed.
    More,
    /// A whole head; so much of the input belongs to it.
    Head(Vec<u8>, usize),
    /// No head: these bytes show it, and so many of the input are among them.
    Problem(Vec<u8>, usize, http::Error),
    /// What has begun here is no answer of HTTP. None of the input was used; these are the bytes before it.
    NotHttp(Vec<u8>),
}

impl HeadReader {
    /// Reads on.
    pub(super) fn feed(&mut self, from: Side, limits: &HeadLimits, input: &[u8]) -> Found {
        let had = self.buffer.len();
        // The finder refuses what is longer.
        let room = limits.head.saturating_add(1).saturating_sub(had).max(1);
        let taken = room.min(input.len());
        self.buffer.extend_from_slice(&input[..taken]);
        // RFC 9112 4: an answer begins with its version. So it is known at once if it is none, and does not have to wait
        // for a line that may never end.
        let start = &self.buffer[..self.buffer.len().min(VERSION.len())];
        if from == Side::Server && !VERSION.starts_with(start) {
            self.buffer.truncate(had);
            return Found::NotHttp(std::mem::take(&mut self.buffer));
        }
        match self.finder.find(&self.buffer, limits) {
            Ok(None) if taken < input.len() => {
                // The finder has let pass what is longer than its limit, which it does not do.
                let bytes = std::mem::take(&mut self.buffer);
                Found::Problem(bytes, taken, http::Error::HeadTooLarge)
            }
            Ok(None) => Found::More,
            Ok(Some(end)) => {
                self.buffer.truncate(end);
                self.finder = HeadFinder::default();
                Found::Head(std::mem::take(&mut self.buffer), end - had)
            }
            Err(error) => {
                let (end, error) =
                    first_error(&self.buffer, limits).unwrap_or((had + taken, error));
                self.buffer.truncate(end);
                let bytes = std::mem::take(&mut self.buffer);
                Found::Problem(bytes, end.saturating_sub(had), error)
            }
        }
    }

    /// What has arrived of a head that ends here.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.finder = HeadFinder::default();
        std::mem::take(&mut self.buffer)
    }
}

const VERSION: &[u8] = b"HTTP/";

/// The shortest part of `bytes` that is refused, and why.
fn first_error(bytes: &[u8], limits: &HeadLimits) -> Option<(usize, http::Error)> {
    let mut finder = HeadFinder::default();
    (1..=bytes.len()).find_map(|end| {
        let refused = finder.find(&bytes[..end], limits).err()?;
        Some((end, refused))
    })
}

/// What a client has asked of the connection with its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An answer with a body.
    Answer,
    /// HEAD: an answer without its body (RFC 9110 9.3.2).
    NoBody,
    /// CONNECT: a tunnel (RFC 9110 9.3.6).
    Tunnel,
    /// Another protocol.
    Upgrade,
}

/// A handshake that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    key: [u8; 16],
    protocols: Vec<String>,
    extensions: Vec<String>,
}

/// What a request means for what comes behind it.
pub(super) struct RequestSeen {
    pub(super) problem: Option<Problem>,
    /// `None` where nobody knows.
    pub(super) body: Option<BodyLength>,
    pub(super) asked: Asked,
    pub(super) offer: Option<Offer>,
}

/// Judges a whole head of a request.
pub(super) fn judge_request(bytes: &[u8], limits: &HeadLimits) -> RequestSeen {
    let seen = |problem, body| RequestSeen {
        problem,
        body,
        asked: Asked::Answer,
        offer: None,
    };
    let head = match RequestHead::parse(bytes, limits) {
        Ok(head) => head,
        Err(error) => return seen(Some(Problem::http(error)), None),
    };
    let body = match request_body_length(&head) {
        Ok(body) => body,
        Err(error) => return seen(Some(Problem::http(error)), None),
    };
    let problem = head.expectation().err().map(Problem::expectation);
    let mut seen = seen(problem, Some(body));
    match head.method() {
        "HEAD" => seen.asked = Asked::NoBody,
        "CONNECT" => seen.asked = Asked::Tunnel,
        _ => {}
    }
    if handshake::is_upgrade(&head) {
        match Upgrade::from_request(&head) {
            Ok(upgrade) => {
                seen.asked = Asked::Upgrade;
                seen.offer = offer(&head, &upgrade);
            }
            Err(error) => seen.problem = seen.problem.or(Some(Problem::handshake(error))),
        }
    } else if head.fields().has_token("connection", "upgrade") {
        seen.asked = Asked::Upgrade;
    }
    seen
}

/// What the answer is held against.
fn offer(head: &RequestHead<'_>, upgrade: &Upgrade<'_>) -> Option<Offer> {
    use base64::Engine;
    let key = head.fields().get("sec-websocket-key")?;
    let key = base64::engine::general_purpose::STANDARD.decode(key).ok()?;
    let name = |offer: &[u8]| {
        let name = offer.split(|&byte| byte == b';').next().unwrap_or_default();
        String::from_utf8_lossy(name.trim_ascii_end()).into_owned()
    };
    Some(Offer {
        key: key.try_into().ok()?,
        protocols: upgrade.protocols().map(str::to_owned).collect(),
        extensions: upgrade.extension_offers().map(name).collect(),
    })
}

/// What a response means for what comes behind it.
pub(super) struct ResponseSeen {
    pub(super) problem: Option<Problem>,
    /// `None` where nobody knows.
    pub(super) body: Option<BodyLength>,
    pub(super) status: u16,
    pub(super) becomes: Becomes,
    /// The body is an event stream, in no coding.
    pub(super) is_event_stream: bool,
}

/// What a response makes of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// It stays what it is.
    Http,
    /// A WebSocket, with what was agreed on.
    WebSocket(Agreed),
    /// Something that is not known here.
    Other,
}

/// What a WebSocket's sides have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Messages may be compressed (RFC 7692).
    pub(super) deflate: bool,
    /// There is an extension that is not known here: reserved bits mean whatever it says.
    pub(super) other: bool,
    /// What a client's and a server's messages may refer to.
    #[cfg(feature = "deflate")]
    pub(super) terms: Option<crate::ws::deflate::Terms>,
}

/// Judges a whole head of a response to a request that has `asked` for something, with this `offer`.
pub(super) fn judge_response(
    bytes: &[u8],
    limits: &HeadLimits,
    asked: Asked,
    offer: Option<&Offer>,
) -> ResponseSeen {
    let mut seen = ResponseSeen {
        problem: None,
        body: None,
        status: 0,
        becomes: Becomes::Http,
        is_event_stream: false,
    };
    let head = match ResponseHead::parse(bytes, limits) {
        Ok(head) => head,
        Err(error) => {
            seen.problem = Some(Problem::http(error));
            return seen;
        }
    };
    seen.status = head.status();
    let method = match asked {
        Asked::NoBody => "HEAD",
        Asked::Tunnel => "CONNECT",
        Asked::Answer | Asked::Upgrade => "GET",
    };
    match response_body_length(&head, method) {
        Ok(body) => seen.body = Some(body),
        Err(error) => seen.problem = Some(Problem::http(error)),
    }
    match (head.status(), asked) {
        (101, _) if head.fields().has_token("upgrade", "websocket") => {
            let (agreed, problem) = agree(&head, offer);
            seen.becomes = Becomes::WebSocket(agreed);
            seen.problem = seen.problem.or(problem);
        }
        (101, _) | (200..=299, Asked::Tunnel) => seen.becomes = Becomes::Other,
        _ => {}
    }
    let fields = head.fields();
    let media_type = fields.get_str("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    seen.is_event_stream = media_type.eq_ignore_ascii_case("text/event-stream")
        && fields.get("content-encoding").is_none();
    seen
}

/// What a 101 agrees to, and what is wrong with it if it is known what was offered.
fn agree(head: &ResponseHead<'_>, offer: Option<&Offer>) -> (Agreed, Option<Problem>) {
    let mut problem = None;
    if let Some(offer) = offer {
        let protocols: Vec<&str> = offer.protocols.iter().map(String::as_str).collect();
        let extensions: Vec<&str> = offer.extensions.iter().map(String::as_str).collect();
        problem = handshake::check_response_with(head, &offer.key, &protocols, &extensions)
            .err()
            .map(Problem::handshake);
    }
    let mut agreed = Agreed::default();
    for extension in head.fields().tokens("sec-websocket-extensions") {
        let name = extension.split(|&byte| byte == b';').next();
        let name = name.unwrap_or_default().trim_ascii_end();
        match name.eq_ignore_ascii_case(b"permessage-deflate") {
            true => agreed.deflate = true,
            false => agreed.other = true,
        }
    }
    #[cfg(feature = "deflate")]
    if agreed.deflate && !agreed.other {
        // Whatever a client may have offered.
        let any = crate::ws::deflate::Settings {
            takeover: true,
            peer_takeover: true,
            ..Default::default()
        };
        match any.check(head.fields().tokens("sec-websocket-extensions")) {
            Ok(terms) => agreed.terms = terms,
            Err(error) => problem = problem.or(Some(Problem::handshake(error))),
        }
    }
    (agreed, problem)
}

/// The words of a head, as far as there are any.
pub(super) fn words(bytes: &[u8]) -> Head {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .skip_while(|line| line.is_empty());
    let mut start = lines
        .next()
        .unwrap_or_default()
        .splitn(3, |&byte| byte == b' ');
    let mut word = || text(start.next().unwrap_or_default());
    let start = [word(), word(), word()];
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((text(&line[..colon]), text(line[colon + 1..].trim_ascii())))
    });
    Head {
        start,
        fields: fields.collect(),
    }
}

/// Whether bytes that were refused were meant as a head.
pub(super) fn is_meant_as_head(from: Side, bytes: &[u8]) -> bool {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    match from {
        Side::Server => line.starts_with(VERSION),
        Side::Client => {
            let last = line.rsplit(|&byte| byte == b' ').next();
            last.unwrap_or_default().starts_with(VERSION)
                || ["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS "]
                    .iter()
                    .any(|method| line.starts_with(method.as_bytes()))
        }
    }
}
