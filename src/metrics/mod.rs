//! What a server counts, and how it is written for Prometheus (text format, version 0.0.4).
//!
//! ```text
//!   # HELP barewire_gaps_total Readers that were told that messages are missing.      what it is
//!   # TYPE barewire_gaps_total counter                                                how it behaves
//!   barewire_gaps_total 3                                                             a sample
//!   barewire_connections{way="sse"} 10000                                             one of several, by a label
//! ```
//!
//! Each loop counts for itself, in plain numbers (`Tally`); whoever is asked collects those of all loops, adds them up and
//! writes them once ([`Text`]). `Server::metrics` says where; the service's `meter` says when what is counted.
//!
//! The invariant: **no label comes from the network.** Names of labels are `&'static str`, and so are their values, but for
//! numbers: what a client has sent can't become one, and the number of series is known when the program is compiled.

mod histogram;
mod tally;
mod text;

pub use histogram::Histogram;
pub(crate) use tally::{Kind, Reason, Source, Tally, Way};
pub use text::{Label, MEDIA_TYPE, Samples, Text, Value};
