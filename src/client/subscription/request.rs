//! The requests of a subscription: one for each way, each with the cursor.

use std::time::Duration;

use super::{Expected, Follower};
use crate::client::error::Error;
use crate::client::options::{self, Transport};
use crate::client::talk::{Around, HeadReader, PATIENCE};
use crate::http::{FieldName, FieldValue, HeadWriter};
use crate::net::Io;
use crate::sse;
use crate::ws::handshake;

/// The longest id that is sent, in bytes: with it, a head stays within what servers take by default, of which nginx takes
/// least (8 KiB for a line).
const MAX_ID: usize = 4 * 1024;

impl Follower {
    /// Writes the next request.
    pub(super) fn ask(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        let Ok(key) = around.random.bytes() else {
            return self.fail(Error::Randomness, io);
        };
        if let Err(error) = self.write_request(io.out.buffer(), &key) {
            return self.fail(error, io);
        }
        self.expected = Expected::Head {
            reader: HeadReader::default(),
            key,
        };
        let wait = if self.transport() == Transport::LongPoll && !self.seeks_its_place() {
            self.options.wait
        } else {
            Duration::ZERO
        };
        self.asked = self.asked.saturating_add(1);
        self.asked_at = io.now.ms;
        io.set_deadline(PATIENCE.saturating_add(wait));
    }

    /// Whether it begins with what comes from now on, and does not know yet where that is. A long poll does not wait
    /// then: what is published meanwhile would be lost with its connection.
    pub(super) fn seeks_its_place(&self) -> bool {
        self.options.from_now && !self.cursor.is_set()
    }

    fn write_request(&self, out: &mut Vec<u8>, key: &[u8; 16]) -> Result<(), Error> {
        let mut target = self.url.target.clone();
        if self.seeks_its_place() {
            target.push_str(if target.contains('?') {
                "&from=now"
            } else {
                "?from=now"
            });
        }
        let host = self.url.authority();
        // What the program sends to one server, such as a token, is nothing to tell another that it redirects to.
        let mut fields = if self.url.is_same_origin(&self.home) {
            options::written(&self.options.fields)
        } else {
            Vec::new()
        };
        if let Some(cursor) = id_field(self.cursor.id()) {
            fields.push((FieldName::LAST_EVENT_ID, cursor));
        }
        if self.transport() == Transport::WebSocket {
            let offer = self.options.deflating.offer();
            if let Some(offer) = &offer {
                fields.push((
                    FieldName::SEC_WEBSOCKET_EXTENSIONS,
                    FieldValue::new(offer).map_err(Error::Field)?,
                ));
            }
            return handshake::write_request(out, &host, &target, key, &[], &fields)
                .map_err(Error::Handshake);
        }
        let wait = format!("wait={}", self.options.wait.as_secs());
        let accept = match self.transport() {
            Transport::EventStream => {
                fields.push((
                    FieldName::CACHE_CONTROL,
                    FieldValue::from_static("no-store"),
                ));
                FieldValue::from_static(sse::MEDIA_TYPE)
            }
            transport => {
                if transport == Transport::LongPoll && !self.seeks_its_place() {
                    fields.push((
                        FieldName::PREFER,
                        FieldValue::new(&wait).map_err(Error::Field)?,
                    ));
                }
                FieldValue::from_static("application/json")
            }
        };
        let mut head = HeadWriter::request(out, "GET", &target)
            .map_err(Error::Field)?
            .field(
                FieldName::HOST,
                FieldValue::new(&host).map_err(Error::Field)?,
            )
            .field(FieldName::ACCEPT, accept)
            // Nothing is decoded here, and a coding that a box on the way adds would hold an event stream back.
            .field(
                FieldName::ACCEPT_ENCODING,
                FieldValue::from_static("identity"),
            );
        for (name, value) in fields {
            head = head.field(name, value);
        }
        head.finish();
        Ok(())
    }
}

/// An id as `Last-Event-ID` carries it: as UTF-8 (WHATWG HTML 9.2.3). `None` is one that no field can hold, or that no
/// server would take: an event stream's may be any text, and the stream goes on without it, as from its beginning.
fn id_field(id: &str) -> Option<FieldValue<'_>> {
    // White space around a field's value is none of it (RFC 9110 5.5).
    let id = id.trim_matches([' ', '\t']);
    let is_sendable = !id.is_empty() && id.len() <= MAX_ID;
    FieldValue::new(id).ok().filter(|_| is_sendable)
}
