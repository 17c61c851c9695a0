//! A WebSocket client: the opening handshake of the other side, and reconnection as a choice.
//!
//! ```text
//!   connected ─► Head ─► Open ─► close frames ─► disconnected ─► wait ─► connected ...
//!                  │ refused                         │ closed by us, final, or not to be opened again
//!                  └────────► disconnected           └────► end
//! ```
//!
//! Redirects are not followed (RFC 6455 4.1 lets a client choose; a browser's doesn't), the accept key is checked, and
//! every frame is masked with a key of its own from the system's randomness.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::backoff::{Backoff, Streak};
use super::error::Error;
use super::options::{check_fields, written};
use super::talk::{Around, HeadReader, PATIENCE, QUIT, SESSION, Sequel, Talk};
use super::url::Url;
use crate::command::Letter;
use crate::http::{FieldName, FieldValue, ResponseHead, is_token};
#[cfg(feature = "tls")]
use crate::net::tls::ClientTls;
use crate::net::{Io, Now};
use crate::random::Random;
use crate::session::compression::{Compression, Deflating};
use crate::session::{Session, Socket};
use crate::ws::handshake::{self, HandshakeError};
use crate::ws::{self, CloseCode, Message};

pub(super) type OnOpen = Box<dyn FnMut(&mut Socket<'_>) + Send>;
pub(super) type OnMessage = Box<dyn FnMut(&mut Socket<'_>, Message<'_>) + Send>;
pub(super) type OnClose = Box<dyn FnMut(Closed) + Send>;

/// How a client's WebSocket ended, or why it could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code and reason of the server's close frame, if it sent one.
    pub close: Option<(CloseCode, String)>,
    /// What went wrong, if the end was not a closing handshake.
    pub error: Option<Error>,
    /// The time until the next try; `None` if there is none.
    pub retry_in: Option<Duration>,
}

/// Options of a client's WebSocket: its URL, fields and subprotocols. Begin with [`Connect::to`]; give it to a loop by
/// [`ClientLoop::connect`](crate::ClientLoop::connect) or [`Server::connect`](crate::Server::connect), or open it and block
/// by [`Connect::open`].
///
/// Connecting may take 10 seconds for each address of the host, and the answer to the handshake as long again. An open
/// connection is pinged every 30 seconds, and is lost when nothing comes for three of them.
///
/// ```no_run
/// use barewire::Connect;
///
/// let mut socket = Connect::to("ws://127.0.0.1:9001/").header("Authorization", "Bearer abc").open()?;
/// socket.send("hello")?;
/// while let Some(message) = socket.receive()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), barewire::ClientError>(())
/// ```
#[must_use = "a WebSocket begins when it is opened or given to a loop"]
pub struct Connect {
    url: String,
    options: ConnectOptions,
    on_open: OnOpen,
    on_close: OnClose,
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(super) struct ConnectOptions {
    fields: Vec<(String, String)>,
    protocols: Vec<String>,
    backoff: Option<Backoff>,
    limits: ws::Limits,
    pub(super) deflating: Deflating,
    /// Always there where the URL is a secure one.
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
}

impl Connect {
    /// A WebSocket to this URL (`ws://`, or `http://`, which is the same; with the feature `tls` also `wss://` and `https://`).
    pub fn to(url: &str) -> Connect {
        let options = ConnectOptions {
            fields: Vec::new(),
            protocols: Vec::new(),
            backoff: None,
            limits: ws::Limits::default(),
            deflating: Deflating::default(),
            #[cfg(feature = "tls")]
            tls: None,
        };
        Connect {
            url: url.to_owned(),
            options,
            on_open: Box::new(|_| {}),
            on_close: Box::new(|_| {}),
        }
    }

    /// Calls `handler` whenever the socket opens.
    pub fn on_open(mut self, handler: impl FnMut(&mut Socket<'_>) + Send + 'static) -> Connect {
        self.on_open = Box::new(handler);
        self
    }

    /// Calls `handler` whenever the socket has ended or could not be opened, and says whether it is tried again.
    pub fn on_close(mut self, handler: impl FnMut(Closed) + Send + 'static) -> Connect {
        self.on_close = Box::new(handler);
        self
    }

    /// Sends a field with the handshake, such as `Authorization` or `Origin`.
    pub fn header(mut self, name: &str, value: &str) -> Connect {
        self.options
            .fields
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers a subprotocol; the first that was offered is preferred (RFC 6455 1.9).
    pub fn protocol(mut self, name: &str) -> Connect {
        self.options.protocols.push(name.to_owned());
        self
    }

    /// Connects again when the connection is lost or can't be made, or when the server closes it. The waits grow until a
    /// connection has lasted for 30 seconds; each is reported to [`Connect::on_close`]. It does not connect again when the
    /// program closes it, or after a permanent refusal ([`Error::is_transient`]). Without this, a WebSocket is opened once.
    pub fn reconnect(mut self, backoff: Backoff) -> Connect {
        self.options.backoff = Some(backoff);
        self
    }

    /// Sets the limits of messages that arrive.
    pub fn limits(mut self, limits: ws::Limits) -> Connect {
        self.options.limits = limits;
        self
    }

    /// Sets how messages are compressed if the server agrees (RFC 7692); `None`: not at all. By default as
    /// [`Settings::default`](crate::ws::deflate::Settings) says.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, settings: impl Into<Option<crate::ws::deflate::Settings>>) -> Connect {
        self.options.deflating.settings = settings.into();
        self
    }

    /// Sets which certificates are trusted where the URL is `wss://` or `https://`, instead of the system's.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &ClientTls) -> Connect {
        self.options.tls = Some(tls.clone());
        self
    }

    pub(super) fn take_handlers(&mut self) -> (OnOpen, OnClose) {
        (
            std::mem::replace(&mut self.on_open, Box::new(|_| {})),
            std::mem::replace(&mut self.on_close, Box::new(|_| {})),
        )
    }

    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    pub(super) fn check(mut self) -> Result<(Url, ConnectOptions, OnOpen, OnClose), Error> {
        let url = Url::parse(&self.url)?;
        #[cfg(feature = "tls")]
        super::options::trust_for(&url, &mut self.options.tls)?;
        check_fields(&self.options.fields)?;
        if !self
            .options
            .protocols
            .iter()
            .all(|name| is_token(name.as_bytes()))
        {
            return Err(Error::Field(crate::http::Error::FieldValue));
        }
        // RFC 6455 4.1, 10.
        let protocols = &self.options.protocols;
        if (1..protocols.len()).any(|at| protocols[..at].contains(&protocols[at])) {
            return Err(Error::Handshake(HandshakeError::Protocols));
        }
        Ok((url, self.options, self.on_open, self.on_close))
    }
}

/// Whom a WebSocket calls.
pub(super) struct Handlers {
    pub(super) on_open: OnOpen,
    pub(super) on_message: OnMessage,
    pub(super) on_close: OnClose,
}

/// A WebSocket client as a machine.
pub(super) struct SocketClient {
    url: Url,
    options: ConnectOptions,
    handlers: Handlers,
    stage: Stage,
    /// Which of the subprotocols was chosen.
    protocol: Option<usize>,
    peer: SocketAddr,
    error: Option<Error>,
    streak: Streak,
    quit: bool,
}

/// What is expected on the connection.
enum Stage {
    /// Nothing: there is none.
    Unconnected,
    Head {
        reader: HeadReader,
        key: [u8; 16],
    },
    Open(Box<Session>),
}

impl SocketClient {
    pub(super) fn new(url: Url, options: ConnectOptions, handlers: Handlers) -> SocketClient {
        SocketClient {
            url,
            options,
            handlers,
            stage: Stage::Unconnected,
            protocol: None,
            peer: ([0, 0, 0, 0], 0).into(),
            error: None,
            streak: Streak::default(),
            quit: false,
        }
    }

    fn fail(&mut self, error: Error, io: &mut Io<'_>) {
        self.error.get_or_insert(error);
        match self.stage {
            // The close frame goes first.
            Stage::Open(_) => io.close(),
            _ => io.abort(),
        }
    }

    /// Which subprotocol the server chose, and what it agreed on for compressed messages.
    fn judge(
        &self,
        head: &ResponseHead<'_>,
        key: &[u8; 16],
    ) -> Result<(Option<usize>, Option<Compression>), Error> {
        if head.status() != 101 {
            return Err(Error::Status(head.status(), head.reason().to_owned()));
        }
        let offered: Vec<&str> = self.options.protocols.iter().map(String::as_str).collect();
        let deflating = &self.options.deflating;
        let (chosen, compression) = deflating
            .check_response(head, key, &offered)
            .map_err(Error::Handshake)?;
        let chosen = chosen.and_then(|chosen| offered.iter().position(|name| *name == chosen));
        Ok((chosen, compression))
    }

    /// Takes the answer to the handshake. Says how much of the input that used.
    fn take_head(&mut self, input: &[u8], io: &mut Io<'_>, around: &mut Around<'_>) -> usize {
        let Stage::Head { mut reader, key } =
            std::mem::replace(&mut self.stage, Stage::Unconnected)
        else {
            return 0;
        };
        match reader.read(input, |head| self.judge(head, &key)) {
            Ok(None) => {
                self.stage = Stage::Head { reader, key };
                input.len()
            }
            Ok(Some((used, Ok((protocol, compression))))) => {
                self.protocol = protocol;
                self.streak.stand(io.now.ms);
                let mut session = Box::new(Session::client().compressed(compression));
                io.read_in_pieces(session.is_compressed());
                io.set_deadline(SESSION.ping_interval);
                let protocol = protocol.and_then(|chosen| self.options.protocols.get(chosen));
                let protocol = protocol.map(String::as_str);
                let mut socket = session
                    .link
                    .socket(&self.peer, protocol, around.mailbox, io);
                (self.handlers.on_open)(&mut socket);
                session.await_close(&SESSION, io);
                self.stage = Stage::Open(session);
                used
            }
            Ok(Some((used, Err(error)))) => {
                self.fail(error, io);
                used
            }
            Err(error) => {
                self.fail(Error::Http(error), io);
                input.len()
            }
        }
    }

    fn write_request(&self, out: &mut Vec<u8>, key: &[u8; 16]) -> Result<(), Error> {
        let protocols: Vec<&str> = self.options.protocols.iter().map(String::as_str).collect();
        let mut fields = written(&self.options.fields);
        let offer = self.options.deflating.offer();
        if let Some(offer) = &offer {
            let offer = FieldValue::new(offer).map_err(Error::Field)?;
            fields.push((FieldName::SEC_WEBSOCKET_EXTENSIONS, offer));
        }
        let (host, target) = (self.url.authority(), &self.url.target);
        handshake::write_request(out, &host, target, key, &protocols, &fields)
            .map_err(Error::Handshake)
    }
}

impl Talk for SocketClient {
    fn url(&self) -> &Url {
        &self.url
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&ClientTls> {
        self.options.tls.as_ref()
    }

    fn connected(&mut self, io: &mut Io<'_>, around: &mut Around<'_>) {
        self.error = None;
        let Ok(key) = around.random.bytes() else {
            return self.fail(Error::Randomness, io);
        };
        if let Err(error) = self.write_request(io.out.buffer(), &key) {
            return self.fail(error, io);
        }
        self.peer = around.peer;
        self.stage = Stage::Head {
            reader: HeadReader::default(),
            key,
        };
        io.set_deadline(PATIENCE);
    }

    fn received(&mut self, input: &mut [u8], io: &mut Io<'_>, around: &mut Around<'_>) {
        let mut at = 0;
        if matches!(self.stage, Stage::Head { .. }) {
            at = self.take_head(input, io, around);
        }
        let Stage::Open(session) = &mut self.stage else {
            return;
        };
        if (at == input.len() && !session.puts_off()) || io.is_closing() {
            return;
        }
        let protocol = self
            .protocol
            .and_then(|chosen| self.options.protocols.get(chosen))
            .map(String::as_str);
        let (peer, on_message) = (&self.peer, &mut self.handlers.on_message);
        session.receive(
            &mut input[at..],
            &self.options.limits,
            &SESSION,
            io,
            |link, message, io| {
                on_message(
                    &mut link.socket(peer, protocol, around.mailbox, io),
                    message,
                );
                match around.mailbox.is_crowded() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
    }

    fn ended(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        io.close();
    }

    fn expired(&mut self, io: &mut Io<'_>, _around: &mut Around<'_>) {
        match &mut self.stage {
            Stage::Open(session) => {
                session.tick(&SESSION, io);
                if io.is_closing() && !session.is_keyless() {
                    let unanswered = session.is_closed();
                    self.error.get_or_insert(if unanswered {
                        Error::Timeout
                    } else {
                        Error::Silence
                    });
                }
            }
            Stage::Head { .. } | Stage::Unconnected => self.fail(Error::Timeout, io),
        }
    }

    fn resumed(&mut self, io: &mut Io<'_>) {
        if let Stage::Open(session) = &mut self.stage {
            session.resume(io);
        }
    }

    fn on_letter(&mut self, letter: Letter, io: &mut Io<'_>) {
        let Stage::Open(session) = &mut self.stage else {
            return;
        };
        match letter {
            Letter::Text(text) => session.send(Message::Text(&text), io),
            Letter::Binary(bytes) => session.send(Message::Binary(&bytes), io),
            Letter::Close(code, reason) => session.close(code, &reason, &SESSION, io),
            _ => {}
        }
    }

    fn quit(&mut self, io: Option<&mut Io<'_>>) {
        self.quit = true;
        if let Some(io) = io {
            match &mut self.stage {
                Stage::Open(session) => session.close(QUIT, "", &SESSION, io),
                _ => io.close(),
            }
        }
    }

    fn disconnected(&mut self, error: Option<Error>, now: Now, random: &mut Random) -> Sequel {
        let mut error = self.error.take().or(error);
        let (mut close, mut ours) = (None, self.quit);
        if let Stage::Open(session) = std::mem::replace(&mut self.stage, Stage::Unconnected) {
            let was_closed = session.is_closed();
            ours |= session.is_ended_by_us();
            let why = session.violation.map(Error::WebSocket);
            let why = why.or(session.is_keyless().then_some(Error::Randomness));
            if let Some(closed) = session.closed {
                let closed = *closed;
                close = closed.code.map(|code| (code, closed.reason.into_string()));
                // Behind a complete closing handshake, how the connection ends is of no interest: some servers
                // reset it.
                error = error.filter(|_| !was_closed);
            } else {
                error = why.or(error).or(Some(Error::Ended));
            }
        } else if error.is_none() && !self.quit {
            error = Some(Error::Ended);
        }
        let passing = error.as_ref().is_none_or(Error::is_transient);
        let retry_in = self
            .options
            .backoff
            .filter(|_| passing && !ours)
            .map(|backoff| backoff.wait(self.streak.fail(now.ms), random));
        (self.handlers.on_close)(Closed {
            close,
            error,
            retry_in,
        });
        retry_in.map_or(Sequel::End, Sequel::Connect)
    }
}
