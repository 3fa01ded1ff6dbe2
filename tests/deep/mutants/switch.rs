// Appended to a crate's root by `schema.py`: which mutant is chosen, and which are reached.
#[doc(hidden)]
mod mutant_switch {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

    const UNKNOWN: u32 = u32::MAX;
    const NOTING: u32 = u32::MAX - 1;
    static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);
    static REACHED: [AtomicU8; 20_000] = [const { AtomicU8::new(0) }; 20_000];
    static NOTES: OnceLock<String> = OnceLock::new();

    #[inline(always)]
    pub(crate) fn is_chosen(number: u32) -> bool {
        let chosen = CHOSEN.load(Relaxed);
        chosen == number || (chosen >= NOTING && note(number))
    }

    #[cold]
    #[inline(never)]
    fn note(number: u32) -> bool {
        if CHOSEN.load(Relaxed) == UNKNOWN {
            let Ok(path) = std::env::var("TAP_MUTANTS_REACHED") else {
                let chosen = std::env::var("TAP_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                CHOSEN.store(chosen, Relaxed);
                return chosen == number;
            };
            let _ = NOTES.set(path);
            CHOSEN.store(NOTING, Relaxed);
        }
        // No allocation: tests count those.
        if REACHED[number as usize].swap(1, Relaxed) == 0 {
            let (mut line, mut rest) = ([b'\n'; 6], number);
            for place in line[..5].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            // Not kept open: tests count descriptors as well.
            let append = |path: &String| std::fs::OpenOptions::new().append(true).create(true).open(path);
            let mut file = NOTES.get().map(append).expect("the path is set").expect("the notes can be written");
            let _ = file.write_all(&line);
        }
        false
    }
}

#[doc(hidden)]
#[inline(always)]
pub(crate) fn __m(number: u32) -> bool {
    mutant_switch::is_chosen(number)
}
