//! The event loop with no protocol on top: reads what the client says, answers, closes.
//!
//!     cargo run --release --example tcp
//!     echo 'Hello from client!' | nc 127.0.0.1 8080
//!
//! A protocol is one value for all connections; the loop calls it when something happens, and the protocol says
//! through `io` what is to be done. Nothing here waits, so one thread serves every client.

mod common;

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use barewire::net::{Io, Limits, Loop, Protocol};
use common::Options;

const HELP: &str = "\
Raw TCP: prints what a client says, answers \"Hello from server!\" and closes.

Usage: tcp [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:8080]; port 0 lets the system choose";

/// How long a client may stay silent before it is dropped.
const PATIENCE: Duration = Duration::from_secs(30);

struct Hello;

impl Protocol for Hello {
    /// What is kept for each client: its address.
    type Connection = SocketAddr;
    /// Other threads have nothing to tell it.
    type Command = Infallible;

    fn opened(&mut self, peer: SocketAddr, io: &mut Io<'_>) -> SocketAddr {
        io.set_deadline(PATIENCE);
        peer
    }

    fn received(&mut self, peer: &mut SocketAddr, input: &mut [u8], io: &mut Io<'_>) {
        // Quoted, so that what others send does not control this terminal; and if nobody reads it, so be it.
        let said = String::from_utf8_lossy(input);
        let _ = writeln!(std::io::stdout(), "{peer} says {said:?}");
        io.out.send(b"Hello from server!");
        io.close();
    }
}

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut event_loop = Loop::new(Limits::default(), 0, |_mailbox| Hello)?;
    event_loop.listen(options.text("listen", "127.0.0.1:8080").parse()?)?;

    let mailbox = event_loop.mailbox();
    ctrlc::set_handler(move || mailbox.stop())?;
    for address in event_loop.local_addrs()? {
        common::say_listening(address)?;
    }
    Ok(event_loop.run()?)
}
