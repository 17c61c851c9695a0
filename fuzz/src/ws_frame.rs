//! Frame headers and masks (RFC 6455 5.2 and 5.3). Input: a header as it is sent, and what follows it.
//!
//! Laws:
//! - what is said of a prefix of the bytes is said of all of them;
//! - a header that is read is written with the same bytes;
//! - a header that may be sent is read as it was;
//! - a mask is taken off by putting it on again, in pieces too.

use barewire::ws::{Error, Header, MAX_CONTROL_PAYLOAD, MAX_HEADER, Opcode, mask, mask_into};

use super::choice::Choices;

pub fn check(input: &[u8]) {
    let decoded = Header::decode(input);
    for end in 0..input.len().min(MAX_HEADER + 1) {
        match Header::decode(&input[..end]) {
            Ok(None) => {}
            said => assert_eq!(said, decoded, "more bytes change what {end} of them said"),
        }
    }
    if let Ok(Some((header, length))) = decoded {
        assert_eq!(header.encode().as_slice(), &input[..length]);
        assert!(!header.to_string().is_empty());
    }
    if decoded == Ok(None) {
        assert!(input.len() < MAX_HEADER);
    }
    check_built(input);
    check_mask(input);
}

fn check_built(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (bits, opcode, shift) = (choices.byte(), choices.byte(), choices.byte() % 64);
    let opcodes = [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ];
    let number = std::array::from_fn(|_| choices.byte());
    let header = Header {
        fin: bits & 1 != 0,
        rsv: bits >> 1 & 7,
        opcode: opcodes[usize::from(opcode) % opcodes.len()],
        mask: (bits & 16 != 0).then(|| std::array::from_fn(|_| choices.byte())),
        length: u64::from_be_bytes(number) >> shift,
    };
    let expected = match header {
        header if header.opcode.is_control() && !header.fin => Err(Error::ControlFragmented),
        header if header.opcode.is_control() && header.length > MAX_CONTROL_PAYLOAD as u64 => {
            Err(Error::ControlTooLong)
        }
        header if header.length > i64::MAX as u64 => Err(Error::LengthTopBit),
        header => Ok(Some((header, header.encode().as_slice().len()))),
    };
    assert_eq!(Header::decode(header.encode().as_slice()), expected);
}

fn check_mask(input: &[u8]) {
    let Some((&key, payload)) = input.split_first_chunk::<4>() else {
        return;
    };
    let plain: Vec<u8> = payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    let mut whole = payload.to_vec();
    mask(key, 0, &mut whole);
    assert_eq!(whole, plain);

    let mut pieces = payload.to_vec();
    let cut = usize::from(key[0]).min(pieces.len());
    let (first, second) = pieces.split_at_mut(cut);
    mask(key, 0, first);
    mask(key, cut, second);
    assert_eq!(pieces, plain);

    let mut out = vec![1];
    mask_into(key, &plain, &mut out);
    assert_eq!(&out[1..], payload);
}
