//! The laws of the fuzz target `lens`, for connections that are put together from pieces which mean something.

use barewire::lens::{Options, Side};
use proptest::prelude::*;

use super::law;

const HANDSHAKE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
const AGREED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const COMPRESSED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

const PIECES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /?token=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    HANDSHAKE,
    AGREED,
    COMPRESSED,
    STREAM,
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"c\r\nid: 1\ndata: a\r\n",
    b"1\r\n\n\r\n",
    b"4\r\n:hi\n\r\n",
    b"0\r\n\r\n",
    b"data: a\r\n\r\n",
    b"event: b\rretry: 10\r\r",
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"\x01\x83\0\0\0\0\xe2\x82\xac",
    b"\x81\x05Hello",
    b"\x01\x02\xe2\x82",
    b"\x80\x01\xac",
    b"\x89\x00",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\x88\x02\x03\xe8",
    b"\x82\x7e\x01\x00",
    b"\r\n",
    b"\n",
    b"\0",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        2 => (prop::sample::select(PIECES), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(piece, at, byte)| {
                let mut piece = piece.to_vec();
                let at = at.index(piece.len());
                piece[at] = byte;
                piece
            }
        ),
        1 => (prop::sample::select(PIECES), any::<prop::sample::Index>())
            .prop_map(|(piece, at)| piece[..at.index(piece.len())].to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>()).prop_map(|(secrets, small)| {
        let options = Options {
            secrets,
            ..Options::default()
        };
        match small {
            true => Options {
                shown: 16,
                event: 24,
                message: 32,
                ..options
            },
            false => options,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_belongs_to_exactly_one_leaf_and_any_split_gives_the_same(
        pieces in prop::collection::vec((side(), piece()), 0..12),
        options in options(),
        cut in any::<u8>(),
        closed in any::<bool>(),
    ) {
        let pieces: Vec<(Side, &[u8])> = pieces.iter().map(|(side, piece)| (*side, &**piece)).collect();
        law::check_conversation(&pieces, options, cut, closed);
    }

    #[test]
    fn the_same_behind_a_handshake(
        compressed in any::<bool>(),
        pieces in prop::collection::vec((side(), piece()), 0..8),
        options in options(),
        cut in any::<u8>(),
    ) {
        let answer = if compressed { COMPRESSED } else { AGREED };
        let mut all = vec![(Side::Client, HANDSHAKE), (Side::Server, answer)];
        all.extend(pieces.iter().map(|(side, piece)| (*side, &**piece)));
        law::check_conversation(&all, options, cut, true);
    }

    #[test]
    fn the_codecs_say_the_same(input in prop::collection::vec(piece(), 0..6), choice in any::<u8>(), cut in any::<u8>()) {
        let mut whole = vec![choice, cut];
        for piece in input {
            whole.push(piece.len().min(126) as u8 | cut & 0x80);
            whole.extend(&piece[..piece.len().min(126)]);
        }
        law::check(&whole);
    }
}
