//! How many connections each address has, for the limit on them.
//!
//! Whoever has one IPv6 address has at least a /64 of them (RFC 6177 2, RFC 4291 2.5.4), so that the whole prefix
//! counts as one address. An IPv4 address is the same one when a socket for both shows it as `::ffff:a.b.c.d`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};

/// Nothing is kept here unless there is a limit.
#[derive(Debug, Default)]
pub(super) struct Peers {
    counts: HashMap<IpAddr, usize>,
    /// What each of the counted connections is counted under.
    counted: HashMap<u32, IpAddr>,
}

impl Peers {
    /// Whether one more connection from this address is within the limit.
    pub(super) fn admits(&self, address: IpAddr, limit: usize) -> bool {
        self.counts.get(&counted_as(address)).copied().unwrap_or(0) < limit
    }

    pub(super) fn add(&mut self, connection: u32, address: IpAddr) {
        let address = counted_as(address);
        *self.counts.entry(address).or_default() += 1;
        self.counted.insert(connection, address);
    }

    pub(super) fn remove(&mut self, connection: u32) {
        let Some(address) = self.counted.remove(&connection) else {
            return;
        };
        if let Entry::Occupied(mut count) = self.counts.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn counted_as(address: IpAddr) -> IpAddr {
    const PREFIX: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & PREFIX).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_count_and_gets_it_back() {
        let mut peers = Peers::default();
        let (a, b) = (address("192.0.2.1"), address("192.0.2.2"));
        peers.add(1, a);
        peers.add(2, a);
        assert!(!peers.admits(a, 2) && peers.admits(b, 2));
        peers.remove(1);
        assert!(peers.admits(a, 2) && !peers.admits(a, 1));
        peers.remove(1); // long gone
        peers.remove(2);
        assert!(peers.admits(a, 1));
        assert!(peers.counts.is_empty() && peers.counted.is_empty());
    }

    #[test]
    fn a_prefix_of_ipv6_is_one_address() {
        let mut peers = Peers::default();
        peers.add(1, address("2001:db8::1"));
        assert!(!peers.admits(address("2001:db8::ffff:1"), 1));
        assert!(peers.admits(address("2001:db8:0:1::1"), 1));
    }

    #[test]
    fn ipv4_is_the_same_address_on_a_socket_of_ipv6() {
        let mut peers = Peers::default();
        peers.add(1, address("192.0.2.1"));
        assert!(!peers.admits(address("::ffff:192.0.2.1"), 1));
        assert!(peers.admits(address("::ffff:192.0.2.2"), 1));
    }
}
