//! How connections end, and what is made of it: RFC 8446 6.1.

use std::io::Write;
use std::time::Duration;

use barewire::tls::Error as TlsError;
use barewire::{ClientError, Subscribe, Transport, Update};

use crate::support::*;

/// What a client that polls once makes of this answer, which only the end delimits.
fn poll(
    answers: Vec<fn(rustls::StreamOwned<rustls::ServerConnection, std::net::TcpStream>)>,
) -> Update {
    let address = strange_server("server", answers);
    let mut subscription = Subscribe::to(&format!("https://localhost:{}/", address.port()))
        .transport(Transport::ShortPoll)
        .tls(&client_tls())
        .open()
        .unwrap();
    loop {
        match subscription.update_within(PATIENCE).expect("an update") {
            Update::Connected(_) => {}
            update => return update,
        }
    }
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
const BATCH: &[u8] = br#"{"events":[{"id":"1-0","event":"message","data":"x"}],"last_id":"1-0"}"#;

#[test]
fn a_body_that_ends_with_close_notify_is_whole() {
    let update = poll(vec![|mut stream| {
        stream.write_all(&[HEAD, BATCH].concat()).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    }]);
    assert!(matches!(update, Update::Event(event) if event.data() == "x"));
}

#[test]
fn a_body_that_ends_without_it_may_be_cut_short() {
    let update = poll(vec![|mut stream| {
        stream.write_all(&[HEAD, BATCH].concat()).unwrap();
        stream.flush().unwrap();
    }]);
    let Update::Lost { error: why, .. } = update else {
        panic!("{update:?}");
    };
    assert_eq!(why, ClientError::Tls(TlsError::Truncated));
    assert!(why.is_transient());
}

#[test]
fn a_body_with_a_length_is_whole_however_the_connection_ends() {
    let update = poll(vec![|mut stream| {
        let length = format!("\r\nContent-Length: {}\r\n\r\n", BATCH.len());
        let head = HEAD.strip_suffix(b"\r\n\r\n").unwrap();
        stream
            .write_all(&[head, length.as_bytes(), BATCH].concat())
            .unwrap();
        stream.flush().unwrap();
    }]);
    assert!(matches!(update, Update::Event(event) if event.data() == "x"));
}

#[test]
fn a_redirect_never_leads_out_of_tls() {
    let update = poll(vec![|mut stream| {
        let answer =
            b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        stream.flush().unwrap();
    }]);
    let Update::Ended(Some(ClientError::Url(why))) = update else {
        panic!("{update:?}");
    };
    assert!(
        why.contains("http://localhost:1/") && why.contains("not secured"),
        "{why}"
    );
}

#[test]
fn a_record_that_was_changed_on_the_way_is_an_error() {
    let update = poll(vec![|mut stream| {
        stream.write_all(HEAD).unwrap();
        stream.flush().unwrap();
        stream
            .sock
            .write_all(&[&[23, 3, 3, 0, 100][..], &[7; 100]].concat())
            .unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }]);
    assert!(
        matches!(
            update,
            Update::Lost {
                error: ClientError::Tls(TlsError::Protocol(_)),
                ..
            }
        ),
        "{update:?}"
    );
}
