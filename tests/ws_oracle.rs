//! The framing codec beside another implementation, tungstenite: what one writes the other reads,
//! and of bytes that were damaged on the way both see the same.
//!
//! What reads the same, and where the two differ on purpose, is said in `fuzz/src/ws_differential.rs`, whose law is
//! checked here with streams that both would send, and with such streams damaged.

use barewire::ws::{self, Close, CloseCode, Fragmenter, Kind, Limits, Role};
use differential::{Seen, Wire, agree, their};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Message as TheirMessage, WebSocket};

#[allow(dead_code)]
#[path = "../fuzz/src/choice.rs"]
mod choice;
#[allow(dead_code)]
#[path = "../fuzz/src/ws_differential.rs"]
mod differential;

fn peer(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

fn they_read(role: Role, bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    differential::they_read(role, &Limits::default(), bytes)
}

fn we_read(role: Role, bytes: &[u8]) -> (Vec<Seen>, Option<ws::Error>) {
    differential::we_read(role, &Limits::default(), bytes)
}

/// A message or control frame, and where to cut it.
type Item = (Seen, Vec<Index>);

fn item() -> impl Strategy<Value = Item> {
    let seen = prop_oneof![
        3 => "[aå€😀]{0,50}".prop_map(Seen::Text),
        2 => vec(any::<u8>(), 0..200).prop_map(Seen::Binary),
        1 => (65500..65600usize).prop_map(|len| Seen::Binary(vec![1; len])),
        1 => vec(any::<u8>(), 0..=125).prop_map(Seen::Ping),
        1 => vec(any::<u8>(), 0..=125).prop_map(Seen::Pong),
    ];
    (seen, vec(any::<Index>(), 0..4))
}

fn close() -> impl Strategy<Value = Seen> {
    let code = prop_oneof![1000..=1003u16, 1007..=1013u16, 3000..=4999u16];
    let body = (code, "[aå€]{0,20}").prop_map(Some);
    prop_oneof![Just(None), body].prop_map(Seen::Close)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// The payload in pieces, at least one.
fn pieces<'a>(payload: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(payload.len() + 1))
        .collect();
    ends.sort_unstable();
    ends.push(payload.len());
    let mut start = 0;
    ends.into_iter()
        .map(|end| {
            let piece = &payload[start..end];
            start = end;
            piece
        })
        .collect()
}

fn they_write(role: Role, items: &[Item]) -> Vec<u8> {
    let mut socket = WebSocket::from_raw_socket(Wire::default(), their(role), None);
    for (seen, cuts) in items {
        let (payload, first) = match seen {
            Seen::Text(text) => (text.as_bytes(), Data::Text),
            Seen::Binary(bytes) => (&bytes[..], Data::Binary),
            Seen::Ping(payload) => {
                socket
                    .send(TheirMessage::Ping(payload.clone().into()))
                    .unwrap();
                continue;
            }
            Seen::Pong(payload) => {
                // As a frame: a pong given as a message waits to be sent with something else.
                socket
                    .send(TheirMessage::Frame(Frame::pong(payload.clone())))
                    .unwrap();
                continue;
            }
            Seen::Close(close) => {
                let close = close.clone().map(|(code, reason)| CloseFrame {
                    code: code.into(),
                    reason: reason.into(),
                });
                socket.send(TheirMessage::Close(close)).unwrap();
                continue;
            }
        };
        let pieces = pieces(payload, cuts);
        for (i, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if i == 0 { first } else { Data::Continue });
            let frame = Frame::message(piece.to_vec(), opcode, i + 1 == pieces.len());
            socket.send(TheirMessage::Frame(frame)).unwrap();
        }
    }
    socket.get_ref().outgoing.clone()
}

fn we_write(role: Role, items: &[Item], key: [u8; 4]) -> Vec<u8> {
    let mask = match role {
        Role::Client => Some(key),
        Role::Server => None,
    };
    let mut out = Vec::new();
    for (seen, cuts) in items {
        let (payload, kind) = match seen {
            Seen::Text(text) => (text.as_bytes(), Kind::Text),
            Seen::Binary(bytes) => (&bytes[..], Kind::Binary),
            Seen::Ping(payload) => {
                ws::write_ping(&mut out, payload, mask).unwrap();
                continue;
            }
            Seen::Pong(payload) => {
                ws::write_pong(&mut out, payload, mask).unwrap();
                continue;
            }
            Seen::Close(close) => {
                let close = close.as_ref().map(|(code, reason)| {
                    Close::new(CloseCode::new(*code).unwrap(), reason).unwrap()
                });
                ws::write_close(&mut out, close, mask);
                continue;
            }
        };
        let mut pieces = pieces(payload, cuts);
        let last = pieces.pop().unwrap();
        let mut message = Fragmenter::start(kind);
        for piece in pieces {
            message.write(&mut out, piece, mask).unwrap();
        }
        message.finish(&mut out, last, mask).unwrap();
    }
    out
}

fn script() -> impl Strategy<Value = Vec<Item>> {
    (vec(item(), 0..6), prop::option::of(close())).prop_map(|(mut items, close)| {
        items.extend(close.map(|close| (close, vec![])));
        items
    })
}

/// Bytes damaged in a few places: a value replaced, one left out, or one put in.
fn damage(bytes: &mut Vec<u8>, changes: &[(Index, u8, u8)]) {
    for (at, how, value) in changes {
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *value),
        }
    }
}

proptest! {
    #[test]
    fn what_they_write_we_read(role in role(), items in script()) {
        let expected: Vec<Seen> = items.iter().map(|(seen, _)| seen.clone()).collect();
        prop_assert_eq!(we_read(peer(role), &they_write(role, &items)), (expected, None));
    }

    #[test]
    fn what_we_write_they_read(role in role(), items in script(), key: [u8; 4]) {
        let expected: Vec<Seen> = items.iter().map(|(seen, _)| seen.clone()).collect();
        prop_assert_eq!(they_read(peer(role), &we_write(role, &items, key)), (expected, None));
    }

    #[test]
    fn of_damaged_bytes_both_see_the_same(
        role in role(),
        items in script(),
        key: [u8; 4],
        changes in vec((any::<Index>(), 0..4u8, any::<u8>()), 1..5),
    ) {
        let mut bytes = we_write(role, &items, key);
        damage(&mut bytes, &changes);
        agree(peer(role), &Limits::default(), &bytes);
    }

    #[test]
    fn of_small_damaged_frames_both_see_the_same(
        role in role(),
        frames in vec(("[aå€😀]{0,2}", 0..3u8, vec(any::<Index>(), 0..3)), 1..6),
        changes in vec((any::<Index>(), 0..4u8, any::<u8>()), 1..4),
    ) {
        // Short enough that the damage mostly hits a header or a code point.
        let items: Vec<Item> = frames
            .into_iter()
            .map(|(text, kind, cuts)| match kind {
                0 => (Seen::Ping(text.into_bytes()), cuts),
                1 => (Seen::Close(Some((1000, text))), cuts),
                _ => (Seen::Text(text), cuts),
            })
            .collect();
        let mut bytes = we_write(role, &items, [0; 4]);
        damage(&mut bytes, &changes);
        agree(peer(role), &Limits::default(), &bytes);
    }

    #[test]
    fn of_random_bytes_both_see_the_same(role in role(), bytes in vec(any::<u8>(), 0..100)) {
        agree(role, &Limits::default(), &bytes);
    }
}
