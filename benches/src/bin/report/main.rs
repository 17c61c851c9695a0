//! The report: medians and ratios of what `benches/run` measured, as Markdown on standard output, and a plot.
//!
//! ```text
//! report DIRECTORY
//! ```
//!
//! reads `results.tsv`, `codecs.txt` and `missing.txt` there and writes `plot.svg`.

mod codecs;
mod plot;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

/// One measurement of one peer: messages per second, the server's share of its core, its microseconds per message and
/// the load's share of its own core. For idle, weight and system calls the columns mean something else: see
/// `benches/run`.
type Figures = [f64; 4];

const PEERS: [&str; 7] = [
    "raw",
    "barewire",
    "fastwebsockets",
    "tokio-tungstenite",
    "axum",
    "ws",
    "nchan",
];

/// A cell's name, and how the report calls it.
type Cell = (&'static str, &'static str);

const ECHOES: [Cell; 5] = [
    ("small", "512 × 125 B × 1"),
    ("small16", "64 × 125 B × 16"),
    ("1k16", "64 × 1 KiB × 16"),
    ("16k4", "16 × 16 KiB × 4"),
    ("256k2", "8 × 256 KiB × 2"),
];

const FANOUTS: [Cell; 13] = [
    ("socket-1000-64", "WebSocket, 1,000 × 64"),
    ("socket-5000-64", "WebSocket, 5,000 × 64"),
    ("events-1000-64", "SSE, 1,000 × 64"),
    ("events-5000-64", "SSE, 5,000 × 64"),
    (
        "channels-1000-64",
        "WebSocket, 5 on each of 1,000 channels × 64",
    ),
    (
        "one-1000-64",
        "WebSocket, 1 on each of 1,000 channels × 64, POST",
    ),
    ("socket-1000-1", "WebSocket, 1,000 × 1"),
    ("socket-5000-1", "WebSocket, 5,000 × 1"),
    ("events-1000-1", "SSE, 1,000 × 1"),
    ("events-5000-1", "SSE, 5,000 × 1"),
    (
        "channels-1000-1",
        "WebSocket, 5 on each of 1,000 channels × 1",
    ),
    ("window-64", "WebSocket, 1,000 × 64, window of 5 ms"),
    ("window-1", "WebSocket, 1,000 × 1, window of 5 ms"),
];

/// All measurements, by part, cell and peer.
struct Results(BTreeMap<(String, String, String), Vec<Figures>>);

impl Results {
    fn read(text: &str) -> Results {
        let mut all: BTreeMap<_, Vec<Figures>> = BTreeMap::new();
        for line in text.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [part, cell, peer, figures @ ..] = &columns[..] else {
                continue;
            };
            let figures: Vec<f64> = figures
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect();
            if let Ok(figures) = Figures::try_from(figures) {
                let key = (part.to_string(), cell.to_string(), peer.to_string());
                all.entry(key).or_default().push(figures);
            }
        }
        Results(all)
    }

    /// The median of one column over all rounds.
    fn median(&self, part: &str, cell: &str, peer: &str, column: usize) -> Option<f64> {
        let rounds = self.0.get(&(part.into(), cell.into(), peer.into()))?;
        let mut values: Vec<f64> = rounds.iter().map(|figures| figures[column]).collect();
        values.sort_by(f64::total_cmp);
        let (below, above) = ((values.len() - 1) / 2, values.len() / 2);
        Some((values[below] + values[above]) / 2.0)
    }

    /// The peers that a part has, in the report's order.
    fn peers(&self, part: &str) -> Vec<&'static str> {
        let has = |peer: &str| self.0.keys().any(|(p, _, q)| p == part && q == peer);
        PEERS.into_iter().filter(|peer| has(peer)).collect()
    }

    /// The cells that a part has.
    fn cells(&self, part: &str) -> Vec<&str> {
        let mut cells: Vec<&str> = self
            .0
            .keys()
            .filter(|(p, ..)| p == part)
            .map(cell)
            .collect();
        cells.dedup();
        cells
    }

    /// Whether the load was what ended the measurement: its core was full, and the server's was not.
    fn is_the_loads(&self, part: &str, cell: &str, peer: &str) -> bool {
        let column = |column| self.median(part, cell, peer, column);
        matches!((column(1), column(3)), (Some(server), Some(load)) if server < FULL && load >= FULL)
    }
}

fn cell(key: &(String, String, String)) -> &str {
    &key.1
}

/// From this part on a core is full: what is missing goes to the system's own work on it.
const FULL: f64 = 0.96;

fn main() -> io::Result<()> {
    let Some(directory) = env::args().nth(1) else {
        return Err(io::Error::other("report DIRECTORY"));
    };
    let directory = Path::new(&directory);
    let text = |name| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let results = Results::read(&text("results.tsv"));
    tables::echo(&results);
    tables::fanout(&results);
    tables::growth(&results);
    tables::idle(&results);
    tables::syscalls(&results);
    tables::weight(&results);
    codecs::tables(&text("codecs.txt"));
    let missing = text("missing.txt");
    if !missing.is_empty() {
        println!("\nNot measured here:\n");
        for line in missing.lines() {
            println!("- {line}");
        }
    }
    fs::write(directory.join("plot.svg"), plot::draw(&results))
}

/// Three digits that count.
fn short(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.2} M", rate / 1e6),
        1e5.. => format!("{:.0} k", rate / 1e3),
        1e4.. => format!("{:.1} k", rate / 1e3),
        _ => format!("{rate:.0}"),
    }
}
