//! A service under churn for as long as asked: connections, sessions and readers come and go; memory, descriptors and
//! threads must not grow, and no event may be unaccounted for. `tests/soak.sh [MINUTES]` runs it.
//!
//! Flat means, for each of the three: the median of the last quarter of the samples is no more than that of the quarter
//! after the warm-up, plus a slack. The warm-up is the first tenth, and at least 20 s: tables, thread-locals and pools
//! reach their size then.

mod churn;
mod samples;
mod service;

use samples::Samples;
use service::Service;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const SAMPLES: u32 = 60;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let minutes: f64 = arguments.next().map_or(1.0, |text| text.parse().expect("minutes are a number"));
    let duration = Duration::from_secs_f64(minutes * 60.0);
    let service = Service::start();
    let churn = churn::Churn::start(&service);
    let samples = sample(&service, duration);
    churn.stop();
    samples.print();
    let problems: Vec<_> = samples.growth().into_iter().chain(service.end()).collect();
    problems.iter().for_each(|problem| println!("NOT WELL: {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes samples at an even pace.
fn sample(service: &Service, duration: Duration) -> Samples {
    let mut samples = Samples::new(duration);
    let begin = Instant::now();
    for number in 1..=SAMPLES {
        let due = begin + duration / SAMPLES * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        samples.take(begin.elapsed(), &service.router);
    }
    samples
}
