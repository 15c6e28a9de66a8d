//! An allocator that counts: how many bytes are taken, and how many were at most.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
pub struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// What is taken now; from now on, [`most`] counts above it.
pub fn begin() -> usize {
    let taken = TAKEN.load(Relaxed);
    MOST.store(taken, Relaxed);
    taken
}

/// The most that was taken since [`begin`].
pub fn most() -> usize {
    MOST.load(Relaxed)
}

fn taken(size: usize) {
    let now = TAKEN.fetch_add(size, Relaxed) + size;
    MOST.fetch_max(now, Relaxed);
}

fn given_back(size: usize) {
    TAKEN.fetch_sub(size, Relaxed);
}

// SAFETY: every call is handed to the system's allocator as it is; counting touches no memory that
// is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, own: *mut u8, layout: Layout) {
        given_back(layout.size());
        unsafe { System.dealloc(own, layout) }
    }

    unsafe fn realloc(&self, own: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size);
        given_back(layout.size());
        unsafe { System.realloc(own, layout, size) }
    }
}
