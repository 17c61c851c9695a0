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

use barewire::{Response, Server, client};

const HELP: &str = "\
Channels that anybody may publish to and read, in four ways: short poll, long poll, event stream, WebSocket.
GET / is a page that shows them side by side; each channel is at /channels/NAME.

Usage: hub [--listen ADDR] [--allow-origin ORIGIN]...

  --listen ADDR           the address to listen on [default: 127.0.0.1:9000]; port 0 lets the system choose
  --allow-origin ORIGIN   let pages of this origin publish and open WebSockets too; * lets those of every origin";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse()?;
    let mut server = Server::bind(&arguments.listen)?;
    server.get("/", |_request, reply| reply.html(include_str!("page.html")));
    server.get("/barewire.js", |_request, reply| {
        reply.send(source("text/javascript; charset=utf-8", client::JAVASCRIPT));
    });
    server.get("/barewire.d.ts", |_request, reply| {
        reply.send(source("text/plain; charset=utf-8", client::TYPESCRIPT));
    });
    server.channels("/channels/{name}");
    for origin in &arguments.origins {
        server.allow_origin(origin);
    }

    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    println!("listening on http://{}", server.local_addr()?);
    Ok(server.run()?)
}

/// A part of the client for browsers, to be asked for again after an update.
fn source(media_type: &str, text: &'static str) -> Response {
    Response::bytes(media_type, text.as_bytes()).header("Cache-Control", "no-cache")
}

struct Arguments {
    listen: String,
    origins: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Arguments, lexopt::Error> {
        use lexopt::prelude::*;
        let mut parsed = Arguments {
            listen: "127.0.0.1:9000".to_owned(),
            origins: Vec::new(),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("listen") => parsed.listen = arguments.value()?.string()?,
                Long("allow-origin") => parsed.origins.push(arguments.value()?.string()?),
                Long("help") | Short('h') => {
                    println!("{HELP}");
                    std::process::exit(0);
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(parsed)
    }
}
