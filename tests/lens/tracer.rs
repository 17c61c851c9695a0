//! Taps on the connections of a server and of a client, and a recording of them that is played to another server.
#![cfg(all(feature = "server", feature = "client"))]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use barewire::lens::{Happened, Kind, Options, Recorder, Side, Thing, Tracer, read};
use barewire::net::{Break, Faulty, Mishap, Mishaps, Tap, Traced};
use barewire::{Connect, Server};

use super::{kinds, rules};

const PATIENCE: Duration = Duration::from_secs(30);

fn server() -> Server {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    server.get("/", |_request, reply| reply.text("hello"));
    server.websocket("/echo", |socket, message| socket.send(message));
    server
}

/// Sends what it sees to who waits for it.
fn tracer(ours: Side) -> (Tracer<impl FnMut(Thing)>, mpsc::Receiver<Thing>) {
    let (sink, seen) = mpsc::channel();
    let send = move |thing| {
        // Who waits may have seen enough.
        let _ = sink.send(thing);
    };
    (Tracer::new(ours, Options::default(), send), seen)
}

/// Everything up to the end of the connection.
fn all(seen: &mpsc::Receiver<Thing>) -> Vec<Thing> {
    let mut things = Vec::new();
    loop {
        match seen.recv_timeout(PATIENCE) {
            Ok(thing) => things.push(thing),
            Err(mpsc::RecvTimeoutError::Disconnected) => return things,
            Err(timeout) => panic!("{timeout}, after {:?}", kinds(&things)),
        }
    }
}

#[test]
fn a_server_and_a_client_see_the_same_from_both_sides() {
    let mut server = server();
    let (theirs, from_server) = tracer(Side::Server);
    let mut theirs = Some(theirs);
    server.trace(move |_peer| theirs.take().map(|tap| Box::new(tap) as Box<dyn Tap>));
    let address = server.local_addr().unwrap();
    let stopper = server.stopper();
    let runs = thread::spawn(move || server.run().unwrap());

    let mut clients = barewire::ClientLoop::new().unwrap();
    let (ours, from_client) = tracer(Side::Client);
    let mut ours = Some(ours);
    clients.trace(move |_peer| ours.take().map(|tap| Box::new(tap) as Box<dyn Tap>));
    let connect =
        Connect::to(&format!("ws://{address}/echo")).on_open(|socket| socket.send("Hello"));
    let echoed = Arc::new(Mutex::new(false));
    let done = Arc::clone(&echoed);
    clients
        .connect(connect, move |socket, _message| {
            *done.lock().unwrap() = true;
            socket.close(barewire::ws::CloseCode::NORMAL, "");
        })
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !*echoed.lock().unwrap() && Instant::now() < deadline {
        clients.turn(Some(Duration::from_millis(50))).unwrap();
    }
    // The close frame goes out.
    clients.turn(Some(Duration::ZERO)).unwrap();
    drop(clients);
    stopper.stop();
    runs.join().unwrap();

    let (server, client) = (all(&from_server), all(&from_client));
    assert_eq!(rules(&server), [""; 0]);
    assert_eq!(
        kinds(&server)[..4],
        ["request", "response", "frame", "frame"]
    );
    assert_eq!(server[..4], client[..4]);
    assert_eq!(&*server[2].payload(), b"Hello");
    assert!(matches!(&server[2].kind, Kind::Frame(frame) if frame.header.mask.is_some()));
}

/// A tap that records.
struct Record(Recorder<Vec<u8>>, Instant);

impl Tap for Record {
    fn received(&mut self, bytes: &[u8]) {
        let _ = self.0.sent(self.1.elapsed(), 1, Side::Server, bytes);
    }

    fn sent(&mut self, bytes: &[u8]) {
        let _ = self.0.sent(self.1.elapsed(), 1, Side::Client, bytes);
    }
}

#[test]
fn a_recording_of_a_client_is_played_to_a_server_without_sockets() {
    let mut real = server();
    let address = real.local_addr().unwrap();
    let stopper = real.stopper();
    let runs = thread::spawn(move || real.run().unwrap());
    let mut text = Vec::new();
    let recorder = Recorder::new(std::mem::take(&mut text)).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut traced = Traced::new(stream, Record(recorder, Instant::now()));
    traced
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    traced.read_to_end(&mut answer).unwrap();
    stopper.stop();
    runs.join().unwrap();

    let (_, record) = traced.into_parts();
    let recording = record.0.into_inner();
    let mut simulated = server().simulate();
    let client = simulated.connect();
    let mut answered = Vec::new();
    for entry in read(&recording) {
        match entry.unwrap().happened {
            Happened::Sent(Side::Client, bytes) => simulated.send(client, &bytes),
            Happened::Sent(Side::Server, bytes) => answered.extend(bytes),
            _ => {}
        }
    }
    assert_eq!(answered, answer);
    let body = |answer: &[u8]| {
        String::from_utf8_lossy(answer)
            .rsplit("\r\n\r\n")
            .next()
            .map(str::to_owned)
    };
    assert_eq!(body(&simulated.take(client)), body(&answer));
}

#[test]
fn a_server_takes_a_request_that_comes_through_faults() {
    let mut server = server();
    let address = server.local_addr().unwrap();
    let stopper = server.stopper();
    let runs = thread::spawn(move || server.run().unwrap());
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mishaps = Mishaps {
        reads: vec![Mishap::Short(1), Mishap::Interrupted],
        writes: vec![Mishap::Short(3), Mishap::Interrupted],
        cut_reads: Some((15, Break::End)),
        ..Mishaps::default()
    };
    let mut faulty = Faulty::new(stream, mishaps);
    faulty
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    faulty.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK");
    stopper.stop();
    runs.join().unwrap();
}
