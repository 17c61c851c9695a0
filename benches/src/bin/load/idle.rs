//! Idle: how much memory the server's process takes for each connection that does nothing.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use super::Options;
use super::process::resident;
use super::wire::{self, Way};

/// What the first connections cost holds what the server needs anyway: they don't count.
const FIRST: usize = 1000;

pub fn run(options: &Options) -> io::Result<()> {
    let connections: usize = options.get("connections")?;
    let way: Way = options.get("way")?;
    let path = options.text("path")?;
    let mut held = Vec::with_capacity(connections);
    let mut hold = |up_to: usize| -> io::Result<u64> {
        while held.len() < up_to {
            held.push(wire::open(options.address()?, way, path)?.0);
        }
        sleep(Duration::from_millis(300));
        resident(options.pid()?)
    };
    let first = hold(FIRST)?;
    let all = hold(connections)?;
    let each = all.saturating_sub(first) as f64 / (connections - FIRST) as f64;
    println!("{each:.0}\t0\t0\t0");
    Ok(())
}
