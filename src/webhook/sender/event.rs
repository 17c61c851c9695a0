//! What the program's operator is told.

use std::sync::Arc;

use super::subscription::Outcome;
use crate::channel::Id;

/// What the program's operator should know of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Nothing more is sent: its receiver has failed for too long, or has answered 410. Its place is kept, and it can be
    /// resumed.
    Disabled {
        /// Its id.
        subscription: Box<str>,
        /// The channel's name.
        channel: Arc<str>,
        /// How the last try ended.
        outcome: Outcome,
    },
    /// A message was left out, because its receiver has refused it again and again (`Refused::Park`).
    Parked {
        /// The subscription's id.
        subscription: Box<str>,
        /// The channel's name.
        channel: Arc<str>,
        /// The message's id.
        message: Id,
        /// How the last try ended.
        outcome: Outcome,
    },
    /// What was to be kept of subscriptions could not be: after a restart deliveries may come again.
    Unkept,
}
