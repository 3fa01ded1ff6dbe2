//! From the stack of a sample to the addresses of its frames.

use super::modules::{Mapping, new_modules};
use super::perf::RawStack;
use framehop::{CacheNative, MayAllocateDuringUnwind, UnwindRegsNative, Unwinder as _, UnwinderNative};
use std::collections::HashSet;

/// Unwinds copied stacks by the program's tables.
pub(super) struct Unwinder {
    unwinder: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    known: HashSet<Mapping>,
}

/// The frames of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// Addresses for a look-up, from the innermost one.
    pub(super) addresses: Vec<u64>,
    /// Whether the outermost one is the thread's first.
    pub(super) is_whole: bool,
}

/// More frames than this are not looked at.
const MAX_FRAMES: usize = 512;

impl Unwinder {
    pub(super) fn new() -> Self {
        Self { unwinder: UnwinderNative::new(), cache: CacheNative::new(), known: HashSet::new() }
    }

    /// The frames of a stack.
    pub(super) fn frames(&mut self, stack: &RawStack) -> Frames {
        match stack {
            RawStack::Chain(chain) => Frames { addresses: for_look_up(chain), is_whole: true },
            RawStack::Copy { registers, stack } => {
                if self.is_new(registers) {
                    // A library that was loaded since.
                    let new = new_modules(&mut self.known);
                    new.into_iter().for_each(|module| self.unwinder.add_module(module));
                }
                self.unwound(registers, stack)
            }
        }
    }

    fn is_new(&self, registers: &[u64]) -> bool {
        registers
            .last()
            .is_some_and(|address| !self.known.iter().any(|mapping| (mapping.start..mapping.end).contains(address)))
    }

    fn unwound(&mut self, registers: &[u64], stack: &[u8]) -> Frames {
        let mut frames = Frames { addresses: Vec::new(), is_whole: false };
        let Some((address, pointer, registers)) = native(registers) else { return frames };
        let mut read = |at: u64| {
            let offset = usize::try_from(at.checked_sub(pointer).ok_or(())?).map_err(drop)?;
            let bytes = stack.get(offset..offset.checked_add(8).ok_or(())?).ok_or(())?;
            Ok(u64::from_ne_bytes(bytes.try_into().map_err(drop)?))
        };
        let mut unwound = self.unwinder.iter_frames(address, registers, &mut self.cache, &mut read);
        while frames.addresses.len() < MAX_FRAMES {
            match unwound.next() {
                Ok(Some(frame)) => frames.addresses.push(frame.address_for_lookup()),
                end => {
                    frames.is_whole = end.is_ok();
                    break;
                }
            }
        }
        frames
    }
}

/// The instruction pointer, the stack pointer, and the registers for the unwinder.
#[cfg(target_arch = "x86_64")]
fn native(registers: &[u64]) -> Option<(u64, u64, UnwindRegsNative)> {
    let [bp, sp, ip] = *registers else { return None };
    Some((ip, sp, UnwindRegsNative::new(ip, sp, bp)))
}

#[cfg(target_arch = "aarch64")]
fn native(registers: &[u64]) -> Option<(u64, u64, UnwindRegsNative)> {
    let [fp, lr, sp, ip] = *registers else { return None };
    Some((ip, sp, UnwindRegsNative::new(lr, sp, fp)))
}

/// All but the innermost address are those that a call returns to: the call is just before.
fn for_look_up(chain: &[u64]) -> Vec<u64> {
    let return_to = chain.iter().skip(1).map(|address| address.saturating_sub(1));
    chain.first().copied().into_iter().chain(return_to).take(MAX_FRAMES).collect()
}
