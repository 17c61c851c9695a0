//! The filter without sockets: both sides in memory, and everything that may lie between them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

use proptest::prelude::*;
use rustls::ContentType;

use super::certificates::{self, client, read, server};
use super::{ClientTls, Error, Roots, ServerTls, Session, server_name};
use crate::net::transport::{Shaken, Taken};

const PLAIN: &[u8] = b"this is TLS";

/// One end of a connection: what has arrived, and what is on its way out.
#[derive(Debug, Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    /// How many more bytes the socket takes.
    room: usize,
    ended: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.len().min(buffer.len()) {
            0 if self.ended => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            count => {
                let came: Vec<u8> = self.incoming.drain(..count).collect();
                buffer[..count].copy_from_slice(&came);
                Ok(count)
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        match self.room.min(bytes.len()) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => {
                self.room -= count;
                self.outgoing.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One side.
struct Side {
    session: Session,
    pipe: Pipe,
    shaken: Option<Shaken>,
    failed: Option<ErrorKind>,
    received: Vec<u8>,
    ended: bool,
    buffer: Vec<u8>,
}

impl Side {
    fn new(session: Session) -> Side {
        let pipe = Pipe {
            room: usize::MAX,
            ..Pipe::default()
        };
        Side {
            session,
            pipe,
            shaken: None,
            failed: None,
            received: Vec::new(),
            ended: false,
            buffer: vec![0; 256 * 1024],
        }
    }

    /// Does what it can do, as the loop does.
    fn go(&mut self) {
        while self.failed.is_none() && !self.ended {
            let done = match self.shaken {
                Some(Shaken::Done) => self.read(),
                _ => self.shake(),
            };
            match done {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.failed = Some(error.kind()),
            }
        }
    }

    fn shake(&mut self) -> io::Result<()> {
        let shaken = self.session.shake(&mut self.pipe, true, &mut self.buffer)?;
        self.shaken = Some(shaken);
        match shaken {
            Shaken::Plain(_) => Err(ErrorKind::Unsupported.into()),
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let Taken { count, more } = self.session.read(&mut self.pipe, &mut self.buffer)?;
        self.received.extend_from_slice(&self.buffer[..count]);
        self.ended = count == 0;
        assert!(more || self.pipe.incoming.is_empty());
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.shaken == Some(Shaken::Done)
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.session.write(&mut self.pipe, bytes).unwrap()
    }

    fn problem(&mut self) -> Option<Error> {
        self.session.take_problem()
    }
}

struct Pair {
    client: Side,
    server: Side,
}

impl Pair {
    fn new(client: &ClientTls, server: &ServerTls, name: &str) -> Pair {
        let name = server_name(name).unwrap();
        Pair {
            client: Side::new(Session::new(client.connection(&name).unwrap(), b"")),
            server: Side::new(Session::new(server.connection().unwrap(), PLAIN)),
        }
    }

    /// Both sides of the tests' own certificates.
    fn ours() -> Pair {
        Pair::new(&client(), &server("server"), "localhost")
    }

    /// Carries bytes, so many at a time, until there are none.
    fn carry(&mut self, most: usize) {
        loop {
            self.client.go();
            self.server.go();
            let (up, down) = (&mut self.client.pipe, &mut self.server.pipe);
            if up.outgoing.is_empty() && down.outgoing.is_empty() {
                return;
            }
            let count = up.outgoing.len().min(most);
            down.incoming.extend(up.outgoing.drain(..count));
            let count = down.outgoing.len().min(most);
            up.incoming.extend(down.outgoing.drain(..count));
        }
    }

    fn shaken() -> Pair {
        let mut pair = Pair::ours();
        pair.carry(usize::MAX);
        assert!(pair.client.is_done() && pair.server.is_done());
        pair
    }

    /// What both sides say of a handshake that fails.
    fn problems(mut self) -> (Option<Error>, Option<Error>) {
        self.carry(usize::MAX);
        (self.client.problem(), self.server.problem())
    }
}

/// A record of this type, with this payload.
fn record(kind: ContentType, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[u8::from(kind), 3, 3], &length[..], payload].concat()
}

// The handshake: RFC 8446 2, 4.

#[test]
fn bytes_come_through_however_they_are_cut() {
    let said: Vec<u8> = (0..70_000_u32).map(|number| number as u8).collect();
    for most in [1, 2, 3, 5, 17, 100, 1_000, 16_389, usize::MAX] {
        let mut pair = Pair::ours();
        pair.carry(most);
        assert!(pair.client.is_done() && pair.server.is_done(), "cut {most}");
        assert_eq!(pair.client.write(&said), said.len());
        assert_eq!(pair.server.write(b"yes"), 3);
        pair.carry(most.max(7));
        assert!(pair.server.received == said, "cut {most}");
        assert_eq!(pair.client.received, b"yes");
    }
}

#[test]
fn what_comes_with_the_last_message_of_the_handshake_is_read_behind_it() {
    let mut pair = Pair::ours();
    while !pair.client.is_done() {
        pair.client.go();
        pair.server
            .pipe
            .incoming
            .extend(pair.client.pipe.outgoing.drain(..));
        if !pair.client.is_done() {
            pair.server.go();
            pair.client
                .pipe
                .incoming
                .extend(pair.server.pipe.outgoing.drain(..));
        }
    }
    // The last message lies there. Behind it comes this, in the same read.
    pair.client.write(b"early");
    pair.server
        .pipe
        .incoming
        .extend(pair.client.pipe.outgoing.drain(..));
    pair.server.go();
    assert_eq!(pair.server.received, b"early");
}

#[test]
fn a_small_buffer_takes_a_large_record_piece_by_piece() {
    let said: Vec<u8> = (0..40_000_u32).map(|number| number as u8).collect();
    for size in [64, 1_000, 8 * 1024] {
        let mut pair = Pair::shaken();
        pair.server.buffer = vec![0; size];
        pair.client.write(&said);
        pair.carry(usize::MAX);
        assert!(pair.server.received == said, "buffer {size}");
    }
}

// The application protocol: RFC 7301.

#[test]
fn who_speaks_only_another_protocol_is_refused() {
    let mut pair = Pair::ours();
    let mut config = rustls::ClientConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(certificates::roots().store)
        .with_no_client_auth();
    let connection = |config: &rustls::ClientConfig| {
        let name = server_name("localhost").unwrap();
        Session::new(
            rustls::ClientConnection::new(config.clone().into(), name).unwrap(),
            b"",
        )
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    pair.client = Side::new(connection(&config));
    assert_eq!(
        pair.problems(),
        (Some(Error::NoProtocol), Some(Error::NoProtocol))
    );
    for accepted in [vec![], vec![b"h2".to_vec(), b"http/1.1".to_vec()]] {
        let mut pair = Pair::ours();
        config.alpn_protocols = accepted;
        pair.client = Side::new(connection(&config));
        pair.carry(usize::MAX);
        assert!(pair.server.is_done());
    }
}

// Certificates: RFC 5280 6, RFC 9525 6.

#[test]
fn a_certificate_that_is_not_right_says_why_to_both() {
    let bad_certificate = |code: u8| Some(Error::Alert(code));
    for (name, problem, alert) in [
        ("expired", Error::Expired, 45),
        ("unknown", Error::UnknownIssuer, 48),
    ] {
        let pair = Pair::new(&client(), &server(name), "localhost");
        assert_eq!(pair.problems(), (Some(problem), bad_certificate(alert)));
    }
    let (problem, _) = Pair::new(&client(), &server("elsewhere"), "localhost").problems();
    let Some(Error::WrongName(why)) = problem else {
        panic!("{problem:?}");
    };
    assert!(
        why.contains("elsewhere.example") && why.contains("localhost"),
        "{why}"
    );
    let (problem, _) = Pair::new(&client(), &server("selfsigned"), "localhost").problems();
    let why = problem.map(|why| why.to_string()).unwrap_or_default();
    assert!(why.contains("has to say CA:FALSE"), "{why}");
    let why = Error::from(rustls::CertificateError::BadSignature).to_string();
    assert!(why.contains("another issuer of the same name"), "{why}");
}

#[test]
fn a_name_may_be_an_address() {
    for name in ["localhost", "127.0.0.1", "::1"] {
        let (client, server) = Pair::new(&client(), &server("server"), name).problems();
        assert_eq!((client, server), (None, None), "{name}");
    }
    let (problem, _) = Pair::new(&client(), &server("server"), "127.0.0.2").problems();
    assert!(matches!(problem, Some(Error::WrongName(_))));
    assert_eq!(server_name("a b").unwrap_err(), Error::Name("a b".into()));
}

#[test]
fn clients_show_certificates_where_they_are_asked_for() {
    let roots = certificates::roots();
    let asking = server("server")
        .require_client_certificates(&roots)
        .unwrap();
    let lenient = server("server").accept_client_certificates(&roots).unwrap();
    let shows = |name: &str, key: &str| {
        let (chain, key) = (read(name), read(key));
        client().with_certificate(&chain, &key).unwrap()
    };
    let known = shows("client.pem", "client.key");
    // A server's certificate is none of a client's, and this one's issuer is a stranger.
    let server_like = shows("server.pem", "server.key");
    let unknown = shows("unknown.pem", "server.key");
    let outcome = |client: &ClientTls, server: &ServerTls| {
        Pair::new(client, server, "localhost").problems().1
    };
    assert_eq!(outcome(&client(), &asking), Some(Error::NoCertificate));
    assert_eq!(outcome(&known, &asking), None);
    assert_eq!(outcome(&server_like, &asking), Some(Error::WrongPurpose));
    assert_eq!(outcome(&unknown, &asking), Some(Error::UnknownIssuer));
    assert_eq!(outcome(&client(), &lenient), None);
    assert_eq!(outcome(&known, &lenient), None);
    assert_eq!(outcome(&unknown, &lenient), Some(Error::UnknownIssuer));
    asking
        .replace(&read("renewed.pem"), &read("renewed.key"))
        .unwrap();
    assert_eq!(outcome(&client(), &asking), Some(Error::NoCertificate));
    assert_eq!(outcome(&known, &asking), None);
}

#[test]
fn certificates_are_replaced_for_those_who_come_and_kept_by_those_who_are_here() {
    let tls = server("server");
    let mut here = Pair::new(&client(), &tls, "localhost");
    here.carry(usize::MAX);
    tls.replace(&read("expired.pem"), &read("server.key"))
        .unwrap();
    let (problem, _) = Pair::new(&client(), &tls, "localhost").problems();
    assert_eq!(problem, Some(Error::Expired));
    // What can't be used changes nothing.
    let refused = tls.replace(&read("server.pem"), &read("renewed.key"));
    assert_eq!(refused.unwrap_err(), Error::KeyMismatch);
    assert!(matches!(tls.replace(b"", b""), Err(Error::Pem(_))));
    let (problem, _) = Pair::new(&client(), &tls, "localhost").problems();
    assert_eq!(problem, Some(Error::Expired));
    tls.reload().unwrap();
    assert_eq!(
        Pair::new(&client(), &tls, "localhost").problems(),
        (None, None)
    );
    here.client.write(b"still here");
    here.carry(usize::MAX);
    assert_eq!(here.server.received, b"still here");
}

#[test]
fn files_and_pem_that_are_of_no_use_say_why() {
    let missing = certificates::path("missing.pem");
    let why = ServerTls::from_pem_files(&missing, &missing).unwrap_err();
    assert!(
        matches!(&why, Error::File(why) if why.contains("missing.pem")),
        "{why}"
    );
    let (chain, key) = (read("server.pem"), read("server.key"));
    let (chain_file, key_file) = (
        certificates::path("server.pem"),
        certificates::path("server.key"),
    );
    for (of, swapped) in [
        (
            "server.key",
            ServerTls::from_pem_files(&key_file, &key_file),
        ),
        (
            "server.pem",
            ServerTls::from_pem_files(&chain_file, &chain_file),
        ),
    ] {
        let why = swapped.unwrap_err();
        assert!(matches!(&why, Error::Pem(why) if why.contains(of)), "{why}");
    }
    let wrong = |chain: &[u8], key: &[u8]| ServerTls::from_pem(chain, key).unwrap_err();
    assert!(matches!(wrong(&key, &key), Error::Pem(_)));
    assert!(matches!(wrong(&chain, &chain), Error::Pem(_)));
    assert!(matches!(Roots::from_pem(b"nothing"), Err(Error::Pem(_))));
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(Roots::from_pem(junk), Err(Error::Unusable(_))));
    assert!(matches!(wrong(junk, &key), Error::Unusable(_)));
    let reloaded = ServerTls::from_pem(&chain, &key).unwrap().reload();
    assert!(matches!(reloaded, Err(Error::File(_))));
}

// Ends: RFC 8446 6.1.

#[test]
fn close_notify_is_an_end_and_without_it_something_may_be_missing() {
    let mut pair = Pair::shaken();
    pair.server.write(b"all");
    pair.server.session.finish(&mut pair.server.pipe).unwrap();
    pair.carry(usize::MAX);
    assert_eq!(
        (&pair.client.received[..], pair.client.ended),
        (&b"all"[..], true)
    );
    // The other direction is still open.
    pair.client.write(b"thanks");
    pair.carry(usize::MAX);
    assert_eq!(pair.server.received, b"thanks");

    let mut pair = Pair::shaken();
    pair.server.write(b"all");
    pair.carry(usize::MAX);
    pair.client.pipe.ended = true;
    pair.client.go();
    assert_eq!(pair.client.received, b"all");
    assert_eq!(pair.client.failed, Some(ErrorKind::UnexpectedEof));
    assert_eq!(pair.client.problem(), Some(Error::Truncated));
}

#[test]
fn what_follows_close_notify_is_not_taken() {
    let mut pair = Pair::shaken();
    pair.client.session.finish(&mut pair.client.pipe).unwrap();
    pair.client.pipe.outgoing.extend_from_slice(&[0x17; 400]);
    pair.carry(usize::MAX);
    assert!(pair.server.ended && pair.server.received.is_empty());
}

// Records: RFC 8446 5.

#[test]
fn who_speaks_in_plaintext_is_told_so() {
    for (said, answered) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true),
        (b"\x16", false),
        (b"get", false),
        (b"EHLO example.com\r\n", false),
        (b"GET / HTTP/1.1", false),
        (b"\x80\x2e\x01\x00\x02", false),
    ] {
        let mut pair = Pair::ours();
        pair.server.pipe.incoming.extend(said);
        pair.server.go();
        assert_eq!(pair.server.shaken == Some(Shaken::Plain(PLAIN)), answered);
    }
    // A server that does is no server of ours.
    let mut pair = Pair::ours();
    pair.client
        .pipe
        .incoming
        .extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    pair.client.go();
    assert_eq!(pair.client.problem(), Some(Error::NotTls));
}

#[test]
fn records_that_break_the_rules_are_answered_with_an_alert() {
    // RFC 8446 5.1: a record is no larger than 2^14 + 256 bytes, and of a type that is known.
    let oversized = [&[22, 3, 1, 0x48, 0x01][..], &[0; 100]].concat();
    let unknown = record(ContentType::Unknown(99), b"abc");
    let early = record(ContentType::ApplicationData, b"abc");
    for bytes in [oversized, unknown, early] {
        let mut pair = Pair::ours();
        pair.server.pipe.incoming.extend(&bytes);
        pair.server.go();
        assert_eq!(
            pair.server.failed,
            Some(ErrorKind::InvalidData),
            "{:?}",
            &bytes[..5]
        );
        assert!(pair.server.problem().is_some() && pair.server.problem().is_none());
        let alert = &pair.server.pipe.outgoing;
        assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert: {alert:?}");
    }
}

#[test]
fn a_record_that_was_changed_ends_the_connection_behind_what_came_before() {
    let mut pair = Pair::shaken();
    pair.client.write(b"before");
    pair.client.write(b"changed");
    let last = pair.client.pipe.outgoing.last_mut().unwrap();
    *last ^= 1;
    pair.carry(usize::MAX);
    assert_eq!(pair.server.received, b"before");
    assert_eq!(pair.server.failed, Some(ErrorKind::InvalidData));
    // RFC 8446 6.2: bad_record_mac.
    assert_eq!(pair.client.problem(), Some(Error::Alert(20)));
}

#[test]
fn a_handshake_message_that_never_ends_is_not_kept_for_ever() {
    let mut pair = Pair::ours();
    // A ClientHello of 16 MiB less one byte.
    let mut begun = vec![1, 0xff, 0xff, 0xff];
    begun.resize(16_000, 0);
    pair.server
        .pipe
        .incoming
        .extend(record(ContentType::Handshake, &begun));
    for _ in 0..10 {
        pair.server.go();
        let more = record(ContentType::Handshake, &[0; 16_000]);
        pair.server.pipe.incoming.extend(more);
    }
    pair.server.go();
    assert_eq!(pair.server.failed, Some(ErrorKind::InvalidData));
}

// What waits.

#[test]
fn no_more_is_encrypted_than_a_full_socket_lets_wait() {
    let mut pair = Pair::shaken();
    for room in [0, 1, 100, 20_000] {
        pair.server.pipe.room = room;
        let said = vec![b'x'; 1024 * 1024];
        let taken = pair.server.write(&said);
        let unsent = pair.server.session.unsent();
        assert!(
            taken < 90_000 && unsent > 0 && unsent < 67_000,
            "{taken} {unsent}"
        );
        let again = pair.server.session.write(&mut pair.server.pipe, &said);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(pair.server.session.unsent(), unsent);
        pair.server.pipe.room = usize::MAX;
        pair.server.session.push(&mut pair.server.pipe).unwrap();
        assert_eq!(pair.server.session.unsent(), 0);
        pair.client.received.clear();
        pair.carry(usize::MAX);
        assert_eq!(pair.client.received.len(), taken);
    }
}

#[test]
fn the_end_waits_for_what_is_before_it() {
    let mut pair = Pair::shaken();
    pair.server.pipe.room = 10;
    pair.server.write(b"more than there is room for");
    let Side { session, pipe, .. } = &mut pair.server;
    assert_eq!(
        session.finish(pipe).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    pipe.room = usize::MAX;
    session.finish(pipe).unwrap();
    pair.carry(usize::MAX);
    assert_eq!(pair.client.received, b"more than there is room for");
    assert!(pair.client.ended);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn nothing_that_arrives_instead_of_a_handshake_does_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        kind in prop::sample::select(vec![20_u8, 21, 22, 23, 24, 0x80, b'G']),
    ) {
        let mut pair = Pair::ours();
        pair.server.pipe.incoming.push_back(kind);
        pair.server.pipe.incoming.extend(&bytes);
        pair.server.pipe.ended = true;
        pair.server.go();
        prop_assert!(pair.server.failed.is_some());
        prop_assert!(pair.server.received.is_empty());
    }

    #[test]
    fn a_byte_that_is_changed_on_the_way_is_noticed(at in 0..3_000_usize, bit in 0..8_u8) {
        let (pair, changed) = with_a_bit_changed(at, bit);
        prop_assert!(!changed || !pair.server.is_done() || pair.server.failed.is_some());
    }
}

/// A record's version says nothing (RFC 8446 5.1: `legacy_record_version` MUST be ignored for all purposes).
#[test]
fn a_record_may_say_any_version() {
    // The last bit of 0x0301, as clients begin.
    let (pair, changed) = with_a_bit_changed(2, 0);
    assert!(!changed && pair.server.is_done() && pair.server.failed.is_none());
}

/// A handshake, with this bit of what the client sends changed on the way. Says whether a bit was that means anything.
fn with_a_bit_changed(at: usize, bit: u8) -> (Pair, bool) {
    let mut pair = Pair::ours();
    let (mut passed, mut changed) = (0, false);
    loop {
        pair.client.go();
        pair.server.go();
        let mut up = std::mem::take(&mut pair.client.pipe.outgoing);
        let down = std::mem::take(&mut pair.server.pipe.outgoing);
        if up.is_empty() && down.is_empty() {
            return (pair, changed);
        }
        if let Some(place) = at.checked_sub(passed).filter(|place| *place < up.len()) {
            changed = !says_nothing(&up, place);
            up[place] ^= 1_u8 << bit;
        }
        passed += up.len();
        pair.server.pipe.incoming.extend(up);
        pair.client.pipe.incoming.extend(down);
    }
}

/// Whether the byte is of the version of a record, or of its type, which always is the same for what is encrypted (5.2),
/// so that rustls does not look at it: type, version of two bytes, length of two, and so many bytes.
fn says_nothing(records: &[u8], place: usize) -> bool {
    let mut start = 0;
    while let Some(length) = records.get(start + 3..start + 5) {
        let end = start + 5 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if place < end {
            return (start..start + 3).contains(&place);
        }
        start = end;
    }
    false
}
