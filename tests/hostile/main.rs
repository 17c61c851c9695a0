//! Hostile bytes, over real sockets, as tables: what a peer sends, which section of which standard decides, and what
//! must come back.
//!
//! Each group is a file with a table of [`case::Case`]s and one server that lives through all of them. Every case is
//! also sent byte by byte where it is short, because how bytes are cut must not matter. A case that is refused is
//! followed by a whole request that would publish: none of it may ever be read. Behind each group a publish and a
//! poll have to work as if nothing had been, and the memory that the group took at its peak has to be bounded.

mod bodies;
mod case;
mod chunks;
mod crowds;
mod deadlines;
mod endings;
mod frames;
mod handshakes;
mod heads;
mod memory;
mod parameters;
mod resources;
#[allow(dead_code)]
#[path = "../sockets/support.rs"]
mod support;
mod targets;
