//! The file: found or made, ours alone, watched while it is read through, and never written again after it has failed.
//!
//! ```text
//!   nothing, or an empty file ──► FILE.barewire-new is made whole and synced, then renamed: a store is there or it is not
//!   a file ──► regular? ──► begins as a database? ──► locked? ──► (repair) ──► our format? ──► rows agree? ──► open
//! ```
//!
//! All pages are read and their checksums looked at before the store says that it is open ([`Progress`] says how far it
//! is): after a clean end by [`check_whole`], after any other by the database itself, which finds out what was whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::codec::FORMAT;
use super::core::{Core, stored_format, verify};
use super::error::{Fault, OpenError};
use super::options::{OnProgress, Options, Progress, Retained, unix_ms};
use super::shut::{Shut, quietly};
use crate::metrics::Histogram;

/// How every file of the database begins.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// How long opening is silent, and how often it says how far it is from then on.
const SILENCE: Duration = Duration::from_secs(1);

/// What a database lies on, so that it can fail as files do.
pub(super) trait Medium: StorageBackend {}

impl<M: StorageBackend> Medium for M {}

/// A medium that is not written any more once it has failed: what was not synced when a sync failed may be marked as
/// synced in the system's memory, and a later sync would say so.
#[derive(Debug)]
pub(super) struct Guarded<M> {
    medium: Arc<M>,
    watch: Arc<Watch>,
}

/// What is seen of a medium from outside.
#[derive(Default)]
pub(super) struct Watch {
    failed: AtomicBool,
    read: AtomicU64,
    synced: AtomicU64,
    /// Bytes of the medium.
    length: AtomicU64,
    syncs: std::sync::Mutex<Histogram>,
    opening: std::sync::Mutex<Option<Opening>>,
}

struct Opening {
    began: Instant,
    told: Instant,
    of: u64,
    on_progress: OnProgress,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Bytes of the medium, and how long its syncs have taken.
    pub(super) fn measured(&self) -> (u64, Histogram) {
        let syncs = self.syncs.lock();
        let syncs = *syncs.unwrap_or_else(std::sync::PoisonError::into_inner);
        (self.length.load(Ordering::Relaxed), syncs)
    }

    fn timed<T>(&self, sync: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = sync();
        let mut syncs = self
            .syncs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        syncs.record(began.elapsed());
        result
    }

    fn check(&self) -> io::Result<()> {
        match self.has_failed() {
            true => Err(io::Error::other("it has failed before")),
            false => Ok(()),
        }
    }

    fn saw<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.fail();
        }
        result
    }

    fn has_read(&self, bytes: usize) {
        let read = self.read.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        // Nobody else reads while it is opened, and afterwards there is nothing to tell.
        let Ok(mut opening) = self.opening.try_lock() else {
            return;
        };
        if let Some(opening) = &mut *opening {
            let now = Instant::now();
            if now - opening.began >= SILENCE && now - opening.told >= SILENCE {
                opening.told = now;
                let of = opening.of.max(read);
                (opening.on_progress)(Progress { read, of });
            }
        }
    }
}

impl<M: Medium> StorageBackend for Guarded<M> {
    fn len(&self) -> io::Result<u64> {
        let length = self.medium.len()?;
        self.watch.length.store(length, Ordering::Relaxed);
        Ok(length)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.watch.has_read(len);
        self.medium.read(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch.check()?;
        self.watch.saw(self.medium.set_len(len))?;
        self.watch.length.store(len, Ordering::Relaxed);
        // The database takes a file for damaged that is shorter than its header says, and the two are not written as one.
        self.watch.saw(self.medium.sync_data(false))
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.watch.check()?;
        self.watch.synced.fetch_add(1, Ordering::Relaxed);
        let sync = || self.medium.sync_data(eventual);
        self.watch.saw(self.watch.timed(sync))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch.check()?;
        self.watch.saw(self.medium.write(offset, data))
    }
}

/// A medium that is only read: what the database has to write to find its way about stays in memory.
#[derive(Debug)]
struct Overlay<M> {
    medium: Arc<M>,
    watch: Arc<Watch>,
    written: std::sync::Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    pages: std::collections::BTreeMap<u64, Box<[u8]>>,
}

/// Bytes of one piece of an overlay.
const PIECE: u64 = 4096;

impl<M: Medium> Overlay<M> {
    fn over(medium: &Arc<M>, watch: &Arc<Watch>) -> Result<Overlay<M>, DatabaseFault> {
        let length = medium.len().map_err(DatabaseFault::Io)?;
        Ok(Overlay {
            medium: Arc::clone(medium),
            watch: Arc::clone(watch),
            written: std::sync::Mutex::new(Written {
                length,
                pages: Default::default(),
            }),
        })
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        let written = self.written.lock();
        written.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn below(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let length = self.medium.len()?;
        let there = length.saturating_sub(offset).min(into.len() as u64) as usize;
        if there > 0 {
            let bytes = self.medium.read(offset, there)?;
            into[..there].copy_from_slice(&bytes);
        }
        Ok(())
    }
}

impl<M: Medium> StorageBackend for Overlay<M> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.watch.has_read(len);
        let written = self.written();
        let end = offset.saturating_add(len as u64);
        if end > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        self.below(offset, &mut bytes)?;
        for (&at, piece) in written.pages.range(offset / PIECE * PIECE..end) {
            let from = at.max(offset);
            let to = (at + PIECE).min(end);
            bytes[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&piece[(from - at) as usize..(to - at) as usize]);
        }
        Ok(bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.written().length = len;
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let end = offset + data.len() as u64;
        let mut at = offset / PIECE * PIECE;
        while at < end {
            let mut piece = match written.pages.remove(&at) {
                Some(piece) => piece,
                None => {
                    let mut piece = vec![0; PIECE as usize];
                    self.below(at, &mut piece)?;
                    piece.into()
                }
            };
            let (from, to) = (at.max(offset), (at + PIECE).min(end));
            piece[(from - at) as usize..(to - at) as usize]
                .copy_from_slice(&data[(from - offset) as usize..(to - offset) as usize]);
            written.pages.insert(at, piece);
            at += PIECE;
        }
        written.length = written.length.max(end);
        Ok(())
    }
}

/// A database that is ours, and what it lies on.
#[derive(Debug)]
pub(super) struct Opened<M> {
    pub(super) database: Shut,
    pub(super) medium: Arc<M>,
    pub(super) watch: Arc<Watch>,
}

fn builder(cache: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache);
    builder.create_with_file_format_v3(true);
    builder
}

/// Opens what lies on a medium, or begins a database on one that is empty.
pub(super) fn open_on<M: Medium>(
    medium: M,
    cache: usize,
    on_progress: Option<OnProgress>,
) -> Result<Opened<M>, DatabaseFault> {
    let medium = Arc::new(medium);
    let watch = Arc::new(Watch::default());
    if let (Some(on_progress), Ok(length)) = (on_progress, medium.len()) {
        let now = Instant::now();
        if let Ok(mut opening) = watch.opening.lock() {
            *opening = Some(Opening {
                began: now,
                told: now,
                // After a crash it is read through twice.
                of: length.saturating_mul(2),
                on_progress,
            });
        }
    }
    check_whole(&medium, &watch, cache)?;
    let guarded = Guarded {
        medium: Arc::clone(&medium),
        watch: Arc::clone(&watch),
    };
    let opened = careful(|| {
        let database = Shut(Some(builder(cache).create_with_backend(guarded)?));
        if is_begun(&database)? {
            match stored_format(&database)? {
                Some(FORMAT) => verify(&database)?,
                Some(format) => return Err(DatabaseFault::Format(format)),
                None => return Err(DatabaseFault::NotOurs),
            }
        }
        Ok(database)
    });
    if let Ok(mut opening) = watch.opening.lock() {
        *opening = None;
    }
    Ok(Opened {
        database: opened?,
        medium,
        watch,
    })
}

fn is_begun(database: &Database) -> Result<bool, Fault> {
    Ok(database.begin_read()?.list_tables()?.next().is_some())
}

/// Looks at a file that was closed in order, without touching it: the database would trust it, and write over what a
/// garbled map of its pages calls free. After any other end it looks through all of it anyway.
fn check_whole<M: Medium>(
    medium: &Arc<M>,
    watch: &Arc<Watch>,
    cache: usize,
) -> Result<(), DatabaseFault> {
    if medium.len().map_err(DatabaseFault::Io)? == 0 {
        return Ok(());
    }
    let mut builder = builder(cache);
    builder.set_repair_callback(redb::RepairSession::abort);
    let overlay = Overlay::over(medium, watch)?;
    careful(|| {
        let mut database = match builder.create_with_backend(overlay) {
            Ok(database) => Shut(Some(database)),
            Err(DatabaseError::RepairAborted) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let whole = database.0.as_mut().map(Database::check_integrity);
        match whole.transpose()? {
            Some(true) => Ok(()),
            _ => Err(DatabaseFault::Damaged(
                "its pages contradict each other".into(),
            )),
        }
    })
}

/// Opens what is left of a medium that has failed, for reading.
pub(super) fn reopen<M: Medium>(
    medium: &Arc<M>,
    watch: &Arc<Watch>,
    cache: usize,
) -> Result<Shut, DatabaseFault> {
    let overlay = Overlay::over(medium, watch)?;
    careful(|| Ok(Shut(Some(builder(cache).create_with_backend(overlay)?))))
}

/// Why a medium gives no store.
#[derive(Debug)]
pub(super) enum DatabaseFault {
    Io(io::Error),
    InUse,
    NotOurs,
    Format(u32),
    Damaged(String),
}

impl From<DatabaseError> for DatabaseFault {
    fn from(error: DatabaseError) -> DatabaseFault {
        match error {
            DatabaseError::DatabaseAlreadyOpen => DatabaseFault::InUse,
            DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
                io::ErrorKind::InvalidData => DatabaseFault::NotOurs,
                io::ErrorKind::UnexpectedEof => DatabaseFault::Damaged("it is cut off".into()),
                _ => DatabaseFault::Io(error),
            },
            error => DatabaseFault::Damaged(error.to_string()),
        }
    }
}

impl From<Fault> for DatabaseFault {
    fn from(fault: Fault) -> DatabaseFault {
        match fault {
            Fault::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                DatabaseFault::Io(error)
            }
            fault => DatabaseFault::Damaged(fault.to_string()),
        }
    }
}

/// The database takes what it reads for its own, and panics where that contradicts itself.
fn careful<T>(open: impl FnOnce() -> Result<T, DatabaseFault>) -> Result<T, DatabaseFault> {
    let opened = quietly(AssertUnwindSafe(open));
    opened.unwrap_or_else(|| Err(Fault::Panicked.into()))
}

impl DatabaseFault {
    fn at(self, path: &Path) -> OpenError {
        let path = PathBuf::from(path);
        match self {
            DatabaseFault::Io(error) => OpenError::Io(path, error),
            DatabaseFault::InUse => OpenError::InUse(path),
            DatabaseFault::NotOurs => OpenError::NotOurs(path),
            DatabaseFault::Format(format) if format > FORMAT => OpenError::Newer(path, format),
            DatabaseFault::Format(format) => OpenError::Older(path, format),
            DatabaseFault::Damaged(what) => OpenError::Damaged(path, what),
        }
    }
}

/// Opens the store at `path`, or makes one.
pub(super) fn open_file(
    path: &Path,
    options: &mut Options,
) -> Result<Opened<FileBackend>, OpenError> {
    let io = |error| OpenError::Io(path.into(), error);
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(OpenError::NotAFile(path.into())),
        Ok(found) if found.len() > 0 => {}
        Ok(_) => make(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(io(error)),
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io)?;
    let mut beginning = [0; MAGIC.len()];
    if file.read_exact(&mut beginning).is_err() || beginning != MAGIC {
        return Err(OpenError::NotOurs(path.into()));
    }
    let medium = FileBackend::new(file).map_err(|error| DatabaseFault::from(error).at(path))?;
    let opened = open_on(medium, options.cache_bytes, options.on_progress.take());
    let opened = opened.map_err(|fault| fault.at(path))?;
    match stored_format(&opened.database) {
        Ok(Some(_)) => Ok(opened),
        _ => Err(OpenError::NotOurs(path.into())),
    }
}

/// Makes a store beside `path` and puts it there when it is whole.
fn make(path: &Path) -> Result<(), OpenError> {
    let io = |error| OpenError::Io(path.into(), error);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    if name.is_empty() {
        return Err(OpenError::NotAFile(path.into()));
    }
    name.push(".barewire-new");
    let beside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&beside).map_err(io)?;
    // Whoever has the lock is about to do the same.
    let medium = FileBackend::new(file).map_err(|error| DatabaseFault::from(error).at(path))?;
    // What an earlier try has left was never a store.
    medium.set_len(0).map_err(io)?;
    let made = open_on(medium, 1 << 20, None).map_err(|fault| fault.at(path))?;
    let begun = Core::open(
        Arc::new(made.database),
        Retained::default(),
        false,
        unix_ms(),
    );
    drop(begun.map_err(|fault| DatabaseFault::from(fault).at(path))?);
    made.medium.sync_data(false).map_err(io)?;
    // Another process may have been quicker: what it has put there is not empty any more.
    if fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        fs::remove_file(&beside).map_err(io)?;
        return Ok(());
    }
    fs::rename(&beside, path).map_err(io)?;
    sync_folder(path).map_err(io)
}

/// A new name is on the medium when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match cfg!(unix) {
        true => File::open(folder.unwrap_or(Path::new(".")))?.sync_all(),
        false => Ok(()),
    }
}
