//! Close frames (RFC 6455 5.5.1 and 7.4). Input: the payload of one.
//!
//! Laws: a payload that is read is written with the same bytes, and the decoder says of it what the parser says.

use barewire::ws::{self, Close, CloseCode, Header, Limits, Opcode, Role};

use super::ws_decoder::{Seen, decode};

pub fn check(input: &[u8]) {
    let payload = &input[..input.len().min(ws::MAX_CONTROL_PAYLOAD)];
    let parsed = Close::parse(payload);
    let mut wire = Header::new(Opcode::Close, payload.len() as u64)
        .encode()
        .as_slice()
        .to_vec();
    wire.extend_from_slice(payload);
    let (seen, error) = decode(Role::Client, &Limits::default(), &wire, &[0..wire.len()]);
    match parsed {
        Err(why) => assert_eq!((seen, error), (vec![], Some(why))),
        Ok(close) => {
            let owned = close.map(|close| (close.code, close.reason.to_owned()));
            assert_eq!((seen, error), (vec![Seen::Close(owned)], None));
            let mut written = Vec::new();
            ws::write_close(&mut written, close, None);
            assert_eq!(written, wire);
        }
    }
    if let Ok(Some(close)) = parsed {
        assert_eq!(CloseCode::new(close.code.as_u16()), Some(close.code));
        assert_eq!(Close::new(close.code, close.reason), Ok(close));
    }
}
