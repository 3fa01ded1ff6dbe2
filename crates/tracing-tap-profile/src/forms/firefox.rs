//! The processed format of the Firefox Profiler: a thread on which each path has one sample for each microsecond.

use super::profile::{Profile, on_one_line};
use fxprof_processed_profile::{
    CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile as Processed, SamplingInterval, ThreadHandle,
    Timestamp, WeightType,
};

pub(super) fn write(of: &Profile) -> serde_json::Result<Vec<u8>> {
    let product = of.comments().collect::<Vec<_>>().join("; ");
    let interval = SamplingInterval::from_nanos(1000);
    let mut profile = Processed::new(&product, of.about.began_at.into(), interval);
    let begin = Timestamp::from_nanos_since_reference(0);
    let process = profile.add_process("tracing-tap", 1, begin);
    let thread = profile.add_thread(process, 1, begin, true);
    profile.set_thread_name(thread, &format!("{} time, a sample for each µs", of.measure.time));
    profile.set_thread_samples_weight_type(thread, WeightType::Samples);
    let mut now = 0;
    for line in &of.lines {
        let stack = stack(&mut profile, thread, &line.path);
        let mut left = line.own.as_micros();
        while left > 0 {
            let weight = i32::try_from(left).unwrap_or(i32::MAX);
            let at = Timestamp::from_nanos_since_reference(now);
            profile.add_sample(thread, at, stack, CpuDelta::ZERO, weight);
            left -= u128::from(weight.unsigned_abs());
            now += u64::from(weight.unsigned_abs()) * 1000;
        }
    }
    let end = Timestamp::from_nanos_since_reference(now);
    profile.set_thread_end_time(thread, end);
    profile.set_process_end_time(process, end);
    serde_json::to_vec(&profile)
}

fn stack(
    profile: &mut Processed,
    thread: ThreadHandle,
    path: &[String],
) -> Option<fxprof_processed_profile::StackHandle> {
    let frame = |name: &String| FrameInfo {
        frame: Frame::Label(profile.intern_string(&on_one_line(name))),
        category_pair: CategoryHandle::OTHER.into(),
        flags: FrameFlags::empty(),
    };
    let frames: Vec<_> = path.iter().map(frame).collect();
    profile.intern_stack_frames(thread, frames.into_iter())
}

#[cfg(test)]
mod tests {
    use super::super::profile::example;
    use serde_json::Value;

    #[test]
    fn the_firefox_profile_has_each_path_s_own_time() {
        let profile: Value = serde_json::from_slice(&super::write(&example()).unwrap()).unwrap();
        assert_eq!(profile["meta"]["interval"], 0.001);
        assert!(profile["meta"]["product"].as_str().unwrap().contains("3 closed spans are missing"));
        let thread = &profile["threads"][0];
        let weights: Vec<_> =
            thread["samples"]["weight"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        assert_eq!(weights, [7, 1400, 600]);
        let names = profile.to_string();
        assert!(["request", "query", "clean up; now"].iter().all(|name| names.contains(name)), "{names}");
    }
}
