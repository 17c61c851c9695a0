//! A disk that loses and tears what was not synced, and fails when it is asked to.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// What a power cut can split.
const SECTOR: usize = 512;

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    parts: Arc<Mutex<Parts>>,
}

#[derive(Debug, Default)]
struct Parts {
    /// As the process sees it.
    seen: Vec<u8>,
    /// What is on the medium for certain.
    synced: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Done>,
    operations: u64,
    /// The operation with this number fails, and so does every later one.
    fails_at: Option<u64>,
}

#[derive(Debug)]
enum Done {
    Length(u64),
    Write(u64, Vec<u8>),
}

impl Done {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Done::Length(length) => bytes.resize(*length as usize, 0),
            Done::Write(offset, data) => {
                let end = *offset as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    fn parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap()
    }

    pub(super) fn fail_at(&self, operation: Option<u64>) {
        self.parts().fails_at = operation;
    }

    pub(super) fn operations(&self) -> u64 {
        self.parts().operations
    }

    pub(super) fn length(&self) -> usize {
        self.parts().seen.len()
    }

    pub(super) fn of(bytes: Vec<u8>) -> Disk {
        let disk = Disk::default();
        *disk.parts() = Parts {
            seen: bytes.clone(),
            synced: bytes,
            ..Parts::default()
        };
        disk
    }

    /// What another process finds after this one was killed: all that was written.
    pub(super) fn after_kill(&self) -> Disk {
        Disk::of(self.parts().seen.clone())
    }

    /// What is found after a power cut: what was synced, and of the rest any part in any order, in whole sectors.
    pub(super) fn after_power_cut(&self, mut random: impl FnMut(usize) -> usize) -> Disk {
        let parts = self.parts();
        let mut bytes = parts.synced.clone();
        let all_kept = random(4);
        for done in &parts.unsynced {
            match (all_kept, done) {
                (0, _) => {}
                (1, Done::Write(offset, data)) => {
                    // A sector is written or it is not.
                    let mut at = 0;
                    while at < data.len() {
                        let end = (at + SECTOR).min(data.len());
                        if random(2) == 0 {
                            Done::Write(offset + at as u64, data[at..end].to_vec())
                                .apply(&mut bytes);
                        }
                        at = end;
                    }
                }
                // A file's length is in its folder's journal, and may be there before or after.
                (1, length) if random(2) == 0 => length.apply(&mut bytes),
                (1, _) => {}
                (2, done) if random(3) > 0 => done.apply(&mut bytes),
                (2, _) => {}
                (_, done) => done.apply(&mut bytes),
            }
        }
        Disk::of(bytes)
    }

    fn operate(&self, synced: bool, done: Option<Done>) -> io::Result<()> {
        let mut parts = self.parts();
        parts.operations += 1;
        if parts.fails_at.is_some_and(|at| parts.operations >= at) {
            return Err(io::Error::other("the disk has failed"));
        }
        if let Some(done) = done {
            done.apply(&mut parts.seen);
            parts.unsynced.push(done);
        }
        if synced {
            let unsynced = std::mem::take(&mut parts.unsynced);
            for done in &unsynced {
                done.apply(&mut parts.synced);
            }
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length() as u64)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let parts = self.parts();
        let range = offset as usize..(offset as usize).saturating_add(len);
        let bytes = parts.seen.get(range).map(<[u8]>::to_vec);
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(false, Some(Done::Length(len)))
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        self.operate(true, None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(false, Some(Done::Write(offset, data.to_vec())))
    }
}
