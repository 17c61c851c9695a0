//! What arrives in place of TLS records, at a server or a client that has shaken no hands yet.
//!
//! ```text
//!   [ side: odd is a client ][ how to cut ][ bytes of the peer: records, for instance a recorded ClientHello ]
//! ```
//!
//! Laws:
//! - no plaintext comes out, since nobody without the keys can finish a handshake;
//! - the same bytes cut differently fail in the same way, or wait in the same way;
//! - what is answered is bounded, and begins with a record of a handshake or an alert.

use barewire::tls::{ClientTls, Error, Filter, Roots, ServerTls};

use super::choice::{Choices, cuts, uncut};

/// More than a server's first flight with its certificates, and an alert.
const MOST: usize = 16 * 1024;

pub(super) fn server_tls() -> ServerTls {
    let chain = include_bytes!("../../tests/certificates/server.pem");
    let key = include_bytes!("../../tests/certificates/server.key");
    ServerTls::from_pem(chain, key).expect("the tests' certificate")
}

pub(super) fn client_tls() -> ClientTls {
    let ca = include_bytes!("../../tests/certificates/ca.pem");
    let roots = Roots::from_pem(ca).expect("the tests' authority");
    ClientTls::trusting(&roots).expect("a client")
}

fn filter(side: u8) -> Filter {
    let filter = match side & 1 {
        0 => Filter::server(&server_tls()),
        _ => Filter::client(&client_tls(), "localhost"),
    };
    filter.expect("a filter")
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (side, cut) = (choices.byte(), choices.byte());
    let bytes = choices.rest();
    let whole = receive(side, bytes, &uncut(bytes.len()));
    let pieces = receive(side, bytes, &cuts(bytes.len(), cut));
    // What an error says may hold what is random.
    let kind = |error: &Option<Error>| error.as_ref().map(std::mem::discriminant);
    assert_eq!(kind(&whole), kind(&pieces), "{whole:?} or {pieces:?}");
}

fn receive(side: u8, bytes: &[u8], pieces: &[std::ops::Range<usize>]) -> Option<Error> {
    let mut filter = filter(side);
    let (mut plaintext, mut answer) = (Vec::new(), filter.take());
    let mut error = None;
    for piece in pieces {
        error = filter.receive(&bytes[piece.clone()], &mut plaintext).err();
        answer.append(&mut filter.take());
    }
    assert!(plaintext.is_empty() && !filter.is_secured() && !filter.is_ended());
    assert!(!filter.send(b"nothing yet"));
    assert!(answer.len() < MOST, "{} bytes are answered", answer.len());
    assert!(matches!(answer.first(), None | Some(20..=22)));
    error
}
