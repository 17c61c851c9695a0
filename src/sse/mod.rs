//! text/event-stream, both sides: WHATWG HTML 9.2, "Server-sent events".
//!
//! A stream is UTF-8 text made of lines; lines form blocks, and a blank line ends a block and
//! dispatches it as one event:
//!
//! ```text
//!   id: 1700000000000-3      becomes the last event ID, which outlives the block
//!   event: price             the event's type; "message" without this line
//!   retry: 3000              how long a client waits before it connects again, in milliseconds
//!   data: 42                 one line of the data; several are joined by LF
//!   data: 43
//!                            the blank line: dispatch
//!   : anything               a comment; carries nothing but the news that the peer lives
//! ```
//!
//! A line is `name ":" [" "] value`, or a name alone, which has the empty value. It ends with LF,
//! CR or CRLF. Because any of the three ends a line, text that reaches a name, an ID or a comment
//! unchecked can forge whole events. So the writing side takes those only as types that refuse such
//! text ([`EventName`], [`EventId`], [`Comment`]), and splits the data itself: what can be built
//! can be sent, and arrives as exactly the fields it was built from.
//!
//! - [`write_event`] and its siblings append whole blocks to a buffer. Blocks may be concatenated,
//!   cached and shared between readers, since no block depends on another.
//! - [`Decoder`] takes a stream cut in any way and lends its events one at a time.

mod decode;
mod encode;
mod error;
mod line;

pub use decode::{Decoder, MAX_EVENT, Received};
pub(crate) use encode::data_len;
pub use encode::{
    Comment, Event, EventId, EventName, HEARTBEAT, MEDIA_TYPE, write_comment, write_event,
    write_retry,
};
pub use error::Error;
#[cfg(feature = "lens")]
pub(crate) use line::find_line_end;
