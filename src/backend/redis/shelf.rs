//! Small things that outlive a node, of which one node at a time is in charge: the shelf, in Redis.
//!
//! ```text
//!   PREFIX:{3}:l:NAME         hash: node, number and end of the lease, in milliseconds of Redis' clock
//!   PREFIX:{3}:v:NAME         hash: key → value
//! ```
//!
//! The invariant: **what lies there is changed by the node that has the lease, under the number that it was given with it, and
//! by nobody else**. A script looks at both and makes all changes, or none. A lease that has ended is still its node's until another
//! takes it: nobody has changed anything meanwhile. The number is greater than each before it, also behind a Redis that
//! has lost it, as far as its clock goes on; and because the node is looked at as well, a number that is given twice lets nobody in.
//!
//! What is asked for is done by a thread of its own, in order, so that no page that takes long delays a renewal. It
//! connects when it is asked first. A question without an answer is asked again: each comes to the same however often it is
//! asked. A node that ends in good order gives its leases back; one that dies has them until they end.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::Value;

use super::error::Trouble;
use super::keys::shard_of;
use super::link::{Backoff, Link, Place, Script, bytes_of, number_of};
use super::shared::{Shared, lock};
use crate::backend::{Change, Failure, News, Refusal, Shelf, Shelved, Sink, Ticket};

/// Questions that may wait.
const QUEUED: usize = 1_024;
/// How long a question is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// The longest life of a lease, in milliseconds: Lua counts in doubles.
const LONGEST: u64 = 1 << 50;

/// What waits for the thread.
#[derive(Default)]
pub(super) struct Questions {
    waiting: Mutex<Waiting>,
    asked: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    stopping: bool,
}

struct Job {
    name: &'static str,
    ticket: Ticket,
    work: Work,
}

enum Work {
    /// With its life in milliseconds.
    Lease(u64),
    Load,
    Put(u64, Vec<Change>),
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Questions {
    fn ask(&self, name: &'static str, ticket: Ticket, work: Work) -> Result<(), Refusal> {
        {
            let mut waiting = lock(&self.waiting);
            if waiting.stopping {
                return Err(Refusal::Away);
            }
            if waiting.jobs.len() >= QUEUED {
                return Err(Refusal::Full);
            }
            waiting.jobs.push_back(Job { name, ticket, work });
        }
        self.asked.notify_one();
        Ok(())
    }

    /// Nothing more is taken.
    pub(super) fn stop(&self) {
        lock(&self.waiting).stopping = true;
        self.asked.notify_one();
    }

    /// The next one, when there is one; `None` when there will be no more.
    fn next(&self) -> Option<Job> {
        let waiting = lock(&self.waiting);
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.stopping;
        let waited = self.asked.wait_while(waiting, idle);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.pop_front()
    }
}

impl Shelf for Questions {
    fn lease(&self, name: &'static str, life: Duration, ticket: Ticket) -> Result<(), Refusal> {
        let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        self.ask(name, ticket, Work::Lease(life.clamp(1, LONGEST)))
    }

    fn load(&self, name: &'static str, ticket: Ticket) -> Result<(), Refusal> {
        self.ask(name, ticket, Work::Load)
    }

    fn put(
        &self,
        name: &'static str,
        number: u64,
        changes: Vec<Change>,
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        self.ask(name, ticket, Work::Put(number, changes))
    }
}

/// Does what is asked for until the backend is stopped.
pub(super) fn serve(shared: &Shared, questions: &Questions, sink: &dyn Sink) {
    let mut link: Option<Link> = None;
    let mut leases: Vec<&'static str> = Vec::new();
    while let Some(job) = questions.next() {
        let answer = ask(shared, &mut link, &job);
        if matches!(answer, Ok(Shelved::Lease(Ok(Some(_))))) && !leases.contains(&job.name) {
            leases.push(job.name);
        }
        let shelved = answer.unwrap_or_else(|failure| job.failed(failure));
        shared.tell(&mut vec![News::Shelf(job.ticket, shelved)], sink);
    }
    // Nobody waits for this: where it can't be done now, the lease ends by itself.
    if let Some(link) = &mut link {
        for name in leases {
            let keys = [shared.place.keys.lease(shard(&shared.place, name), name)];
            let call = call(
                &shared.place,
                Script::Release,
                &keys,
                &[shared.place.node.as_bytes()],
            );
            let _ = link.ask_one(call);
        }
    }
}

/// Asks until there is an answer, or Redis is away.
fn ask(shared: &Shared, link: &mut Option<Link>, job: &Job) -> Result<Shelved, Failure> {
    let command = job.command(&shared.place);
    let (began, mut backoff) = (Instant::now(), Backoff::new());
    let mut failure = Failure::Refused(Refusal::Away);
    loop {
        // Who ends does not wait for a Redis that can't be reached.
        if link.is_none() && shared.is_stopping() {
            return Err(failure);
        }
        match ask_once(shared, link, &command) {
            Ok(value) => return job.answer(&value).ok_or(Failure::InDoubt),
            Err(Asked::Unsent) => {}
            // An error that it will answer with again.
            Err(Asked::Sent(trouble)) if !trouble.broken => return Err(failure),
            Err(Asked::Sent(trouble)) if trouble.certain => {}
            Err(Asked::Sent(_)) => failure = Failure::InDoubt,
        }
        *link = None;
        let is_away = lock(&shared.queue).publishing.is_some();
        if is_away || began.elapsed() > ASK_AGAIN || shared.rest(backoff.next()) {
            return Err(failure);
        }
    }
}

/// How far a question came.
enum Asked {
    Unsent,
    Sent(Trouble),
}

fn ask_once(shared: &Shared, link: &mut Option<Link>, command: &[u8]) -> Result<Value, Asked> {
    let open = match link {
        Some(link) => link,
        None => link.insert(shared.place.connect().map_err(|_| Asked::Unsent)?),
    };
    open.ask_one(command.to_vec()).map_err(Asked::Sent)
}

fn shard(place: &Place, name: &str) -> u16 {
    shard_of(name, place.options.shards)
}

fn call(place: &Place, script: Script, keys: &[String], arguments: &[&[u8]]) -> Vec<u8> {
    let keys = keys.iter().map(|key| key.as_bytes());
    place.call(script, keys, arguments.iter().copied())
}

impl Job {
    fn command(&self, place: &Place) -> Vec<u8> {
        let shard = shard(place, self.name);
        let lease = place.keys.lease(shard, self.name);
        let values = place.keys.values(shard, self.name);
        let node = place.node.as_bytes();
        match &self.work {
            Work::Lease(life) => {
                let life = life.to_string();
                call(place, Script::Lease, &[lease], &[node, life.as_bytes()])
            }
            Work::Load => {
                let mut command = ::redis::cmd("HGETALL");
                command.arg(values);
                command.get_packed_command()
            }
            Work::Put(number, changes) => {
                let number = number.to_string();
                let mut arguments = vec![node, number.as_bytes()];
                for change in changes {
                    let (is_put, value) = match &change.value {
                        Some(value) => (b"1", &value[..]),
                        None => (b"0", &b""[..]),
                    };
                    arguments.extend([change.key.as_bytes(), is_put, value]);
                }
                call(place, Script::Put, &[lease, values], &arguments)
            }
        }
    }

    /// Reads what Redis has answered; `None` if that is none of ours.
    fn answer(&self, value: &Value) -> Option<Shelved> {
        Some(match self.work {
            Work::Lease(_) if *value == Value::Nil => Shelved::Lease(Ok(None)),
            Work::Lease(_) => Shelved::Lease(Ok(Some(u64::try_from(number_of(value)?).ok()?))),
            Work::Load => {
                let Value::Array(parts) = value else {
                    return None;
                };
                let mut pairs = Vec::with_capacity(parts.len() / 2);
                for pair in parts.chunks_exact(2) {
                    pairs.push((bytes_of(&pair[0])?, bytes_of(&pair[1])?));
                }
                pairs.sort_unstable();
                let values = pairs.into_iter().map(|(_, value)| value.to_vec());
                Shelved::Values(Ok(values.collect()))
            }
            Work::Put(..) => Shelved::Put(Ok(number_of(value)? != 0)),
        })
    }

    fn failed(&self, failure: Failure) -> Shelved {
        match self.work {
            Work::Lease(_) => Shelved::Lease(Err(failure)),
            Work::Load => Shelved::Values(Err(failure)),
            Work::Put(..) => Shelved::Put(Err(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::backend::Backend;
    use crate::backend::redis::tests::Server;
    use crate::backend::redis::{Options, Redis};

    const LONG: Duration = Duration::from_secs(60);
    /// How long anything may take.
    const PATIENCE: Duration = Duration::from_secs(30);

    struct Ear(Mutex<Sender<(u32, Shelved)>>);

    impl Sink for Ear {
        fn take(&self, news: &mut Vec<News>) {
            for news in news.drain(..) {
                if let News::Shelf(ticket, shelved) = news {
                    let _ = self.0.lock().unwrap().send((ticket.serial, shelved));
                }
            }
        }
    }

    /// A node, asked one question at a time.
    struct Node {
        redis: Redis,
        heard: Receiver<(u32, Shelved)>,
        serial: u32,
    }

    impl Node {
        fn open(server: &Server) -> Node {
            let redis = Redis::open(&server.url(), Options::default()).unwrap();
            let (told, heard) = channel();
            redis.start(Arc::new(Ear(Mutex::new(told))));
            Node {
                redis,
                heard,
                serial: 0,
            }
        }

        fn ask(&mut self, ask: impl FnOnce(&dyn Shelf, Ticket) -> Result<(), Refusal>) -> Shelved {
            self.serial += 1;
            let ticket = Ticket {
                place: 0,
                from: 0,
                serial: self.serial,
            };
            ask(self.redis.shelf().unwrap(), ticket).unwrap();
            let (serial, shelved) = self.heard.recv_timeout(PATIENCE).unwrap();
            assert_eq!(serial, self.serial);
            shelved
        }

        fn lease(&mut self, life: Duration) -> Option<u64> {
            match self.ask(|shelf, ticket| shelf.lease("hooks", life, ticket)) {
                Shelved::Lease(number) => number.unwrap(),
                shelved => panic!("{shelved:?}"),
            }
        }

        /// Asks for the lease until it is granted.
        fn lease_at_last(&mut self) -> u64 {
            let until = Instant::now() + PATIENCE;
            loop {
                let lease = |shelf: &dyn Shelf, ticket| shelf.lease("hooks", LONG, ticket);
                match self.ask(lease) {
                    Shelved::Lease(Ok(Some(number))) => return number,
                    shelved => assert!(Instant::now() < until, "{shelved:?}"),
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }

        fn put(&mut self, number: u64, key: &str, value: Option<&[u8]>) -> bool {
            let changes = vec![Change {
                key: key.into(),
                value: value.map(<[u8]>::to_vec),
            }];
            match self.ask(|shelf, ticket| shelf.put("hooks", number, changes, ticket)) {
                Shelved::Put(put) => put.unwrap(),
                shelved => panic!("{shelved:?}"),
            }
        }

        fn load(&mut self) -> Vec<Vec<u8>> {
            match self.ask(|shelf, ticket| shelf.load("hooks", ticket)) {
                Shelved::Values(values) => values.unwrap(),
                shelved => panic!("{shelved:?}"),
            }
        }
    }

    #[test]
    fn one_node_at_a_time_has_the_lease_and_a_number_of_before_changes_nothing() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let (mut one, mut other) = (Node::open(&server), Node::open(&server));
        assert_eq!(other.load(), Vec::<Vec<u8>>::new());
        let first = one.lease(LONG).unwrap();
        assert_eq!(one.lease(LONG), Some(first));
        assert_eq!(other.lease(LONG), None);
        assert!(one.put(first, "b", Some(b"\x00\xFF")));
        assert!(one.put(first, "a", Some(b"1")));
        assert!(one.put(first, "c", Some(b"")));
        // It knows the number, and is not the node that has it.
        assert!(!other.put(first, "a", Some(b"2")));
        assert!(!one.put(first - 1, "a", Some(b"2")));
        assert_eq!(other.load(), [&b"1"[..], b"\x00\xFF", b""]);

        // It renews it for a moment, and is not heard of any more.
        assert_eq!(one.lease(Duration::from_millis(1)), Some(first));
        let second = other.lease_at_last();
        assert!(second > first);
        assert!(!one.put(first, "a", None));
        assert_eq!(one.lease(LONG), None);
        assert!(other.put(second, "a", None));
        assert!(other.put(second, "never", None));
        assert_eq!(one.load(), [&b"\x00\xFF"[..], b""]);
    }

    #[test]
    fn a_lease_that_has_ended_is_still_of_its_node_until_another_takes_it() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let mut one = Node::open(&server);
        let first = one.lease(Duration::from_millis(1)).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert!(one.put(first, "a", Some(b"1")));
        assert_eq!(one.lease(LONG), Some(first));
    }

    #[test]
    fn a_node_that_ends_in_good_order_gives_its_lease_back() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let (mut one, mut other) = (Node::open(&server), Node::open(&server));
        let first = one.lease(LONG).unwrap();
        assert!(one.put(first, "a", Some(b"1")));
        one.redis.stop();
        let lease = one.redis.shelf().unwrap();
        let ticket = Ticket {
            place: 0,
            from: 0,
            serial: 0,
        };
        assert_eq!(lease.lease("hooks", LONG, ticket), Err(Refusal::Away));
        let second = other.lease(LONG).unwrap();
        assert!(second > first);
        assert_eq!(other.load(), [b"1"]);
        // Who ends without the lease leaves it where it is.
        drop(one);
        assert_eq!(other.lease(LONG), Some(second));
    }

    #[test]
    fn what_lies_there_outlives_redis_as_far_as_redis_keeps_it_and_numbers_grow_even_if_not() {
        let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
        else {
            return;
        };
        let mut one = Node::open(&server);
        let first = one.lease(LONG).unwrap();
        assert!(one.put(first, "a", Some(b"secret")));
        server.kill();
        let failed = one.ask(|shelf, ticket| shelf.lease("hooks", LONG, ticket));
        assert!(matches!(failed, Shelved::Lease(Err(_))), "{failed:?}");
        server.restart();
        assert_eq!(one.lease_at_last(), first);
        assert_eq!(one.load(), [b"secret"]);

        server.cli(&["FLUSHALL"]);
        assert!(!one.put(first, "a", Some(b"of before")));
        let second = one.lease(LONG).unwrap();
        assert!(second > first, "{second} {first}");
        assert_eq!(one.load(), Vec::<Vec<u8>>::new());
    }
}
