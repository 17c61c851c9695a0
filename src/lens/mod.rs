//! The lens: every byte on the wire, and what it means.
//!
//! ```text
//!   bytes of one direction ──► Direction ──► Thing ──► explain() ──► Span ──► Span ...
//!                                │            head │ body │ chunk │ frame │ event │ ...
//!   both of a connection ──► Conversation
//! ```
//!
//! A [`Conversation`] takes the bytes of a connection as they come, from both sides, and gives [`Thing`]s: heads, bodies,
//! chunks, frames, and the events and messages that they carry. Each can be opened ([`Thing::explain`]) into nested
//! [`Span`]s: which bytes, and which bits of them, what they mean in a sentence, and the section that says so. What
//! breaks a rule has a [`Problem`]: which, and what its receiver must do.
//!
//! It is built on the codecs ([`http`](crate::http), [`ws`](crate::ws), [`sse`](crate::sse)) and asks them everything
//! that can be right or wrong, so it can't disagree with them. Where they stop, it goes on: it says what it does not
//! understand. **Every byte belongs to exactly one leaf, and how the bytes are cut changes nothing.** Memory is
//! bounded, whatever comes: see [`Options`]. Secrets (credentials, cookies, tokens in targets) are masked unless they
//! are asked for; what is sent in bodies and messages is shown.
//!
//! ```
//! use barewire::lens::{Direction, Kind, Options, Side};
//!
//! let mut direction = Direction::frames(Side::Client, Options::default());
//! direction.feed(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81\x02Hi", &mut |thing| {
//!     let Kind::Frame(frame) = &thing.kind else { unreachable!("there are only frames") };
//!     let text = String::from_utf8_lossy(&thing.payload()).into_owned();
//!     let rule = thing.problem.as_ref().map(|problem| problem.rule);
//!     match thing.offset {
//!         0 => assert_eq!((frame.opcode().as_ref(), &*text, rule), ("text", "Hello", None)),
//!         _ => assert_eq!((&*text, rule), ("Hi", Some("RFC 6455 5.1"))), // not masked
//!     }
//! });
//! ```

mod bodies;
mod conversation;
mod direction;
mod events;
mod explain;
mod frames;
mod heads;
mod options;
mod pcap;
mod problem;
mod recording;
mod secrets;
mod span;
mod thing;
#[cfg(feature = "net")]
mod tracer;
mod unknown;

pub use conversation::Conversation;
pub use direction::Direction;
pub use options::Options;
pub use pcap::Pcap;
pub use problem::{Answer, Problem};
pub use recording::{Entry, Happened, NoRecording, Recorder, read};
pub use span::{Bits, Span};
pub use thing::{
    Chunk, Event, Frame, Head, Inflated, Kind, Layer, MAX_PARTS, Message, Place, Side, Thing,
    Unknown,
};

#[cfg(feature = "net")]
pub use tracer::Tracer;

/// Where things go.
type Sink<'a> = &'a mut dyn FnMut(Thing);
