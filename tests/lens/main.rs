//! The lens: what it says of bytes that are spelled out, and laws that hold for any.

// Not all of it is used here.
#[allow(dead_code)]
#[path = "../../fuzz/src/choice.rs"]
mod choice;
#[allow(dead_code)]
#[path = "../../fuzz/src/lens.rs"]
mod law;

// What the example shows.
#[path = "../../examples/lens/json.rs"]
mod json;
#[path = "../../examples/lens/line.rs"]
mod line;
#[path = "../../examples/lens/open.rs"]
mod open;
#[allow(dead_code)]
#[path = "../../examples/lens/view.rs"]
mod view;

mod bodies;
mod frames;
mod heads;
mod properties;
mod recordings;
mod tracer;

use barewire::lens::{Conversation, Direction, Kind, Options, Side, Thing};

/// What a client and a server say, in this order, and what it is.
fn converse(pieces: &[(Side, &[u8])]) -> Vec<Thing> {
    let mut seen = Vec::new();
    let mut conversation = Conversation::new(Options::default());
    for (side, bytes) in pieces {
        conversation.feed(*side, bytes, &mut |thing| seen.push(thing));
    }
    for side in [Side::Client, Side::Server] {
        conversation.end(side, true, &mut |thing| seen.push(thing));
    }
    seen
}

/// What one side says.
fn read(side: Side, bytes: &[u8]) -> Vec<Thing> {
    let mut direction = Direction::new(side, Options::default());
    let mut seen = Vec::new();
    direction.feed(bytes, &mut |thing| seen.push(thing));
    direction.end(true, &mut |thing| seen.push(thing));
    seen
}

/// The kinds of things, each as one word.
fn kinds(things: &[Thing]) -> Vec<&'static str> {
    things
        .iter()
        .map(|thing| match thing.kind {
            Kind::Request(_) => "request",
            Kind::Response(_) => "response",
            Kind::Body => "body",
            Kind::Chunk(_) => "chunk",
            Kind::Frame(_) => "frame",
            Kind::Message(_) => "message",
            Kind::Event(_) => "event",
            Kind::Fields(_) => "fields",
            Kind::Comment => "comment",
            _ => "unknown",
        })
        .collect()
}

/// The rules that are broken, in order.
fn rules(things: &[Thing]) -> Vec<&'static str> {
    let problems = things.iter().filter_map(|thing| thing.problem.as_ref());
    problems.map(|problem| problem.rule).collect()
}
