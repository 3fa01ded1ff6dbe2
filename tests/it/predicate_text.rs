//! The text form of predicates: what it stands for, that it is printed as it is read, and what is said of mistakes.
//! An example of every operator is run with the documentation of `predicate::syntax`.

mod errors;
mod foreign;
mod round_trip;

use tracing::Level;
use tracing_tap::{Predicate, PredicateError};

#[track_caller]
fn read(text: &str) -> Predicate {
    text.parse().unwrap_or_else(|error: PredicateError| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str) -> PredicateError {
    text.parse::<Predicate>().expect_err(text)
}

/// It is read as this predicate, and printed as this.
#[track_caller]
fn check(text: &str, expected: &Predicate, printed: &str) {
    assert_eq!(&read(text), expected);
    assert_eq!(expected.to_string(), printed);
    assert_eq!(&read(printed), expected);
}

fn abc() -> [Predicate; 3] {
    ["a", "b", "c"].map(Predicate::exists)
}

#[test]
fn the_shape_is_kept_with_no_more_parentheses_than_it_takes() {
    let [a, b, c] = abc();
    let (ab_c, a_bc) = ("a exists and b exists and c exists", "a exists and (b exists and c exists)");
    check(ab_c, &a.clone().and(b.clone()).and(c.clone()), ab_c);
    check(a_bc, &a.clone().and(b.clone().and(c.clone())), a_bc);
    let (a_or_bc, ab_or_c) = ("a exists or (b exists or c exists)", "a exists and b exists or c exists");
    check(a_or_bc, &a.clone().or(b.clone().or(c.clone())), a_or_bc);
    check("((a exists) and b exists) or (c exists)", &a.clone().and(b.clone()).or(c.clone()), ab_or_c);
    let (a_and_any, not_all) = ("a exists and (b exists or c exists)", "not (a exists and b exists)");
    check(a_and_any, &a.clone().and(b.clone().or(c.clone())), a_and_any);
    check(not_all, &a.clone().and(b.clone()).not(), not_all);
    check("! ! a exists and b exists", &a.not().not().and(b), "not not a exists and b exists");
    check("not *", &Predicate::everything().not(), "not *");
}

#[test]
fn words_are_read_in_any_case_and_printed_in_lower_case() {
    let [a, b, _] = abc();
    check("a EXISTS Or nOT b exists", &a.or(b.not()), "a exists or not b exists");
    check("n IN (1)", &Predicate::eq("n", 1), "n = 1");
    check("@Level >= DEBUG", &Predicate::level(Level::DEBUG), "@level >= debug");
}

#[test]
fn a_test_ends_where_the_next_sign_begins() {
    let all = Predicate::eq("a", 1).and(Predicate::ne("b", -2)).or(Predicate::lt("c", 3).not());
    check("a=1&&b!=-2||!(c<3)", &all, "a = 1 and b != -2 or not c < 3");
    check("a in(1,2)", &Predicate::any_of("a", [1, 2]), "a in (1, 2)");
    check("\ta\r\n=\u{a0}1\n", &Predicate::eq("a", 1), "a = 1");
}

#[test]
fn a_value_is_the_text_that_is_written() {
    check("n = 042", &Predicate::eq("n", "042"), "n = 042");
    check("n = +1.50", &Predicate::eq("n", "+1.50"), "n = +1.50");
    check("n = @level", &Predicate::eq("n", "@level"), "n = @level");
    check("n = \"42\"", &Predicate::eq("n", 42), "n = 42");
    check("n = größe", &Predicate::eq("n", "größe"), "n = größe");
    check(r#"n = "\u00e9\n\"\\\/""#, &Predicate::eq("n", "é\n\"\\/"), r#"n = "é\n\"\\/""#);
    check(r#"n = "\ud83d\ude00""#, &Predicate::eq("n", "😀"), r#"n = "😀""#);
}

#[test]
fn the_order_and_repetition_of_a_list_do_not_matter() {
    check("n in (2, 1, 2)", &Predicate::any_of("n", [1, 2]), "n in (1, 2)");
    check("n in (1)", &Predicate::eq("n", 1), "n = 1");
    check("n in ()", &Predicate::any_of("n", [1; 0]), "n in ()");
}

#[test]
fn what_can_never_be_true_is_printed_as_of_no_values() {
    for never in [Predicate::eq("n", f64::NAN), Predicate::contains("n", f64::NAN), Predicate::lt("n", "debug")] {
        check("n in ()", &never, "n in ()");
    }
    check("not n in ()", &Predicate::ne("n", f64::NAN), "not n in ()");
}

#[test]
fn keywords_and_odd_names_go_into_backticks() {
    check("`not` exists", &Predicate::exists("not"), "`not` exists");
    check("`In` = \"In\"", &Predicate::eq("In", "In"), "`In` = \"In\"");
    check("`@level` = debug", &Predicate::eq("@level", "debug"), "`@level` = debug");
    check("`` exists", &Predicate::exists(""), "`` exists");
    check(r#"`a\`"\\\"\n` exists"#, &Predicate::exists("a`\"\\\"\n"), r#"`a\`"\\"\n` exists"#);
    check("`a` | b|`a b` exists", &Predicate::exists(["a", "b", "a b"]), "a|b|`a b` exists");
    check("`r#type` exists", &Predicate::exists("type"), "type exists");
    check("`r#r#type` exists", &Predicate::exists("r#r#type"), "`r#r#type` exists");
    check("() exists", &Predicate::exists([""; 0]), "() exists");
}

#[test]
fn what_a_terminal_obeys_or_hides_is_printed_as_an_escape() {
    let predicate = Predicate::eq("a\u{202e}b", "\u{1b}[2J\u{7f}\u{85}\u{200b}\u{e0041}");
    let printed = r#"`a\u202eb` = "\u001b[2J\u007f\u0085\u200b\udb40\udc41""#;
    check(printed, &predicate, printed);
}

#[test]
fn levels_compare_by_severity() {
    let at_least = Predicate::level;
    let exactly = |level, above| at_least(level).and(at_least(above).not());
    check("@level = warn", &exactly(Level::WARN, Level::ERROR), "@level = warn");
    check("@level = error", &at_least(Level::ERROR), "@level >= error");
    check("@level != trace", &exactly(Level::TRACE, Level::DEBUG).not(), "@level != trace");
    check("@level > debug", &at_least(Level::INFO), "@level >= info");
    check("@level <= warn", &at_least(Level::ERROR).not(), "@level < error");
    check("@level <= error", &Predicate::everything(), "*");
    check("not @level >= trace", &at_least(Level::TRACE).not(), "not @level >= trace");
    let two = exactly(Level::DEBUG, Level::INFO).or(at_least(Level::ERROR));
    check("@level in (debug, \"Error\")", &two, "@level = debug or @level >= error");
    let twice = at_least(Level::DEBUG).and(exactly(Level::DEBUG, Level::INFO));
    check("@level >= debug and @level = debug", &twice, "@level >= debug and @level = debug");
}

#[test]
fn metadata_has_its_own_names() {
    check("@target = \"\"", &Predicate::target(""), "@target = \"\"");
    check("@span != r", &Predicate::span("r#r").not(), "@span != r");
    check("@span = \"r#r#x\"", &Predicate::span("r#r#x"), "@span = \"r#r#x\"");
    check("@name = event", &Predicate::event_name("event"), "@name = event");
    check("@file != src/hub.rs", &Predicate::file("src/hub.rs").not(), "@file != src/hub.rs");
    let two = Predicate::target("h2").or(Predicate::target("hyper"));
    let text = "a exists and (@target = h2 or @target = hyper)";
    check("a exists and @target in (h2, hyper)", &Predicate::exists("a").and(two), text);
}

#[test]
fn bare_names_of_metadata_are_fields() {
    check("target = hyper", &Predicate::eq("target", "hyper"), "target = hyper");
    check("level = debug", &Predicate::eq("level", "debug"), "level = debug");
    check("span exists", &Predicate::exists("span"), "span exists");
}

#[test]
fn it_travels_as_a_string() {
    let predicate = Predicate::eq("user", 42).and(Predicate::contains("message", "ping pong"));
    let json = serde_json::to_string(&predicate).unwrap();
    assert_eq!(json, r#""user = 42 and message *= \"ping pong\"""#);
    assert_eq!(serde_json::from_str::<Predicate>(&json).unwrap(), predicate);
    assert_eq!(serde_json::from_value::<Predicate>(json.parse::<serde_json::Value>().unwrap()).unwrap(), predicate);
}

#[test]
fn a_bad_string_in_a_request_is_logged_in_one_line() {
    let error = |json: &str| serde_json::from_str::<Predicate>(json).unwrap_err().to_string();
    let expected = "failed to parse the predicate: line 1, column 6: expected an operator after `user`, found `=>`; \
                    did you mean `>=`? at line 1 column 11";
    assert_eq!(error(r#""user => 1""#), expected);
    let expected = "failed to parse the predicate: line 1, column 5: the regular expression `(` is not valid: \
                    unclosed group at line 1 column 11";
    assert_eq!(error(r#""a ~ \"(\"""#), expected);
    assert!(error("42").starts_with("invalid type: integer `42`, expected the text of a predicate"));
}
