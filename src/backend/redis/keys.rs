//! The names of what lies in Redis.
//!
//! ```text
//!   PREFIX:{3}:state          hash: last id, birth, life, format, shards
//!   PREFIX:{3}:heads          hash: channel → last id, bytes published, bytes trimmed
//!   PREFIX:{3}:s:NAME         stream: the messages of a channel
//!   PREFIX:{3}:k:NAME:KEY     string: what was published under an idempotency key
//!   PREFIX:{3}:n:NODE         string: what a node's last batch came to
//!   PREFIX:{3}:l:NAME         hash: node, number and end of a shelf's lease
//!   PREFIX:{3}:v:NAME         hash: what lies on a shelf
//!   PREFIX:{3}:0              pub/sub: what is new, of database 0
//! ```
//!
//! The braces are a hash tag: all keys of a shard lie in one slot of a Cluster, so that a script may use them together. The
//! invariant: no name, key or prefix that anybody chooses can end its part of a name or open another tag, because all but a
//! few characters are escaped as in a URL.

/// A channel's shard is found by its name alone, the same on every node.
pub(super) fn shard_of(name: &str, shards: u16) -> u16 {
    // FNV-1a, and then its bits mixed: names differ in their last characters, which that alone hardly spreads.
    let mut hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    for multiplier in [0xFF51_AFD7_ED55_8CCD_u64, 0xC4CE_B9FE_1A85_EC53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(multiplier);
    }
    u16::try_from((hash >> 33) % u64::from(shards.max(1))).unwrap_or_default()
}

/// The names of one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    database: i64,
}

impl Keys {
    pub(super) fn new(prefix: &str, database: i64) -> Keys {
        let mut escaped = String::new();
        escape(prefix.as_bytes(), &mut escaped);
        Keys {
            prefix: escaped,
            database,
        }
    }

    fn of(&self, shard: u16, what: &str) -> String {
        format!("{}:{{{shard}}}:{what}", self.prefix)
    }

    pub(super) fn state(&self, shard: u16) -> String {
        self.of(shard, "state")
    }

    pub(super) fn heads(&self, shard: u16) -> String {
        self.of(shard, "heads")
    }

    pub(super) fn stream(&self, shard: u16, name: &str) -> String {
        let mut key = self.of(shard, "s:");
        escape(name.as_bytes(), &mut key);
        key
    }

    pub(super) fn idempotency(&self, shard: u16, name: &str, key: &[u8]) -> String {
        let mut text = self.of(shard, "k:");
        escape(name.as_bytes(), &mut text);
        text.push(':');
        escape(key, &mut text);
        text
    }

    pub(super) fn node(&self, shard: u16, node: &str) -> String {
        self.of(shard, &format!("n:{node}"))
    }

    pub(super) fn lease(&self, shard: u16, shelf: &str) -> String {
        let mut key = self.of(shard, "l:");
        escape(shelf.as_bytes(), &mut key);
        key
    }

    pub(super) fn values(&self, shard: u16, shelf: &str) -> String {
        let mut key = self.of(shard, "v:");
        escape(shelf.as_bytes(), &mut key);
        key
    }

    /// Channels of pub/sub know nothing of databases.
    pub(super) fn news(&self, shard: u16) -> String {
        self.of(shard, &self.database.to_string())
    }
}

fn escape(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_reaches_another_key() {
        let keys = Keys::new("{a}:b", 3);
        assert_eq!(keys.state(1), "%7Ba%7D%3Ab:{1}:state");
        assert_eq!(
            keys.stream(1, "a:b{2}*% ü/x"),
            "%7Ba%7D%3Ab:{1}:s:a%3Ab%7B2%7D%2A%25%20%C3%BC/x"
        );
        assert_ne!(
            keys.idempotency(1, "a:b", b"c"),
            keys.idempotency(1, "a", b"b:c")
        );
        assert_eq!(keys.news(1), "%7Ba%7D%3Ab:{1}:3");
    }

    #[test]
    fn names_are_spread_over_all_shards() {
        let mut counts = [0; 16];
        for number in 0..1_600 {
            counts[usize::from(shard_of(&format!("channel {number}"), 16))] += 1;
        }
        assert!(
            counts.iter().all(|count| (50..200).contains(count)),
            "{counts:?}"
        );
        assert_eq!(shard_of("any", 1), 0);
    }
}
