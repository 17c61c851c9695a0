//! Writing JSON strings (RFC 8259 7).

/// Appends `text` as a JSON string, quotes included.
///
/// Only what must be escaped is: the quote, the backslash and the control characters below U+0020. Everything
/// else is copied as the UTF-8 that it is.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
        out.extend_from_slice(&rest[..at]);
        escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

pub(super) fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes [`write_string`] appends.
pub(crate) fn escaped_len(text: &str) -> usize {
    let more = |&byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    2 + text.len() + text.as_bytes().iter().map(more).sum::<usize>()
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped_len, write_string};

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        assert_eq!(out.len(), escaped_len(text));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_text_is_only_quoted() {
        assert_eq!(written("grün 🌱"), "\"grün 🌱\"");
        assert_eq!(written(""), "\"\"");
    }

    #[test]
    fn quotes_backslashes_and_controls_are_escaped() {
        assert_eq!(
            written("a\"b\\c\nd\re\tf\u{0}g\u{1f}"),
            r#""a\"b\\c\nd\re\tf\u0000g\u001f""#
        );
    }
}
