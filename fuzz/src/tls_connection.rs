//! The server of `connection` behind TLS, and a client that says anything over it, compressed messages too.
//!
//! ```text
//!   [ how records are cut ][ what is changed: 0 nothing, else which bit ][ where: 2 bytes ][ bytes for the server ]
//! ```
//!
//! Laws:
//! - however the records are cut, the server hears what the client says, and the client what the server answers;
//! - if a bit is changed on the way, what comes through is a part from the front, and what is not all of it has no end.

use barewire::tls::Filter;

use super::choice::{Choices, cuts};
use super::connection;
use super::tls::{client_tls, server_tls};

/// Limits as they are by default, and compression of messages of any size.
const SETTING: u8 = 8;

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (cut, change) = (choices.byte(), choices.byte());
    let place = usize::from(choices.number());
    let said = choices.rest();

    let (mut client, mut server) = shaken();
    assert!(client.send(said));
    client.finish();
    let mut records = client.take();
    let changed = match records.get_mut(place) {
        Some(byte) if change != 0 => {
            *byte ^= 1 << (change & 7);
            true
        }
        _ => false,
    };

    let mut simulation = connection::server(SETTING);
    let peer = simulation.connect();
    let (mut heard, mut answered, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for piece in cuts(records.len(), cut) {
        let before = heard.len();
        let received = server.receive(&records[piece], &mut heard);
        simulation.send(peer, &heard[before..]);
        let out = simulation.take(peer);
        if received.is_err() {
            assert!(changed, "{received:?}");
            break;
        }
        assert!(server.send(&out));
        answered.extend_from_slice(&out);
        let received = client.receive(&server.take(), &mut answer);
        received.expect("what the server sends is right");
    }
    assert!(said.starts_with(&heard), "what nobody said has come");
    assert!(answer == answered, "what was answered has not come");
    if server.is_ended() || !changed {
        assert!(server.is_ended() && heard == said, "something is missing");
    }
}

/// Both sides, behind their handshake.
fn shaken() -> (Filter, Filter) {
    let mut server = Filter::server(&server_tls()).expect("a filter");
    let mut client = Filter::client(&client_tls(), "localhost").expect("a filter");
    let mut nothing = Vec::new();
    while !server.is_secured() {
        let shaken = server.receive(&client.take(), &mut nothing);
        shaken.expect("a handshake");
        let shaken = client.receive(&server.take(), &mut nothing);
        shaken.expect("a handshake");
    }
    let shaken = client.receive(&server.take(), &mut nothing);
    shaken.expect("a handshake");
    assert!(nothing.is_empty() && client.is_secured());
    (client, server)
}
