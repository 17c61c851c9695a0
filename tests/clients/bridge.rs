//! Clients on the loop of a server.

use barewire::client::Connect;
use barewire::{Message, Server, Transport, Update};

use crate::following::{follow, next_event};
use crate::support::{PATIENCE, Running, usual};

#[test]
fn a_bridge_between_two_servers_carries_every_message_over_each_way() {
    for &transport in Transport::ALL {
        let source = Running::usual();
        let subscribe = follow(source.address).transport(transport);
        let target = Running::start(|server: &mut Server| {
            usual(server);
            let publisher = server.publisher();
            let handler = move |update| {
                if let Update::Event(event) = update {
                    publisher.publish("a", event.bytes()).unwrap();
                }
            };
            server.subscribe(subscribe, handler).unwrap();
        });
        let mut subscription = follow(target.address).open().unwrap();
        for number in 0..50 {
            source.publisher.publish("a", number.to_string()).unwrap();
        }
        for number in 0..50 {
            assert_eq!(next_event(&mut subscription).data(), number.to_string());
        }
    }
}

#[test]
fn a_server_can_hold_a_websocket_to_another() {
    let source = Running::usual();
    let url = format!("ws://{}/echo", source.address);
    let target = Running::start(|server: &mut Server| {
        usual(server);
        let publisher = server.publisher();
        let connect = Connect::to(&url).on_open(|socket| socket.send("hello"));
        let handler = move |socket: &mut barewire::Socket<'_>, message: Message<'_>| {
            publisher.publish("a", message.as_bytes()).unwrap();
            socket.close(barewire::ws::CloseCode::NORMAL, "");
        };
        server.connect(connect, handler).unwrap();
    });
    let mut subscription = follow(target.address).open().unwrap();
    assert_eq!(next_event(&mut subscription).data(), "hello");
}

#[test]
fn a_handler_of_a_bridge_that_panics_ends_its_client_alone() {
    let source = Running::usual();
    let url = format!("ws://{}/echo", source.address);
    let (sender, errors) = std::sync::mpsc::channel();
    let target = Running::start(|server: &mut Server| {
        usual(server);
        server.on_error(move |error| {
            let _ = sender.send(error.to_string());
        });
        let subscribe = follow(source.address);
        let panics = |update| assert!(!matches!(update, Update::Event(_)), "on purpose");
        server.subscribe(subscribe, panics).unwrap();
        let connect = Connect::to(&url).on_open(|socket| socket.send("hello"));
        server
            .connect(connect, |_, _| panic!("on purpose"))
            .unwrap();
        // One that goes on.
        let publisher = server.publisher();
        let handler = move |update| {
            if let Update::Event(event) = update {
                publisher.publish("a", event.bytes()).unwrap();
            }
        };
        server.subscribe(follow(source.address), handler).unwrap();
    });
    let mut subscription = follow(target.address).open().unwrap();
    for text in ["one", "two", "three"] {
        source.publisher.publish("a", text).unwrap();
        assert_eq!(next_event(&mut subscription).data(), text);
    }
    for _ in 0..2 {
        let error = errors.recv_timeout(PATIENCE).unwrap();
        assert!(error.contains("panicked"), "{error}");
    }
    // Each is ended by its first panic.
    assert!(errors.try_recv().is_err());
}

#[test]
fn a_server_that_stops_takes_its_clients_with_it() {
    let source = Running::usual();
    let (sender, came) = std::sync::mpsc::channel();
    let subscribe = follow(source.address);
    let target = Running::start(|server: &mut Server| {
        let handler = move |update| {
            let _ = sender.send(update);
        };
        server.subscribe(subscribe, handler).unwrap();
        let unreachable = follow("127.0.0.1:1");
        server.subscribe(unreachable, |_| {}).unwrap();
    });
    let connected = Update::Connected(Transport::WebSocket);
    assert_eq!(came.recv().unwrap(), connected);
    target.stopper.stop();
    target.join().unwrap();
    assert_eq!(came.recv().unwrap(), Update::Ended(None));
}
