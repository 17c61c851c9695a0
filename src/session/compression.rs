//! permessage-deflate on the connections of a loop (RFC 7692): who has agreed on it, and with which state it is done.
//!
//! ```text
//!   connection without takeover ─┐
//!   connection without takeover ─┼──► one deflater per window, one inflater     begun anew for each message
//!   connection without takeover ─┘
//!   connection with takeover ──────► its own, from its first compressed message on
//!                     all of them ──► one buffer to deflate into, one to inflate into
//! ```
//!
//! So what an idle connection keeps is the terms alone, unless it takes over contexts. The state is behind a lock for
//! the sake of programs that move their server to another thread; there is nobody to wait for. A handler is called
//! with the inflater taken out, so that it may send, which needs the deflater.
//!
//! How messages are decoded is a type ([`Decode`]), so that a connection that has agreed on nothing goes through code in
//! which compression is not mentioned. Without the feature `deflate` a [`Compression`] is a type of which there is none, and all of this is compiled away.

#[cfg(feature = "deflate")]
pub(crate) use with::{Compression, Compressors, Deflating, Kept};
#[cfg(not(feature = "deflate"))]
pub(crate) use without::{Compression, Compressors, Deflating, Kept};

use crate::ws::{Decoded, Decoder, Error, Limits};

/// A way from bytes to events.
pub(crate) trait Decode {
    /// Whether it also inflates.
    const INFLATES: bool;

    /// As [`Decoder::decode`].
    fn decode<'a>(
        &'a mut self,
        decoder: &'a mut Decoder,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<Decoded<'a>, Error>;
}

/// Nothing is compressed.
pub(crate) struct Plain;

impl Decode for Plain {
    const INFLATES: bool = false;

    #[inline]
    fn decode<'a>(
        &'a mut self,
        decoder: &'a mut Decoder,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<Decoded<'a>, Error> {
        decoder.decode(input, limits)
    }
}

#[cfg(feature = "deflate")]
mod with {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use crate::http::ResponseHead;
    use crate::ws::deflate::{Deflater, Inflater, NAME, Settings, Terms, WindowBits};
    use crate::ws::handshake::{HandshakeError, Upgrade, check_response, check_response_with};
    use crate::ws::{Decoded, Decoder, Error, Limits};

    /// A buffer that is larger gives its memory back when its message is done.
    const KEEP: usize = 1024 * 1024;

    /// How many windows a deflater may have.
    const WINDOWS: usize = (WindowBits::MAX.get() - WindowBits::MIN.get()) as usize + 1;

    /// What the connections of a loop share.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Compressors(Arc<Mutex<Shared>>);

    #[derive(Debug, Default)]
    struct Shared {
        /// By level and window: there is more than one level only where settings differ between clients, or changed.
        deflaters: [Option<(u8, Deflater)>; WINDOWS],
        deflated: Vec<u8>,
        inflater: Option<Box<Inflater>>,
        inflated: Vec<u8>,
    }

    impl Compressors {
        fn lock(&self) -> MutexGuard<'_, Shared> {
            // Whatever a panic left behind is begun anew with the next message.
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// How one side negotiates.
    #[derive(Clone, Debug)]
    pub(crate) struct Deflating {
        /// `None`: not at all.
        pub(crate) settings: Option<Settings>,
        pub(crate) compressors: Compressors,
    }

    impl Default for Deflating {
        fn default() -> Deflating {
            Deflating {
                settings: Some(Settings::default()),
                compressors: Compressors::default(),
            }
        }
    }

    impl Deflating {
        /// The same, with a state that is shared.
        pub(crate) fn sharing(self, compressors: &Compressors) -> Deflating {
            Deflating {
                compressors: compressors.clone(),
                ..self
            }
        }

        /// Whether it is negotiated at all.
        pub(crate) fn is_on(&self) -> bool {
            self.settings.is_some()
        }

        /// What a server agrees on, and the Sec-WebSocket-Extensions of its answer.
        pub(crate) fn accept(&self, upgrade: &Upgrade<'_>) -> Option<(Compression, String)> {
            let settings = self.settings.as_ref()?;
            let accepted = settings.accept(upgrade.extension_offers())?;
            let compression = Compression::new(&self.compressors, settings, accepted.terms);
            Some((compression, accepted.answer))
        }

        /// The Sec-WebSocket-Extensions of a client's request.
        pub(crate) fn offer(&self) -> Option<String> {
            self.settings.as_ref().map(Settings::offer)
        }

        /// Checks a server's answer to the offer, and says which subprotocol it chose.
        pub(crate) fn check_response<'b>(
            &self,
            head: &ResponseHead<'b>,
            key: &[u8; 16],
            protocols: &[&str],
        ) -> Result<(Option<&'b str>, Option<Compression>), HandshakeError> {
            let Some(settings) = &self.settings else {
                return Ok((check_response(head, key, protocols)?, None));
            };
            let protocol = check_response_with(head, key, protocols, &[NAME])?;
            let terms = settings.check(head.fields().tokens("sec-websocket-extensions"))?;
            let compression =
                terms.map(|terms| Compression::new(&self.compressors, settings, terms));
            Ok((protocol, compression))
        }
    }

    /// A [`Compression`] as a connection keeps it: most have none.
    pub(crate) type Kept = Box<Compression>;

    /// What one connection has agreed on, and what it keeps for that.
    #[derive(Debug)]
    pub(crate) struct Compression {
        compressors: Compressors,
        level: u8,
        threshold: usize,
        terms: Terms,
        deflater: Option<Box<Deflater>>,
        inflater: Option<Box<Inflater>>,
    }

    impl Compression {
        fn new(compressors: &Compressors, settings: &Settings, terms: Terms) -> Compression {
            Compression {
                compressors: compressors.clone(),
                level: settings.level,
                threshold: settings.threshold,
                terms,
                deflater: None,
                inflater: None,
            }
        }

        pub(crate) fn kept(self) -> Kept {
            Box::new(self)
        }

        /// Sends nothing that refers to earlier messages, whatever was agreed on: for who sends messages between that
        /// were compressed elsewhere, which would shift what is referred to.
        pub(crate) fn without_takeover(mut self) -> Compression {
            self.terms.send.takeover = false;
            self
        }

        /// How far back what is sent may refer.
        pub(crate) fn window_bits(&self) -> WindowBits {
            self.terms.send.window_bits
        }

        /// Hands the payload of the message as a compressed one to `send`, if compressing it pays.
        pub(crate) fn deflate(&mut self, message: &[u8], send: impl FnOnce(&[u8])) -> bool {
            if message.len() < self.threshold {
                return false;
            }
            let Shared {
                deflaters,
                deflated,
                ..
            } = &mut *self.compressors.lock();
            let bits = self.terms.send.window_bits;
            let level = self.level;
            let deflater = if self.terms.send.takeover {
                &mut **self
                    .deflater
                    .get_or_insert_with(|| Box::new(Deflater::new(level, bits, true)))
            } else {
                let place = &mut deflaters[usize::from(bits.get() - WindowBits::MIN.get())];
                if place.as_ref().is_some_and(|(other, _)| *other != level) {
                    *place = None;
                }
                &mut place
                    .get_or_insert_with(|| (level, Deflater::new(level, bits, false)))
                    .1
            };
            deflated.clear();
            let pays = deflater.deflate(message, deflated);
            if pays {
                send(deflated);
            }
            if deflated.capacity() > KEEP {
                *deflated = Vec::new();
            }
            pays
        }

        /// Takes what inflates the messages of this connection. It has to be put back.
        pub(crate) fn take_inflater(&mut self) -> Inflating {
            let mut shared = self.compressors.lock();
            let receive = self.terms.receive;
            let inflater = if receive.takeover {
                self.inflater.take()
            } else {
                shared.inflater.take()
            };
            let mut inflater = inflater.unwrap_or_else(|| match receive.takeover {
                true => Box::new(Inflater::new(receive.window_bits, true)),
                // Large enough for every connection.
                false => Box::new(Inflater::new(WindowBits::MAX, false)),
            });
            inflater.replace_buffer(std::mem::take(&mut shared.inflated));
            Inflating(inflater)
        }

        pub(crate) fn put_inflater(&mut self, Inflating(mut inflater): Inflating) {
            let mut shared = self.compressors.lock();
            let buffer = inflater.replace_buffer(Vec::new());
            if buffer.capacity() <= KEEP {
                shared.inflated = buffer;
            }
            if self.terms.receive.takeover {
                self.inflater = Some(inflater);
            } else {
                shared.inflater = Some(inflater);
            }
        }
    }

    /// What inflates messages while they are received.
    pub(crate) struct Inflating(Box<Inflater>);

    impl super::Decode for Inflating {
        const INFLATES: bool = true;

        fn decode<'a>(
            &'a mut self,
            decoder: &'a mut Decoder,
            input: &'a mut [u8],
            limits: &Limits,
        ) -> Result<Decoded<'a>, Error> {
            decoder.decode_inflating(input, limits, &mut self.0)
        }
    }
}

#[cfg(not(feature = "deflate"))]
mod without {
    use crate::http::ResponseHead;
    use crate::ws::handshake::{HandshakeError, Upgrade, check_response};

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Compressors {}

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Deflating {}

    impl Deflating {
        pub(crate) fn sharing(self, _compressors: &Compressors) -> Deflating {
            self
        }

        pub(crate) fn is_on(&self) -> bool {
            false
        }

        pub(crate) fn accept(&self, _upgrade: &Upgrade<'_>) -> Option<(Compression, String)> {
            None
        }

        pub(crate) fn offer(&self) -> Option<String> {
            None
        }

        pub(crate) fn check_response<'b>(
            &self,
            head: &ResponseHead<'b>,
            key: &[u8; 16],
            protocols: &[&str],
        ) -> Result<(Option<&'b str>, Option<Compression>), HandshakeError> {
            Ok((check_response(head, key, protocols)?, None))
        }
    }

    #[derive(Debug)]
    pub(crate) enum Compression {}

    /// No connection pays for it.
    pub(crate) type Kept = Compression;

    impl Compression {
        pub(crate) fn kept(self) -> Kept {
            self
        }

        pub(crate) fn without_takeover(self) -> Compression {
            self
        }

        pub(crate) fn deflate(&mut self, _message: &[u8], _send: impl FnOnce(&[u8])) -> bool {
            match *self {}
        }
    }
}
