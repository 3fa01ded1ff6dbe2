//! Static probes: their notes are in the program, and the kernel counts what the session does.

use object::Endianness;
use object::elf::FileHeader64;
use object::elf::NoteType;
use object::read::elf::{FileHeader, SectionHeader};
use std::process::Command;
use testing::permitted::is_permitted;
use testing::program::Program;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

const PROBES: [&str; 6] = ["session_open", "session_close", "matched", "lost", "scope_enter", "scope_exit"];

/// Set in the process that `bpftrace` runs.
const COUNTED: &str = "TRACING_TAP_TEST_IS_COUNTED";

/// Opens a session, loses some of what it matches, and prints its own counts in the order of [`PROBES`].
fn work() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let session = SessionOptions::new(Predicate::eq("user", 42)).timings().capacity(8).max_events(1_000);
    let stream = router.watch(session);
    for user in 0..100 {
        let request = tracing::info_span!("request", user = 40 + user % 3);
        request.in_scope(|| tracing::debug!("inside"));
        request.in_scope(|| ());
    }
    let stats = stream.stats();
    drop(stream);
    let counted = [1, 1, stats.matched, stats.lost + stats.buffered, 66, 66];
    println!("\ncounted {counted:?}");
}

/// The probes that are noted in this program, by provider and name.
fn noted() -> Vec<(String, String)> {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*file).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*file).unwrap();
    let (_, section) = sections.section_by_name(endian, b".note.stapsdt").expect("the program has notes of probes");
    let mut notes = section.notes(endian, &*file).unwrap().unwrap();
    let mut noted = Vec::new();
    while let Some(note) = notes.next().unwrap() {
        assert_eq!((note.name(), note.n_type(endian)), (&b"stapsdt"[..], NoteType(3)));
        // The place, the base and the semaphore, then the provider, the name and the arguments.
        let (places, texts) = note.desc().split_at(24);
        assert_eq!(places[16..], [0; 8], "no semaphore");
        let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8(text.to_vec()).unwrap());
        noted.push((texts.next().unwrap(), texts.next().unwrap()));
    }
    noted
}

#[test]
fn every_probe_is_noted_in_the_program() {
    let noted = noted();
    for probe in PROBES {
        let name = ("tracing_tap".to_owned(), probe.to_owned());
        assert!(noted.contains(&name), "{probe} is not among {noted:?}");
    }
}

/// Whether the system lets `bpftrace` trace anything; where it does not, the test that asks is skipped.
fn may_trace() -> bool {
    let mut command = Command::new("bpftrace");
    let tried =
        command.args(["-e", "BEGIN { exit(); }"]).output().expect("`bpftrace` is installed: tests/run.sh does it");
    let refusal = || format!("bpftrace may not trace: {}", String::from_utf8_lossy(&tried.stderr));
    is_permitted(if tried.status.success() { Ok(()) } else { Err(refusal()) })
}

#[test]
fn the_kernel_counts_what_the_session_counts() {
    if std::env::var_os(COUNTED).is_some() {
        return work();
    }
    if !may_trace() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let count = |probe: &str| format!("usdt:{this}:tracing_tap:{probe} {{ @{probe} = count(); }} ");
    let script = PROBES.map(count).concat();
    let work = format!("{this} usdt::the_kernel_counts_what_the_session_counts --exact --nocapture");
    let mut command = Command::new("bpftrace");
    command.args(["-e", &script, "-c", &work]).env(COUNTED, "1").env("NEXTEST", "1");
    let ended = Program::start(&mut command).end();
    let printed = format!("{}\n{}", ended.stdout, ended.stderr);
    let hits = PROBES.map(|probe| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("@{probe}: ")));
        line.unwrap_or_else(|| panic!("{probe} was not hit: {printed}")).parse::<u64>().unwrap()
    });
    assert!(printed.contains(&format!("counted {hits:?}")), "{hits:?} were hit: {printed}");
    assert!(hits[3] > 0, "some are lost");
}

/// The script of the papers, on this program.
#[test]
fn the_documented_script_attributes_kernel_events() {
    const FAULTED: &str = "TRACING_TAP_TEST_IS_FAULTED";
    if std::env::var_os(FAULTED).is_some() {
        return fault();
    }
    if !may_trace() {
        return;
    }
    let paper = std::fs::read_to_string("docs/profiling.md").unwrap();
    let script = paper.split_once("```bpftrace\n").unwrap().1.split_once("```").unwrap().0;
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let work = format!("{this} usdt::the_documented_script_attributes_kernel_events --exact --nocapture");
    let mut command = Command::new("bpftrace");
    command.args(["-e", &script.replace("/usr/bin/shop", this), "-c", &work]).env(FAULTED, "1").env("NEXTEST", "1");
    let ended = Program::start(&mut command).end();
    let printed = format!("{}\n{}", ended.stdout, ended.stderr);
    let counts = printed.lines().filter_map(|line| line.split_once("]: ")?.1.parse::<usize>().ok());
    let faults: usize = counts.sum();
    assert!((PAGES..2 * PAGES).contains(&faults), "{faults} faults: {printed}");
}

/// How many pages a user touches.
const PAGES: usize = 1024;

/// Both users touch new memory; one of them is watched. Then the session ends inside a request.
fn fault() {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings());
    let touch = |user: i32| drop(std::hint::black_box(vec![user; PAGES * 4096 / size_of_val(&user)]));
    let request = |user| tracing::info_span!("request", user);
    request(42).in_scope(|| touch(42));
    request(43).in_scope(|| touch(43));
    request(42).in_scope(|| drop(stream));
    request(43).in_scope(|| touch(43));
}
