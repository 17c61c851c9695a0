//! After a failure: another try, another way, or the end.
//!
//! A way is left when it does not work here: at once for a refusal that will not pass, after [`WAY_FAILURES`] in a row for
//! what may, and never because the server is not there at all. Behind the last way comes the first again, if what
//! ails them may pass.
//!
//! A message that is larger than is taken is no fault of the way, and no wait makes it smaller: it is an [`Obstacle`](super::obstacle::Obstacle)
//! behind the cursor. Each of the ways comes to it at most once, since the next may carry it in fewer bytes (text has no
//! escapes in an event stream, and a batch may be longer than a frame). When all have failed, the subscription ends or
//! goes on behind it, as [`Oversized`] says. Where that is, an event stream says in the `id` of the block, and a poll in
//! the `Last-Event-ID` of its head; a WebSocket's frame does not, and so a poll is asked of which only the head is read.

use std::time::Duration;

use super::{Follower, Reach};
use crate::client::error::Error;
use crate::client::event::Event;
use crate::client::options::{Oversized, Transport, Update};
use crate::client::talk::Sequel;
use crate::net::Now;
use crate::random::Random;

/// How often a way may fail in a row, with the server there, until the next one is tried.
const WAY_FAILURES: u32 = 2;
/// The same for a way that has worked before: a server behind a proxy may be restarted in the meantime.
const PROVEN_FAILURES: u32 = 8;

impl Follower {
    /// After a failure: another way, another try, or the end.
    pub(super) fn decide(
        &mut self,
        error: Error,
        retry_after: Option<Duration>,
        now: Now,
        random: &mut Random,
    ) -> Sequel {
        self.announced = false;
        // A redirect that leads nowhere is forgotten.
        self.url = self.home.clone();
        self.redirects = 0;
        if matches!(error, Error::TooLarge) {
            return self.get_around(now, random);
        }
        if self.reach == Reach::Server {
            // What swallows an upgrade, or holds a stream back, will do so again, and each try takes long.
            let held = matches!(error, Error::Timeout | Error::Silence) && !self.has_worked();
            self.way_failures += if held { WAY_FAILURES } else { 1 };
        }
        let passing = error.is_transient() && !self.is_final(&error, retry_after);
        if self.options.transport.is_none() && self.is_of_the_way(&error) {
            // Another way is to the same server, which may have asked to be left alone for a while.
            let asked = self.asked(retry_after);
            if let Some(next) = self.next_way() {
                self.fall_back(error, next);
                return Sequel::Connect(asked);
            }
            if passing {
                // None works now, and the best one may be the first that works again.
                let first = (0..self.way).find(|way| !self.obstacle.blocks(*way));
                self.fall_back(error, first.unwrap_or(self.way));
                return Sequel::Connect(self.pause(Some(asked), now, random));
            }
        }
        if !passing {
            return match self.skip(now, random) {
                Some(next) => next,
                None => self.end(Some(error)),
            };
        }
        let wait = self.pause(retry_after, now, random);
        self.tell(Update::Lost {
            error,
            retry_in: wait,
        });
        Sequel::Connect(wait)
    }

    /// Whether this way has worked before.
    fn has_worked(&self) -> bool {
        self.proven.get(self.way).is_some_and(|proven| *proven)
    }

    /// Whether an answer ends a plain event stream, which any other status than 200 fails (WHATWG HTML 9.2.3), even
    /// one that may pass: unless the server says when, or has streamed before, so that it is being restarted.
    fn is_final(&self, error: &Error, retry_after: Option<Duration>) -> bool {
        let refused = matches!(error, Error::Status(..)) && retry_after.is_none();
        self.is_plain() && refused && !self.has_worked()
    }

    /// Whether another way may do better.
    fn is_of_the_way(&self, error: &Error) -> bool {
        let most = if self.has_worked() {
            PROVEN_FAILURES
        } else {
            WAY_FAILURES
        };
        match error {
            Error::Url(_) | Error::Field(_) | Error::Randomness => false,
            // Who is not trusted one way is not trusted another.
            #[cfg(feature = "tls")]
            Error::Tls(error) if !error.is_transient() => false,
            error => !error.is_transient() || self.way_failures >= most,
        }
    }

    fn fall_back(&mut self, error: Error, way: usize) {
        self.tell(Update::FellBack {
            transport: self.transport(),
            error,
        });
        self.turn_to(way);
    }

    /// The next way behind this one that nothing is known to block.
    fn next_way(&self) -> Option<usize> {
        (self.way + 1..Transport::ALL.len()).find(|way| !self.obstacle.blocks(*way))
    }

    /// In front of a message that is too large this way: another way to it, or past it, or the end.
    fn get_around(&mut self, now: Now, random: &mut Random) -> Sequel {
        let way = self.way;
        self.obstacle.meet(way);
        if self.options.transport.is_none() {
            if let Some(next) = self.next_way() {
                self.detour.get_or_insert(way);
                self.fall_back(Error::TooLarge, next);
                return Sequel::Connect(Duration::ZERO);
            }
        }
        if let Some(next) = self.skip(now, random) {
            return next;
        }
        // Of the ways, only a WebSocket says nothing of the place of what it can't bring.
        let polls = Transport::ALL
            .iter()
            .position(|way| *way == Transport::ShortPoll);
        match polls.filter(|polls| !self.obstacle.blocks(*polls)) {
            Some(polls) if self.skips() && self.transport() == Transport::WebSocket => {
                self.obstacle.sounding = true;
                self.detour = Some(way);
                self.turn_to(polls);
                Sequel::Connect(Duration::ZERO)
            }
            _ => self.end(Some(Error::TooLarge)),
        }
    }

    fn skips(&self) -> bool {
        self.options.oversized == Oversized::Skip
    }

    /// The server has said which id a message has that is too large, or one behind it.
    pub(super) fn note_obstacle(&mut self, id: Option<&str>) {
        let here = self.cursor.id();
        // One that leads nowhere would lead to the same message again.
        let ahead = id.filter(|id| !id.is_empty() && *id != here && !self.cursor.has_passed(id));
        if let Some(id) = ahead {
            self.obstacle.id = Some(id.into());
        }
    }

    /// Goes on behind a message that is too large in every way, if that is wanted and its place is known.
    fn skip(&mut self, now: Now, random: &mut Random) -> Option<Sequel> {
        let id = self.obstacle.id.take().filter(|_| self.skips())?;
        self.end_detour();
        self.hand_on(Event::gap(&id));
        // The gap ends with this id: what follows is known.
        self.cursor.find_order();
        Some(Sequel::Connect(self.pause(None, now, random)))
    }

    /// The message that a way was left for lies behind: the subscription goes that way again. Says whether it was so.
    pub(super) fn end_detour(&mut self) -> bool {
        let way = self.detour.take();
        if let Some(way) = way {
            self.turn_to(way);
        }
        way.is_some()
    }
}
