use super::*;
use crate::predicate::Predicate;

fn opened(options: impl FnOnce(SessionOptions) -> SessionOptions) -> OpenSession {
    let options = options(SessionOptions::new(Predicate::eq("user", 42)));
    OpenSession::new(SessionId(1), options, Arc::new(Budget::new(1 << 20)))
}

#[test]
fn a_session_knows_what_it_was_opened_for() {
    let plain = opened(|any| any);
    assert_eq!((plain.follows(), plain.shows_events(), plain.is_limited()), (false, true, false));
    assert!(opened(|any| any.follow(Follow::Span)).follows());
    assert!(!opened(|any| any.timings().without_events()).shows_events());
    assert!(opened(|any| any.max_rate(1)).is_limited());
}

#[test]
fn sampling_keeps_back_what_is_outside_the_sample() {
    let kept_back = |session: OpenSession| [Sampled::In, Sampled::Out].map(|sampled| session.keeps_back_now(sampled));
    assert_eq!(kept_back(opened(|any| any.sample(2))), [None, Some(KeptBackBy::Sampling)]);
    assert_eq!(kept_back(opened(|any| any)), [None, None]);
}

#[test]
fn what_the_reader_has_taken_out_was_given_or_lost() {
    let session = opened(|any| any);
    (0..3).for_each(|_| session.count_delivered());
    session.hold();
    assert_eq!((session.taken_out(), session.stats().buffered), (3, 1));
    session.lose_held();
    assert_eq!((session.taken_out(), session.stats().buffered), (4, 0));
}

#[test]
fn a_session_grows_old() {
    let session = opened(|any| any);
    let since = Instant::now();
    while session.age() == Duration::ZERO {
        assert!(since.elapsed() < Duration::from_secs(20));
    }
}
