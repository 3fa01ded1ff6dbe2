use super::*;
use crate::predicate::Predicate;

/// An outcome of a session whose past is being read since the time 10.
fn during_past() -> Outcome {
    #[derive(Debug)]
    struct Nobody;
    impl Notices for Nobody {
        fn close_ended(&self, _: SessionId) {}
        fn announce_kept_back(&self, _: SessionId) {}
        fn wake_for_due(&self) {}
    }
    let options = SessionOptions::new(Predicate::everything()).only_if(Predicate::everything());
    let bounds = Arc::new(HoldBounds::new(&Config::default()));
    let outcome = Outcome::new(&options, bounds, Weak::<Nobody>::new()).unwrap();
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
