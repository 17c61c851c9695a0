//! How an address can be spelled in a URL.
//!
//! The WHATWG URL Standard (3.5, "host parser"; "IPv4 parser"), and most systems' resolvers, read all of these as 127.0.0.1:
//!
//! ```text
//!   127.0.0.1   127.1   2130706433   0x7f.0.0.1   0x7f000001   0177.0.0.1   127.0.0.1.
//! ```
//!
//! So what is written is read in the most generous way that anybody might, once, and from then on it is the address that is
//! looked at and connected to. A host that ends in a number and is no address is refused: nobody resolves it as a name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host of a URL: what has to be looked up, or need not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// To be looked up, in small letters.
    Name(Box<str>),
    /// An address, however it was spelled.
    Address(IpAddr),
}

/// Why what was written is no host to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// There is nothing.
    Empty,
    /// It ends in a number, so that it can't be a name, and is no address of four bytes.
    NoAddress,
    /// It holds what a name of a host does not: RFC 1123 2.1 has letters, digits and hyphens (and underscores are seen).
    NoName,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostError::Empty => "the URL has no host",
            HostError::NoAddress => "the host ends in a number and is no IPv4 address",
            HostError::NoName => {
                "the host is neither an address nor a name of letters, digits and hyphens"
            }
        })
    }
}

impl std::error::Error for HostError {}

impl Host {
    /// Reads the host of a URL, with brackets around an IPv6 address or without.
    ///
    /// ```
    /// use barewire::webhook::Host;
    ///
    /// let loopback = Host::Address("127.0.0.1".parse().unwrap());
    /// for spelled in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"] {
    ///     assert_eq!(Host::parse(spelled).as_ref(), Ok(&loopback));
    /// }
    /// ```
    ///
    /// # Errors
    /// It is no host that anything could be sent to.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if bare.is_some() || text.contains(':') {
            let address: Result<Ipv6Addr, _> = bare.unwrap_or(text).parse();
            let address = address.map_err(|_| HostError::NoAddress)?;
            return Ok(Host::Address(IpAddr::V6(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        if ends_in_a_number(name) {
            let address = ipv4(name).ok_or(HostError::NoAddress)?;
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match name.len() <= 253 && name.split('.').all(is_label) {
            true => Ok(Host::Name(name.to_ascii_lowercase().into())),
            false => Err(HostError::NoName),
        }
    }
}

/// "Ends in a number": the last label is digits, or what [`number`] reads.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_digits || number(last).is_some()
}

/// One to four numbers: each but the last is a byte, and the last is all that are left.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut address: u64 = 0;
    for part in first {
        let byte = number(part).filter(|&byte| byte < 256)?;
        address = address << 8 | byte;
    }
    let left = 32 - 8 * first.len() as u32;
    let last = number(last).filter(|&last| last < 1 << left)?;
    Some(Ipv4Addr::from_bits((address << left | last) as u32))
}

/// A number as C's `strtoul` has it: hexadecimal behind `0x`, octal behind `0`, else decimal.
fn number(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 8),
        (None, None) if text.is_empty() => return None,
        (None, None) => (text, 10),
    };
    if digits.is_empty() {
        // "0" and "0x" are nothing.
        return Some(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Host {
        Host::Address(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_one_however_it_is_spelled() {
        for spelled in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.0.0.1",
            "0x7f.1",
            "0x7f000001",
            "0X7F000001",
            "0177.0.0.1",
            "017700000001",
            "0x7f.0.0x0.01",
            "127.0x0.00000.1",
        ] {
            assert_eq!(Host::parse(spelled), Ok(address("127.0.0.1")), "{spelled}");
        }
        for (spelled, read) in [
            ("0", "0.0.0.0"),
            ("0x", "0.0.0.0"),
            ("4294967295", "255.255.255.255"),
            ("0xa9fea9fe", "169.254.169.254"),
            ("169.16689662", "169.254.169.254"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
            ("[::FFFF:7f00:1]", "::ffff:127.0.0.1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
        ] {
            assert_eq!(Host::parse(spelled), Ok(address(read)), "{spelled}");
        }
    }

    #[test]
    fn what_ends_in_a_number_and_is_no_address_is_refused() {
        for host in [
            "256.0.0.1",
            "1.2.3.4.5",
            "127.0.0.256",
            "4294967296",
            "0x100000000",
            "a.1",
            "a.0x1",
            "1..1",
            "09",
            "08.0.0.1",
            "127.0.0.09",
            "[::1",
            "::1]",
            "[fe80::1%25eth0]",
            "[127.0.0.1]",
            "[]",
            "1.2.3.0x",
        ] {
            // "0x" is nothing, so that the last of these is an address.
            let read = Host::parse(host);
            assert!(
                read == Err(HostError::NoAddress) || host == "1.2.3.0x",
                "{host}: {read:?}"
            );
        }
    }

    #[test]
    fn a_name_is_letters_digits_and_hyphens() {
        for (host, name) in [
            ("a", "a"),
            ("Hooks.Example", "hooks.example"),
            ("hooks.example.", "hooks.example"),
            ("1.example", "1.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_a-b", "_a-b"),
            ("0xg", "0xg"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(Host::parse(host), Ok(Host::Name(name.into())), "{host}");
        }
        let long = ["a"; 128].join(".");
        for host in [
            "a b",
            "a%2eb",
            "gr\u{fc}n",
            "\u{ff11}27.a",
            "a..b",
            ".a",
            "a@b",
            "a/b",
            "a\0",
            &long,
            &"a".repeat(64),
        ] {
            assert_eq!(Host::parse(host), Err(HostError::NoName), "{host}");
        }
        assert_eq!(Host::parse(""), Err(HostError::Empty));
        assert_eq!(Host::parse("."), Err(HostError::Empty));
    }

    proptest! {
        /// Every address is read from each of its spellings, as itself.
        #[test]
        fn every_spelling_of_every_address_is_read(bits in any::<u32>(), spelling in 0..6_usize) {
            let [a, b, c, d] = bits.to_be_bytes();
            let spelled = match spelling {
                0 => format!("{a}.{b}.{c}.{d}"),
                1 => format!("{bits}"),
                2 => format!("{bits:#x}"),
                3 => format!("0{bits:o}"),
                4 => format!("{a:#x}.0{b:o}.{}", u16::from_be_bytes([c, d])),
                _ => format!("{a}.{}.", bits & 0xff_ffff),
            };
            prop_assert_eq!(Host::parse(&spelled), Ok(Host::Address(Ipv4Addr::from_bits(bits).into())));
        }

        /// What is read as a name is never what a resolver would take for an address without asking anybody.
        #[test]
        fn no_name_is_an_address(text in "[0-9a-fxX.:\\[\\]%-]{0,24}") {
            if let Ok(Host::Name(name)) = Host::parse(&text) {
                prop_assert!(name.parse::<IpAddr>().is_err());
                prop_assert!(ipv4(&name).is_none());
            }
        }
    }
}
