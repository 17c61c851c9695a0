//! The codecs, from what divan prints: a tree of groups, functions and sizes, with a median in the third column.
//!
//! ```text
//! codecs                  fastest       │ slowest       │ median        │ mean   ...
//! ├─ decode                             │               │               │
//! │  ├─ barewire                        │               │               │
//! │  │  ├─ 20             15.2 ns       │ 16.1 ns       │ 15.4 ns       │ 15.5 ns
//! │  │  │                 1.31 GB/s     │ ...
//! ```

use super::tables::{head, row, title};

/// Where a branch of the tree begins.
const BRANCH: [&str; 2] = ["├─ ", "╰─ "];
/// How wide a level of the tree is.
const LEVEL: usize = 3;

struct Measured {
    group: String,
    function: String,
    size: String,
    /// In nanoseconds.
    median: f64,
}

pub fn tables(text: &str) {
    let measured = read(text);
    if measured.is_empty() {
        return;
    }
    title("Codecs: median time for one, in memory");
    println!("In parentheses: how many times as long as barewire it takes.");
    let groups = [
        (
            "decode",
            "a masked frame, read and decoded",
            "memcpy is the copy out of a socket alone, which is in the others too",
        ),
        ("unmask", "unmasking in place", "memcpy is from elsewhere"),
        ("encode", "a frame, encoded", ""),
        (
            "utf8",
            "UTF-8",
            "barewire gives whole messages to the standard library",
        ),
        (
            "head",
            "a browser's request head of 394 bytes",
            "barewire checks more, as RFC 9112 says; with an upgrade, it also answers the handshake",
        ),
        ("events_encode", "a server-sent event, encoded", ""),
        ("events_decode", "a server-sent event, decoded", ""),
    ];
    for (group, label, note) in groups {
        let rows: Vec<&Measured> = measured.iter().filter(|row| row.group == group).collect();
        let mut functions: Vec<&str> = Vec::new();
        let mut sizes: Vec<&str> = Vec::new();
        for row in &rows {
            if !functions.contains(&row.function.as_str()) {
                functions.push(&row.function);
            }
            if !sizes.contains(&row.size.as_str()) {
                sizes.push(&row.size);
            }
        }
        functions.sort_by_key(|function| !function.starts_with("barewire"));
        if rows.is_empty() {
            continue;
        }
        println!();
        head(label, functions.iter().map(|name| name.replace('_', "-")));
        for size in sizes {
            let median = |function: &str| {
                let row = rows
                    .iter()
                    .find(|row| row.function == function && row.size == size);
                row.map(|row| row.median)
            };
            let ours = median("barewire");
            let figures = functions.iter().map(|function| {
                let Some(time) = median(function) else {
                    return "–".to_owned();
                };
                match ours.filter(|_| *function != "barewire") {
                    Some(ours) => format!("{} ({:.2})", duration(time), time / ours),
                    None => duration(time),
                }
            });
            let name = match size.parse::<usize>() {
                Ok(size) if size >= 1024 * 1024 => format!("{} MiB", size / 1024 / 1024),
                Ok(size) if size >= 1024 => format!("{} KiB", size / 1024),
                Ok(size) => format!("{size} B"),
                Err(_) => String::new(),
            };
            row([name].into_iter().chain(figures));
        }
        if !note.is_empty() {
            println!("\n({note}.)");
        }
    }
}

fn read(text: &str) -> Vec<Measured> {
    let mut measured = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(at) = BRANCH.iter().find_map(|branch| line.find(branch)) else {
            continue;
        };
        let depth = line[..at].chars().count() / LEVEL;
        let behind: String = line[at..].chars().skip(LEVEL).collect();
        let columns: Vec<&str> = behind.split('│').collect();
        let name = columns[0].split_whitespace().next().unwrap_or_default();
        path.truncate(depth);
        path.push(name.to_owned());
        if let (Some(median), [group, function, rest @ ..]) =
            (columns.get(2).and_then(|text| nanoseconds(text)), &path[..])
        {
            measured.push(Measured {
                group: group.clone(),
                function: function.clone(),
                size: rest.first().cloned().unwrap_or_default(),
                median,
            });
        }
    }
    measured
}

fn nanoseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let factor = match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        1e6.. => format!("{:.2} ms", nanoseconds / 1e6),
        1e3.. => format!("{:.2} µs", nanoseconds / 1e3),
        _ => format!("{nanoseconds:.1} ns"),
    }
}
