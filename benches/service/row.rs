//! The tables: a row for each configuration, compared with the service without a router.

use crate::comparison::{Comparison, Slice};
use crate::configuration::{CONFIGURATIONS, Configuration};
use crate::options::Options;
use crate::spread::{Spread, quantile};
use crate::workload::Workload;
use tokio::runtime::{Builder, Runtime};

/// Measures and prints the rows whose name contains the filter, as soon as each is done.
pub(crate) fn print(options: &Options) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let mut printed = 0;
    for workload in Workload::ALL {
        let name = |row: &Configuration| format!("{}: {}", workload.name(), row.name);
        let rows: Vec<_> = CONFIGURATIONS.iter().filter(|row| name(row).contains(&options.filter)).collect();
        if !rows.is_empty() {
            print_table(workload, &rows, options, &runtime);
        }
        printed += rows.len();
    }
    assert!(printed > 0, "no row's name contains {:?}", options.filter);
}

fn print_table(workload: Workload, rows: &[&Configuration], options: &Options, runtime: &Runtime) {
    let unit = workload.unit();
    println!(
        "\n{} pairs of {} ms, each row against `{}`:\n",
        options.pairs,
        options.slice.as_millis(),
        options.against.name
    );
    println!(
        "| {:<33} | µs of CPU a {unit} | times | {unit}s/s | times | p99, µs | times | matched | lost |",
        workload.name()
    );
    println!("|{:-<35}|---:|:---|---:|:---|---:|:---|---:|---:|", "");
    for row in rows {
        let comparison = Comparison::measure(workload, row, options, runtime);
        println!("| {:<33} | {} |", row.name, line(&comparison));
    }
}

fn line(comparison: &Comparison) -> String {
    let median =
        |figure: fn(&Slice) -> f64| quantile(comparison.pairs.iter().map(|pair| figure(&pair.row)).collect(), 0.5);
    let times = |figure| Spread::of(comparison.ratios(figure));
    let cpu = format!("{:.2} | {}", median(|slice| slice.cpu_us), times(|slice| slice.cpu_us));
    let rate = format!("{:.0} | {}", median(|slice| slice.per_second), times(|slice| slice.per_second));
    let p99 = format!("{:.0} | {}", median(|slice| slice.p99_us), times(|slice| slice.p99_us));
    format!("{cpu} | {rate} | {p99} | {} | {}", comparison.matched, comparison.lost)
}
