//! The tables of what servers did.

use super::{Cell, ECHOES, FANOUTS, Results, short};

/// What stands where nothing was measured or nothing makes sense.
const NONE: &str = "–";

pub fn title(text: &str) {
    println!("\n### {text}\n");
}

pub fn row(cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    println!("| {} |", cells.join(" | "));
}

pub fn head(first: &str, others: impl IntoIterator<Item = impl ToString>) {
    let others: Vec<String> = others.into_iter().map(|name| name.to_string()).collect();
    let rules = others.iter().map(|_| "---:".to_owned()).collect();
    row([vec![first.to_owned()], others].concat());
    row([vec!["---".to_owned()], rules].concat());
}

pub fn echo(results: &Results) {
    let name = "Echo: messages per second";
    let unit = "connections × size × in flight";
    rates(results, "echo", &ECHOES, name, unit);
}

pub fn fanout(results: &Results) {
    let name = "Fan-out of 100 bytes: deliveries per second";
    let unit = "subscribers × in flight";
    rates(results, "fanout", &FANOUTS, name, unit);
}

/// Messages per second and processor time, each with the ratio to the first peer, and shares.
fn rates(results: &Results, part: &str, cells: &[Cell], name: &str, unit: &str) {
    let peers = results.peers(part);
    let Some(base) = peers.first() else {
        return;
    };
    let cells = || {
        let measured = |cell: &&Cell| {
            let has = |peer: &&str| results.median(part, cell.0, peer, 0).is_some();
            peers.iter().any(has)
        };
        cells.iter().filter(measured)
    };
    title(name);
    head(unit, &peers);
    let mut marked = false;
    for (cell, label) in cells() {
        let reference = results.median(part, cell, base, 0);
        let figures = peers.iter().map(|peer| {
            let Some(rate) = results.median(part, cell, peer, 0) else {
                return NONE.to_owned();
            };
            let loads = results.is_the_loads(part, cell, peer);
            let mark = if loads { "*" } else { "" };
            marked |= loads;
            match reference.filter(|_| peer != base) {
                Some(reference) => format!("{}{mark} ({:.2})", short(rate), rate / reference),
                None => format!("{}{mark}", short(rate)),
            }
        });
        let figures: Vec<String> = figures.collect();
        row([vec![label.to_string()], figures].concat());
    }
    println!("\nIn parentheses: of {base}.");
    if marked {
        println!("\\* The load's core was full and the server's was not: the server can do more.");
    }
    println!(
        "\nThe server's processor time per message in µs, how many times that of {base} it is, and the parts of their"
    );
    println!("cores that server and load used:\n");
    head(unit, &peers);
    for (cell, label) in cells() {
        let reference = results.median(part, cell, base, 2);
        let figures = peers.iter().map(|peer| {
            let column = |column| results.median(part, cell, peer, column);
            let (Some(server), Some(each), Some(load)) = (column(1), column(2), column(3)) else {
                return NONE.to_owned();
            };
            let shares = format!("{:.0} %, {:.0} %", server * 100.0, load * 100.0);
            match reference.filter(|_| peer != base) {
                Some(reference) => format!("{each:.2}, {:.2} × ({shares})", each / reference),
                None => format!("{each:.2} ({shares})"),
            }
        });
        row([label.to_string()].into_iter().chain(figures));
    }
}

/// What a message costs while something grows.
pub fn growth(results: &Results) {
    let groups = [
        (
            "growth-busy",
            "connections, all of them busy (echo of 125 B)",
        ),
        (
            "growth-idle-beside",
            "connections, 10 of them busy (echo of 125 B)",
        ),
        (
            "growth-channels",
            "channels, published to at random by POST",
        ),
        (
            "growth-behind",
            "subscribers that read nothing, beside 100 that read everything",
        ),
        ("growth-size", "bytes of a message (echo, 4 connections)"),
    ];
    if groups
        .iter()
        .all(|(part, _)| results.peers(part).is_empty())
    {
        return;
    }
    title("Growth: the server's processor time per message");
    println!(
        "What a message costs while something grows, and how many times that of the cheapest row it is. Beside it the"
    );
    println!(
        "raw echo, where there is one: what it grows by too is the machine's and the kernel's."
    );
    for (part, label) in groups {
        let mut rows: Vec<(u64, &str)> = results
            .cells(part)
            .into_iter()
            .filter_map(|cell| Some((cell.parse().ok()?, cell)))
            .collect();
        rows.sort_unstable();
        let cost = |cell: &str, peer: &str| results.median(part, cell, peer, 2);
        let has_raw = results.peers(part).contains(&"raw");
        // Messages of all sizes don't cost the same: there it is the ratio to raw that should be flat.
        let of_sizes = part == "growth-size";
        let cheapest = |peer| {
            let costs = rows.iter().filter_map(|(_, cell)| cost(cell, peer));
            costs.fold(f64::INFINITY, f64::min)
        };
        let (ours, raws) = (cheapest("barewire"), cheapest("raw"));
        if rows.is_empty() {
            continue;
        }
        println!();
        let columns: &[&str] = match (has_raw, of_sizes) {
            (_, true) => &["barewire, µs", "ns per byte", "raw, µs", "barewire / raw"],
            (true, _) => &[
                "barewire, µs",
                "of the cheapest",
                "raw, µs",
                "of the cheapest",
                "barewire / raw",
            ],
            _ => &["barewire, µs", "of the cheapest"],
        };
        head(label, columns);
        for (count, cell) in &rows {
            let figure = |value: Option<f64>| {
                value.map_or(NONE.to_owned(), |value| match value {
                    1000.0.. => format!("{value:.0}"),
                    _ => format!("{value:.2}"),
                })
            };
            let (our, raw) = (cost(cell, "barewire"), cost(cell, "raw"));
            let of_raw = our.zip(raw).map(|(our, raw)| our / raw);
            let mut figures = vec![thousands(*count), figure(our)];
            if of_sizes {
                figures.push(figure(our.map(|our| our * 1000.0 / *count as f64)));
                figures.push(figure(raw));
                figures.push(figure(of_raw));
            } else {
                figures.push(figure(our.map(|our| our / ours)));
                if has_raw {
                    figures.push(figure(raw));
                    figures.push(figure(raw.map(|raw| raw / raws)));
                    figures.push(figure(of_raw));
                }
            }
            row(figures);
        }
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn idle(results: &Results) {
    let cells = [
        ("socket", "WebSocket, echo"),
        ("subscriber", "WebSocket, channel"),
        ("events", "SSE, channel"),
        ("poll", "long poll, channel"),
    ];
    let peers = results.peers("idle");
    if peers.is_empty() {
        return;
    }
    title(
        "Idle: bytes of the server's process for each connection beyond the first thousand, at 9,000",
    );
    head("", &peers);
    for (cell, label) in cells {
        let figures = peers.iter().map(|peer| {
            let each = results.median("idle", cell, peer, 0);
            each.map_or(NONE.to_owned(), |each| format!("{each:.0}"))
        });
        row([label.to_owned()].into_iter().chain(figures));
    }
}

/// System calls: how often each is made, and how often in vain.
pub fn syscalls(results: &Results) {
    const PART: &str = "syscalls";
    /// What stands for reading and for writing, whatever the call is called.
    const READS: [&str; 5] = ["read", "readv", "recv", "recvfrom", "recvmsg"];
    const WRITES: [&str; 5] = ["write", "writev", "send", "sendto", "sendmsg"];
    let peers = results.peers(PART);
    if peers.is_empty() {
        return;
    }
    title("System calls (strace)");
    println!(
        "For each time that a client has sent what it has in flight, which is one readiness event; in parentheses for"
    );
    println!("each message.\n");
    head("", &peers);
    for (cell, label) in &ECHOES {
        let in_flight: f64 = label
            .rsplit(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(1.0);
        // Of each kind, in one column, per message.
        let counted = |peer: &str, column: usize, of_kind: &dyn Fn(&str) -> bool| -> f64 {
            let of_kind = |name: &&str| {
                let call = name
                    .strip_prefix(cell)
                    .and_then(|name| name.strip_prefix(' '));
                call.is_some_and(of_kind)
            };
            let names = results.cells(PART).into_iter().filter(of_kind);
            let each = |name| results.median(PART, name, peer, column).unwrap_or_default();
            names.map(each).sum()
        };
        let reads = |call: &str| READS.contains(&call);
        let writes = |call: &str| WRITES.contains(&call);
        let waits = |call: &str| call.starts_with("epoll_");
        let others = |call: &str| !reads(call) && !writes(call) && !waits(call);
        type Kind<'a> = (&'a str, usize, &'a dyn Fn(&str) -> bool);
        let kinds: [Kind; 5] = [
            ("reads", 0, &reads),
            ("writes", 0, &writes),
            ("waits", 0, &waits),
            ("others", 0, &others),
            ("in vain", 1, &|_| true),
        ];
        if peers.iter().all(|peer| counted(peer, 0, &|_| true) == 0.0) {
            continue;
        }
        for (kind, column, of_kind) in kinds {
            let figures = peers.iter().map(|peer| {
                let each = counted(peer, column, of_kind);
                format!("{:.2} ({each:.3})", each * in_flight)
            });
            row([format!("{label}: {kind}")].into_iter().chain(figures));
        }
    }
}

pub fn weight(results: &Results) {
    let peers = results.peers("weight");
    if peers.is_empty() {
        return;
    }
    title("Weight of the smallest echo server");
    head(
        "",
        [
            "crates",
            "clean release build, s",
            "stripped, KB",
            "resident when started, KB",
        ],
    );
    for peer in peers {
        let column =
            |column, divisor: f64, digits| match results.median("weight", "echo", peer, column) {
                Some(value) if value > 0.0 => format!("{:.digits$}", value / divisor),
                _ => NONE.to_owned(),
            };
        row([
            peer.to_owned(),
            column(1, 1.0, 0),
            column(0, 1.0, 1),
            column(2, 1000.0, 0),
            column(3, 1.0 / 1.024, 0),
        ]);
    }
}
