//! WebSocket clients: RFC 6455 4.1 (the handshake), 5.3 (masks), 7 (closing), and coming back.

use super::*;
use crate::client::Backoff;
use crate::ws::handshake::HandshakeError;

const SOCKET: &str = "ws://127.0.0.1:9001/a?b";

fn backoff() -> Backoff {
    Backoff {
        initial: seconds(1),
        max: seconds(30),
    }
}

/// An open one.
fn open(connect: Connect) -> (World, Told<Closed>, ClientId) {
    let (mut world, told, id) = World::connecting(connect);
    let request = world.accept();
    world.say(switching(&request));
    (world, told, id)
}

// RFC 6455 4.1

#[test]
fn the_handshake_carries_what_was_asked_for() {
    let connect = Connect::to(SOCKET)
        .protocol("chat")
        .protocol("raw")
        .header("Authorization", "Bearer abc");
    let (mut world, ..) = World::connecting(connect);
    let request = world.accept();
    assert!(request.starts_with("GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"));
    assert!(request.contains("Sec-WebSocket-Protocol: chat, raw\r\n"));
    assert!(request.contains("Authorization: Bearer abc\r\n"));
}

#[test]
fn no_two_handshakes_have_the_same_key() {
    let (mut world, ..) = World::connecting(Connect::to(SOCKET).reconnect(backoff()));
    let mut keys = std::collections::HashSet::new();
    for _ in 0..20 {
        let request = world.accept();
        let (_, key) = request.split_once("Sec-WebSocket-Key: ").unwrap();
        assert!(keys.insert(key[..24].to_owned()));
        world.end();
        world.rest();
    }
}

#[test]
fn an_answer_that_does_not_fit_is_refused_and_not_asked_for_again() {
    let (mut world, ..) = World::connecting(Connect::to(SOCKET));
    let request = world.accept();
    let right = switching(&request);
    assert!(world.sent.is_empty());
    for (wrong, error) in [
        (
            switching(&request.replace("Key: ", "Key: A")),
            Error::Handshake(HandshakeError::Accept),
        ),
        (
            right.replace("Upgrade: websocket", "Upgrade: h2c"),
            Error::Handshake(HandshakeError::Upgrade),
        ),
        (
            right.replace("Connection: Upgrade", "Connection: close"),
            Error::Handshake(HandshakeError::Connection),
        ),
        (
            right.replacen("\r\n", "\r\nSec-WebSocket-Protocol: x\r\n", 1),
            Error::Handshake(HandshakeError::ProtocolNotOffered),
        ),
        (
            right.replacen("\r\n", "\r\nSec-WebSocket-Extensions: x\r\n", 1),
            Error::Handshake(HandshakeError::ExtensionNotOffered),
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n".into(),
            Error::Status(302, "Found".into()),
        ),
        (FORBIDDEN.into(), Error::Status(403, "Forbidden".into())),
        (batch("{}"), Error::Status(200, "OK".into())),
    ] {
        let (mut world, told, _) = World::connecting(Connect::to(SOCKET).reconnect(backoff()));
        let own = world.accept();
        // Everything but the accept key is as it should be for this connection's own request.
        let accept = |text: &str| {
            text.split("Accept: ")
                .nth(1)
                .map(|rest| rest[..28].to_owned())
        };
        let (old, new) = (accept(&right).unwrap(), accept(&switching(&own)).unwrap());
        world.say(wrong.replace(&old, &new));
        let over = Closed {
            close: None,
            error: Some(error),
            retry_in: None,
        };
        assert_eq!((told.take(), world.is_over()), (vec![over], true));
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let (mut world, told, _) = World::connecting(Connect::to(SOCKET).reconnect(backoff()));
    world.accept();
    world.say(answer("503 Service Unavailable", "", ""));
    let over = told.take().remove(0);
    assert_eq!(
        over.error,
        Some(Error::Status(503, "Service Unavailable".into()))
    );
    assert_eq!(Some(world.rest()), over.retry_in);
}

#[test]
fn connecting_and_the_handshake_have_their_time() {
    let (world, ..) = World::connecting(Connect::to(SOCKET));
    assert_eq!(world.dials[0].timeout, seconds(10));
    let (mut world, told, _) = World::connecting(Connect::to(SOCKET));
    world.accept();
    for _ in 0..9 {
        world.pass(seconds(1));
        world.say("HTTP/1.1 100 Continue\r\n\r\n");
    }
    world.pass(seconds(2));
    assert_eq!(told.take()[0].error, Some(Error::Timeout));
    assert!(world.is_over());
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_sent() {
    for connect in [
        Connect::to("ftp://a"),
        Connect::to(SOCKET).protocol("a b"),
        Connect::to(SOCKET).protocol("a").protocol("a"),
        Connect::to(SOCKET).header("Host", "b"),
        Connect::to(SOCKET).header("A", "b\r\nC: d"),
        Connect::to(SOCKET).header("Sec-WebSocket-Extensions", "permessage-deflate"),
    ] {
        let mut world = World::new();
        assert!(world.clients.connect(connect, Box::new(|_, _| {})).is_err());
        assert!(world.is_over());
    }
}

// RFC 6455 5.3 and 10.3

#[test]
fn every_frame_has_a_masking_key_of_its_own() {
    let (mut world, ..) = open(Connect::to(SOCKET));
    for number in 0..200 {
        world.say(frame(&number.to_string()));
    }
    let (said, keys) = world.frames();
    assert_eq!(said, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    let different: std::collections::HashSet<[u8; 4]> = keys.iter().copied().collect();
    // Of 200 keys of 32 bits, two are the same once in 200,000 runs; three never.
    assert!(different.len() >= 199 && !different.contains(&[0; 4]));
}

// RFC 6455 5.5.2

#[test]
fn a_connection_without_a_word_is_pinged_and_then_given_up() {
    let (mut world, told, _) = open(Connect::to(SOCKET));
    for _ in 0..10 {
        assert_eq!(world.rest(), seconds(30));
        assert_eq!(world.frames().0, ["ping"]);
        world.say([0x8A, 0]);
    }
    for _ in 0..2 {
        world.rest();
        world.frames();
    }
    world.pass(seconds(31));
    assert_eq!(told.take()[0].error, Some(Error::Silence));
}

// RFC 6455 7

#[test]
fn the_client_answers_a_close_and_waits_for_the_server_to_end() {
    let (mut world, told, _) = open(Connect::to(SOCKET));
    world.say(close_frame(1001));
    assert_eq!(world.frames().0, ["close Some(1001)"]);
    assert!(world.line.is_some() && told.take().is_empty());
    world.say(frame("late"));
    world.end();
    let over = Closed {
        close: Some((ws::CloseCode::GOING_AWAY, "bye".into())),
        error: None,
        retry_in: None,
    };
    assert_eq!((told.take(), world.is_over()), (vec![over], true));
}

#[test]
fn a_server_that_does_not_end_after_its_close_is_left_after_a_while() {
    let (mut world, told, _) = open(Connect::to(SOCKET));
    world.say(close_frame(1000));
    world.frames();
    world.pass(seconds(6));
    let over = told.take().remove(0);
    assert_eq!((over.error, over.close.is_some()), (None, true));
}

#[test]
fn a_server_that_does_not_answer_our_close_is_left_after_a_while() {
    let (mut world, told, id) = open(Connect::to(SOCKET));
    world.quit(id);
    assert_eq!(world.frames().0, ["close Some(1000)"]);
    for _ in 0..8 {
        world.pass(seconds(1));
        // Words are no answer.
        world.say(frame("still here"));
    }
    assert_eq!(told.take()[0].error, Some(Error::Timeout));
}

#[test]
fn an_end_without_a_close_frame_is_an_error() {
    let (mut world, told, _) = open(Connect::to(SOCKET));
    world.end();
    assert_eq!(told.take()[0].error, Some(Error::Ended));
    let (mut world, told, _) = open(Connect::to(SOCKET));
    world.reset();
    let error = Error::Connection(ErrorKind::ConnectionReset);
    assert_eq!(told.take()[0].error, Some(error));
}

#[test]
fn a_violation_is_answered_with_its_code_and_told() {
    for (bytes, said) in [
        (vec![0x81, 0x81, 0, 0, 0, 0, 0], "close Some(1002)"),
        (vec![0x81, 2, 0xC3, 0x28], "close Some(1007)"),
        (vec![0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0], "close Some(1009)"),
    ] {
        let (mut world, told, _) = open(Connect::to(SOCKET));
        world.say(bytes);
        assert_eq!(world.frames().0, [said]);
        assert!(matches!(told.take()[0].error, Some(Error::WebSocket(_))));
    }
}

// Coming back

#[test]
fn it_comes_back_to_who_sends_it_away_at_once_with_waits_that_grow() {
    let (mut world, told, _) = World::connecting(Connect::to(SOCKET).reconnect(backoff()));
    let mut bounds = Vec::new();
    for failures in 1..=12_u32 {
        // A server that lets in and sends away at once.
        let request = world.accept();
        world.say(switching(&request));
        world.say(close_frame(1013));
        world.frames();
        world.end();
        let over = told.take().remove(0);
        assert_eq!((over.error, over.close.is_some()), (None, true));
        let bound = seconds(30.min(1 << (failures - 1).min(10)));
        assert!(over.retry_in.unwrap() <= bound);
        assert_eq!(Some(world.rest()), over.retry_in);
        bounds.push(over.retry_in.unwrap());
    }
    assert!(bounds.iter().any(|wait| *wait > seconds(2)), "{bounds:?}");
}

#[test]
fn what_the_program_closes_stays_closed() {
    let connect = Connect::to(SOCKET).reconnect(backoff());
    let (mut world, told, id) = open(connect.on_open(|socket| socket.send("hello")));
    assert_eq!(world.frames().0, ["hello"]);
    world.quit(id);
    world.say(close_frame(1000));
    world.end();
    assert_eq!((told.take()[0].retry_in, world.is_over()), (None, true));
    // Its own handler, too.
    let connect = Connect::to(SOCKET).reconnect(backoff());
    let (mut world, told, _) =
        open(connect.on_open(|socket| socket.close(ws::CloseCode::NORMAL, "")));
    assert_eq!(world.frames().0, ["close Some(1000)"]);
    world.say(close_frame(1000));
    world.end();
    assert_eq!((told.take()[0].retry_in, world.is_over()), (None, true));
}
