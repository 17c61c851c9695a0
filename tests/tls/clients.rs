//! Our clients: every way over TLS, whom they trust, and what they say of whom they don't.

use barewire::tls::{ClientTls, Error as TlsError};
use barewire::ws::CloseCode;
use barewire::{ClientError, Connect, Publish, Subscribe, Transport, Update};

use crate::support::*;

fn publish(server: &Running, data: &str) {
    let length = data.len();
    let request = format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{data}"
    );
    assert!(ask(&mut peer(server.address), &request).starts_with("HTTP/1.1 201 "));
}

#[test]
fn every_way_goes_over_tls() {
    let server = Running::usual();
    publish(&server, "one");
    publish(&server, &"two ".repeat(50_000));
    for &transport in Transport::ALL {
        let subscribe = Subscribe::to(&server.url("https", "/channels/a")).transport(transport);
        let events = subscribe.tls(&client_tls()).open().unwrap();
        let data: Vec<usize> = events
            .take(2)
            .map(|event| event.unwrap().data().len())
            .collect();
        assert_eq!(data, [3, 200_000], "{transport}");
    }
}

#[test]
fn publishing_goes_over_tls() {
    let server = Running::usual();
    let publish = Publish::to(&server.url("https", "/channels/a")).tls(&client_tls());
    let mut publishing = publish.open().unwrap();
    let large = "m".repeat(500_000);
    let ids = ["one", &large, ""].map(|text| publishing.publish(text).unwrap());
    let subscribe = Subscribe::to(&server.url("https", "/channels/a")).tls(&client_tls());
    let events: Vec<_> = subscribe
        .open()
        .unwrap()
        .take(3)
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        events.iter().map(|event| event.id()).collect::<Vec<_>>(),
        ids
    );
    assert!(events[1].data() == large);
    // Who is not trusted is told nothing.
    let stranger = Running::start(&server_tls("expired"), |_| {});
    let publish = Publish::to(&stranger.url("https", "/channels/a")).tls(&client_tls());
    let refused = publish.open().unwrap().publish("secret");
    assert_eq!(refused, Err(ClientError::Tls(TlsError::Expired)));
}

#[test]
fn large_messages_are_echoed() {
    let server = Running::usual();
    let connect = Connect::to(&server.url("wss", "/echo")).tls(&client_tls());
    let mut socket = connect.open().unwrap();
    for size in [0, 1, 125, 16_383, 16_384, 16_385, 70_000, 3_000_000] {
        let message = "m".repeat(size);
        socket.send(&*message).unwrap();
        let echoed = socket.receive().unwrap().unwrap();
        assert!(echoed.as_text() == Some(&*message), "{size}");
    }
    socket.close(CloseCode::NORMAL, "").unwrap();
}

#[test]
fn messages_in_both_directions_at_once_all_arrive() {
    let server = Running::usual();
    let connect = Connect::to(&server.url("wss", "/echo")).tls(&client_tls());
    let mut socket = connect.open().unwrap();
    let message = "m".repeat(100_000);
    for _ in 0..100 {
        socket.send(&*message).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(socket.receive().unwrap().unwrap().as_bytes().len(), 100_000);
    }
}

/// Why a client does not connect.
fn refusal(server: &Running, host: &str, tls: &ClientTls) -> ClientError {
    let url = format!("wss://{host}:{}/echo", server.address.port());
    let error = Connect::to(&url).tls(tls).open().unwrap_err();
    assert!(!error.is_transient());
    // A subscription is not tried again either, nor in another way.
    let url = format!("https://{host}:{}/channels/a", server.address.port());
    let mut subscription = Subscribe::to(&url).tls(tls).open().unwrap();
    let update = subscription.update_within(PATIENCE);
    assert_eq!(update, Some(Update::Ended(Some(error.clone()))));
    error
}

#[test]
fn who_is_not_trusted_is_not_connected_to_and_the_reason_is_clear() {
    for (name, problem, words) in [
        ("expired", Some(TlsError::Expired), "expired"),
        (
            "unknown",
            Some(TlsError::UnknownIssuer),
            "nobody who is trusted",
        ),
        ("elsewhere", None, "elsewhere.example"),
    ] {
        let server = Running::start(&server_tls(name), |_| {});
        let error = refusal(&server, "localhost", &client_tls());
        assert!(error.to_string().contains(words), "{error}");
        if let Some(problem) = problem {
            assert_eq!(error, ClientError::Tls(problem));
        }
    }
}

#[test]
fn an_address_is_a_name_too() {
    let server = Running::usual();
    let url = format!("wss://127.0.0.1:{}/echo", server.address.port());
    Connect::to(&url).tls(&client_tls()).open().unwrap();
}

#[test]
fn clients_show_their_certificate_to_a_server_that_asks() {
    let tls = server_tls("server")
        .require_client_certificates(&roots())
        .unwrap();
    let server = Running::start(&tls, |_| {});
    let known = client_tls()
        .with_certificate_files(path("client.pem"), path("client.key"))
        .unwrap();
    let url = server.url("wss", "/echo");
    Connect::to(&url).tls(&known).open().unwrap();
    // TLS 1.3 lets the client believe that it is connected, until the alert comes (RFC 8446 4.4.2.4).
    let error = refusal(&server, "localhost", &client_tls());
    assert!(
        matches!(error, ClientError::Tls(TlsError::Alert(116))),
        "{error:?}"
    );
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_apart() {
    let mut plain = barewire::Server::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", plain.local_addr().unwrap().port());
    let stopper = plain.stopper();
    let thread = std::thread::spawn(move || plain.run());
    let error = Connect::to(&url).tls(&client_tls()).open().unwrap_err();
    assert_eq!(error, ClientError::Tls(TlsError::NotTls));
    stopper.stop();
    thread.join().unwrap().unwrap();
}
