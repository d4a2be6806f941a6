//! Memory from the heap of the process.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use super::imports::{GetProcessHeap, HeapAlloc, HeapFree, HeapReAlloc};

/// The heap's own alignment: 8 on x86, 16 on x64. The program needs no more.
const ALIGNMENT: usize = 2 * size_of::<usize>();

struct ProcessHeap;

#[global_allocator]
static HEAP: ProcessHeap = ProcessHeap;

// SAFETY: the heap returns memory of at least that size and alignment, not in use elsewhere until
// freed; all threads may use it.
unsafe impl GlobalAlloc for ProcessHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return ptr::null_mut();
        }
        // SAFETY: the process always has a heap.
        unsafe { HeapAlloc(GetProcessHeap(), 0, layout.size()) }.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: by contract the memory is from this heap and not freed yet.
        unsafe { HeapFree(GetProcessHeap(), 0, memory.cast()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above. Every block of the heap has this alignment.
        unsafe { HeapReAlloc(GetProcessHeap(), 0, memory.cast(), size) }.cast()
    }
}
