//! What all rows are made of: numbers, ids, texts, and the sum that finds garbled bytes.

use crate::channel::Id;

/// Bytes that no encoder here has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What is left to decode.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn id(&mut self) -> Result<Id, Malformed> {
        Ok(Id {
            ms: self.u64()?,
            seq: self.u64()?,
        })
    }

    /// LEB128 in its shortest form.
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return is_shortest.then_some(value).ok_or(Malformed);
            }
        }
        Err(Malformed)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn write_id(out: &mut Vec<u8>, id: Id) {
    out.extend_from_slice(&id.ms.to_le_bytes());
    out.extend_from_slice(&id.seq.to_le_bytes());
}

/// A sum that changes with any bit. It finds what a medium has garbled; it withstands nobody who forges on purpose.
pub(super) fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |sum: u64, word: u64| {
        let product = (sum ^ word).wrapping_mul(MULTIPLIER);
        product ^ (product >> 32)
    };
    // Four sums side by side, so that no word waits for the one before it.
    let mut sums = [seed, !seed, seed.rotate_left(17), seed.rotate_left(41)];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (sum, word) in sums.iter_mut().zip(chunk.chunks_exact(8)) {
            *sum = mix(
                *sum,
                u64::from_le_bytes(word.try_into().unwrap_or_default()),
            );
        }
    }
    let mut sum = mix(bytes.len() as u64, seed);
    for part in sums {
        sum = mix(sum, part);
    }
    for word in chunks.remainder().chunks(8) {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        sum = mix(sum, u64::from_le_bytes(padded));
    }
    sum
}

/// Appends a checksum to a small row.
pub(super) fn seal(mut row: Vec<u8>) -> Vec<u8> {
    let sum = checksum(0, &row);
    row.extend_from_slice(&sum.to_le_bytes());
    row
}

pub(super) fn unseal(row: &[u8]) -> Result<Input<'_>, Malformed> {
    let (row, sum) = row.split_last_chunk().ok_or(Malformed)?;
    match u64::from_le_bytes(*sum) == checksum(0, row) {
        true => Ok(Input(row)),
        false => Err(Malformed),
    }
}
