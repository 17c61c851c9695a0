//! An open WebSocket of the server: frames in, to a handler or a channel; what a channel has, out; gaps, and the end.
//!
//! ```text
//!   bytes ──► Session::receive ──► message ──┬──► Audience::Route    the handler of its path
//!                                            └──► Audience::Channel  published; what is published comes out of the hub,
//!                                                                    shared, when the loop writes (Protocol::shared)
//! ```
//!
//! The handshake is over when this begins ([`upgrade`](super::upgrade)); the rules between frames and the loop (pings,
//! close, silence) are the [`Session`](crate::session::Session)'s, the same as on the client's side. Here is only whom a message is for, and what
//! becomes of a reader that is too slow.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::shared::Service;
use super::state::{Audience, Connection, OpenSocket, State};
use crate::channel::Data;
use crate::error::Error;
use crate::metrics::{Reason, Source};
use crate::net::{ConnectionId, Io};
use crate::ws::{CloseCode, Message};

/// What a peer is told when a handler panics.
pub(super) const FAILED: &str = "the server failed to answer";

/// What a reader is told that publishes where it may only read.
const READ_ONLY: &str = "this channel is read-only: what a reader sends is not published";

impl Service {
    /// Hands what arrived on a WebSocket to its handler or its channel. Where a handler sends so much to others that it
    /// should be delivered first, the rest of the input waits for that.
    pub(super) fn receive_frames(
        &mut self,
        connection: &mut Connection,
        input: &mut [u8],
        io: &mut Io<'_>,
    ) {
        let peer = connection.peer;
        let State::Socket(open) = connection.state() else {
            return;
        };
        let OpenSocket { session, audience } = open;
        let (limits, patience) = (self.limits.message_limits(), self.limits.patience());
        let mut panicked = false;
        #[cfg(feature = "backend")]
        let is_backed = self.is_backed();
        session.receive(
            input,
            &limits,
            &patience,
            io,
            |link, message, io| match audience {
                Audience::Channel {
                    read_only: true, ..
                } => {
                    link.fail(CloseCode::POLICY_VIOLATION, READ_ONLY, io);
                    if let Some(meter) = &mut self.meter {
                        meter.published(Source::Socket, Err(Reason::ReadOnly));
                    }
                    ControlFlow::Continue(())
                }
                Audience::Channel { reader, .. } => {
                    let data = match message {
                        Message::Text(text) => Data::Text(text.into()),
                        Message::Binary(bytes) => Data::Binary(bytes.into()),
                    };
                    #[cfg(feature = "backend")]
                    if is_backed {
                        let name: Box<str> = self.channels.hub().name_of(reader).into();
                        if let Err((code, why)) = self.submit_frame(&name, data, io.id) {
                            link.fail(code, &why, io);
                        }
                        return ControlFlow::Continue(());
                    }
                    // The reader's channel exists, and there is no event name to refuse: it is too large, or room lacks.
                    let published = self.channels.publish_to(reader, data, io.now.unix_ms);
                    if let Some(meter) = &mut self.meter {
                        let result = published.map(drop).map_err(Into::into);
                        meter.published(Source::Socket, result);
                    }
                    if let Err(error) = published {
                        link.fail(error.close_code(), &error.to_string(), io);
                    }
                    ControlFlow::Continue(())
                }
                Audience::Route { index, protocol } => {
                    if let Some(meter) = &mut self.meter {
                        meter.handled();
                    }
                    let Some(route) = self.router.socket_mut(*index) else {
                        return ControlFlow::Continue(());
                    };
                    let protocol = protocol
                        .and_then(|chosen| route.protocols.get(chosen))
                        .map(|name| &**name);
                    let mut socket = link.socket(&peer, protocol, &self.mailbox, io);
                    let on_message = &mut route.on_message;
                    if catch_unwind(AssertUnwindSafe(|| on_message(&mut socket, message))).is_err()
                    {
                        panicked = true;
                        link.fail(CloseCode::INTERNAL_ERROR, FAILED, io);
                    }
                    match self.mailbox.is_crowded() {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                }
            },
        );
        if session.puts_off() {
            self.crowded.push(io.id.to_u64());
        }
        if panicked {
            self.report(&Error::Panicked);
        }
    }

    /// Goes on with a WebSocket that takes output again, unless it has become too slow for that.
    pub(super) fn tell_gap_or_end(&mut self, open: &mut OpenSocket, io: &mut Io<'_>) {
        match &open.audience {
            Audience::Channel { reader, .. } if self.is_too_slow(reader) => {
                let why = "too slow: messages that were not read are no longer retained";
                open.session.link.fail(CloseCode::TRY_AGAIN_LATER, why, io);
                self.count_gap();
            }
            _ => self.tell_socket_gap(open, io),
        }
    }

    /// Tells a WebSocket's reader that messages are missing, if they are. Bare data has no way to say it, so that a
    /// `raw` one ends.
    pub(super) fn tell_socket_gap(&mut self, open: &mut OpenSocket, io: &mut Io<'_>) {
        if open.session.is_closed() {
            return;
        }
        match &mut open.audience {
            Audience::Channel {
                reader, raw: false, ..
            } => self.tell_gap(reader, io),
            Audience::Channel {
                reader, raw: true, ..
            } if self.channels.hub().has_gap(reader) => {
                let why = "messages are missing: they are no longer retained";
                open.session.link.fail(CloseCode::TRY_AGAIN_LATER, why, io);
                self.count_gap();
            }
            _ => {}
        }
    }

    /// The program hears that a WebSocket of a handler's is gone.
    pub(super) fn tell_closed(&mut self, index: usize, id: ConnectionId, code: Option<CloseCode>) {
        let Some(route) = self.router.socket_mut(index) else {
            return;
        };
        let Some(on_close) = &mut route.on_close else {
            return;
        };
        let called = catch_unwind(AssertUnwindSafe(|| on_close(id, code)));
        if called.is_err() {
            self.report(&Error::Panicked);
        }
    }
}
