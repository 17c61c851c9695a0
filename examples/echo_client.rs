//! The client that the Autobahn test suite's fuzzing server talks to: it runs every case and echoes what comes.
//!
//!     wstest -m fuzzingserver
//!     cargo run --release --example echo_client -- --server ws://127.0.0.1:9001 --agent barewire

mod common;

use barewire::{ClientError, ClientLoop, Connect};
use common::tls::Trust;

const HELP: &str = "\
Runs all cases of an Autobahn fuzzing server, echoing every message, and has it write its report.

Usage: echo_client [--server URL] [--agent NAME] [--ca FILE]

  --server URL    the fuzzing server [default: ws://127.0.0.1:9001]
  --agent NAME    the name in the report [default: barewire]
  --ca FILE       trust only who has a certificate from one of these authorities (PEM); takes --features tls";

fn main() -> common::Outcome {
    let (server, agent, ca) = arguments()?;
    let agent = percent_encoded(&agent);
    let connect = |path: &str| Connect::to(&format!("{server}/{path}")).trusting(ca.as_deref());
    let mut socket = connect("getCaseCount")?.open()?;
    let count = socket.receive()?.ok_or("the server said no case count")?;
    let count: u32 = count
        .as_text()
        .ok_or("the case count is no text")?
        .trim()
        .parse()?;
    for case in 1..=count {
        echo(connect(&format!("runCase?case={case}&agent={agent}"))?)?;
    }
    let mut socket = connect(&format!("updateReports?agent={agent}"))?.open()?;
    while socket.receive()?.is_some() {}
    common::print(format_args!("{count} cases run"));
    Ok(())
}

/// Echoes from the handler, so that what came before a broken frame is answered before the connection is failed.
/// Many cases end with an error on purpose; the server judges.
fn echo(connect: Connect) -> Result<(), ClientError> {
    let mut client = ClientLoop::new()?;
    client.connect(connect, |socket, message| socket.send(message))?;
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

fn arguments() -> Result<(String, String, Option<String>), lexopt::Error> {
    use lexopt::prelude::*;
    let (mut server, mut agent) = ("ws://127.0.0.1:9001".to_owned(), "barewire".to_owned());
    let mut ca = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("server") => server = arguments.value()?.string()?,
            Long("agent") => agent = arguments.value()?.string()?,
            Long("ca") => ca = Some(arguments.value()?.string()?),
            Long("help") | Short('h') => {
                common::print(HELP);
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok((server.trim_end_matches('/').to_owned(), agent, ca))
}
