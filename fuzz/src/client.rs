//! A subscription (or, by the first choice, a client that publishes: `client_publish`), and whatever a server says to it on any number of connections. Input: the way and other options, how
//! to cut, then steps: what the server says, ends, breaks, refuses, and the time between.
//!
//! Laws:
//! - every request is one that a server takes, whatever ids were said before; it asks for no content coding;
//! - how what is said is cut makes no difference to what the program is told;
//! - of a channel's messages none is handed on twice, unless a gap was told between;
//! - a server that says the same again and again does not make the client spin.

use std::time::Duration;

use barewire::channel::Id;
use barewire::client::{Oversized, Simulation};
use barewire::http::{HeadLimits, RequestHead};
use barewire::ws::handshake::accept_key;
use barewire::{Subscribe, Transport, Update};

use super::choice::{Choices, cuts, uncut};

/// Larger than any wait.
const LONG: Duration = Duration::from_secs(1 << 32);
/// Connections and polls in a minute: 21 for each failure that is a row of redirects, and few failures.
const MOST: usize = 400;

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let setting = choices.byte();
    if setting & 128 != 0 {
        return super::client_publish::check(choices);
    }
    let cut = choices.byte();
    let whole = run(setting, choices.clone(), None);
    let pieces = run(setting, choices.clone(), Some(cut));
    assert_eq!(whole, pieces);
    spin(setting, choices);
}

fn begin(setting: u8) -> Simulation {
    let subscribe = Subscribe::to("http://127.0.0.1/a?b").max_message(300);
    let subscribe = match Transport::ALL.get(usize::from(setting & 7)) {
        Some(&transport) => subscribe.transport(transport),
        None => subscribe,
    };
    let subscribe = match setting & 8 {
        0 => subscribe,
        _ => subscribe.from_now(),
    };
    let subscribe = match setting & 16 {
        0 => subscribe,
        _ => subscribe.oversized(Oversized::Skip),
    };
    subscribe.simulate().expect("a loop")
}

/// Makes the next connection, and says the beginning of an answer that only who knows the request can say.
fn accept(client: &mut Simulation, setting: u8) {
    if client.accept() {
        let request = client.take();
        if let Some(key) = check_request(&request).filter(|_| setting & 32 == 0) {
            client.say(&switching(&key));
        }
    }
}

/// Says whether it asks for a WebSocket: with which key.
fn check_request(request: &[u8]) -> Option<Vec<u8>> {
    let head = RequestHead::parse(request, &HeadLimits::default()).expect("a request");
    assert_eq!(head.method(), "GET");
    let fields = head.fields();
    assert!(fields.all("Last-Event-ID").count() <= 1 && fields.all("Host").count() == 1);
    let key = fields.get("Sec-WebSocket-Key");
    assert!(key.is_some() || fields.get("Accept-Encoding") == Some(b"identity"));
    key.map(<[u8]>::to_vec)
}

fn switching(key: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let accept = accept_key(key);
    [
        head.as_bytes(),
        b"Sec-WebSocket-Accept: ",
        &accept,
        b"\r\n\r\n",
    ]
    .concat()
}

/// What the program is told of all steps, without the times, which are random.
fn run(setting: u8, mut choices: Choices<'_>, cut: Option<u8>) -> Vec<String> {
    let mut client = begin(setting);
    let mut told = Vec::new();
    let mut last = None;
    while !choices.is_empty() && !client.is_ended() {
        let step = choices.byte();
        if !client.is_connected() && step % 8 != 7 {
            client.wait(LONG);
            accept(&mut client, setting);
        }
        match step % 8 {
            0..=3 => {
                let said = choices.bytes();
                let pieces = cut.map_or_else(|| uncut(said.len()), |cut| cuts(said.len(), cut));
                for piece in pieces {
                    // What comes behind the end of a connection does not come on the next one.
                    if client.is_connected() {
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
        let sent = client.take();
        if sent.starts_with(b"GET ") {
            check_request(&sent);
        }
        for update in client.updates() {
            if let Update::Event(event) = &update {
                check_order(setting, event, &mut last);
            }
            told.push(match update {
                Update::Lost { error, .. } => format!("lost: {error}"),
                update => format!("{update:?}"),
            });
        }
    }
    told
}

fn check_order(setting: u8, event: &barewire::client::Event, last: &mut Option<Id>) {
    // In an event stream an empty id takes the cursor away.
    let ordered = [0, 2, 3].contains(&(setting & 7));
    if !ordered || event.id().is_empty() {
        return;
    }
    let id = event.id().parse().ok().filter(|_| !event.is_gap());
    assert!(id.is_none() || id > *last, "{event:?} after {last:?}");
    *last = id;
}

/// A server that says all of it on every connection, and ends it or not.
fn spin(setting: u8, mut choices: Choices<'_>) {
    let mut said = Vec::new();
    while !choices.is_empty() {
        choices.byte();
        said.extend_from_slice(choices.bytes());
    }
    let mut client = begin(setting);
    let (mut left, mut asked) = (Duration::from_secs(60), 0);
    while !left.is_zero() && !client.is_ended() {
        // What it answers to the last words is none of the requests.
        client.take();
        left -= client.wait(left).min(left);
        if client.is_connected() {
            asked += usize::from(client.take().starts_with(b"GET "));
        } else {
            accept(&mut client, setting);
            asked += usize::from(client.is_connected());
        }
        client.say(&said);
        if setting & 64 != 0 {
            client.end();
        }
        assert!(asked < MOST, "{asked} requests within a minute");
    }
}
