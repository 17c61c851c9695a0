//! Which addresses nothing is sent to: whoever registers a URL must not reach, through the sender, what only the sender
//! can reach.
//!
//! A pure function of an address: [`Special::of`]. It is asked of every address that a name was resolved to, at each
//! delivery, and the address that was asked about is the one that is connected to, so that a name which resolves otherwise
//! the next time gains nothing. The tables are those of IANA's special-purpose registries (RFC 6890, as of 2025), multicast,
//! what is reserved, and every form of IPv6 that carries an IPv4 address for somebody else to take out: what the network
//! makes of those can't be known here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why an address is not one of the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Special {
    /// `0.0.0.0/8`, `::`: this host, which many systems connect to themselves for.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16` (RFC 1918).
    Private,
    /// `100.64.0.0/10` (RFC 6598): behind a carrier's translation, and some clouds' metadata.
    CarrierGrade,
    /// `169.254.0.0/16`, `fe80::/10`: the same wire, and most clouds' metadata.
    LinkLocal,
    /// Where a cloud tells a machine its credentials: `169.254.169.254` and others beside the link-local ranges.
    Metadata,
    /// `192.0.0.0/24` (RFC 6890): protocol assignments, and `192.88.99.0/24`, `2001::/23`, `100::/64`, `5f00::/16`.
    Protocol,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48` (RFC 2544).
    Benchmarking,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `240.0.0.0/4`, `255.255.255.255`, and of IPv6 whatever is not `2000::/3`.
    Reserved,
    /// `fc00::/7` (RFC 4193).
    UniqueLocal,
    /// `fec0::/10`, long abandoned and still routed here and there.
    SiteLocal,
    /// `::ffff:0:0/96`, `::ffff:0:0:0/96`: an IPv4 address in IPv6 spelling.
    Mapped,
    /// `::/96`: the same, as it was spelled before.
    Compatible,
    /// `64:ff9b::/96`, `64:ff9b:1::/48` (RFC 6052, RFC 8215): an IPv4 address behind a translator.
    Nat64,
    /// `2002::/16`: an IPv4 address behind a tunnel.
    SixToFour,
    /// `2001::/32`: another tunnel.
    Teredo,
}

impl Special {
    /// What is special about an address; `None` if it is one of the public internet.
    ///
    /// ```
    /// use barewire::webhook::Special;
    ///
    /// assert_eq!(Special::of("169.254.169.254".parse().unwrap()), Some(Special::Metadata));
    /// assert_eq!(Special::of("9.9.9.9".parse().unwrap()), None);
    /// ```
    pub fn of(address: IpAddr) -> Option<Special> {
        match address {
            IpAddr::V4(address) => Special::of_v4(address),
            IpAddr::V6(address) => Special::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Special> {
        Some(match address.octets() {
            [169, 254, 169, 254 | 253]
            | [169, 254, 170, 2 | 23]
            | [100, 100, 100, 200]
            | [192, 0, 0, 192]
            | [168, 63, 129, 16] => Special::Metadata,
            [0, ..] => Special::Unspecified,
            [127, ..] => Special::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Special::Private,
            [100, 64..=127, ..] => Special::CarrierGrade,
            [169, 254, ..] => Special::LinkLocal,
            [192, 0, 0, _] | [192, 88, 99, _] => Special::Protocol,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Special::Documentation,
            [198, 18 | 19, ..] => Special::Benchmarking,
            [224..=239, ..] => Special::Multicast,
            [240..=255, ..] => Special::Reserved,
            _ => return None,
        })
    }

    fn of_v6(address: Ipv6Addr) -> Option<Special> {
        Some(match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Special::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Special::Loopback,
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Special::Metadata,
            [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Special::Mapped,
            [0, 0, 0, 0, 0, 0, ..] => Special::Compatible,
            [0x64, 0xff9b, ..] => Special::Nat64,
            [0x100, ..] | [0x5f00, ..] => Special::Protocol,
            [0x2001, 0, ..] => Special::Teredo,
            [0x2001, 2, 0, ..] => Special::Benchmarking,
            [0x2001, 0..=0x1ff, ..] => Special::Protocol,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Special::Documentation,
            [0x2002, ..] => Special::SixToFour,
            [0xfc00..=0xfdff, ..] => Special::UniqueLocal,
            [0xfe80..=0xfebf, ..] => Special::LinkLocal,
            [0xfec0..=0xfeff, ..] => Special::SiteLocal,
            [0xff00..=0xffff, ..] => Special::Multicast,
            // RFC 4291 2.4, RFC 3587: global unicast has been given out of 2000::/3 alone.
            [0x2000..=0x3fff, ..] => return None,
            _ => Special::Reserved,
        })
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Special::Unspecified => "unspecified",
            Special::Loopback => "loopback",
            Special::Private => "private",
            Special::CarrierGrade => "behind a carrier's translation",
            Special::LinkLocal => "link-local",
            Special::Metadata => "a cloud's metadata service",
            Special::Protocol => "for protocols",
            Special::Documentation => "for documentation",
            Special::Benchmarking => "for benchmarks",
            Special::Multicast => "multicast",
            Special::Reserved => "reserved",
            Special::UniqueLocal => "unique-local",
            Special::SiteLocal => "site-local",
            Special::Mapped | Special::Compatible => "an IPv4 address in IPv6",
            Special::Nat64 | Special::SixToFour | Special::Teredo => {
                "an IPv4 address behind a translator or tunnel"
            }
        })
    }
}

/// A network: an address and how many bits of it count, such as `10.0.0.0/8`.
///
/// ```
/// use barewire::webhook::Network;
///
/// let network: Network = "127.0.0.0/8".parse()?;
/// assert!(network.contains("127.1.2.3".parse().unwrap()));
/// assert!("127.0.0.1/8".parse::<Network>().is_err()); // one or the other, but not both
/// # Ok::<(), barewire::webhook::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// What is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkError;

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network is written as an address, or as its first address, a slash and how many bits count: 10.0.0.0/8")
    }
}

impl std::error::Error for NetworkError {}

/// An address as 128 bits, the most significant first.
fn bits_of(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl Network {
    /// Whether an address is in it. An IPv4 address in an IPv6 one (`::ffff:127.0.0.1`) is in a network of IPv4 too, since it
    /// is what the system connects to for it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.holds(address) || self.holds(address.to_canonical())
    }

    fn holds(&self, address: IpAddr) -> bool {
        let (own, width) = bits_of(self.address);
        let (other, other_width) = bits_of(address);
        let differs = own ^ other;
        width == other_width && differs.leading_zeros() >= u32::from(self.bits)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let (all, width) = bits_of(address);
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        let host = all.checked_shl(bits.into()).unwrap_or(0);
        match bits <= width && host == 0 {
            true => Ok(Network { address, bits }),
            false => Err(NetworkError),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What is allowed besides the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<Network>,
    names: Vec<Box<str>>,
}

impl Allowed {
    /// Nothing but the public internet.
    pub fn new() -> Allowed {
        Allowed::default()
    }

    /// Allows the addresses of a network.
    #[must_use]
    pub fn network(mut self, network: Network) -> Allowed {
        self.networks.push(network);
        self
    }

    /// Allows whatever the host of this name resolves to. Who answers for the name says where requests go.
    #[must_use]
    pub fn name(mut self, name: &str) -> Allowed {
        self.names.push(plain(name).to_ascii_lowercase().into());
        self
    }

    /// Whether something may be sent to an address of a host: `name` is the host as the URL has it, if that is a name.
    ///
    /// # Errors
    /// What is special about it.
    pub fn check(&self, name: Option<&str>, address: IpAddr) -> Result<(), Special> {
        let Some(special) = Special::of(address) else {
            return Ok(());
        };
        let by_network = self
            .networks
            .iter()
            .any(|network| network.contains(address));
        let by_name = name.is_some_and(|name| {
            let name = plain(name);
            self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
        });
        match by_network || by_name {
            true => Ok(()),
            false => Err(special),
        }
    }
}

/// A name without the full stop that may end it (RFC 1034 3.1).
fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first and the last address of each range, and the neighbours of both.
    const RANGES: &[(&str, &str, Special)] = &[
        ("0.0.0.0", "0.255.255.255", Special::Unspecified),
        ("10.0.0.0", "10.255.255.255", Special::Private),
        ("100.64.0.0", "100.100.100.199", Special::CarrierGrade),
        ("100.100.100.201", "100.127.255.255", Special::CarrierGrade),
        ("100.100.100.200", "100.100.100.200", Special::Metadata),
        ("127.0.0.0", "127.255.255.255", Special::Loopback),
        ("168.63.129.16", "168.63.129.16", Special::Metadata),
        ("169.254.0.0", "169.254.169.252", Special::LinkLocal),
        ("169.254.169.253", "169.254.169.254", Special::Metadata),
        ("169.254.170.2", "169.254.170.2", Special::Metadata),
        ("169.254.170.24", "169.254.255.255", Special::LinkLocal),
        ("172.16.0.0", "172.31.255.255", Special::Private),
        ("192.0.0.0", "192.0.0.191", Special::Protocol),
        ("192.0.0.192", "192.0.0.192", Special::Metadata),
        ("192.0.0.193", "192.0.0.255", Special::Protocol),
        ("192.0.2.0", "192.0.2.255", Special::Documentation),
        ("192.88.99.0", "192.88.99.255", Special::Protocol),
        ("192.168.0.0", "192.168.255.255", Special::Private),
        ("198.18.0.0", "198.19.255.255", Special::Benchmarking),
        ("198.51.100.0", "198.51.100.255", Special::Documentation),
        ("203.0.113.0", "203.0.113.255", Special::Documentation),
        ("224.0.0.0", "239.255.255.255", Special::Multicast),
        ("240.0.0.0", "255.255.255.255", Special::Reserved),
        ("::", "::", Special::Unspecified),
        ("::1", "::1", Special::Loopback),
        ("::2", "::ffff:ffff", Special::Compatible),
        ("::ffff:0.0.0.0", "::ffff:255.255.255.255", Special::Mapped),
        (
            "::ffff:0:0.0.0.0",
            "::ffff:0:255.255.255.255",
            Special::Mapped,
        ),
        (
            "64:ff9b::",
            "64:ff9b:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Nat64,
        ),
        (
            "100::",
            "100:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Protocol,
        ),
        (
            "1000::",
            "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Reserved,
        ),
        (
            "2001::",
            "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Teredo,
        ),
        (
            "2001:2::",
            "2001:2:0:ffff:ffff:ffff:ffff:ffff",
            Special::Benchmarking,
        ),
        (
            "2001:1::",
            "2001:1:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Protocol,
        ),
        (
            "2001:2:1::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Protocol,
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Documentation,
        ),
        (
            "2002::",
            "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::SixToFour,
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Documentation,
        ),
        (
            "4000::",
            "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Reserved,
        ),
        (
            "5f00::",
            "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Protocol,
        ),
        ("fc00::", "fd00:ec2::253", Special::UniqueLocal),
        ("fd00:ec2::254", "fd00:ec2::254", Special::Metadata),
        (
            "fd00:ec2::255",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::UniqueLocal,
        ),
        (
            "fe80::",
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::LinkLocal,
        ),
        (
            "fec0::",
            "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::SiteLocal,
        ),
        (
            "ff00::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Special::Multicast,
        ),
    ];

    /// Just beside the ranges.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2606:4700::1111",
        "3ffe:ffff::",
        "3fff:1000::",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_ends_of_every_special_range_are_refused() {
        let nothing = Allowed::new();
        for &(first, last, special) in RANGES {
            for address in [first, last] {
                assert_eq!(Special::of(ip(address)), Some(special), "{address}");
                assert_eq!(nothing.check(None, ip(address)), Err(special));
                assert_eq!(nothing.check(Some("a.example"), ip(address)), Err(special));
            }
        }
    }

    #[test]
    fn what_lies_beside_them_is_not() {
        for address in PUBLIC {
            assert_eq!(Special::of(ip(address)), None, "{address}");
        }
    }

    #[test]
    fn a_network_is_allowed_and_its_neighbours_are_not() {
        let allowed = Allowed::new().network("127.0.0.0/8".parse().unwrap());
        for address in [
            "127.0.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(allowed.check(None, ip(address)), Ok(()), "{address}");
        }
        for address in [
            "10.0.0.1",
            "::1",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(allowed.check(None, ip(address)).is_err(), "{address}");
        }
        let allowed = Allowed::new().network("fd00::/8".parse().unwrap());
        assert_eq!(allowed.check(None, ip("fdab::1")), Ok(()));
        assert!(allowed.check(None, ip("fc00::1")).is_err());
    }

    #[test]
    fn a_name_is_allowed_whatever_it_resolves_to() {
        let allowed = Allowed::new().name("Hooks.internal.");
        for name in ["hooks.internal", "HOOKS.internal."] {
            assert_eq!(allowed.check(Some(name), ip("10.0.0.1")), Ok(()));
        }
        for name in [
            None,
            Some("x.hooks.internal"),
            Some("hooks.internal.example"),
        ] {
            assert!(allowed.check(name, ip("10.0.0.1")).is_err());
        }
    }

    #[test]
    fn a_network_is_written_in_one_way() {
        for text in [
            "10.0.0.0/8",
            "127.0.0.1/32",
            "0.0.0.0/0",
            "::1/128",
            "fc00::/7",
            "::/0",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "::/129",
            "a/8",
            "10.0.0.0/8/8",
            "1::/8 ",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        /// Between the ends of a range there is no hole: any address of it is special, though a smaller range may say why.
        #[test]
        fn no_address_of_a_special_range_is_public(range in 0..RANGES.len(), part in any::<u128>()) {
            let (first, last, _) = RANGES[range];
            let ((low, width), (high, _)) = (bits_of(ip(first)), bits_of(ip(last)));
            let shift = 128 - u32::from(width);
            let (low, high) = (low >> shift, high >> shift);
            let address = low + part % (high - low).saturating_add(1).max(1);
            let address = match width {
                32 => IpAddr::V4(Ipv4Addr::from_bits(address as u32)),
                _ => IpAddr::V6(Ipv6Addr::from_bits(address)),
            };
            prop_assert!(Special::of(address).is_some(), "{}", address);
        }

        /// Whatever IPv4 address it carries, no form of IPv6 that carries one is public.
        #[test]
        fn no_address_in_an_address_is_public(v4 in any::<u32>()) {
            let [a, b] = [(v4 >> 16) as u16, v4 as u16];
            for carried in [
                [0, 0, 0, 0, 0, 0xffff, a, b],
                [0, 0, 0, 0, 0xffff, 0, a, b],
                [0, 0, 0, 0, 0, 0, a, b],
                [0x64, 0xff9b, 0, 0, 0, 0, a, b],
                [0x64, 0xff9b, 1, 0, 0, 0, a, b],
                [0x2002, a, b, 0, 0, 0, 0, 1],
                [0x2001, 0, 1, 2, 3, 4, !a, !b],
            ] {
                prop_assert!(Special::of(IpAddr::V6(Ipv6Addr::from(carried))).is_some());
            }
        }

        /// A network holds what agrees with it in the bits that count, and nothing else.
        #[test]
        fn a_network_is_what_agrees_in_its_bits(own in any::<u32>(), other in any::<u32>(), bits in 0..=32_u8) {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let network: Network = format!("{}/{bits}", Ipv4Addr::from_bits(own & mask)).parse().unwrap();
            let agrees = own & mask == other & mask;
            prop_assert_eq!(network.contains(IpAddr::V4(Ipv4Addr::from_bits(other))), agrees);
        }
    }
}
