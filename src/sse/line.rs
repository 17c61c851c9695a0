//! Line ends: LF, CR or CRLF, found at the same speed wherever they are.

use crate::scan::position;

pub(super) const LF: u8 = b'\n';
pub(super) const CR: u8 = b'\r';

/// Where the first CR or LF of `bytes` is.
pub(crate) fn find_line_end(bytes: &[u8]) -> Option<usize> {
    position(bytes, |byte| (byte == LF) | (byte == CR))
}

/// `text` without its first line, and that line without its end; `None` for the rest when no line
/// end is left. CRLF is one end.
pub(super) fn split_line(text: &str) -> (&str, Option<&str>) {
    let Some(at) = find_line_end(text.as_bytes()) else {
        return (text, None);
    };
    // CR and LF are single bytes in UTF-8, so both cuts are at character boundaries.
    let (line, rest) = text.split_at(at);
    let rest = rest.strip_prefix("\r\n").unwrap_or_else(|| &rest[1..]);
    (line, Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_found_at_any_offset() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(find_line_end(&bytes), None);
            for at in (0..length).rev() {
                bytes[at] = if at % 2 == 0 { LF } else { CR };
                assert_eq!(find_line_end(&bytes), Some(at), "{at} of {length}");
            }
        }
    }

    #[test]
    fn bytes_next_to_cr_and_lf_are_not_line_ends() {
        let others: Vec<u8> = (0..=255).filter(|b| *b != CR && *b != LF).collect();
        assert_eq!(find_line_end(&others), None);
    }

    #[test]
    fn the_three_line_ends_split_alike() {
        assert_eq!(split_line("a\nb"), ("a", Some("b")));
        assert_eq!(split_line("a\rb"), ("a", Some("b")));
        assert_eq!(split_line("a\r\nb"), ("a", Some("b")));
        assert_eq!(split_line("a\n\rb"), ("a", Some("\rb")));
        assert_eq!(split_line("a\n"), ("a", Some("")));
        assert_eq!(split_line("é"), ("é", None));
    }
}
