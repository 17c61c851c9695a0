//! Laws of compressed messages (RFC 7692), held against many messages, settings and cuts.

use barewire::ws::deflate::{Deflater, Inflater, Settings, WindowBits};
use barewire::ws::{self, Decoder, Error, Event, Header, Limits, Message, Opcode, Role};
use proptest::collection::vec;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn window() -> impl Strategy<Value = WindowBits> {
    (8u8..=15).prop_map(|bits| WindowBits::new(bits).unwrap())
}

/// Messages from noise to nothing but repetition, some of them longer than the smaller windows.
fn message() -> impl Strategy<Value = Vec<u8>> {
    (vec(any::<u8>(), 0..200), vec(0u8..3, 0..100), 0usize..40).prop_map(|(noise, words, times)| {
        let mut message = noise;
        for _ in 0..times {
            message.extend_from_slice(&words);
        }
        message
    })
}

/// One message as frames: compressed if that makes it smaller, in pieces that end at these places, with pings between.
fn write(out: &mut Vec<u8>, deflater: &mut Deflater, message: &[u8], ends: &[prop::sample::Index]) {
    let mut payload = Vec::new();
    let compressed = deflater.deflate(message, &mut payload);
    if !compressed {
        payload = message.to_vec();
    }
    let mut ends: Vec<usize> = ends
        .iter()
        .map(|end| end.index(payload.len() + 1))
        .collect();
    ends.sort_unstable();
    ends.push(payload.len());
    let (mut start, last) = (0, ends.len() - 1);
    for (at, end) in ends.into_iter().enumerate() {
        let opcode = if at == 0 {
            Opcode::Binary
        } else {
            Opcode::Continuation
        };
        let header = Header {
            rsv: if at == 0 && compressed { 4 } else { 0 },
            ..Header::new(opcode, (end - start) as u64)
        };
        out.extend_from_slice(header.masked(KEY).fin(at == last).encode().as_slice());
        ws::mask_into(KEY, &payload[start..end], out);
        ws::write_ping(out, b"p", Some(KEY)).unwrap();
        start = end;
    }
}

/// The messages in what arrives in pieces of these sizes, over and over, and the error behind them.
fn read(
    mut bytes: Vec<u8>,
    inflater: &mut Inflater,
    sizes: &[usize],
) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut decoder = Decoder::new(Role::Server);
    let (mut messages, mut rest) = (Vec::new(), &mut bytes[..]);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at_mut(size.min(rest.len()));
        rest = behind;
        let mut used = 0;
        loop {
            match decoder.decode_inflating(&mut piece[used..], &Limits::default(), inflater) {
                Err(error) => return (messages, Some(error)),
                Ok(decoded) => {
                    used += decoded.used;
                    match decoded.event {
                        None => break,
                        Some(Event::Message(Message::Binary(bytes))) => {
                            messages.push(bytes.to_vec())
                        }
                        Some(event) => assert_eq!(event, Event::Ping(b"p")),
                    }
                }
            }
        }
    }
    (messages, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn messages_come_back_however_they_are_compressed_fragmented_and_cut(
        level in 1u8..=9,
        window in window(),
        takeover: bool,
        messages in vec((message(), vec(any::<prop::sample::Index>(), 0..4)), 1..6),
        sizes in vec(1usize..300, 1..5),
    ) {
        let mut deflater = Deflater::new(level, window, takeover);
        let mut wire = Vec::new();
        for (message, ends) in &messages {
            write(&mut wire, &mut deflater, message, ends);
        }
        let (read, error) = read(wire, &mut Inflater::new(window, takeover), &sizes);
        prop_assert_eq!(error, None);
        let messages: Vec<Vec<u8>> = messages.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn no_payload_inflates_beyond_the_limit(
        payload in vec(any::<u8>(), 0..300),
        message in message(),
        limit in 0usize..3_000,
    ) {
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        if let Ok(inflated) = inflater.inflate(&payload, limit) {
            prop_assert!(inflated.len() <= limit);
        }
        let mut compressed = Vec::new();
        if Deflater::new(6, WindowBits::MAX, false).deflate(&message, &mut compressed) {
            let inflated = inflater.inflate(&compressed, limit);
            if message.len() <= limit {
                prop_assert_eq!(inflated, Ok(&message[..]));
            } else {
                prop_assert_eq!(inflated, Err(Error::MessageTooBig));
            }
        }
        prop_assert!(inflater.replace_buffer(Vec::new()).capacity() <= limit + 1);
    }

    #[test]
    fn any_two_settings_agree_and_any_offer_is_answered_within_the_servers_settings(
        offer in "permessage-deflate(; ?(server|client)_(no_context_takeover|max_window_bits)(=\"?[0-9]{1,2}\"?)?){0,4}",
        takeover: bool,
        peer_takeover: bool,
        window_bits in window(),
        peer_window_bits in window(),
    ) {
        let settings = Settings { takeover, peer_takeover, window_bits, peer_window_bits, ..Settings::default() };
        if let Some(accepted) = settings.accept([offer.as_bytes()].into_iter()) {
            prop_assert!(accepted.terms.send.window_bits <= window_bits);
            prop_assert!(takeover || !accepted.terms.send.takeover);
            prop_assert!(peer_takeover || !accepted.terms.receive.takeover);
            // RFC 7692 7.1.2.2: only who said that it can is told.
            let told = accepted.answer.contains("client_max_window_bits");
            prop_assert!(!told || offer.contains("client_max_window_bits"));
        }
        let offer = settings.offer();
        let accepted = Settings::default().accept([offer.as_bytes()].into_iter());
        let answer = accepted.expect("an offer of ours").answer;
        prop_assert!(settings.check([answer.as_bytes()].into_iter()).is_ok());
    }
}
