//! A WebSocket echo on every path.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

mod common;

use common::{Options, tls};

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR] [--compress HOW] [--tls-cert FILE --tls-key FILE]

  --listen ADDR     the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose
  --compress HOW    each message `alone` [default], with `takeover` of contexts, or `never`; takes --features deflate
  --tls-cert FILE   serve wss:// with this certificate (PEM, its issuers' behind it); takes --features tls
  --tls-key FILE    its private key (PEM)";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = tls::bind(&options, "127.0.0.1:9001")?;
    #[cfg(feature = "deflate")]
    server.deflate(deflate(options.text("compress", "alone"))?);
    server.websocket("/{*path}", |socket, message| socket.send(message));
    common::serve_as(tls::scheme(&options), server)
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
