//! The format of `pprof`: `profile.proto` of github.com/google/pprof, compressed by gzip.

use super::profile::{Profile, on_one_line};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::SystemTime;

/// The messages, as far as they are used; the numbers are those of `profile.proto`.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

pub(super) fn write(of: &Profile) -> io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&encoded(of).encode_to_vec())?;
    packed.finish()
}

fn encoded(of: &Profile) -> Encoded {
    let mut texts = Texts::default();
    let mut names = BTreeMap::new();
    let mut profile = Encoded {
        sample_type: vec![
            ValueType { kind: texts.index(of.measure.count), unit: texts.index("count") },
            ValueType { kind: texts.index(of.measure.time), unit: texts.index("nanoseconds") },
        ],
        time_nanos: of.about.began_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos),
        duration_nanos: nanos(of.about.lasted),
        period_type: Some(ValueType { kind: texts.index(of.measure.time), unit: texts.index("nanoseconds") }),
        period: 1,
        default_sample_type: texts.index(of.measure.time),
        ..Encoded::default()
    };
    for line in &of.lines {
        let mut place = |name: &String| {
            let next = names.len() as u64 + 1;
            *names.entry(name.clone()).or_insert_with(|| {
                profile.function.push(Function { id: next, name: texts.index(&on_one_line(name)) });
                profile.location.push(Location { id: next, line: vec![Line { function_id: next }] });
                next
            })
        };
        let location_id = line.path.iter().rev().map(&mut place).collect();
        let count = i64::try_from(line.count).unwrap_or(i64::MAX);
        profile.sample.push(Sample { location_id, value: vec![count, nanos(line.own)] });
    }
    profile.comment = of.comments().map(|text| texts.index(&text)).collect();
    profile.string_table = texts.0;
    profile
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Texts by their places; the first is empty.
struct Texts(Vec<String>);

impl Default for Texts {
    fn default() -> Self {
        Self(vec![String::new()])
    }
}

impl Texts {
    fn index(&mut self, text: &str) -> i64 {
        let known = self.0.iter().position(|known| known == text);
        let place = known.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        i64::try_from(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::example;
    use super::*;
    use std::io::Read;

    #[test]
    fn what_pprof_reads_is_what_was_gathered() {
        let packed = write(&example()).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        let read = Encoded::decode(&unpacked[..]).unwrap();
        let name = |id: &u64| {
            let function = &read.function[usize::try_from(id - 1).unwrap()];
            read.string_table[usize::try_from(function.name).unwrap()].clone()
        };
        let samples: Vec<_> = read
            .sample
            .iter()
            .map(|sample| (sample.location_id.iter().map(name).collect::<Vec<_>>().join("<"), sample.value.clone()))
            .collect();
        let expected = [("clean up; now", [1, 7_000]), ("request", [2, 1_400_000]), ("query<request", [4, 600_000])];
        assert_eq!(samples, expected.map(|(path, values)| (path.to_owned(), values.to_vec())));
        let comments: Vec<_> =
            read.comment.iter().map(|index| &*read.string_table[usize::try_from(*index).unwrap()]).collect();
        assert_eq!(comments, ["Busy time of user = 42", "3 closed spans are missing"]);
    }
}
