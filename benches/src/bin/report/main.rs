//! The report: medians and ratios of what `benches/run` measured, as Markdown on standard output and as a plot.
//!
//! ```text
//! report RESULTS.tsv PLOT.svg
//! ```

mod plot;

use std::collections::BTreeMap;
use std::{env, fs, io};

/// One measurement of one peer: messages per second, the server's share of its core, its microseconds per message and
/// the load's share of its own core. For idle and weight the columns mean something else: see `benches/run`.
type Figures = [f64; 4];

const PEERS: [&str; 5] = [
    "raw",
    "barewire",
    "fastwebsockets",
    "tokio-tungstenite",
    "axum",
];

const ECHOES: [(&str, &str); 5] = [
    ("small", "512 × 125 B × 1"),
    ("small16", "64 × 125 B × 16"),
    ("1k16", "64 × 1 KiB × 16"),
    ("16k4", "16 × 16 KiB × 4"),
    ("256k2", "8 × 256 KiB × 2"),
];

const FANOUTS: [(&str, &str); 8] = [
    ("socket-1000-64", "WebSocket, 1,000 × 64"),
    ("socket-5000-64", "WebSocket, 5,000 × 64"),
    ("events-1000-64", "SSE, 1,000 × 64"),
    ("events-5000-64", "SSE, 5,000 × 64"),
    ("socket-1000-1", "WebSocket, 1,000 × 1"),
    ("socket-5000-1", "WebSocket, 5,000 × 1"),
    ("events-1000-1", "SSE, 1,000 × 1"),
    ("events-5000-1", "SSE, 5,000 × 1"),
];

const IDLES: [(&str, &str); 4] = [
    ("socket", "WebSocket, echo"),
    ("subscriber", "WebSocket, channel"),
    ("events", "SSE, channel"),
    ("poll", "long poll, channel"),
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

    fn has(&self, part: &str, peer: &str) -> bool {
        self.0.keys().any(|(p, _, q)| p == part && q == peer)
    }

    fn peers(&self, part: &str) -> Vec<&'static str> {
        PEERS
            .into_iter()
            .filter(|peer| self.has(part, peer))
            .collect()
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("report RESULTS.tsv PLOT.svg"));
    };
    let results = Results::read(&fs::read_to_string(from)?);
    rates(
        &results,
        "echo",
        &ECHOES,
        "Echo: messages per second",
        "connections × size × in flight",
    );
    rates(
        &results,
        "fanout",
        &FANOUTS,
        "Fan-out of 100 bytes: deliveries per second",
        "subscribers × in flight",
    );
    idle(&results);
    weight(&results);
    fs::write(to, plot::draw(&results))
}

fn title(text: &str) {
    println!("\n### {text}\n");
}

fn row(cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    println!("| {} |", cells.join(" | "));
}

fn head(first: &str, others: impl IntoIterator<Item = String> + Clone) {
    row([first.to_owned()].into_iter().chain(others.clone()));
    let rules = others.into_iter().map(|_| "---:".to_owned());
    row(["---".to_owned()].into_iter().chain(rules));
}

/// Messages per second with the ratio to raw, then processor time and shares.
fn rates(results: &Results, part: &str, cells: &[(&str, &str)], name: &str, unit: &str) {
    let peers = results.peers(part);
    if peers.is_empty() {
        return;
    }
    title(name);
    let base = peers[0];
    head(unit, peers.iter().map(|peer| peer.to_string()));
    for (cell, label) in cells {
        let reference = results.median(part, cell, base, 0);
        let figures = peers.iter().map(|peer| {
            let Some(rate) = results.median(part, cell, peer, 0) else {
                return "–".to_owned();
            };
            match reference.filter(|_| *peer != base) {
                Some(reference) => format!("{} ({:.2})", short(rate), rate / reference),
                None => short(rate),
            }
        });
        if peers
            .iter()
            .any(|peer| results.median(part, cell, peer, 0).is_some())
        {
            row([label.to_string()].into_iter().chain(figures));
        }
    }
    println!(
        "\nIn parentheses: of {base}. The server's processor time per message in µs, the part of its core that the"
    );
    println!("server used, and the part of its own that the load used:\n");
    head(unit, peers.iter().map(|peer| peer.to_string()));
    for (cell, label) in cells {
        let figures = peers.iter().map(|peer| {
            let column = |column| results.median(part, cell, peer, column);
            match (column(1), column(2), column(3)) {
                (Some(server), Some(each), Some(load)) => {
                    format!("{each:.2} ({:.0} %, {:.0} %)", server * 100.0, load * 100.0)
                }
                _ => "–".to_owned(),
            }
        });
        if peers
            .iter()
            .any(|peer| results.median(part, cell, peer, 0).is_some())
        {
            row([label.to_string()].into_iter().chain(figures));
        }
    }
}

fn idle(results: &Results) {
    let peers = results.peers("idle");
    if peers.is_empty() {
        return;
    }
    title(
        "Idle: bytes of the server's process for each connection beyond the first thousand, at 9,000",
    );
    head("", peers.iter().map(|peer| peer.to_string()));
    for (cell, label) in IDLES {
        let figures = peers.iter().map(|peer| {
            let each = results.median("idle", cell, peer, 0);
            each.map_or("–".to_owned(), |each| format!("{each:.0}"))
        });
        row([label.to_owned()].into_iter().chain(figures));
    }
}

fn weight(results: &Results) {
    let peers = results.peers("weight");
    if peers.is_empty() {
        return;
    }
    title("Weight of the smallest echo server");
    head(
        "",
        ["crates", "clean release build, s", "stripped, KB"].map(str::to_owned),
    );
    for peer in peers {
        let column = |column| {
            results
                .median("weight", "echo", peer, column)
                .unwrap_or_default()
        };
        row([
            peer.to_owned(),
            format!("{:.0}", column(1)),
            format!("{:.1}", column(0)),
            format!("{:.0}", column(2) / 1000.0),
        ]);
    }
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
