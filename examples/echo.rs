//! A WebSocket echo on every path.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

mod common;

use common::{Options, tls};

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR] [--tls-cert FILE --tls-key FILE]

  --listen ADDR     the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose
  --tls-cert FILE   serve wss:// with this certificate (PEM, its issuers' behind it); takes --features tls
  --tls-key FILE    its private key (PEM)";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = tls::bind(&options, "127.0.0.1:9001")?;
    server.websocket("/{*path}", |socket, message| socket.send(message));
    common::serve_as(tls::scheme(&options), server)
}
