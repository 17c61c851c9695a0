//! A WebSocket echo on every path.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

mod common;

use barewire::Server;
use common::Options;

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR] [--compress HOW]

  --listen ADDR   the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose
  --compress HOW  each message `alone` [default], with `takeover` of contexts, or `never`; built with --features deflate";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = Server::bind(options.text("listen", "127.0.0.1:9001"))?;
    #[cfg(feature = "deflate")]
    server.deflate(deflate(options.text("compress", "alone"))?);
    server.websocket("/{*path}", |socket, message| socket.send(message));
    common::serve(server)
}

#[cfg(feature = "deflate")]
fn deflate(how: &str) -> Result<Option<barewire::Deflate>, String> {
    let alone = barewire::Deflate::default();
    match how {
        "alone" => Ok(Some(alone)),
        "takeover" => Ok(Some(barewire::Deflate {
            takeover: true,
            peer_takeover: true,
            ..alone
        })),
        "never" => Ok(None),
        how => Err(format!(
            "--compress {how}: there is alone, takeover and never"
        )),
    }
}
