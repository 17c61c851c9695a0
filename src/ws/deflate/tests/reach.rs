//! How far back messages refer (RFC 7692 7.1.2), found out by inflating them in the plainest way (RFC 1951 3.2).

use super::super::*;
use super::{bits, inflated};

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn one(&mut self) -> usize {
        let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        usize::from(bit)
    }

    fn number(&mut self, bits: u32) -> usize {
        (0..bits).map(|place| self.one() << place).sum()
    }
}

/// A code by the lengths of its words: how many there are of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Code {
        let mut counts = [0; 16];
        lengths.iter().for_each(|&length| counts[length] += 1);
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&at| lengths[at] > 0).collect();
        symbols.sort_by_key(|&at| lengths[at]);
        Code { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> usize {
        let (mut word, mut first, mut before) = (0, 0, 0);
        for count in &self.counts[1..] {
            word = word << 1 | bits.one();
            first <<= 1;
            if word < first + count {
                return self.symbols[before + word - first];
            }
            first += count;
            before += count;
        }
        panic!("no word of the code");
    }
}

/// RFC 1951 3.2.5: length and distance codes come in groups, each with one extra bit more than the one before.
fn stretched(symbol: usize, group: usize, least: usize, bits: &mut Bits<'_>) -> usize {
    let extra = (symbol / group).saturating_sub(1);
    let base: usize = (0..symbol)
        .map(|symbol| 1 << (symbol / group).saturating_sub(1))
        .sum();
    least + base + bits.number(extra as u32)
}

/// Inflates a message onto `all`, and says the largest distance in it.
fn reach(payload: &[u8], all: &mut Vec<u8>) -> usize {
    let stream = [payload, &[0, 0, 0xFF, 0xFF]].concat();
    let mut bits = Bits {
        bytes: &stream,
        at: 0,
    };
    let mut furthest = 0;
    while bits.at < stream.len() * 8 {
        assert_eq!(bits.one(), 0, "no last block");
        let (literals, distances) = match bits.number(2) {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let len = bits.number(16);
                bits.at += 16;
                let start = bits.at / 8;
                all.extend_from_slice(&stream[start..start + len]);
                bits.at += len * 8;
                continue;
            }
            1 => {
                let lengths: Vec<usize> = [(8, 144), (9, 112), (7, 24), (8, 8)]
                    .iter()
                    .flat_map(|&(length, count)| vec![length; count])
                    .collect();
                (Code::new(&lengths), Code::new(&[5; 30]))
            }
            _ => dynamic(&mut bits),
        };
        loop {
            match literals.symbol(&mut bits) {
                256 => break,
                literal @ 0..256 => all.push(literal as u8),
                symbol => {
                    let length = match symbol {
                        285 => 258,
                        symbol => stretched(symbol - 257, 4, 3, &mut bits),
                    };
                    let distance = stretched(distances.symbol(&mut bits), 2, 1, &mut bits);
                    furthest = furthest.max(distance);
                    for _ in 0..length {
                        all.push(all[all.len() - distance]);
                    }
                }
            }
        }
    }
    furthest
}

/// RFC 1951 3.2.7: the codes of a block that brings its own.
fn dynamic(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let (literals, distances) = (257 + bits.number(5), 1 + bits.number(5));
    let mut lengths = [0; 19];
    let count = 4 + bits.number(4);
    ORDER[..count]
        .iter()
        .for_each(|&at| lengths[at] = bits.number(3));
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.symbol(bits) {
            16 => (lengths[lengths.len() - 1], 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            length => (length, 1),
        };
        lengths.extend(vec![length; times]);
    }
    let (literals, distances) = lengths.split_at(literals);
    (Code::new(literals), Code::new(distances))
}

#[test]
fn no_message_refers_further_back_than_agreed() {
    // Half of it repeats what lies 200 to 32,000 bytes back.
    let mut message: Vec<u8> = Vec::new();
    for n in 0..3_000u32 {
        let hash = n.wrapping_mul(0x9E37_79B9).rotate_left(n % 31);
        message.extend_from_slice(&hash.to_be_bytes());
        let back = [200, 700, 1_700, 3_800, 7_900, 16_000, 32_000][n as usize % 7];
        if let Some(from) = message.len().checked_sub(back) {
            message.extend_from_within(from..from + 12);
        }
    }
    let parts = [&message[..], &message[1_000..9_000], &message[..]];
    for window in [9, 10, 12, 15] {
        let mut furthest = 0;
        for takeover in [false, true] {
            for level in [1, 6] {
                let mut deflater = Deflater::new(level, bits(window), takeover);
                let mut all = Vec::new();
                for part in parts {
                    let mut payload = Vec::new();
                    assert!(deflater.deflate(part, &mut payload));
                    if !takeover {
                        all.clear();
                    }
                    furthest = furthest.max(reach(&payload, &mut all));
                    assert!(all.ends_with(part));
                }
            }
        }
        let most = bits(window).bytes();
        assert!(
            (most / 4..=most).contains(&furthest),
            "{furthest} of {most}"
        );
    }
}

#[test]
fn the_examples_reach_as_far_as_they_say() {
    // RFC 7692 7.2.3.2
    let mut all = Vec::new();
    assert_eq!(
        reach(&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], &mut all),
        0
    );
    assert_eq!(reach(&[0xF2, 0x00, 0x11, 0x00, 0x00], &mut all), 5);
    assert_eq!(all, b"HelloHello");
}

#[test]
fn a_window_of_256_bytes_has_messages_of_256_bytes_only() {
    let message = b"abcdefgh".repeat(100);
    let mut deflater = Deflater::new(LEVEL, WindowBits::MIN, true);
    for len in [100, 256, 257, 800, 256] {
        let mut payload = Vec::new();
        assert_eq!(deflater.deflate(&message[..len], &mut payload), len <= 256);
        if len <= 256 {
            // Each for itself, though takeover was wanted.
            assert_eq!(inflated(&payload), Ok(message[..len].to_vec()));
        }
    }
}
