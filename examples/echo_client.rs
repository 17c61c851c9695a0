//! The client that the Autobahn test suite's fuzzing server talks to: it runs every case and echoes what comes.
//!
//!     wstest -m fuzzingserver
//!     cargo run --release --example echo_client -- --server ws://127.0.0.1:9001 --agent barewire

mod common;

use barewire::{Client, Connect, WebSocket};

const HELP: &str = "\
Runs all cases of an Autobahn fuzzing server, echoing every message, and has it write its report.

Usage: echo_client [--server URL] [--agent NAME]

  --server URL    the fuzzing server [default: ws://127.0.0.1:9001]
  --agent NAME    the name in the report [default: barewire]";

fn main() -> common::Outcome {
    let (server, agent) = arguments()?;
    let agent = percent_encoded(&agent);
    let mut socket = WebSocket::connect(&format!("{server}/getCaseCount"))?;
    let count = socket.receive()?.ok_or("the server said no case count")?;
    let count: u32 = count
        .as_text()
        .ok_or("the case count is no text")?
        .trim()
        .parse()?;
    for case in 1..=count {
        echo(&format!("{server}/runCase?case={case}&agent={agent}"))?;
    }
    let mut socket = WebSocket::connect(&format!("{server}/updateReports?agent={agent}"))?;
    while socket.receive()?.is_some() {}
    println!("{count} cases run");
    Ok(())
}

/// Echoes from the handler, so that what came before a broken frame is answered before the connection is failed.
/// Many cases end with an error on purpose; the server judges.
fn echo(url: &str) -> barewire::Result<()> {
    let mut client = Client::new()?;
    client.connect(Connect::to(url), |socket, message| socket.send(message))?;
    client.run()
}

/// A value for a query: what is not unreserved (RFC 3986 2.3) is encoded.
fn percent_encoded(value: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(encoded).collect()
}

fn arguments() -> Result<(String, String), lexopt::Error> {
    use lexopt::prelude::*;
    let (mut server, mut agent) = ("ws://127.0.0.1:9001".to_owned(), "barewire".to_owned());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("server") => server = arguments.value()?.string()?,
            Long("agent") => agent = arguments.value()?.string()?,
            Long("help") | Short('h') => {
                println!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok((server.trim_end_matches('/').to_owned(), agent))
}
