//! A database that may panic: it takes what it reads for its own, and gives up where that contradicts itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::Database;

/// A database that ends quietly: on a garbled file it may panic even then.
#[derive(Debug)]
pub(super) struct Shut(pub(super) Option<Database>);

impl std::ops::Deref for Shut {
    type Target = Database;

    fn deref(&self) -> &Database {
        match &self.0 {
            Some(database) => database,
            // It is taken out when it is dropped, and nobody has it any more.
            None => unreachable!(),
        }
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        let database = self.0.take();
        let _ = quietly(AssertUnwindSafe(|| drop(database)));
    }
}

/// Calls what may panic on garbled data; `None` if it did.
pub(super) fn quietly<T>(call: impl FnOnce() -> T + std::panic::UnwindSafe) -> Option<T> {
    catch_unwind(call).ok()
}
