//! The model: a backend in a hundred lines, in which everything happens before a call returns. The laws were written
//! against it, and it is what memory alone promises: nothing outlives it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{
    Backend, Draft, Entry, Failure, Health, Key, News, Page, Query, Refusal, Settled, Sink, Ticket,
};
use crate::channel::{Data, Id, Log, Record, Retention, Start};

pub(crate) struct Memory {
    parts: Mutex<Parts>,
    sink: Mutex<Option<Arc<dyn Sink>>>,
    retention: Retention,
    clock: fn() -> u64,
}

type Message = (Option<Arc<str>>, Data);

struct Parts {
    logs: HashMap<Arc<str>, Log>,
    keys: HashMap<(Arc<str>, Key), (Id, Message)>,
    birth: Id,
    last: Id,
    stopped: bool,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    pub(crate) fn new(retention: Retention, clock: fn() -> u64) -> Memory {
        let birth = Id {
            ms: clock(),
            seq: 0,
        };
        Memory {
            parts: Mutex::new(Parts {
                logs: HashMap::new(),
                keys: HashMap::new(),
                birth,
                last: birth,
                stopped: false,
            }),
            sink: Mutex::new(None),
            retention,
            clock,
        }
    }

    fn tell(&self, news: &mut Vec<News>) {
        let sink = self.sink.lock().unwrap().clone();
        sink.unwrap().take(news);
    }
}

impl Backend for Memory {
    fn start(&self, sink: Arc<dyn Sink>) {
        // Another server may take the place of the first.
        *self.sink.lock().unwrap() = Some(sink);
    }

    fn publish(&self, draft: Draft, ticket: Ticket) -> Result<(), Refusal> {
        let mut parts = self.parts.lock().unwrap();
        if parts.stopped {
            return Err(Refusal::Away);
        }
        let message = (draft.event.clone(), draft.data.clone());
        let place = draft.key.map(|key| (Arc::clone(&draft.channel), key));
        if let Some((id, kept)) = place.as_ref().and_then(|place| parts.keys.get(place)) {
            let settled = match *kept == message {
                true => Ok(Settled {
                    id: *id,
                    replayed: true,
                }),
                false => Err(Failure::Refused(Refusal::KeyReused)),
            };
            self.tell(&mut vec![News::Settled(ticket, settled)]);
            return Ok(());
        }
        let unix_ms = (self.clock)();
        let id = parts.last.next(unix_ms);
        parts.last = id;
        let birth = parts.birth;
        let log = parts.logs.entry(Arc::clone(&draft.channel));
        let log = log.or_insert_with(|| Log::new(birth));
        let entry = Entry {
            channel: draft.channel,
            previous: log.last(),
            record: Record {
                id,
                event: draft.event,
                data: draft.data,
            },
        };
        log.push(entry.record.clone());
        log.evict(&self.retention, unix_ms);
        if let Some(place) = place {
            parts.keys.insert(place, (id, message));
        }
        let settled = Settled {
            id,
            replayed: false,
        };
        // Under the lock: others have to hear of theirs behind it.
        self.tell(&mut vec![
            News::Entry(Arc::new(entry)),
            News::Settled(ticket, Ok(settled)),
        ]);
        Ok(())
    }

    fn read(&self, query: Query, ticket: Ticket) -> Result<(), Refusal> {
        let parts = self.parts.lock().unwrap();
        let fresh = Log::new(parts.birth);
        let log = parts.logs.get(&query.channel).unwrap_or(&fresh);
        let position = log.locate(query.start);
        let after = match query.start {
            Start::After(_) if position.gap => log.floor(),
            _ => log.cursor(position.next),
        };
        let (mut records, mut bytes): (Vec<Record>, usize) = (Vec::new(), 0);
        let mut next = position.next;
        while let Some(record) = log.get(next) {
            bytes += record.size();
            let is_full = records.len() >= query.messages || bytes > query.bytes;
            if is_full && !records.is_empty() {
                break;
            }
            records.push(record.clone());
            next += 1;
        }
        let page = Page {
            gap: position.gap,
            floor: log.floor(),
            after,
            through: records.last().map_or(after, |record| record.id),
            more: next < log.next(),
            records,
        };
        self.tell(&mut vec![News::Page(ticket, Ok(Arc::new(page)))]);
        Ok(())
    }

    fn health(&self) -> Health {
        match self.parts.lock().unwrap().stopped {
            true => Health::Failed("it has been stopped".into()),
            false => Health::Ok,
        }
    }

    fn stop(&self) {
        self.parts.lock().unwrap().stopped = true;
    }
}
