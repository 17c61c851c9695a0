//! Whole servers: from the readiness of a socket to the write, over loopback.

use std::time::Duration;

use barewire::{Limits, Server, channel, ws};

use crate::client::{Client, frame, letters, turn};
use crate::{Meter, Round, Scenario};

/// What channels retain. The warm-up of a fan-out publishes more, so that every further message pushes one out.
const RETAINED: usize = 128;
/// As many as the subscribers of a fan-out, and few enough for the descriptors that most systems allow.
const CROWD: usize = 1_000;
/// A message of a usual size.
const MESSAGE: usize = 100;
/// What is written at once fits into the buffers of a socket, however large the message.
const AT_ONCE: usize = 64 * 1024;

pub const SCENARIOS: &[Scenario] = &[
    served("echo-125", 40, || echo(binary(&letters(125)), 1, 0)),
    served("echo-125-x16", 40, || echo(binary(&letters(125)), 16, 0)),
    served("echo-1k-x16", 40, || echo(binary(&letters(1024)), 16, 0)),
    served("echo-16k-x4", 40, || {
        echo(binary(&letters(16 * 1024)), 4, 0)
    }),
    served("echo-256k-x2", 20, || {
        echo(binary(&letters(256 * 1024)), 2, 0)
    }),
    served("echo-text-125-x16", 40, || echo(text(&letters(125)), 16, 0)),
    served("echo-125-beside-1000-idle", 40, || {
        echo(binary(&letters(125)), 1, CROWD)
    }),
    served("turn-1000-idle", 40, idle),
    served("fanout-1000-websocket", 16, || {
        fan_out(Way::Socket, CROWD, 1)
    }),
    served("fanout-1000-websocket-x64", 8, || {
        fan_out(Way::Socket, CROWD, 64)
    }),
    served("fanout-1000-raw", 16, || fan_out(Way::Raw, CROWD, 1)),
    served("fanout-1000-raw-x64", 8, || fan_out(Way::Raw, CROWD, 64)),
    served("fanout-1000-sse", 16, || fan_out(Way::Events, CROWD, 1)),
    served("fanout-1000-sse-x64", 8, || fan_out(Way::Events, CROWD, 64)),
    // What a publish costs when one is waiting for it: taking it in, appending, encoding, evicting.
    served("publish-websocket-x16", 40, || fan_out(Way::Socket, 1, 16)),
    Scenario {
        warm_up: 2 * RETAINED,
        ..served("publish-post", 100, post)
    },
    served("get-handler", 100, get),
    served("short-poll-of-10", 40, short_poll),
    served("long-poll", 20, long_poll),
    served("connect-upgrade-close", 40, connect),
];

const fn served(name: &'static str, rounds: usize, prepare: fn() -> Round) -> Scenario {
    Scenario {
        name,
        warm_up: 10,
        rounds,
        prepare,
    }
}

fn binary(data: &str) -> ws::Message<'_> {
    ws::Message::Binary(data.as_bytes())
}

fn text(data: &str) -> ws::Message<'_> {
    ws::Message::Text(data)
}

fn server() -> Server {
    let hour = Duration::from_secs(3_600);
    let mut server = Server::bind("127.0.0.1:0").expect("there is a loopback");
    server.get("/", |_request, reply| reply.html("<h1>hello</h1>"));
    server.websocket("/echo", |socket, message| socket.send(message));
    server.channels("/channels/{name}");
    // No deadline falls into a measurement, which valgrind makes last.
    server.limits(Limits {
        header_timeout: hour,
        body_timeout: hour,
        keep_alive: hour,
        wait: hour,
        ping_interval: hour,
        close_timeout: hour,
        heartbeat: hour,
        stall_timeout: hour,
        channels: channel::Limits {
            retention: channel::Retention {
                messages: RETAINED,
                ..channel::Retention::default()
            },
            ..channel::Limits::default()
        },
        ..Limits::default()
    });
    server
}

fn upgrade(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

fn websocket(server: &mut Server, path: &str, fields: &str) -> Client {
    let mut client = Client::connect(server, &upgrade(path, fields));
    client.read_until(server, &mut Meter::off(), b"\r\n\r\n");
    client
}

/// So many messages at once from one client, and back, beside so many others that are silent. Per message.
fn echo(message: ws::Message<'_>, ahead: usize, idle: usize) -> Round {
    let mut server = server();
    let others: Vec<Client> = (0..idle)
        .map(|_| websocket(&mut server, "/echo", ""))
        .collect();
    let mut client = websocket(&mut server, "/echo", "");
    let messages = frame(message).repeat(ahead);
    // Without the masking keys.
    let echo = messages.len() - 4 * ahead;
    let mut buffer = vec![0; echo];
    Box::new(move |meter: &mut Meter| {
        let _ = &others;
        let mut got = 0;
        for piece in messages.chunks(AT_ONCE) {
            client.write(piece);
            turn(&mut server, meter);
            got += client.read(&mut buffer[got..]);
        }
        while got < echo {
            turn(&mut server, meter);
            got += client.read(&mut buffer[got..]);
        }
        // A whole frame of the same kind: its first byte is the same in both directions.
        assert_eq!(buffer[0], messages[0]);
        meter.units(ahead);
    })
}

/// Nothing happens, on many connections. Per turn.
fn idle() -> Round {
    let mut server = server();
    let others: Vec<Client> = (0..CROWD)
        .map(|_| websocket(&mut server, "/echo", ""))
        .collect();
    Box::new(move |meter: &mut Meter| {
        let _ = &others;
        let turned = meter.count(|| server.turn(Some(Duration::ZERO)));
        turned.expect("the loop turns");
        meter.units(1);
    })
}

/// How a channel is read.
#[derive(Clone, Copy)]
enum Way {
    Socket,
    Raw,
    Events,
}

impl Way {
    fn open(self, server: &mut Server) -> Client {
        let path = "/channels/c?from=now";
        match self {
            Way::Socket => websocket(server, path, ""),
            Way::Raw => websocket(server, path, "Sec-WebSocket-Protocol: raw\r\n"),
            Way::Events => {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
                let mut client = Client::connect(server, &request);
                // The first block, in a chunk of its own, says when to come back.
                client.read_until(server, &mut Meter::off(), b"\n\n\r\n");
                client
            }
        }
    }
}

/// A WebSocket publishes so many messages at once, and every subscriber gets them. Per delivery.
fn fan_out(way: Way, subscribers: usize, at_once: usize) -> Round {
    let mut server = server();
    let mut clients: Vec<Client> = (0..subscribers).map(|_| way.open(&mut server)).collect();
    let mut publisher = websocket(&mut server, "/channels/c?from=now", "");
    let message = frame(ws::Message::Text(&letters(MESSAGE)));
    let messages = message.repeat(at_once);
    let mut buffer = vec![0; 64 * 1024];
    let mut publish = move |meter: &mut Meter, messages: &[u8]| {
        publisher.write(messages);
        turn(&mut server, meter);
        publisher.read(&mut buffer);
        let mut size = None;
        for client in &mut clients {
            let mut got = client.read(&mut buffer);
            while got == 0 {
                turn(&mut server, meter);
                got = client.read(&mut buffer);
            }
            // All that were published before came in one write.
            assert_eq!(*size.get_or_insert(got), got);
        }
    };
    for _ in 0..2 * RETAINED / 64 {
        publish(&mut Meter::off(), &message.repeat(64));
    }
    Box::new(move |meter: &mut Meter| {
        publish(meter, &messages);
        meter.units(at_once * subscribers);
    })
}

/// Requests on one connection, and their answers, which end as given. Per request.
fn requests(mut server: Server, request: String, end: &'static [u8]) -> Round {
    let mut client = Client::connect(&server, &request);
    client.read_until(&mut server, &mut Meter::off(), end);
    Box::new(move |meter: &mut Meter| {
        client.write(request.as_bytes());
        turn(&mut server, meter);
        client.read_until(&mut server, meter, end);
        meter.units(1);
    })
}

fn get() -> Round {
    requests(
        server(),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        b"<h1>hello</h1>",
    )
}

fn post() -> Round {
    let body = letters(MESSAGE);
    let request = format!(
        "POST /channels/c HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {MESSAGE}\r\n\r\n{body}"
    );
    requests(server(), request, b"\"}")
}

fn short_poll() -> Round {
    let mut server = server();
    let publisher = server.publisher();
    for _ in 0..10 {
        publisher.publish("c", letters(MESSAGE)).expect("it runs");
    }
    turn(&mut server, &mut Meter::off());
    requests(
        server,
        "GET /channels/c HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        b"\"}",
    )
}

/// Some wait, a message is published from another handle, all are answered, and ask again. Per answer.
fn long_poll() -> Round {
    const WAITING: usize = 50;
    let mut server = server();
    let publisher = server.publisher();
    let request = "GET /channels/c?from=now HTTP/1.1\r\nHost: a\r\nPrefer: wait=3000\r\n\r\n";
    let mut clients: Vec<Client> = (0..WAITING)
        .map(|_| Client::connect(&server, request))
        .collect();
    // Until all have been accepted and read.
    for _ in 0..4 {
        server
            .turn(Some(Duration::from_millis(50)))
            .expect("the loop turns");
    }
    Box::new(move |meter: &mut Meter| {
        publisher.publish("c", letters(MESSAGE)).expect("it runs");
        turn(&mut server, meter);
        for client in &mut clients {
            client.read_until(&mut server, meter, b"\"}");
            client.write(request.as_bytes());
        }
        turn(&mut server, meter);
        meter.units(WAITING);
    })
}

/// A browser comes, opens a WebSocket, closes it, and goes. Per connection.
fn connect() -> Round {
    let mut server = server();
    let request = upgrade("/echo", "");
    let mut close = Vec::new();
    ws::write_close(&mut close, None, Some(crate::client::KEY));
    Box::new(move |meter: &mut Meter| {
        let mut client = Client::connect(&server, &request);
        turn(&mut server, meter);
        client.read_until(&mut server, meter, b"\r\n\r\n");
        client.write(&close);
        turn(&mut server, meter);
        while !client.is_closed() {
            turn(&mut server, meter);
        }
        drop(client);
        while server.connections() > 0 {
            turn(&mut server, meter);
        }
        meter.units(1);
    })
}
