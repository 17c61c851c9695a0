//! The plot: for every echo cell one bar per peer, as long as its part of what the raw echo does.

use std::fmt::Write;

use super::{ECHOES, FANOUTS, Results, short};

const WIDTH: usize = 760;
const LEFT: usize = 160;
const BAR: usize = 14;
/// As long as the largest bar.
const FULL: f64 = 420.0;

/// Colours that keep their contrast on white and on black, and to eyes that tell no red from green.
const COLOURS: [(&str, &str); 5] = [
    ("raw", "#8a8f98"),
    ("barewire", "#2f81f7"),
    ("fastwebsockets", "#d18616"),
    ("tokio-tungstenite", "#a371f7"),
    ("axum", "#e5534b"),
];

/// A cell's name, and how the plot calls it.
type Cell = (&'static str, &'static str);

pub fn draw(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 20;
    let groups: [(&str, &str, &[Cell]); 2] = [
        (
            "echo",
            "Echo, messages per second: connections × size × in flight",
            &ECHOES,
        ),
        (
            "fanout",
            "Fan-out of 100 bytes, deliveries per second: subscribers × in flight",
            &FANOUTS,
        ),
    ];
    for (part, name, cells) in groups {
        if results.peers(part).is_empty() {
            continue;
        }
        text(&mut body, 10, y, "name", name);
        y += 14;
        for (cell, label) in cells {
            let bars: Vec<_> = COLOURS
                .iter()
                .filter_map(|(peer, colour)| {
                    Some((peer, colour, results.median(part, cell, peer, 0)?))
                })
                .collect();
            let most = bars.iter().map(|(.., rate)| *rate).fold(1.0, f64::max);
            if bars.is_empty() {
                continue;
            }
            text(&mut body, 10, y + BAR, "label", label);
            for (peer, colour, rate) in bars {
                let length = (rate / most * FULL).max(1.0);
                let _ = writeln!(
                    body,
                    r#"<rect x="{LEFT}" y="{}" width="{length:.0}" height="{}" rx="2" fill="{colour}"/>"#,
                    y + 2,
                    BAR - 3
                );
                let caption = format!("{peer} {}", short(rate));
                text(
                    &mut body,
                    LEFT + length as usize + 6,
                    y + BAR - 2,
                    "bar",
                    &caption,
                );
                y += BAR;
            }
            y += 10;
        }
        y += 16;
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" font-family="system-ui, sans-serif" font-size="11">
<style>text {{ fill: #1f2328 }} .name {{ font-size: 13px; font-weight: 600 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}</style>
{body}</svg>
"#
    )
}

fn text(body: &mut String, x: usize, y: usize, class: &str, text: &str) {
    let _ = writeln!(
        body,
        r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#
    );
}
