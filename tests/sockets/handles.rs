//! The loop in the hands of the program, and the handles that reach it from other threads.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use barewire::{Error, Limits, Publisher, Server, Stopper, channel};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{
    PATIENCE, Running, await_end, connect, get, open_events, open_websocket, read_answer,
    read_chunk, read_to_end, usual, websocket,
};

#[test]
fn a_program_turns_the_loop_itself_and_never_waits() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    server.get("/", |_, reply| reply.text("turned"));
    let mut client = connect(server.local_addr().unwrap());
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    client.set_nonblocking(true).unwrap();
    let (began, mut answer, mut buffer) = (Instant::now(), Vec::new(), [0; 1024]);
    loop {
        assert!(began.elapsed() < PATIENCE);
        server.turn(Some(Duration::ZERO)).unwrap();
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(answer.ends_with(b"turned"));
}

#[test]
fn a_route_that_makes_no_sense_is_told_when_the_server_is_to_run() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    server.get("no-slash", |_, reply| reply.text(""));
    assert!(matches!(
        server.turn(Some(Duration::ZERO)),
        Err(Error::Route(_))
    ));
}

/// Without a waker each of these would wait for the loop's next look at the time, a second later at worst.
#[test]
fn a_publisher_wakes_a_loop_that_sleeps() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/channels/alarm");
    let began = Instant::now();
    for number in 0..40 {
        let publisher = server.publisher.clone();
        let thread = std::thread::spawn(move || publisher.publish("alarm", number.to_string()));
        thread.join().unwrap().unwrap();
        let message = socket.read().unwrap().into_text().unwrap();
        assert!(message.as_str().contains(&format!("\"data\":\"{number}\"")));
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn messages_of_one_publisher_keep_their_order() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/channels/order");
    let publisher = server.publisher.clone();
    let thread = std::thread::spawn(move || {
        for number in 0..5_000 {
            publisher.publish("order", number.to_string()).unwrap();
        }
    });
    for number in 0..5_000 {
        let message = socket.read().unwrap().into_text().unwrap();
        assert!(message.as_str().contains(&format!("\"data\":\"{number}\"")));
    }
    thread.join().unwrap();
}

#[test]
fn a_socket_is_sent_to_and_closed_from_another_thread() {
    let (opened, senders) = mpsc::channel();
    let server = Running::start(move |server| {
        server
            .websocket("/", |_, _| {})
            .on_open(move |socket, _| opened.send(socket.sender()).unwrap());
    });
    let mut client = websocket(server.address, "/");
    let sender = senders.recv_timeout(PATIENCE).unwrap();
    for number in 0..100 {
        sender.send(&*number.to_string()).unwrap();
    }
    for number in 0..100 {
        assert_eq!(client.read().unwrap(), Message::text(number.to_string()));
    }
    sender
        .close(barewire::ws::CloseCode::NORMAL, "done")
        .unwrap();
    assert!(client.read().unwrap().is_close());
    await_end(client.get_mut());
    // Nobody is there to get it, and that is no error.
    sender.send("anybody?").unwrap();

    let mut next = websocket(server.address, "/");
    let other = senders.recv_timeout(PATIENCE).unwrap();
    assert_ne!(sender.id(), other.id());
    sender.send("for the old one").unwrap();
    other.send("for the new one").unwrap();
    assert_eq!(next.read().unwrap(), Message::text("for the new one"));
}

#[test]
fn an_answer_that_was_promised_comes_from_another_thread() {
    let (promised, promises) = mpsc::channel();
    let server = Running::start(move |server| {
        server.get("/later", move |_, reply| {
            promised.send(reply.later()).unwrap()
        });
    });
    let mut client = connect(server.address);
    client
        .write_all(b"GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let later = promises.recv_timeout(PATIENCE).unwrap();
    later.send(barewire::Response::text("now")).unwrap();
    assert_eq!(read_answer(&mut client).unwrap().body, "now");
}

fn refused(address: std::net::SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_err()
}

#[test]
fn a_stop_ends_everything_in_its_own_way() {
    let server = Running::usual();
    let mut echo = websocket(server.address, "/echo");
    let mut channel = websocket(server.address, "/channels/c");
    let mut events = connect(server.address);
    open_events(&mut events, "/channels/c", "");
    let mut idle = connect(server.address);
    get(&mut idle, "/channels/c", "").unwrap();
    let mut poll = connect(server.address);
    poll.write_all(b"GET /channels/c HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n")
        .unwrap();
    // It came after the poll's bytes, so that the poll waits when this is answered; the echo shows that the loop
    // has been through both.
    for socket in [&mut echo, &mut channel] {
        socket.send(Message::Ping("there?".into())).unwrap();
        assert!(socket.read().unwrap().is_pong());
    }

    let address = server.address;
    server.stopper.stop();
    for socket in [&mut echo, &mut channel] {
        match socket.read().unwrap() {
            Message::Close(Some(close)) => assert_eq!(close.code, CloseCode::Away),
            other => panic!("{other}"),
        }
    }
    assert!(refused(address));
    let answer = read_answer(&mut poll).unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(read_chunk(&mut events).unwrap_or(None), None);
    assert_eq!(read_to_end(&mut idle).unwrap(), b"");
    for socket in [&mut echo, &mut channel] {
        // Sends the close back.
        while socket.read().is_ok() {}
    }
    drop((events, poll, idle));
    server.join().unwrap();
}

#[test]
fn what_was_published_before_the_stop_is_delivered() {
    let server = Running::usual();
    let mut events = connect(server.address);
    open_events(&mut events, "/channels/c", "");
    let mut socket = websocket(server.address, "/channels/c");
    server.publisher.publish("c", "last words").unwrap();
    server.stopper.stop();
    let message = socket.read().unwrap();
    assert!(
        message.to_text().unwrap().contains("last words"),
        "{message}"
    );
    let chunk = read_chunk(&mut events).unwrap().expect("an event");
    assert!(chunk.ends_with(b"data: last words\n\n"));
}

#[test]
fn what_was_published_before_the_stop_is_delivered_in_the_turn_that_stops() {
    let (give, given) = mpsc::channel();
    let server = Running::start(move |server| {
        usual(server);
        server.limits(Limits {
            channels: channel::Limits {
                channels: 1,
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
        let mut handles: Option<(Publisher, Stopper)> = None;
        // Called when the turn has taken its letters, so what is published here arrives together with the stop.
        server.on_error(move |_| {
            let (publisher, stopper) = handles.get_or_insert_with(|| given.recv().unwrap());
            publisher.publish("c", "last words").unwrap();
            stopper.stop();
        });
    });
    give.send((server.publisher.clone(), server.stopper.clone()))
        .unwrap();
    let mut socket = websocket(server.address, "/channels/c");
    server.publisher.publish("d", "refused").unwrap();
    let message = socket.read().unwrap();
    assert!(
        message
            .to_text()
            .is_ok_and(|text| text.contains("last words")),
        "{message:?}"
    );
}

fn patient(server: &mut Server) {
    usual(server);
    server.limits(Limits {
        drain_timeout: Duration::from_secs(3_600),
        close_timeout: Duration::from_secs(3_600),
        ..Limits::default()
    });
}

#[test]
fn a_second_stop_ends_at_once() {
    let server = Running::start(patient);
    let mut stream = connect(server.address);
    open_websocket(&mut stream, "/echo", "");
    server.stopper.stop();
    // A close frame with 1001 that is not answered.
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xe9][..]));
    server.stopper.stop();
    await_end(&mut stream);
    server.join().unwrap();
}

#[test]
fn the_drain_timeout_cuts_off_what_is_left() {
    let server = Running::start(|server| {
        patient(server);
        server.limits(Limits {
            drain_timeout: Duration::from_millis(100),
            ..Limits::default()
        });
    });
    let mut stream = connect(server.address);
    open_websocket(&mut stream, "/echo", "");
    server.stopper.stop();
    await_end(&mut stream);
    server.join().unwrap();
}

#[test]
fn handles_of_a_server_that_is_gone_say_so() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let publisher = server.publisher();
    publisher.publish("c", "taken").unwrap();
    drop(server);
    let told = publisher.publish("c", "lost");
    assert!(
        matches!(
            told,
            Err(Error::Unreachable(barewire::net::SendError::Ended))
        ),
        "{told:?}"
    );
}

#[test]
fn an_idle_server_sleeps() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    usual(&mut server);
    let address = server.local_addr().unwrap();
    let (opened, streams) = mpsc::channel();
    let clients = std::thread::spawn(move || {
        for _ in 0..20 {
            let mut stream = connect(address);
            open_websocket(&mut stream, "/channels/idle", "");
            let mut events = connect(address);
            open_events(&mut events, "/channels/idle", "");
            let mut keep_alive = connect(address);
            get(&mut keep_alive, "/channels/idle", "").unwrap();
            let mut beginning = connect(address);
            beginning.write_all(b"GET / HT").unwrap();
            opened
                .send([stream, events, keep_alive, beginning])
                .unwrap();
        }
    });
    let began = Instant::now();
    let mut held = Vec::new();
    while held.len() < 20 {
        assert!(began.elapsed() < PATIENCE);
        server.turn(Some(Duration::from_millis(10))).unwrap();
        held.extend(streams.try_iter());
    }
    clients.join().unwrap();
    while server.connections() < 80 {
        server.turn(Some(Duration::from_millis(10))).unwrap();
    }
    // What is still on its way arrives in the first of these turns.
    let (began, mut turns) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        server.turn(None).unwrap();
        turns += 1;
    }
    eprintln!("{turns} turns in 3 seconds");
    assert!(turns < 20, "{turns} turns");
    drop(held);
}
