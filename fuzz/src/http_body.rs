//! Bodies (RFC 9112 6 and 7). Input: how to cut, how the length is told, the limit, a body as it is sent.
//!
//! Laws:
//! - the same bytes give the same body, end and error, however they are cut;
//! - never more than the limit is lent;
//! - a chunked body is what a second reader makes of it, which looks at the grammar of RFC 9112 7.1 only;
//! - any bytes written as chunks are those bytes.

use barewire::http::{BodyDecoder, BodyLength, Error, Piece, write_chunk, write_last_chunk};

use super::choice::{Choices, cuts};

/// What came of a body: its bytes, how many bytes of the wire it took if it is complete, and what is wrong.
#[derive(Debug, PartialEq)]
struct Outcome {
    body: Vec<u8>,
    end: Option<usize>,
    error: Option<Error>,
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let cut = choices.byte();
    let length = match choices.byte() % 8 {
        0 => BodyLength::None,
        1 | 2 => BodyLength::Exactly(choices.number().into()),
        3 => BodyLength::UntilClose,
        _ => BodyLength::Chunked,
    };
    let limit = u64::from(choices.number());
    let bytes = choices.rest();

    let Ok(decoder) = BodyDecoder::new(length, limit) else {
        return assert!(matches!(length, BodyLength::Exactly(length) if length > limit));
    };
    let whole = decode(decoder.clone(), bytes, &[0..bytes.len()]);
    assert_eq!(decode(decoder, bytes, &cuts(bytes.len(), cut)), whole);
    assert!(whole.body.len() as u64 <= limit);
    match length {
        BodyLength::None => assert_eq!(whole.end, Some(0)),
        BodyLength::Exactly(length) => {
            let length = length as usize;
            assert_eq!(whole.body, bytes[..length.min(bytes.len())]);
            assert_eq!(whole.end, (bytes.len() >= length).then_some(length));
        }
        BodyLength::UntilClose => assert!(bytes.starts_with(&whole.body) && whole.end.is_none()),
        BodyLength::Chunked => check_chunked(bytes, &whole, limit),
    }
    check_written(bytes, cut);
}

fn decode(mut decoder: BodyDecoder, bytes: &[u8], pieces: &[std::ops::Range<usize>]) -> Outcome {
    let mut outcome = Outcome {
        body: Vec::new(),
        end: None,
        error: None,
    };
    // A body may be complete without a byte.
    let pieces = [0..0].iter().chain(pieces);
    for piece in pieces {
        let mut at = piece.start;
        loop {
            match decoder.decode(&bytes[at..piece.end]) {
                Ok((used, Piece::Data(data))) => {
                    assert!(!data.is_empty() && used >= data.len());
                    outcome.body.extend_from_slice(data);
                    at += used;
                }
                Ok((used, Piece::More)) => {
                    assert_eq!(at + used, piece.end, "more is asked for, and there is more");
                    assert!(!decoder.is_complete());
                    break;
                }
                Ok((used, Piece::End)) => {
                    assert!(decoder.is_complete() && decoder.eof().is_ok());
                    assert_eq!(decoder.decode(b"x"), Ok((0, Piece::End)));
                    outcome.end = Some(at + used);
                    return outcome;
                }
                Err(error) => {
                    assert_eq!(
                        decoder.decode(b"0\r\n\r\n"),
                        Err(error),
                        "an error is final"
                    );
                    assert_eq!(decoder.eof(), Err(error));
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    outcome
}

fn check_chunked(bytes: &[u8], whole: &Outcome, limit: u64) {
    match read_chunked(bytes) {
        Some((body, end)) => {
            // What the grammar allows may still be too much.
            match whole.error {
                None => assert_eq!((&whole.body, whole.end), (&body, Some(end))),
                Some(Error::BodyTooLarge) => assert!(body.len() as u64 > limit),
                Some(Error::ChunkExtraTooLarge | Error::ChunkSize) => {}
                Some(error) => panic!("{error} in a valid body"),
            }
        }
        None => assert_eq!(whole.end, None, "a body that the grammar does not know"),
    }
}

/// The body and its length on the wire, if it is complete and follows the grammar.
fn read_chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    let line = |at: &mut usize| {
        let length = bytes[*at..].windows(2).position(|pair| pair == b"\r\n")?;
        let line = &bytes[*at..*at + length];
        *at += length + 2;
        let visible = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        line.iter().all(visible).then_some(line)
    };
    loop {
        let line = line(&mut at)?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        // A size of more than sixteen digits is for the decoder to refuse.
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if !(extension.is_empty() || extension.trim_ascii_start().starts_with(b";")) {
            return None;
        }
        if size == 0 {
            break;
        }
        let end = at.checked_add(size)?;
        body.extend_from_slice(bytes.get(at..end)?);
        if bytes.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        at = end + 2;
    }
    loop {
        let line = line(&mut at)?;
        if line.is_empty() {
            return Some((body, at));
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        barewire::http::FieldName::new(std::str::from_utf8(&line[..colon]).ok()?).ok()?;
    }
}

fn check_written(bytes: &[u8], cut: u8) {
    let mut wire = Vec::new();
    for piece in cuts(bytes.len(), cut) {
        write_chunk(&mut wire, &bytes[piece]);
    }
    write_last_chunk(&mut wire);
    let decoder = BodyDecoder::new(BodyLength::Chunked, bytes.len() as u64).expect("no limit");
    let read = decode(decoder, &wire, &[0..wire.len()]);
    assert_eq!(read.body, bytes);
    assert_eq!((read.end, read.error), (Some(wire.len()), None));
}
