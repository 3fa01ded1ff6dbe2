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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_span_is_found_by_its_number() {
        for (thread, chunk, cell) in [(0, 0, 0), (0, 0, 1), (0, 3, 2), (1, 0, 0), (5, 7, 9), (1023, 2047, 63)] {
            let id = 1 + ((thread as u64) << THREAD_SHIFT | (chunk * 64 + cell) as u64);
            assert_eq!(place(id), (thread, chunk, cell));
            assert_eq!(index(id), (thread << 17) + (chunk << 6) + cell);
        }
        let beyond = 1 + (1 << THREAD_SHIFT | 5_000 << 6);
        assert_eq!((place(beyond), index(beyond)), ((1, 5_000, 0), (1 << 17) + (2_047 << 6)), "it has no cell");
    }
}
