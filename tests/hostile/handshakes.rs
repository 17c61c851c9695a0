//! Opening handshakes: RFC 6455 4, and whose pages may come in: RFC 6454 and RFC 6455 10.2. Who is refused may try
//! again on the same connection.

use crate::case::Seen::{Answer, Close, End, Frame, Open, Status};
use crate::case::Step::{Bytes, HalfClose};
use crate::case::{Case, play, usual};

#[test]
fn handshakes() {
    play(&[HANDSHAKES], 1 << 20, usual);
}

const HANDSHAKES: &[Case] = &[
    Case {
        name: "a handshake without Upgrade is told to upgrade",
        section: "RFC 9110 15.5.22",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(426, "Upgrade: websocket"), Open],
    },
    Case {
        name: "a plain request for a WebSocket is told the version",
        section: "RFC 6455 4.4",
        sends: &[Bytes(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a handshake with another Upgrade is told to upgrade",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(426, "Upgrade: websocket"), Open],
    },
    Case {
        name: "an Upgrade that only looks like websocket is none",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websockets\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(426, "Upgrade: websocket"), Open],
    },
    Case {
        name: "a handshake without Connection is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a handshake whose Connection does not name Upgrade is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: keep-alive\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a handshake without a version is told the version",
        section: "RFC 6455 4.4",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a handshake of an older version is told the version",
        section: "RFC 6455 4.4",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 8\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a handshake of a later version is told the version",
        section: "RFC 6455 4.4",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 14\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a version with a zero in front is none",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 013\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a version with a plus is none",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: +13\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a list of versions is none",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13, 8\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "the version twice is none",
        section: "RFC 6455 11.3.5",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), Open],
    },
    Case {
        name: "a handshake without a key is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "an empty key is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a short key is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n\
            \r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a long key is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a key without its padding is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a key that is not base64 is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a key in the alphabet of URLs is refused",
        section: "RFC 6455 4.2.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_-==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "two keys are refused",
        section: "RFC 6455 11.3.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a handshake that is no GET is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(405, "Allow: GET"), Open],
    },
    Case {
        name: "a handshake in HTTP/1.0 is no handshake",
        section: "RFC 9110 7.8",
        sends: &[Bytes(
            b"GET /echo HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Answer(426, "Sec-WebSocket-Version: 13"), End],
    },
    Case {
        name: "a handshake with a body is refused, and the body is no frame",
        section: "RFC 6455 4.1",
        sends: &[
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 8\r\n\r\n",
            ),
            Bytes(b"\x81\x82\0\0\0\0hi"),
        ],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a handshake with a chunked body is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nhi\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a handshake where there is nothing is 404",
        section: "RFC 6455 4.2.2",
        sends: &[Bytes(
            b"GET /nowhere HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[Status(404), Open],
    },
    Case {
        name: "a page of another origin may not open a WebSocket",
        section: "RFC 6455 10.2",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "a page of another origin may not open the WebSocket of a channel",
        section: "RFC 6455 10.2",
        sends: &[Bytes(
            b"GET /channels/smuggled HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an opaque origin is nobody's own",
        section: "RFC 6454 7.3",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: null\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an origin that begins with ours is another",
        section: "RFC 6454 5",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a.evil.example\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an origin that ends with ours is another",
        section: "RFC 6454 5",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil-a\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "our origin at another port is another",
        section: "RFC 6454 5",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a:8080\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "our origin of another scheme is another",
        section: "RFC 6454 5",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://a\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an origin with user information is another",
        section: "RFC 6454 4",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a@evil.example\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an origin does not hide behind our own",
        section: "RFC 6454 7.3",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a\r\n\
            Origin: http://evil.example\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "an empty origin is another",
        section: "RFC 6454 7",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin:\r\n\r\n",
        )],
        gets: &[Status(403), Open],
    },
    Case {
        name: "a page of another origin may not publish",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Origin: http://evil.example\r\nContent-Length: 8\r\n\r\nsmuggled",
        )],
        gets: &[Status(403), End],
    },
    Case {
        name: "a subprotocol that is offered twice is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: chat, chat\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a subprotocol that is no token is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ch at\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a quoted subprotocol is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: \"chat\"\r\n\
            \r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a flood of subprotocols is refused",
        section: "RFC 6455 4.1",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,p11,p12,\
            p13,p14,p15,p16,p17,p18,p19,p20,p21,p22,p23,p24,p25,p26,p27,p28,p2\
            9,p30,p31,p32,p33,p34,p35,p36,p37,p38,p39,p40,p41,p42,p43,p44,p45,\
            p46,p47,p48,p49,p50,p51,p52,p53,p54,p55,p56,p57,p58,p59,p60,p61,p62,p63,p64\r\n\r\n",
        )],
        gets: &[Status(400), Open],
    },
    Case {
        name: "a subprotocol that differs in case is another",
        section: "RFC 6455 11.5",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: CHAT, news\r\n\r\n",
        )],
        gets: &[Answer(101, "Sec-WebSocket-Protocol: news")],
    },
    Case {
        name: "one of many subprotocols is chosen, once, whatever their order",
        section: "RFC 6455 4.2.2",
        sends: &[Bytes(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: ,, x , news\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        )],
        gets: &[Answer(101, "Sec-WebSocket-Protocol: chat")],
    },
    Case {
        name: "an extension that nobody knows is not agreed on",
        section: "RFC 6455 9.1",
        sends: &[Bytes(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Extensions: x; y=\"z, permessage-deflate\r\n\r\n",
        )],
        gets: &[Answer(101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
    },
    Case {
        name: "frames that are glued to the handshake are answered",
        section: "RFC 6455 4.2.2",
        sends: &[
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ),
            Bytes(b"\x81\x83\0\0\0\0one"),
            Bytes(b"\x82\x83\0\0\0\0two"),
        ],
        gets: &[
            Answer(101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            Frame(0x81, b"one"),
            Frame(0x82, b"two"),
        ],
    },
    Case {
        name: "frames that are glued to a refused handshake are no requests and no frames",
        section: "RFC 6455 4.2.2",
        sends: &[
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
            ),
            Bytes(b"\x81\x83\0\0\0\0one"),
        ],
        gets: &[Status(400), Status(400), End],
    },
    Case {
        name: "an upgrade behind two polls is answered behind both",
        section: "RFC 9112 9.3.2",
        sends: &[Bytes(
            b"GET /channels/c HTTP/1.1\r\nHost: a\r\n\r\n\
            GET /channels/c HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\
            Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )],
        gets: &[
            Answer(200, "{\"events\":[]"),
            Answer(200, "{\"events\":[]"),
            Answer(101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ],
    },
    Case {
        name: "a handshake that was cut before its end opens nothing",
        section: "RFC 9112 8",
        sends: &[
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
            HalfClose,
        ],
        gets: &[End],
    },
    Case {
        name: "a second handshake on the same connection is no frame",
        section: "RFC 6455 5.1",
        sends: &[
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ),
            Bytes(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ),
        ],
        gets: &[
            Answer(101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            Close(1002),
            End,
        ],
    },
];
