//! UTF-8 as it arrives: RFC 6455 8.1, the classic malformed sequences of RFC 3629 and Unicode 3.9.
//!
//! Each is fed byte by byte in a frame that announces more, so that an error can only come from the
//! byte it names.

use super::*;

/// Feeds `bytes` one at a time as the start of a longer text frame: at which of them it fails.
fn fails_at(bytes: &[u8]) -> Option<usize> {
    let limits = Limits::default();
    let mut decoder = Decoder::new(Role::Client);
    assert_eq!(feed(&mut decoder, &[0x81, 125], 1, &limits), (vec![], None));
    bytes.iter().position(|&byte| {
        let (seen, error) = feed(&mut decoder, &[byte], 1, &limits);
        assert_eq!(seen, []);
        assert!(matches!(error, None | Some(Error::InvalidUtf8)));
        error.is_some()
    })
}

/// Malformed bytes, and the index of the first that cannot belong to UTF-8.
const MALFORMED: &[(&[u8], usize)] = &[
    // Continuation bytes without a lead.
    (b"\x80", 0),
    (b"\xBF", 0),
    (b"a\x80", 1),
    (b"\xC3\xA5\x80", 2),
    (b"\xE2\x82\xAC\x80", 3),
    (b"\xF0\x9F\x98\x80\x80", 4),
    // A lead that is not followed by enough of them.
    (b"\xC3a", 1),
    (b"\xC3\xC3", 1),
    (b"\xE2a", 1),
    (b"\xE2\x82a", 2),
    (b"\xE2\x82\xE2", 2),
    (b"\xF0a", 1),
    (b"\xF0\x9Fa", 2),
    (b"\xF0\x9F\x98a", 3),
    (b"\xF0\x9F\x98\xF0", 3),
    // Bytes that are never in UTF-8.
    (b"\xC0", 0),
    (b"\xC1", 0),
    (b"\xF5", 0),
    (b"\xF8\x88\x80\x80\x80", 0),
    (b"\xFC\x84\x80\x80\x80\x80", 0),
    (b"\xFE", 0),
    (b"\xFF", 0),
    // Overlong forms: two, three and four bytes for what takes fewer.
    (b"\xC0\x80", 0),
    (b"\xC0\xAF", 0),
    (b"\xC1\xBF", 0),
    (b"\xE0\x80\x80", 1),
    (b"\xE0\x80\xAF", 1),
    (b"\xE0\x9F\xBF", 1),
    (b"\xF0\x80\x80\xAF", 1),
    (b"\xF0\x8F\xBF\xBF", 1),
    // Surrogates, alone and in pairs.
    (b"\xED\xA0\x80", 1),
    (b"\xED\xAD\xBF", 1),
    (b"\xED\xBF\xBF", 1),
    (b"\xED\xA0\x80\xED\xB0\x80", 1),
    // Above U+10FFFF.
    (b"\xF4\x90\x80\x80", 1),
    (b"\xF4\xBF\xBF\xBF", 1),
    // After text that is right.
    (
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
        12,
    ),
    (
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited",
        12,
    ),
];

/// The limits of each width, and what is easily refused by mistake.
const WELL_FORMED: &[&[u8]] = &[
    b"\x00\x7F",
    b"\xC2\x80\xDF\xBF",
    b"\xE0\xA0\x80\xEF\xBF\xBF",
    b"\xED\x9F\xBF\xEE\x80\x80",
    b"\xEF\xBF\xBD\xEF\xBF\xBE\xEF\xBB\xBF",
    b"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
    b"\xF0\x9F\x98\x80",
];

#[test]
fn malformed_text_fails_at_the_first_bad_byte_of_an_unfinished_frame() {
    for &(bytes, at) in MALFORMED {
        assert_eq!(fails_at(bytes), Some(at), "{bytes:02x?}");
    }
}

#[test]
fn well_formed_text_is_taken_byte_by_byte() {
    for &bytes in WELL_FORMED {
        assert_eq!(fails_at(bytes), None, "{bytes:02x?}");
    }
}

#[test]
fn the_first_bad_byte_is_the_same_in_fragments_of_one_byte() {
    for &(bytes, at) in MALFORMED {
        let frames: Vec<u8> = bytes
            .iter()
            .enumerate()
            .flat_map(|(i, &byte)| [if i == 0 { 0x01 } else { 0x00 }, 1, byte])
            .collect();
        let before = client_sees(&frames[..3 * at]);
        assert_eq!(before, (vec![], None), "{bytes:02x?}");
        let refused = fails(Error::InvalidUtf8, CloseCode::INVALID_PAYLOAD);
        assert_eq!(client_sees(&frames[..3 * at + 3]), refused, "{bytes:02x?}");
    }
}

#[test]
fn malformed_text_is_refused_in_a_whole_frame() {
    for &(bytes, _) in MALFORMED {
        let mut frame = vec![0x81, bytes.len() as u8];
        frame.extend(bytes);
        assert_eq!(
            client_sees(&frame),
            fails(Error::InvalidUtf8, CloseCode::INVALID_PAYLOAD)
        );
    }
}

#[test]
fn text_that_ends_inside_a_code_point_is_refused() {
    for bytes in [
        &b"\xC3"[..],
        b"\xE2",
        b"\xE2\x82",
        b"\xF0\x9F",
        b"\xF0\x9F\x98",
        b"ab\xF4\x8F",
    ] {
        assert_eq!(fails_at(bytes), None);
        let mut frame = vec![0x81, bytes.len() as u8];
        frame.extend(bytes);
        assert_eq!(
            client_sees(&frame),
            fails(Error::InvalidUtf8, CloseCode::INVALID_PAYLOAD)
        );
    }
}
