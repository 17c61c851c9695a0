//! The codecs in memory, beside those of tungstenite and fastwebsockets and beside what the machine does at most.
//!
//! Decoding is measured with the copy that takes a frame out of a socket, which every reader has to make: `memcpy` is
//! that copy alone. All of them take the mask off.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use barewire::{http, sse, ws};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use futures_util::FutureExt;

const SIZES: [usize; 5] = [20, 125, 1024, 16 * 1024, 1024 * 1024];
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn main() {
    divan::main();
}

/// Behind every payload there is some room, so that two that are allocated after each other don't lie at the same place
/// of their pages: some processors copy many times more slowly from there (a few bytes ahead, modulo 4 KiB, on AMD's
/// third Zen by the standard C library's `rep movsb`), and that would be measured instead.
const APART: usize = 2048;

fn payload(size: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(size + APART);
    payload.extend((0..size).map(|i| b'a' + (i % 26) as u8));
    payload
}

fn frame(size: usize, key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(size + APART);
    ws::write_message(&mut frame, ws::Message::Binary(&payload(size)), key);
    frame
}

/// A socket from which one frame comes again and again, and which takes everything.
struct Endless {
    frame: Vec<u8>,
    at: usize,
}

impl Endless {
    fn new(size: usize) -> Endless {
        Endless {
            frame: frame(size, Some(KEY)),
            at: 0,
        }
    }
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = &self.frame[self.at..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.at = (self.at + count) % self.frame.len();
        Ok(count)
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tokio::io::AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.frame[self.at..];
        let count = left.len().min(into.remaining());
        into.put_slice(&left[..count]);
        self.at = (self.at + count) % self.frame.len();
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One masked binary frame, read and decoded.
#[divan::bench_group]
mod decode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn memcpy(bencher: Bencher, size: usize) {
        let (from, mut buffer) = (frame(size, Some(KEY)), frame(size, Some(KEY)));
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| black_box(&mut buffer).copy_from_slice(black_box(&from)));
    }

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let (from, mut buffer) = (frame(size, Some(KEY)), frame(size, Some(KEY)));
        let mut decoder = ws::Decoder::new(ws::Role::Server);
        let limits = ws::Limits::default();
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            buffer.copy_from_slice(black_box(&from));
            match decoder
                .decode(&mut buffer, &limits)
                .map(|decoded| decoded.event)
            {
                Ok(Some(ws::Event::Message(message))) => black_box(message.as_bytes().len()),
                _ => unreachable!("the frame is whole"),
            }
        });
    }

    #[divan::bench(args = SIZES)]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        use ::fastwebsockets::{Role, WebSocket};
        let mut socket = WebSocket::after_handshake(Endless::new(size), Role::Server);
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            let frame = socket.read_frame().now_or_never().and_then(Result::ok);
            black_box(frame.map(|frame| frame.payload.len()))
        });
    }

    #[divan::bench(args = SIZES)]
    fn tungstenite(bencher: Bencher, size: usize) {
        use ::tungstenite::protocol::{Role, WebSocket};
        let mut socket = WebSocket::from_raw_socket(Endless::new(size), Role::Server, None);
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| black_box(socket.read().map(|message| message.len()).ok()));
    }
}

/// The mask alone, in place, beside copying as many bytes.
#[divan::bench_group]
mod unmask {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn memcpy(bencher: Bencher, size: usize) {
        let (from, mut to) = (payload(size), payload(size));
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    }

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let mut bytes = payload(size);
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| ws::mask(black_box(KEY), 0, black_box(&mut bytes)));
    }

    #[divan::bench(args = SIZES)]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        let mut bytes = payload(size);
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| ::fastwebsockets::unmask(black_box(&mut bytes), black_box(KEY)));
    }
}

/// One message to an unmasked frame in a buffer that is there already.
#[divan::bench_group]
mod encode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn memcpy(bencher: Bencher, size: usize) {
        let (from, mut out) = (payload(size), Vec::with_capacity(size + 16));
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            out.extend_from_slice(black_box(&from));
            black_box(&out);
        });
    }

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let (from, mut out) = (payload(size), Vec::with_capacity(size + 16));
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            ws::write_message(&mut out, ws::Message::Binary(black_box(&from)), None);
            black_box(&out);
        });
    }

    #[divan::bench(args = SIZES)]
    fn fastwebsockets(bencher: Bencher, size: usize) {
        use ::fastwebsockets::{Frame, Payload};
        let (from, mut out) = (payload(size), Vec::with_capacity(size + 16));
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            let mut frame = Frame::binary(Payload::Borrowed(black_box(&from)));
            black_box(frame.write(&mut out).len())
        });
    }

    #[divan::bench(args = SIZES)]
    fn tungstenite(bencher: Bencher, size: usize) {
        use ::tungstenite::protocol::frame::Frame;
        use ::tungstenite::protocol::frame::coding::{Data, OpCode};
        let (from, mut out) = (
            bytes::Bytes::from(payload(size)),
            Vec::with_capacity(size + 16),
        );
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            let frame = Frame::message(black_box(&from).clone(), OpCode::Data(Data::Binary), true);
            black_box(frame.format(&mut out).is_ok())
        });
    }
}

/// Text with a letter in sixteen bytes that is not ASCII. Whole messages, as all of these are, the library gives to the
/// standard library's validation: that is what stands for it here.
#[divan::bench_group]
mod utf8 {
    use super::*;

    fn text(size: usize) -> Vec<u8> {
        "plain und grün ".repeat(size / 16 + 1).into_bytes()
    }

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let text = text(size);
        bencher
            .counter(BytesCount::new(text.len()))
            .bench_local(|| std::str::from_utf8(black_box(&text)).is_ok());
    }

    #[divan::bench(args = SIZES)]
    fn barewire_ascii(bencher: Bencher, size: usize) {
        let text = payload(size);
        bencher
            .counter(BytesCount::new(text.len()))
            .bench_local(|| std::str::from_utf8(black_box(&text)).is_ok());
    }

    #[divan::bench(args = SIZES)]
    fn simdutf8(bencher: Bencher, size: usize) {
        let text = text(size);
        bencher
            .counter(BytesCount::new(text.len()))
            .bench_local(|| ::simdutf8::basic::from_utf8(black_box(&text)).is_ok());
    }
}

/// A browser's request for a WebSocket.
const HEAD: &[u8] = b"GET /channels/demo?from=now HTTP/1.1\r\n\
    Host: example.org:9000\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: */*\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Origin: http://example.org:9000\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\n\r\n";

#[divan::bench_group]
mod head {
    use super::*;

    #[divan::bench]
    fn httparse(bencher: Bencher) {
        bencher
            .counter(BytesCount::new(HEAD.len()))
            .bench_local(|| {
                let mut fields = [::httparse::EMPTY_HEADER; 100];
                let mut request = ::httparse::Request::new(&mut fields);
                request.parse(black_box(HEAD)).is_ok()
            });
    }

    #[divan::bench]
    fn barewire(bencher: Bencher) {
        let limits = http::HeadLimits::default();
        bencher
            .counter(BytesCount::new(HEAD.len()))
            .bench_local(|| http::RequestHead::parse(black_box(HEAD), &limits).is_ok());
    }

    #[divan::bench]
    fn barewire_upgrade(bencher: Bencher) {
        let limits = http::HeadLimits::default();
        bencher
            .counter(BytesCount::new(HEAD.len()))
            .bench_local(|| {
                let head = http::RequestHead::parse(black_box(HEAD), &limits).ok()?;
                let upgrade = ws::handshake::Upgrade::from_request(&head).ok()?;
                Some(upgrade.accept())
            });
    }
}

/// One event with an id and a name.
const EVENT: &[u8] = b"id: 1763709279000-0\nevent: price\ndata: ";

fn stream(size: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(size + APART);
    stream.extend_from_slice(EVENT);
    stream.extend_from_slice(&payload(size));
    stream.extend_from_slice(b"\n\n");
    stream
}

#[divan::bench_group]
mod events_encode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn memcpy(bencher: Bencher, size: usize) {
        let (from, mut out) = (stream(size), Vec::with_capacity(size + 64));
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            out.extend_from_slice(black_box(&from));
            black_box(&out);
        });
    }

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let data = String::from_utf8(payload(size)).unwrap_or_default();
        let mut out = Vec::with_capacity(size + 64);
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            out.clear();
            let event = sse::Event {
                id: sse::EventId::new("1763709279000-0").ok(),
                name: sse::EventName::new("price").ok(),
                ..sse::Event::message(black_box(&data))
            };
            sse::write_event(&mut out, &event);
            black_box(&out);
        });
    }
}

#[divan::bench_group]
mod events_decode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn barewire(bencher: Bencher, size: usize) {
        let from = stream(size);
        let decoder = RefCell::new(sse::Decoder::new(sse::MAX_EVENT));
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            let mut decoder = decoder.borrow_mut();
            let received = decoder.decode(black_box(&from));
            received.is_ok_and(|(_, event)| event.is_some())
        });
    }

    #[divan::bench(args = SIZES)]
    fn eventsource_stream(bencher: Bencher, size: usize) {
        use ::eventsource_stream::EventStream;
        use futures_util::{StreamExt, stream};
        let from = bytes::Bytes::from(super::stream(size));
        let chunks = stream::repeat_with(|| Ok::<_, io::Error>(black_box(&from).clone()));
        let mut events = EventStream::new(chunks);
        bencher
            .counter(BytesCount::new(size))
            .bench_local(|| events.next().now_or_never().is_some());
    }
}
