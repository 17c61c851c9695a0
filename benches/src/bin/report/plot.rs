//! The plot: for every cell one bar per peer. Echoes are as long as their part of what the raw echo does, deliveries as
//! long as their part of the fastest.
//!
//! It is narrow, with every label above its bars, so that its letters stay readable when a phone makes it narrower still.
//! It brings its own ground, so that letters and ground always fit each other, in the light and in the dark.

use std::fmt::Write;

use super::{Cell, ECHOES, FANOUTS, Results, short};

const WIDTH: usize = 520;
const EDGE: usize = 14;
const BAR: usize = 15;
/// Between one bar and the next.
const PITCH: usize = 18;
/// As long as the longest bar: behind it is room for what it says.
const LONGEST: f64 = 300.0;

/// Colours that keep their contrast on white and on black, and to eyes that tell no red from green.
const COLOURS: [(&str, &str); 7] = [
    ("raw", "#8a8f98"),
    ("barewire", "#2f81f7"),
    ("fastwebsockets", "#d18616"),
    ("tokio-tungstenite", "#a371f7"),
    ("axum", "#e5534b"),
    ("ws", "#57a88b"),
    ("nchan", "#b58a5a"),
];

const STYLE: &str = "\
.ground { fill: #ffffff } text { fill: #1f2328 } .name { font-size: 15px; font-weight: 600 }
.note, .bar { fill: #59636e } .ours { fill: #1f2328; font-weight: 600 }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } text { fill: #f0f6fc } .note, .bar { fill: #9198a1 } .ours { fill: #f0f6fc }
}";

pub fn draw(results: &Results) -> String {
    let mut plot = Plot {
        body: String::new(),
        y: EDGE + 10,
    };
    plot.group(
        results,
        "echo",
        "Echo: messages per second, and the part of raw",
        "connections × size × messages in flight",
        &ECHOES,
    );
    plot.group(
        results,
        "fanout",
        "Fan-out of 100 bytes: deliveries per second",
        "subscribers × messages in flight",
        &FANOUTS,
    );
    let (body, height) = (plot.body, plot.y);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" style="max-width: 100%; height: auto" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<style>
{STYLE}
</style>
<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>
{body}</svg>
"#
    )
}

struct Plot {
    body: String,
    /// The base line of the next text.
    y: usize,
}

impl Plot {
    fn group(&mut self, results: &Results, part: &str, name: &str, note: &str, cells: &[Cell]) {
        if results.peers(part).is_empty() {
            return;
        }
        self.text("name", EDGE, name);
        self.y += PITCH;
        self.text("note", EDGE, note);
        self.y += 24;
        for (cell, label) in cells {
            self.cell(results, part, cell, label);
        }
        self.y += 10;
    }

    fn cell(&mut self, results: &Results, part: &str, cell: &str, label: &str) {
        let bars: Vec<_> = COLOURS
            .iter()
            .filter_map(|(peer, colour)| {
                Some((*peer, colour, results.median(part, cell, peer, 0)?))
            })
            .collect();
        let most = bars.iter().map(|(.., rate)| *rate).fold(1.0, f64::max);
        let raw = results.median(part, cell, "raw", 0);
        if bars.is_empty() {
            return;
        }
        self.text("label", EDGE, label);
        self.y += 6;
        for (peer, colour, rate) in bars {
            let length = (rate / most * LONGEST).max(2.0);
            let _ = writeln!(
                self.body,
                r#"<rect x="{EDGE}" y="{}" width="{length:.0}" height="{BAR}" rx="2" fill="{colour}"/>"#,
                self.y
            );
            let mark = if results.is_the_loads(part, cell, peer) {
                "*"
            } else {
                ""
            };
            let mut caption = format!("{peer} {}{mark}", short(rate));
            if let Some(raw) = raw.filter(|_| peer != "raw") {
                let _ = write!(caption, " ({:.2})", rate / raw);
            }
            let class = if peer == "barewire" {
                "bar ours"
            } else {
                "bar"
            };
            self.y += BAR - 3;
            self.text(class, EDGE + length as usize + 6, &caption);
            self.y += PITCH + 3 - BAR;
        }
        self.y += 18;
    }

    fn text(&mut self, class: &str, x: usize, text: &str) {
        let y = self.y;
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#
        );
    }
}
