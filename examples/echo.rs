//! A WebSocket echo on every path.
//!
//!     cargo run --release --example echo
//!     websocat ws://127.0.0.1:9001

use barewire::Server;

const HELP: &str = "\
A WebSocket echo on every path.

Usage: echo [--listen ADDR]

  --listen ADDR   the address to listen on [default: 127.0.0.1:9001]; port 0 lets the system choose";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::bind(listen_address("127.0.0.1:9001")?)?;
    server.websocket("/{*path}", |socket, message| socket.send(message));

    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    println!("listening on http://{}", server.local_addr()?);
    Ok(server.run()?)
}

fn listen_address(default: &str) -> Result<String, lexopt::Error> {
    use lexopt::prelude::*;
    let mut address = default.to_owned();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("listen") => address = arguments.value()?.string()?,
            Long("help") | Short('h') => {
                println!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(address)
}
