//! Handshakes that are slow, cut short, or many.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use barewire::Limits;

use crate::support::*;

/// The first flight of a client.
fn client_hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    client_connection().write_tls(&mut bytes).unwrap();
    bytes
}

fn hasty() -> Running {
    Running::start(&server_tls("server"), |server| {
        server.limits(Limits {
            handshake_timeout: Duration::from_millis(300),
            ..Limits::default()
        });
    })
}

#[test]
fn who_does_not_finish_in_time_is_let_go() {
    let server = hasty();
    let hello = client_hello();
    for sent in [0, 1, 5, hello.len() / 2, hello.len()] {
        let mut stream = connect(server.address);
        stream.write_all(&hello[..sent]).unwrap();
        let begun = Instant::now();
        assert!(is_ended(&mut stream), "{sent} bytes");
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// A byte now and then does not make it longer.
#[test]
fn who_drips_is_let_go_too() {
    let server = hasty();
    let mut stream = connect(server.address);
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let begun = Instant::now();
    for byte in client_hello() {
        let written = stream.write_all(&[byte]);
        let read = stream.read(&mut [0]);
        let waits = matches!(&read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        if written.is_err() || !waits {
            assert!(begun.elapsed() >= Duration::from_millis(250));
            return;
        }
    }
    panic!("it was not let go");
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let server = Running::usual();
    let mut connection = client_connection();
    let mut stream = connect(server.address);
    while connection.is_handshaking() || connection.wants_write() {
        let mut out = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut out).unwrap();
        }
        for byte in out {
            stream.write_all(&[byte]).unwrap();
        }
        if connection.is_handshaking() {
            connection.read_tls(&mut (&mut stream).take(7)).unwrap();
            connection.process_new_packets().unwrap();
        }
    }
    let mut peer = rustls::StreamOwned::new(connection, stream);
    assert!(ask(&mut peer, &get("/")).ends_with("hello"));
}

#[test]
fn a_flood_of_half_handshakes_keeps_nobody_out() {
    let server = Running::usual();
    let mut standing = peer(server.address);
    standing
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    standing.read_exact(&mut [0; 20]).unwrap();
    let hello = client_hello();
    let flood: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = connect(server.address);
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    // Who is connected is answered in between, and who comes now in time.
    assert!(ask(&mut standing, &get("/")).ends_with("hello"));
    assert!(ask(&mut peer(server.address), &get("/")).ends_with("hello"));
    drop(flood);
    assert!(ask(&mut peer(server.address), &get("/")).ends_with("hello"));
}

#[test]
fn garbage_is_answered_with_an_alert_and_an_end() {
    let server = Running::usual();
    for garbage in [
        &[0x16, 3, 1, 0xff, 0xff, 0][..],
        &[0x80, 0x2e, 1, 0, 2],
        &[0; 100],
        &[0xff; 5000],
    ] {
        let mut stream = connect(server.address);
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!((answer[0], answer[5]), (21, 2), "a fatal alert: {answer:?}");
    }
}
