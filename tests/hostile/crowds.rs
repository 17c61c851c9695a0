//! What many peers cost at once, and one that does not read: crowds that announce much, send without an end, or ask for
//! more than they take. Memory is counted by the allocator, the clients' included; the sections are of RFC 6455 where
//! none other is named.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use barewire::Limits;
#[cfg(feature = "deflate")]
use barewire::Server;
use barewire::net::HIGH_WATER;

use crate::case::{LONG, assert_well, usual};
use crate::memory::Watch;
#[cfg(feature = "deflate")]
use crate::support::upgrade_request;
use crate::support::{
    Running, await_end, connect, get, open_events, open_websocket, post, read_answer,
};

/// As many peers as do the same at once, where one would not show.
const CROWD: usize = 64;
/// What a server takes besides, and the clients in this process.
const SLACK: usize = 256 * 1024;

/// Lets so many peers send `bytes` and then nothing. While they are there, each may take so much memory.
#[track_caller]
fn play_a_crowd(bytes: &[u8], at_socket: bool, each: usize) {
    let mut watch = Watch::begin();
    let server = Running::start(usual);
    let mut peers: Vec<TcpStream> = (0..CROWD).map(|_| connect(server.address)).collect();
    for peer in &mut peers {
        if at_socket {
            open_websocket(peer, "/echo", "");
        }
    }
    assert_well(server.address);
    watch.again();
    for peer in &mut peers {
        peer.write_all(bytes).unwrap();
    }
    // The server takes what has arrived in its order: this is behind all of it.
    assert_well(server.address);
    let peak = watch.peak();
    assert!(peak < CROWD * each + SLACK, "{peak} bytes were in use");
}

#[test]
fn a_crowd_that_announces_large_messages_costs_what_has_come() {
    // 15 MiB, and one byte of them (RFC 6455 5.2).
    let header = b"\x82\xff\0\0\0\0\0\xf0\0\0\0\0\0\0x";
    play_a_crowd(header, true, 1024);
}

#[test]
fn a_crowd_that_announces_large_bodies_costs_what_has_come() {
    let head = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\nx";
    play_a_crowd(head, false, 1024);
}

#[test]
fn a_crowd_that_announces_large_chunks_costs_what_has_come() {
    let head = b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\nx";
    play_a_crowd(head, false, 1024);
}

#[test]
fn a_crowd_of_heads_without_an_end_costs_little_more_than_their_bytes() {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    head.resize(16 * 1024, b'x');
    play_a_crowd(&head, false, 2 * head.len());
}

#[test]
fn a_crowd_of_messages_in_very_many_pieces_costs_little_more_than_their_bytes() {
    // 10,000 fragments of one byte each (RFC 6455 5.4): one flat buffer, and nothing for a fragment.
    let fragments = [
        &b"\x02\x81\0\0\0\0x"[..],
        &b"\x00\x81\0\0\0\0x".repeat(9_999)[..],
    ];
    play_a_crowd(&fragments.concat(), true, 20_000);
}

#[test]
fn a_message_that_grows_past_16_mib_is_1009_and_takes_no_more_than_twice_that() {
    let watch = Watch::begin();
    let server = Running::start(usual);
    let mut peer = connect(server.address);
    open_websocket(&mut peer, "/echo", "");
    // The first fragment is empty; each of the others holds 64 KiB (RFC 6455 5.4 and 10.4).
    peer.write_all(b"\x02\x80\0\0\0\0").unwrap();
    let mut fragment = b"\x00\xff\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
    fragment.resize(fragment.len() + 64 * 1024, b'x');
    for _ in 0..257 {
        peer.write_all(&fragment).unwrap();
    }
    let mut close = [0; 4];
    peer.read_exact(&mut close).unwrap();
    assert_eq!((close[0], &close[2..]), (0x88, &1009_u16.to_be_bytes()[..]));
    await_end(&mut peer);
    assert_well(server.address);
    let peak = watch.peak();
    assert!(peak < 33 << 20, "{peak} bytes");
}

/// After `opening`, sends `bytes` again and again without reading, until the server takes no more of them or has
/// taken plenty, while everybody else is served as ever. So much memory may be in use meanwhile.
#[track_caller]
fn play_who_does_not_read(
    opening: impl FnOnce(&mut TcpStream),
    bytes: &[u8],
    high_water: usize,
    memory: usize,
) {
    const PLENTY: usize = 24 << 20;
    let mut watch = Watch::begin();
    let server = Running::start(|server| {
        usual(server);
        server.limits(Limits {
            high_water,
            ..Limits::default()
        });
    });
    let large = "x".repeat(512 * 1024);
    let answer = post(&mut connect(server.address), "/channels/large", &large);
    assert_eq!(answer.unwrap().status, 201);
    let mut peer = connect(server.address);
    opening(&mut peer);
    assert_well(server.address);
    watch.again();
    peer.set_nonblocking(true).unwrap();
    let (mut sent, mut refused) = (0, 0);
    while refused < 3 && sent < PLENTY {
        // Where a write ended inside the bytes, the next one goes on there.
        match peer.write(&bytes[sent % bytes.len()..]) {
            Ok(count) => (sent, refused) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // The server has its turn, and would take more if it took any.
                assert_well(server.address);
                refused += 1;
            }
            Err(error) => panic!("{error} behind {sent} bytes"),
        }
    }
    let peak = watch.peak();
    assert!(peak < memory, "{peak} bytes were in use");
}

fn open_echo(peer: &mut TcpStream) {
    open_websocket(peer, "/echo", "");
}

#[test]
fn who_sends_ahead_of_a_long_poll_is_not_read_from() {
    // RFC 9112 9.3.2: what is sent ahead has to wait for the poll.
    let poll = |peer: &mut TcpStream| {
        let request = b"GET /channels/silent?wait=60 HTTP/1.1\r\nHost: a\r\n\r\n";
        peer.write_all(request).unwrap();
    };
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    play_who_does_not_read(poll, &request.repeat(1_000), HIGH_WATER, 2 << 20);
}

#[test]
fn what_is_sent_behind_an_event_stream_is_thrown_away() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let stream = |peer: &mut TcpStream| open_events(peer, "/channels/silent", "");
    play_who_does_not_read(stream, &request.repeat(1_000), HIGH_WATER, 2 << 20);
}

#[test]
fn who_asks_for_much_and_does_not_read_it_is_not_read_from() {
    let request = b"GET /channels/large HTTP/1.1\r\nHost: a\r\n\r\n";
    play_who_does_not_read(|_| {}, &request.repeat(1_000), HIGH_WATER, 6 << 20);
}

#[test]
fn who_has_much_echoed_and_does_not_read_it_is_not_read_from() {
    let mut message = b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
    message.resize(message.len() + 64 * 1024, b'x');
    play_who_does_not_read(open_echo, &message, HIGH_WATER, 6 << 20);
}

#[test]
fn who_has_few_bytes_answered_at_length_and_does_not_read_it_is_not_read_from() {
    // What one read brings would be answered with gigabytes.
    let long = |peer: &mut TcpStream| open_websocket(peer, "/long", "");
    play_who_does_not_read(
        long,
        &b"\x81\x81\0\0\0\0x".repeat(1_000),
        HIGH_WATER,
        6 << 20,
    );
}

#[test]
fn who_has_few_bytes_answered_at_length_and_reads_it_gets_all_of_it() {
    // 80 MB, which is more than may wait for a peer.
    const MESSAGES: usize = 5_000;
    let mut watch = Watch::begin();
    let server = Running::start(usual);
    let mut peer = connect(server.address);
    open_websocket(&mut peer, "/long", "");
    watch.again();
    let messages = b"\x81\x81\0\0\0\0x".repeat(MESSAGES);
    peer.write_all(&messages).unwrap();
    let mut answer = vec![0; 4 + LONG];
    for _ in 0..MESSAGES {
        peer.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"\x81\x7e\x40\0x"));
    }
    let peak = watch.peak();
    assert!(peak < 6 << 20, "{peak} bytes were in use");
}

#[test]
fn who_pings_and_does_not_read_has_no_row_of_pongs() {
    // RFC 6455 5.5.3: the newest is enough. With such a high-water mark all of them are read, as many at once as the
    // loop's read buffer takes: 8,000, whose pongs were a megabyte to make and another one to wait.
    let mut ping = b"\x89\xfd\0\0\0\0".to_vec();
    ping.resize(ping.len() + 125, b'p');
    play_who_does_not_read(open_echo, &ping.repeat(1_000), usize::MAX, 512 << 10);
}

#[test]
fn a_connection_too_many_waits_until_another_one_ends() {
    // Its server's memory would be counted as another test's.
    let _watch = Watch::begin();
    const CAP: usize = 8;
    let server = Running::start(|server| {
        usual(server);
        server.limits(Limits {
            connections: CAP,
            ..Limits::default()
        });
    });
    let mut peers: Vec<TcpStream> = (0..CAP).map(|_| connect(server.address)).collect();
    for peer in &mut peers {
        assert_eq!(get(peer, "/", "").unwrap().body, "home");
    }
    let mut late = connect(server.address);
    late.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(get(&mut peers[0], "/", "").unwrap().body, "home");
    late.set_nonblocking(true).unwrap();
    let kind = late.read(&mut [0]).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::WouldBlock);
    late.set_nonblocking(false).unwrap();
    peers.pop();
    assert_eq!(read_answer(&mut late).unwrap().body, "home");
    drop(late);
    assert_well(server.address);
}

// RFC 7692: 1 KiB becomes 1 MiB, and who asks for a window of 256 bytes gets all of it back uncompressed.

#[cfg(feature = "deflate")]
#[test]
fn small_messages_that_inflate_to_large_ones_cost_no_more_than_what_may_wait_for_a_peer() {
    use barewire::ws::deflate::{Deflater, WindowBits};

    const MESSAGE: usize = 1 << 20;
    let mut payload = Vec::new();
    assert!(Deflater::new(9, WindowBits::MAX, false).deflate(&vec![0; MESSAGE], &mut payload));
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&[0xC2, 0xFE], &length[..], &[0; 4], &payload].concat();

    let watch = Watch::begin();
    let mut server = Server::unbound().unwrap();
    usual(&mut server);
    server.limits(Limits {
        backlog: 2 * MESSAGE,
        ..Limits::default()
    });
    let mut server = server.simulate();
    let peer = server.connect();
    let fields = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n";
    server.send(peer, upgrade_request("/echo", fields).as_bytes());
    server.take(peer);
    server.stall(peer, 0);
    server.send(peer, &frame.repeat(64));
    let peak = watch.peak();
    assert!(peak < 16 * MESSAGE, "{peak} bytes were in use");
    // The others are read when there is room for what they are answered with.
    assert!(server.is_open(peer));
    server.resume(peer);
    assert!(server.take(peer).len() > 64 * MESSAGE);
}
