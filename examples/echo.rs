//! A WebSocket echo on every path.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

mod common;

use barewire::Server;
use common::Options;

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = Server::bind(options.text("listen", "127.0.0.1:9001"))?;
    server.websocket("/{*path}", |socket, message| socket.send(message));
    common::serve(server)
}
