//! GET /health of a server whose channels are in memory.

use crate::support::*;

fn health() -> Simulation {
    server(|server| {
        server.health("/health");
        routes(server);
    })
}

#[test]
fn it_is_answered_to_get_and_head_and_not_stored() {
    let mut server = health();
    let client = server.connect();
    for (method, body) in [("GET", "{\"status\":\"ok\"}"), ("HEAD", "")] {
        let request = format!("{method} /health HTTP/1.1\r\nHost: a\r\n\r\n");
        server.send(client, request.as_bytes());
        let answer = String::from_utf8(server.take(client)).unwrap();
        let (head, got) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        for field in [
            "Content-Type: application/json",
            "Cache-Control: no-store",
            "Content-Length: 15",
        ] {
            assert!(head.contains(&format!("\r\n{field}")), "{answer}");
        }
        assert_eq!(got, body);
    }
    server.send(
        client,
        b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = String::from_utf8(server.take(client)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(
        answer.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        "{answer}"
    );
}

#[test]
fn a_request_that_is_under_way_when_the_server_stops_gets_503() {
    let mut server = health();
    let client = server.connect();
    server.send(client, b"GET /health HTTP/1.1\r\nHost: a\r\n");
    server.stop();
    assert!(server.is_open(client));
    server.send(client, b"\r\n");
    let answer = String::from_utf8(server.take(client)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("{\"status\":\"draining\","), "{answer}");
    assert!(!server.is_open(client));
}

#[test]
fn a_path_that_is_taken_is_an_error() {
    let mut taken = Server::unbound().unwrap();
    taken.get("/health", |_, reply| reply.text("mine"));
    taken.health("/health");
    let error = taken.turn(Some(std::time::Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("\"/health\""), "{error}");
}
