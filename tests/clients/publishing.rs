//! Publishing over sockets: each message once and in order, whatever cuts the connections, from a thread that waits, from a
//! loop of clients, and from the loop of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use barewire::client::Publishing;
use barewire::{ClientError, ClientLoop, Post, Publish, Server, Update};

use crate::following::{follow, next_event, quick};
use crate::proxy::{self, Fate};
use crate::support::Running;

fn to(address: impl std::fmt::Display) -> Publish {
    Publish::to(&format!("http://{address}/channels/a")).backoff(quick())
}

/// The ids and data of the first events.
fn log(address: std::net::SocketAddr, count: usize) -> Vec<(String, String)> {
    let mut subscription = follow(address).open().unwrap();
    let mut next = || next_event(&mut subscription);
    let events = (0..count).map(|_| next());
    events
        .map(|event| (event.id().to_owned(), event.into_data()))
        .collect()
}

#[test]
fn what_was_published_has_the_id_that_was_returned() {
    let server = Running::usual();
    let url = format!("http://{}/channels/a", server.address);
    let first = barewire::publish(&url, "one").unwrap();
    let mut publishing: Publishing = to(server.address).open().unwrap();
    let post = Post::from(&[0xFF, 0]).event("odd").key("k");
    let second = publishing.publish(post.clone()).unwrap();
    let large = "x".repeat(900_000);
    let third = publishing.publish(&large).unwrap();
    assert_eq!(publishing.publish(post), Ok(second.clone()));
    let mut subscription = follow(server.address).open().unwrap();
    let events: Vec<_> = (0..3).map(|_| next_event(&mut subscription)).collect();
    let ids: Vec<&str> = events.iter().map(|event| event.id()).collect();
    assert_eq!(ids, [&*first, &second, &third]);
    assert_eq!(
        (events[1].name(), events[1].bytes()),
        ("odd", &[0xFF, 0][..])
    );
    assert!(events[2].data() == large);
    // A refusal is final, and what comes behind it is published.
    let too_large = publishing.publish("x".repeat(2_000_000)).unwrap_err();
    assert!(
        matches!(too_large, ClientError::Status(413, _)),
        "{too_large}"
    );
    let reused = publishing.publish(Post::from("y").key("k")).unwrap_err();
    assert!(matches!(reused, ClientError::Status(422, _)), "{reused}");
    publishing.publish("more").unwrap();
}

#[test]
fn each_message_is_there_once_and_in_order_wherever_the_connections_are_cut() {
    const MESSAGES: usize = 300;
    let server = Running::usual();
    // Behind a whole answer, in the middle of one, and in front of it.
    let connections = AtomicUsize::new(0);
    let proxy = proxy::start(server.address, move |_| {
        match connections.fetch_add(1, Ordering::Relaxed) {
            number if number % 7 == 3 => Fate::End,
            number => Fate::CutAfter(number * 37 % 500),
        }
    });
    let mut publishing = to(proxy).open().unwrap();
    let ids = (0..MESSAGES).map(|number| publishing.publish(number.to_string()).unwrap());
    let ids: Vec<String> = ids.collect();
    for (number, (id, data)) in log(server.address, MESSAGES).into_iter().enumerate() {
        assert_eq!((id, data), (ids[number].clone(), number.to_string()));
    }
}

#[test]
fn a_loop_publishes_what_threads_give_it_and_ends_with_the_last_of_them() {
    let server = Running::usual();
    let proxy = proxy::start(server.address, |_| Fate::CutAfter(2_000));
    let mut client = ClientLoop::new().unwrap();
    let (settled, results) = channel();
    let outbox = client
        .publish(to(proxy).outbox(10, 10_000), move |post, result| {
            settled.send((post, result)).unwrap();
        })
        .unwrap();
    let threads: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let outbox = outbox.clone();
            std::thread::spawn(move || {
                for number in 0..100 {
                    while outbox.send(format!("{name} {number}")) == Err(ClientError::Full) {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    drop(outbox);
    client.run().unwrap();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let results: Vec<_> = results.iter().collect();
    let log = log(server.address, 300);
    assert_eq!(results.len(), 300);
    for ((post, result), (id, data)) in results.into_iter().zip(&log) {
        assert_eq!(
            (post.data().as_text(), result.as_ref()),
            (Some(&**data), Ok(id))
        );
    }
    for name in ["a", "b", "c"] {
        let own = log.iter().filter(|(_, data)| data.starts_with(name));
        let numbers: Vec<usize> = own.map(|(_, data)| data[2..].parse().unwrap()).collect();
        assert!(numbers.into_iter().eq(0..100), "{name}");
    }
}

#[test]
fn a_server_publishes_to_another() {
    let target = Running::usual();
    let (settled, results) = channel();
    let publish = to(target.address);
    let source = Running::start(move |server: &mut Server| {
        server.channels("/channels/{name}");
        let sent = move |_, result| settled.send(result).unwrap();
        let outbox = server.publish(publish, sent).unwrap();
        let own = format!("http://{}/channels/a", server.local_addr().unwrap());
        let handler = move |update| {
            if let Update::Event(event) = update {
                // The place in the source is the key: what comes again after a restart is there once.
                outbox
                    .send(Post::from(event.bytes()).key(event.id()))
                    .unwrap();
            }
        };
        server
            .subscribe(barewire::Subscribe::to(&own), handler)
            .unwrap();
    });
    for text in ["one", "two", "three"] {
        source.publisher.publish("a", text).unwrap();
    }
    let ids: Vec<String> = (0..3).map(|_| results.recv().unwrap().unwrap()).collect();
    let log = log(target.address, 3);
    assert_eq!(
        log.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
        ids
    );
    assert_eq!(log[2].1, "three");
}

#[test]
fn a_handler_that_panics_ends_its_client_and_nobody_else() {
    let server = Running::usual();
    let (told, came) = channel();
    let publish = to(server.address);
    let source = Running::start(move |server: &mut Server| {
        server.channels("/channels/{name}");
        let outbox = server
            .publish(publish, |_, _| panic!("on purpose"))
            .unwrap();
        outbox.send("x").unwrap();
        server.on_error(move |error| told.send((error.to_string(), outbox.send("y"))).unwrap());
    });
    let (error, next) = came.recv().unwrap();
    assert!(error.contains("panicked"), "{error}");
    assert_eq!(next, Err(ClientError::Closed));
    barewire::publish(&format!("http://{}/channels/a", source.address), "z").unwrap();
}

#[test]
fn nobody_there_is_waited_for_as_long_as_is_asked() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let publish = to(address)
        .within(Duration::from_millis(300))
        .on_retry(move |error, _| {
            assert!(error.is_transient());
            counted.fetch_add(1, Ordering::Relaxed);
        });
    let refused = publish.open().unwrap().publish("x").unwrap_err();
    let expected = ClientError::Connection(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(refused, expected);
    assert!(tries.load(Ordering::Relaxed) > 1);
}
