//! Masking: RFC 6455 5.3.
//!
//! ```text
//! payload   H  e  l  l  o         sent byte i = payload byte i XOR key byte (i mod 4)
//! key       37 fa 21 3d 37 ...
//! sent      7f 9f 4d 51 58        and the same again takes the mask off
//! ```
//!
//! A client masks every frame with a key that nobody can predict, so that a page cannot make it write bytes which a
//! cache on the way would take for HTTP (10.3). It hides nothing. A server pays for it on every byte it receives, which
//! is why the loop here is written for the vectoriser: blocks of a fixed size, XORed with a pattern of the same size,
//! no index that depends on the data.

/// How many bytes the loop takes at a time: a multiple of the key's four and of every vector register's size.
const BLOCK: usize = 64;

/// Masks `payload` in place, or takes the mask off.
///
/// `offset` is where `payload` starts within the payload of its frame, so that a frame can be unmasked as it arrives.
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
pub fn mask(mut key: [u8; 4], offset: usize, payload: &mut [u8]) {
    key.rotate_left(offset % 4);
    let mut pattern = [0; BLOCK];
    for (i, byte) in pattern.iter_mut().enumerate() {
        *byte = key[i % 4];
    }
    let mut blocks = payload.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        for (byte, key) in block.iter_mut().zip(&pattern) {
            *byte ^= key;
        }
    }
    for (byte, key) in blocks.into_remainder().iter_mut().zip(&pattern) {
        *byte ^= key;
    }
}

/// Appends `payload`, masked, to `out`: for a client, which must not alter its caller's bytes.
pub fn mask_into(key: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(payload);
    mask(key, 0, &mut out[start..]);
}
