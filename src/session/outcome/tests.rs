use super::*;
use crate::predicate::Predicate;

/// Counts how often the control thread is woken for what is due.
#[derive(Debug, Default)]
struct Woken(AtomicUsize);

impl Notices for Woken {
    fn close_ended(&self, _: SessionId) {}
    fn announce_kept_back(&self, _: SessionId) {}
    fn wake_for_due(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn outcome(max_held_requests: usize, woken: &Arc<Woken>) -> Outcome {
    let bounds = Arc::new(HoldBounds::new(&Config { max_held_requests, ..Config::default() }));
    let options = SessionOptions::new(Predicate::eq("user", 42)).only_if(Predicate::regex("m", "a+b").unwrap());
    let woken: Arc<dyn Notices> = Arc::clone(woken) as _;
    Outcome::new(&options, bounds, Arc::downgrade(&woken)).unwrap()
}

fn request(begun: Instant) -> Arc<Request> {
    Arc::new(Request::new(begun, Held::new()))
}

#[test]
fn as_many_requests_are_held_as_the_router_or_the_session_may() {
    for (max, of_router) in [(3, 3), (MAX_HELD_REQUESTS, MAX_HELD_REQUESTS + 9)] {
        let (outcome, now) = (outcome(of_router, &Arc::default()), Instant::now());
        (0..max).for_each(|_| assert!(outcome.insert(&request(now), now)));
        assert!(!outcome.holds_too_many(), "{max} are as many as may be");
        let one_more = request(now);
        assert!(outcome.insert(&one_more, now) && outcome.holds_too_many());
        outcome.remove(&one_more);
        assert!(!outcome.holds_too_many());
    }
}

#[test]
fn the_control_thread_is_woken_for_what_is_due_before_it_looks() {
    let woken = Arc::new(Woken::default());
    let (outcome, now) = (outcome(9, &woken), Instant::now());
    let seconds = |seconds| now + Duration::from_secs(seconds);
    for (inserted_at, wakes) in [(10, 1), (10, 1), (20, 1), (5, 2)] {
        assert!(outcome.insert(&request(now), seconds(inserted_at)));
        assert_eq!(woken.0.load(Ordering::Relaxed), wakes, "inserted at {inserted_at} s");
    }
}

#[test]
fn requests_that_are_due_together_are_all_taken() {
    let (outcome, now) = (outcome(9, &Arc::default()), Instant::now());
    let later = now + Duration::from_millis(1);
    assert!([now, now, later].into_iter().all(|begun| outcome.insert(&request(begun), begun)));
    let due = now + outcome.max_hold_time;
    let (taken, next) = outcome.take_due(due);
    assert_eq!(taken.len(), 2);
    assert_eq!(next, Some(due + MIN_TICK), "it leaves some time between two looks");
    assert_eq!(outcome.take_due(due + MIN_TICK).0.len(), 1);
}

#[test]
fn the_table_of_what_decides_is_counted() {
    let outcome = outcome(9, &Arc::default());
    assert_eq!(outcome.table_bytes(), outcome.only_if.as_ref().unwrap().table_bytes());
    assert!(outcome.table_bytes() > 100);
}

/// An outcome of a session whose past is being read since the time 10.
fn during_past() -> Outcome {
    let outcome = outcome(MAX_HELD_REQUESTS, &Arc::default());
    outcome.begin_past(10);
    outcome
}

fn begin(outcome: &Outcome, key: usize) -> Arc<Request> {
    outcome.new_request(RequestSpan { begun: None, name: Some((0, key as u64)) }, Instant::now())
}

#[test]
fn requests_that_wait_for_the_past_are_bounded_in_number() {
    let outcome = during_past();
    for key in 1..=MAX_HELD_REQUESTS {
        assert_eq!(begin(&outcome, key).events.fate(), None);
        assert!(outcome.during_past((0, key as u64)).is_some());
    }
    let one_more = begin(&outcome, MAX_HELD_REQUESTS + 1);
    assert_eq!(one_more.events.fate(), Some(Fate::Undecided));
    assert_eq!(outcome.end_past().len(), MAX_HELD_REQUESTS);
    assert_eq!(begin(&outcome, MAX_HELD_REQUESTS + 2).events.fate(), None, "nothing waits any more");
}

#[test]
fn a_span_that_closed_meanwhile_may_have_been_missed() {
    let outcome = during_past();
    (0..MAX_HELD_REQUESTS).for_each(|key| drop(begin(&outcome, key)));
    assert!(!outcome.may_have_missed(None), "all are there");
    begin(&outcome, MAX_HELD_REQUESTS);
    assert!(outcome.may_have_missed(None) && outcome.may_have_missed(Some(10)));
    assert!(!outcome.may_have_missed(Some(9)), "it was over before");
}

#[test]
fn events_of_the_past_take_room_from_what_comes() {
    let outcome = outcome(9, &Arc::default());
    outcome.set_of_past(2);
    assert!(outcome.take_past_room(1, 3, || true));
    assert!(!outcome.take_past_room(1, 3, || true), "three are as many as may be");
    assert!(outcome.take_room(3, 3, 3), "all that was taken out is of the past");
    assert!(!outcome.take_room(1, 3, 3) && outcome.take_room(1, 4, 3));
}

/// Counts the requests that are over.
#[derive(Debug, Default)]
struct Over(AtomicUsize);

impl RequestOwner for Over {
    fn request_is_over(&self, _: &Arc<Request>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_mark_is_stale_once_its_session_is_gone() {
    let owner = Arc::new(Over::default());
    let weak: Weak<Over> = Arc::downgrade(&owner);
    let mark = || RequestMark::new(SessionId(1), &request(Instant::now()), weak.clone());
    drop(mark());
    assert_eq!(owner.0.load(Ordering::Relaxed), 1);
    let mark = mark();
    assert!(!mark.is_stale());
    drop(owner);
    assert!(mark.is_stale());
}
