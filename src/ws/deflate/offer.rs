//! The parameters of permessage-deflate: RFC 7692 5 and 7.1.
//!
//! ```text
//!                                   in an offer (client)                   in an answer (server)
//!  server_no_context_takeover       the server shall not refer back        agreed; also without being asked (7.1.1.1)
//!  client_no_context_takeover       a hint: the client will not            the client shall not            (7.1.1.2)
//!  server_max_window_bits=8..15     the server's window, at most           agreed, perhaps smaller; also
//!                                                                          without being asked             (7.1.2.1)
//!  client_max_window_bits[=8..15]   the client can do this; perhaps that   the client's window, at most;
//!                                   it needs no more than the value        only if it was offered          (7.1.2.2)
//! ```
//!
//! A value is a decimal from 8 to 15 without a leading zero (7.1.2.1), as a token or as a quoted token (RFC 6455 9.1).
//! A parameter that is not one of these, that comes twice, or that has a value it can't have, makes the whole offer
//! one that is declined (7.1), and the whole answer one that fails the connection.
//!
//! The invariant: [`Terms`] never allow a sender more than both sides said.

use super::{LEVEL, NAME, THRESHOLD};
use crate::http::is_token;
use crate::ws::handshake::HandshakeError;

const SERVER_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// How far back a message may refer: the base-2 logarithm of a number of bytes, 8 to 15 (RFC 7692 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: WindowBits = WindowBits(8);
    /// 32 KiB.
    pub const MAX: WindowBits = WindowBits(15);

    /// `None` unless `bits` is from 8 to 15.
    pub const fn new(bits: u8) -> Option<WindowBits> {
        match bits {
            8..=15 => Some(WindowBits(bits)),
            _ => None,
        }
    }

    /// From 8 to 15.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The window in bytes.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }

    /// RFC 7692 7.1.2.1: decimal, without leading zeroes.
    fn parse(value: &[u8]) -> Option<WindowBits> {
        match value {
            [digit @ (b'8' | b'9')] => Some(WindowBits(digit - b'0')),
            [b'1', digit @ b'0'..=b'5'] => Some(WindowBits(10 + digit - b'0')),
            _ => None,
        }
    }
}

impl Default for WindowBits {
    fn default() -> WindowBits {
        WindowBits::MAX
    }
}

/// What one side of a connection wants of permessage-deflate. The default keeps nothing between messages, in neither
/// direction: see the [module](super) for what it costs to keep.
///
/// ```
/// use barewire::ws::deflate::Settings;
/// let settings = Settings { threshold: 1_024, ..Settings::default() };
/// assert_eq!(settings.offer().split(';').next(), Some("permessage-deflate"));
/// ```
///
/// Written as `Settings { threshold, ..Settings::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How hard to try, from 1 (quick) to 9 (small); [`LEVEL`] is 6. Level 1 takes about a fifth of its time and leaves
    /// small messages a third larger, large ones twice as large.
    pub level: u8,
    /// Messages with fewer bytes are sent as they are ([`THRESHOLD`], 256).
    pub threshold: usize,
    /// Whether our messages may refer to earlier ones: up to 371 KiB for each connection that has sent a compressed
    /// one. Default: no.
    pub takeover: bool,
    /// How far back our messages may refer. A smaller window takes less memory and compresses less. Default: 15,
    /// 32 KiB.
    pub window_bits: WindowBits,
    /// Whether the peer's messages may refer to earlier ones: 46 KiB for each connection that has received a compressed
    /// one. Default: no.
    pub peer_takeover: bool,
    /// How far back the peer's messages may refer, if it agrees to the limit. Default: 15, 32 KiB.
    pub peer_window_bits: WindowBits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            level: LEVEL,
            threshold: THRESHOLD,
            takeover: false,
            window_bits: WindowBits::MAX,
            peer_takeover: false,
            peer_window_bits: WindowBits::MAX,
        }
    }
}

/// What was agreed on for the messages of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Direction {
    /// They may refer to earlier messages.
    pub takeover: bool,
    /// How far back they may refer.
    pub window_bits: WindowBits,
}

/// What was agreed on, as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// For our messages.
    pub send: Direction,
    /// For the peer's.
    pub receive: Direction,
}

/// An offer that a server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// What is agreed on.
    pub terms: Terms,
    /// The value of Sec-WebSocket-Extensions to answer.
    pub answer: String,
}

impl Settings {
    /// What a server answers: the answer to the first offer that it can take, or `None` if there is no such offer. `offers` are the
    /// members of Sec-WebSocket-Extensions, in order, over all fields of this name
    /// ([`Upgrade::extension_offers`](crate::ws::handshake::Upgrade::extension_offers)); those of other extensions are
    /// passed over.
    pub fn accept<'a>(&self, offers: impl Iterator<Item = &'a [u8]>) -> Option<Accepted> {
        offers
            .filter_map(Parameters::parse)
            .find_map(|offer| self.accept_one(offer?))
    }

    fn accept_one(&self, offer: Parameters) -> Option<Accepted> {
        let asked = match offer.server_window {
            Window::Absent => None,
            // In an offer this one has a value (7.1.2.1).
            Window::Bare => return None,
            Window::Bits(bits) => Some(bits),
        };
        let send = Direction {
            takeover: self.takeover && !offer.server_no_takeover,
            window_bits: asked.map_or(self.window_bits, |bits| bits.min(self.window_bits)),
        };
        // What only the client can do is asked of it only if it said that it can (7.1.2.2).
        let (window_bits, tell_client) = match offer.client_window {
            Window::Absent => (WindowBits::MAX, false),
            Window::Bare => (self.peer_window_bits, true),
            Window::Bits(bits) => (bits.min(self.peer_window_bits), true),
        };
        let receive = Direction {
            // A client that can't keep to our window may not refer back at all, so that no memory is kept for it.
            takeover: self.peer_takeover
                && !offer.client_no_takeover
                && window_bits <= self.peer_window_bits,
            window_bits,
        };
        let answer = Parameters {
            server_no_takeover: !send.takeover,
            client_no_takeover: !receive.takeover,
            server_window: Window::told(send.window_bits, asked.is_some()),
            client_window: Window::told(window_bits, false).only_if(tell_client),
        };
        Some(Accepted {
            terms: Terms { send, receive },
            answer: answer.to_string(),
        })
    }

    /// What a client offers: the value of Sec-WebSocket-Extensions.
    pub fn offer(&self) -> String {
        self.offered().to_string()
    }

    fn offered(&self) -> Parameters {
        Parameters {
            server_no_takeover: !self.peer_takeover,
            client_no_takeover: !self.takeover,
            server_window: Window::told(self.peer_window_bits, false),
            client_window: match self.window_bits {
                WindowBits::MAX => Window::Bare,
                bits => Window::Bits(bits),
            },
        }
    }

    /// What a client makes of a server's answer to [`Settings::offer`]: the members of its Sec-WebSocket-Extensions.
    /// `None` is that messages are not compressed.
    ///
    /// # Errors
    /// The answer names another extension, or this one twice, or is no answer to what was offered (RFC 7692 5.1 and
    /// 7.1): the connection is to be failed.
    pub fn check<'a>(
        &self,
        mut answer: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Terms>, HandshakeError> {
        let Some(member) = answer.next() else {
            return Ok(None);
        };
        let parameters = Parameters::parse(member).ok_or(HandshakeError::ExtensionNotOffered)?;
        let terms = parameters.and_then(|answer| self.agree(&self.offered(), answer));
        match answer.next() {
            None => terms.map(Some).ok_or(HandshakeError::ExtensionParameters),
            Some(_) => Err(HandshakeError::ExtensionParameters),
        }
    }

    fn agree(&self, offer: &Parameters, answer: Parameters) -> Option<Terms> {
        // What was asked of the server is in its answer, or the answer is none (7.1.1.1, 7.1.2.1).
        if offer.server_no_takeover && !answer.server_no_takeover {
            return None;
        }
        let server_bits = match (offer.server_window, answer.server_window) {
            (Window::Absent, Window::Absent) => WindowBits::MAX,
            (Window::Absent, Window::Bits(bits)) => bits,
            (Window::Bits(most), Window::Bits(bits)) if bits <= most => bits,
            _ => return None,
        };
        // A client's offer always says that it can be told a window.
        let client_bits = match answer.client_window {
            Window::Absent => self.window_bits,
            Window::Bits(bits) => bits.min(self.window_bits),
            // In an answer this one has a value (7.1.2.2).
            Window::Bare => return None,
        };
        Some(Terms {
            send: Direction {
                takeover: self.takeover && !answer.client_no_takeover,
                window_bits: client_bits,
            },
            receive: Direction {
                takeover: !answer.server_no_takeover,
                window_bits: server_bits,
            },
        })
    }
}

/// One offer, or one answer.
#[derive(Clone, Copy, Debug, Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_window: Window,
    client_window: Window,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Window {
    #[default]
    Absent,
    /// Without a value.
    Bare,
    Bits(WindowBits),
}

impl Window {
    /// How a window is written: the largest is the default and is left out.
    fn told(bits: WindowBits, always: bool) -> Window {
        if always || bits < WindowBits::MAX {
            Window::Bits(bits)
        } else {
            Window::Absent
        }
    }

    fn only_if(self, condition: bool) -> Window {
        if condition { self } else { Window::Absent }
    }
}

impl Parameters {
    /// Reads a member of Sec-WebSocket-Extensions. `None`: it is another extension's. `Some(None)`: it is this one's,
    /// and to be declined.
    fn parse(member: &[u8]) -> Option<Option<Parameters>> {
        let (name, rest) = split_parameter(member);
        name.trim_ascii()
            .eq_ignore_ascii_case(NAME.as_bytes())
            .then(|| Parameters::parse_rest(rest))
    }

    fn parse_rest(mut rest: Option<&[u8]>) -> Option<Parameters> {
        let mut parameters = Parameters::default();
        while let Some(all) = rest {
            let (parameter, behind) = split_parameter(all);
            rest = behind;
            let (name, value) = match parameter.iter().position(|&byte| byte == b'=') {
                Some(at) => (&parameter[..at], Some(unquoted(&parameter[at + 1..])?)),
                None => (parameter, None),
            };
            parameters.set(std::str::from_utf8(name.trim_ascii()).ok()?, value)?;
        }
        Some(parameters)
    }

    /// Takes one parameter. `None`: it is unknown, there already, or has a value that it can't have.
    fn set(&mut self, name: &str, value: Option<&[u8]>) -> Option<()> {
        match (name, value) {
            (SERVER_TAKEOVER, None) => once(&mut self.server_no_takeover),
            (CLIENT_TAKEOVER, None) => once(&mut self.client_no_takeover),
            (SERVER_WINDOW, value) => self.server_window.set(value),
            (CLIENT_WINDOW, value) => self.client_window.set(value),
            _ => None,
        }
    }
}

fn once(flag: &mut bool) -> Option<()> {
    (!std::mem::replace(flag, true)).then_some(())
}

impl Window {
    fn set(&mut self, value: Option<&[u8]>) -> Option<()> {
        if *self != Window::Absent {
            return None;
        }
        *self = match value {
            None => Window::Bare,
            Some(value) => Window::Bits(WindowBits::parse(value)?),
        };
        Some(())
    }
}

impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)?;
        for (set, name) in [
            (self.server_no_takeover, SERVER_TAKEOVER),
            (self.client_no_takeover, CLIENT_TAKEOVER),
        ] {
            if set {
                write!(f, "; {name}")?;
            }
        }
        for (window, name) in [
            (self.server_window, SERVER_WINDOW),
            (self.client_window, CLIENT_WINDOW),
        ] {
            match window {
                Window::Absent => {}
                Window::Bare => write!(f, "; {name}")?,
                Window::Bits(bits) => write!(f, "; {name}={}", bits.get())?,
            }
        }
        Ok(())
    }
}

/// What stands before the first semicolon, and what behind it, if there is one. One inside a quoted string does not count.
fn split_parameter(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

/// A value as a token, or as a quoted string that holds one (RFC 6455 9.1). One with escapes is refused: no value of
/// this extension needs any.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    };
    is_token(value).then_some(value)
}
