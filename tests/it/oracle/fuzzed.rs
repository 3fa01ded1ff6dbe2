//! One predicate and one event out of some bytes, held against the evaluator: by `is_match` and end to end.
//!
//! A process is for one kind of check, so that what is expensive happens once: sessions that match nothing keep the levels
//! and targets of most predicates open, so a case rarely has `tracing` ask all callsites again.

use super::callsites::{Arguments, Boxed, EventSite, LEVELS, Parent, SpanSite, TARGETS, event_sites, span_sites};
use super::described::{delivered, described};
use super::evaluator::{Around, Fields, Happened, Part, Pred, Relation, Val};
use arbitrary::{Arbitrary, Result, Unstructured};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};
use tracing_subscriber::prelude::*;
use tracing_tap::{CapturedEvent, EventStream, Item, Predicate, SessionOptions, TapRouter};

static EVENTS: LazyLock<Vec<EventSite>> = LazyLock::new(event_sites);
static SPANS: LazyLock<Vec<SpanSite>> = LazyLock::new(span_sites);

pub(crate) const KEYS: [&str; 6] = ["user", "tenant", "n", "path", "message", "type"];
pub(crate) const SPAN_NAMES: [&str; 3] = ["conn", "req", "none"];
const PARTS: [Part; 3] = [Part::Starts, Part::Ends, Part::Contains];
const RELATIONS: [Relation; 4] = [Relation::Less, Relation::LessOrEqual, Relation::Greater, Relation::GreaterOrEqual];
/// Fields of a callsite beside its first.
const VALUES: usize = 3;
const MAX_DEPTH: usize = 6;

/// A predicate, and an event inside some spans.
#[derive(Debug)]
pub(crate) struct Case {
    /// Whether a session that wants everything, spans included, is open too. Without it only spans up to INFO exist. The
    /// bytes say so, and the kind of check overrules them.
    pub(crate) with_witness: bool,
    pub(crate) predicate: Pred,
    /// Each is entered before the next is made. An explicit parent is the first of them.
    pub(crate) spans: Vec<(usize, [Val; VALUES])>,
    pub(crate) event: (usize, [Val; VALUES]),
}

/// Where cases happen: this process's subscriber.
struct Process {
    router: TapRouter,
    witness: Option<EventStream>,
    _keepers: Vec<EventStream>,
}

static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();

/// Checks the case that some bytes stand for, if they stand for one, with a session open that wants everything.
pub(crate) fn check(bytes: &[u8]) {
    check_with(true, bytes);
}

/// The same without such a session: what nobody else wants is vetoed.
pub(crate) fn check_vetoes(bytes: &[u8]) {
    check_with(false, bytes);
}

fn check_with(with_witness: bool, bytes: &[u8]) {
    if let Ok(case) = Case::arbitrary(&mut Unstructured::new(bytes)) {
        Case { with_witness, ..case }.check(&mut Process::of_process(with_witness));
    }
}

/// What a session that wants everything gets of the case that some bytes stand for.
pub(crate) fn items(bytes: &[u8]) -> Vec<Item> {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(bytes)) else { return Vec::new() };
    let mut process = Process::of_process(true);
    Case { with_witness: true, ..case }.happen();
    process.witness.iter_mut().flat_map(|witness| witness.drain().collect::<Vec<_>>()).collect()
}

impl Process {
    fn of_process(with_witness: bool) -> MutexGuard<'static, Self> {
        let process = PROCESS.get_or_init(|| Mutex::new(Self::new(with_witness)));
        process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new(with_witness: bool) -> Self {
        let router = TapRouter::builder().max_value_bytes(1 << 20).build();
        tracing_subscriber::registry().with(router.layer()).init();
        // One that comes and goes where there is no other.
        drop(router.watch(everything_and_all_spans()));
        let nothing = |reach: Predicate| router.watch(reach.and(Predicate::eq("never declared", 1)));
        let mut keepers = vec![nothing(Predicate::everything())];
        for level in LEVELS {
            keepers.push(nothing(Predicate::level(level)));
            keepers.extend(TARGETS.map(|target| nothing(Predicate::level(level).and(Predicate::target(target)))));
        }
        let witness = with_witness.then(|| router.watch(everything_and_all_spans()));
        Self { router, witness, _keepers: keepers }
    }
}

impl Case {
    fn check(&self, process: &mut Process) {
        let Process { router, witness, .. } = process;
        let predicate = self.predicate.to_predicate();
        let mut stream = router.watch(predicate.clone());
        let happened = self.happen();

        let expected = self.predicate.matches(&happened);
        let events = events(&mut stream);
        let thread = std::thread::current();
        let thread = thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
        let text = described(&happened, &thread);
        let texts: Vec<_> = events.iter().map(|event| delivered(event)).collect();
        assert_eq!(texts, if expected { vec![text.clone()] } else { vec![] }, "{predicate:?} of {text}");
        for event in witness.iter_mut().flat_map(self::events) {
            assert_eq!(delivered(&event), text);
            assert_eq!(predicate.is_match(&event), expected, "{predicate:?} of {text}");
        }
    }

    /// Makes the spans and the event, and tells what was made.
    fn happen(&self) -> Happened {
        let (event, values) = &self.event;
        let event = &EVENTS[*event];
        let mut spans: Vec<(Span, Option<usize>, Around)> = Vec::new();
        let mut entered = Vec::new();
        for (site, values) in &self.spans {
            let site = &SPANS[*site];
            if !self.with_witness && site.level > Level::INFO {
                continue;
            }
            let parent = parent_among(&spans, site.parent);
            let fields = declared(site.fields, values);
            let span = (site.open)(&Given(&fields), &first_of(&spans));
            assert!(!span.is_disabled(), "{} {}", site.level, site.name);
            entered.push(span.clone().entered());
            spans.push((span, parent, Around { name: site.name, level: site.level, target: site.target, fields }));
        }
        let fields = declared(event.fields, values);
        (event.emit)(&Given(&fields), &first_of(&spans));
        entered.into_iter().rev().for_each(drop);
        let mut scope = Vec::new();
        let mut next = parent_among(&spans, event.parent);
        while let Some(number) = next {
            scope.insert(0, spans[number].2.clone());
            next = spans[number].1;
        }
        Happened { level: event.level, target: event.target, fields, spans: scope }
    }
}

fn everything_and_all_spans() -> SessionOptions {
    SessionOptions::new(Predicate::everything()).spans(LevelFilter::TRACE)
}

fn parent_among(spans: &[(Span, Option<usize>, Around)], parent: Parent) -> Option<usize> {
    match parent {
        Parent::Context => spans.len().checked_sub(1),
        Parent::Explicit => (!spans.is_empty()).then_some(0),
        Parent::None => None,
    }
}

fn first_of(spans: &[(Span, Option<usize>, Around)]) -> Span {
    spans.first().map_or_else(Span::none, |(span, ..)| span.clone())
}

fn declared(names: &[&'static str], values: &[Val; VALUES]) -> Fields {
    names.iter().copied().zip([Val::U64(7)].iter().chain(values).cloned()).collect()
}

fn events(stream: &mut EventStream) -> Vec<std::sync::Arc<CapturedEvent>> {
    stream.drain().filter_map(Item::into_event).collect()
}

struct Given<'a>(&'a Fields);

impl Arguments for Given<'_> {
    fn op(&self) -> u64 {
        7
    }

    fn value(&self, field: &str) -> Boxed {
        self.0.iter().find(|(name, _)| *name == field).and_then(|(_, value)| value.boxed())
    }
}

/// Every choice is a byte and every byte is used from the front, so that `encode` can be its inverse.
impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            with_witness: choice(bytes, 2)? == 1,
            predicate: predicate(bytes, 0)?,
            spans: (0..choice(bytes, 4)?)
                .map(|_| Ok((choice(bytes, SPANS.len())?, values(bytes)?)))
                .collect::<Result<_>>()?,
            event: (choice(bytes, EVENTS.len())?, values(bytes)?),
        })
    }
}

fn choice(bytes: &mut Unstructured<'_>, of: usize) -> Result<usize> {
    let last = u8::try_from(of - 1).expect("there are at most 256 to choose from");
    bytes.int_in_range(0..=last).map(usize::from)
}

fn values(bytes: &mut Unstructured<'_>) -> Result<[Val; VALUES]> {
    Ok([value(bytes)?, value(bytes)?, value(bytes)?])
}

fn value(bytes: &mut Unstructured<'_>) -> Result<Val> {
    Ok(match choice(bytes, 12)? {
        tag @ 0..7 => plain_value(bytes, tag)?,
        7 => Val::Display(text(bytes)?),
        8 => Val::Debug(text(bytes)?),
        9 => Val::Error(text(bytes)?),
        10 => Val::Bytes(text(bytes)?.into_bytes()),
        _ => Val::Absent,
    })
}

fn plain_value(bytes: &mut Unstructured<'_>, tag: usize) -> Result<Val> {
    Ok(match tag {
        0 => Val::I64(bytes.arbitrary()?),
        1 => Val::U64(bytes.arbitrary()?),
        2 => Val::I128(bytes.arbitrary()?),
        3 => Val::U128(bytes.arbitrary()?),
        4 => Val::F64(f64::from_bits(bytes.arbitrary()?)),
        5 => Val::Bool(choice(bytes, 2)? == 1),
        _ => Val::Str(text(bytes)?),
    })
}

fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    let length = choice(bytes, 64)?;
    let length = length.min(bytes.len());
    Ok(String::from_utf8_lossy(bytes.bytes(length)?).into_owned())
}

fn predicate(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Pred> {
    let operand = |bytes: &mut Unstructured<'_>| predicate(bytes, depth + 1).map(Box::new);
    let kinds = if depth < MAX_DEPTH { 12 } else { 9 };
    Ok(match choice(bytes, kinds)? {
        0 => Pred::Everything,
        1 => {
            let keys = keys(bytes)?;
            Pred::AnyOf(keys, (0..choice(bytes, 4)?).map(|_| wanted(bytes)).collect::<Result<_>>()?)
        }
        2 => Pred::Ne(keys(bytes)?, wanted(bytes)?),
        3 => Pred::Exists(keys(bytes)?),
        4 => Pred::Text(keys(bytes)?, PARTS[choice(bytes, PARTS.len())?], wanted(bytes)?),
        5 => Pred::Order(keys(bytes)?, RELATIONS[choice(bytes, RELATIONS.len())?], wanted(bytes)?),
        6 => Pred::Level(LEVELS[choice(bytes, LEVELS.len())?]),
        7 => Pred::Target(TARGETS[choice(bytes, TARGETS.len())?]),
        8 => Pred::Span(SPAN_NAMES[choice(bytes, SPAN_NAMES.len())?]),
        9 => Pred::And(operand(bytes)?, operand(bytes)?),
        10 => Pred::Or(operand(bytes)?, operand(bytes)?),
        _ => Pred::Not(operand(bytes)?),
    })
}

fn keys(bytes: &mut Unstructured<'_>) -> Result<Vec<&'static str>> {
    let count = 1 + choice(bytes, 2)?;
    (0..count).map(|_| Ok(KEYS[choice(bytes, KEYS.len())?])).collect()
}

fn wanted(bytes: &mut Unstructured<'_>) -> Result<Val> {
    let tag = choice(bytes, 7)?;
    plain_value(bytes, tag)
}
