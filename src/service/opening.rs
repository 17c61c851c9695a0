//! A WebSocket that begins at the end of a channel (`?from=now`) whose end only the backend knows: the 101 says where that
//! is (`Last-Event-ID`), so that a client which is cut off before its first message can go on from there. So it waits for
//! the page that tells; what the client sends meanwhile waits, too. If the page does not come, the answer is 503.

use super::cors;
use super::history::{PATIENCE, history_refusal};
use super::request::Request;
use super::shared::Service;
use super::state::{Audience, Connection, OpenSocket, Opening, State};
use super::upgrade::{Agreed, handshake_refusal, value_of};
use crate::backend::Page;
use crate::http::{FieldName, Status};
use crate::net::{Io, Protocol};
use crate::response::Response;
use crate::ws::handshake::Upgrade;

impl Service {
    /// The connection becomes a WebSocket when its reader, which is held, has its place.
    pub(super) fn open_at_the_end(
        &mut self,
        connection: &mut Connection,
        socket: OpenSocket,
        upgrade: &Upgrade<'_>,
        agreed: &Agreed<'_>,
        request: &Request<'_>,
        io: &mut Io<'_>,
    ) -> Result<(), Response> {
        let extensions = agreed.extensions.and_then(value_of);
        let fields: Vec<_> = extensions
            .map(|value| (FieldName::SEC_WEBSOCKET_EXTENSIONS, value))
            .into_iter()
            .collect();
        let date = self.dates.at(io.now.unix_ms / 1000);
        let mut answer = Vec::new();
        let written = upgrade.write_response_with(&mut answer, agreed.protocol, date, &fields);
        if let Err(error) = written {
            self.forget_cold(io.id);
            self.give_back(socket);
            return Err(handshake_refusal(error));
        }
        // One more field comes before the last line.
        answer.truncate(answer.len().saturating_sub(b"\r\n".len()));
        connection.open(Box::new(Opening {
            socket,
            answer,
            is_compressed: agreed.extensions.is_some(),
            form: self.form(request.head()),
            origin: cors::reader(&self.origins, request.head()),
        }));
        io.set_deadline(PATIENCE);
        Ok(())
    }

    /// The end of the channel is known.
    pub(super) fn finish_opening(
        &mut self,
        connection: &mut Connection,
        page: &Page,
        io: &mut Io<'_>,
    ) {
        let Some(mut opening) = connection.end_open() else {
            return;
        };
        let before = io.out.len();
        let out = io.out.buffer();
        out.extend_from_slice(&opening.answer);
        out.extend_from_slice(format!("Last-Event-ID: {}\r\n\r\n", page.through).as_bytes());
        if let Audience::Channel { reader, .. } = &mut opening.socket.audience {
            if self.channels.place(reader, page.through) {
                self.forget_cold(io.id);
            } else {
                // By now more has come than the hub holds.
                self.crowded.push(io.id.to_u64());
            }
        }
        connection.upgrade(opening.socket);
        self.log_answer(io, Status::SWITCHING_PROTOCOLS, before);
        io.read_in_pieces(opening.is_compressed);
        io.set_deadline(self.limits.ping_interval);
        self.process_rest(connection, io);
        if self.draining && matches!(connection.peek(), State::Socket(_)) {
            // It has missed the end that came to all others.
            self.drain(connection, io);
        }
    }

    /// Nobody says where the channel ends.
    pub(super) fn refuse_opening(&mut self, connection: &mut Connection, io: &mut Io<'_>) {
        self.forget_cold(io.id);
        let Some(opening) = connection.end_open() else {
            return;
        };
        let Opening {
            socket,
            form,
            origin,
            ..
        } = *opening;
        self.give_back(socket);
        let mut response = history_refusal();
        let shown = cors::fields(&self.origins, origin.as_deref());
        response.fields.extend(shown);
        self.respond(io, form, &response);
        self.process_rest(connection, io);
    }

    /// A socket that has not begun: its reader goes.
    pub(super) fn give_back(&mut self, socket: OpenSocket) {
        if let Audience::Channel { reader, .. } = socket.audience {
            self.channels.detach(reader);
        }
    }
}
