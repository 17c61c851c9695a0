//! Compressed messages: RFC 7692, on the sockets of handlers and of channels.

use std::time::Duration;

use barewire::channel::{Data, Encoding, Hub, Next, Start};
use barewire::ws::deflate::{Deflater, Inflater, WindowBits};
use barewire::ws::{Decoder, Event, Limits as Frames, Role};
use barewire::{Cores, Deflate, channel};

use crate::support::*;

const PLAIN: &str = "";
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// A client that has offered compression, and what it was answered.
struct Peer {
    id: Client,
    agreed: Option<String>,
    /// What came right behind the handshake.
    early: Vec<u8>,
    inflater: Inflater,
    deflater: Deflater,
}

/// What a client got: whether it was compressed, and the payload.
type Got = (bool, Vec<u8>);

impl Peer {
    fn open(server: &mut Simulation, path: &str, fields: &str) -> Peer {
        let id = server.connect();
        server.send(id, upgrade(path, fields).as_bytes());
        let received = server.take(id);
        let (head, rest) = answer(&received, false);
        assert_eq!(head.status, 101);
        let agreed = head.field("Sec-WebSocket-Extensions");
        let says = |name: &str| agreed.as_deref().unwrap_or_default().contains(name);
        let inflater = Inflater::new(WindowBits::MAX, !says("server_no_context_takeover"));
        let keeps = !says("client_no_context_takeover");
        let deflater = Deflater::new(6, WindowBits::MAX, keeps);
        Peer {
            id,
            agreed,
            early: rest.to_vec(),
            inflater,
            deflater,
        }
    }

    /// Sends a text, compressed if that makes it smaller.
    fn say(&mut self, server: &mut Simulation, text: &str) {
        let mut payload = Vec::new();
        if self.deflater.deflate(text.as_bytes(), &mut payload) {
            server.send(self.id, &frame(0xC1, &payload));
        } else {
            server.send(self.id, &frame(TEXT, text));
        }
    }

    /// The messages that have come.
    fn hear(&mut self, server: &mut Simulation) -> Vec<Got> {
        let mut bytes = std::mem::take(&mut self.early);
        bytes.extend(server.take(self.id));
        let mut decoder = Decoder::new(Role::Client);
        let (mut got, mut used) = (Vec::new(), 0);
        loop {
            let compressed = bytes.get(used).is_some_and(|first| first & 0x40 != 0);
            let rest = &mut bytes[used..];
            let decoded = decoder.decode_inflating(rest, &Frames::default(), &mut self.inflater);
            let decoded = decoded.unwrap();
            used += decoded.used;
            match decoded.event {
                None => return got,
                Some(Event::Message(message)) => {
                    got.push((compressed, message.as_bytes().to_vec()));
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }
}

fn keeping() -> Deflate {
    Deflate {
        takeover: true,
        peer_takeover: true,
        ..Deflate::default()
    }
}

fn hub_deflating(settings: impl Into<Option<Deflate>>) -> Simulation {
    server(|server| {
        routes(server);
        server.deflate(settings);
    })
}

fn long(word: &str) -> String {
    format!("{word}, ").repeat(100)
}

/// What can't be compressed.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let bytes = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    bytes.take(count).collect()
}

fn closed_with(bytes: &[u8]) -> u16 {
    let close = &bytes[bytes.iter().position(|&byte| byte == 0x88).unwrap()..];
    u16::from_be_bytes([close[2], close[3]])
}

// RFC 7692 5.1

#[test]
fn who_offers_is_answered_and_who_does_not_is_not() {
    let mut server = hub();
    for path in ["/echo", "/channels/a"] {
        assert_eq!(Peer::open(&mut server, path, PLAIN).agreed, None);
        let agreed = Peer::open(&mut server, path, OFFER).agreed;
        let neither = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed.as_deref(), Some(neither));
    }
}

#[test]
fn offers_in_several_fields_are_one_list() {
    let mut server = hub_deflating(keeping());
    let fields = "Sec-WebSocket-Extensions: x, permessage-deflate; y\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9, permessage-deflate\r\n";
    let agreed = Peer::open(&mut server, "/echo", fields).agreed;
    let second = "permessage-deflate; server_max_window_bits=9";
    assert_eq!(agreed.as_deref(), Some(second));
}

#[test]
fn a_server_that_is_told_not_to_compress_does_not() {
    let mut server = hub_deflating(None);
    let peer = Peer::open(&mut server, "/echo", OFFER);
    assert_eq!(peer.agreed, None);
    server.send(peer.id, &frame(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(closed_with(&server.take(peer.id)), 1002);
}

// 6: messages

#[test]
fn an_echo_is_compressed_both_ways_where_it_pays() {
    for settings in [Deflate::default(), keeping()] {
        let mut server = hub_deflating(settings);
        let mut peers: Vec<Peer> = (0..3)
            .map(|_| Peer::open(&mut server, "/echo", OFFER))
            .collect();
        for round in 0..3 {
            for (at, peer) in peers.iter_mut().enumerate() {
                for (text, compressed) in [
                    (long(&format!("{at} says {round}")), true),
                    ("short".to_owned(), false),
                    (String::new(), false),
                ] {
                    peer.say(&mut server, &text);
                    assert_eq!(peer.hear(&mut server), [(compressed, text.into_bytes())]);
                }
            }
        }
    }
}

#[test]
fn what_does_not_become_smaller_is_sent_as_it_is() {
    let noise = noise(1_000);
    let mut server = hub();
    let mut peer = Peer::open(&mut server, "/echo", OFFER);
    server.send(peer.id, &frame(BINARY, &noise));
    assert_eq!(peer.hear(&mut server), [(false, noise)]);
}

#[test]
fn a_compressed_message_may_come_in_fragments_with_a_ping_between() {
    let mut server = hub();
    let mut peer = Peer::open(&mut server, "/echo", OFFER);
    let text = long("fragments");
    let mut payload = Vec::new();
    assert!(peer.deflater.deflate(text.as_bytes(), &mut payload));
    let (one, two) = payload.split_at(7);
    let sent = [frame(0x41, one), frame(0x00, b""), frame(0x80, two)].concat();
    for byte in sent {
        server.send(peer.id, &[byte]);
    }
    assert_eq!(peer.hear(&mut server), [(true, text.into_bytes())]);
}

#[test]
fn rsv1_on_a_control_frame_or_a_continuation_is_an_error() {
    for frames in [
        frame(0xC9, b""),
        [frame(0x41, b"\xf2"), frame(0xC0, b"\x00")].concat(),
        frame(0xE1, b"\x00"),
    ] {
        let mut server = hub();
        let peer = Peer::open(&mut server, "/echo", OFFER);
        server.send(peer.id, &frames);
        assert_eq!(closed_with(&server.take(peer.id)), 1002);
    }
}

// 7.2.2, and the limit

#[test]
fn a_bomb_is_1009_and_bad_data_1007() {
    let mut server = server(|server| {
        server.limits(Limits {
            message: 10_000,
            ..Limits::default()
        });
        routes(server);
    });
    let mut bomb = Vec::new();
    assert!(Deflater::new(9, WindowBits::MAX, false).deflate(&vec![b'0'; 1 << 20], &mut bomb));
    for (path, payload, code) in [
        ("/echo", &bomb[..], 1009),
        ("/channels/a", &bomb, 1009),
        ("/echo", b"\xff\xff", 1007),
        ("/echo", b"\xf2\x48", 1007),
        // 0xFF as text: it inflates, and is no UTF-8.
        ("/echo", b"\x00\x01\x00\xfe\xff\xff\x00", 1007),
    ] {
        let peer = Peer::open(&mut server, path, OFFER);
        server.send(peer.id, &frame(0xC1, payload));
        assert_eq!(closed_with(&server.take(peer.id)), code);
        // The next one finds the shared state as new.
        let mut next = Peer::open(&mut server, "/echo", OFFER);
        next.say(&mut server, &long("well"));
        assert_eq!(next.hear(&mut server).len(), 1);
    }
}

// Channels

#[test]
fn a_channel_is_compressed_once_for_all_who_have_agreed() {
    let mut server = hub_deflating(keeping());
    let publish_long = |server: &mut Simulation, word: &str| {
        let id = publish(server, "a", &long(word));
        object(&id, &long(word)).into_bytes()
    };
    let one = publish_long(&mut server, "one");
    let mut plain = Peer::open(&mut server, "/channels/a", PLAIN);
    let mut readers: Vec<Peer> = [
        OFFER,
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\n",
    ]
    .iter()
    .map(|offer| Peer::open(&mut server, "/channels/a", offer))
    .collect();
    // Who has a smaller window is sent what every window takes.
    let small = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let mut small = Peer::open(&mut server, "/channels/a", small);
    let two = publish_long(&mut server, "two");
    publish(&mut server, "a", "short");
    for reader in &mut readers {
        let got = reader.hear(&mut server);
        assert_eq!(got[..2], [(true, one.clone()), (true, two.clone())]);
        assert!(!got[2].0 && got.len() == 3);
    }
    for reader in [&mut plain, &mut small] {
        let got = reader.hear(&mut server);
        assert_eq!(got[..2], [(false, one.clone()), (false, two.clone())]);
    }
    // What readers send is inflated and published.
    readers[0].say(&mut server, &long("three"));
    for reader in &mut readers {
        let got = reader.hear(&mut server);
        assert!(got.len() == 1 && got[0].0);
    }
}

#[test]
fn a_raw_channel_is_compressed_too_text_and_bytes() {
    let mut server = hub();
    let fields = format!("{OFFER}Sec-WebSocket-Protocol: raw\r\n");
    let mut reader = Peer::open(&mut server, "/channels/a", &fields);
    let bytes = b"\xff\x00".repeat(500);
    server.send(reader.id, &frame(BINARY, &bytes));
    publish(&mut server, "a", &long("text"));
    let expected = [(true, bytes), (true, long("text").into_bytes())];
    assert_eq!(reader.hear(&mut server), expected);
}

#[test]
fn a_gap_is_told_to_who_reads_compressed() {
    let mut server = hub();
    publish(&mut server, "a", &long("one"));
    let mut reader = Peer::open(&mut server, "/channels/a?last_event_id=1-1", OFFER);
    let got = reader.hear(&mut server);
    assert_eq!((got.len(), got[0].0, got[1].0), (2, false, true));
    assert!(got[0].1.windows(5).any(|part| part == b"\"gap\""));
}

#[test]
fn each_of_several_loops_compresses_as_it_was_told_to() {
    let small = Deflate {
        window_bits: WindowBits::new(9).unwrap(),
        ..Deflate::default()
    };
    let mut settings = [Some(Deflate::default()), Some(small), None].into_iter();
    let cores = Cores::unbound(3, |server| {
        routes(server);
        server.deflate(settings.next().flatten());
        Ok(())
    });
    let servers = cores.unwrap().into_servers().into_iter();
    let mut loops: Vec<Simulation> = servers.map(Server::simulate).collect();
    let mut readers: Vec<Peer> = loops
        .iter_mut()
        .map(|server| Peer::open(server, "/channels/a", OFFER))
        .collect();
    let agreed = readers[1].agreed.as_deref().unwrap();
    assert!(agreed.contains("server_max_window_bits=9"), "{agreed}");
    assert_eq!(readers[2].agreed, None);
    // Compressed on its way in, by a reader of the loop with the small window.
    readers[1].say(&mut loops[1], &long("hello"));
    for (at, (server, reader)) in loops.iter_mut().zip(&mut readers).enumerate() {
        server.wait(Duration::ZERO);
        let got = reader.hear(server);
        assert_eq!((got.len(), got[0].0), (1, at < 2));
        let text = String::from_utf8(got[0].1.clone()).unwrap();
        assert!(text.contains(&long("hello")), "{text}");
    }
}

// 7.1.2.1: a window that was agreed on holds.

#[test]
fn a_window_does_not_grow_under_who_reads_with_the_smaller_one() {
    let small = Deflate {
        window_bits: WindowBits::new(9).unwrap(),
        ..Deflate::default()
    };
    // It is compressed only by looking further back than 512 bytes.
    let twice = noise(600).repeat(2);
    let mut hub = Hub::new(channel::Limits::default(), 1);
    let first = |hub: &mut Hub| {
        hub.publish("a", None, Data::new(&twice), 2).unwrap();
        let encoding = hub.deflated(Encoding::SocketRaw, small.window_bits);
        let reader = hub.attach("a", encoding, Start::Oldest, 1).unwrap();
        let Next::Bytes(bytes) = hub.next(&reader) else {
            panic!("there is a message")
        };
        (bytes[0], reader)
    };
    hub.set_deflate(small);
    let (plain, reader) = first(&mut hub);
    hub.set_deflate(Deflate::default());
    let Next::Bytes(bytes) = hub.next(&reader) else {
        panic!("it is kept")
    };
    assert_eq!((plain, bytes[0]), (0x82, 0x82));
    hub.detach(reader);
    hub.set_deflate(Deflate::default());
    let encoding = hub.deflated(Encoding::SocketRaw, WindowBits::MAX);
    let reader = hub.attach("a", encoding, Start::Oldest, 1).unwrap();
    assert!(matches!(hub.next(&reader), Next::Bytes([0xC2, ..])));
}
