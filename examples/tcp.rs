//! The event loop with no protocol on top: reads what a client says, answers, closes.
//!
//!     cargo run --release --example tcp
//!     echo 'Hello from client!' | nc 127.0.0.1 8080
//!
//! A protocol is one value for all connections; the loop calls it when something happens, and the protocol says
//! through `io` what is to be done. Nothing here waits, so one thread serves every client.

mod common;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use barewire::net::{Io, Limits, Loop, Protocol};
use common::Options;

const HELP: &str = "\
Raw TCP: reads what a client says, answers \"Hello from server!\" and closes.

Usage: tcp [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:8080]; port 0 lets the system choose";

/// How long a client may stay silent before it is dropped.
const PATIENCE: Duration = Duration::from_secs(30);

struct Hello;

impl Protocol for Hello {
    /// What is kept for each client: nothing.
    type Connection = ();
    /// Other threads have nothing to tell it.
    type Letter = Infallible;
    type Order = Infallible;

    fn opened(&mut self, _peer: SocketAddr, io: &mut Io<'_>) {
        io.set_deadline(PATIENCE);
    }

    fn received(&mut self, _client: &mut (), _said: &mut [u8], io: &mut Io<'_>) {
        // It is not printed: a terminal or a pipe that takes no more would stop the loop, and with it every client.
        io.out.send(b"Hello from server!");
        io.close();
    }
}

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut event_loop = Loop::new(Limits::default(), 0, |_mailbox| Hello)?;
    // A name may stand for several addresses: the first that can be had will do.
    let mut listening = Err(ErrorKind::AddrNotAvailable.into());
    for address in options.listen("127.0.0.1:8080")? {
        if listening.is_err() {
            listening = event_loop.listen(address);
        }
    }
    listening?;

    let mailbox = event_loop.mailbox();
    ctrlc::set_handler(move || mailbox.stop())?;
    for address in event_loop.local_addrs()? {
        common::say_listening("http", address);
    }
    Ok(event_loop.run()?)
}
