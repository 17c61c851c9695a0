//! The load generator: one kind of load against one server, and one line of figures at the end.
//!
//! ```text
//! load echo   address=A pid=P connections=N size=B in-flight=K seconds=S [idle=N] [batches=N] [bare]
//! load fanout address=A pid=P way=socket|events path=/P [publish=/P | post=/P] [channels=N] subscribers=N [slow=N]
//!             in-flight=K [ahead=N] seconds=S
//! load posts  address=A pid=P channels=N fill=N seconds=S
//! load publish address=A pid=P publishers=N [channels=N] [fill=N] seconds=S
//! load sync   file=F [bytes=N] seconds=S
//! load idle   address=A pid=P way=socket|events|poll path=/P connections=N
//! load port
//! ```
//!
//! `load port` prints an address that nobody listens at, and `load sync` what a file takes.
//!
//! It has to be cheaper than what it measures, or it measures itself: what it sends is made beforehand, what comes
//! back from an echo is counted and thrown away in the kernel, and the server's share of its core is printed beside
//! every figure. Every byte is accounted for; an answer that is too short, too long or missing is an error.

mod echo;
mod fanout;
mod idle;
mod posts;
mod process;
mod publish;
mod sync;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;
use std::time::Duration;

/// What was asked for, as `name=value`.
struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, name: &str) -> io::Result<&str> {
        let missing = || io::Error::other(format!("{name}= is missing"));
        self.0.get(name).map(String::as_str).ok_or_else(missing)
    }

    fn get<T: FromStr>(&self, name: &str) -> io::Result<T> {
        let text = self.text(name)?;
        let wrong = |_| io::Error::other(format!("{name}={text} is not understood"));
        text.parse().map_err(wrong)
    }

    fn get_or<T: FromStr>(&self, name: &str, otherwise: T) -> io::Result<T> {
        if self.has(name) {
            self.get(name)
        } else {
            Ok(otherwise)
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.get("address")
    }

    fn pid(&self) -> io::Result<u32> {
        self.get("pid")
    }

    fn seconds(&self) -> io::Result<Duration> {
        self.get("seconds").map(Duration::from_secs_f64)
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let options = Options(
        arguments
            .map(|argument| match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (argument, String::new()),
            })
            .collect(),
    );
    match command.as_str() {
        "echo" => echo::run(&options),
        "fanout" => fanout::run(&options),
        "idle" => idle::run(&options),
        "port" => {
            println!("{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?);
            Ok(())
        }
        "posts" => posts::run(&options),
        "publish" => publish::run(&options),
        "sync" => sync::run(&options),
        _ => Err(io::Error::other(
            "load echo|fanout|idle|port|posts|publish|sync NAME=VALUE ...",
        )),
    }
}
