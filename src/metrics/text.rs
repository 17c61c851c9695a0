//! The text: families of samples, each with its help and its type in front.

use std::fmt::{self, Write};

use super::Histogram;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as text, in the order in which they are written.
///
/// ```
/// use barewire::metrics::Text;
///
/// let mut text = Text::new();
/// text.counter("jobs_total", "Jobs that were done.").value(3_u64);
/// text.gauge("workers", "Workers, by what they do.")
///     .labelled("state", "busy", 2_u64)
///     .labelled("state", "idle", 6_u64);
/// assert_eq!(
///     text.as_str(),
///     "# HELP jobs_total Jobs that were done.\n# TYPE jobs_total counter\njobs_total 3\n\
///      \x23 HELP workers Workers, by what they do.\n# TYPE workers gauge\n\
///      workers{state=\"busy\"} 2\nworkers{state=\"idle\"} 6\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Text {
    out: String,
}

/// A number of a sample: counts are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
}

/// The value of a label: never anything that has come from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A word of the program's.
    Word(&'static str),
    /// A number out of few, such as a status.
    Number(u16),
}

/// The samples of one family.
#[derive(Debug)]
pub struct Samples<'t> {
    out: &'t mut String,
    name: &'static str,
}

impl Text {
    /// No metrics.
    pub fn new() -> Text {
        Text::default()
    }

    /// Begins a counter: a number that only grows while the program runs. Its name ends with `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Samples<'_> {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.begin(name, help, "counter")
    }

    /// Begins a gauge: a number that is what it is at the moment.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Samples<'_> {
        debug_assert!(!name.ends_with("_total"), "{name}");
        self.begin(name, help, "gauge")
    }

    /// Writes a histogram of durations, in seconds. Its name ends with `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        debug_assert!(name.ends_with("_seconds"), "{name}");
        let Samples { out, name } = self.begin(name, help, "histogram");
        // Writing to a string has no way to fail.
        for (bound, count) in histogram.cumulative() {
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let count = histogram.count();
        let sum = Value::Real(histogram.sum().as_secs_f64());
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}");
    }

    fn begin(&mut self, name: &'static str, help: &str, kind: &str) -> Samples<'_> {
        debug_assert!(is_name(name), "{name}");
        let out = &mut self.out;
        let _ = write!(out, "# HELP {name} ");
        escape(out, help, false);
        let _ = writeln!(out, "\n# TYPE {name} {kind}");
        Samples { out, name }
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// All of it.
    pub fn into_string(self) -> String {
        self.out
    }
}

impl Samples<'_> {
    /// The only sample of the family.
    pub fn value(self, value: impl Into<Value>) {
        let _ = writeln!(self.out, "{} {}", self.name, value.into());
    }

    /// One sample of several.
    pub fn labelled(
        self,
        label: &'static str,
        of: impl Into<Label>,
        value: impl Into<Value>,
    ) -> Self {
        debug_assert!(is_name(label) && !label.contains(':'), "{label}");
        let _ = write!(self.out, "{}{{{label}=\"", self.name);
        match of.into() {
            Label::Word(word) => escape(self.out, word, true),
            Label::Number(number) => {
                let _ = write!(self.out, "{number}");
            }
        }
        let _ = writeln!(self.out, "\"}} {}", value.into());
        self
    }
}

/// Help escapes the backslash and line feeds; values of labels are in quotes and escape those, too.
fn escape(out: &mut String, text: &str, quoted: bool) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            char => out.push(char),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_begin = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_begin) && bytes.all(|byte| is_begin(byte) || byte.is_ascii_digit())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Whole(number) => write!(f, "{number}"),
            Value::Real(number) if number.is_infinite() && number > 0.0 => f.write_str("+Inf"),
            Value::Real(number) if number.is_infinite() => f.write_str("-Inf"),
            Value::Real(number) => write!(f, "{number}"),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Real(number)
    }
}

impl From<&'static str> for Label {
    fn from(word: &'static str) -> Label {
        Label::Word(word)
    }
}

impl From<u16> for Label {
    fn from(number: u16) -> Label {
        Label::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn help_and_labels_are_escaped_each_in_its_way() {
        let mut text = Text::new();
        text.gauge("a", "one \\ and\na \"line\"")
            .labelled("of", "\\ \n \"", 1_u64);
        assert_eq!(
            text.as_str(),
            "# HELP a one \\\\ and\\na \"line\"\n# TYPE a gauge\na{of=\"\\\\ \\n \\\"\"} 1\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_the_last_one_has_all() {
        let mut histogram = Histogram::default();
        for micros in [5, 30, 30, 90_000, 99_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut text = Text::new();
        text.histogram("a_seconds", "Of some.", &histogram);
        let lines: Vec<&str> = text.as_str().lines().collect();
        assert_eq!(lines[0], "# HELP a_seconds Of some.");
        assert_eq!(lines[1], "# TYPE a_seconds histogram");
        assert_eq!(lines[2], "a_seconds_bucket{le=\"0.00001\"} 1");
        assert_eq!(lines[4], "a_seconds_bucket{le=\"0.00005\"} 3");
        assert_eq!(lines[20], "a_seconds_bucket{le=\"10\"} 4");
        assert_eq!(
            lines[21..],
            [
                "a_seconds_bucket{le=\"+Inf\"} 5",
                "a_seconds_sum 99.090065",
                "a_seconds_count 5"
            ]
        );
    }

    #[test]
    fn numbers_are_exact_or_said_as_the_format_says_them() {
        for (value, text) in [
            (Value::Whole(u64::MAX), "18446744073709551615"),
            (Value::Real(0.25), "0.25"),
            (Value::Real(1e-5), "0.00001"),
            (Value::Real(f64::INFINITY), "+Inf"),
            (Value::Real(f64::NEG_INFINITY), "-Inf"),
            (Value::Real(f64::NAN), "NaN"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn a_name_is_what_the_data_model_allows() {
        for name in ["a", "_a9", "a:b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "9a", "a-b", "a b", "\u{e4}"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
