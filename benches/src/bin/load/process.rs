//! What the system says of the server and of ourselves (proc(5)).

use std::fs;
use std::io;
use std::time::Instant;

/// Clock ticks per second in `/proc/PID/stat`: the same on every Linux.
const TICKS: f64 = 100.0;

/// Seconds of processor time that a process has used, in user and kernel mode.
fn cpu(pid: &str) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks = behind.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// Bytes of memory that a process holds.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|number| number.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}

/// A stretch of time, and what server and load used of it.
pub struct Window {
    began: Instant,
    server: f64,
    load: f64,
    pid: String,
}

impl Window {
    pub fn open(pid: u32) -> io::Result<Window> {
        let pid = pid.to_string();
        Ok(Window {
            server: cpu(&pid)?,
            load: cpu("self")?,
            began: Instant::now(),
            pid,
        })
    }

    /// Prints the line: messages per second, the server's share of a core, its microseconds per message, and the
    /// load's share.
    pub fn close(self, messages: u64) -> io::Result<()> {
        self.close_with(messages, "")
    }

    /// The same with more figures at the end of the line.
    pub fn close_with(self, messages: u64, more: &str) -> io::Result<()> {
        let seconds = self.began.elapsed().as_secs_f64();
        let server = cpu(&self.pid)? - self.server;
        let load = cpu("self")? - self.load;
        let messages = messages as f64;
        println!(
            "{:.0}\t{:.3}\t{:.4}\t{:.3}{more}",
            messages / seconds,
            server / seconds,
            server * 1e6 / messages,
            load / seconds
        );
        Ok(())
    }
}
