//! Our server: requests, reloading, origins, and those who do not read.

use std::io::{Read, Write};
use std::time::Instant;

use barewire::{Limits, Server};

use crate::support::*;

#[test]
fn requests_are_answered_and_the_end_is_said() {
    let server = Running::usual();
    let answer = ask(&mut peer(server.address), &get("/"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"));
}

#[test]
fn a_request_in_plaintext_is_told_and_let_go() {
    let server = Running::usual();
    let mut stream = connect(server.address);
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    assert!(body.contains("https://") && !body.contains("hello"));
}

#[test]
fn what_is_neither_tls_nor_a_request_gets_an_alert() {
    let server = Running::usual();
    for said in [
        "EHLO example.com\r\n",
        "SSH-2.0-a\r\n",
        "GET / HTT",
        "get / http/1.1\r\n",
    ] {
        let mut stream = connect(server.address);
        stream.write_all(said.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        // RFC 8446 B.1 and 6.2: a record of type alert.
        assert!(answer.first() == Some(&21), "{said:?}: {answer:?}");
    }
}

#[test]
fn one_server_speaks_both_on_different_ports() {
    let mut plain = None;
    let server = Running::start(&server_tls("server"), |server| {
        server.listen("127.0.0.1:0").unwrap();
        plain = Some(server.local_addrs().unwrap()[1]);
    });
    let mut stream = connect(plain.unwrap());
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello"));
    assert!(ask(&mut peer(server.address), &get("/")).ends_with("hello"));
}

#[test]
fn certificates_are_reloaded_under_connections_that_stand() {
    let folder = std::env::temp_dir().join(format!("barewire-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let install = |name: &str, its_key: &str| {
        std::fs::copy(path(name), &chain).unwrap();
        std::fs::copy(path(its_key), &key).unwrap();
    };
    install("server.pem", "server.key");
    let tls = barewire::tls::ServerTls::from_pem_files(&chain, &key).unwrap();
    let server = Running::start(&tls, |_| {});
    let shown = |peer: &mut Peer| {
        ask(peer, &get("/"));
        peer.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut standing = barewire::Connect::to(&server.url("wss", "/echo"));
    standing = standing.tls(&client_tls());
    let mut standing = standing.open().unwrap();
    let first = shown(&mut peer(server.address));
    install("renewed.pem", "server.key");
    assert_eq!(tls.reload().unwrap_err(), barewire::tls::Error::KeyMismatch);
    assert_eq!(shown(&mut peer(server.address)), first);
    install("renewed.pem", "renewed.key");
    tls.reload().unwrap();
    assert_ne!(shown(&mut peer(server.address)), first);
    standing.send("still here").unwrap();
    assert_eq!(
        standing.receive().unwrap().unwrap().as_text(),
        Some("still here")
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_servers_own_origin_is_a_secure_one() {
    let server = Running::usual();
    let publish = |origin: &str| {
        let port = server.address.port();
        let request = format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}://localhost:{port}\r\n\
             Connection: close\r\nContent-Length: 1\r\n\r\n1"
        );
        ask(&mut peer(server.address), &request)
    };
    assert!(publish("https").starts_with("HTTP/1.1 201 "));
    assert!(publish("http").starts_with("HTTP/1.1 403 "));
}

/// RFC 9110 7.4.
#[test]
fn a_target_of_http_is_misdirected_to_a_port_with_tls() {
    let server = Running::usual();
    let port = server.address.port();
    let of = |scheme: &str| {
        let request = format!(
            "GET {scheme}://localhost:{port}/ HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        );
        ask(&mut peer(server.address), &request)
    };
    assert!(of("https").starts_with("HTTP/1.1 200 "));
    assert!(of("http").starts_with("HTTP/1.1 421 "));
    assert!(of("HTTP").starts_with("HTTP/1.1 421 "));
}

/// Somebody asks for far more than is taken.
#[test]
fn who_does_not_read_is_sent_no_more_and_delays_nobody() {
    let large = |server: &mut Server| {
        server.limits(Limits {
            backlog: 4 * 1024 * 1024,
            ..Limits::default()
        });
        server.get("/large", |_, reply| reply.text("~".repeat(1024 * 1024)));
    };
    let server = Running::start(&server_tls("server"), large);
    let mut lazy = peer(server.address);
    let request = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    lazy.write_all(request.repeat(64).as_bytes()).unwrap();
    for _ in 0..20 {
        assert!(ask(&mut peer(server.address), &get("/")).ends_with("hello"));
    }
    // All of it comes, at the pace of who reads; a backlog of more than 4 MiB would have ended it.
    let mut left = 64 * 1024 * 1024;
    let mut bytes = vec![0; 64 * 1024];
    while left > 0 {
        let count = lazy.read(&mut bytes).unwrap();
        assert!(count > 0);
        left -= bytes[..count].iter().filter(|byte| **byte == b'~').count();
    }
}

#[test]
fn a_server_that_stops_waits_for_no_handshake() {
    let server = Running::usual();
    let _silent = connect(server.address);
    let begun = Instant::now();
    // So that the silent one has been accepted.
    assert!(ask(&mut peer(server.address), &get("/")).ends_with("hello"));
    server.stopper.stop();
    server.join();
    assert!(begun.elapsed() < barewire::net::DRAIN_TIMEOUT);
}

#[test]
fn several_loops_speak_it_on_one_address() {
    let tls = server_tls("server");
    let cores = barewire::Cores::bind_tls("127.0.0.1:0", &tls, 3, |server| {
        server.get("/", |_, reply| reply.text("hello"));
        Ok(())
    });
    let cores = cores.unwrap();
    let (address, stopper) = (cores.local_addr().unwrap(), cores.stopper());
    let thread = std::thread::spawn(move || cores.run());
    for _ in 0..12 {
        assert!(ask(&mut peer(address), &get("/")).ends_with("hello"));
    }
    stopper.stop();
    thread.join().unwrap().unwrap();
}

#[cfg(feature = "lens")]
#[test]
fn a_tap_is_told_plaintext() {
    use barewire::lens::{Kind, Options, Side, Tracer};

    let (sink, seen) = std::sync::mpsc::channel();
    let server = Running::start(&server_tls("server"), |server| {
        server.trace(move |_peer| {
            let sink = sink.clone();
            let tell = move |thing: barewire::lens::Thing| {
                // The test may have seen enough.
                let _ = sink.send(thing);
            };
            Some(Box::new(Tracer::new(
                Side::Server,
                Options::default(),
                tell,
            )))
        });
    });
    let answer = ask(&mut peer(server.address), &get("/"));
    assert!(answer.ends_with("hello"));
    let patience = std::time::Duration::from_secs(30);
    let next = || seen.recv_timeout(patience).unwrap().kind;
    assert!(matches!(next(), Kind::Request(head) if head.start[1] == "/"));
    assert!(matches!(next(), Kind::Response(head) if head.start[1] == "200"));
    assert!(matches!(next(), Kind::Body));
}
