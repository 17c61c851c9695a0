//! What the examples share, so that each of them is about one thing: options, being stopped, and the time. What only
//! the textbook servers need is in [`textbook`].
#![allow(dead_code)] // None of them uses all of it.

pub mod textbook;
pub mod tls;

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::time::{Duration, SystemTime};

use barewire::{Cores, Server};

/// The options of a command line, each `--name value`, or `--name` alone.
pub struct Options {
    given: Vec<(String, String)>,
}

impl Options {
    /// Reads the command line. The options are those that `help` describes, in lines that begin with `  --name`.
    pub fn parse(help: &str) -> Result<Options, lexopt::Error> {
        use lexopt::prelude::*;
        let mut given = Vec::new();
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("help") | Short('h') => {
                    print(help);
                    std::process::exit(0);
                }
                // What it takes stands behind it; two spaces are before what it does.
                Long(name) if help.contains(&format!("\n  --{name}  ")) => {
                    given.push((name.to_owned(), String::new()));
                }
                Long(name) if help.contains(&format!("\n  --{name} ")) => {
                    let name = name.to_owned();
                    given.push((name, arguments.value()?.string()?));
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Options { given })
    }

    /// Every value that was given for an option, in order.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let given = self.given.iter().filter(move |(given, _)| given == name);
        given.map(|(_, value)| value.as_str())
    }

    /// The value of an option, if it was given: the last one.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// The value of an option, or the default.
    pub fn text<'a>(&'a self, name: &'a str, default: &'a str) -> &'a str {
        self.last(name).unwrap_or(default)
    }

    /// The value of `--listen`, or the default: an address, or all that a name has.
    pub fn listen(&self, default: &str) -> Result<Vec<SocketAddr>, String> {
        let address = self.text("listen", default);
        let found = address.to_socket_addrs().map_err(|why| {
            format!("--listen {address}: {why}; it takes HOST:PORT, such as {default}")
        })?;
        Ok(found.collect())
    }

    /// The value of an option that is a number of seconds, such as `30` or `0.5`.
    pub fn seconds(&self, name: &str, default: &str) -> Result<Duration, String> {
        let given = self.text(name, default);
        let seconds = given.parse().ok().map(Duration::try_from_secs_f64);
        let wrong = || format!("--{name} {given}: it takes seconds, such as {default} or 0.5");
        seconds.and_then(Result::ok).ok_or_else(wrong)
    }

    /// The value of an option that is a number of things: at least one, and one unless it says otherwise.
    pub fn count(&self, name: &str) -> Result<usize, String> {
        let given = self.text(name, "1");
        let count = given.parse().map(NonZero::<usize>::get);
        count.map_err(|_| format!("--{name} {given}: it takes a number from 1 on"))
    }
}

/// What `main` returns.
pub type Outcome = Result<(), Failure>;

/// Why an example gave up. `main` shows what it returns with `{:?}`, which is to be words here.
pub struct Failure(Box<dyn Error>);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.into())
    }
}

/// Serves until SIGINT or SIGTERM, and then until what is under way has ended.
pub fn serve(server: Server) -> Outcome {
    serve_as("http", server)
}

/// As [`serve`], where URLs have this scheme.
pub fn serve_as(scheme: &str, mut server: Server) -> Outcome {
    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    say_listening(scheme, server.local_addr()?);
    Ok(server.run()?)
}

/// As [`serve`], with several loops.
pub fn serve_loops(scheme: &str, cores: Cores) -> Outcome {
    let stopper = cores.stopper();
    ctrlc::set_handler(move || stopper.stop())?;
    say_listening(scheme, cores.local_addr()?);
    Ok(cores.run()?)
}

/// Tells the program that has started this one that it accepts.
pub fn say_listening(scheme: &str, address: SocketAddr) {
    print(format_args!("listening on {scheme}://{address}"));
}

/// Writes a line to standard output, at once. That it is closed or full is no reason to stop serving or talking, and
/// `println!` would panic.
pub fn print(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line to standard error, as [`print`] does to standard output.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The time in UTC as ISO 8601 writes it, such as `2001-09-09T01:46:40.000Z`.
pub fn iso_timestamp() -> String {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (seconds, millis) = (since_1970.as_secs(), since_1970.subsec_millis());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day, from days since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}
