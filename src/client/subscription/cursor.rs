//! The place in the stream: the id of the last event that was handed on.
//!
//! A channel's ids are in order, so that whatever is not behind the cursor was handed on before: a server that does not
//! heed `Last-Event-ID`, or heeds it late, repeats nothing. That holds while nothing is missing in front of the cursor;
//! behind a gap the ids may be of another life of the server, whose clock is set back, and the next one is taken as it
//! comes. The ids of an event stream that is only that may mean anything, and are never compared.

use crate::channel::Id;

#[derive(Debug, Default)]
pub(super) struct Cursor {
    id: Option<Box<str>>,
    order: Order,
}

/// What the ids that come next are to be compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// The cursor.
    #[default]
    Known,
    /// Nothing: a gap was told, or ids mean nothing.
    Unknown,
}

impl Cursor {
    pub(super) fn new(id: Option<Box<str>>) -> Cursor {
        let order = Order::Known;
        Cursor { id, order }
    }

    /// The id, which is empty where there is none.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    pub(super) fn is_set(&self) -> bool {
        self.id.is_some()
    }

    /// Whether a message with this id was handed on before.
    pub(super) fn has_passed(&self, id: &str) -> bool {
        match (id.parse::<Id>(), self.id().parse::<Id>()) {
            (Ok(id), Ok(cursor)) => self.order == Order::Known && id <= cursor,
            _ => false,
        }
    }

    /// Moves it. The empty id is none. Says whether it was another.
    pub(super) fn set(&mut self, id: &str) -> bool {
        let moves = self.id() != id;
        if moves {
            self.id = Some(id).filter(|id| !id.is_empty()).map(Into::into);
        }
        moves
    }

    /// Messages are missing in front of what comes next.
    pub(super) fn lose_order(&mut self) {
        self.order = Order::Unknown;
    }

    /// What comes next follows the cursor.
    pub(super) fn find_order(&mut self) {
        self.order = Order::Known;
    }
}
