//! The program and its libraries in memory, with the tables by which stacks are unwound.

use framehop::{ExplicitModuleSectionInfo, Module};
use object::elf::PF_X;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSegment, ReadCache, ReadRef, SegmentFlags};
use std::collections::HashSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

const VDSO: &str = "[vdso]";

/// A part of a file that is mapped as code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    offset: u64,
    path: String,
}

/// The unwinder's modules for code that was not mapped before. Adds it to what is known.
pub(super) fn new_modules(known: &mut HashSet<Mapping>) -> Vec<Module<Vec<u8>>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let new: Vec<_> = code_mappings(&maps).filter(|mapping| !known.contains(mapping)).collect();
    known.extend(new.iter().cloned());
    new.iter().filter_map(module).collect()
}

/// The mappings of files that are executable.
fn code_mappings(maps: &str) -> impl Iterator<Item = Mapping> + '_ {
    maps.lines().filter_map(|line| {
        let mut parts = line.split_ascii_whitespace();
        let (start, end) = parts.next()?.split_once('-')?;
        let is_code = parts.next()?.contains('x');
        let offset = parts.next()?;
        let path = parts.nth(2).filter(|path| is_code && (path.starts_with('/') || *path == VDSO))?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping { start: number(start)?, end: number(end)?, offset: number(offset)?, path: path.to_owned() })
    })
}

fn module(mapping: &Mapping) -> Option<Module<Vec<u8>>> {
    if mapping.path == VDSO {
        let code = in_memory(mapping).ok()?;
        return module_of(&ElfFile64::parse(&*code).ok()?, mapping);
    }
    let cache = ReadCache::new(File::open(&mapping.path).ok()?);
    module_of(&ElfFile64::parse(&cache).ok()?, mapping)
}

/// The kernel's own code in the process, which clocks are read by: there is no file of it.
fn in_memory(mapping: &Mapping) -> std::io::Result<Vec<u8>> {
    let len = usize::try_from(mapping.end - mapping.start).unwrap_or_default();
    let mut bytes = vec![0; len];
    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, mapping.start)?;
    Ok(bytes)
}

fn module_of<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, object::Endianness, R>,
    mapping: &Mapping,
) -> Option<Module<Vec<u8>>> {
    let base_avma = mapping.start.checked_sub(address_in_file(file, mapping.offset)?)?;
    let svma = |name| section(file, name).map(|(svma, _)| svma);
    let data = |name| section(file, name).and_then(|(_, data)| data);
    let sections = ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: svma(".text"),
        got_svma: svma(".got"),
        eh_frame_svma: svma(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: svma(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        text: data(".text"),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(mapping.path.clone(), mapping.start..mapping.end, base_avma, sections))
}

/// The address that the file states for the code that is mapped from this offset on.
fn address_in_file<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, object::Endianness, R>,
    offset: u64,
) -> Option<u64> {
    let is_code = |flags| matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.0 & PF_X.0 != 0);
    file.segments().filter(|segment| is_code(segment.flags())).find_map(|segment| {
        let (start, len) = segment.file_range();
        // A mapping begins at a page, which a segment need not: the page may be the end of another one as well.
        let page_of = |place: u64| place & !0xfff;
        let covers = (page_of(start)..start + len).contains(&offset);
        covers.then(|| page_of(segment.address()) + (offset - page_of(start)))
    })
}

type Section = (Range<u64>, Option<Vec<u8>>);

fn section<'data, R: ReadRef<'data>>(file: &ElfFile64<'data, object::Endianness, R>, name: &str) -> Option<Section> {
    let section = file.section_by_name(name)?;
    let svma = section.address()..section.address() + section.size();
    Some((svma, section.data().ok().map(<[u8]>::to_vec)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_code_of_files_is_found() {
        let maps = "\
55d0-55e0 r--p 00000000 08:01 1 /bin/a
55e0-55f0 r-xp 00001000 08:01 1 /bin/a
7f00-7f10 r-xp 00000000 00:00 0 [vsyscall]
7f20-7f30 r-xp 00000000 00:00 0
";
        let expected = Mapping { start: 0x55e0, end: 0x55f0, offset: 0x1000, path: "/bin/a".to_owned() };
        assert_eq!(code_mappings(maps).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn this_program_s_tables_are_found_once() {
        let mut known = HashSet::new();
        let modules = new_modules(&mut known);
        let here = mapped_code_of_files_is_found as fn() as usize as u64;
        assert!(modules.iter().any(|module| module.avma_range().contains(&here)));
        assert!(new_modules(&mut known).is_empty());
    }
}
