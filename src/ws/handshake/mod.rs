//! The opening handshake: RFC 6455 4, on HTTP/1.1 (RFC 9110 7.8).
//!
//! ```text
//!   GET /chat HTTP/1.1                           HTTP/1.1 101 Switching Protocols
//!   Host: example.com                            Upgrade: websocket
//!   Upgrade: websocket                           Connection: Upgrade
//!   Connection: Upgrade                          Sec-WebSocket-Accept: base64(sha1(key GUID))
//!   Sec-WebSocket-Key: 16 bytes in base64        Sec-WebSocket-Protocol: chat
//!   Sec-WebSocket-Version: 13
//!   Sec-WebSocket-Protocol: chat, superchat
//! ```
//!
//! A server makes an [`Upgrade`] of a request head and lets it write the answer; a
//! client writes its request with [`write_request`] and gives the answer to
//! [`check_response`]. **An [`Upgrade`] that exists may be accepted**: everything that
//! the RFC asks of the request has been checked, and what is left is the server's
//! choice of a subprotocol, of extensions, and of whom it lets in.
//!
//! The key is no secret and the accept no proof of anything but this: the other side
//! speaks WebSocket and is not a cache or an HTTP server that was tricked. The key is
//! passed in, because a codec has no randomness.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::http::{
    self, BodyLength, FieldName, FieldValue, HeadWriter, HttpDate, RequestHead, ResponseHead,
    Status, Values, Version, is_token, request_body_length,
};

/// RFC 6455 1.3: what is appended to the key before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 6455 4.1: the only version there is.
const VERSION: FieldValue<'static> = FieldValue::from_static("13");

/// Subprotocols that one client may offer.
const MAX_PROTOCOLS: usize = 64;

const WEBSOCKET: FieldValue<'static> = FieldValue::from_static("websocket");
const UPGRADE: FieldValue<'static> = FieldValue::from_static("Upgrade");

/// RFC 9110 15.5.22 and RFC 6455 4.4: what a 426 asks for.
const UPGRADE_FIELDS: &[(FieldName<'static>, FieldValue<'static>)] = &[
    (FieldName::UPGRADE, WEBSOCKET),
    (FieldName::CONNECTION, UPGRADE),
    (FieldName::SEC_WEBSOCKET_VERSION, VERSION),
];

/// RFC 9110 15.5.6: what a 405 allows.
const METHOD_FIELDS: &[(FieldName<'static>, FieldValue<'static>)] =
    &[(FieldName::ALLOW, FieldValue::from_static("GET"))];

/// Why a handshake fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET (RFC 6455 4.1, 1).
    Method,
    /// The request is HTTP/1.0, which cannot be upgraded (RFC 6455 4.1, 2).
    HttpVersion,
    /// Upgrade does not offer `websocket` (RFC 6455 4.2.1, 3).
    Upgrade,
    /// Connection does not hold `Upgrade` (RFC 6455 4.2.1, 4).
    Connection,
    /// Sec-WebSocket-Version is not 13, once (RFC 6455 4.2.1, 6 and 4.4).
    WebSocketVersion,
    /// Sec-WebSocket-Key is not 16 bytes in base64, once (RFC 6455 4.2.1, 5).
    Key,
    /// Sec-WebSocket-Protocol is not a list of different tokens (RFC 6455 4.1, 10).
    Protocols,
    /// The request announces a body; its bytes would be read as frames.
    Body,
    /// The server would choose a subprotocol that the client did not offer
    /// (RFC 6455 4.2.2, 5).
    ProtocolNotOffered,
    /// The server refuses: its status is not 101 (RFC 6455 4.1).
    Refused(u16),
    /// Sec-WebSocket-Accept is missing or does not fit the key (RFC 6455 4.1).
    Accept,
    /// The server uses an extension that was not offered (RFC 6455 4.1 and 9.1).
    ExtensionNotOffered,
    /// The server answers an extension's offer with what was not offered, or twice (RFC 7692 5.1 and 7.1).
    ExtensionParameters,
    /// What is to be written into the request is not valid there.
    Http(http::Error),
}

impl HandshakeError {
    /// What a server answers to this, with [`HandshakeError::fields`] in its head.
    pub const fn status(&self) -> Status {
        match self {
            HandshakeError::Method => Status::METHOD_NOT_ALLOWED,
            HandshakeError::Upgrade | HandshakeError::WebSocketVersion => Status::UPGRADE_REQUIRED,
            HandshakeError::ProtocolNotOffered => Status::INTERNAL_SERVER_ERROR,
            HandshakeError::Refused(_)
            | HandshakeError::Accept
            | HandshakeError::ExtensionNotOffered
            | HandshakeError::ExtensionParameters => Status::BAD_GATEWAY,
            HandshakeError::Http(error) => error.status(),
            _ => Status::BAD_REQUEST,
        }
    }

    /// The fields that belong to that answer, a 426 or a 405.
    pub const fn fields(&self) -> &'static [(FieldName<'static>, FieldValue<'static>)] {
        match self {
            HandshakeError::Method => METHOD_FIELDS,
            HandshakeError::Upgrade | HandshakeError::WebSocketVersion => UPGRADE_FIELDS,
            _ => &[],
        }
    }
}

impl std::fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HandshakeError::Method => "a WebSocket handshake is a GET",
            HandshakeError::HttpVersion => "HTTP/1.0 cannot be upgraded",
            HandshakeError::Upgrade => "Upgrade does not name websocket",
            HandshakeError::Connection => "Connection does not name Upgrade",
            HandshakeError::WebSocketVersion => "Sec-WebSocket-Version is not 13",
            HandshakeError::Key => "Sec-WebSocket-Key is not 16 bytes in base64",
            HandshakeError::Protocols => "Sec-WebSocket-Protocol is not a list of different tokens",
            HandshakeError::Body => "a WebSocket handshake has no body",
            HandshakeError::ProtocolNotOffered => "the subprotocol was not offered",
            HandshakeError::Refused(status) => {
                return write!(f, "the server answered {status} instead of 101");
            }
            HandshakeError::Accept => "Sec-WebSocket-Accept does not fit the key",
            HandshakeError::ExtensionNotOffered => "the extension was not offered",
            HandshakeError::ExtensionParameters => "the extension was not offered like this",
            HandshakeError::Http(error) => return std::fmt::Display::fmt(error, f),
        })
    }
}

impl std::error::Error for HandshakeError {}

impl From<http::Error> for HandshakeError {
    fn from(error: http::Error) -> HandshakeError {
        HandshakeError::Http(error)
    }
}

/// The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 4.2.2, 5): the key as it
/// stands in the field, not decoded.
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    encode(&hash.finalize())
}

/// `bytes` in base64, where `N` is the length that they encode to.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    // 20 bytes make 28 characters and 16 make 24, which are the two calls there are.
    debug_assert_eq!(written.ok(), Some(N));
    text
}

/// Whether the request offers to become a WebSocket. Whether it does so properly is for
/// [`Upgrade::from_request`] to say.
pub fn is_upgrade(head: &RequestHead<'_>) -> bool {
    head.fields().has_token("upgrade", "websocket")
}

/// A request that may be accepted as a WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade<'b> {
    head: RequestHead<'b>,
    key: &'b [u8],
}

impl<'b> Upgrade<'b> {
    /// Checks what RFC 6455 4.2.1 asks of the request.
    pub fn from_request(head: &RequestHead<'b>) -> Result<Upgrade<'b>, HandshakeError> {
        let fields = head.fields();
        if !is_upgrade(head) {
            return Err(HandshakeError::Upgrade);
        }
        if head.method() != "GET" {
            return Err(HandshakeError::Method);
        }
        if head.version() != Version::Http11 {
            return Err(HandshakeError::HttpVersion);
        }
        if !fields.has_token("connection", "upgrade") {
            return Err(HandshakeError::Connection);
        }
        if single(fields.all("sec-websocket-version")) != Some(VERSION.as_bytes()) {
            return Err(HandshakeError::WebSocketVersion);
        }
        let key = single(fields.all("sec-websocket-key")).filter(|key| is_key(key));
        let key = key.ok_or(HandshakeError::Key)?;
        if !matches!(
            request_body_length(head)?,
            BodyLength::None | BodyLength::Exactly(0)
        ) {
            return Err(HandshakeError::Body);
        }
        let upgrade = Upgrade { head: *head, key };
        upgrade.check_protocols()?;
        Ok(upgrade)
    }

    /// RFC 6455 4.1, 10: tokens, all different.
    fn check_protocols(&self) -> Result<(), HandshakeError> {
        let mut offered = self.protocol_tokens();
        let mut count = 0;
        while let Some(protocol) = offered.next() {
            count += 1;
            // Each is compared with all behind it, which is why there is a maximum.
            let repeated = offered.clone().any(|other| other == protocol);
            if count > MAX_PROTOCOLS || repeated || !is_token(protocol) {
                return Err(HandshakeError::Protocols);
            }
        }
        Ok(())
    }

    fn protocol_tokens(&self) -> http::Tokens<'b, 'static> {
        self.head.fields().tokens("sec-websocket-protocol")
    }

    /// The subprotocols that the client offers, the one it likes best first.
    pub fn protocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        // They are tokens, hence ASCII; none is lost.
        self.protocol_tokens()
            .filter_map(|protocol| std::str::from_utf8(protocol).ok())
    }

    /// The values of Sec-WebSocket-Extensions, unread.
    pub fn extensions(&self) -> Values<'b, 'static> {
        self.head.fields().all("sec-websocket-extensions")
    }

    /// The members of Sec-WebSocket-Extensions, over all its fields: each the name of an
    /// extension and perhaps parameters, the one that the client likes best first.
    pub fn extension_offers(&self) -> http::Tokens<'b, 'static> {
        self.head.fields().tokens("sec-websocket-extensions")
    }

    /// The Sec-WebSocket-Accept of the answer.
    pub fn accept(&self) -> [u8; 28] {
        accept_key(self.key)
    }

    /// Writes the answer that accepts (RFC 6455 4.2.2). Refuses a subprotocol that the
    /// client did not offer, and writes nothing then.
    pub fn write_response(
        &self,
        out: &mut Vec<u8>,
        protocol: Option<&str>,
        date: &HttpDate,
    ) -> Result<(), HandshakeError> {
        self.write_response_with(out, protocol, date, &[])
    }

    /// As [`Upgrade::write_response`], with more fields: the extensions agreed on, or
    /// cookies.
    pub fn write_response_with(
        &self,
        out: &mut Vec<u8>,
        protocol: Option<&str>,
        date: &HttpDate,
        fields: &[(FieldName<'_>, FieldValue<'_>)],
    ) -> Result<(), HandshakeError> {
        let protocol = match protocol {
            Some(chosen) if !self.protocols().any(|offered| offered == chosen) => {
                return Err(HandshakeError::ProtocolNotOffered);
            }
            Some(chosen) => Some(FieldValue::new(chosen)?),
            None => None,
        };
        let accept = self.accept();
        let mut head = HeadWriter::response(out, Status::SWITCHING_PROTOCOLS)
            .field(FieldName::DATE, date.into())
            .field(FieldName::UPGRADE, WEBSOCKET)
            .field(FieldName::CONNECTION, UPGRADE)
            .field(FieldName::SEC_WEBSOCKET_ACCEPT, FieldValue::new(&accept)?);
        if let Some(protocol) = protocol {
            head = head.field(FieldName::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        for (name, value) in fields {
            head = head.field(*name, *value);
        }
        head.finish();
        Ok(())
    }
}

/// The only value, when there is exactly one.
fn single<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    values.next().filter(|_| values.next().is_none())
}

/// Whether `key` is the base64 of 16 bytes: 22 characters and two of padding. The four
/// bits of the last one that stand for nothing may be anything; some clients draw the
/// characters instead of the bytes.
fn is_key(key: &[u8]) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key {
        [characters @ .., b'=', b'='] => characters.len() == 22 && characters.iter().all(base64),
        _ => false,
    }
}

/// Writes a client's request (RFC 6455 4.1). `host` is what the URL names, with the port
/// if it is not the usual one; `key` is random and used once. `fields` are added: Origin,
/// Authorization, Sec-WebSocket-Extensions. Writes nothing when it fails.
pub fn write_request(
    out: &mut Vec<u8>,
    host: &str,
    target: &str,
    key: &[u8; 16],
    protocols: &[&str],
    fields: &[(FieldName<'_>, FieldValue<'_>)],
) -> Result<(), HandshakeError> {
    if !http::is_host(host) {
        return Err(HandshakeError::Http(http::Error::InvalidHost));
    }
    let host = FieldValue::new(host)?;
    for (at, protocol) in protocols.iter().enumerate() {
        if !is_token(protocol.as_bytes()) || protocols[..at].contains(protocol) {
            return Err(HandshakeError::Protocols);
        }
    }
    let offered = protocols.join(", ");
    let offered = FieldValue::new(&offered)?;
    let key: [u8; 24] = encode(key);
    let key = FieldValue::new(&key)?;

    let mut head = HeadWriter::request(out, "GET", target)?
        .field(FieldName::HOST, host)
        .field(FieldName::UPGRADE, WEBSOCKET)
        .field(FieldName::CONNECTION, UPGRADE)
        .field(FieldName::SEC_WEBSOCKET_KEY, key)
        .field(FieldName::SEC_WEBSOCKET_VERSION, VERSION);
    if !protocols.is_empty() {
        head = head.field(FieldName::SEC_WEBSOCKET_PROTOCOL, offered);
    }
    for (name, value) in fields {
        head = head.field(*name, *value);
    }
    head.finish();
    Ok(())
}

/// Checks a server's answer to a request with this key and these subprotocols, which
/// offered no extension (RFC 6455 4.1). Returns the subprotocol that the server chose.
pub fn check_response<'b>(
    head: &ResponseHead<'b>,
    key: &[u8; 16],
    protocols: &[&str],
) -> Result<Option<&'b str>, HandshakeError> {
    check_response_with(head, key, protocols, &[])
}

/// As [`check_response`], for a request that offered the extensions of these names. What
/// the server made of their parameters is for the extension to check.
pub fn check_response_with<'b>(
    head: &ResponseHead<'b>,
    key: &[u8; 16],
    protocols: &[&str],
    extensions: &[&str],
) -> Result<Option<&'b str>, HandshakeError> {
    let fields = head.fields();
    if head.status() != 101 {
        return Err(HandshakeError::Refused(head.status()));
    }
    if head.version() != Version::Http11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !single(fields.all("upgrade")).is_some_and(|v| v.eq_ignore_ascii_case(b"websocket")) {
        return Err(HandshakeError::Upgrade);
    }
    if !fields.has_token("connection", "upgrade") {
        return Err(HandshakeError::Connection);
    }
    let key: [u8; 24] = encode(key);
    if single(fields.all("sec-websocket-accept")) != Some(&accept_key(&key)) {
        return Err(HandshakeError::Accept);
    }
    for extension in fields.tokens("sec-websocket-extensions") {
        let name = extension.split(|&byte| byte == b';').next();
        let name = name.unwrap_or_default().trim_ascii_end();
        let offered = |offer: &&str| name.eq_ignore_ascii_case(offer.as_bytes());
        if !extensions.iter().any(offered) {
            return Err(HandshakeError::ExtensionNotOffered);
        }
    }
    let mut chosen = fields.all("sec-websocket-protocol");
    let protocol = match (chosen.next(), chosen.next()) {
        (None, _) => return Ok(None),
        (Some(protocol), None) => std::str::from_utf8(protocol).ok(),
        (Some(_), Some(_)) => None,
    };
    protocol
        .filter(|protocol| protocols.contains(protocol))
        .map(Some)
        .ok_or(HandshakeError::ProtocolNotOffered)
}

#[cfg(test)]
mod tests;
