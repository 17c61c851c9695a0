//! What the medium itself takes: so many bytes written to a file and synced, again and again, at places of their own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::Options;

/// Places that are written in turn.
const PLACES: u64 = 1024;

/// Prints how long a write and a sync take, in microseconds: the middle and the 99th of a hundred.
pub fn run(options: &Options) -> io::Result<()> {
    let path = options.text("file")?;
    let bytes = vec![1; options.get_or("bytes", 16 * 1024)?];
    let mut open = OpenOptions::new();
    let file: File = open.create(true).truncate(true).write(true).open(path)?;
    file.set_len(PLACES * bytes.len() as u64)?;
    for place in 0..PLACES {
        file.write_all_at(&bytes, place * bytes.len() as u64)?;
    }
    file.sync_all()?;
    let (began, mut delays) = (Instant::now(), Vec::new());
    let seconds = options.seconds()?;
    for number in 0_u64.. {
        let before = Instant::now();
        if before - began >= seconds {
            break;
        }
        let place = number.wrapping_mul(7919) % PLACES;
        file.write_all_at(&bytes, place * bytes.len() as u64)?;
        file.sync_data()?;
        delays.push(before.elapsed().as_micros());
    }
    delays.sort_unstable();
    let part = |part: usize| delays.get(delays.len() * part / 100).copied().unwrap_or(0);
    println!("{}\t{}", part(50), part(99));
    std::fs::remove_file(path)
}
