//! What the command line asks for.

use crate::configuration::{self, Configuration};
use std::time::Duration;

pub(crate) struct Options {
    /// How many pairs of slices each row is measured in.
    pub(crate) pairs: usize,
    pub(crate) slice: Duration,
    /// What each row is compared with.
    pub(crate) against: &'static Configuration,
    /// Rows whose name contains this are measured.
    pub(crate) filter: String,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Self {
        let against = configuration::find("no router");
        let mut options = Self { pairs: 60, slice: Duration::from_millis(500), against, filter: String::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || *arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match *argument {
                "--pairs" => options.pairs = number(value()) as usize,
                "--slice-ms" => options.slice = Duration::from_millis(number(value())),
                "--against" => options.against = configuration::find(value()),
                option if option.starts_with("--") => panic!("there is no option {option}"),
                part => options.filter = part.to_owned(),
            }
        }
        options
    }
}

fn number(value: &str) -> u64 {
    let number = value.parse().unwrap_or_else(|_| panic!("{value} is not a number"));
    assert!(number > 0, "at least one is needed");
    number
}
