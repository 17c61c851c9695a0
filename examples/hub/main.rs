//! Channels that anybody may publish to and read, in four ways, and a page that shows them side by side.
//!
//!     cargo run --release --example hub
//!     open http://127.0.0.1:9000
//!
//!     curl -d hello http://127.0.0.1:9000/channels/demo                                 # publish
//!     curl http://127.0.0.1:9000/channels/demo                                          # short poll
//!     curl -H 'Prefer: wait=30' 'http://127.0.0.1:9000/channels/demo?from=now'          # long poll
//!     curl -N -H 'Accept: text/event-stream' http://127.0.0.1:9000/channels/demo        # event stream
//!     websocat ws://127.0.0.1:9000/channels/demo                                        # WebSocket

#[path = "../common/mod.rs"]
mod common;

use barewire::{Response, Server, client};
use common::{Options, tls};

const HELP: &str = "\
Channels that anybody may publish to and read, in four ways: short poll, long poll, event stream, WebSocket.
GET / is a page that shows them side by side; each channel is at /channels/NAME.

Usage: hub [--listen ADDR] [--allow-origin ORIGIN]... [--loops COUNT] [--tls-cert FILE --tls-key FILE]

  --listen ADDR           the address to listen on [default: 127.0.0.1:9000]; port 0 lets the system choose
  --allow-origin ORIGIN   let pages of this origin publish and open WebSockets too; * lets those of every origin
  --loops COUNT           how many loops serve, each in a thread of its own [default: 1]
  --tls-cert FILE         serve https:// and wss:// with this certificate (PEM, its issuers' behind it); takes --features tls
  --tls-key FILE          its private key (PEM)";

const ADDRESS: &str = "127.0.0.1:9000";

fn main() -> common::Outcome {
    let options = Options::parse(HELP)?;
    let origins: Vec<&str> = options.all("allow-origin").collect();
    match options.count("loops")? {
        1 => {
            let mut server = tls::bind(&options, ADDRESS)?;
            add_routes(&mut server, &origins);
            common::serve_as(tls::scheme(&options), server)
        }
        loops => {
            let cores = tls::bind_loops(&options, ADDRESS, loops, |server| {
                add_routes(server, &origins);
                Ok(())
            })?;
            common::serve_loops(tls::scheme(&options), cores)
        }
    }
}

fn add_routes(server: &mut Server, origins: &[&str]) {
    server.get("/", |_request, reply| reply.html(include_str!("page.html")));
    server.get("/barewire.js", |_request, reply| {
        reply.send(source("text/javascript; charset=utf-8", client::JAVASCRIPT));
    });
    server.get("/barewire.d.ts", |_request, reply| {
        reply.send(source("text/plain; charset=utf-8", client::TYPESCRIPT));
    });
    server.channels("/channels/{name}");
    for origin in origins {
        server.allow_origin(origin);
    }
}

/// A part of the client for browsers, to be asked for again after an update.
fn source(media_type: &str, text: &'static str) -> Response {
    Response::bytes(media_type, text.as_bytes()).header("Cache-Control", "no-cache")
}
