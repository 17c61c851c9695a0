//! Servers in processes of their own, where a test looks at what the process uses or takes away what it may use.
//!
//! The process is this test binary once more, running the one test of this module that is a server.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use barewire::{Error, Limits, Server};

use crate::support::{connect, get, read_answer, usual};

const VARIABLE: &str = "BAREWIRE_TEST_SERVER";
/// How many connections the server takes, if it is not as many as usual.
const CONNECTIONS: &str = "BAREWIRE_TEST_CONNECTIONS";
/// The file of its store, if it has one.
#[cfg(feature = "durable")]
const STORE: &str = "BAREWIRE_TEST_STORE";

#[test]
#[ignore = "a server for other tests"]
fn serve() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    usual(&mut server);
    if let Ok(connections) = std::env::var(CONNECTIONS) {
        server.limits(Limits {
            connections: connections.parse().unwrap(),
            ..Limits::default()
        });
    }
    #[cfg(feature = "durable")]
    if let Some(path) = std::env::var_os(STORE) {
        server.store(path).unwrap().health("/health");
    }
    server.get("/", |_, reply| reply.text("here"));
    // The program itself takes all descriptors that are left, and gives them back.
    let hoard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&hoard);
    server.get("/hoard", move |_, reply| {
        let mut kept = kept.lock().unwrap();
        while let Ok(file) = File::open("/dev/null") {
            kept.push(file);
        }
        reply.text(kept.len().to_string());
    });
    server.get("/release", move |_, reply| {
        hoard.lock().unwrap().clear();
        reply.text("released");
    });
    server.on_error(|error| match error {
        Error::Io(error) => println!("failed: {error}"),
        #[cfg(feature = "backend")]
        Error::Backend(why) => println!("failed: {why}"),
        error => panic!("{error}"),
    });
    // Behind what the test harness has written to this line.
    println!("\nlistening on {}", server.local_addr().unwrap());
    server.run().unwrap();
}

struct Serving {
    address: SocketAddr,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Serving {
    /// Starts a server under the limits that `shell` sets.
    fn start(shell: &str) -> Serving {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child::serve", "--nocapture"])
            .env(VARIABLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server starts").unwrap();
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.parse().unwrap();
            }
        };
        Serving {
            address,
            child,
            lines,
        }
    }

    /// Waits until the server has told of something that failed.
    fn await_failure(&mut self) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        let failure = lines.find_map(|line| Some(line.strip_prefix("failed: ")?.to_owned()));
        failure.expect("the server lives")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used, in clock ticks (usually of 10 ms).
#[cfg(target_os = "linux")]
fn processor_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // utime and stime are the fields 14 and 15; the second, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The server can do nothing for now, and takes no time for that.
#[cfg(target_os = "linux")]
fn assert_rests(server: &Serving) {
    let id = server.child.id();
    let before = processor_ticks(id);
    // The time is the point here: how much of it does a server use that can do nothing?
    std::thread::sleep(std::time::Duration::from_secs(1));
    let used = processor_ticks(id) - before;
    eprintln!("{used} ticks of processor time in a second with nothing to do");
    assert!(used < 30, "{used} ticks");
}

/// The resident memory of a process in MiB, for pages of 4 KiB.
#[cfg(target_os = "linux")]
fn resident_mib(id: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{id}/statm")).unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4 / 1024
}

#[test]
fn out_of_descriptors_accepting_pauses_and_recovers() {
    let mut server = Serving::start("ulimit -n 64;");
    // The system takes connections into the listener's queue whether or not the server can accept them.
    let mut clients: Vec<TcpStream> = (0..120).map(|_| connect(server.address)).collect();
    let failure = server.await_failure();
    assert!(failure.contains("open files"), "{failure}");

    #[cfg(target_os = "linux")]
    assert_rests(&server);

    // Those that it has are served meanwhile.
    assert_eq!(get(&mut clients[0], "/", "").unwrap().body, "here");
    // The first ones go; the last, which it has never seen, are served.
    clients.drain(..90);
    for client in &mut clients {
        assert_eq!(get(client, "/", "").unwrap().body, "here");
    }
    assert_eq!(
        get(&mut connect(server.address), "/", "").unwrap().body,
        "here"
    );
}

#[test]
fn at_the_limit_of_connections_accepting_pauses_and_goes_on() {
    let server = Serving::start(&format!("export {CONNECTIONS}=8;"));
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(server.address)).collect();
    for client in &mut clients[..8] {
        assert_eq!(get(client, "/", "").unwrap().body, "here");
    }
    #[cfg(target_os = "linux")]
    assert_rests(&server);
    clients.drain(..12);
    for client in &mut clients {
        assert_eq!(get(client, "/", "").unwrap().body, "here");
    }
}

/// Nobody leaves, so nothing tells the server that there are descriptors again: it looks by itself.
#[test]
fn descriptors_that_others_give_back_are_found() {
    let mut server = Serving::start("ulimit -n 64;");
    let mut here = connect(server.address);
    let hoarded = get(&mut here, "/hoard", "").unwrap().body;
    assert!(hoarded.parse::<usize>().unwrap() > 10, "{hoarded}");
    let mut waiting = connect(server.address);
    waiting
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let failure = server.await_failure();
    assert!(failure.contains("open files"), "{failure}");
    assert_eq!(get(&mut here, "/release", "").unwrap().body, "released");
    assert_eq!(read_answer(&mut waiting).unwrap().body, "here");
}

#[cfg(feature = "durable")]
mod store {
    use tungstenite::Message;

    use super::{STORE, Serving};
    use crate::store::Path;
    use crate::support::{connect, field, get, json_field, post, read_head, websocket};

    /// The bodies of all messages of a channel.
    fn all(server: &Serving) -> Vec<String> {
        let mut stream = connect(server.address);
        let (mut found, mut target) = (Vec::new(), "/channels/a".to_owned());
        loop {
            let answer = get(&mut stream, &target, "").unwrap();
            assert_eq!(answer.status, 200);
            let data = answer.body.split("\"data\":\"").skip(1);
            found.extend(data.filter_map(|data| data.split('"').next().map(str::to_owned)));
            if !answer.body.ends_with("\"more\":true}") {
                return found;
            }
            let last = json_field(&answer.body, "last_id").unwrap();
            target = format!("/channels/a?last_event_id={last}");
        }
    }

    #[test]
    fn a_full_disk_ends_publishing_and_not_reading_and_loses_nothing_that_was_acknowledged() {
        let path = Path::new();
        // A file may not grow beyond 4 MiB: the system says so with an error, as it does when a disk is full.
        let variable = format!("export {STORE}='{}';", path.0.display());
        let mut server = Serving::start(&format!("trap '' XFSZ; ulimit -f 8192; {variable}"));
        let mut socket = websocket(server.address, "/channels/b");
        let mut stream = connect(server.address);
        let mut acknowledged = Vec::new();
        loop {
            let body = format!("{} {}", acknowledged.len(), "x".repeat(100_000));
            match post(&mut stream, "/channels/a", &body) {
                Ok(answer) if answer.status == 201 => acknowledged.push(body),
                Ok(answer) => panic!("{answer:?}: what is in doubt has no answer"),
                Err(_) => break,
            }
            assert!(acknowledged.len() < 100, "the disk is never full");
        }
        assert!(acknowledged.len() > 5, "{}", acknowledged.len());
        let failure = server.await_failure();
        assert!(failure.contains("File too large"), "{failure}");

        // What comes later is certainly not kept.
        let mut stream = connect(server.address);
        let request = "POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(field(&head, "Retry-After").is_some(), "{head}");
        socket.send(Message::text("x")).unwrap();
        match socket.read() {
            Ok(Message::Close(Some(close))) => assert_eq!(u16::from(close.code), 1013),
            other => panic!("{other:?}"),
        }
        let health = get(&mut connect(server.address), "/health", "").unwrap();
        assert_eq!(health.status, 200);
        assert!(health.body.contains("\"degraded\""), "{health:?}");

        // Reading goes on, also of what is not in memory, and so does whoever is there.
        assert_eq!(all(&server), acknowledged);
        drop(server);
        let server = Serving::start(&variable);
        let found = all(&server);
        // The one in doubt may be there.
        assert!(found.starts_with(&acknowledged) && found.len() <= acknowledged.len() + 1);
        let posted = post(&mut connect(server.address), "/channels/a", "again").unwrap();
        assert_eq!(posted.status, 201);
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use tungstenite::Message;

    use super::{Serving, resident_mib};
    use crate::slow::{PAYLOAD, number_of, payload};
    use crate::support::{PATIENCE, connect, is_patience, open_websocket, post, websocket};

    /// Above what the loop, the retained messages in each encoding (16 MiB each) and a debug build need, and far
    /// below what a queue for each slow reader would.
    const ROOM: u64 = 200;

    #[test]
    fn readers_that_do_not_read_cost_no_memory_and_no_time_of_others() {
        const READERS: usize = 20;
        let server = Serving::start("");
        let address = server.address;
        let slow: Vec<_> = (0..READERS)
            .map(|_| websocket(address, "/channels/flood"))
            .collect();
        let messages = 32 * 1024 * 1024 / PAYLOAD;
        let seen = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let mut fast = websocket(address, "/channels/flood");
            let seen = &seen;
            scope.spawn(move || {
                for number in 0..messages {
                    let message = fast.read().unwrap().into_text().unwrap();
                    assert_eq!(number_of(message.as_str()), Some(number));
                    seen.store(number + 1, Ordering::Release);
                }
            });
            let mut publisher = connect(address);
            let began = Instant::now();
            for number in 0..messages {
                // The fast reader stays within what is retained.
                while number > seen.load(Ordering::Acquire) + 500 {
                    assert!(began.elapsed() < 4 * PATIENCE);
                    std::thread::yield_now();
                }
                let posted = post(&mut publisher, "/channels/flood", &payload(number)).unwrap();
                assert_eq!(posted.status, 201);
            }
        });
        let resident = resident_mib(server.child.id());
        eprintln!("{resident} MiB resident with {READERS} readers 32 MiB behind");
        assert!(resident < ROOM, "{resident} MiB");

        // A slow one gets what the system had taken for it, then either the rest or a gap and what is retained.
        for mut slow in slow.into_iter().take(3) {
            let (mut next, mut gaps) = (0, 0);
            while next < messages {
                let message = slow.read().unwrap().into_text().unwrap();
                match number_of(message.as_str()) {
                    None => gaps += 1,
                    Some(number) if gaps > 0 => {
                        assert!(number >= next, "{number} after {next}");
                        next = number + 1;
                        gaps = -1;
                    }
                    Some(number) => {
                        assert_eq!(number, next);
                        next += 1;
                    }
                }
            }
            assert_eq!(gaps, -1, "one gap");
        }
    }

    #[test]
    fn a_peer_that_sends_without_reading_is_not_read_from_without_bound() {
        let server = Serving::start("");
        let mut greedy = connect(server.address);
        open_websocket(&mut greedy, "/echo", "");
        greedy
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        // A binary message of 64 KiB, masked with zeros.
        let mut message = vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.resize(message.len() + 64 * 1024, 7);
        let limit = 256 * 1024 * 1024;
        let mut sent = 0;
        let blocked = loop {
            match greedy.write(&message[sent % message.len()..]) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
            assert!(sent < limit, "it is read from although it does not read");
        };
        assert!(is_patience(&blocked), "{blocked}");
        let resident = resident_mib(server.child.id());
        eprintln!("took {} KiB, {resident} MiB resident", sent / 1024);
        assert!(resident < ROOM, "{resident} MiB");

        let mut other = websocket(server.address, "/echo");
        other.send(Message::text("meanwhile")).unwrap();
        assert_eq!(other.read().unwrap(), Message::text("meanwhile"));

        // It begins to read, and everything comes: a header of 10 bytes instead of 14 before each message.
        let whole = sent / message.len();
        let mut left = whole * (message.len() - 4);
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let end = buffer.len().min(left);
            let count = std::io::Read::read(&mut greedy, &mut buffer[..end]).unwrap();
            assert!(count > 0);
            left -= count;
        }
    }
}
