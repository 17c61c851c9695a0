//! permessage-deflate: RFC 7692, compressed messages. Bytes in, bytes out; no socket, clock or randomness.
//!
//! ```text
//!  client                                                                             server
//!    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits  ------->
//!                         <-------  Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover
//!
//!  message      "Hello"
//!                  | DEFLATE (RFC 1951), flushed to a whole byte                       7.2.1
//!               F2 48 CD C9 C9 07 00 00 00 FF FF
//!                  | without the four bytes that every flush ends with
//!               F2 48 CD C9 C9 07 00
//!                  | in frames, the first of them with RSV1                            6
//!  frame        C1 07 F2 48 CD C9 C9 07 00
//! ```
//!
//! **RSV1 is a property of a message, not of a frame** (6): it stands on the first frame of a data message that is
//! compressed, on no continuation and on no control frame, and any message may be sent without it. So compression is
//! tried where it may pay, and left where it does not.
//!
//! **Context takeover** is whether a message may refer to those before it. It makes a stream of similar messages
//! smaller, and costs a state that lives as long as the connection: 46 KiB to inflate, whatever the window, and 371 KiB
//! to deflate (259 KiB with 12 window bits, 245 KiB with 9), for each connection. Without it one state serves every
//! connection of a loop, begun anew for each message, and an idle connection costs nothing; that is the default, for
//! both directions and both roles.
//! A sender may begin anew at any time, agreed or not: what refers to nothing before it is inflated by everybody. That
//! is why one compressed message can be sent to all readers of a channel.
//!
//! **Window bits** say how far back a message may refer: 2^8 to 2^15 bytes. A receiver with a larger window than
//! agreed inflates all the same, so the agreement binds the sender. The DEFLATE of this crate has no window of 2^8 (nor
//! has zlib, whose raw streams know 9 to 15); where 8 was agreed on, only messages that fit into 256 bytes are
//! compressed: those can't refer further back, whatever the window.
//!
//! | file | subject |
//! | --- | --- |
//! | `offer` | the four parameters, offered, accepted and checked (5, 7.1) |
//! | `codec` | [`Deflater`] and [`Inflater`]: one message at a time (7.2) |
//!
//! **What is strict.** A message may not inflate beyond the limit of messages: the limit holds while it is inflated, so
//! that a bomb costs the limit and no more. An offer that is not understood to its last parameter is declined; an
//! answer that is not understood, or that takes what was not offered, fails the connection.
//!
//! ```
//! use barewire::ws::deflate::{Deflater, Inflater, WindowBits};
//!
//! let mut compressed = Vec::new();
//! let text = "Hello, hello, hello, hello".as_bytes();
//! assert!(Deflater::new(6, WindowBits::MAX, false).deflate(text, &mut compressed));
//! assert!(compressed.len() < text.len());
//!
//! let mut inflater = Inflater::new(WindowBits::MAX, false);
//! assert_eq!(inflater.inflate(&compressed, 1_000), Ok(text));
//! ```

mod codec;
mod offer;

pub use codec::{Deflater, Inflater};
pub use offer::{Accepted, Direction, Settings, Terms, WindowBits};

/// The name of the extension (RFC 7692 7).
pub const NAME: &str = "permessage-deflate";

/// Messages smaller than this, in bytes, are not compressed by default: what is saved on them is not worth the time.
pub const THRESHOLD: usize = 256;

/// How hard is tried by default, from 1 (quick) to 9 (small).
pub const LEVEL: u8 = 6;

#[cfg(test)]
mod tests;
