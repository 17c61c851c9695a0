//! How much readers were given, without counting it when they are: a reader is a place, and what it was given is how far it
//! has moved.
//!
//! The sum of all moves is the sum of the places where readers are or ended, without those where they began and what they
//! skipped. Only beginnings, ends and skips are noted; the places where readers are belong to their connections, and whoever
//! wants the sum adds them. On its way a sum may be less than nothing, so it wraps.

use super::encoded::Encoding;

/// What the readers of a hub were given, but for the places where readers are now.
#[derive(Debug, Default)]
pub(crate) struct Given {
    moved: [u64; Encoding::COUNT],
    /// Gaps that readers were told of.
    pub(crate) gaps: u64,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) encoding: Encoding,
    /// Its place.
    pub(crate) next: u64,
    /// Messages of its channel that it was not given yet.
    pub(crate) behind: u64,
}

impl Given {
    pub(super) fn begin(&mut self, encoding: Encoding, at: u64) {
        let moved = &mut self.moved[encoding.index()];
        *moved = moved.wrapping_sub(at);
    }

    pub(super) fn end(&mut self, encoding: Encoding, at: u64) {
        let moved = &mut self.moved[encoding.index()];
        *moved = moved.wrapping_add(at);
    }

    /// A reader goes from one place to another without what lies between.
    pub(super) fn skip(&mut self, encoding: Encoding, from: u64, to: u64) {
        self.end(encoding, from);
        self.begin(encoding, to);
    }

    /// By encoding, how many messages: with the places of all readers added, and wrapping.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (Encoding, u64)> + '_ {
        Encoding::ALL.into_iter().zip(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Hub, Limits, Next, Reader, Retention, Start};
    use super::*;

    /// What readers were given, all encodings together.
    fn total(hub: &Hub, readers: &[&Reader]) -> u64 {
        let moved = hub.given().moved();
        let ended = moved.fold(0_u64, |sum, (_, moved)| sum.wrapping_add(moved));
        let stands = readers.iter().map(|reader| hub.stand_of(reader).next);
        stands.fold(ended, u64::wrapping_add)
    }

    fn hub() -> Hub {
        let retention = Retention {
            messages: 3,
            ..Retention::default()
        };
        Hub::new(
            Limits {
                retention,
                ..Limits::default()
            },
            0,
        )
    }

    /// Gives a reader all that there is for it.
    fn read(hub: &mut Hub, reader: &mut Reader) {
        let mut out = Vec::new();
        loop {
            let sent = match hub.next(reader) {
                Next::Nothing => return,
                Next::Gap => {
                    hub.write_gap(reader, &mut out);
                    continue;
                }
                Next::Bytes(bytes) => bytes.len(),
            };
            hub.advance(reader, sent);
        }
    }

    fn publish(hub: &mut Hub, count: u64) {
        for at in 0..count {
            hub.publish("a", None, Data::new(b"x"), at).unwrap();
        }
    }

    #[test]
    fn messages_are_counted_by_where_readers_are_and_gaps_are_not_messages() {
        let mut hub = hub();
        publish(&mut hub, 2);
        let mut one = hub
            .attach("a", Encoding::EventStream, Start::Oldest, 0)
            .unwrap();
        let mut two = hub.attach("a", Encoding::SocketRaw, Start::Now, 1).unwrap();
        assert_eq!(total(&hub, &[&one, &two]), 0);
        assert_eq!(hub.stand_of(&one).behind, 2);
        read(&mut hub, &mut one);
        assert_eq!(total(&hub, &[&one, &two]), 2);
        // Of seven that are published, three are there.
        publish(&mut hub, 7);
        assert_eq!(hub.stand_of(&two).behind, 7);
        read(&mut hub, &mut one);
        assert_eq!((total(&hub, &[&one, &two]), hub.given().gaps), (5, 1));
        read(&mut hub, &mut two);
        assert_eq!((total(&hub, &[&one, &two]), hub.given().gaps), (8, 2));
        hub.detach(one);
        assert_eq!(total(&hub, &[&two]), 8);
        hub.detach(two);
        assert_eq!(total(&hub, &[]), 8);
        let by_encoding: Vec<u64> = hub.given().moved().map(|(_, moved)| moved).collect();
        assert_eq!(by_encoding[..4], [0, 0, 3, 5]);
    }

    #[test]
    fn the_oldest_message_that_woke_anybody_is_known_until_it_is_taken() {
        let mut hub = hub();
        publish(&mut hub, 1);
        let reader = hub.attach("a", Encoding::Json, Start::Now, 7).unwrap();
        hub.publish("a", None, Data::new(b"x"), 40).unwrap();
        hub.publish("a", None, Data::new(b"x"), 50).unwrap();
        assert_eq!(hub.take_oldest_woken(), None);
        let mut woken = Vec::new();
        hub.take_woken(60, &mut woken);
        assert_eq!(hub.take_oldest_woken(), Some(40));
        assert_eq!(hub.take_oldest_woken(), None);
        hub.detach(reader);
    }
}
