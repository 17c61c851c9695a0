//! What a handler sends to many others, and what keeps that within bounds: each receiver's own backlog, and nothing
//! else.

use std::time::Duration;

use barewire::net::SendError;
use barewire::sse::Event;
use barewire::{EventStream, Limits, Sender, Stream};

use crate::support::*;

const READERS: usize = 300;

/// This many messages in one piece, of a few bytes each.
fn burst(messages: usize) -> Vec<u8> {
    let message = |n: usize| frame(TEXT, format!("m{n}"));
    (0..messages).flat_map(message).collect()
}

#[test]
fn a_burst_that_a_handler_sends_on_ends_nobodys_event_stream() {
    let streams = Shared::<Vec<EventStream>>::default();
    let (kept, sent_to) = (streams.clone(), streams.clone());
    let mut server = server(|server| {
        server.get("/events", move |_, reply| kept.push(reply.events()));
        server.websocket("/ws", move |_, message| {
            let text = std::str::from_utf8(message.as_bytes()).unwrap();
            let event = Event::message(text);
            sent_to.with(|streams| streams.retain(|stream| stream.send(&event).is_ok()));
        });
    });
    let readers: Vec<_> = (0..READERS)
        .map(|_| listen(&mut server, "/events", "").0)
        .collect();
    let writer = open(&mut server, "/ws");
    server.send(writer, &burst(READERS));
    assert_eq!(streams.with(|streams| streams.len()), READERS);
    let expected: String = (0..READERS).map(|n| format!("data: m{n}\n\n")).collect();
    for reader in readers {
        assert!(take_streamed(&mut server, reader) == expected);
    }
}

#[test]
fn a_burst_that_a_handler_sends_on_reaches_every_socket_in_order() {
    let senders = Shared::<Vec<Sender>>::default();
    let (kept, sent_to) = (senders.clone(), senders);
    let mut server = server(|server| {
        let route = server.websocket("/ws", move |_, message| {
            sent_to.with(|senders| senders.iter().for_each(|to| to.send(message).unwrap()))
        });
        route.on_open(move |socket, _| kept.push(socket.sender()));
    });
    let sockets: Vec<_> = (0..READERS).map(|_| open(&mut server, "/ws")).collect();
    server.send(sockets[0], &burst(READERS));
    let expected: Vec<Frame> = (0..READERS).map(|n| text(&format!("m{n}"))).collect();
    for socket in sockets {
        assert!(frames(&server.take(socket)) == expected);
    }
}

#[test]
fn requests_that_were_sent_ahead_reach_everybody_too() {
    let streams = Shared::<Vec<EventStream>>::default();
    let (kept, sent_to) = (streams.clone(), streams);
    let mut server = server(|server| {
        server.get("/events", move |_, reply| kept.push(reply.events()));
        server.post("/", move |request, reply| {
            let text = std::str::from_utf8(request.body()).unwrap();
            let event = Event::message(text);
            sent_to.with(|streams| {
                let sent = streams.iter().filter(|to| to.send(&event).is_ok());
                reply.text(sent.count().to_string());
            });
        });
    });
    let readers: Vec<_> = (0..READERS)
        .map(|_| listen(&mut server, "/events", "").0)
        .collect();
    let writer = server.connect();
    let ahead: String = (0..READERS).map(|n| post("/", &format!("m{n}"))).collect();
    server.send(writer, ahead.as_bytes());
    let answers = answers(&server.take(writer));
    assert_eq!(answers.len(), READERS);
    assert!(answers.iter().all(|answer| answer.text() == "300"));
    let expected: String = (0..READERS).map(|n| format!("data: m{n}\n\n")).collect();
    for reader in readers {
        assert!(take_streamed(&mut server, reader) == expected);
    }
}

/// 100,000 messages of one byte, each sent on: what waits for the reader is never more than some thousands of them.
#[test]
fn a_burst_is_delivered_while_it_comes_in() {
    const MESSAGES: usize = 100_000;
    let streams = Shared::<Vec<Stream>>::default();
    let most = Shared::<Vec<usize>>::default();
    let (kept, sent_to, seen) = (streams.clone(), streams, most.clone());
    let mut server = server(|server| {
        server.get("/stream", move |_, reply| {
            kept.push(reply.stream("text/plain"))
        });
        server.websocket("/ws", move |_, _| {
            let queued = sent_to.with(|streams| streams[0].try_write("x").unwrap());
            seen.push(queued);
        });
    });
    let reader = server.connect();
    server.send(reader, get("/stream").as_bytes());
    server.take(reader);
    let writer = open(&mut server, "/ws");
    server.send(writer, &frame(TEXT, "x").repeat(MESSAGES));
    let most = most.take();
    assert_eq!(most.len(), MESSAGES);
    let most = most.iter().max().unwrap();
    assert!(*most < 1024 * 1024, "{most} bytes waited");
    assert_eq!(streamed(&server.take(reader)).len(), MESSAGES);
}

#[test]
fn a_socket_that_closes_behind_a_burst_is_answered_behind_all_of_it() {
    let mut server = server(|server| {
        server.websocket("/ws", |socket, message| {
            // To itself, so that all of it is delivered before the close is answered.
            socket.sender().send(message).unwrap();
        });
    });
    let socket = open(&mut server, "/ws");
    let mut sent = frame(TEXT, "x").repeat(20_000);
    sent.extend(close_frame(1000, ""));
    let got = converse(&mut server, socket, &sent);
    // What was put off may only be delivered until the close frame has gone out.
    assert!(got.len() > 16_000, "{} frames", got.len());
    assert_eq!(got.last(), Some(&(CLOSE, 1000_u16.to_be_bytes().to_vec())));
    assert!(!server.is_open(socket));
}

#[test]
fn a_stream_is_full_when_its_own_client_is_behind_and_open_all_the_same() {
    let limits = Limits {
        backlog: 1_000,
        high_water: 100,
        ..Limits::default()
    };
    let streams = Shared::<Vec<EventStream>>::default();
    let kept = streams.clone();
    let mut server = server(|server| {
        server.limits(limits);
        server.get("/events", move |_, reply| kept.push(reply.events()));
    });
    let (slow, _) = listen(&mut server, "/events", "");
    let (quick, _) = listen(&mut server, "/events", "");
    server.stall(slow, 0);
    let streams = streams.take();
    let event =
        Event::message("a hundred bytes, and each of them is one that nobody takes from here");
    let mut sent = [0, 0];
    for _ in 0..30 {
        for (stream, sent) in streams.iter().zip(&mut sent) {
            match stream.send(&event) {
                Ok(()) => *sent += 1,
                Err(error) => assert_eq!(error, SendError::Full),
            }
        }
        server.wait(Duration::ZERO);
    }
    assert!((5..15).contains(&sent[0]), "{sent:?}");
    assert_eq!(sent[1], 30);
    assert!(streams.iter().all(EventStream::is_open));
    // It goes on, and what it was sent it gets.
    server.resume(slow);
    assert_eq!(streams[0].queued(), 0);
    streams[0].send(&event).unwrap();
    server.wait(Duration::ZERO);
    let lines = take_streamed(&mut server, slow).matches("data:").count();
    assert_eq!(lines, sent[0] + 1);
    assert_eq!(
        take_streamed(&mut server, quick).matches("data:").count(),
        30
    );
}

/// Nobody takes what is written, and a handler that waited for that would wait for itself.
#[test]
fn a_handler_that_writes_without_end_is_refused_and_never_waits() {
    let sent = Shared::<Vec<Result<(), SendError>>>::default();
    let seen = sent.clone();
    let mut server = server(|server| {
        server.limits(Limits {
            backlog: 1_000_000,
            ..Limits::default()
        });
        server.get("/large", move |_, reply| {
            let stream = reply.stream("text/plain");
            for _ in 0..100 {
                seen.push(stream.write(vec![b'x'; 100_000]));
            }
        });
    });
    let client = server.connect();
    server.send(client, get("/large").as_bytes());
    let sent = sent.take();
    assert_eq!(sent[..9], [Ok(()); 9]);
    assert_eq!(sent[9..], [Err(SendError::Full); 91]);
    let got = answers(&server.take(client));
    assert_eq!(got[0].text().len(), 900_000);
}

#[test]
fn who_turns_the_loop_does_not_wait_between_its_turns_either() {
    let streams = Shared::<Vec<Stream>>::default();
    let kept = streams.clone();
    let mut server = server(|server| {
        server.get("/", move |_, reply| kept.push(reply.stream("text/plain")));
    });
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    server.stall(client, 0);
    let stream = streams.take().remove(0);
    for _ in 0..10 {
        stream.write(vec![0; 1_000_000]).unwrap();
    }
    assert!(stream.queued() > 10_000_000);
}
