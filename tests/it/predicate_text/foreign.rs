//! What people write who know other tools: what is suggested is accepted, and is what they meant.

use super::{read, refused};
use tracing::Level;
use tracing_tap::{Predicate, PredicateError};

/// What is suggested, between the backticks behind `did you mean`.
#[track_caller]
fn suggested(error: &PredicateError) -> &str {
    let hint = error.hint().unwrap_or_else(|| panic!("no hint: {error}"));
    let behind = hint.split_once("did you mean `").unwrap_or_else(|| panic!("no suggestion: {error}")).1;
    behind.split_once("`?").unwrap_or_else(|| panic!("no end of the suggestion: {error}")).0
}

/// The text with what is suggested in place of what the carets mark.
#[track_caller]
fn mended(error: &PredicateError) -> String {
    let shown = error.to_string();
    let [.., line, carets] = shown.lines().collect::<Vec<_>>()[..] else { panic!("no excerpt: {error}") };
    let characters: Vec<char> = line.chars().collect();
    let start = carets.find('^').expect("there is a caret");
    let part = |range: std::ops::Range<usize>| String::from_iter(&characters[range]);
    let end = carets.chars().count();
    format!("{}{}{}", part(0..start), suggested(error), part(end..characters.len()))
}

/// The suggestion is the whole test.
#[track_caller]
fn check_test(text: &str, meant: Predicate) {
    let error = refused(text);
    assert_eq!(read(suggested(&error)), meant, "{error}");
}

/// The suggestion replaces what is marked.
#[track_caller]
fn check_part(text: &str, meant: Predicate) {
    let error = refused(text);
    assert_eq!(read(&mended(&error)), meant, "{error}");
}

fn in_conn() -> Predicate {
    Predicate::span("conn") & Predicate::eq("user", 42)
}

#[test]
fn no_value_is_a_field_that_is_not_there() {
    let (there, absent) = (Predicate::exists("user"), !Predicate::exists("user"));
    for text in
        ["user != null", "user is not null", "user IS NOT NULL", "user isnotnull", "user is not nil", "user !=NULL"]
    {
        check_test(text, there.clone());
    }
    for text in ["user = null", "user == Null", "user is null", "user isnull", "user is missing", "user in (null)"] {
        check_test(text, absent.clone());
    }
    check_test("user in (7, null)", absent | Predicate::eq("user", 7));
    check_test("user is not 42", Predicate::ne("user", 42));
    check_part("user is 42", Predicate::eq("user", 42));
    check_test("user not in (7, \"a b\")", !Predicate::any_of("user", ["7", "a b"]));
    check_test("user|uid = null", !Predicate::exists(["user", "uid"]));
    assert_eq!(read("user = \"null\""), Predicate::eq("user", "null"));
    assert_eq!(read("@target = null"), Predicate::target("null"));
    assert_eq!(Predicate::eq("user", "null").to_string(), "user = \"null\"");
}

#[test]
fn functions_are_operators_here() {
    let there = Predicate::exists("user");
    for text in ["exists(user)", "has(user)", "EXISTS (user)", "is_set(user)", "_exists_:user", "has(`user`)"] {
        check_test(text, there.clone());
    }
    check_test("user present", there.clone());
    check_test("missing(user)", !there);
    check_part("user has x", Predicate::contains("user", "x"));
    check_test("contains(path, \"/admin\")", Predicate::contains("path", "/admin"));
    check_test("starts_with(path, \"/admin\")", Predicate::starts_with("path", "/admin"));
    check_test("endsWith(path, .html)", Predicate::ends_with("path", ".html"));
    check_test("equals(user, 42)", Predicate::eq("user", 42));
    check_test("regex(path, \"^/a\")", Predicate::regex("path", "^/a").expect("it is valid"));
}

#[test]
fn what_would_mean_something_else_is_not_suggested() {
    for (text, wrong) in [
        ("user like \"a%b%\"", "^="),
        ("n between 1 or 2", ">="),
        ("n between 1 and x", ">="),
        ("n between x and 2", ">="),
        ("user not is null", "exists"),
        ("contains(a:b, x)", "*="),
        ("@name = *x*", "*="),
    ] {
        let error = refused(text);
        assert!(!error.hint().unwrap_or_default().contains(wrong), "{error}");
    }
}

#[test]
fn ranges_and_patterns_of_sql_are_comparisons() {
    check_test("status between 500 and 599", Predicate::ge("status", 500) & Predicate::le("status", 599));
    check_test("status not between 1 and 2", !(Predicate::ge("status", 1) & Predicate::le("status", 2)));
    check_part("user like x", Predicate::contains("user", "x"));
    check_test("user like \"x%\"", Predicate::starts_with("user", "x"));
    check_test("user not like x", !Predicate::contains("user", "x"));
    check_test("user not like \"%x\"", !Predicate::ends_with("user", "x"));
    check_test("user LIKE \"%x y%\"", Predicate::contains("user", "x y"));
    let regex = |pattern| Predicate::regex("user", pattern).expect("it is valid");
    check_test("user ilike x", regex("(?i)x"));
    check_test("user ILIKE \"a.b%\"", regex(r"(?i)^a\.b"));
    check_test("user ilike \"%a%b\"", regex("(?i)a.*b$"));
}

#[test]
fn directives_of_env_filter_are_tests_of_span_and_level() {
    let debug = || Predicate::level(Level::DEBUG);
    check_test("[conn{user=42}]=debug", in_conn() & debug());
    check_test("conn{user=42}", in_conn());
    check_test(
        "hyper[conn{user=42}]=DEBUG",
        Predicate::target("hyper") & Predicate::span("conn") & Predicate::eq("user", 42) & debug(),
    );
    check_test(
        "a::b[{user}]=trace",
        Predicate::target("a::b") & Predicate::exists("user") & Predicate::level(Level::TRACE),
    );
    check_test("[conn]", Predicate::span("conn"));
    check_test("chat::hub=debug", Predicate::target("chat::hub") & debug());
    let both = in_conn() & Predicate::eq("name", "a b") & Predicate::span("message") & Predicate::exists("kind");
    check_test("conn{user=42 name=\"a b\"}:message{kind}", both);
}

#[test]
fn a_test_in_place_of_one_behind_not_is_still_one() {
    let error = refused("a = 1 and not conn{user=42}");
    assert_eq!(suggested(&error), "(@span = conn and user = 42)");
    let error = refused("not status between 1 and 2");
    assert_eq!(suggested(&error), "(status >= 1 and status <= 2)");
    assert_eq!(suggested(&refused("not exists(user)")), "user exists");
}

#[test]
fn a_colon_is_an_equals_sign() {
    check_test("msg:\"a b\"", Predicate::eq("msg", "a b"));
    check_test("user:42", Predicate::eq("user", 42));
    check_test("user: 42", Predicate::eq("user", 42));
    check_test("status:>=500", Predicate::ge("status", 500));
    check_test("level:error", Predicate::level(Level::ERROR));
    check_test("level:info", Predicate::level(Level::INFO) & !Predicate::level(Level::WARN));
}

#[test]
fn other_quotes_and_variables_go_into_double_quotes() {
    check_part("user = 'x'", Predicate::eq("user", "x"));
    check_part("user in ('a b')", Predicate::eq("user", "a b"));
    check_part("user = “x”", Predicate::eq("user", "x"));
    check_part("user = $USER", Predicate::eq("user", "$USER"));
    check_part("user = ${USER}", Predicate::eq("user", "${USER}"));
    check_test("user=$USER", Predicate::eq("user", "$USER"));
    check_part("n = 1 and user = '\"'", Predicate::eq("n", 1) & Predicate::eq("user", "\""));
}

#[test]
fn a_long_text_in_other_quotes_is_not_repeated() {
    let long = "\0".repeat(1000);
    let shell = "a shell fills that in outside of single quotes alone";
    let check = |written: String, hint| {
        let error = written.parse::<Predicate>().expect_err("that is no value here");
        assert_eq!(error.hint(), Some(hint));
        assert!(error.to_string().len() < 2000, "{error}");
    };
    check(format!("user = '{long}'"), "a text goes into double quotes");
    check(format!("user ~ ^{long}$"), "a text goes into double quotes");
    check(format!("user = ${}", "A".repeat(1000)), shell);
}

#[test]
fn numbers_have_no_unit_and_levels_an_at_sign() {
    check_part("latency > 250ms", Predicate::gt("latency", 250));
    check_part("latency > 2.5s", Predicate::gt("latency", 2.5));
    check_test("level >= debug", Predicate::level(Level::DEBUG));
}

#[test]
fn a_star_in_a_value_is_an_operator() {
    check_test("@target = hyper::*", Predicate::target("hyper"));
    check_test("@target = hyper*", Predicate::target("hyper"));
    check_test("@target != app::db::*", !Predicate::target("app::db"));
    check_test("@target ^= hyper", Predicate::target("hyper"));
    check_test("@file = */hub.rs", Predicate::file("hub.rs"));
    check_test("user = *", Predicate::exists("user"));
    check_test("user != *", !Predicate::exists("user"));
    check_test("path = /admin/*", Predicate::starts_with("path", "/admin/"));
    check_test("path = *.html", Predicate::ends_with("path", ".html"));
    check_test("path = *admin*", Predicate::contains("path", "admin"));
    check_test("(n = 1 and path != *admin*)", !Predicate::contains("path", "admin"));
}

#[test]
fn a_pattern_goes_into_double_quotes() {
    let regex = |pattern| Predicate::regex("path", pattern).expect("it is valid");
    for pattern in ["^/admin", "[0-9]+", ".*foo", "(a|b)$", r"\d+", "a+?", "^[a-z ]+"] {
        let error = refused(&format!("path ~ {pattern}"));
        assert_eq!(read(&format!("path ~ {}", suggested(&error))), regex(pattern), "{error}");
    }
    let error = refused("(n = 1 and path ~ ^/a)");
    assert_eq!(suggested(&error), "\"^/a\"");
}

#[test]
fn an_invalid_regex_says_why_and_what_a_glob_would_be() {
    let error = refused("path ~ \"(a\"");
    assert_eq!(error.message(), "the regular expression `(a` is not valid: unclosed group");
    let error = refused("path ~ \"a(?!b)\"");
    assert!(error.message().contains("look-around"), "{error}");
    check_test("path ~ \"*.rs\"", Predicate::ends_with("path", ".rs"));
    check_test("path ~ *.rs", Predicate::ends_with("path", ".rs"));
}

#[test]
fn what_is_suggested_is_never_cut_or_left_out_in_part() {
    let long = "x".repeat(300);
    assert_eq!(
        refused(&format!("conn{{user={long}}}")).hint(),
        Some("groups and lists are in parentheses: `(` and `)`")
    );
    check_test(
        &format!("conn{{user={}}}", &long[..100]),
        Predicate::span("conn") & Predicate::eq("user", &long[..100]),
    );
}
