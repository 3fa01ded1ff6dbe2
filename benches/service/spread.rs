//! Medians and quartiles.

use std::fmt;

/// The middle of many values, and the half of them around it.
pub(crate) struct Spread {
    lower: f64,
    median: f64,
    upper: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<_> = values.collect();
        let at = |part| quantile(values.clone(), part);
        Self { lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }
}

/// The value that this part of all values is below, interpolated between neighbours.
pub(crate) fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() - 1) as f64 * part;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lower, median, upper } = self;
        write!(f, "{median:.3} ({lower:.3}–{upper:.3})")
    }
}
