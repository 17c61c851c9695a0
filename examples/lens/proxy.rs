//! A proxy that changes nothing: two threads for each connection, each of which reads, shows, and writes.
//!
//! What was read is shown before it is passed on, so that nobody's answer is shown before what it answers.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use barewire::lens::{Pcap, Recorder, Side};

use crate::Outcome;
use crate::common::{say, say_listening};
use crate::view::View;

/// What one read takes at most, in bytes.
const BUFFER: usize = 32 * 1024;
/// What a thread's stack may take, in bytes: there are two for each connection.
const STACK: usize = 256 * 1024;

/// Everything that looks at what passes.
struct Looking {
    began: Instant,
    view: Option<View>,
    recorder: Option<Recorder<BufWriter<File>>>,
    pcap: Option<Pcap<BufWriter<File>>>,
}

pub fn run(
    listen: &str,
    to: &str,
    view: Option<View>,
    record: Option<&OsStr>,
    pcap: Option<&OsStr>,
) -> Outcome {
    let bad = |why: std::io::Error| format!("--listen {listen}: {why}");
    let listener = TcpListener::bind(listen).map_err(bad)?;
    let recorder = match record {
        Some(name) => Some(Recorder::new(BufWriter::new(private(name)?))?),
        None => None,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let pcap = match pcap {
        Some(name) => Some(Pcap::new(BufWriter::new(private(name)?), now)?),
        None => None,
    };
    let looking = Arc::new(Mutex::new(Looking {
        began: Instant::now(),
        view,
        recorder,
        pcap,
    }));
    let last = Arc::clone(&looking);
    ctrlc::set_handler(move || {
        let mut looking = lock(&last);
        if let Some(view) = &mut looking.view {
            view.finish();
        }
        looking.flush();
        std::process::exit(0);
    })?;
    say_listening("http", listener.local_addr()?);
    for number in 1.. {
        let accepted = listener.accept();
        let (client, address) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                say(format_args!("lens: {listen}: {why}"));
                // No descriptors are left, perhaps: some will be.
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let (looking, to) = (Arc::clone(&looking), to.to_owned());
        let serve = move || connect(number, client, address, &to, &looking);
        if let Err(why) = thread::Builder::new().stack_size(STACK).spawn(serve) {
            say(format_args!("lens: {address}: {why}"));
        }
    }
    Ok(())
}

/// A file that others can't read: what passes may hold secrets.
fn private(name: &OsStr) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(name);
    opened.map_err(|why| format!("{}: {why}", name.to_string_lossy()))
}

fn lock(looking: &Mutex<Looking>) -> MutexGuard<'_, Looking> {
    looking.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(
    number: u64,
    client: TcpStream,
    address: SocketAddr,
    to: &str,
    looking: &Arc<Mutex<Looking>>,
) {
    let reached = to.to_socket_addrs().and_then(|mut addresses| {
        let mut failed = std::io::Error::new(ErrorKind::NotFound, "there is no such host");
        addresses
            .find_map(|address| {
                let connected = TcpStream::connect_timeout(&address, Duration::from_secs(10));
                connected.map_err(|why| failed = why).ok()
            })
            .ok_or(failed)
    });
    let server = match reached {
        Ok(server) => server,
        Err(why) => {
            say(format_args!(
                "lens: --to {to}: {why}; the connection of {address} is closed"
            ));
            return;
        }
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(client_reads), Ok(server_reads), Ok(target)) =
        (client.try_clone(), server.try_clone(), server.peer_addr())
    else {
        say(format_args!(
            "lens: {address}: there are no descriptors left"
        ));
        return;
    };
    lock(looking).opened(number, address, target);
    let there = Arc::clone(looking);
    let relay = move || pass(number, Side::Client, client_reads, server, &there);
    let other = thread::Builder::new().stack_size(STACK).spawn(relay);
    pass(number, Side::Server, server_reads, client, looking);
    if let Ok(other) = other {
        let _ = other.join();
    }
    if let Some(view) = &mut lock(looking).view {
        view.forget(number);
    }
}

/// Passes on what one side sends, until it ends.
fn pass(
    number: u64,
    from: Side,
    mut read: TcpStream,
    mut write: TcpStream,
    looking: &Mutex<Looking>,
) {
    let mut buffer = vec![0; BUFFER];
    let is_blind = lock(looking).view.is_none();
    loop {
        match read.read(&mut buffer) {
            Ok(0) => {
                lock(looking).ended(number, from);
                let _ = write.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => {
                if !is_blind {
                    lock(looking).sent(number, from, &buffer[..count]);
                }
                if write.write_all(&buffer[..count]).is_err() {
                    // Who does not listen is not spoken for any more.
                    let _ = read.shutdown(Shutdown::Both);
                }
            }
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                lock(looking).ended(number, from);
                let _ = (
                    read.shutdown(Shutdown::Both),
                    write.shutdown(Shutdown::Both),
                );
                return;
            }
        }
    }
}

impl Looking {
    fn opened(&mut self, number: u64, client: SocketAddr, server: SocketAddr) {
        let at = self.began.elapsed();
        let words = format!("{client} to {server}");
        if let Some(view) = &mut self.view {
            view.opened(at, number, &words);
        }
        self.keep(
            |recorder| recorder.opened(at, number, &words),
            |pcap| pcap.opened(at, number, client, server),
        );
    }

    fn sent(&mut self, number: u64, from: Side, bytes: &[u8]) {
        let at = self.began.elapsed();
        if let Some(view) = &mut self.view {
            view.sent(at, number, from, bytes);
        }
        self.keep(
            |recorder| recorder.sent(at, number, from, bytes),
            |pcap| pcap.sent(at, number, from, bytes),
        );
    }

    fn ended(&mut self, number: u64, from: Side) {
        let at = self.began.elapsed();
        if let Some(view) = &mut self.view {
            view.ended(at, number, from);
        }
        self.keep(
            |recorder| recorder.ended(at, number, from),
            |pcap| pcap.ended(at, number, from),
        );
        self.flush();
    }

    /// Writes to the files; one that can't be written to is given up, and said so once.
    fn keep(
        &mut self,
        record: impl FnOnce(&mut Recorder<BufWriter<File>>) -> std::io::Result<()>,
        capture: impl FnOnce(&mut Pcap<BufWriter<File>>) -> std::io::Result<()>,
    ) {
        if let Some(Err(why)) = self.recorder.as_mut().map(record) {
            say(format_args!(
                "lens: --record: {why}; the recording ends here"
            ));
            self.recorder = None;
        }
        if let Some(Err(why)) = self.pcap.as_mut().map(capture) {
            say(format_args!("lens: --pcap: {why}; the capture ends here"));
            self.pcap = None;
        }
    }

    fn flush(&mut self) {
        self.keep(Recorder::flush, Pcap::flush);
    }
}
