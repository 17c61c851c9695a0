//! Very many connections.

use std::io::Read;
use std::process::Command;

use barewire::Limits;
use tungstenite::Message;

use crate::support::{Running, connect, get, websocket};

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let limit = Command::new("sh").args(["-c", "ulimit -n"]).output();
    let limit = String::from_utf8(limit.unwrap().stdout).unwrap();
    limit.trim().parse().unwrap_or(usize::MAX)
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let server = Running::start(|server| {
        server.limits(Limits {
            connections_per_address: 3,
            ..Limits::default()
        });
        server.get("/", |_, reply| reply.text("here"));
    });
    let is_served = |stream: &mut _| get(stream, "/", "").is_ok_and(|answer| answer.body == "here");
    let mut streams: Vec<_> = (0..3).map(|_| connect(server.address)).collect();
    assert!(streams.iter_mut().all(is_served));
    for _ in 0..10 {
        assert_eq!(connect(server.address).read(&mut [0; 1]).unwrap(), 0);
    }
    assert!(streams.iter_mut().all(is_served));
    // The server answers a half-close with its own end, and then the place is free.
    let mut gone = streams.pop().unwrap();
    gone.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(gone.read(&mut [0; 1]).is_ok_and(|count| count == 0));
    let mut next = std::iter::repeat_with(|| connect(server.address));
    assert!(
        next.by_ref()
            .take(1_000)
            .any(|mut stream| is_served(&mut stream))
    );
}

#[test]
fn two_thousand_idle_connections_do_not_bother_one_that_works() {
    // Both ends of each are in this process, and other tests have theirs.
    let crowd = (descriptors() / 5).min(2_000);
    assert!(crowd >= 100, "too few descriptors: ulimit -n");
    let server = Running::start(|server| {
        crate::support::usual(server);
        server.get("/", |_, reply| reply.text("here"));
    });
    let mut silent: Vec<_> = (0..crowd / 2).map(|_| connect(server.address)).collect();
    let mut sockets: Vec<_> = (0..crowd / 2)
        .map(|_| websocket(server.address, "/channels/crowd"))
        .collect();
    let mut active = websocket(server.address, "/echo");
    for number in 0..1_000 {
        let message = Message::text(number.to_string());
        active.send(message.clone()).unwrap();
        assert_eq!(active.read().unwrap(), message);
    }
    server.publisher.publish("crowd", "wake up").unwrap();
    for socket in &mut sockets {
        let message = socket.read().unwrap().into_text().unwrap();
        assert!(message.as_str().contains("wake up"));
    }
    for stream in &mut silent {
        assert_eq!(get(stream, "/", "").unwrap().body, "here");
    }
}
