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

/// The key twice: XOR takes the bytes in these steps, and the last few one by one.
const WORD: usize = 8;

/// How many bytes the main loop takes at a time: a whole number of the widest vector registers.
const BLOCK: usize = 128;

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
    let rotated = u32::from_be_bytes(key).rotate_left(offset as u32 % 4 * 8);
    let [a, b, c, d] = rotated.to_be_bytes();
    let key = [a, b, c, d, a, b, c, d];
    let mut blocks = payload.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        mask_words(key, block);
    }
    let rest = mask_words(key, blocks.into_remainder());
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Appends `payload`, masked, to `out`: for a client, which must not alter its caller's bytes.
pub fn mask_into(key: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(payload);
    mask(key, 0, &mut out[start..]);
}

/// Masks the whole words at the front, and gives the bytes that are left.
#[inline]
fn mask_words(key: [u8; WORD], bytes: &mut [u8]) -> &mut [u8] {
    let key = u64::from_ne_bytes(key);
    let mut words = bytes.chunks_exact_mut(WORD);
    for word in &mut words {
        let [a, b, c, d, e, f, g, h] = *word else {
            // chunks_exact_mut gives no other size.
            continue;
        };
        let masked = u64::from_ne_bytes([a, b, c, d, e, f, g, h]) ^ key;
        word.copy_from_slice(&masked.to_ne_bytes());
    }
    words.into_remainder()
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
