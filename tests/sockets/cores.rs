//! Several loops in threads of their own over the same channels.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::{Cores, Limits, Publisher, Server, Stopper};

use crate::support::{
    PATIENCE, Random, await_end, connect, field, get, json_field, open_events, open_websocket,
    post, read_answer, read_chunk, read_head, read_to_end, usual, websocket,
};

/// Loops that run until the test ends.
struct Running {
    /// The address of all of them, if they have one.
    shared: Option<SocketAddr>,
    /// The address of each.
    own: Vec<SocketAddr>,
    publisher: Publisher,
    stopper: Stopper,
    thread: Option<JoinHandle<barewire::Result<()>>>,
}

impl Running {
    fn start(mut cores: Cores) -> Running {
        let own = cores.servers().iter().map(Server::local_addr);
        Running {
            own: own.collect::<Result<_, _>>().unwrap(),
            shared: cores.local_addr().ok(),
            publisher: cores.publisher(),
            stopper: cores.stopper(),
            thread: Some(std::thread::spawn(move || cores.run())),
        }
    }

    /// Loops that each listen on an address of their own, so that a test can choose one.
    fn apart(loops: usize, mut set_up: impl FnMut(&mut Server)) -> Running {
        let cores = Cores::unbound(loops, |server| {
            server.listen("127.0.0.1:0")?;
            set_up(server);
            Ok(())
        });
        Running::start(cores.unwrap())
    }

    fn join(mut self) -> barewire::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop();
            self.stopper.stop();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

// Connections

#[test]
fn connections_to_one_address_are_spread_over_all_loops() {
    let next = AtomicUsize::new(0);
    let cores = Cores::bind("127.0.0.1:0", 3, |server| {
        let name = next.fetch_add(1, Ordering::Relaxed).to_string();
        server.get("/", move |_, reply| reply.text(name.clone()));
        Ok(())
    });
    let running = Running::start(cores.unwrap());
    let address = running.shared.unwrap();
    assert!(running.own.iter().all(|own| *own == address));
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(address)).collect();
    let mut counts = [0; 3];
    for stream in &mut streams {
        let place: usize = get(stream, "/", "").unwrap().body.parse().unwrap();
        counts[place] += 1;
    }
    eprintln!("{counts:?}");
    // Without listeners of their own it is chance who accepts, and one may be quick enough to take them all.
    if cfg!(all(feature = "reuseport", target_os = "linux")) {
        assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
    }
    assert_eq!(counts.iter().sum::<usize>(), 200);
}

#[test]
fn an_address_that_is_taken_is_an_error_though_it_could_be_shared() {
    let set_up = |_: &mut Server| Ok(());
    let first = Cores::bind("127.0.0.1:0", 2, set_up).unwrap();
    let address = first.local_addr().unwrap();
    assert!(matches!(
        Cores::bind(address, 2, set_up),
        Err(barewire::Error::Listen(_, _))
    ));
    drop(first);
    Cores::bind(address, 2, set_up).unwrap();
}

#[cfg(all(feature = "reuseport", target_os = "linux"))]
#[test]
fn listeners_of_ones_own_take_a_backlog() {
    let first = barewire::net::reuseport("127.0.0.1:0".parse().unwrap(), 7).unwrap();
    let address = first.local_addr().unwrap();
    let second = barewire::net::reuseport(address, 4096).unwrap();
    let mut listeners = [Some(first), Some(second)].into_iter();
    let cores = Cores::unbound(2, |server| {
        let listener = listeners.next().flatten().unwrap();
        usual(server);
        server.listen_on(listener)?;
        Ok(())
    });
    let running = Running::start(cores.unwrap());
    let posted = post(&mut connect(address), "/channels/a", "x").unwrap();
    assert_eq!(posted.status, 201);
    drop(running);
}

// Channels

/// A reader of `/channels/a` that comes to another loop every few messages, until it has had `count`.
fn hop(
    addresses: Vec<SocketAddr>,
    way: &'static str,
    count: usize,
    mut random: Random,
) -> Vec<(String, String)> {
    let (mut got, mut cursor) = (Vec::new(), String::new());
    while got.len() < count {
        let mut stream = connect(addresses[random.below(addresses.len() as u64) as usize]);
        let after = match cursor.is_empty() {
            true => String::new(),
            false => format!("Last-Event-ID: {cursor}\r\n"),
        };
        let most = 1 + random.below(9) as usize;
        let mut new = Vec::new();
        match way {
            "short poll" => new = batch(&mut stream, "", &after),
            "long poll" => new = batch(&mut stream, "Prefer: wait=1\r\n", &after),
            "event stream" => {
                open_events(&mut stream, "/channels/a", &after);
                while new.len() < most && got.len() + new.len() < count {
                    let chunk = read_chunk(&mut stream).unwrap().unwrap();
                    let chunk = String::from_utf8(chunk).unwrap();
                    let rest = chunk.strip_prefix("id: ").unwrap();
                    let (id, data) = rest.split_once("\ndata: ").unwrap();
                    new.push((id.to_owned(), data.trim_end().to_owned()));
                }
            }
            _ => {
                open_websocket(&mut stream, "/channels/a", &after);
                let role = tungstenite::protocol::Role::Client;
                let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);
                while new.len() < most && got.len() + new.len() < count {
                    let message = socket.read().unwrap().into_text().unwrap();
                    let member = |name| json_field(&message, name).unwrap().to_owned();
                    assert_eq!(member("event"), "message");
                    new.push((member("id"), member("data")));
                }
            }
        }
        if let Some((id, _)) = new.last() {
            cursor = id.clone();
        }
        got.extend(new);
    }
    got
}

fn batch(stream: &mut TcpStream, wait: &str, after: &str) -> Vec<(String, String)> {
    let answer = get(stream, "/channels/a", &format!("{wait}{after}")).unwrap();
    assert!(!answer.body.contains("\"gap\""), "{}", answer.body);
    let objects = answer.body.split("{\"id\":").skip(1);
    objects
        .map(|object| {
            let object = format!("\"id\":{object}");
            let member = |name| json_field(&object, name).unwrap().to_owned();
            (member("id"), member("data"))
        })
        .collect()
}

#[test]
fn readers_that_hop_between_loops_get_every_message_once_and_in_one_order() {
    const MESSAGES: usize = 200;
    let mut random = Random::seeded();
    let running = Running::apart(4, |server| {
        usual(server);
    });
    let readers: Vec<_> = ["short poll", "long poll", "event stream", "WebSocket"]
        .into_iter()
        .flat_map(|way| [way, way])
        .map(|way| {
            let (addresses, random) = (running.own.clone(), random.fork());
            std::thread::spawn(move || hop(addresses, way, MESSAGES, random))
        })
        .collect();
    // Four writers at once: two by POST, each on a loop of its choice, one on a WebSocket, one by the handle.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (addresses, mut random) = (running.own.clone(), random.fork());
            let publisher = running.publisher.clone();
            std::thread::spawn(move || {
                let mut socket = websocket(addresses[3], "/channels/elsewhere");
                socket.close(None).unwrap();
                let mut socket = None;
                for n in 0..MESSAGES / 4 {
                    let data = format!("{writer}.{n}");
                    match writer {
                        0 | 1 => {
                            let address = addresses[random.below(4) as usize];
                            let posted = post(&mut connect(address), "/channels/a", &data);
                            assert_eq!(posted.unwrap().status, 201);
                        }
                        2 => socket
                            .get_or_insert_with(|| websocket(addresses[1], "/channels/a"))
                            .send(tungstenite::Message::text(data))
                            .unwrap(),
                        _ => publisher.publish("a", data).unwrap(),
                    }
                }
                // Until what was sent has been taken, the socket has to stay.
                if let Some(mut socket) = socket {
                    let last = format!("2.{}", MESSAGES / 4 - 1);
                    while !socket.read().unwrap().into_text().unwrap().contains(&last) {}
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let got: Vec<_> = readers
        .into_iter()
        .map(|reader| reader.join().unwrap())
        .collect();
    let ids: BTreeSet<&String> = got[0].iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), MESSAGES);
    for reader in &got[1..] {
        assert_eq!(reader, &got[0]);
    }
    for writer in 0..4 {
        let mine = got[0].iter().filter_map(|(_, data)| {
            let (from, n) = data.split_once('.').unwrap();
            (from == writer.to_string()).then(|| n.parse::<usize>().unwrap())
        });
        assert!(mine.eq(0..MESSAGES / 4), "of writer {writer}");
    }
}

#[test]
fn who_was_told_of_its_publish_finds_it_on_any_loop_at_once() {
    let running = Running::apart(2, |server| {
        usual(server);
    });
    let mut streams: Vec<TcpStream> = running.own.iter().map(|own| connect(*own)).collect();
    let mut cursor = String::new();
    for n in 0..500 {
        let posted = post(&mut streams[n % 2], "/channels/a", "x").unwrap();
        let id = json_field(&posted.body, "id").unwrap().to_owned();
        let after = match n {
            0 => String::new(),
            _ => format!("Last-Event-ID: {cursor}\r\n"),
        };
        let other = get(&mut streams[(n + 1) % 2], "/channels/a", &after).unwrap();
        assert_eq!(json_field(&other.body, "id"), Some(&*id), "{}", other.body);
        assert_eq!(other.body.matches("\"data\"").count(), 1);
        cursor = id;
    }
}

#[test]
fn a_loop_that_is_busy_in_a_handler_does_not_hold_up_the_others() {
    let (begun, begins) = mpsc::channel();
    let release = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&release);
    let running = Running::apart(2, move |server| {
        let (begun, gate) = (begun.clone(), Arc::clone(&gate));
        usual(server);
        server.get("/stuck", move |_, reply| {
            begun.send(()).unwrap();
            while !gate.load(Ordering::Acquire) {
                std::thread::yield_now();
                std::thread::sleep(Duration::from_millis(1));
            }
            reply.text("free");
        });
    });
    let mut reader = connect(running.own[0]);
    open_events(&mut reader, "/channels/a", "");
    let mut stuck = connect(running.own[0]);
    stuck
        .write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    let mut free = connect(running.own[1]);
    let mut ids = Vec::new();
    for _ in 0..100 {
        let posted = post(&mut free, "/channels/a", "x").unwrap();
        ids.push(json_field(&posted.body, "id").unwrap().to_owned());
    }
    running.publisher.publish("a", "thread").unwrap();
    assert_eq!(get(&mut free, "/channels/a", "").unwrap().status, 200);
    release.store(true, Ordering::Release);
    assert_eq!(read_answer(&mut stuck).unwrap().body, "free");
    for id in ids {
        let chunk = String::from_utf8(read_chunk(&mut reader).unwrap().unwrap()).unwrap();
        assert_eq!(chunk, format!("id: {id}\ndata: x\n\n"));
    }
}

// The end

#[test]
fn a_stop_drains_all_loops_and_what_was_published_before_it_is_delivered() {
    let running = Running::apart(3, |server| {
        usual(server);
    });
    let mut readers: Vec<_> = running
        .own
        .iter()
        .map(|own| {
            let (mut events, mut poll) = (connect(*own), connect(*own));
            open_events(&mut events, "/channels/a", "");
            poll.write_all(b"GET /channels/quiet?wait=60 HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            (events, poll, websocket(*own, "/channels/a"))
        })
        .collect();
    let (publisher, stopper) = (running.publisher.clone(), running.stopper.clone());
    publisher.publish("a", "last words").unwrap();
    let mut stream = connect(running.own[0]);
    let posted = post(&mut stream, "/channels/a", "the very last").unwrap();
    assert_eq!(posted.status, 201);
    stopper.stop();
    for (events, poll, socket) in &mut readers {
        let chunk = String::from_utf8(read_chunk(events).unwrap().unwrap()).unwrap();
        assert!(chunk.ends_with("data: last words\n\n"), "{chunk}");
        let chunk = String::from_utf8(read_chunk(events).unwrap().unwrap()).unwrap();
        assert!(chunk.ends_with("data: the very last\n\n"), "{chunk}");
        assert_eq!(read_chunk(events).unwrap(), None);
        read_to_end(events).unwrap();
        let head = read_head(poll).unwrap();
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
        assert_eq!(field(&head, "Connection"), Some("close"));
        assert!(socket.read().unwrap().is_text());
        assert!(socket.read().unwrap().is_text());
        match socket.read().unwrap() {
            tungstenite::Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 1001),
            other => panic!("{other:?}"),
        }
        // The answer to the close.
        while socket.read().is_ok() {}
    }
    running.join().unwrap();
    assert!(publisher.publish("a", "x").is_err());
}

#[test]
fn a_second_stop_ends_all_loops_at_once() {
    let hour = Duration::from_secs(3_600);
    let running = Running::apart(2, |server| {
        usual(server);
        server.limits(Limits {
            drain_timeout: hour,
            close_timeout: hour,
            ..Limits::default()
        });
    });
    let open = |own: &SocketAddr| {
        let mut stream = connect(*own);
        open_websocket(&mut stream, "/echo", "");
        stream
    };
    let mut streams: Vec<TcpStream> = running.own.iter().map(open).collect();
    running.stopper.stop();
    for stream in &mut streams {
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xe9][..]));
    }
    running.stopper.stop();
    for stream in &mut streams {
        await_end(stream);
    }
    running.join().unwrap();
}

#[test]
fn a_loop_that_fails_stops_the_others_and_says_why() {
    // The second has a route that makes no sense, which is told when it is to run.
    let loops = AtomicUsize::new(0);
    let running = Running::apart(3, |server| {
        usual(server);
        if loops.fetch_add(1, Ordering::Relaxed) == 1 {
            server.get("no slash", |_, _| {});
        }
    });
    let ended = running.join();
    assert!(matches!(ended, Err(barewire::Error::Route(_))), "{ended:?}");
}

#[test]
fn a_stop_that_one_loop_hears_of_is_a_stop_of_all() {
    let mut stoppers = Vec::new();
    let running = Running::apart(2, |server| stoppers.push(server.stopper()));
    stoppers[1].stop();
    running.join().unwrap();
}
