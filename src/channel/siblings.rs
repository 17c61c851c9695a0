//! A hub's place among the replicas of the same channels, and what it has to tell them. Kept by a `Hub`, used by what makes
//! it a replica.

use super::Id;
use super::channel::Channel;

/// One of `count` replicas of the same channels.
#[derive(Debug)]
pub(super) struct Siblings {
    pub(super) place: usize,
    pub(super) count: usize,
    /// Channels that this replica has no use for, and their newest messages. To be told.
    pub(super) unused: Vec<(Box<str>, Id)>,
}

impl Siblings {
    pub(super) fn new(place: usize, count: usize) -> Siblings {
        Siblings {
            place,
            count,
            unused: Vec::new(),
        }
    }

    /// This replica has no use for the channel.
    pub(super) fn propose(&mut self, channel: &Channel) {
        if !channel.unused_by.contains(&self.place) {
            self.unused.push((channel.name.clone(), channel.log.last()));
        }
    }
}
