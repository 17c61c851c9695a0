//! What a decoder takes at most, and what memory it holds: RFC 6455 10.4.

use super::*;

fn client_sees_under(limits: Limits, bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    decode(Role::Client, &limits, bytes)
}

// 10.4 Implementation-specific limits

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header() {
    let limits = Limits {
        frame: 200,
        ..Limits::default()
    };
    let refused = fails(Error::FrameTooBig, CloseCode::MESSAGE_TOO_BIG);
    assert_eq!(client_sees_under(limits, &[0x82, 126, 0, 201]), refused);
    let most = [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(client_sees_under(limits, &most), refused);
    assert_eq!(
        client_sees_under(limits, &[0x82, 126, 0, 200]),
        (vec![], None)
    );
}

#[test]
fn a_message_over_the_limit_is_refused_by_the_header_of_the_frame_that_exceeds_it() {
    let limits = Limits {
        message: 5,
        ..Limits::default()
    };
    let refused = fails(Error::MessageTooBig, CloseCode::MESSAGE_TOO_BIG);
    assert_eq!(client_sees_under(limits, b"\x81\x06"), refused);
    assert_eq!(client_sees_under(limits, b"\x01\x03Hel\x80\x03"), refused);
    let most = [0x80, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let limits = Limits {
        message: usize::MAX,
        frame: usize::MAX,
        ..limits
    };
    let (seen, error) = client_sees_under(limits, &[b"\x02\x01x", &most[..]].concat());
    assert_eq!((seen, error), (vec![], None));
}

#[test]
fn a_message_of_exactly_the_limit_is_taken() {
    let limits = Limits {
        message: 5,
        frame: 5,
        fragments: 2,
    };
    assert_eq!(
        client_sees_under(limits, b"\x81\x05Hello"),
        (vec![text("Hello")], None)
    );
    assert_eq!(
        client_sees_under(limits, b"\x01\x03Hel\x80\x02lo"),
        (vec![text("Hello")], None)
    );
}

#[test]
fn bytes_of_a_cut_code_point_count_towards_the_limit() {
    let limits = Limits {
        message: 3,
        ..Limits::default()
    };
    let refused = fails(Error::MessageTooBig, CloseCode::MESSAGE_TOO_BIG);
    assert_eq!(
        client_sees_under(limits, b"\x01\x02\xE2\x82\x80\x02"),
        refused
    );
    assert_eq!(
        client_sees_under(limits, b"\x01\x02\xE2\x82\x80\x01\xAC"),
        (vec![text("€")], None)
    );
}

#[test]
fn frames_of_one_message_are_counted_the_empty_ones_too() {
    let limits = Limits {
        fragments: 3,
        ..Limits::default()
    };
    assert_eq!(
        client_sees_under(limits, b"\x01\x00\x00\x00\x80\x00"),
        (vec![text("")], None)
    );
    let refused = fails(Error::TooManyFragments, CloseCode::POLICY_VIOLATION);
    assert_eq!(
        client_sees_under(limits, b"\x01\x00\x00\x00\x00\x00\x00\x00"),
        refused
    );
}

#[test]
fn control_frames_are_not_fragments_and_no_limit_of_messages_is_theirs() {
    let limits = Limits {
        message: 0,
        frame: 0,
        fragments: 1,
    };
    let pings = client_sees_under(limits, b"\x02\x00\x89\x01x\x89\x01y");
    assert_eq!(
        pings,
        (
            vec![Seen::Ping(b"x".to_vec()), Seen::Ping(b"y".to_vec())],
            None
        )
    );
}

// Memory

#[test]
fn nothing_is_reserved_for_what_is_only_declared() {
    let mut decoder = Decoder::new(Role::Client);
    let mut bytes = [0x82, 127, 0, 0, 0, 0, 0, 0xFF, 0, 0, b'x', b'y'];
    assert_eq!(
        decoder
            .decode(&mut bytes, &Limits::default())
            .unwrap()
            .event,
        None
    );
    assert!(decoder.buffered() <= 16, "{}", decoder.buffered());
    assert!(!decoder.is_idle());
}

#[test]
fn what_was_kept_is_given_back_when_it_is_complete() {
    let limits = Limits::default();
    // Cut in a header, in a payload, between fragments, in a control frame.
    for (first, second) in [
        (&b"\x81"[..], &b"\x02hi"[..]),
        (b"\x81\x02h", b"i"),
        (b"\x01\x01h", b"\x80\x01i"),
        (b"\x89\x02h", b"i"),
    ] {
        let mut decoder = Decoder::new(Role::Client);
        assert_eq!(
            feed(&mut decoder, first, usize::MAX, &limits),
            (vec![], None)
        );
        assert!(!decoder.is_idle());
        let (seen, error) = feed(&mut decoder, second, usize::MAX, &limits);
        assert_eq!((seen.len(), error), (1, None));
        assert!(decoder.is_idle());
        assert_eq!(decoder.buffered(), 0);
    }
}

#[test]
fn the_buffer_of_a_cut_message_serves_the_next_if_that_is_cut_too() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(Role::Client);
    feed(&mut decoder, b"\x82\x7E\x01\x00", usize::MAX, &limits);
    feed(&mut decoder, &[0; 255], usize::MAX, &limits);
    let (seen, _) = feed(&mut decoder, b"\x00\x81\x02h", usize::MAX, &limits);
    assert_eq!(seen, [Seen::Binary(vec![0; 256])]);
    assert_eq!(decoder.buffered(), 256);
    let (seen, _) = feed(&mut decoder, b"i", usize::MAX, &limits);
    assert_eq!(seen, [text("hi")]);
    assert!(decoder.is_idle());
}
