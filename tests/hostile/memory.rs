//! How much memory is in use, as the allocator knows it: of the server and of its clients, which are one process here.

// A global allocator can't be written without it. This one passes everything on to the system's and adds up.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALONE: Mutex<()> = Mutex::new(());

fn take(size: usize) {
    let live = LIVE.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(live, Relaxed);
}

fn give_back(size: usize) {
    LIVE.fetch_sub(size, Relaxed);
}

// SAFETY: every call is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promise is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promise is System's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give_back(layout.size());
        // SAFETY: the caller's promise is System's.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: the caller's promise is System's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Watches the memory of the whole process, which nobody else disturbs meanwhile: there is one at a time.
pub struct Watch {
    before: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Watch {
    pub fn begin() -> Watch {
        // A test that failed has nothing to do with this one.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        Watch {
            before,
            _alone: alone,
        }
    }

    /// The most bytes that were in use at once since the beginning, beyond those that were in use then.
    pub fn peak(&self) -> usize {
        PEAK.load(Relaxed).saturating_sub(self.before)
    }

    /// Begins anew, from what is in use now.
    pub fn again(&mut self) {
        self.before = LIVE.load(Relaxed);
        PEAK.store(self.before, Relaxed);
    }
}
