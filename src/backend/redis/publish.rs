//! Publishing: what waits is sent as one batch for each shard, and the next batch gathers meanwhile.
//!
//! ```text
//!   queue ──► batches, one for each shard ──► Redis: one script for each ──► entries and answers
//!               ▲                               │
//!               └── again, under the same number, for five seconds: a script that has run says what it came to ◄── no answer
//! ```
//!
//! A batch has a number of this node, and Redis remembers what the last batch of each node came to. So one that was sent and
//! not answered is asked again, on the next connection, and is kept once however often it is asked. After five seconds its
//! drafts are in doubt, if it may have been kept, and refused if it can't have been. While Redis is away nothing new is taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::Value;

use super::entry::{self, Kept};
use super::error::Trouble;
use super::keys::shard_of;
use super::link::{Backoff, Link, Place, Script, bytes_of, parts_of};
use super::options::Retained;
use super::pages::{age_ms, catch_up};
use super::shared::{Shared, State, lock};
use crate::backend::{Draft, Failure, KEY_LIFE, News, Refusal, Settled, Sink, Ticket};
use crate::channel::{Id, Record};

/// How long a batch without an answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Drafts and bytes of one round of batches.
const BATCH_DRAFTS: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;
/// How long an entry that others have to be in front of waits for pub/sub, before the stream is read.
const LATE: Duration = Duration::from_millis(100);
/// How often a connection that publishes nothing is tested.
const TEST: Duration = Duration::from_secs(2);

/// What one script is asked to keep.
struct Batch {
    shard: u16,
    drafts: Vec<(Draft, Ticket)>,
    command: Vec<u8>,
    first_asked: Instant,
    /// It may have been kept.
    doubtful: bool,
}

/// The publishing thread.
pub(super) struct Publisher<'a> {
    pub(super) shared: &'a Shared,
    pub(super) sink: &'a dyn Sink,
    /// The life of each shard that this node has seen, and the greatest id.
    pub(super) shards: Vec<Shard>,
    pub(super) link: Option<Link>,
    pub(super) number: u64,
}

/// What this node knows of a shard.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) life: Vec<u8>,
    pub(super) greatest: Id,
}

impl Publisher<'_> {
    /// Publishes what comes until the backend is stopped.
    pub(super) fn work(mut self) {
        let mut backoff = Backoff::new();
        let mut late_since: Option<Instant> = None;
        loop {
            let is_connected = self.link.is_some();
            let wait = match (is_connected, late_since) {
                (true, None) => TEST,
                (true, Some(_)) => LATE,
                (false, _) => backoff.next(),
            };
            let (drafts, ended) = self
                .shared
                .gather(wait, is_connected, BATCH_DRAFTS, BATCH_BYTES);
            if drafts.is_empty() {
                if ended {
                    return;
                }
                if self.link.is_none() {
                    self.reconnect(&mut backoff);
                } else if late_since.is_none() {
                    self.test();
                }
            } else {
                let batches = self.batches(drafts);
                self.publish(batches, &mut backoff);
            }
            late_since = self.look_after_holes(late_since);
        }
    }

    /// Divides drafts over the shards.
    fn batches(&mut self, drafts: Vec<(Draft, Ticket)>) -> Vec<Batch> {
        let place = &self.shared.place;
        let mut of_shard: HashMap<u16, usize> = HashMap::new();
        let mut batches: Vec<Batch> = Vec::new();
        for (draft, ticket) in drafts {
            let shard = shard_of(&draft.channel, place.options.shards);
            let at = *of_shard.entry(shard).or_insert_with(|| {
                batches.push(Batch {
                    shard,
                    drafts: Vec::new(),
                    command: Vec::new(),
                    first_asked: Instant::now(),
                    doubtful: false,
                });
                batches.len() - 1
            });
            batches[at].drafts.push((draft, ticket));
        }
        for batch in &mut batches {
            self.number += 1;
            let greatest = self.shards[usize::from(batch.shard)].greatest;
            batch.command = command(place, batch.shard, self.number, greatest, &batch.drafts);
        }
        batches
    }

    /// Asks until each batch has an answer, or has waited for too long.
    fn publish(&mut self, mut batches: Vec<Batch>, backoff: &mut Backoff) {
        while !batches.is_empty() {
            match self.ask(&mut batches) {
                Ok(()) => backoff.reset(),
                Err(trouble) => self.shared.away(State::Publishing, &trouble.why, self.sink),
            }
            if batches.is_empty() {
                return;
            }
            let mut news = Vec::new();
            batches.retain_mut(|batch| {
                if batch.first_asked.elapsed() < ASK_AGAIN {
                    return true;
                }
                let failure = match batch.doubtful {
                    true => Failure::InDoubt,
                    false => Failure::Refused(Refusal::Away),
                };
                let failed = batch.drafts.drain(..);
                news.extend(failed.map(|(_, ticket)| News::Settled(ticket, Err(failure))));
                false
            });
            self.shared.tell(&mut news, self.sink);
            if !batches.is_empty() {
                std::thread::sleep(backoff.next());
            }
        }
    }

    /// Asks all batches once. Those that were answered are gone from the list.
    fn ask(&mut self, batches: &mut Vec<Batch>) -> Result<(), Trouble> {
        let link = self.connect()?;
        let commands: Vec<Vec<u8>> = batches.iter().map(|batch| batch.command.clone()).collect();
        let answers = link.ask_all(&commands);
        let answers = match answers {
            Ok(answers) => answers,
            Err(trouble) => {
                batches.iter_mut().for_each(|batch| batch.doubtful = true);
                self.link = None;
                return Err(trouble);
            }
        };
        let mut trouble = None;
        let asked = std::mem::take(batches);
        // Before anybody is told, so that who has its answer finds it counted.
        {
            let mut queue = lock(&self.shared.queue);
            for (batch, answer) in asked.iter().zip(&answers) {
                if answer.is_ok() {
                    queue.batches.record(batch.first_asked.elapsed());
                }
            }
        }
        for (mut batch, answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(value) => self.take_answer(batch, &value),
                Err(why) => {
                    batch.doubtful |= !why.certain;
                    trouble = Some(why);
                    batches.push(batch);
                }
            }
        }
        match trouble {
            None => {
                self.shared.back(State::Publishing, self.sink);
                Ok(())
            }
            Some(trouble) => {
                if trouble.broken || trouble.forgotten {
                    self.link = None;
                }
                Err(trouble)
            }
        }
    }

    /// Tells what became of a batch.
    fn take_answer(&mut self, batch: Batch, value: &Value) {
        let lines = bytes_of(value).unwrap_or_default();
        let mut lines = lines.split(|&byte| byte == b'\n');
        let mut news = Vec::new();
        let mut applied = self.shared.applied();
        for (draft, ticket) in batch.drafts {
            match read_line(lines.next().unwrap_or_default()) {
                Line::Kept(id, previous) => {
                    let shard = &mut self.shards[usize::from(batch.shard)];
                    shard.greatest = shard.greatest.max(id);
                    let record = Record {
                        id,
                        event: draft.event,
                        data: draft.data,
                    };
                    let kept = Kept {
                        id,
                        previous: Some(previous),
                        record: Some(record),
                    };
                    applied.offer(&draft.channel, kept, &mut news);
                    applied.answer(&draft.channel, id, ticket, &mut news);
                }
                Line::Replayed(id) => {
                    let replayed = Settled { id, replayed: true };
                    news.push(News::Settled(ticket, Ok(replayed)));
                }
                Line::Refused(refusal, why) => {
                    news.push(News::Settled(ticket, Err(Failure::Refused(refusal))));
                    if let Some(why) = why {
                        let channel = &draft.channel;
                        let why = format!("Redis does not take messages of {channel}: {why}");
                        news.push(News::Warned(why.into()));
                    }
                }
                Line::None => news.push(News::Settled(ticket, Err(Failure::InDoubt))),
            }
        }
        // Under the lock: what is told next comes behind it.
        self.sink.take(&mut news);
    }

    /// The connection; a new one if there is none.
    fn connect(&mut self) -> Result<&mut Link, Trouble> {
        if self.link.is_none() {
            let mut link = self.shared.place.connect()?;
            begin(&mut link, self.shared, &mut self.shards)?;
            self.link = Some(link);
        }
        self.link
            .as_mut()
            .ok_or_else(|| Trouble::new("no connection"))
    }

    fn reconnect(&mut self, backoff: &mut Backoff) {
        match self.connect() {
            Ok(_) => {
                backoff.reset();
                self.shared.back(State::Publishing, self.sink);
            }
            Err(trouble) => self.shared.away(State::Publishing, &trouble.why, self.sink),
        }
    }

    /// Finds out that a connection on which nothing happens is broken, before somebody publishes; and while Redis is away
    /// although it answers, whether it takes writes again.
    fn test(&mut self) {
        let Some(link) = &mut self.link else { return };
        let is_away = lock(&self.shared.queue).publishing.is_some();
        let command = match is_away {
            // One that is full, or can't write to its disk, answers a ping, too.
            true => {
                let mut write = ::redis::cmd("HSET");
                write.arg(self.shared.place.keys.state(0));
                write.arg("tested").arg(&self.shared.place.node);
                write.get_packed_command()
            }
            false => ::redis::cmd("PING").get_packed_command(),
        };
        match link.ask_one(command) {
            Ok(_) if is_away => self.shared.back(State::Publishing, self.sink),
            Ok(_) => {}
            Err(trouble) => {
                if trouble.broken || !is_away {
                    self.link = None;
                }
                self.shared.away(State::Publishing, &trouble.why, self.sink);
            }
        }
    }

    /// Reads what pub/sub has not brought. Returns since when something is missing.
    fn look_after_holes(&mut self, since: Option<Instant>) -> Option<Instant> {
        let holes = self.shared.applied().holes();
        if holes.is_empty() {
            return None;
        }
        let since = since.unwrap_or_else(Instant::now);
        if since.elapsed() < LATE {
            return Some(since);
        }
        for channel in holes {
            let Some(link) = &mut self.link else {
                return Some(since);
            };
            if catch_up(link, self.shared, self.sink, &channel).is_err() {
                self.link = None;
            }
        }
        None
    }
}

/// Tells Redis that this node is there, with the greatest ids that it knows; and if Redis has begun anew, or lost messages, what
/// its readers have seen last.
pub(super) fn begin(link: &mut Link, shared: &Shared, shards: &mut [Shard]) -> Result<(), Trouble> {
    let place = &shared.place;
    let known = shared.applied().all();
    let mut by_shard: Vec<Vec<(Arc<str>, Id)>> = vec![Vec::new(); shards.len()];
    for (channel, last) in known {
        let at = usize::from(shard_of(&channel, place.options.shards));
        shards[at].greatest = shards[at].greatest.max(last);
        by_shard[at].push((channel, last));
    }
    let settle = place.options.settle.as_millis().to_string();
    let count = place.options.shards.to_string();
    let commands: Vec<Vec<u8>> = (0..place.options.shards)
        .zip(shards.iter())
        .map(|(number, shard)| {
            let greatest = entry::text_of(shard.greatest);
            let key = place.keys.state(number);
            let arguments = [&greatest, &place.node, &settle, &count];
            place.call(
                Script::Begin,
                [key.as_bytes()].into_iter(),
                arguments.into_iter().map(|argument| argument.as_bytes()),
            )
        })
        .collect();
    let answers = link.ask_all(&commands)?;
    for ((at, answer), known) in answers.into_iter().enumerate().zip(by_shard) {
        let answer = answer?;
        let [life, _birth, count, format] = parts_of(&answer) else {
            return Err(Trouble::new("an answer of Redis is none of ours"));
        };
        if bytes_of(count) != Some(place.options.shards.to_string().as_bytes()) {
            let found = bytes_of(count).unwrap_or_default();
            let found = String::from_utf8_lossy(found).into_owned();
            return Err(Trouble::new(format!("SHARDS {found}")));
        }
        if bytes_of(format) != Some(entry::FORMAT.as_bytes()) {
            let format = bytes_of(format).unwrap_or_default();
            let format = String::from_utf8_lossy(format).into_owned();
            return Err(Trouble::new(format!("FORMAT {format}")));
        }
        let life = bytes_of(life).unwrap_or_default().to_vec();
        let shard = &shards[at];
        let is_new = !shard.life.is_empty() && shard.life != life;
        for some in known.chunks(500) {
            let number = u16::try_from(at).unwrap_or_default();
            let keys = [place.keys.state(number), place.keys.heads(number)];
            let is_new = if is_new { "1" } else { "0" };
            let mut arguments = vec![is_new.to_owned()];
            for (channel, last) in some {
                arguments.extend([channel.to_string(), entry::text_of(*last)]);
            }
            let keys = keys.iter().map(|key| key.as_bytes());
            let arguments = arguments.iter().map(|argument| argument.as_bytes());
            link.ask_one(place.call(Script::Seed, keys, arguments))?;
        }
        // Only now: who was cut off in between says all of it again.
        shards[at].life = life;
    }
    Ok(())
}

/// The bytes of a batch.
fn command(
    place: &Place,
    shard: u16,
    number: u64,
    greatest: Id,
    drafts: &[(Draft, Ticket)],
) -> Vec<u8> {
    let names = &place.keys;
    let mut keys: Vec<String> = vec![
        names.state(shard),
        names.heads(shard),
        names.node(shard, &place.node),
    ];
    keys.extend(
        drafts
            .iter()
            .map(|(draft, _)| names.stream(shard, &draft.channel)),
    );
    let Retained {
        messages,
        bytes,
        channels,
        ..
    } = place.options.retained;
    let bound = |bound: u64| if bound >= 1 << 52 { 0 } else { bound.max(1) };
    let mut arguments: Vec<Vec<u8>> = [
        names.news(shard),
        number.to_string(),
        bound(messages).to_string(),
        bound(bytes).to_string(),
        age_ms(place).to_string(),
        channels.to_string(),
        entry::text_of(greatest),
        KEY_LIFE.as_millis().to_string(),
    ]
    .map(String::into_bytes)
    .into();
    let mut which = 0;
    for (draft, _) in drafts {
        let content = entry::encode(draft.event.as_deref(), &draft.data);
        let (number, digest) = match &draft.key {
            None => (0, String::new()),
            Some(key) => {
                keys.push(names.idempotency(shard, &draft.channel, key.as_bytes()));
                which += 1;
                (which, entry::digest(&content))
            }
        };
        arguments.extend([
            draft.channel.as_bytes().to_vec(),
            content,
            number.to_string().into_bytes(),
            digest.into_bytes(),
        ]);
    }
    place.call(
        Script::Publish,
        keys.iter().map(|key| key.as_bytes()),
        arguments.iter().map(Vec::as_slice),
    )
}

/// What became of one draft.
enum Line<'a> {
    Kept(Id, Id),
    Replayed(Id),
    Refused(Refusal, Option<&'a str>),
    None,
}

fn read_line(line: &[u8]) -> Line<'_> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Line::None;
    };
    if let Some(id) = text.strip_prefix('=') {
        return id.parse().map_or(Line::None, Line::Replayed);
    }
    match text {
        "!KEY" => return Line::Refused(Refusal::KeyReused, None),
        "!CHANNELS" => return Line::Refused(Refusal::TooManyChannels, None),
        _ => {}
    }
    if let Some(why) = text.strip_prefix("!STREAM ") {
        return Line::Refused(Refusal::Away, Some(why));
    }
    let ids = text.split_once(' ');
    let ids = ids.and_then(|(id, previous)| Some((id.parse().ok()?, previous.parse().ok()?)));
    ids.map_or(Line::None, |(id, previous)| Line::Kept(id, previous))
}

/// The last ids of these channels, as far as Redis has them.
pub(super) fn heads(
    link: &mut Link,
    place: &Place,
    shard: u16,
    channels: &[(Arc<str>, Id)],
) -> Result<Vec<Option<Id>>, Trouble> {
    let mut command = ::redis::cmd("HMGET");
    command.arg(place.keys.heads(shard));
    for (channel, _) in channels {
        command.arg(channel.as_bytes());
    }
    let answer = link.ask_one(command.get_packed_command())?;
    let head = |value: &Value| {
        let words = bytes_of(value)?;
        let last = words.split(|&byte| byte == b' ').next()?;
        entry::id_of(last)
    };
    Ok(parts_of(&answer).iter().map(head).collect())
}
