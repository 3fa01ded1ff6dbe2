//! A token bucket under `loom`.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

#[test]
fn loom_differing_clocks_take_no_more_tokens_than_there_are() {
    try_all(|| {
        let bucket = Arc::new(TokenBucket::new(1));
        let taking = [Duration::ZERO, Duration::from_secs(1)].map(|now| {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || u64::from(bucket.take(now)))
        });
        let taken = u64::from(bucket.take(Duration::from_secs(1)));
        let taken = taken + taking.map(|thread| thread.join().unwrap()).iter().sum::<u64>();
        assert!((1..=2).contains(&taken), "{taken} of one at first and one a second later");
    });
}
