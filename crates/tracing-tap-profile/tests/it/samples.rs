//! Samples are of watched spans alone, and there are as many as was burnt.

use super::{burn, install, may_sample, user};
use std::hint::black_box;
use std::thread;
use std::time::Duration;
use tracing::info_span;
use tracing_tap_profile::forms::Form;
use tracing_tap_profile::{CpuOptions, CpuProfile, CpuProfiler, Stacks};

/// A request of user 42, in a function of its own.
#[inline(never)]
fn serve_42(time: Duration) -> Duration {
    black_box(info_span!("request", user = 42).in_scope(|| info_span!("work").in_scope(|| burn(time))))
}

/// One of user 43: the same code.
#[inline(never)]
fn serve_43(time: Duration) -> Duration {
    black_box(info_span!("request", user = 43).in_scope(|| info_span!("work").in_scope(|| burn(time))))
}

/// Both users on the same two threads, by turns. Returns what each has burnt.
fn serve_both() -> [Duration; 2] {
    let turn = || {
        let burnt = (0..20).map(|_| [serve_42(Duration::from_millis(8)), serve_43(Duration::from_millis(12))]);
        burnt.fold([Duration::ZERO; 2], |[sum_42, sum_43], [one, other]| [sum_42 + one, sum_43 + other])
    };
    let threads = [thread::spawn(turn), thread::spawn(turn)];
    let burnt = threads.map(|thread| thread.join().unwrap());
    [burnt[0][0] + burnt[1][0], burnt[0][1] + burnt[1][1]]
}

#[track_caller]
fn check_close(samples: u64, burnt: Duration, profile: &CpuProfile) {
    let ratio = (profile.period() * u32::try_from(samples).unwrap()).as_secs_f64() / burnt.as_secs_f64();
    assert!(samples >= 400 && (0.9..1.1).contains(&ratio), "{samples} samples for {burnt:?}: {ratio}, {profile:#?}");
}

fn has_frame(profile: &CpuProfile, name: &str) -> bool {
    profile.samples.iter().any(|stack| stack.frames.iter().any(|frame| frame.ends_with(name)))
}

isolated! {
    fn samples_are_those_of_the_watched_user_alone() {
        if !may_sample() {
            return;
        }
        let router = install();
        let options = CpuOptions::default().rate_hz(1_499).stack_bytes(4 << 10);
        let profiler = CpuProfiler::start(&router, user(42), options).unwrap();
        let [burnt_42, burnt_43] = serve_both();
        let profile = profiler.finish().unwrap();
        check_close(profile.counts.attributed, burnt_42, &profile);
        check_close(profile.counts.outside, burnt_43, &profile);
        assert_eq!(profile.samples.iter().map(|stack| stack.samples).sum::<u64>(), profile.counts.attributed);
        assert!(profile.samples.iter().all(|stack| stack.path[0] == "request"), "{profile:#?}");
        let at_work: u64 = profile.samples.iter().filter(|stack| stack.path == ["request", "work"]).map(|stack| stack.samples).sum();
        assert!(at_work * 10 >= profile.counts.attributed * 9, "the time is the innermost span's: {profile:#?}");
        assert_ne!(profile.stacks, Stacks::OneFrame);
        assert!(has_frame(&profile, "serve_42") && !has_frame(&profile, "serve_43"), "{profile:#?}");
        assert!(profile.got_hz.is_some_and(|got| (750.0..1_800.0).contains(&got)), "{:?}", profile.notes());
    }

    fn copied_stacks_are_unwound_to_the_thread_s_first_function() {
        if !may_sample() {
            return;
        }
        let router = install();
        let options = CpuOptions::default().rate_hz(1_999).stacks(Stacks::Copies);
        let profiler = CpuProfiler::start(&router, user(42), options).unwrap();
        thread::spawn(|| serve_42(Duration::from_millis(200))).join().unwrap();
        let profile = profiler.finish().unwrap();
        let counts = profile.counts;
        assert!(counts.attributed > 100 && counts.truncated * 10 < counts.attributed, "{counts:?}");
        let of = |name: &str| -> u64 {
            let has = |frames: &[String]| frames.iter().any(|frame| frame.ends_with(name));
            profile.samples.iter().filter(|stack| has(&stack.frames)).map(|stack| stack.samples).sum()
        };
        assert!(of("serve_42") * 10 > counts.attributed * 9, "{profile:#?}");
        assert!(of("::burn") * 10 > counts.attributed * 9, "{profile:#?}");
    }

    fn one_frame_deep_is_said_loudly() {
        if !may_sample() {
            return;
        }
        let router = install();
        let options = CpuOptions::default().rate_hz(999).stacks(Stacks::OneFrame);
        let profiler = CpuProfiler::start(&router, user(42), options).unwrap();
        serve_42(Duration::from_millis(100));
        let profile = profiler.finish().unwrap();
        assert!(profile.counts.attributed > 0);
        assert!(profile.notes().iter().any(|note| note.starts_with("ONE FRAME DEEP")), "{:?}", profile.notes());
    }

    fn every_form_has_spans_then_functions_and_the_notes() {
        if !may_sample() {
            return;
        }
        let router = install();
        let profiler = CpuProfiler::start(&router, user(42), CpuOptions::default().rate_hz(999)).unwrap();
        serve_42(Duration::from_millis(100));
        let profile = profiler.finish().unwrap().to_profile();
        let folded = String::from_utf8(Form::Folded.write(&profile).unwrap()).unwrap();
        assert!(folded.lines().any(|line| line.starts_with("request;work;") && line.contains("burn")), "{folded}");
        let svg = String::from_utf8(Form::Svg.write(&profile).unwrap()).unwrap();
        assert!(svg.contains("CPU time of user = 42") && svg.contains("999 samples a second"), "{svg}");
        let firefox = String::from_utf8(Form::Firefox.write(&profile).unwrap()).unwrap();
        assert!(firefox.contains("999 samples a second") && firefox.contains("burn"), "{firefox}");
        // What is in it, its own test knows: it is compressed.
        assert!(!Form::Pprof.write(&profile).unwrap().is_empty());
    }
}
