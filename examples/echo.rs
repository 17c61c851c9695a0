//! A WebSocket echo on every path: the whole of a server, from `bind` to `run`.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

mod common;

use barewire::Server;
use common::{Options, tls};

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR] [--compress HOW] [--tls-cert FILE --tls-key FILE]

  --listen ADDR     the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose
  --compress HOW    each message `alone` [default], with `takeover` of contexts, or `never`; takes --features deflate
  --tls-cert FILE   serve wss:// with this certificate (PEM, its issuers' behind it); takes --features tls
  --tls-key FILE    its private key (PEM)";

const ADDRESS: &str = "127.0.0.1:9001";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let mut server = match options.last("tls-cert").or(options.last("tls-key")) {
        None => Server::bind(&*options.listen(ADDRESS)?)?,
        Some(_) => tls::bind(&options, ADDRESS)?, // Server::bind_tls, with these files
    };
    #[cfg(feature = "deflate")]
    server.deflate(deflate(options.text("compress", "alone"))?);
    server.websocket("/{*path}", |socket, message| socket.send(message));

    // SIGINT and SIGTERM: what is under way ends, and so does `run`.
    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    common::say_listening(tls::scheme(&options), server.local_addr()?);
    Ok(server.run()?)
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
