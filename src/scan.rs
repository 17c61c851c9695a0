//! Looking through bytes, for all codecs alike: where the first byte is that is wanted, and what decimal digits are worth.

/// Bytes tested at a time. Without an exit inside it, the test of one block compiles to a few vector
/// instructions. Wider blocks measured no faster on long text, and slower on short.
const BLOCK: usize = 16;

/// Where the first byte is that `wanted` wants.
///
/// A search that may stop at any byte is compiled to a loop over bytes. Asking a block at once
/// whether any is wanted, without stopping, becomes a few vector instructions, and heads and streams
/// are searched for line ends often enough for that to show.
#[inline]
pub(crate) fn position(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let blocks = bytes.chunks_exact(BLOCK);
    let skipped = blocks
        .take_while(|block| !block.iter().fold(false, |any, &byte| any | wanted(byte)))
        .count()
        * BLOCK;
    // `skipped` counts whole blocks of `bytes`, so it is at most its length.
    let rest = &bytes[skipped..];
    let offset = rest.iter().position(|&byte| wanted(byte))?;
    Some(skipped + offset)
}

/// Where the first byte is that is this one. As [`position`], for short lines: eight bytes at a time are asked, and the
/// answer says which of them it is.
#[inline]
pub(crate) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let wanted = u64::from(byte) * LOW;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let differs = u64::from_le_bytes(*word) ^ wanted;
        // A byte that is zero borrows from those behind it only, so that the first bit is right.
        let found = differs.wrapping_sub(LOW) & !differs & HIGH;
        if found != 0 {
            return Some(bytes.len() - rest.len() + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let at = rest.iter().position(|&it| it == byte)?;
    Some(bytes.len() - rest.len() + at)
}

/// The value of `1*DIGIT` (RFC 5234 B.1); `None` for anything else, and for more than 64 bits hold. Not `str::parse`,
/// which takes a sign.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    });
    value.filter(|_| !digits.is_empty())
}

/// As [`decimal`], but more than 64 bits hold is as much as they hold: a time beyond all times is still a time.
pub(crate) fn saturating_decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| decimal(digits).unwrap_or(u64::MAX))
}

/// The value of a port in digits (RFC 3986 3.2.3).
pub(crate) fn port(digits: &str) -> Option<u16> {
    decimal(digits.as_bytes())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..80 {
            for at in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[at] = b'\n';
                bytes[at + 1..].fill(b'\x0b');
                assert_eq!(position(&bytes, |byte| byte == b'\n'), Some(at));
                assert_eq!(find(&bytes, b'\n'), Some(at));
            }
            for other in [0, b'\t', b'\x0b', 0x8a, 0xff] {
                let bytes = vec![other; length];
                assert_eq!(position(&bytes, |byte| byte == b'\n'), None);
                assert_eq!(find(&bytes, b'\n'), None);
            }
        }
    }

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        for (text, value) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("1.0", None),
            ("\u{661}", None), // a digit of another script
        ] {
            assert_eq!(decimal(text.as_bytes()), value, "{text:?}");
            assert_eq!(saturating_decimal(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn what_64_bits_do_not_hold_is_none_or_the_most_they_hold() {
        for text in ["18446744073709551616", "99999999999999999999999"] {
            assert_eq!(decimal(text.as_bytes()), None);
            assert_eq!(saturating_decimal(text.as_bytes()), Some(u64::MAX));
        }
    }

    #[test]
    fn a_port_has_sixteen_bits() {
        assert_eq!(port("65535"), Some(65_535));
        assert_eq!(port("00080"), Some(80));
        for text in ["", "65536", "+80", "8o"] {
            assert_eq!(port(text), None, "{text:?}");
        }
    }
}
