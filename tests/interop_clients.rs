//! The WebSocket client against a server that others wrote.
//!
//! The server is not started here: `tests/interop/run` starts one after the other and names it in
//! `BAREWIRE_WS_SERVER`, such as `ws://127.0.0.1:8000`. Without that, every test here passes by doing nothing.
//! What the server does at each path is said in `tests/interop/clients/servers.py`.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use barewire::client::{Backoff, Closed};
use barewire::ws::CloseCode;
use barewire::{ClientError, ClientLoop, Connect, Message, WebSocket};

/// How long anything may take before a test gives up. Never used to synchronise.
const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1 << 20;

/// The server's URL with this path, or the reason to leave a test.
fn server(path: &str) -> Option<String> {
    let server = std::env::var("BAREWIRE_WS_SERVER").ok();
    if server.is_none() {
        println!("skipped: BAREWIRE_WS_SERVER names no server");
    }
    Some(server? + path)
}

fn connect(url: &str) -> WebSocket {
    WebSocket::connect(url).unwrap()
}

/// What a message is, in a form that a failing assertion can print.
fn shape(message: &[u8]) -> (usize, &[u8]) {
    (message.len(), &message[..message.len().min(20)])
}

fn text(socket: &mut WebSocket) -> String {
    let message = socket.receive_within(PATIENCE).unwrap();
    message
        .expect("a message")
        .as_text()
        .expect("text")
        .to_owned()
}

fn bytes(socket: &mut WebSocket) -> Vec<u8> {
    let message = socket.receive_within(PATIENCE).unwrap().expect("a message");
    assert!(message.as_text().is_none(), "text where bytes were sent");
    message.as_bytes().to_vec()
}

/// How a WebSocket to `url` ends, on a loop of its own.
fn end(connect: Connect) -> Closed {
    let (tell, over): (_, Receiver<Closed>) = channel();
    let mut client = ClientLoop::new().unwrap();
    let connect = connect.on_close(move |end| tell.send(end).unwrap());
    client.connect(connect, |_, _| {}).unwrap();
    client.run().unwrap();
    over.try_recv().unwrap()
}

/// RFC 6455 5.6 and 5.4.
mod messages {
    use super::*;

    #[test]
    fn text_of_any_length_comes_back() {
        let Some(url) = server("/echo") else { return };
        let mut socket = connect(&url);
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, MIB] {
            let sent = "x".repeat(length);
            socket.send(&*sent).unwrap();
            assert_eq!(shape(text(&mut socket).as_bytes()), shape(sent.as_bytes()));
        }
        socket.send("\u{20ac} \u{1f600} \0").unwrap();
        assert_eq!(text(&mut socket), "\u{20ac} \u{1f600} \0");
        socket.close(CloseCode::NORMAL, "done").unwrap();
    }

    #[test]
    fn bytes_of_any_length_come_back() {
        let Some(url) = server("/echo") else { return };
        let mut socket = connect(&url);
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, MIB] {
            let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            socket.send(&*sent).unwrap();
            let came = bytes(&mut socket);
            assert!(came == sent, "{:?} for {:?}", shape(&came), shape(&sent));
        }
        socket.close(CloseCode::NORMAL, "").unwrap();
    }

    /// With every combination of what is kept and how far back messages refer.
    #[cfg(feature = "deflate")]
    #[test]
    fn compressed_messages_come_back() {
        use barewire::Deflate;
        use barewire::ws::deflate::WindowBits;

        let Some(url) = server("/echo") else { return };
        let words = "a few words, and \u{20ac} and \u{1f600}, ".repeat(3_000);
        let bytes: Vec<u8> = (0..100_000u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        for choice in 0..16 {
            let window = [WindowBits::new(9), WindowBits::new(15)];
            let settings = Deflate {
                takeover: choice & 1 != 0,
                peer_takeover: choice & 2 != 0,
                window_bits: window[choice >> 2 & 1].unwrap(),
                peer_window_bits: window[choice >> 3 & 1].unwrap(),
                ..Deflate::default()
            };
            let mut socket = Connect::to(&url).deflate(settings).open().unwrap();
            for end in [words.len(), 400 * words.len() / 3_000, 0, words.len()] {
                socket.send(&words[..end]).unwrap();
                assert!(text(&mut socket) == words[..end], "{settings:?}");
                socket.send(&*bytes).unwrap();
                assert!(self::bytes(&mut socket) == bytes, "{settings:?}");
            }
            socket.close(CloseCode::NORMAL, "").unwrap();
        }
    }

    #[test]
    fn fragments_from_the_server_are_put_together() {
        let Some(url) = server("/fragments") else {
            return;
        };
        let mut socket = connect(&url);
        socket.send("one two three").unwrap();
        assert_eq!(text(&mut socket), "one two three");
        socket.send(&b"\xff\x00\xfe"[..]).unwrap();
        assert_eq!(bytes(&mut socket), b"\xff\x00\xfe");
    }

    #[test]
    fn fragments_to_the_server_are_put_together() {
        let Some(url) = server("/echo") else { return };
        let (tell, came) = channel();
        let mut client = ClientLoop::new().unwrap();
        let connect = Connect::to(&url).on_open(|socket| {
            socket.send_fragment("one ", false);
            socket.send_fragment("", false);
            socket.send_fragment("two", true);
        });
        client
            .connect(connect, move |socket, message| {
                let Message::Text(text) = message else {
                    panic!("{message:?}")
                };
                tell.send(text.to_owned()).unwrap();
                socket.close(CloseCode::NORMAL, "");
            })
            .unwrap();
        client.run().unwrap();
        assert_eq!(came.try_recv().unwrap(), "one two");
    }

    #[test]
    fn a_thousand_messages_keep_their_order() {
        let Some(url) = server("/echo") else { return };
        let mut socket = connect(&url);
        for number in 0..1000 {
            socket.send(&*number.to_string()).unwrap();
        }
        for number in 0..1000 {
            assert_eq!(text(&mut socket), number.to_string());
        }
    }
}

/// RFC 6455 5.5.2 and 5.5.3.
mod pings {
    use super::*;

    #[test]
    fn a_ping_of_the_servers_is_answered_with_what_it_held() {
        let Some(url) = server("/ping") else { return };
        assert_eq!(text(&mut connect(&url)), "pong to: are you there?");
    }
}

/// RFC 6455 5.5.1 and 7.
mod closing {
    use super::*;

    #[test]
    fn the_servers_code_and_reason_arrive() {
        for code in [1000, 1001, 1008, 1011, 3000, 4999] {
            let Some(url) = server(&format!("/close?code={code}")) else {
                return;
            };
            let over = end(Connect::to(&url));
            let (given, reason) = over.close.expect("a close frame");
            assert_eq!((given.as_u16(), &*reason), (code, "because \u{20ac}"));
            assert_eq!((over.error, over.retry_in), (None, None));
        }
    }

    #[test]
    fn our_code_and_reason_arrive() {
        let Some(url) = server("/closed") else { return };
        let mut socket = connect(&url);
        // What the one before was closed with; also the sign that the server looks after this one.
        text(&mut socket);
        socket
            .close(CloseCode::new(4321).unwrap(), "enough \u{20ac}")
            .unwrap();
        assert_eq!(text(&mut connect(&url)), "4321 enough \u{20ac}");
    }

    #[test]
    fn a_blocking_reader_sees_the_end_and_its_code() {
        let Some(url) = server("/close?code=4000") else {
            return;
        };
        let mut socket = connect(&url);
        assert_eq!(socket.receive_within(PATIENCE), Ok(None));
        assert!(socket.is_closed());
        assert_eq!(socket.close_code().map(CloseCode::as_u16), Some(4000));
    }

    #[test]
    fn a_server_that_vanishes_is_an_error() {
        let Some(url) = server("/vanish") else { return };
        let mut socket = connect(&url);
        socket.send("go").unwrap();
        let error = socket.receive_within(PATIENCE).unwrap_err();
        assert!(
            matches!(error, ClientError::Ended | ClientError::Connection(_)),
            "{error:?}"
        );
        assert_eq!(socket.close_code(), None);
    }

    #[test]
    fn a_server_that_vanishes_is_connected_to_again_if_that_is_wanted() {
        let Some(url) = server("/vanish") else { return };
        let backoff = Backoff {
            initial: Duration::from_millis(50),
            max: Duration::from_millis(50),
        };
        let (tell, retries) = channel();
        let mut client = ClientLoop::new().unwrap();
        let mut opened = 0;
        let connect = Connect::to(&url)
            .reconnect(backoff)
            .on_open(move |socket| {
                opened += 1;
                if opened < 3 {
                    socket.send("go");
                } else {
                    socket.close(CloseCode::NORMAL, "");
                }
            })
            .on_close(move |over| tell.send(over.retry_in).unwrap());
        let id = client.connect(connect, |_, _| {}).unwrap();
        let mut ends = Vec::new();
        while ends.len() < 3 {
            client.turn(Some(PATIENCE)).unwrap();
            ends.extend(retries.try_iter());
        }
        client.close(id);
        assert!(ends[..2].iter().all(Option::is_some), "{ends:?}");
    }
}

/// RFC 6455 4.
mod opening {
    use super::*;

    #[test]
    fn a_subprotocol_is_agreed_on() {
        let Some(url) = server("/protocol") else {
            return;
        };
        for (offered, agreed) in [
            (&["v1.example"][..], Some("v1.example")),
            (&["v9.example", "v2.example"], Some("v2.example")),
            (&[], None),
        ] {
            let mut connect = Connect::to(&url);
            for name in offered {
                connect = connect.protocol(name);
            }
            let mut socket = connect.open().unwrap();
            assert_eq!(socket.protocol(), agreed);
            assert_eq!(text(&mut socket), agreed.unwrap_or("none"));
        }
    }

    #[test]
    fn fields_of_the_programs_arrive() {
        let Some(url) = server("/field") else { return };
        let mut socket = Connect::to(&url)
            .header("X-Ticket", "a b; c")
            .open()
            .unwrap();
        assert_eq!(text(&mut socket), "a b; c");
    }

    #[test]
    fn a_refusal_tells_its_status() {
        let Some(url) = server("/refuse") else { return };
        let error = WebSocket::connect(&url).unwrap_err();
        assert!(matches!(error, ClientError::Status(403, _)), "{error:?}");
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let Some(url) = server("/redirect") else {
            return;
        };
        let error = WebSocket::connect(&url).unwrap_err();
        assert!(matches!(error, ClientError::Status(302, _)), "{error:?}");
    }
}
