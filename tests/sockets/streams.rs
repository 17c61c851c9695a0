//! Streamed answers that are written by threads: whoever writes waits for the client, and nothing is lost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use barewire::net::SendError;
use barewire::{Error, Limits, Server, Stream};

use crate::support::{PATIENCE, Running, connect, read_chunk, read_head};

/// How much of a client's output may wait.
const BACKLOG: usize = 512 * 1024;
/// Far more than that and all that the system's sockets hold.
const LARGE: usize = 64 * 1024 * 1024;
const PIECE: usize = 100_000;

/// A server whose `/` hands out streams, and what its hook is told.
fn streaming(
    limits: Limits,
    configure: impl FnOnce(&mut Server),
) -> (Running, Receiver<Stream>, Receiver<String>) {
    let (give, streams) = mpsc::channel();
    let (tell, errors) = mpsc::channel();
    let running = Running::start(|server| {
        server.limits(limits);
        server.get("/", move |_, reply| {
            give.send(reply.stream("application/octet-stream")).unwrap();
        });
        server.on_error(move |error| {
            if matches!(error, Error::CutOff(_)) {
                let _ = tell.send(error.to_string());
            }
        });
        configure(server);
    });
    (running, streams, errors)
}

fn limits() -> Limits {
    Limits {
        backlog: BACKLOG,
        ..Limits::default()
    }
}

fn ask(running: &Running) -> TcpStream {
    let mut client = connect(running.address);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(read_head(&mut client).unwrap().starts_with("HTTP/1.1 200 "));
    client
}

/// Writes in a thread until it is refused. Its end says how much that was, what was queued at most, and why.
fn write_in_a_thread(stream: Stream, bytes: usize) -> Receiver<(usize, usize, Option<SendError>)> {
    let (give, ended) = mpsc::channel();
    thread::spawn(move || {
        let (mut written, mut queued, mut why) = (0, 0, None);
        while written < bytes {
            if let Err(error) = stream.write(vec![written as u8; PIECE]) {
                why = Some(error);
                break;
            }
            written += PIECE;
            queued = queued.max(stream.queued());
        }
        give.send((written, queued, why)).unwrap();
    });
    ended
}

#[test]
fn a_thread_that_writes_more_than_may_wait_waits_for_its_client() {
    let (running, streams, errors) = streaming(limits(), |_| ());
    let mut client = ask(&running);
    let written = write_in_a_thread(streams.recv_timeout(PATIENCE).unwrap(), LARGE);
    let mut got = 0;
    while let Some(chunk) = read_chunk(&mut client).unwrap() {
        got += chunk.len();
        assert!(!chunk.is_empty());
    }
    let (sent, queued, why) = written.recv_timeout(PATIENCE).unwrap();
    assert_eq!((got, why), (sent, None));
    assert!(sent >= LARGE && queued < BACKLOG, "{queued} bytes waited");
    assert!(errors.try_recv().is_err());
}

#[test]
fn a_piece_that_is_larger_than_all_that_may_wait_goes_in_parts() {
    let (running, streams, _) = streaming(limits(), |_| ());
    let mut client = ask(&running);
    let stream = streams.recv_timeout(PATIENCE).unwrap();
    let writer = thread::spawn(move || stream.write(vec![7; 8 * BACKLOG]));
    let mut got = 0;
    while let Some(chunk) = read_chunk(&mut client).unwrap() {
        got += chunk.len();
    }
    assert_eq!((writer.join().unwrap(), got), (Ok(()), 8 * BACKLOG));
}

#[test]
fn whoever_waits_for_a_client_that_leaves_is_told() {
    let (running, streams, _) = streaming(limits(), |_| ());
    let client = ask(&running);
    let ended = write_in_a_thread(streams.recv_timeout(PATIENCE).unwrap(), usize::MAX);
    drop(client);
    let (_, _, why) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(why, Some(SendError::Gone));
}

#[test]
fn whoever_waits_when_the_server_stops_is_told() {
    let (running, streams, _) = streaming(limits(), |_| ());
    let _client = ask(&running);
    let ended = write_in_a_thread(streams.recv_timeout(PATIENCE).unwrap(), usize::MAX);
    running.stopper.stop();
    let (_, _, why) = ended.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(why, Some(SendError::Gone | SendError::Ended)),
        "{why:?}"
    );
}

#[test]
fn whoever_waits_when_the_server_is_dropped_is_told() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    let (give, streams) = mpsc::channel();
    server.get("/", move |_, reply| give.send(reply.stream("a/b")).unwrap());
    let mut client = connect(server.local_addr().unwrap());
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let stream = loop {
        server.turn(Some(Duration::from_secs(1))).unwrap();
        if let Ok(stream) = streams.try_recv() {
            break stream;
        }
    };
    // Nobody turns the server any more.
    let ended = write_in_a_thread(stream, usize::MAX);
    drop(server);
    let (_, _, why) = ended.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(why, Some(SendError::Gone | SendError::Ended)),
        "{why:?}"
    );
}

#[test]
fn who_takes_nothing_is_cut_off_and_the_writer_and_the_hook_are_told_why() {
    let limits = Limits {
        stall_timeout: Duration::from_millis(200),
        ..limits()
    };
    let (running, streams, errors) = streaming(limits, |_| ());
    let client = ask(&running);
    let ended = write_in_a_thread(streams.recv_timeout(PATIENCE).unwrap(), usize::MAX);
    let (_, _, why) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(why, Some(SendError::CutOff));
    let told = errors.recv_timeout(PATIENCE).unwrap();
    let peer = client.local_addr().unwrap();
    assert!(told.starts_with(&peer.to_string()), "{told}");
}

#[test]
fn the_hook_is_told_of_whoever_is_cut_off_at_the_backlog() {
    let (running, _, errors) = streaming(limits(), |server| {
        server.websocket("/large", |socket, _| {
            for _ in 0..1_000 {
                socket.send(&[7; 64 * 1024][..]);
            }
        });
    });
    let mut client = connect(running.address);
    crate::support::open_websocket(&mut client, "/large", "");
    // "x", masked (RFC 6455 5.3).
    client.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).unwrap();
    let told = errors.recv_timeout(PATIENCE).unwrap();
    let peer = client.local_addr().unwrap();
    assert!(told.starts_with(&peer.to_string()), "{told}");
    let _ = client.read(&mut [0]);
}
