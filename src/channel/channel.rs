//! One channel of a hub: its log, in the encodings of its readers, and whom to wake.

use super::encoded::{Encoder, Encoding, Run};
use super::id::Id;
use super::log::{Log, Record, Retention};
use super::reader::Reader;
use crate::slab::Slab;

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Box<str>,
    pub(super) log: Log,
    runs: [Option<Box<Run>>; Encoding::COUNT],
    /// The readers of each encoding. An encoding that nobody reads any more is given back by the next but one sweep.
    pub(super) read: [Usage; Encoding::COUNT],
    pub(super) readers: Slab<u64>,
    /// Its readers are to be woken.
    pub(super) woken: bool,
    /// The time in the id of the first message that they are to be woken for.
    pub(super) woken_ms: u64,
    /// They have been woken lately, and are not woken again before the hub says so.
    pub(super) resting: bool,
    /// The replicas that have said that they have no use for it, where the hub is one of several.
    pub(super) unused_by: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) readers: usize,
    lately: bool,
}

impl Channel {
    pub(super) fn new(name: &str, floor: Id) -> Channel {
        Channel {
            name: name.into(),
            log: Log::new(floor),
            runs: Default::default(),
            read: Default::default(),
            readers: Slab::new(),
            woken: false,
            woken_ms: 0,
            resting: false,
            unused_by: Vec::new(),
        }
    }

    pub(super) fn run(&self, encoding: Encoding) -> Option<&Run> {
        self.runs[encoding.index()].as_deref()
    }

    /// Whether it is in one of the hub's lists, which name it by its place.
    pub(super) fn is_to_wake(&self) -> bool {
        self.woken || self.resting
    }

    pub(super) fn has_gap(&self, reader: &Reader) -> bool {
        #[cfg(feature = "backend")]
        if reader.held {
            return false;
        }
        reader.gap || reader.next < self.log.first()
    }

    /// Begins to keep an encoding, from the oldest message retained.
    pub(super) fn encode(&mut self, encoding: Encoding, encoder: &mut Encoder) {
        self.read[encoding.index()].lately = true;
        if self.runs[encoding.index()].is_none() {
            self.encode_anew(encoding, encoder);
        }
    }

    fn encode_anew(&mut self, encoding: Encoding, encoder: &mut Encoder) {
        let mut run = Run::new(encoding);
        for (index, record) in (self.log.first()..).zip(self.log.records()) {
            run.push(index, record, encoder);
        }
        self.runs[encoding.index()] = Some(Box::new(run));
    }

    /// Whether anybody reads it compressed.
    #[cfg(feature = "deflate")]
    pub(super) fn is_read_deflated(&self) -> bool {
        let readers = |encoding: Encoding| self.read[encoding.index()].readers;
        Encoding::DEFLATED.into_iter().any(|it| readers(it) > 0)
    }

    /// Compresses anew what is kept compressed: the encoder does it in another way now.
    #[cfg(feature = "deflate")]
    pub(super) fn deflate_anew(&mut self, encoder: &mut Encoder) {
        for encoding in Encoding::DEFLATED {
            if self.run(encoding).is_some() {
                self.encode_anew(encoding, encoder);
            }
        }
    }

    /// Appends a message that came at the time `unix_ms`.
    pub(super) fn append(
        &mut self,
        record: Record,
        unix_ms: u64,
        retention: &Retention,
        encoder: &mut Encoder,
    ) {
        let index = self.log.next();
        self.log.push(record);
        if let Some(record) = self.log.get(index) {
            for run in self.runs.iter_mut().flatten() {
                run.push(index, record, encoder);
            }
        }
        self.evict(retention, unix_ms);
    }

    pub(super) fn evict(&mut self, retention: &Retention, unix_ms: u64) {
        let before = self.log.first();
        self.log.evict(retention, unix_ms);
        if self.log.first() != before {
            for run in self.runs.iter_mut().flatten() {
                run.evict(self.log.first());
            }
        }
    }

    /// Goes on behind `id`, with something missing in front of it.
    #[cfg(feature = "backend")]
    pub(super) fn break_off(&mut self, id: super::Id) {
        self.log.break_off(id);
        for run in self.runs.iter_mut().flatten() {
            run.evict(self.log.first());
        }
    }

    /// Gives back the encodings that nobody reads.
    pub(super) fn rest(&mut self) {
        for (run, usage) in self.runs.iter_mut().zip(&mut self.read) {
            if usage.readers == 0 && !usage.lately {
                *run = None;
            }
            usage.lately = false;
        }
    }
}
