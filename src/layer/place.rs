//! Where the cell of a span is in the table, by its id.

/// More than most services have threads that make spans: two that share one take each other's cells.
pub(super) const SHARDS: usize = 1024;
pub(super) const CHUNKS: usize = 2048;

/// How many spans share the memory of their notes.
pub(super) const CHUNK_CELLS: usize = 64;

/// The bits of a place as one number.
pub(super) const PLACE_BITS: u32 = 27;

/// Where the number of the thread is in an id of the registry.
const THREAD_SHIFT: u32 = 38;

/// The place of a span's cell as one number, if it is within the table.
#[inline]
pub(super) fn index(id: u64) -> usize {
    let (shard, chunk, place) = place(id);
    (shard * CHUNKS + chunk.min(CHUNKS - 1)) * CHUNK_CELLS + place
}

const _: () = assert!(SHARDS * CHUNKS * CHUNK_CELLS == 1 << PLACE_BITS);

/// Where the cell of a span is. The registry counts from 1.
#[inline]
pub(super) fn place(id: u64) -> (usize, usize, usize) {
    let index = id.wrapping_sub(1);
    let within_thread = (index & ((1 << THREAD_SHIFT) - 1)) as usize;
    let shard = (index >> THREAD_SHIFT) as usize % SHARDS;
    (shard, within_thread / CHUNK_CELLS, within_thread % CHUNK_CELLS)
}
