//! The loop with another protocol than the server's: it knows none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use barewire::net::Limits;

use crate::laboratory::{Append, Letter, Note, Opening, RECORD, Running, Setup, event_loop};
use crate::support::{await_end, connect, is_patience, read_line, read_to_end};

fn tell(stream: &mut TcpStream, line: &str) {
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn ask(stream: &mut TcpStream, line: &str) -> String {
    tell(stream, line);
    read_line(stream).unwrap()
}

fn limits() -> Limits {
    Setup::default().limits
}

#[test]
fn lines_are_echoed() {
    let running = Running::start(Setup::default());
    let mut one = connect(running.address);
    let mut two = connect(running.address);
    assert_eq!(ask(&mut one, "echo 1"), "1");
    assert_eq!(ask(&mut two, "echo 2"), "2");
    assert_eq!(ask(&mut one, "bye"), "bye");
    assert_eq!(read_to_end(&mut one).unwrap(), b"");
    assert_eq!(ask(&mut two, "echo 3"), "3");
}

#[test]
fn deadlines_fire_once_and_can_be_moved_and_cleared() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    tell(&mut client, "in 20");
    assert_eq!(read_line(&mut client).unwrap(), "expired");
    // Moved to later, cleared, and set again: one only.
    let began = Instant::now();
    tell(&mut client, "in 10\nin 5000\nnever\nin 200");
    assert_eq!(read_line(&mut client).unwrap(), "expired");
    assert!(began.elapsed() >= Duration::from_millis(200));
    // Moved to sooner.
    let began = Instant::now();
    tell(&mut client, "in 25000\nin 50");
    assert_eq!(read_line(&mut client).unwrap(), "expired");
    assert!(began.elapsed() < Duration::from_secs(20));
    // Nothing else has fired meanwhile.
    assert_eq!(ask(&mut client, "in 18446744073709551615\necho end"), "end");
}

#[test]
fn deadlines_of_many_connections_each_fire() {
    let running = Running::start(Setup::default());
    let mut clients: Vec<_> = (0..200).map(|_| connect(running.address)).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        tell(client, &format!("in {}", (index * 37) % 300));
    }
    for client in &mut clients {
        assert_eq!(read_line(client).unwrap(), "expired");
    }
}

#[test]
fn who_is_read_in_pieces_loses_nothing() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    assert_eq!(ask(&mut client, "pieces\necho 1"), "1");
    let long = "x".repeat(1 << 19);
    assert_eq!(ask(&mut client, &format!("echo {long}")), long);
    let most: usize = ask(&mut client, "most").parse().unwrap();
    assert!((2..=64 * 1024).contains(&most), "{most}");
}

#[test]
fn a_deadline_that_is_set_at_the_opening_fires() {
    let running = Running::start(Setup {
        opening: Opening::Deadline(Duration::from_millis(30)),
        ..Setup::default()
    });
    assert_eq!(read_line(&mut connect(running.address)).unwrap(), "expired");
}

#[test]
fn what_is_said_at_the_opening_arrives_before_the_end() {
    let running = Running::start(Setup {
        opening: Opening::Farewell("the time is now\n"),
        ..Setup::default()
    });
    for _ in 0..20 {
        let mut client = connect(running.address);
        client.write_all(b"this is not read\n").unwrap();
        assert_eq!(read_to_end(&mut client).unwrap(), b"the time is now\n");
    }
    let received = running
        .notes
        .try_iter()
        .any(|note| matches!(note, Note::Received(_)));
    assert!(!received, "nothing is received behind a close");
}

#[test]
fn a_connection_that_is_aborted_at_the_opening_ends() {
    let running = Running::start(Setup {
        opening: Opening::Abort,
        ..Setup::default()
    });
    await_end(&mut connect(running.address));
    let id = running.opened();
    assert_eq!(running.note(), Note::Closed(id));
}

#[test]
fn commands_arrive_at_their_connection_in_order_or_nowhere() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    for number in 0..100 {
        let letter = Letter::Say(number.to_string());
        running.mailbox.send(id, letter).unwrap();
    }
    for number in 0..100 {
        assert_eq!(read_line(&mut client).unwrap(), number.to_string());
    }
    drop(client);
    running.await_note(Note::Closed(id));
    // Its place is taken by another one, for which nothing is meant.
    let mut next = connect(running.address);
    assert_ne!(running.opened(), id);
    let letter = Letter::Say("for the old one".into());
    running.mailbox.send(id, letter).unwrap();
    running.mailbox.order(Append(0)).unwrap();
    running.await_note(Note::Ordered);
    assert_eq!(ask(&mut next, "echo mine"), "mine");
}

#[test]
fn who_is_paused_is_not_read_from_until_it_is_resumed() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    tell(&mut client, "pause");
    running.await_note(Note::Paused(id));
    let lines = 20_000;
    for number in 0..lines {
        tell(&mut client, &format!("echo {number}"));
    }
    // Another one is served meanwhile; the paused one is not.
    let mut other = connect(running.address);
    let its = running.opened();
    assert_eq!(ask(&mut other, "echo other"), "other");
    assert_eq!(running.note(), Note::Received(its));
    running.mailbox.send(id, Letter::Resume).unwrap();
    assert_eq!(read_line(&mut client).unwrap(), "resumed");
    let mut answers = std::io::BufReader::new(client);
    for number in 0..lines {
        assert_eq!(read_line(&mut answers).unwrap(), number.to_string());
    }
}

#[test]
fn an_end_that_comes_during_a_pause_is_noticed_after_it() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    tell(&mut client, "pause");
    running.await_note(Note::Paused(id));
    tell(&mut client, "echo last");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    running.mailbox.send(id, Letter::Resume).unwrap();
    assert_eq!(read_to_end(&mut client).unwrap(), b"resumed\nlast\n");
    assert_eq!(running.note(), Note::Received(id));
    assert_eq!(running.note(), Note::Ended(id));
    assert_eq!(running.note(), Note::Closed(id));
}

#[test]
fn a_reset_that_comes_during_a_pause_ends_it() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    tell(&mut client, "echo unread\npause");
    running.await_note(Note::Paused(id));
    // A socket that is closed with unread bytes on it resets its connection.
    assert!(client.peek(&mut [0]).unwrap() > 0);
    drop(client);
    running.await_note(Note::Broke(std::io::ErrorKind::ConnectionReset));
    assert_eq!(running.note(), Note::Closed(id));
}

#[test]
fn an_abort_ends_the_connection_without_a_word() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    tell(&mut client, "echo lost\nabort");
    let mut byte = [0];
    assert!(!matches!(client.read(&mut byte), Ok(1)));
    running.await_note(Note::Closed(id));
}

#[test]
fn everything_written_before_a_close_arrives_at_a_slow_reader() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let len = 10 * 1024 * 1024;
    tell(&mut client, &format!("big {len}"));
    // What is sent behind the order is not read, and must not turn the end into a reset.
    tell(&mut client, "echo too late");
    let (mut got, mut buffer) = (0, [0; 1_000]);
    loop {
        let count = client.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        assert!(buffer[..count].iter().all(|&byte| byte == b'x'));
        got += count;
    }
    assert_eq!(got, len);
}

#[test]
fn a_peer_that_does_not_end_its_half_is_waited_for_only_a_moment() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    assert_eq!(ask(&mut client, "bye"), "bye");
    assert_eq!(read_to_end(&mut client).unwrap(), b"");
    let began = Instant::now();
    running.await_note(Note::Closed(id));
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn who_takes_nothing_of_what_is_shared_is_dropped() {
    let running = Running::start(Setup {
        lend: RECORD,
        limits: Limits {
            stall_timeout: Duration::from_millis(300),
            ..limits()
        },
        ..Setup::default()
    });
    let mut client = connect(running.address);
    let id = running.opened();
    assert_eq!(ask(&mut client, "subscribe\necho ready"), "ready");
    running.mailbox.order(Append(20_000)).unwrap();
    running.await_note(Note::Closed(id));
}

/// Reads records up to `end` and counts the lines between them.
fn read_records(stream: &mut impl Read, end: usize) -> usize {
    let (mut next, mut marks) = (0, 0);
    while next < end {
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        match first[0] {
            b'#' => {
                let mut record = [0; RECORD - 1];
                stream.read_exact(&mut record).unwrap();
                let record = std::str::from_utf8(&record).unwrap();
                assert_eq!(record.trim_end(), next.to_string());
                next += 1;
            }
            b'm' => {
                assert_eq!(read_line(stream).unwrap(), "ark");
                marks += 1;
            }
            other => panic!("{:?} in front of record {next}", other as char),
        }
    }
    marks
}

#[test]
fn what_is_shared_is_written_in_parts_and_mixed_with_nothing() {
    // All of it, and pieces that end inside a record.
    for lend in [usize::MAX, RECORD + RECORD / 2] {
        let running = Running::start(Setup {
            lend,
            ..Setup::default()
        });
        let records = 20_000;
        let mut clients = [connect(running.address), connect(running.address)];
        for client in &mut clients {
            assert_eq!(ask(client, "subscribe\necho ready"), "ready");
        }
        // Nobody reads while twenty batches of records are appended and marks are asked for.
        for _ in 0..20 {
            let append = Append(records / 20);
            running.mailbox.order(append).unwrap();
            running.await_note(Note::Ordered);
            for client in &mut clients {
                tell(client, "echo mark");
            }
        }
        for mut client in clients {
            assert_eq!(ask_behind(&mut client, records), 20);
        }
    }
}

/// Reads all records and then what was asked for behind them; counts the marks.
fn ask_behind(client: &mut TcpStream, records: usize) -> usize {
    let mut reader = std::io::BufReader::new(client.try_clone().unwrap());
    let mut marks = read_records(&mut reader, records);
    tell(client, "echo end");
    loop {
        match read_line(&mut reader).unwrap().as_str() {
            "mark" => marks += 1,
            end => {
                assert_eq!(end, "end");
                return marks;
            }
        }
    }
}

/// In a chain each connection wakes the next. If the loop lost sight of one it would come to it only at its next look
/// at the time, a second later.
#[test]
fn a_long_chain_of_connections_that_wake_each_other_does_not_stall() {
    let running = Running::start(Setup::default());
    let mut links: Vec<_> = (0..60).map(|_| connect(running.address)).collect();
    for link in &mut links {
        assert_eq!(ask(link, "link\necho joined"), "joined");
    }
    let began = Instant::now();
    tell(&mut connect(running.address), "go");
    for link in &mut links {
        assert_eq!(read_line(link).unwrap(), "woken");
    }
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn beyond_the_limit_connections_wait_for_one_to_leave() {
    let running = Running::start(Setup {
        limits: Limits {
            connections: 2,
            ..limits()
        },
        ..Setup::default()
    });
    let mut one = connect(running.address);
    let mut two = connect(running.address);
    let mut three = connect(running.address);
    tell(&mut three, "echo three");
    for _ in 0..100 {
        assert_eq!(ask(&mut one, "echo one"), "one");
        assert_eq!(ask(&mut two, "echo two"), "two");
    }
    let opened = |note: &Note| matches!(note, Note::Opened(_));
    assert_eq!(running.notes.try_iter().filter(opened).count(), 2);
    drop(two);
    assert_eq!(read_line(&mut three).unwrap(), "three");
    // And again, for as long as somebody leaves.
    let mut last = three;
    for number in 0..20 {
        let mut next = connect(running.address);
        tell(&mut next, &format!("echo {number}"));
        drop(last);
        assert_eq!(read_line(&mut next).unwrap(), number.to_string());
        last = next;
    }
}

#[test]
fn who_sends_without_reading_is_not_read_from() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    let id = running.opened();
    client
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    // More than the buffers of the system take, so that much of it waits in the loop.
    tell(&mut client, "large 50000000");
    running.await_note(Note::Received(id));
    let line = format!("echo {}\n", "y".repeat(60_000));
    let mut sent = 0;
    let blocked = loop {
        match client.write(line.as_bytes()) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
        assert!(
            sent < 100_000_000,
            "it is read from although it does not read"
        );
    };
    assert!(is_patience(&blocked), "{blocked}");
    let received = Note::Received(id);
    assert!(!running.notes.try_iter().any(|note| note == received));
    // It reads what it was owed, and then it is read from again.
    let mut buffer = vec![0; 1_000_000];
    for _ in 0..50 {
        client.read_exact(&mut buffer).unwrap();
        assert!(buffer.iter().all(|&byte| byte == b'x'));
    }
    running.await_note(received);
}

#[test]
fn many_who_are_sent_much_keep_nobody_waiting() {
    // Less than the buffers of the system take at once, and much more than one turn's share.
    const LARGE: usize = 1_000_000;
    const MANY: usize = 40;
    let (mut event_loop, notes) = event_loop(Setup::default());
    let address = event_loop.local_addrs().unwrap()[0];
    let mut modest = connect(address);
    tell(&mut modest, "echo 1");
    let mut greedy: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
    for client in &mut greedy {
        tell(client, &format!("large {LARGE}"));
    }
    let mut received = 0;
    while received <= MANY {
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        let orders = notes.try_iter();
        received += orders
            .filter(|note| matches!(note, Note::Received(_)))
            .count();
    }
    assert_eq!(read_line(&mut modest).unwrap(), "1");
    tell(&mut modest, "echo 2");
    modest.set_nonblocking(true).unwrap();
    let mut answer = [0; 2];
    while modest.peek(&mut answer).is_err() {
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
    let left = event_loop.backlog();
    assert!(left > MANY * LARGE / 2, "only {left} bytes are left");
    // All of it arrives in the end.
    let running = Running::go_on(event_loop, notes);
    for client in &mut greedy {
        tell(client, "bye");
        assert_eq!(read_to_end(client).unwrap().len(), LARGE + "bye\n".len());
    }
    running.mailbox.stop();
    running.join();
}

#[test]
fn a_stop_drains_and_ends() {
    let running = Running::start(Setup::default());
    let mut client = connect(running.address);
    assert_eq!(ask(&mut client, "subscribe\necho here"), "here");
    running.mailbox.order(Append(3)).unwrap();
    running.mailbox.stop();
    assert_eq!(read_records(&mut client, 3), 0);
    assert_eq!(read_to_end(&mut client).unwrap(), b"drained\n");
    assert!(TcpStream::connect(running.address).is_err());
    drop(client);
    let mailbox = running.mailbox.clone();
    running.join();
    let told = mailbox.order(Append(1));
    assert_eq!(told, Err(barewire::net::SendError::Ended));
}

#[test]
fn who_reads_slowly_is_not_taken_for_one_who_does_not_read() {
    let running = Running::start(Setup {
        limits: Limits {
            stall_timeout: Duration::from_millis(1_500),
            ..limits()
        },
        ..Setup::default()
    });
    let mut client = connect(running.address);
    let len = 20_000_000;
    tell(&mut client, &format!("big {len}"));
    let (mut got, mut buffer) = (0, vec![0; 80_000]);
    for _ in 0..30 {
        client.read_exact(&mut buffer).unwrap();
        got += buffer.len();
        // The pace of the reader: it takes some all the time, and in no stall timeout so much that the system tells
        // of room.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(got + read_to_end(&mut client).unwrap().len(), len);
}

/// A listener that the test accepts from itself, and its port.
fn listener() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn a_connection_that_is_dialed_is_one_like_those_that_are_accepted() {
    // No deadline of those who only wait for an answer counts while connecting.
    let running = Running::start(Setup {
        limits: Limits {
            stall_timeout: Duration::ZERO,
            ..limits()
        },
        ..Setup::default()
    });
    let (listener, port) = listener();
    let mut client = connect(running.address);
    tell(&mut client, &format!("dial {port}"));
    let (mut dialed, _) = listener.accept().unwrap();
    assert_eq!(read_line(&mut dialed).unwrap(), "echo dialed");
    running.await_note(Note::Dialed);
    assert_eq!(ask(&mut dialed, "echo both ways"), "both ways");
    assert_eq!(ask(&mut client, "echo here too"), "here too");
}

#[test]
fn a_dial_that_is_refused_breaks() {
    let running = Running::start(Setup::default());
    let (listener, port) = listener();
    drop(listener);
    let mut client = connect(running.address);
    tell(&mut client, &format!("dial {port}"));
    let refused = std::io::ErrorKind::ConnectionRefused;
    running.await_note(Note::Broke(refused));
    assert!(matches!(running.note(), Note::Closed(_)));
    assert_eq!(ask(&mut client, "echo still here"), "still here");
}

#[test]
fn a_peer_that_stalls_is_said_to_have_broken_off() {
    let running = Running::start(Setup {
        limits: Limits {
            stall_timeout: Duration::from_millis(300),
            ..limits()
        },
        ..Setup::default()
    });
    let mut client = connect(running.address);
    tell(&mut client, "large 50000000");
    running.await_note(Note::Broke(std::io::ErrorKind::TimedOut));
}
