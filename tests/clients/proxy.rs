//! Something on the way between a client and its server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use crate::support::{connect, read_head};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is passed on.
    Pass,
    /// It is passed on until the server has said so many bytes.
    CutAfter(usize),
    /// It is answered with 403.
    Forbid,
    /// It is ended without an answer.
    End,
}

/// Listens, asks `fate` about the head of each connection's first request, and passes on to `upstream`. It is there
/// until the tests are over.
pub fn start(
    upstream: SocketAddr,
    fate: impl Fn(&str) -> Fate + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fate = Arc::new(fate);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let fate = Arc::clone(&fate);
            std::thread::spawn(move || pass(stream, upstream, &*fate));
        }
    });
    address
}

fn pass(mut client: TcpStream, upstream: SocketAddr, fate: &dyn Fn(&str) -> Fate) {
    let Ok(head) = read_head(&mut client) else {
        return;
    };
    let most = match fate(&head) {
        Fate::Pass => usize::MAX,
        Fate::CutAfter(most) => most,
        Fate::Forbid => {
            let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        Fate::End => return,
    };
    let mut server = connect(upstream);
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let down = std::thread::spawn(move || {
        copy(&mut from, &mut to, most);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
    if server.write_all(head.as_bytes()).is_ok() {
        copy(&mut client, &mut server, usize::MAX);
    }
    let _ = server.shutdown(Shutdown::Write);
    let _ = down.join();
}

/// Copies at most `most` bytes, until an end or an error of either side.
fn copy(from: &mut TcpStream, to: &mut TcpStream, mut most: usize) {
    let mut buffer = [0; 4096];
    while most > 0 {
        let room = buffer.len().min(most);
        let Ok(count @ 1..) = from.read(&mut buffer[..room]) else {
            return;
        };
        most -= count;
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
