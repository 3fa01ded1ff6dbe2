//! Bytes that are reserved, released and given back under `loom`.

use super::*;
use crate::sync::{thread, try_all};

const MAX_BYTES: usize = 4;

/// Two leases of one budget, that each could take most of it.
fn leases() -> Arc<(Arc<Budget>, [Lease; 2])> {
    let budget = Arc::new(Budget::new(MAX_BYTES));
    let leases = [(); 2].map(|()| Lease::new(Arc::clone(&budget), 3));
    Arc::new((budget, leases))
}

fn check(shared: &(Arc<Budget>, [Lease; 2])) {
    let (budget, leases) = shared;
    assert!(budget.leased_bytes() <= MAX_BYTES);
    assert!(leases.iter().all(|lease| lease.used_bytes() <= 3));
}

#[test]
fn loom_competing_rings_stay_within_the_budget() {
    try_all(|| {
        let shared = leases();
        let there = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let lease = &shared.1[1];
                if lease.reserve(3) {
                    lease.release_by_reader(3);
                }
                lease.give_back_unused();
            })
        };
        let lease = &shared.1[0];
        let is_reserved = lease.reserve(3);
        check(&shared);
        if is_reserved {
            lease.release(3);
            lease.give_back_unused();
        }
        there.join().unwrap();
        shared.1.iter().for_each(Lease::give_back_unused);
        assert_eq!((shared.0.leased_bytes(), lease.used_bytes()), (0, 0));
    });
}

#[test]
fn loom_every_byte_of_a_ring_is_accounted_for() {
    try_all(|| {
        let shared = leases();
        assert!(shared.1[0].reserve(1));
        let reserving = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || u32::from(shared.1[0].reserve(2)) * 2)
        };
        let reading = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.1[0].release_by_reader(1))
        };
        let here = u32::from(shared.1[0].reserve(1));
        check(&shared);
        let reserved = here + reserving.join().unwrap();
        reading.join().unwrap();
        assert_eq!(shared.1[0].used_bytes(), reserved as usize);
        shared.1[0].release(reserved);
        shared.1[0].give_back_unused();
        assert_eq!(shared.0.leased_bytes(), 0);
    });
}
