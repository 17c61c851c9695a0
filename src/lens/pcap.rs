//! Captures that Wireshark opens: the bytes of connections, in packets that nobody has sent.
//!
//! ```text
//!   file header │ record: time, length │ IPv4 or IPv6 │ TCP │ bytes │ record ...
//! ```
//!
//! The format is that of libpcap, version 2.4, little-endian, in microseconds, with the link type 101 (packets begin with
//! their IP header). Connections open with a handshake of three segments, and each side that closes its half sends FIN;
//! everything between is acknowledged as it comes. Sums are right, so that nothing is marked as broken.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Side;

/// RFC 9293 3.1: the bits of a segment.
const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Bytes in one segment: those of a packet of IPv4 less its headers, and a round number.
const SEGMENT: usize = 32 * 1024;

/// Writes a capture.
#[derive(Debug)]
pub struct Pcap<W> {
    out: W,
    /// When the first second of the capture was, since 1970.
    began: Duration,
    connections: HashMap<u64, Ends>,
}

/// Both ends of a connection: their addresses, and the next sequence number of each.
#[derive(Clone, Copy, Debug)]
struct Ends {
    client: SocketAddr,
    server: SocketAddr,
    next: [u32; 2],
    ended: [bool; 2],
}

impl<W: Write> Pcap<W> {
    /// Begins a capture, at this time since 1970.
    ///
    /// # Errors
    /// Those of writing, here as below.
    pub fn new(mut out: W, began: Duration) -> io::Result<Pcap<W>> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&0xA1B2_C3D4u32.to_le_bytes());
        header.extend_from_slice(&2u16.to_le_bytes());
        header.extend_from_slice(&4u16.to_le_bytes());
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&65_535u32.to_le_bytes());
        header.extend_from_slice(&101u32.to_le_bytes());
        out.write_all(&header)?;
        Ok(Pcap {
            out,
            began,
            connections: HashMap::new(),
        })
    }

    /// A connection between these was opened, so long after the beginning.
    pub fn opened(
        &mut self,
        at: Duration,
        connection: u64,
        client: SocketAddr,
        server: SocketAddr,
    ) -> io::Result<()> {
        let mut ends = Ends {
            client,
            server,
            next: [0, 0],
            ended: [false; 2],
        };
        self.segment(at, &mut ends, Side::Client, SYN, &[])?;
        self.segment(at, &mut ends, Side::Server, SYN | ACK, &[])?;
        self.segment(at, &mut ends, Side::Client, ACK, &[])?;
        self.connections.insert(connection, ends);
        Ok(())
    }

    /// A side has sent bytes. Nothing is written for a connection that was not opened.
    pub fn sent(
        &mut self,
        at: Duration,
        connection: u64,
        from: Side,
        bytes: &[u8],
    ) -> io::Result<()> {
        let Some(mut ends) = self.connections.get(&connection).copied() else {
            return Ok(());
        };
        for bytes in bytes.chunks(SEGMENT) {
            self.segment(at, &mut ends, from, PSH | ACK, bytes)?;
        }
        self.connections.insert(connection, ends);
        Ok(())
    }

    /// A side has closed its half. Once both have, the connection is forgotten.
    pub fn ended(&mut self, at: Duration, connection: u64, from: Side) -> io::Result<()> {
        let Some(mut ends) = self.connections.remove(&connection) else {
            return Ok(());
        };
        self.segment(at, &mut ends, from, FIN | ACK, &[])?;
        ends.ended[index(from)] = true;
        if ends.ended == [true; 2] {
            return self.segment(at, &mut ends, other(from), ACK, &[]);
        }
        self.connections.insert(connection, ends);
        Ok(())
    }

    /// Sees to it that all of it is written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn segment(
        &mut self,
        at: Duration,
        ends: &mut Ends,
        from: Side,
        flags: u8,
        bytes: &[u8],
    ) -> io::Result<()> {
        let (source, target) = match from {
            Side::Client => (ends.client, ends.server),
            Side::Server => (ends.server, ends.client),
        };
        let mut tcp = Vec::with_capacity(20 + bytes.len());
        tcp.extend_from_slice(&source.port().to_be_bytes());
        tcp.extend_from_slice(&target.port().to_be_bytes());
        tcp.extend_from_slice(&ends.next[index(from)].to_be_bytes());
        let acknowledged = if flags & ACK == 0 {
            0
        } else {
            ends.next[index(other(from))]
        };
        tcp.extend_from_slice(&acknowledged.to_be_bytes());
        // Five words of header; a window as large as there is; the sum; no urgent bytes.
        tcp.extend_from_slice(&[0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend_from_slice(bytes);
        let taken = bytes.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        ends.next[index(from)] = ends.next[index(from)].wrapping_add(taken);
        let packet = packet(source.ip(), target.ip(), tcp);
        let at = self.began + at;
        let mut record = Vec::with_capacity(16 + packet.len());
        // Good until the year 2106.
        record.extend_from_slice(&(at.as_secs() as u32).to_le_bytes());
        record.extend_from_slice(&at.subsec_micros().to_le_bytes());
        record.extend_from_slice(&(packet.len() as u32).to_le_bytes());
        record.extend_from_slice(&(packet.len() as u32).to_le_bytes());
        record.extend_from_slice(&packet);
        self.out.write_all(&record)
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

/// The IP packet with a TCP segment whose sum is not there yet.
fn packet(source: IpAddr, target: IpAddr, mut tcp: Vec<u8>) -> Vec<u8> {
    let length = tcp.len() as u16;
    let (mut header, pseudo) = match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let addresses = [source.octets(), target.octets()].concat();
            // RFC 791 3.1: version and words of header, length, time to live, TCP.
            let mut header = vec![0x45, 0];
            header.extend_from_slice(&(length + 20).to_be_bytes());
            header.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
            header.extend_from_slice(&addresses);
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            (header, addresses)
        }
        (source, target) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let addresses = [octets(source), octets(target)].concat();
            // RFC 8200 3: version, length, TCP, hop limit.
            let mut header = vec![0x60, 0, 0, 0];
            header.extend_from_slice(&length.to_be_bytes());
            header.extend_from_slice(&[6, 64]);
            header.extend_from_slice(&addresses);
            (header, addresses)
        }
    };
    // RFC 9293 3.1: the sum covers the addresses, the protocol and the length.
    let sum = checksum(&[&pseudo, &[0, 6], &length.to_be_bytes(), &tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    header.append(&mut tcp);
    header
}

/// RFC 1071: the sum of words of 16 bits, in ones' complement. All parts but the last are of whole words.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for word in part.chunks(2) {
            sum += u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from);
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_a_packet_are_right() {
        let addresses = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:1", "[::1]:2"];
        let addresses = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
        for ends in addresses.chunks(2) {
            let mut file = Vec::new();
            let mut pcap = Pcap::new(&mut file, Duration::ZERO).unwrap();
            pcap.opened(Duration::ZERO, 1, ends[0], ends[1]).unwrap();
            pcap.sent(Duration::ZERO, 1, Side::Client, b"abc").unwrap();
            pcap.ended(Duration::ZERO, 1, Side::Client).unwrap();
            pcap.ended(Duration::ZERO, 1, Side::Server).unwrap();
            let mut rest = &file[24..];
            let mut packets = 0;
            while !rest.is_empty() {
                let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
                let packet = &rest[16..16 + length];
                rest = &rest[16 + length..];
                packets += 1;
                let (tcp, pseudo) = match packet[0] >> 4 {
                    4 => {
                        assert_eq!(checksum(&[&packet[..20]]), 0);
                        (&packet[20..], &packet[12..20])
                    }
                    _ => (&packet[40..], &packet[8..40]),
                };
                let length = (tcp.len() as u16).to_be_bytes();
                assert_eq!(checksum(&[pseudo, &[0, 6], &length, tcp]), 0);
            }
            assert_eq!(packets, 7);
        }
    }
}
