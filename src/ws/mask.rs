//! Masking: RFC 6455 5.3.
//!
//! ```text
//! payload   H  e  l  l  o         sent byte i = payload byte i XOR key byte (i mod 4)
//! key       37 fa 21 3d 37 ...
//! sent      7f 9f 4d 51 58        and the same again takes the mask off
//! ```
//!
//! A client masks every frame with a key that nobody can predict, so that a page cannot make it
//! write bytes which a cache on the way would take for HTTP (10.3). It hides nothing. A server pays
//! for it on every byte it receives, which is why the loop here is written for the vectoriser:
//! blocks of a fixed size in words of a fixed size, XORed with the key repeated to a word, and no
//! index that depends on the data. With the 16-byte registers that every x86-64 processor has, that
//! is one store per cycle, which is what such a loop can do at most; with wider ones enabled, it
//! uses them.

/// How many bytes the main loop takes at a time: a whole number of the widest vector registers.
const BLOCK: usize = 128;
/// How many bytes of what that leaves are taken at a time: two registers of 16 bytes, so that a short message is done in a
/// few steps.
const PIECE: usize = 32;
/// The key twice.
const WORD: usize = 8;
/// What is shorter is masked byte by byte.
const SHORT: usize = 2 * WORD;

/// Masks `payload` in place, or takes the mask off.
///
/// `offset` is where `payload` starts within the payload of its frame, so that a frame can be
/// unmasked as it arrives.
///
/// ```
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut bytes = *b"Hello";
/// barewire::ws::mask(key, 0, &mut bytes);
/// assert_eq!(bytes, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// barewire::ws::mask(key, 0, &mut bytes[..2]);
/// barewire::ws::mask(key, 2, &mut bytes[2..]);
/// assert_eq!(&bytes, b"Hello");
/// ```
#[inline]
pub fn mask(key: [u8; 4], offset: usize, payload: &mut [u8]) {
    let word = word(key, offset);
    // The last few bytes would be many steps of one. So they are masked with those in front of them, before those are.
    let tail = payload.last_chunk().map(|tail: &[u8; SHORT]| {
        let mut tail = *tail;
        mask_words(word.rotate_right(payload.len() as u32 % 4 * 8), &mut tail);
        tail
    });
    let rest = mask_blocks::<BLOCK>(word, payload);
    let rest = mask_blocks::<PIECE>(word, rest);
    mask_blocks::<SHORT>(word, rest);
    match (tail, payload.last_chunk_mut()) {
        (Some(tail), Some(last)) => *last = tail,
        _ => mask_few(word, payload),
    }
}

/// Appends `payload`, masked, to `out`: for a client, which must not alter its caller's bytes.
pub fn mask_into(key: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(payload);
    mask(key, 0, &mut out[start..]);
}

/// The key twice, for bytes from `offset` on.
#[inline]
fn word(key: [u8; 4], offset: usize) -> u64 {
    let key = u64::from(u32::from_le_bytes(key));
    (key << 32 | key).rotate_right(offset as u32 % 4 * 8)
}

/// Masks the whole blocks at the front, and gives the bytes that are left.
#[inline]
fn mask_blocks<const N: usize>(key: u64, bytes: &mut [u8]) -> &mut [u8] {
    let mut blocks = bytes.chunks_exact_mut(N);
    for block in &mut blocks {
        mask_words(key, block);
    }
    blocks.into_remainder()
}

/// Masks whole words.
#[inline]
fn mask_words(key: u64, bytes: &mut [u8]) {
    for word in bytes.chunks_exact_mut(WORD) {
        if let Some(word) = word.first_chunk_mut() {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
    }
}

#[inline]
fn mask_few(key: u64, bytes: &mut [u8]) {
    for word in bytes.chunks_mut(4) {
        for (byte, key) in word.iter_mut().zip(key.to_le_bytes()) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 5.3 Client-to-server masking

    #[test]
    fn byte_i_is_masked_with_key_byte_i_modulo_4_at_every_length_and_offset() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        for len in (0..200).chain([1023, 1024, 1025]) {
            for offset in [0, 1, 2, 3, 4, 7, usize::MAX] {
                let mut bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let expected: Vec<u8> = (0..len)
                    .map(|i| i as u8 ^ key[(i + offset % 4) % 4])
                    .collect();
                mask(key, offset, &mut bytes);
                assert_eq!(bytes, expected, "{len} bytes at {offset}");
            }
        }
    }

    #[test]
    fn masking_into_a_buffer_leaves_the_payload_and_what_was_there_alone() {
        let payload = *b"Hello";
        let mut out = vec![1, 2];
        mask_into([0x37, 0xFA, 0x21, 0x3D], &payload, &mut out);
        assert_eq!(out, [1, 2, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
        assert_eq!(&payload, b"Hello");
    }
}
