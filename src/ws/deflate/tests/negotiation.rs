use super::super::*;
use super::bits;
use crate::ws::handshake::HandshakeError;

// RFC 7692 5 and 7.1, the server's side

/// What a server with these settings answers to a header with these offers.
fn answer(settings: &Settings, offers: &[&str]) -> Option<String> {
    let offers = offers.iter().map(|offer| offer.as_bytes());
    settings.accept(offers).map(|accepted| accepted.answer)
}

const KEEPING: Settings = Settings {
    level: LEVEL,
    threshold: THRESHOLD,
    takeover: true,
    window_bits: WindowBits::MAX,
    peer_takeover: true,
    peer_window_bits: WindowBits::MAX,
};

#[test]
fn a_server_keeps_nothing_between_messages_unless_told_to() {
    let neither = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let asked = ["permessage-deflate"];
    assert_eq!(
        answer(&Settings::default(), &asked).as_deref(),
        Some(neither)
    );
    assert_eq!(
        answer(&KEEPING, &asked).as_deref(),
        Some("permessage-deflate")
    );
}

#[test]
fn an_offer_gets_the_answer_of_section_7_1() {
    let table = [
        ("permessage-deflate", ""),
        ("Permessage-Deflate", ""),
        (
            "permessage-deflate;server_no_context_takeover",
            "; server_no_context_takeover",
        ),
        // A hint (7.1.1.2), which saves us the window.
        (
            "permessage-deflate; client_no_context_takeover",
            "; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            "; server_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "; server_max_window_bits=10",
        ),
        // Asked for, hence answered (7.1.2.1).
        (
            "permessage-deflate; server_max_window_bits=15",
            "; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"10\"",
            "; server_max_window_bits=10",
        ),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=15", ""),
        (
            "permessage-deflate; client_max_window_bits=9",
            "; client_max_window_bits=9",
        ),
        (
            "permessage-deflate ; client_max_window_bits = 8",
            "; client_max_window_bits=8",
        ),
    ];
    for (offer, parameters) in table {
        let expected = format!("permessage-deflate{parameters}");
        assert_eq!(answer(&KEEPING, &[offer]), Some(expected), "{offer}");
    }
}

#[test]
fn an_offer_that_is_not_understood_is_declined() {
    for parameters in [
        "x",
        "x=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=1e1",
        "server_max_window_bits=+9",
        "server_max_window_bits=1000",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=\"10",
        "server_max_window_bits=\"1\\0\"",
        "client_max_window_bits=7",
        "client_max_window_bits=\"\"",
        "client_max_window_bits=256",
        "client_max_window_bits; client_max_window_bits=10",
        "SERVER_NO_CONTEXT_TAKEOVER",
        "",
        ";",
        "\u{e9}",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&KEEPING, &[&offer]), None, "{offer}");
    }
}

#[test]
fn the_first_offer_that_can_be_taken_is_taken() {
    let offers = [
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate",
    ];
    let expected = "permessage-deflate; server_max_window_bits=12";
    assert_eq!(answer(&KEEPING, &offers).as_deref(), Some(expected));
    assert_eq!(answer(&KEEPING, &offers[..2]), None);
    assert_eq!(answer(&KEEPING, &[]), None);
}

#[test]
fn a_server_narrows_its_own_window_unasked_and_the_clients_only_if_it_can_be_told() {
    let narrow = Settings {
        window_bits: bits(11),
        peer_window_bits: bits(10),
        ..KEEPING
    };
    for (offer, parameters) in [
        // A client that can't be told may not refer back at all.
        (
            "permessage-deflate",
            "; client_no_context_takeover; server_max_window_bits=11",
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "; server_max_window_bits=11; client_max_window_bits=10",
        ),
        (
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
            "; server_max_window_bits=9; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_max_window_bits=12; server_max_window_bits=12",
            "; server_max_window_bits=11; client_max_window_bits=10",
        ),
    ] {
        let expected = format!("permessage-deflate{parameters}");
        assert_eq!(answer(&narrow, &[offer]), Some(expected), "{offer}");
    }
}

// RFC 7692 5.1 and 7.1, the client's side

fn checked(settings: &Settings, answer: &[&str]) -> Result<Option<Terms>, HandshakeError> {
    settings.check(answer.iter().map(|member| member.as_bytes()))
}

#[test]
fn a_client_offers_what_it_wants() {
    let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
    assert_eq!(Settings::default().offer(), offer);
    assert_eq!(
        KEEPING.offer(),
        "permessage-deflate; client_max_window_bits"
    );
    let narrow = Settings {
        window_bits: bits(9),
        peer_window_bits: bits(12),
        ..KEEPING
    };
    let offer = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9";
    assert_eq!(narrow.offer(), offer);
}

#[test]
fn an_answer_to_the_offer_is_agreed_on() {
    assert_eq!(checked(&KEEPING, &[]), Ok(None));
    let largest = Direction {
        takeover: true,
        window_bits: WindowBits::MAX,
    };
    let terms = |send, receive| Ok(Some(Terms { send, receive }));
    let table = [
        ("", largest, largest),
        (
            "; server_no_context_takeover",
            largest,
            Direction {
                takeover: false,
                ..largest
            },
        ),
        (
            "; client_no_context_takeover",
            Direction {
                takeover: false,
                ..largest
            },
            largest,
        ),
        // Also without being asked for (7.1.2.1).
        (
            "; server_max_window_bits=8",
            largest,
            Direction {
                window_bits: bits(8),
                ..largest
            },
        ),
        (
            "; client_max_window_bits=10",
            Direction {
                window_bits: bits(10),
                ..largest
            },
            largest,
        ),
    ];
    for (parameters, send, receive) in table {
        let answer = format!("permessage-deflate{parameters}");
        assert_eq!(
            checked(&KEEPING, &[&answer]),
            terms(send, receive),
            "{answer}"
        );
    }
}

#[test]
fn an_answer_that_takes_what_was_not_offered_fails() {
    let parameters = Err(HandshakeError::ExtensionParameters);
    for answer in [
        "permessage-deflate; x",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=1000",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;",
    ] {
        assert_eq!(checked(&KEEPING, &[answer]), parameters, "{answer}");
    }
    let twice = ["permessage-deflate", "permessage-deflate"];
    assert_eq!(checked(&KEEPING, &twice), parameters);
    let another = Err(HandshakeError::ExtensionNotOffered);
    assert_eq!(checked(&KEEPING, &["x-deflate"]), another);
}

#[test]
fn an_answer_without_what_was_asked_for_fails() {
    let parameters = Err(HandshakeError::ExtensionParameters);
    // 7.1.1.1: the server accepts the parameter by sending it.
    assert_eq!(
        checked(&Settings::default(), &["permessage-deflate"]),
        parameters
    );
    let narrow = Settings {
        peer_window_bits: bits(10),
        ..KEEPING
    };
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=11",
    ] {
        assert_eq!(checked(&narrow, &[answer]), parameters, "{answer}");
    }
    assert!(checked(&narrow, &["permessage-deflate; server_max_window_bits=9"]).is_ok());
}

#[test]
fn client_and_server_agree_whatever_they_want() {
    let mut wishes = Vec::new();
    for takeover in [false, true] {
        for peer_takeover in [false, true] {
            for (own, peer) in [(15, 15), (8, 15), (15, 9), (11, 12)] {
                wishes.push(Settings {
                    takeover,
                    peer_takeover,
                    window_bits: bits(own),
                    peer_window_bits: bits(peer),
                    ..Settings::default()
                });
            }
        }
    }
    for client in &wishes {
        for server in &wishes {
            let offer = client.offer();
            let accepted = server.accept([offer.as_bytes()].into_iter()).unwrap();
            let terms = checked(client, &[&accepted.answer]).unwrap().unwrap();
            // What one may send, the other can receive.
            for (sender, receiver) in [(terms, accepted.terms), (accepted.terms, terms)] {
                assert!(sender.send.window_bits <= receiver.receive.window_bits);
                assert!(!sender.send.takeover || receiver.receive.takeover);
            }
        }
    }
}
