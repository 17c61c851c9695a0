use super::*;
use crate::ws::handshake::HandshakeError;
use crate::ws::{self, Decoder, Error, Event, Limits, Message, Role};

fn inflated(payload: &[u8]) -> Result<Vec<u8>, Error> {
    Inflater::new(WindowBits::MAX, false)
        .inflate(payload, 1 << 20)
        .map(<[u8]>::to_vec)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Deflater::new(LEVEL, WindowBits::MAX, false).deflate(message, &mut out));
    out
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

// RFC 7692 5 and 7.1, the server's side

/// What a server with these settings answers to a header with these offers.
fn answer(settings: &Settings, offers: &[&str]) -> Option<String> {
    let offers = offers.iter().map(|offer| offer.as_bytes());
    settings.accept(offers).map(|accepted| accepted.answer)
}

const KEEPING: Settings = Settings {
    level: LEVEL,
    threshold: THRESHOLD,
    takeover: true,
    window_bits: WindowBits::MAX,
    peer_takeover: true,
    peer_window_bits: WindowBits::MAX,
};

#[test]
fn a_server_keeps_nothing_between_messages_unless_told_to() {
    let neither = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let asked = ["permessage-deflate"];
    assert_eq!(
        answer(&Settings::default(), &asked).as_deref(),
        Some(neither)
    );
    assert_eq!(
        answer(&KEEPING, &asked).as_deref(),
        Some("permessage-deflate")
    );
}

#[test]
fn an_offer_gets_the_answer_of_section_7_1() {
    let table = [
        ("permessage-deflate", ""),
        ("Permessage-Deflate", ""),
        (
            "permessage-deflate;server_no_context_takeover",
            "; server_no_context_takeover",
        ),
        // A hint (7.1.1.2), which saves us the window.
        (
            "permessage-deflate; client_no_context_takeover",
            "; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            "; server_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "; server_max_window_bits=10",
        ),
        // Asked for, hence answered (7.1.2.1).
        (
            "permessage-deflate; server_max_window_bits=15",
            "; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"10\"",
            "; server_max_window_bits=10",
        ),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=15", ""),
        (
            "permessage-deflate; client_max_window_bits=9",
            "; client_max_window_bits=9",
        ),
        (
            "permessage-deflate ; client_max_window_bits = 8",
            "; client_max_window_bits=8",
        ),
    ];
    for (offer, parameters) in table {
        let expected = format!("permessage-deflate{parameters}");
        assert_eq!(answer(&KEEPING, &[offer]), Some(expected), "{offer}");
    }
}

#[test]
fn an_offer_that_is_not_understood_is_declined() {
    for parameters in [
        "x",
        "x=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=1e1",
        "server_max_window_bits=+9",
        "server_max_window_bits=1000",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=\"10",
        "server_max_window_bits=\"1\\0\"",
        "client_max_window_bits=7",
        "client_max_window_bits=\"\"",
        "client_max_window_bits=256",
        "client_max_window_bits; client_max_window_bits=10",
        "SERVER_NO_CONTEXT_TAKEOVER",
        "",
        ";",
        "\u{e9}",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&KEEPING, &[&offer]), None, "{offer}");
    }
}

#[test]
fn the_first_offer_that_can_be_taken_is_taken() {
    let offers = [
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate",
    ];
    let expected = "permessage-deflate; server_max_window_bits=12";
    assert_eq!(answer(&KEEPING, &offers).as_deref(), Some(expected));
    assert_eq!(answer(&KEEPING, &offers[..2]), None);
    assert_eq!(answer(&KEEPING, &[]), None);
}

#[test]
fn a_server_narrows_its_own_window_unasked_and_the_clients_only_if_it_can_be_told() {
    let narrow = Settings {
        window_bits: bits(11),
        peer_window_bits: bits(10),
        ..KEEPING
    };
    for (offer, parameters) in [
        // A client that can't be told may not refer back at all.
        (
            "permessage-deflate",
            "; client_no_context_takeover; server_max_window_bits=11",
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "; server_max_window_bits=11; client_max_window_bits=10",
        ),
        (
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
            "; server_max_window_bits=9; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_max_window_bits=12; server_max_window_bits=12",
            "; server_max_window_bits=11; client_max_window_bits=10",
        ),
    ] {
        let expected = format!("permessage-deflate{parameters}");
        assert_eq!(answer(&narrow, &[offer]), Some(expected), "{offer}");
    }
}

// RFC 7692 5.1 and 7.1, the client's side

fn checked(settings: &Settings, answer: &[&str]) -> Result<Option<Terms>, HandshakeError> {
    settings.check(answer.iter().map(|member| member.as_bytes()))
}

#[test]
fn a_client_offers_what_it_wants() {
    let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
    assert_eq!(Settings::default().offer(), offer);
    assert_eq!(
        KEEPING.offer(),
        "permessage-deflate; client_max_window_bits"
    );
    let narrow = Settings {
        window_bits: bits(9),
        peer_window_bits: bits(12),
        ..KEEPING
    };
    let offer = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9";
    assert_eq!(narrow.offer(), offer);
}

#[test]
fn an_answer_to_the_offer_is_agreed_on() {
    assert_eq!(checked(&KEEPING, &[]), Ok(None));
    let largest = Direction {
        takeover: true,
        window_bits: WindowBits::MAX,
    };
    let terms = |send, receive| Ok(Some(Terms { send, receive }));
    let table = [
        ("", largest, largest),
        (
            "; server_no_context_takeover",
            largest,
            Direction {
                takeover: false,
                ..largest
            },
        ),
        (
            "; client_no_context_takeover",
            Direction {
                takeover: false,
                ..largest
            },
            largest,
        ),
        // Also without being asked for (7.1.2.1).
        (
            "; server_max_window_bits=8",
            largest,
            Direction {
                window_bits: bits(8),
                ..largest
            },
        ),
        (
            "; client_max_window_bits=10",
            Direction {
                window_bits: bits(10),
                ..largest
            },
            largest,
        ),
    ];
    for (parameters, send, receive) in table {
        let answer = format!("permessage-deflate{parameters}");
        assert_eq!(
            checked(&KEEPING, &[&answer]),
            terms(send, receive),
            "{answer}"
        );
    }
}

#[test]
fn an_answer_that_takes_what_was_not_offered_fails() {
    let parameters = Err(HandshakeError::ExtensionParameters);
    for answer in [
        "permessage-deflate; x",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=1000",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;",
    ] {
        assert_eq!(checked(&KEEPING, &[answer]), parameters, "{answer}");
    }
    let twice = ["permessage-deflate", "permessage-deflate"];
    assert_eq!(checked(&KEEPING, &twice), parameters);
    let another = Err(HandshakeError::ExtensionNotOffered);
    assert_eq!(checked(&KEEPING, &["x-deflate"]), another);
}

#[test]
fn an_answer_without_what_was_asked_for_fails() {
    let parameters = Err(HandshakeError::ExtensionParameters);
    // 7.1.1.1: the server accepts the parameter by sending it.
    assert_eq!(
        checked(&Settings::default(), &["permessage-deflate"]),
        parameters
    );
    let narrow = Settings {
        peer_window_bits: bits(10),
        ..KEEPING
    };
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=11",
    ] {
        assert_eq!(checked(&narrow, &[answer]), parameters, "{answer}");
    }
    assert!(checked(&narrow, &["permessage-deflate; server_max_window_bits=9"]).is_ok());
}

#[test]
fn client_and_server_agree_whatever_they_want() {
    let mut wishes = Vec::new();
    for takeover in [false, true] {
        for peer_takeover in [false, true] {
            for (own, peer) in [(15, 15), (8, 15), (15, 9), (11, 12)] {
                wishes.push(Settings {
                    takeover,
                    peer_takeover,
                    window_bits: bits(own),
                    peer_window_bits: bits(peer),
                    ..Settings::default()
                });
            }
        }
    }
    for client in &wishes {
        for server in &wishes {
            let offer = client.offer();
            let accepted = server.accept([offer.as_bytes()].into_iter()).unwrap();
            let terms = checked(client, &[&accepted.answer]).unwrap().unwrap();
            // What one may send, the other can receive.
            for (sender, receiver) in [(terms, accepted.terms), (accepted.terms, terms)] {
                assert!(sender.send.window_bits <= receiver.receive.window_bits);
                assert!(!sender.send.takeover || receiver.receive.takeover);
            }
        }
    }
}

// RFC 7692 7.2.3: the examples

#[test]
fn hello_in_one_block() {
    // 7.2.3.1
    let payload = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
    let mut frames = [&[0xC1, 0x07], &payload[..]].concat();
    assert_eq!(decoded(&mut frames), Ok(vec![text("Hello")]));
    let mut frames = [&[0x41, 0x03], &payload[..3], &[0x80, 0x04], &payload[3..]].concat();
    assert_eq!(decoded(&mut frames), Ok(vec![text("Hello")]));
}

#[test]
fn hello_twice_with_the_window_kept() {
    // 7.2.3.2
    let first = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let second = [0xF2, 0x00, 0x11, 0x00, 0x00];
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    assert_eq!(inflater.inflate(&first, 5), Ok(&b"Hello"[..]));
    assert_eq!(inflater.inflate(&second, 5), Ok(&b"Hello"[..]));
    // Who keeps nothing can't know what is meant.
    assert_eq!(inflated(&second), Err(Error::Deflate));
}

#[test]
fn hello_in_a_block_without_compression() {
    // 7.2.3.3
    let payload = [
        0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00,
    ];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
}

#[test]
fn hello_in_a_block_with_bfinal_set() {
    // 7.2.3.4
    let payload = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
    // Also without the byte that is appended there, and also when more messages follow.
    assert_eq!(inflated(&payload[..7]), Ok(b"Hello".to_vec()));
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    for _ in 0..3 {
        assert_eq!(inflater.inflate(&payload, 5), Ok(&b"Hello"[..]));
        assert_eq!(inflater.inflate(&payload[..7], 5), Ok(&b"Hello"[..]));
    }
    assert_eq!(
        inflater.inflate(&[0xF2, 0x00, 0x11, 0x00, 0x00], 5),
        Ok(&b"Hello"[..])
    );
}

#[test]
fn hello_in_two_blocks() {
    // 7.2.3.5
    let payload = [
        0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
    ];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
}

#[test]
fn an_empty_message() {
    // 7.2.3.6
    assert_eq!(inflated(&[0x00]), Ok(Vec::new()));
    assert_eq!(inflated(&[]), Ok(Vec::new()));
    assert_eq!(decoded(&mut [0xC1, 0x01, 0x00]), Ok(vec![text("")]));
    assert_eq!(
        decoded(&mut [0xC2, 0x00]),
        Ok(vec![Seen::Binary(Vec::new())])
    );
    // Of nothing, nothing smaller can be made.
    let mut out = b"before".to_vec();
    assert!(!Deflater::new(LEVEL, WindowBits::MAX, false).deflate(b"", &mut out));
    assert_eq!(out, b"before");
}

// RFC 7692 7.2.1

#[test]
fn what_does_not_become_smaller_is_not_compressed_and_is_not_referred_to() {
    let noise: Vec<u8> = (0..2_000u64)
        .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect();
    let words = b"some words, some more words, some other words".repeat(10);
    let mut deflater = Deflater::new(LEVEL, WindowBits::MAX, true);
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    for message in [
        &words[..],
        &noise[..],
        &words[..],
        &noise[..],
        b"x",
        &words[..],
    ] {
        let mut payload = Vec::new();
        if deflater.deflate(message, &mut payload) {
            assert!(payload.len() < message.len());
            assert_eq!(inflater.inflate(&payload, 10_000), Ok(message));
        }
    }
}

#[test]
fn with_takeover_a_message_refers_to_the_one_before() {
    let message = b"{\"id\":\"1763709279000-0\",\"event\":\"message\",\"data\":\"hello, hello, hello, hello\"}";
    let mut deflater = Deflater::new(LEVEL, WindowBits::MAX, true);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    assert!(deflater.deflate(message, &mut first));
    assert!(deflater.deflate(message, &mut second));
    assert!(
        second.len() < 10 && first.len() > 40,
        "{} {}",
        first.len(),
        second.len()
    );
}

#[test]
fn what_was_compressed_without_a_window_is_inflated_by_everybody() {
    let one = b"one two three four five six seven eight nine ten".repeat(3);
    let mut own = Deflater::new(LEVEL, WindowBits::MAX, true);
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    let mut payload = Vec::new();
    assert!(own.deflate(&one, &mut payload));
    assert_eq!(inflater.inflate(&payload, 1_000), Ok(&one[..]));
    assert_eq!(inflater.inflate(&deflated(&one), 1_000), Ok(&one[..]));
}

/// RFC 7692 7.1.2: how far back the messages refer is found out by a receiver that has this window and no more. It is
/// given room for a few bytes at a time, so that it can't look into what it has given.
fn inflated_in_window(window: u8, payloads: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut receiver = flate2::Decompress::new_with_window_bits(false, window);
    let mut all = Vec::new();
    for payload in payloads {
        let stream = [&payload[..], &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let (start, mut room) = (receiver.total_in(), [0; 16]);
        loop {
            let used = (receiver.total_in() - start) as usize;
            let had = receiver.total_out();
            receiver
                .decompress(&stream[used..], &mut room, flate2::FlushDecompress::Sync)
                .ok()?;
            let made = (receiver.total_out() - had) as usize;
            all.extend_from_slice(&room[..made]);
            if made < room.len() {
                break;
            }
        }
    }
    Some(all)
}

#[test]
fn no_message_refers_further_back_than_agreed() {
    // Half of it repeats what lies 200 to 32,000 bytes back.
    let mut message: Vec<u8> = Vec::new();
    for n in 0..3_000u32 {
        let hash = n.wrapping_mul(0x9E37_79B9).rotate_left(n % 31);
        message.extend_from_slice(&hash.to_be_bytes());
        let back = [200, 700, 1_700, 3_800, 7_900, 16_000, 32_000][n as usize % 7];
        if let Some(from) = message.len().checked_sub(back) {
            message.extend_from_within(from..from + 12);
        }
    }
    for window in 9..=15 {
        for takeover in [false, true] {
            for level in [1, 6, 9] {
                let mut deflater = Deflater::new(level, bits(window), takeover);
                let mut payloads = Vec::new();
                for part in [&message[..], &message[1_000..9_000], &message[..]] {
                    let mut payload = Vec::new();
                    assert!(deflater.deflate(part, &mut payload));
                    payloads.push(payload);
                }
                let all = [&message[..], &message[1_000..9_000], &message[..]].concat();
                let inflated = inflated_in_window(window, &payloads);
                assert!(inflated == Some(all), "window {window}, level {level}");
                // The receiver is one that would notice.
                let less = inflated_in_window(window.max(10) - 1, &payloads);
                assert!(
                    less.is_none() || window == 9,
                    "window {window}, level {level}"
                );
            }
        }
    }
}

#[test]
fn a_window_of_256_bytes_has_messages_of_256_bytes_only() {
    let message = b"abcdefgh".repeat(100);
    let mut deflater = Deflater::new(LEVEL, WindowBits::MIN, true);
    for len in [100, 256, 257, 800, 256] {
        let mut payload = Vec::new();
        assert_eq!(deflater.deflate(&message[..len], &mut payload), len <= 256);
        if len <= 256 {
            // Each for itself, though takeover was wanted.
            assert_eq!(inflated(&payload), Ok(message[..len].to_vec()));
        }
    }
}

// RFC 7692 7.2.2

#[test]
fn what_is_no_deflate_fails() {
    for payload in [
        &[0xFF][..],
        &[0x06],
        // A stored block whose length and its complement don't fit.
        &[0x00, 0x05, 0x00, 0x00, 0x00],
        // A reference to what is not there.
        &[0x03, 0x13, 0x00],
        // Cut off.
        &[0xF2, 0x48, 0xCD],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
    ] {
        assert_eq!(inflated(payload), Err(Error::Deflate), "{payload:?}");
    }
}

#[test]
fn a_message_that_never_stops_ending_fails() {
    // An empty last block, 100,000 times.
    assert_eq!(inflated(&[0x03, 0x00].repeat(100_000)), Err(Error::Deflate));
    assert_eq!(inflated(&[0x03, 0x00].repeat(10)), Ok(Vec::new()));
}

#[test]
fn a_bomb_costs_the_limit_and_no_more() {
    let bomb = deflated(&vec![0; 64 << 20]);
    assert!(bomb.len() < 80_000);
    for limit in [0, 1, 1_000, 65_536, 1 << 20] {
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        assert_eq!(inflater.inflate(&bomb, limit), Err(Error::MessageTooBig));
        let taken = inflater.replace_buffer(Vec::new()).capacity();
        assert!(taken <= limit + 1, "{taken} for a limit of {limit}");
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_fails() {
    for limit in [1, 5, 300, 4_096, 10_000] {
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        let message = vec![b'x'; limit];
        let mut payload = Vec::new();
        if !Deflater::new(LEVEL, WindowBits::MAX, false).deflate(&message, &mut payload) {
            continue;
        }
        assert_eq!(inflater.inflate(&payload, limit), Ok(&message[..]));
        assert_eq!(
            inflater.inflate(&payload, limit - 1),
            Err(Error::MessageTooBig)
        );
    }
}

// RFC 7692 6 and 6.1: RSV1

#[derive(Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Control,
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

/// What a client that has agreed on compression makes of these frames.
fn decoded(input: &mut [u8]) -> Result<Vec<Seen>, Error> {
    let whole = decode_in(&mut input.to_vec(), usize::MAX);
    for size in 1..input.len() {
        assert_eq!(
            decode_in(&mut input.to_vec(), size),
            whole,
            "in pieces of {size}"
        );
    }
    whole
}

fn decode_in(input: &mut [u8], size: usize) -> Result<Vec<Seen>, Error> {
    let limits = Limits {
        message: 1_000,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(Role::Client);
    let mut inflater = Inflater::new(WindowBits::MAX, false);
    let mut seen = Vec::new();
    for piece in input.chunks_mut(size.min(1 << 20)) {
        let mut used = 0;
        loop {
            let decoded = decoder.decode_inflating(&mut piece[used..], &limits, &mut inflater)?;
            used += decoded.used;
            match decoded.event {
                None => break,
                Some(Event::Message(Message::Text(text))) => seen.push(Seen::Text(text.into())),
                Some(Event::Message(Message::Binary(bytes))) => {
                    seen.push(Seen::Binary(bytes.into()))
                }
                Some(_) => seen.push(Seen::Control),
            }
        }
        assert_eq!(used, piece.len());
    }
    Ok(seen)
}

#[test]
fn compressed_and_plain_messages_may_follow_one_another() {
    let payload = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut frames = [
        &[0xC1, 0x07][..],
        &payload,
        b"\x81\x05plain",
        &[0x42, 0x02],
        &payload[..2],
        // Control frames between.
        b"\x89\x01p",
        &[0x00, 0x00, 0x80, 0x05],
        &payload[2..],
        b"\x02\x02ra\x80\x01w",
    ]
    .concat();
    let seen = vec![
        text("Hello"),
        text("plain"),
        Seen::Control,
        Seen::Binary(b"Hello".to_vec()),
        Seen::Binary(b"raw".to_vec()),
    ];
    assert_eq!(decoded(&mut frames), Ok(seen));
}

#[test]
fn rsv1_anywhere_but_on_the_first_frame_of_a_message_fails() {
    for frames in [
        &mut [0xC9, 0x00][..],
        &mut [0xCA, 0x00],
        &mut [0xC8, 0x00],
        &mut [0x41, 0x01, 0xF2, 0xC0, 0x00],
        &mut [0x01, 0x00, 0xC0, 0x00],
        // RSV2 and RSV3 mean nothing, with RSV1 or without.
        &mut [0xA1, 0x00],
        &mut [0x91, 0x00],
        &mut [0xE1, 0x00],
        &mut [0xD1, 0x00],
    ] {
        assert_eq!(decoded(frames), Err(Error::ReservedBits), "{frames:02X?}");
    }
}

#[test]
fn rsv1_where_nothing_was_agreed_on_fails() {
    let mut input = [0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut decoder = Decoder::new(Role::Client);
    let error = decoder.decode(&mut input, &Limits::default());
    assert_eq!(error, Err(Error::ReservedBits));
}

#[test]
fn text_is_utf8_when_it_is_inflated() {
    let payload = deflated(&b"\xC3\xA5".repeat(20));
    let head = |first: u8, payload: &[u8]| [&[first, payload.len() as u8], payload].concat();
    let all = "\u{e5}".repeat(20);
    assert_eq!(decoded(&mut head(0xC1, &payload)), Ok(vec![text(&all)]));
    let payload = deflated(&b"\xC3\xA5".repeat(20)[..39]);
    assert_eq!(decoded(&mut head(0xC1, &payload)), Err(Error::InvalidUtf8));
    assert!(decoded(&mut head(0xC2, &payload)).is_ok());
}

#[test]
fn a_bomb_in_a_frame_is_a_message_too_big_and_bad_data_is_invalid() {
    let bomb = deflated(&[0; 1_001]);
    let mut frame = [&[0xC2, bomb.len() as u8], &bomb[..]].concat();
    let error = decoded(&mut frame).unwrap_err();
    assert_eq!(
        (error, error.close_code()),
        (Error::MessageTooBig, ws::CloseCode::MESSAGE_TOO_BIG)
    );
    let error = decoded(&mut [0xC2, 0x01, 0xFF]).unwrap_err();
    assert_eq!(
        (error, error.close_code()),
        (Error::Deflate, ws::CloseCode::INVALID_PAYLOAD)
    );
}

#[test]
fn the_decoder_fails_for_good() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(Role::Client);
    let mut inflater = Inflater::new(WindowBits::MAX, false);
    for _ in 0..2 {
        let input = &mut [0xC2, 0x01, 0xFF];
        let error = decoder.decode_inflating(input, &limits, &mut inflater);
        assert_eq!(error, Err(Error::Deflate));
        assert!(decoder.is_idle());
    }
}

#[test]
fn what_is_written_compressed_is_read() {
    let message = "the same, the same, the same, the same";
    let payload = deflated(message.as_bytes());
    let mut out = Vec::new();
    ws::write_compressed(&mut out, ws::Kind::Text, &payload, None);
    assert_eq!(out[0], 0xC1);
    assert_eq!(decoded(&mut out), Ok(vec![text(message)]));
}
