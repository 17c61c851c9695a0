//! One direction of a connection, from its first byte to its last.
//!
//! ```text
//!             ┌──────────────── the next message ───────────────┐
//!             ▼                                                 │
//!   Head ──► Body ────────────────────────────────────────► complete
//!    │ │      └─ a broken rule ─┐                               │ an upgrade
//!    │ └─────── a broken rule ──┴─► Noise                    Waiting ──► Frames, or Noise
//!    └─ 101: Frames
//! ```
//!
//! The invariant: **things of the wire lie one behind the other without a gap, and how the bytes were cut changes
//! nothing**. Every reader below keeps to it, so that it holds here.
//!
//! What one direction says can depend on the other: an answer to HEAD has no body, and behind a request for a WebSocket
//! come frames only if the server agrees. [`Conversation`](super::Conversation) carries that over. Alone, a client's
//! direction takes it that the server agrees, and a server's that it was asked with GET.

use std::collections::VecDeque;

use super::bodies::{BodyReader, Outcome};
use super::frames::FrameReader;
use super::heads::{
    Agreed, Asked, Becomes, Found, HeadReader, Offer, is_meant_as_head, judge_request,
    judge_response, words,
};
use super::thing::{Kind, Side, Thing, Unknown};
use super::unknown::Noise;
use super::{Options, Problem, Sink, secrets};
use crate::http;

/// Requests whose answers have not come, as far as they are remembered. A client that sends more at once is taken to
/// ask with GET.
const MAX_ASKED: usize = 1024;

/// What is kept of a client that does not wait for its upgrade's answer, in bytes.
const MAX_HELD: usize = 64 * 1024;

/// The bytes of one direction, and what they mean.
#[derive(Debug)]
pub struct Direction {
    from: Side,
    options: Options,
    /// Where what is being read begins.
    offset: u64,
    state: State,
    /// What the client waits for, in order: for the direction of the server.
    asked: VecDeque<Asked>,
    offer: Option<Box<Offer>>,
    /// What the other direction has to be told.
    news: Vec<News>,
    /// Whether an upgrade waits for its answer, or is taken to be accepted.
    waits: bool,
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    Body(Box<BodyReader>, Option<Agreed>),
    /// The client has asked for another protocol, and not heard yet whether it gets it.
    Waiting(Vec<u8>),
    Frames(Box<FrameReader>),
    Noise(Box<Noise>),
}

/// What one direction means for the other.
#[derive(Debug)]
pub(super) enum News {
    Asked(Asked, Option<Box<Offer>>),
    Answered(Becomes),
}

impl Direction {
    /// The direction from this side, at its first byte.
    pub fn new(from: Side, options: Options) -> Direction {
        Direction {
            from,
            options,
            offset: 0,
            state: State::Head(HeadReader::default()),
            asked: VecDeque::new(),
            offer: None,
            news: Vec::new(),
            waits: false,
        }
    }

    /// A direction that is that of a WebSocket from its first byte on, as behind a handshake that is not there to be
    /// read. Its messages are not compressed.
    pub fn frames(from: Side, options: Options) -> Direction {
        let frames = FrameReader::new(from, 0, false, false);
        Direction {
            state: State::Frames(Box::new(frames)),
            ..Direction::new(from, options)
        }
    }

    /// One whose upgrades wait until it is told how they were answered.
    pub(super) fn waiting(from: Side, options: Options) -> Direction {
        Direction {
            waits: true,
            ..Direction::new(from, options)
        }
    }

    /// Takes the next bytes, and gives what they complete.
    pub fn feed(&mut self, input: &[u8], sink: &mut dyn FnMut(Thing)) {
        self.feed_all(input, sink);
        self.news.clear();
    }

    fn feed_all(&mut self, mut input: &[u8], sink: Sink<'_>) {
        while !input.is_empty() {
            let used = self.feed_some(input, sink);
            input = &input[used..];
        }
    }

    /// Takes bytes up to the next that the other direction has to know of, or all. Returns how many.
    pub(super) fn feed_some(&mut self, input: &[u8], sink: Sink<'_>) -> usize {
        let (mut at, had) = (0, self.news.len());
        while at < input.len() && self.news.len() == had {
            at += self.step(&input[at..], sink);
        }
        at
    }

    fn step(&mut self, input: &[u8], sink: Sink<'_>) -> usize {
        match &mut self.state {
            State::Head(_) => self.feed_head(input, sink),
            State::Body(body, _) => {
                let (used, outcome) = body.feed(self.from, &self.options, input, sink);
                self.offset += used as u64;
                match outcome {
                    Outcome::More => {}
                    Outcome::Complete => self.next_message(),
                    Outcome::Failed => self.noise(Unknown::BehindProblem, None),
                }
                used
            }
            State::Waiting(held) => {
                let room = (MAX_HELD - held.len()).min(input.len());
                held.extend_from_slice(&input[..room]);
                if held.len() == MAX_HELD {
                    self.answered(Becomes::WebSocket(Agreed::default()), sink);
                }
                room
            }
            State::Frames(frames) => {
                frames.feed(&self.options, input, sink);
                input.len()
            }
            State::Noise(noise) => {
                noise.feed(self.from, self.options.secrets, input, sink);
                input.len()
            }
        }
    }

    /// There is no more: because the connection is `closed`, or because nothing else is known of it. Gives what is
    /// incomplete.
    pub fn end(&mut self, closed: bool, sink: &mut dyn FnMut(Thing)) {
        if matches!(self.state, State::Waiting(_)) {
            self.answered(Becomes::WebSocket(Agreed::default()), sink);
        }
        match &mut self.state {
            State::Head(head) => {
                let bytes = head.end();
                if !bytes.is_empty() {
                    let problem = closed.then(|| Problem::http(http::Error::Incomplete));
                    self.give_head(bytes, problem, true, sink);
                }
            }
            State::Body(body, _) => body.end(self.from, &self.options, closed, sink),
            State::Waiting(_) => {}
            State::Frames(frames) => frames.end(closed, sink),
            State::Noise(noise) => noise.end(self.from, self.options.secrets, sink),
        }
    }

    fn feed_head(&mut self, input: &[u8], sink: Sink<'_>) -> usize {
        let State::Head(head) = &mut self.state else {
            return 0;
        };
        match head.feed(self.from, &self.options.heads, input) {
            Found::More => input.len(),
            Found::Head(bytes, used) => {
                match self.from {
                    Side::Client => self.request(bytes, sink),
                    Side::Server => self.response(bytes, sink),
                }
                used
            }
            Found::Problem(bytes, used, error) => {
                let problem = Some(Problem::http(error));
                match is_meant_as_head(self.from, &bytes) {
                    true => {
                        self.give_head(bytes, problem, false, sink);
                        self.noise(Unknown::BehindProblem, None);
                    }
                    false => {
                        self.noise(Unknown::NotHttp, problem);
                        self.feed_all(&bytes, sink);
                    }
                }
                used
            }
            Found::NotHttp(bytes) => {
                let problem = Some(Problem::http(http::Error::StatusLine));
                self.noise(Unknown::NotHttp, problem);
                self.feed_all(&bytes, sink);
                0
            }
        }
    }

    fn request(&mut self, bytes: Vec<u8>, sink: Sink<'_>) {
        let seen = judge_request(&bytes, &self.options.heads);
        self.give_head(bytes, seen.problem, false, sink);
        if self.waits {
            let offer = seen.offer.map(Box::new);
            self.news.push(News::Asked(seen.asked, offer));
        }
        // Whatever else a protocol may be, frames are what is explained here.
        let becomes =
            (seen.asked == Asked::Upgrade || seen.asked == Asked::Tunnel).then(Agreed::default);
        self.body(seen.body, false, becomes);
    }

    fn response(&mut self, bytes: Vec<u8>, sink: Sink<'_>) {
        let asked = self.asked.front().copied().unwrap_or(Asked::Answer);
        let offer = self.offer.as_deref();
        let seen = judge_response(&bytes, &self.options.heads, asked, offer);
        // RFC 9110 15.2: those but 101 are followed by the answer itself.
        if !matches!(seen.status, 100 | 102..=199) {
            self.asked.pop_front();
        }
        self.give_head(bytes, seen.problem, false, sink);
        match &seen.becomes {
            Becomes::Http => self.body(seen.body, seen.is_event_stream, None),
            Becomes::WebSocket(agreed) => self.become_frames(*agreed),
            Becomes::Other => self.noise(Unknown::OtherProtocol, None),
        }
        // An interim answer decides nothing.
        let is_final = !matches!(seen.status, 0 | 100 | 102..=199);
        let was_asked = matches!(asked, Asked::Upgrade | Asked::Tunnel);
        if is_final && (was_asked || seen.becomes != Becomes::Http) {
            self.news.push(News::Answered(seen.becomes));
            self.offer = None;
        }
    }

    /// Goes on with a body of this length, and with what comes behind it.
    fn body(&mut self, length: Option<http::BodyLength>, events: bool, becomes: Option<Agreed>) {
        let Some(length) = length else {
            return self.noise(Unknown::BehindProblem, None);
        };
        match BodyReader::new(length, self.offset, events) {
            Some(body) => self.state = State::Body(Box::new(body), becomes),
            None => self.behind_message(becomes),
        }
    }

    fn next_message(&mut self) {
        let becomes = match &mut self.state {
            State::Body(_, becomes) => becomes.take(),
            _ => None,
        };
        self.behind_message(becomes);
    }

    fn behind_message(&mut self, becomes: Option<Agreed>) {
        match becomes {
            None => self.state = State::Head(HeadReader::default()),
            Some(_) if self.waits => self.state = State::Waiting(Vec::new()),
            Some(agreed) => self.become_frames(agreed),
        }
    }

    fn become_frames(&mut self, agreed: Agreed) {
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let mut frames = FrameReader::new(self.from, self.offset, agreed.deflate, agreed.other);
        #[cfg(feature = "deflate")]
        if let Some(terms) = agreed.terms {
            // The terms are those of a client.
            frames.inflate(match self.from {
                Side::Client => terms.send,
                Side::Server => terms.receive,
            });
        }
        self.state = State::Frames(Box::new(frames));
    }

    fn noise(&mut self, why: Unknown, problem: Option<Problem>) {
        self.state = State::Noise(Box::new(Noise::new(why, self.offset, problem)));
    }

    fn give_head(
        &mut self,
        mut bytes: Vec<u8>,
        problem: Option<Problem>,
        is_cut: bool,
        sink: Sink<'_>,
    ) {
        if !self.options.secrets {
            secrets::mask_head(&mut bytes);
        }
        let head = words(&bytes);
        let offset = self.offset;
        let length = bytes.len() as u64;
        self.offset += length;
        sink(Thing {
            from: self.from,
            offset,
            length,
            kind: match self.from {
                Side::Client => Kind::Request(head),
                Side::Server => Kind::Response(head),
            },
            problem,
            is_cut,
            bytes,
        });
    }

    /// What the other direction has to be told.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The client has asked for something, for the direction of the server.
    pub(super) fn asked(&mut self, asked: Asked, offer: Option<Box<Offer>>) {
        if self.asked.len() < MAX_ASKED {
            self.asked.push_back(asked);
        }
        if offer.is_some() {
            self.offer = offer;
        }
    }

    /// The server has answered an upgrade, for the direction of the client.
    pub(super) fn answered(&mut self, becomes: Becomes, sink: Sink<'_>) {
        let State::Waiting(held) = &mut self.state else {
            return;
        };
        let held = std::mem::take(held);
        match becomes {
            Becomes::Http => self.state = State::Head(HeadReader::default()),
            Becomes::WebSocket(agreed) => self.become_frames(agreed),
            Becomes::Other => self.noise(Unknown::OtherProtocol, None),
        }
        self.feed_all(&held, sink);
    }
}
