//! What goes wrong with a store, and what its operator reads of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::codec::{FORMAT, Malformed};

/// Why a store was not opened. Nothing in its file was changed, but for what an interrupted commit had left over.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file can't be created, read, written or locked.
    Io(PathBuf, io::Error),
    /// There is something at the path that is no regular file.
    NotAFile(PathBuf),
    /// Another process, or another store of this one, has it open.
    InUse(PathBuf),
    /// The file was written by something else.
    NotOurs(PathBuf),
    /// The file has this format, which a later version of this library writes.
    Newer(PathBuf, u32),
    /// The file has this format, which this version no longer reads.
    Older(PathBuf, u32),
    /// The file holds what no version of this library has written: it is cut off or garbled.
    Damaged(PathBuf, String),
}

impl OpenError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            OpenError::Io(path, _)
            | OpenError::NotAFile(path)
            | OpenError::InUse(path)
            | OpenError::NotOurs(path)
            | OpenError::Newer(path, _)
            | OpenError::Older(path, _)
            | OpenError::Damaged(path, _) => path,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store {}: ", self.path().display())?;
        match self {
            OpenError::Io(_, error) => error.fmt(f),
            OpenError::NotAFile(_) => f.write_str("not a regular file"),
            OpenError::InUse(_) => f.write_str("in use by another process"),
            OpenError::NotOurs(_) => f.write_str("not a store of barewire; it was left as it is"),
            OpenError::Newer(_, format) => write!(
                f,
                "written in format {format} by a later version of barewire; this one reads up to {}",
                FORMAT
            ),
            OpenError::Older(_, format) => write!(
                f,
                "written in format {format} by an earlier version of barewire, which this one no longer reads"
            ),
            OpenError::Damaged(_, what) => write!(
                f,
                "damaged ({what}); it was left as it is: restore it from a copy, or move it away to begin a new one"
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Why a commit or a look into the store failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The medium.
    Io(io::Error),
    /// The database on it.
    Database(Box<redb::Error>),
    /// A row that nobody has written.
    Malformed,
    /// The database gave up in the middle: it found what it takes for impossible.
    Panicked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => error.fmt(f),
            Fault::Database(error) => error.fmt(f),
            Fault::Malformed => f.write_str("a row is garbled"),
            Fault::Panicked => f.write_str("its tables contradict each other"),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Fault {
        Fault::Malformed
    }
}

macro_rules! from_database {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Fault {
                match error.into() {
                    redb::Error::Io(error) => Fault::Io(error),
                    error => Fault::Database(Box::new(error)),
                }
            }
        }
    )*};
}

from_database!(
    StorageError,
    TableError,
    TransactionError,
    CommitError,
    DatabaseError
);
