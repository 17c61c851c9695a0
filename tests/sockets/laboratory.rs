//! A protocol of the tests' own on [`barewire::net`]: a line is an order, and what the loop does is noted.
//!
//! | line | what happens |
//! | --- | --- |
//! | `echo TEXT` | answers `TEXT` |
//! | `in MS`, `never` | sets the deadline, which answers `expired`, or clears it |
//! | `pause` | reads nothing until it is told to [`Letter::Resume`] |
//! | `big BYTES` | sends so many bytes and closes |
//! | `large BYTES` | sends so many bytes |
//! | `bye`, `abort` | closes politely, or not |
//! | `subscribe` | sends the shared log, from its beginning |
//! | `dial PORT` | connects to this port, and says `echo dialed` there |
//! | `link`, `go` | joins a chain in which each wakes the next; wakes the first of it |

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::net::{ConnectionId, Dial, Io, Limits, Loop, Mailbox, Now, Protocol};

use crate::support::PATIENCE;

/// Bytes of a record of the shared log. It begins with `#` and its number and ends with a line end.
pub const RECORD: usize = 1_000;

/// For a connection.
#[derive(Debug)]
pub enum Letter {
    /// It says so.
    Say(String),
    /// It reads again, and says so.
    Resume,
}

/// For the laboratory: this many further records.
#[derive(Debug)]
pub struct Append(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    Opened(ConnectionId),
    Received(ConnectionId),
    Paused(ConnectionId),
    Ended(ConnectionId),
    Expired(ConnectionId),
    Ordered,
    Closed(ConnectionId),
    Dialed,
    Broke(std::io::ErrorKind),
}

/// What is done for every new connection.
#[derive(Clone, Copy, Debug)]
pub enum Opening {
    Nothing,
    Deadline(Duration),
    /// Says this and closes.
    Farewell(&'static str),
    Abort,
}

pub struct Laboratory {
    opening: Opening,
    /// How much of the log is lent at once.
    lend: usize,
    log: Vec<u8>,
    subscribers: Vec<u64>,
    chain: Vec<u64>,
    woken: Vec<u64>,
    dials: Vec<Dial<Subject>>,
    notes: mpsc::Sender<Note>,
}

#[derive(Default)]
pub struct Subject {
    line: Vec<u8>,
    at: Option<usize>,
    /// The most that was read at once.
    most: usize,
}

impl Laboratory {
    fn note(&self, note: Note) {
        // The test may have seen enough.
        let _ = self.notes.send(note);
    }

    fn obey(&mut self, subject: &mut Subject, line: &str, io: &mut Io<'_>) {
        let (order, argument) = line.split_once(' ').unwrap_or((line, ""));
        let number = || argument.parse::<u64>().unwrap();
        match order {
            "echo" => io.out.copy(format!("{argument}\n").as_bytes()),
            "in" => io.set_deadline(Duration::from_millis(number())),
            "never" => io.clear_deadline(),
            "pause" => {
                io.pause_reading(true);
                self.note(Note::Paused(io.id));
            }
            "big" => {
                io.out.send(&vec![b'x'; number() as usize]);
                io.close();
            }
            "pieces" => io.read_in_pieces(true),
            "most" => io.out.copy(format!("{}\n", subject.most).as_bytes()),
            "large" => io.out.send(&vec![b'x'; number() as usize]),
            "bye" => {
                io.out.copy(b"bye\n");
                io.close();
            }
            "abort" => io.abort(),
            "subscribe" => {
                subject.at = Some(0);
                self.subscribers.push(io.id.to_u64());
            }
            "dial" => self.dials.push(Dial::new(
                ([127, 0, 0, 1], number() as u16).into(),
                PATIENCE,
                Subject::default(),
            )),
            "link" => self.chain.push(io.id.to_u64()),
            "go" => self.woken.extend(self.chain.first()),
            other => panic!("{other:?}"),
        }
    }
}

impl Protocol for Laboratory {
    type Connection = Subject;
    type Letter = Letter;
    type Order = Append;

    fn opened(&mut self, _peer: SocketAddr, io: &mut Io<'_>) -> Subject {
        self.note(Note::Opened(io.id));
        match self.opening {
            Opening::Nothing => {}
            Opening::Deadline(delay) => io.set_deadline(delay),
            Opening::Farewell(text) => {
                io.out.copy(text.as_bytes());
                io.close();
            }
            Opening::Abort => io.abort(),
        }
        Subject::default()
    }

    fn received(&mut self, subject: &mut Subject, input: &mut [u8], io: &mut Io<'_>) {
        self.note(Note::Received(io.id));
        subject.most = subject.most.max(input.len());
        subject.line.extend_from_slice(input);
        while !io.is_closing() {
            let Some(end) = subject.line.iter().position(|&byte| byte == b'\n') else {
                break;
            };
            let line: Vec<u8> = subject.line.drain(..=end).collect();
            let line = std::str::from_utf8(&line[..end]).unwrap();
            self.obey(subject, line, io);
        }
    }

    fn ended(&mut self, _subject: &mut Subject, io: &mut Io<'_>) {
        self.note(Note::Ended(io.id));
        io.close();
    }

    fn expired(&mut self, _subject: &mut Subject, io: &mut Io<'_>) {
        self.note(Note::Expired(io.id));
        io.out.copy(b"expired\n");
    }

    fn resumed(&mut self, _subject: &mut Subject, io: &mut Io<'_>) {
        let id = io.id.to_u64();
        if let Some(at) = self.chain.iter().position(|&link| link == id) {
            io.out.copy(b"woken\n");
            self.woken.extend(self.chain.get(at + 1));
        }
    }

    fn drain(&mut self, _subject: &mut Subject, io: &mut Io<'_>) {
        io.out.copy(b"drained\n");
        io.close();
    }

    fn on_letter(&mut self, _subject: &mut Subject, letter: Letter, io: &mut Io<'_>) {
        match letter {
            Letter::Say(text) => io.out.copy(format!("{text}\n").as_bytes()),
            Letter::Resume => {
                io.pause_reading(false);
                io.out.copy(b"resumed\n");
            }
        }
    }

    fn on_order(&mut self, Append(records): Append, _now: Now) {
        for _ in 0..records {
            let number = self.log.len() / RECORD;
            let record = format!("#{number:<width$}\n", width = RECORD - 2);
            self.log.extend_from_slice(record.as_bytes());
        }
        self.woken.extend(&self.subscribers);
        self.note(Note::Ordered);
    }

    fn closed(&mut self, id: ConnectionId, _subject: Subject, _now: Now) {
        self.subscribers
            .retain(|&subscriber| subscriber != id.to_u64());
        self.chain.retain(|&link| link != id.to_u64());
        self.note(Note::Closed(id));
    }

    fn shared(&self, subject: &Subject) -> &[u8] {
        match subject.at {
            Some(at) => &self.log[at..self.log.len().min(at.saturating_add(self.lend))],
            None => &[],
        }
    }

    fn shared_sent(&mut self, subject: &mut Subject, sent: usize) -> Option<bytes::Bytes> {
        let end = subject.at? + sent;
        let next = end.next_multiple_of(RECORD);
        subject.at = Some(next);
        (end < next).then(|| bytes::Bytes::copy_from_slice(&self.log[end..next]))
    }

    fn take_woken(&mut self, _now: Now, woken: &mut Vec<u64>) {
        woken.append(&mut self.woken);
    }

    fn tick(&mut self, _now: Now) {}

    fn failed(&mut self, error: std::io::Error) {
        panic!("{error}");
    }

    fn take_dials(&mut self, dials: &mut Vec<Dial<Subject>>) {
        dials.append(&mut self.dials);
    }

    fn dialed(&mut self, _subject: &mut Subject, io: &mut Io<'_>) {
        self.note(Note::Dialed);
        io.out.copy(b"echo dialed\n");
    }

    fn on_error(&mut self, _subject: &mut Subject, error: std::io::ErrorKind) {
        self.note(Note::Broke(error));
    }
}

/// What a loop is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub opening: Opening,
    pub lend: usize,
    pub limits: Limits,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            opening: Opening::Nothing,
            lend: usize::MAX,
            limits: Limits {
                listen_queue: barewire::net::LISTEN_QUEUE,
                connections: 1_000,
                connections_per_address: usize::MAX,
                high_water: 64 * 1024,
                backlog: 64 * 1024 * 1024,
                handshake_timeout: PATIENCE,
                stall_timeout: PATIENCE,
                drain_timeout: PATIENCE,
            },
        }
    }
}

/// A loop that listens, and what it will note.
pub fn event_loop(setup: Setup) -> (Loop<Laboratory>, mpsc::Receiver<Note>) {
    let (sender, notes) = mpsc::channel();
    let mut event_loop = Loop::new(setup.limits, 1_000, |_| Laboratory {
        opening: setup.opening,
        lend: setup.lend,
        log: Vec::new(),
        subscribers: Vec::new(),
        chain: Vec::new(),
        woken: Vec::new(),
        dials: Vec::new(),
        notes: sender,
    })
    .unwrap();
    event_loop.listen(([127, 0, 0, 1], 0).into()).unwrap();
    (event_loop, notes)
}

/// A loop in a thread of its own until the test ends.
pub struct Running {
    pub address: SocketAddr,
    pub mailbox: Mailbox<Letter, Append>,
    pub notes: mpsc::Receiver<Note>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub fn start(setup: Setup) -> Running {
        let (event_loop, notes) = event_loop(setup);
        Running::go_on(event_loop, notes)
    }

    /// From now on in a thread.
    pub fn go_on(mut event_loop: Loop<Laboratory>, notes: mpsc::Receiver<Note>) -> Running {
        Running {
            address: event_loop.local_addrs().unwrap()[0],
            mailbox: event_loop.mailbox(),
            notes,
            thread: Some(std::thread::spawn(move || event_loop.run().unwrap())),
        }
    }

    pub fn note(&self) -> Note {
        self.notes.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for the next connection to open.
    pub fn opened(&self) -> ConnectionId {
        loop {
            if let Note::Opened(id) = self.note() {
                return id;
            }
        }
    }

    pub fn await_note(&self, note: Note) {
        while self.note() != note {}
    }

    /// Waits for the loop's end after a stop.
    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.mailbox.stop();
            self.mailbox.stop();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}
