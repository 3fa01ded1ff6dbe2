//! What is said of following: by coverage, by lists of sessions, in the README, and as text.

use super::{failing, install, named, request_with_two_errors};
use testing::messages;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_tap::coverage::Note;
use tracing_tap::{EventStream, Follow, Predicate, SessionOptions};

/// What docs/recipes.md shows of following, as code.
const IN_RECIPES: &str = r#"SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".into()))"#;

isolated! {
    fn coverage_of_a_session_takes_the_maximum_level_into_account() {
        let router = install();
        tracing::info!("seen");
        let everything = || SessionOptions::new(Predicate::everything());
        let counted = |session: SessionOptions| {
            let noted = router.coverage_of(&session).notes().iter().find_map(|note| match note {
                Note::Callsites { can_match, .. } => Some(*can_match),
                _ => None,
            });
            let stream = router.watch(session);
            let open = stream.coverage();
            assert!(open.notes().iter().any(|note| matches!(note, Note::Callsites { can_match, .. } if Some(*can_match) == noted)));
            noted
        };
        assert_eq!(counted(everything().max_level(LevelFilter::INFO)), Some(1));
        assert_eq!(counted(everything().max_level(LevelFilter::WARN)), Some(0));
        let never = router.watch(everything().max_level(LevelFilter::OFF));
        assert!(never.coverage().findings().iter().any(|finding| matches!(finding, tracing_tap::coverage::Finding::NeverMatches)));
    }

    fn a_session_shows_its_maximum_level_and_its_spans() {
        let router = install();
        let _plain = router.watch(Predicate::everything());
        let bounded = SessionOptions::new(Predicate::everything()).max_level(LevelFilter::WARN).spans(LevelFilter::DEBUG);
        let _bounded = router.watch(bounded);
        let shown: Vec<_> = router.sessions().iter().map(|session| (session.max_level, session.spans)).collect();
        assert_eq!(shown, [(LevelFilter::TRACE, LevelFilter::OFF), (LevelFilter::WARN, LevelFilter::DEBUG)]);
    }

    fn coverage_says_that_no_span_has_the_name_to_follow() {
        let router = install();
        let stream = router.watch(failing(named("request")));
        let unseen = Note::UnseenSpan { span: "request".to_owned() };
        assert!(stream.coverage().notes().contains(&unseen));
        let _request: Span = tracing::info_span!("request", path = "/a");
        assert!(!stream.coverage().notes().contains(&unseen));
    }

    fn coverage_says_that_spans_to_follow_are_not_tracked() {
        let router = install();
        let stream: EventStream = router.watch(failing(named("request")));
        let _request = tracing::debug_span!("request", path = "/a");
        let findings: Vec<_> = stream.coverage().findings().iter().map(ToString::to_string).collect();
        let remedies = ["spans `request`", "spans=debug", "span_level(LevelFilter::DEBUG)"];
        assert!(findings.iter().any(|finding| remedies.iter().all(|part| finding.contains(part))), "{findings:?}");
        let asked = router.coverage_of(&failing(named("request")).spans(LevelFilter::DEBUG));
        assert!(!asked.to_string().contains("nobody enables them"), "{asked}");
    }

    fn the_recipe_of_following_does_what_it_says() {
        let recipes = include_str!("../../../docs/recipes.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(recipes.contains(IN_RECIPES), "the recipe shows another example: test that one");
        assert_eq!(recipes.matches("Follow::Named").count(), 1, "the recipes show more than one");
        let of_the_recipe = || -> Result<SessionOptions, tracing_tap::PredicateError> {
            Ok(SessionOptions::new("@level = error".parse()?).follow(Follow::Named("request".into())))
        };
        let router = install();
        let session = of_the_recipe().expect("the text is valid");
        let mut bounded = router.watch(session.clone().max_level(LevelFilter::INFO));
        let mut stream = router.watch(session);
        request_with_two_errors();
        let rest = ["first error", "debug between", "trace between", "handler between", "second error", "debug after"];
        assert_eq!(messages(&mut stream), rest);
        assert_eq!(messages(&mut bounded), ["first error", "handler between", "second error"]);
    }
}

#[track_caller]
fn check_text(text: &str, expected: &Follow) {
    assert_eq!((text.parse().as_ref(), &*expected.to_string()), (Ok(expected), text));
}

#[test]
fn what_to_follow_is_read_from_what_it_prints() {
    check_text("event", &Follow::Event);
    check_text("span", &Follow::Span);
    check_text("root", &Follow::Root);
    check_text("named:request", &named("request"));
    check_text("named:named: an odd one ", &named("named: an odd one "));
}

#[test]
fn a_wrong_text_of_what_to_follow_is_shown_escaped_and_short() {
    let check = |text: &str, shown: &str| {
        let error = text.parse::<Follow>().expect_err("it names nothing");
        let expected = format!(
            "unknown follow mode `{shown}`, expected `event`, `span`, `root` or `named:` and the name of a span"
        );
        assert_eq!(error.to_string(), expected);
    };
    check("", "");
    check("Root", "Root");
    check("named:", "named:");
    check("request", "request");
    check("span\u{1B}[2J\u{202E}", r"span\u{1b}[2J\u{202e}");
    check(&"x".repeat(1 << 20), &format!("{}…", "x".repeat(40)));
}
