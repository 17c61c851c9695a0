//! Compressed messages of clients: RFC 7692.

use super::*;
use crate::ws::deflate::{Deflater, Inflater, Settings, WindowBits};
use crate::ws::handshake::HandshakeError;

const SOCKET: &str = "ws://127.0.0.1:9001/";
const NEITHER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn agreeing(request: &str, answer: &str) -> String {
    let line = format!("\r\nSec-WebSocket-Extensions: {answer}\r\n");
    switching(request).replacen("\r\n", &line, 1)
}

fn compressed(text: &str) -> Vec<u8> {
    let (mut payload, mut out) = (Vec::new(), Vec::new());
    assert!(Deflater::new(6, WindowBits::MAX, false).deflate(text.as_bytes(), &mut payload));
    ws::write_compressed(&mut out, ws::Kind::Text, &payload, None);
    out
}

fn over(error: Error) -> Vec<Closed> {
    vec![Closed {
        close: None,
        error: Some(error),
        retry_in: None,
    }]
}

// 5.1

#[test]
fn compression_is_offered_unless_it_is_not_wanted() {
    let (mut world, ..) = World::connecting(Connect::to(SOCKET));
    let offer = format!("Sec-WebSocket-Extensions: {NEITHER}; client_max_window_bits\r\n");
    assert!(world.accept().contains(&offer));
    let (mut world, ..) = World::connecting(Connect::to(SOCKET).deflate(None));
    assert!(!world.accept().contains("Sec-WebSocket-Extensions"));
}

#[test]
fn an_answer_to_what_was_not_offered_fails() {
    for (settings, answer, error) in [
        (None, NEITHER, HandshakeError::ExtensionNotOffered),
        (
            Some(Settings::default()),
            "x",
            HandshakeError::ExtensionNotOffered,
        ),
        (
            Some(Settings::default()),
            "permessage-deflate",
            HandshakeError::ExtensionParameters,
        ),
        (
            Some(Settings::default()),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=1000",
            HandshakeError::ExtensionParameters,
        ),
    ] {
        let (mut world, told, _) = World::connecting(Connect::to(SOCKET).deflate(settings));
        let request = world.accept();
        world.say(agreeing(&request, answer));
        assert_eq!(told.take(), over(Error::Handshake(error)), "{answer}");
    }
}

// 6

#[test]
fn a_message_is_compressed_and_masked() {
    let (mut world, ..) = World::connecting(Connect::to(SOCKET));
    let request = world.accept();
    world.say(agreeing(&request, NEITHER));
    let text = "again and ".repeat(100);
    for _ in 0..3 {
        world.say(compressed(&text));
        let mut sent = std::mem::take(&mut world.sent);
        assert_eq!((sent[0], sent[1] & 0x80), (0xC1, 0x80));
        assert!(sent.len() < text.len() / 4);
        let mut decoder = ws::Decoder::new(ws::Role::Server);
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        let limits = ws::Limits::default();
        let decoded = decoder.decode_inflating(&mut sent, &limits, &mut inflater);
        let event = ws::Event::Message(Message::Text(&text));
        assert_eq!(decoded.unwrap().event, Some(event));
    }
}

#[test]
fn a_bomb_is_not_inflated_beyond_the_limit() {
    let limits = ws::Limits {
        message: 1_000,
        ..ws::Limits::default()
    };
    let (mut world, told, _) = World::connecting(Connect::to(SOCKET).limits(limits));
    let request = world.accept();
    world.say(agreeing(&request, NEITHER));
    world.say(compressed(&"0".repeat(100_000)));
    assert_eq!(world.frames().0, ["close Some(1009)"]);
    world.end();
    let told = told.take();
    assert_eq!(
        told[0].error,
        Some(Error::WebSocket(ws::Error::MessageTooBig))
    );
}
