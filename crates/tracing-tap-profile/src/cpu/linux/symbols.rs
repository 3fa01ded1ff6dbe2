//! Names of addresses.

use blazesym::Pid;
use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use std::collections::HashMap;

/// The names of functions at some addresses, from the outermost one; more than one where functions are inlined.
pub(super) fn names(addresses: &[u64]) -> HashMap<u64, Vec<String>> {
    // Without what debug information says if that cannot be read, and then one by one: one library must not hide all others.
    let all = named(addresses, true).or_else(|| named(addresses, false));
    all.unwrap_or_else(|| addresses.iter().filter_map(|&address| named(&[address], false)).flatten().collect())
}

fn named(addresses: &[u64], by_debug_information: bool) -> Option<HashMap<u64, Vec<String>>> {
    let symbolizer = Symbolizer::new();
    let mut process = Process::new(Pid::Slf);
    process.debug_syms = by_debug_information;
    // It needs a capability otherwise, and files that were replaced since are not found either way.
    process.map_files = false;
    process.perf_map = false;
    let found = symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(addresses)).ok()?;
    Some(addresses.iter().zip(found).map(|(address, symbol)| (*address, names_of(&symbol, *address))).collect())
}

fn names_of(symbol: &Symbolized<'_>, address: u64) -> Vec<String> {
    let Some(symbol) = symbol.as_sym() else { return vec![hex_of(address)] };
    let inlined = symbol.inlined.iter().map(|inlined| plain(&inlined.name));
    std::iter::once(plain(&symbol.name)).chain(inlined).collect()
}

pub(super) fn hex_of(address: u64) -> String {
    format!("{address:#x}")
}

/// The name without the hash that the compiler adds.
fn plain(name: &str) -> String {
    let is_hash =
        |end: &str| end.len() == 17 && end.starts_with('h') && end[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
    match name.rsplit_once("::") {
        Some((start, end)) if is_hash(end) => start.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_program_has_its_name() {
        let here = a_function_of_this_program_has_its_name as fn() as usize as u64;
        let names = names(&[here, 8]);
        assert!(names[&here].iter().any(|name| name.ends_with("a_function_of_this_program_has_its_name")), "{names:?}");
        assert_eq!(names[&8], ["0x8"]);
        assert_eq!(plain("core::ops::call_once::h0123456789abcdef"), "core::ops::call_once");
    }
}
