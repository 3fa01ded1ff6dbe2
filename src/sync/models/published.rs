//! Something published and its epoch under `loom`.

use super::*;
use crate::sync::{thread, try_all};

#[test]
fn loom_an_epoch_shows_what_was_published_before_it() {
    try_all(|| {
        let (published, epoch) = (Arc::new(Published::<u64>::default()), Arc::new(Epoch::default()));
        let replacing = {
            let (published, epoch) = (Arc::clone(&published), Arc::clone(&epoch));
            thread::spawn(move || {
                [1, 2].map(|version| {
                    published.replace(version, std::iter::once(&*epoch));
                    epoch.current()
                })
            })
        };
        let producing = || {
            let (published, epoch) = (Arc::clone(&published), Arc::clone(&epoch));
            move || (epoch.current(), **published.load())
        };
        let other = thread::spawn(producing());
        let seen = [producing()(), other.join().unwrap()];
        let epochs = replacing.join().unwrap();
        for (epoch, version) in seen {
            let at_least = epochs.iter().position(|known| *known == epoch).map_or(0, |place| place as u64 + 1);
            assert!(version >= at_least, "version {version} in an epoch that stands for {at_least}");
        }
    });
}
