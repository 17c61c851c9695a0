//! WebSocket framing: RFC 6455 sections 5 and 7.4, as a codec. Bytes in, events out; no socket,
//! clock or randomness.
//!
//! ```text
//!            bytes read                                 bytes to write
//!                |                                            ^
//!   Decoder      | which frame is allowed here                | write_message, write_ping, write_pong,
//!   decode.rs    | fragments to messages, limits              | write_close, Fragmenter     encode.rs
//!                |                                            |
//!   Header       | the bits of one header      frame.rs       |
//!   mask()       | the masking key             mask.rs        |
//!   Close        | code and reason             close.rs       |
//!                v                                            |
//!         Event<'_>, Message<'_>           message.rs      Message<'_>
//! ```
//!
//! **Receiving** is one call in a loop. The decoder takes the mask off in the buffer that was read
//! into and lends the payload from there, so a message that arrives whole is neither copied nor
//! allocated for. Only a message that is cut, by its sender or by the network, is put together in a
//! buffer of the decoder, which is given back when the message was seen. A decoder with nothing to
//! keep is 16 bytes.
//!
//! **The one rule**: call [`Decoder::decode`] on what is left of the input until `event` is `None`.
//! Then all of the input is used, and nothing is kept but what is incomplete.
//!
//! ```
//! use barewire::ws::{self, Decoder, Event, Limits, Message, Role};
//!
//! let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // "Hello", masked
//! let mut out = Vec::new();
//! let mut decoder = Decoder::new(Role::Server);
//! let mut used = 0;
//! loop {
//!     let decoded = decoder.decode(&mut read[used..], &Limits::default())?;
//!     used += decoded.used;
//!     match decoded.event {
//!         None => break,
//!         Some(Event::Message(message)) => ws::write_message(&mut out, message, None),
//!         Some(Event::Ping(payload)) => ws::write_pong(&mut out, payload, None)?,
//!         Some(Event::Pong(_)) => {}
//!         Some(Event::Close(close)) => ws::write_close(&mut out, close, None),
//!     }
//! }
//! assert_eq!(out, b"\x81\x05Hello");
//! # Ok::<(), ws::Error>(())
//! ```
//!
//! **Compressed messages** (permessage-deflate, RFC 7692) come with the feature `deflate`: its module
//! `deflate` negotiates them and inflates them on their way through the decoder.
//!
//! **What is strict.** Every violation of section 5 ends the decoder with an [`Error`] that knows
//! its close code. Reserved bits, lengths that are not in their shortest form and close codes that
//! may not be on the wire are refused. Text fails at the first byte that cannot be UTF-8, in a
//! fragment or frame that is not yet complete too. Limits are compared with what a header declares,
//! before memory is taken, and memory grows only with what has arrived.

mod assembly;
mod close;
mod close_code;
mod decode;
#[cfg(feature = "deflate")]
pub mod deflate;
mod encode;
mod error;
mod frame;
pub mod handshake;
mod mask;
mod message;
#[cfg(feature = "lens")]
mod raw;
mod utf8;

pub use close::{Close, MAX_CLOSE_REASON};
pub use close_code::CloseCode;
#[cfg(feature = "lens")]
pub(crate) use decode::admit;
pub use decode::{Decoded, Decoder};
pub use encode::{
    Fragmenter, write_close, write_compressed, write_message, write_ping, write_pong,
};
pub use error::Error;
pub use frame::{EncodedHeader, Header, MAX_CONTROL_PAYLOAD, MAX_HEADER, Opcode};
pub use mask::{mask, mask_into};
pub use message::{
    Event, Kind, Limits, MAX_FRAGMENTS, MAX_FRAME, MAX_MESSAGE, Message, OwnedMessage, Role,
};

#[cfg(feature = "lens")]
pub use raw::RawHeader;
#[cfg(feature = "lens")]
pub(crate) use utf8::Utf8;

#[cfg(test)]
mod tests;
