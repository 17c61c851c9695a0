//! Hearing what other nodes publish, and reading what was missed.
//!
//! Pub/sub loses what is published while nobody listens, and says nothing of it. So whenever this thread has begun to listen
//! anew it compares the last id of each channel that the hubs have been told of with the one that Redis has, and reads the
//! streams of those that differ. After that it is the id before each entry that says whether something is missing.
//!
//! A connection on which nothing comes is asked for a sign of life.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Connection, PubSub};

use super::applied::Offered;
use super::entry;
use super::error::Trouble;
use super::keys::shard_of;
use super::link::{Backoff, Link};
use super::pages::catch_up;
use super::publish::{Shard, begin, heads};
use super::shared::{Shared, State};
use crate::backend::{News, Sink};
use crate::channel::Id;

/// After so long without news the connection is tested.
const SILENCE: Duration = Duration::from_secs(1);

/// Listens until the backend is stopped.
pub(super) fn listen(shared: &Shared, sink: &dyn Sink, mut shards: Vec<Shard>) {
    let mut backoff = Backoff::new();
    loop {
        let ended = match shared.place.listen() {
            Ok(connection) => hear(shared, sink, connection, &mut shards, &mut backoff),
            Err(trouble) => Err(trouble),
        };
        if shared.is_stopping() {
            return;
        }
        if let Err(trouble) = ended {
            shared.away(State::Listening, &trouble.why, sink);
        }
        if shared.rest(backoff.next()) {
            return;
        }
    }
}

/// Listens as long as the connection lasts.
fn hear(
    shared: &Shared,
    sink: &dyn Sink,
    mut connection: Connection,
    shards: &mut [Shard],
    backoff: &mut Backoff,
) -> Result<(), Trouble> {
    let broken = |error: ::redis::RedisError| Trouble::of(&error);
    let deadline = Some(shared.place.options.deadline);
    connection.set_read_timeout(deadline).map_err(broken)?;
    connection.set_write_timeout(deadline).map_err(broken)?;
    let mut pubsub = connection.as_pubsub();
    let heard = hear_on(shared, sink, &mut pubsub, shards, backoff);
    // What is dropped says good-bye, and waits for the answer.
    let _ = pubsub.set_read_timeout(Some(Duration::from_millis(10)));
    heard
}

fn hear_on(
    shared: &Shared,
    sink: &dyn Sink,
    pubsub: &mut PubSub<'_>,
    shards: &mut [Shard],
    backoff: &mut Backoff,
) -> Result<(), Trouble> {
    let broken = |error: ::redis::RedisError| Trouble::of(&error);
    let place = &shared.place;
    for shard in 0..place.options.shards {
        pubsub.subscribe(place.keys.news(shard)).map_err(broken)?;
    }
    // From here on nothing is missed; what was missed before is read.
    let mut link: Option<Link> = None;
    look_back(shared, sink, shards, &mut link)?;
    shared.back(State::Listening, sink);
    backoff.reset();
    while !shared.is_stopping() {
        pubsub.set_read_timeout(Some(SILENCE)).map_err(broken)?;
        match pubsub.get_message() {
            Ok(message) => take(shared, sink, &mut link, message.get_payload_bytes())?,
            Err(error) if error.is_timeout() => {
                let deadline = Some(place.options.deadline);
                pubsub.set_read_timeout(deadline).map_err(broken)?;
                pubsub.ping::<::redis::Value>().map_err(broken)?;
            }
            Err(error) => return Err(Trouble::of(&error)),
        }
    }
    Ok(())
}

/// Takes what was published, and reads what is missing in front of it.
fn take(
    shared: &Shared,
    sink: &dyn Sink,
    link: &mut Option<Link>,
    payload: &[u8],
) -> Result<(), Trouble> {
    let mut holes: Vec<Arc<str>> = Vec::new();
    let (mut news, mut applied) = (Vec::new(), shared.applied());
    let understood = entry::read_news(payload, |channel, kept| {
        let is_in_hole = holes.iter().any(|hole| **hole == *channel);
        if !is_in_hole && applied.offer(channel, kept, &mut news) == Offered::Hole {
            holes.push(entry::shared(channel));
        }
    });
    if !understood {
        let why = "what came through pub/sub is not ours, or of a later version, and was skipped";
        news.push(News::Warned(why.into()));
    }
    // Under the lock: others tell theirs behind it.
    sink.take(&mut news);
    drop(applied);
    for channel in holes {
        read_missing(shared, sink, link, &channel)?;
    }
    Ok(())
}

fn read_missing(
    shared: &Shared,
    sink: &dyn Sink,
    link: &mut Option<Link>,
    channel: &Arc<str>,
) -> Result<(), Trouble> {
    let mut fresh = match link.take() {
        Some(link) => link,
        None => shared.place.connect()?,
    };
    let caught_up = match catch_up(&mut fresh, shared, sink, channel) {
        // It had been idle, and may have been closed for that.
        Err(_) => {
            fresh = shared.place.connect()?;
            catch_up(&mut fresh, shared, sink, channel)
        }
        done => done,
    };
    *link = Some(fresh);
    caught_up
}

/// Reads what was published in channels that the hubs have been told of.
fn look_back(
    shared: &Shared,
    sink: &dyn Sink,
    shards: &mut [Shard],
    link: &mut Option<Link>,
) -> Result<(), Trouble> {
    let mut fresh = shared.place.connect()?;
    // It is this thread that notices first that Redis has died: a Redis that begins anew waits for that.
    begin(&mut fresh, shared, shards)?;
    let known = shared.applied().all();
    let place = &shared.place;
    let mut by_shard: Vec<Vec<(Arc<str>, Id)>> =
        vec![Vec::new(); usize::from(place.options.shards)];
    for (channel, last) in known {
        let shard = shard_of(&channel, place.options.shards);
        by_shard[usize::from(shard)].push((channel, last));
    }
    for (shard, known) in (0..).zip(by_shard) {
        for some in known.chunks(500) {
            let heads = heads(&mut fresh, place, shard, some)?;
            for ((channel, last), head) in some.iter().zip(heads) {
                if head.is_some_and(|head| head != *last) {
                    catch_up(&mut fresh, shared, sink, channel)?;
                }
            }
        }
    }
    *link = Some(fresh);
    Ok(())
}
