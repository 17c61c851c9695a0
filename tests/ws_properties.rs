//! Laws of the WebSocket framing codec, for bytes that nobody wrote by hand.

use barewire::ws::{
    self, Close, CloseCode, Decoder, Error, Event, Fragmenter, Header, Kind, Limits, Message,
    Opcode, Role,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(CloseCode, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Seen {
        match event {
            Event::Message(Message::Text(text)) => Seen::Text(text.into()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes.into()),
            Event::Ping(payload) => Seen::Ping(payload.into()),
            Event::Pong(payload) => Seen::Pong(payload.into()),
            Event::Close(close) => {
                Seen::Close(close.map(|close| (close.code, close.reason.into())))
            }
        }
    }
}

type Outcome = (Vec<Seen>, Option<Error>);

/// Decodes `bytes` in inputs of the given sizes, over and over; without sizes, in one input. What
/// is held is checked after every call.
fn decode(role: Role, limits: &Limits, bytes: &[u8], sizes: &[usize]) -> Outcome {
    let mut decoder = Decoder::new(role);
    let mut bytes = bytes.to_vec();
    let mut seen = Vec::new();
    let mut rest = &mut bytes[..];
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(usize::MAX).min(rest.len());
        let (input, after) = rest.split_at_mut(size);
        rest = after;
        let mut used = 0;
        loop {
            match decoder.decode(&mut input[used..], limits) {
                Err(error) => {
                    assert_eq!(decoder.buffered(), 0);
                    assert_eq!(decoder.decode(&mut [0x81], limits), Err(error));
                    return (seen, Some(error));
                }
                Ok(decoded) => {
                    used += decoded.used;
                    let Some(event) = decoded.event else { break };
                    assert!(decoded.used > 0, "an event takes at least a byte");
                    seen.push(event.into());
                }
            }
            assert!(
                decoder.buffered() <= limits.message + 128,
                "{} held",
                decoder.buffered()
            );
        }
        assert_eq!(
            used,
            input.len(),
            "without an event, all of the input is used"
        );
        assert!(
            decoder.buffered() <= limits.message + 128,
            "{} held",
            decoder.buffered()
        );
        assert!(
            !decoder.is_idle() || decoder.buffered() == 0,
            "what is held is not idle"
        );
    }
    (seen, None)
}

/// A message as a sender might cut it, with control frames between the pieces.
#[derive(Clone, Debug)]
struct Sent {
    message: Seen,
    cuts: Vec<Index>,
    between: Vec<Seen>,
}

fn control() -> impl Strategy<Value = Seen> {
    prop_oneof![
        vec(any::<u8>(), 0..=125).prop_map(Seen::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Seen::Pong),
    ]
}

fn message() -> impl Strategy<Value = Seen> {
    prop_oneof![
        "[aå€😀]{0,60}".prop_map(Seen::Text),
        ".{0,200}".prop_map(Seen::Text),
        vec(any::<u8>(), 0..300).prop_map(Seen::Binary),
        (65530..65550usize).prop_map(|len| Seen::Binary(vec![7; len])),
    ]
}

fn close() -> impl Strategy<Value = Seen> {
    let code = prop_oneof![1000..=1003u16, 1007..=1014u16, 3000..=4999u16];
    let body =
        (code, ".{0,30}").prop_map(|(code, reason)| Some((CloseCode::new(code).unwrap(), reason)));
    prop_oneof![Just(None), body].prop_map(Seen::Close)
}

fn sent() -> impl Strategy<Value = Sent> {
    (message(), vec(any::<Index>(), 0..5), vec(control(), 0..3)).prop_map(
        |(message, cuts, between)| Sent {
            message,
            cuts,
            between,
        },
    )
}

fn masks() -> impl Strategy<Value = Option<[u8; 4]>> {
    prop::option::of(any::<[u8; 4]>())
}

fn role(mask: Option<[u8; 4]>) -> Role {
    if mask.is_some() {
        Role::Server
    } else {
        Role::Client
    }
}

/// Writes what was sent, and gives the events it must come out as.
fn write(out: &mut Vec<u8>, sent: &Sent, mask: Option<[u8; 4]>) -> Vec<Seen> {
    let (kind, payload) = match &sent.message {
        Seen::Text(text) => (Kind::Text, text.as_bytes()),
        Seen::Binary(bytes) => (Kind::Binary, &bytes[..]),
        _ => unreachable!("only messages are cut"),
    };
    let mut seen = Vec::new();
    let mut between = sent.between.iter();
    if sent.cuts.is_empty() {
        match &sent.message {
            Seen::Text(text) => ws::write_message(out, text.into(), mask),
            _ => ws::write_message(out, payload.into(), mask),
        }
    } else {
        let mut cuts: Vec<usize> = sent
            .cuts
            .iter()
            .map(|cut| cut.index(payload.len() + 1))
            .collect();
        cuts.sort_unstable();
        let mut message = Fragmenter::start(kind);
        let mut start = 0;
        for end in cuts {
            message.write(out, &payload[start..end], mask).unwrap();
            start = end;
            if let Some(control) = between.next() {
                write_one(out, control, mask);
                seen.push(control.clone());
            }
        }
        message.finish(out, &payload[start..], mask).unwrap();
    }
    seen.push(sent.message.clone());
    for control in between {
        write_one(out, control, mask);
        seen.push(control.clone());
    }
    seen
}

fn write_one(out: &mut Vec<u8>, control: &Seen, mask: Option<[u8; 4]>) {
    match control {
        Seen::Ping(payload) => ws::write_ping(out, payload, mask).unwrap(),
        Seen::Pong(payload) => ws::write_pong(out, payload, mask).unwrap(),
        Seen::Close(None) => ws::write_close(out, None, mask),
        Seen::Close(Some((code, reason))) => {
            ws::write_close(out, Some(Close::new(*code, reason).unwrap()), mask);
        }
        _ => unreachable!("only control frames"),
    }
}

/// Bytes that look like frames often enough to get far: frames of small sizes with any bits, valid
/// or not.
fn almost_frames() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        6 => prop_oneof![
            Just(Opcode::Continuation), Just(Opcode::Text), Just(Opcode::Binary),
            Just(Opcode::Ping), Just(Opcode::Pong),
        ],
        1 => Just(Opcode::Close),
    ];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..20),
        "[aå€😀]{0,10}".prop_map(String::into_bytes),
        vec(Just(b'a'), 100..140),
    ];
    let frame = (
        any::<bool>(),
        opcode,
        payload,
        prop_oneof![9 => Just(0u8), 1 => 0..8u8],
    );
    vec(frame, 0..12).prop_map(|frames| {
        let mut bytes = Vec::new();
        for (fin, opcode, payload, rsv) in frames {
            let header = Header {
                rsv,
                ..Header::new(opcode, payload.len() as u64).fin(fin)
            };
            bytes.extend_from_slice(header.encode().as_slice());
            bytes.extend_from_slice(&payload);
        }
        bytes
    })
}

/// Any bytes: random, almost frames, or frames of valid messages with some bytes changed.
fn hostile() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let mutated = (
        vec(sent(), 0..4),
        masks(),
        vec((any::<Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(sent, mask, changes)| {
            let mut bytes = Vec::new();
            for sent in &sent {
                write(&mut bytes, sent, mask);
            }
            if !bytes.is_empty() {
                for (at, value) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
            }
            (role(mask), bytes)
        });
    let roles = prop_oneof![Just(Role::Server), Just(Role::Client)];
    prop_oneof![
        1 => (roles, vec(any::<u8>(), 0..300)),
        3 => almost_frames().prop_map(|bytes| (Role::Client, bytes)),
        2 => mutated,
    ]
}

/// Limits as small as what is sent, so that each of them is met.
fn limits() -> impl Strategy<Value = Limits> {
    let small =
        (0..300usize, 0..300usize, 0..5u32).prop_map(|(message, frame, fragments)| Limits {
            message,
            frame,
            fragments,
        });
    prop_oneof![Just(Limits::default()), small]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        vec(1..8usize, 1..10),
        vec(1..400usize, 1..10),
        vec(1..70000usize, 1..4),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        sent in vec(sent(), 0..6), close in prop::option::of(close()), mask in masks(), sizes in sizes(),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for sent in &sent {
            expected.extend(write(&mut bytes, sent, mask));
        }
        if let Some(close) = close {
            write_one(&mut bytes, &close, mask);
            expected.push(close);
        }
        let limits = Limits::default();
        prop_assert_eq!(&decode(role(mask), &limits, &bytes, &[]), &(expected.clone(), None));
        prop_assert_eq!(&decode(role(mask), &limits, &bytes, &sizes), &(expected, None));
    }

    #[test]
    fn any_cutting_of_the_bytes_gives_the_same_events_and_the_same_error(
        (role, bytes) in hostile(), limits in limits(), sizes in sizes(),
    ) {
        let whole = decode(role, &limits, &bytes, &[]);
        prop_assert_eq!(decode(role, &limits, &bytes, &sizes), whole);
    }

    #[test]
    fn what_is_held_never_exceeds_the_limit_of_a_message_by_more_than_a_control_frame(
        message in 1000..6000usize,
        text: bool,
        fragments in vec((0..2000usize, any::<bool>()), 1..12),
        sizes in sizes(),
    ) {
        // `decode` compares after every call. Every fragment but the first completes the code point
        // that the one before it cut.
        let mut bytes = Vec::new();
        for (i, &(length, ping)) in fragments.iter().enumerate() {
            let (opcode, joint) = match (i, text) {
                (0, true) => (Opcode::Text, &b""[..]),
                (0, false) => (Opcode::Binary, &b""[..]),
                _ => (Opcode::Continuation, &b"\xAC"[..]),
            };
            let payload = [joint, &vec![b'a'; length], b"\xE2\x82"].concat();
            let header = Header::new(opcode, payload.len() as u64).fin(false);
            bytes.extend_from_slice(header.encode().as_slice());
            bytes.extend_from_slice(&payload);
            if ping {
                ws::write_ping(&mut bytes, &[b'p'; 125], None).unwrap();
            }
        }
        decode(Role::Client, &Limits { message, ..Limits::default() }, &bytes, &sizes);
    }

    #[test]
    fn an_error_never_comes_later_because_more_is_known(bytes in almost_frames(), limits in limits()) {
        // Bytewise delivery finds the error at the earliest byte; every longer prefix must have found it too.
        let (_, error) = decode(Role::Client, &limits, &bytes, &[]);
        let at = (0..=bytes.len()).find(|&end| decode(Role::Client, &limits, &bytes[..end], &[]).1.is_some());
        prop_assert_eq!(at.is_some(), error.is_some());
        if let Some(at) = at {
            for end in [at, (at + bytes.len()) / 2, bytes.len()] {
                prop_assert_eq!(decode(Role::Client, &limits, &bytes[..end], &[1]).1, error);
            }
        }
    }

    #[test]
    fn a_header_decodes_to_itself_and_none_of_its_prefixes_is_one(
        fin: bool, rsv in 0..8u8, length in prop_oneof![0..200u64, 0..70000u64, 0..=i64::MAX as u64], mask in masks(),
    ) {
        let header = Header { fin, rsv, opcode: Opcode::Binary, mask, length };
        let encoded = header.encode();
        let bytes = encoded.as_slice();
        prop_assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
        for end in 0..bytes.len() {
            prop_assert_eq!(Header::decode(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn a_header_that_decodes_was_written_in_the_only_possible_way(bytes in vec(any::<u8>(), 0..16)) {
        if let Ok(Some((header, size))) = Header::decode(&bytes) {
            let encoded = header.encode();
            prop_assert_eq!(encoded.as_slice(), &bytes[..size]);
        }
    }

    #[test]
    fn masking_twice_is_the_identity(key: [u8; 4], offset: usize, payload in vec(any::<u8>(), 0..300)) {
        let mut masked = payload.clone();
        ws::mask(key, offset, &mut masked);
        ws::mask(key, offset, &mut masked);
        prop_assert_eq!(masked, payload);
    }

    #[test]
    fn masking_in_pieces_is_masking_the_whole(
        key: [u8; 4], payload in vec(any::<u8>(), 0..300), sizes in vec(1..70usize, 1..10),
    ) {
        let mut whole = payload.clone();
        ws::mask(key, 0, &mut whole);
        let mut pieces = payload.clone();
        let mut start = 0;
        for size in sizes.iter().cycle() {
            let end = (start + size).min(pieces.len());
            ws::mask(key, start, &mut pieces[start..end]);
            start = end;
            if start == pieces.len() {
                break;
            }
        }
        prop_assert_eq!(&pieces, &whole);
        let mut out = vec![1, 2, 3];
        ws::mask_into(key, &payload, &mut out);
        prop_assert_eq!(&out[3..], &whole[..]);
    }

    #[test]
    fn text_is_judged_as_the_standard_library_judges_it(bytes in vec(any::<u8>(), 0..40), sizes in sizes()) {
        let mut frame = Header::new(Opcode::Text, bytes.len() as u64).encode().as_slice().to_vec();
        frame.extend_from_slice(&bytes);
        let expected = match String::from_utf8(bytes) {
            Ok(text) => (vec![Seen::Text(text)], None),
            Err(_) => (vec![], Some(Error::InvalidUtf8)),
        };
        prop_assert_eq!(decode(Role::Client, &Limits::default(), &frame, &sizes), expected);
    }

    #[test]
    fn a_fragmenter_takes_exactly_the_text_that_is_utf_8(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..8), "[aå€😀]{0,10}".prop_map(String::into_bytes),
        ],
        sizes in vec(1..4usize, 1..10),
    ) {
        let mut message = Fragmenter::start(Kind::Text);
        let mut out = Vec::new();
        let mut rest = &bytes[..];
        let mut taken = Ok(());
        for &size in sizes.iter().cycle() {
            if rest.is_empty() || taken.is_err() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            taken = message.write(&mut out, piece, None);
        }
        let taken = taken.and_then(|()| message.finish(&mut out, b"", None));
        prop_assert_eq!(taken.is_ok(), std::str::from_utf8(&bytes).is_ok());
    }
}
