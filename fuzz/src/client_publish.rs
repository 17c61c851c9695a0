//! A client that publishes, and whatever a server answers on any number of connections: a part of the target `client`.
//! Input: how to cut, then steps as there.
//!
//! Laws:
//! - every request is one that a server takes, and carries the next message that is not settled; a message has the same key
//!   and the same bytes in every try, and no other has its key;
//! - how what is said is cut makes no difference to what the program is told, unless the cut lies right behind an answer and
//!   more comes: only what comes with an answer is known to answer nothing;
//! - messages are settled in their order, each once;
//! - a server that says the same again and again does not make the client spin.

use std::time::Duration;

use barewire::channel::Post;
use barewire::client::{Backoff, Outbox, Settled, Simulation};
use barewire::http::{HeadLimits, RequestHead};
use barewire::{ClientError, Publish};

use super::choice::{Choices, cuts, uncut};

/// Larger than any wait.
const LONG: Duration = Duration::from_secs(1 << 32);
/// Messages.
const COUNT: usize = 4;
/// Requests in a minute: the messages may all be refused, and each of them may cross with an end.
const MOST: usize = 100;

pub fn check(mut choices: Choices<'_>) {
    let cut = choices.byte();
    let whole = run(choices.clone(), None);
    let pieces = run(choices.clone(), Some(cut));
    if let (Some(whole), Some(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
    }
    spin(choices, cut & 1 != 0);
}

/// What is to be published: text, bytes, nothing, and much.
fn body(number: usize) -> Vec<u8> {
    [&b"text"[..], &[0xFF, 0], b"", &[b'x'; 5_000]][number % COUNT].to_vec()
}

fn begin(publish: Publish) -> (Simulation<Settled>, Outbox) {
    let (mut client, outbox) = publish.simulate().expect("a loop");
    for number in 0..COUNT {
        let post = Post::from(body(number));
        let post = if number == 1 {
            post.event("e&\u{fc}")
        } else {
            post
        };
        outbox.send(post).expect("there is room");
    }
    client.turn();
    (client, outbox)
}

fn to_url() -> Publish {
    Publish::to("http://127.0.0.1/a?b").within(Duration::MAX)
}

/// What a world around the client knows of its requests.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    settled: usize,
    told: Vec<String>,
}

impl Seen {
    fn requests(&mut self, sent: &[u8]) -> usize {
        let (mut rest, mut count) = (sent, 0);
        while !rest.is_empty() {
            let end = rest
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .expect("a head")
                + 4;
            let head = RequestHead::parse(&rest[..end], &HeadLimits::default()).expect("a request");
            let fields = head.fields();
            let length = fields
                .get_str("Content-Length")
                .and_then(|length| length.parse().ok());
            let body = &rest[end..end + length.unwrap_or(0_usize)];
            assert_eq!(head.method(), "POST");
            let key = fields.get_str("Idempotency-Key").expect("a key").to_owned();
            let number = match self.keys.iter().position(|known| *known == key) {
                Some(known) => known,
                None => {
                    self.keys.push(key);
                    self.keys.len() - 1
                }
            };
            assert!(number >= self.settled && body == self::body(number));
            rest = &rest[end + body.len()..];
            count += 1;
        }
        count
    }

    fn settled(&mut self, settled: Vec<Settled>) {
        for (post, result) in settled {
            assert_eq!(post.data().as_bytes(), body(self.settled));
            self.settled += 1;
            self.told.push(match result {
                Err(ClientError::InDoubt(error)) => format!("in doubt: {error}"),
                other => format!("{other:?}"),
            });
        }
    }
}

/// What the program is told; `None` if an answer ended at a cut and more was said behind it.
fn run(mut choices: Choices<'_>, cut: Option<u8>) -> Option<Vec<String>> {
    let none = Backoff {
        initial: Duration::ZERO,
        max: Duration::ZERO,
    };
    let (mut client, outbox) = begin(to_url().backoff(none));
    let mut seen = Seen::default();
    while !choices.is_empty() && seen.settled < COUNT {
        let step = choices.byte();
        if !client.is_connected() && step % 8 != 7 {
            client.wait(LONG);
            client.accept();
        }
        match step % 8 {
            0..=3 => {
                let said = choices.bytes();
                let pieces = cut.map_or_else(|| uncut(said.len()), |cut| cuts(said.len(), cut));
                let left = outbox.len();
                for piece in pieces {
                    if client.is_connected() {
                        if outbox.len() != left {
                            return None;
                        }
                        client.say(&said[piece]);
                    }
                }
            }
            4 => client.end(),
            5 => client.reset(),
            6 => {
                let seconds = Duration::from_secs(u64::from(choices.byte()));
                if client.is_connected() {
                    client.wait(seconds);
                }
            }
            _ => {
                client.wait(LONG);
                if !client.is_connected() {
                    client.refuse();
                }
            }
        }
        let settled = client.updates();
        let sent = client.take();
        // What is sent behind an answer is sent when that is settled.
        seen.settled(settled);
        seen.requests_after(&sent);
    }
    assert_eq!(outbox.len(), COUNT - seen.settled);
    Some(seen.told)
}

impl Seen {
    /// Requests that were sent before and behind what was settled meanwhile.
    fn requests_after(&mut self, sent: &[u8]) {
        let settled = std::mem::take(&mut self.settled);
        self.requests(sent);
        self.settled = settled;
    }
}

/// A server that says all of it on every connection, and ends it or not.
fn spin(mut choices: Choices<'_>, ends: bool) {
    let mut said = Vec::new();
    while !choices.is_empty() {
        choices.byte();
        said.extend_from_slice(choices.bytes());
    }
    let (mut client, _outbox) = begin(to_url());
    let (mut left, mut asked) = (Duration::from_secs(60), 0);
    let mut seen = Seen::default();
    while !left.is_zero() {
        asked += seen.requests(&client.take());
        seen.settled(client.updates());
        if seen.settled == COUNT {
            break;
        }
        if !client.is_connected() {
            left -= client.wait(left).min(left);
            client.accept();
            asked += seen.requests(&client.take());
        } else {
            left -= client.wait(left).min(left);
        }
        client.say(&said);
        if ends {
            client.end();
        }
        assert!(asked < MOST, "{asked} requests within a minute");
    }
}
