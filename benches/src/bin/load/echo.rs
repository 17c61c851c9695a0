//! Echo: every connection sends a number of messages at once, waits until all have come back, and begins again. Idle
//! ones beside them do nothing. Where the batches of each connection are counted, that many are all there is.

use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{RecvFlags, recv};

use super::Options;
use super::process::Window;
use super::wire::{self, Opcode, PATIENCE, Way};

/// How much is thrown away at once, at most. The memory is never touched.
const DISCARD: usize = 1024 * 1024;

/// How long connections have to become idle.
const SETTLE: Duration = Duration::from_millis(500);

struct Client {
    stream: TcpStream,
    /// Bytes of the batch that are not sent yet.
    unsent: usize,
    /// Bytes of the answer that have not come yet.
    missing: usize,
    /// Batches to be sent.
    left: u64,
}

pub fn run(options: &Options) -> io::Result<()> {
    let size: usize = options.get("size")?;
    let in_flight: usize = options.get("in-flight")?;
    let connections: usize = options.get("connections")?;
    let bare = options.has("bare");
    let payload: Vec<u8> = (0..size).map(|i| i as u8 | 1).collect();
    let asked = wire::frame(Opcode::Binary, &payload, true);
    let answered = if bare {
        asked.clone()
    } else {
        wire::frame(Opcode::Binary, &payload, false)
    };

    let mut poll = Poll::new()?;
    let mut clients = Vec::with_capacity(connections);
    let open = || -> io::Result<std::net::TcpStream> {
        if !bare {
            return Ok(wire::open(options.address()?, Way::Socket, "/")?.0);
        }
        let stream = std::net::TcpStream::connect(options.address()?)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let idle: usize = options.get_or("idle", 0)?;
    let _idle: Vec<_> = (0..idle).map(|_| open()).collect::<io::Result<_>>()?;
    if idle > 0 {
        // What the kernel still has to do for new connections is not what they cost when they are idle.
        thread::sleep(SETTLE);
    }
    for index in 0..connections {
        let mut stream = open()?;
        if index == 0 {
            compare(&mut stream, &asked, &answered)?;
        }
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interests = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(index), interests)?;
        clients.push(Client {
            stream,
            unsent: 0,
            missing: 0,
            left: options.get_or("batches", u64::MAX)?,
        });
    }

    let batch = asked.repeat(in_flight);
    let answer = answered.len() * in_flight;
    let mut round = Round {
        batch,
        answer,
        discard: vec![0; DISCARD],
        done: 0,
    };
    for client in &mut clients {
        round.begin(client)?;
    }
    let mut events = Events::with_capacity(1024);
    let mut run_for = |round: &mut Round, duration: Duration| -> io::Result<()> {
        let (began, before) = (Instant::now(), round.done);
        // On a slow machine the first large message may take longer than that.
        let goes_on = |done| {
            let elapsed = began.elapsed();
            elapsed < duration || (done == before && elapsed < PATIENCE)
        };
        while goes_on(round.done) {
            wire::wait(&mut poll, &mut events, Duration::from_millis(100))?;
            for event in &events {
                round.go_on(&mut clients[event.token().0])?;
            }
        }
        if round.done == before {
            return Err(io::Error::new(ErrorKind::TimedOut, "nothing came back"));
        }
        Ok(())
    };
    if options.has("batches") {
        let all = options.get::<u64>("batches")? * connections as u64;
        while round.done < all {
            run_for(&mut round, Duration::from_millis(50))?;
        }
        return Ok(());
    }
    let seconds = options.seconds()?;
    run_for(&mut round, seconds / 4)?;
    let window = Window::open(options.pid()?)?;
    let before = round.done;
    run_for(&mut round, seconds)?;
    window.close((round.done - before) * in_flight as u64)
}

/// The first message is looked at byte by byte. Who echoes a large one may wait for us to read before it reads on, so that
/// both are done at once.
fn compare(stream: &mut std::net::TcpStream, asked: &[u8], answered: &[u8]) -> io::Result<()> {
    let mut sender = stream.try_clone()?;
    let mut answer = vec![0; answered.len()];
    thread::scope(|scope| {
        let sent = scope.spawn(move || sender.write_all(asked));
        stream.read_exact(&mut answer)?;
        sent.join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that sends has ended")))
    })?;
    if answer != answered {
        return Err(io::Error::other("the echo is not what was sent"));
    }
    Ok(())
}

struct Round {
    batch: Vec<u8>,
    /// How long the answer to a batch is.
    answer: usize,
    discard: Vec<u8>,
    /// Batches that came back whole.
    done: u64,
}

impl Round {
    fn begin(&self, client: &mut Client) -> io::Result<()> {
        if client.left == 0 {
            return Ok(());
        }
        client.left -= 1;
        client.unsent = self.batch.len();
        client.missing = self.answer;
        self.send(client)
    }

    fn send(&self, client: &mut Client) -> io::Result<()> {
        while client.unsent > 0 {
            match client
                .stream
                .write(&self.batch[self.batch.len() - client.unsent..])
            {
                Ok(count) => client.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn go_on(&mut self, client: &mut Client) -> io::Result<()> {
        self.send(client)?;
        loop {
            // tcp(7): with MSG_TRUNC bytes are thrown away instead of copied.
            let count = match recv(&client.stream, &mut self.discard[..], RecvFlags::TRUNC) {
                Ok((_, 0)) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok((_, count)) => count,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if count > client.missing {
                return Err(io::Error::other("more came back than was sent"));
            }
            client.missing -= count;
            if client.missing == 0 {
                self.done += 1;
                return self.begin(client);
            }
            if count < self.discard.len() {
                return Ok(());
            }
        }
    }
}
