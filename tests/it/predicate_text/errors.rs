//! What is said of mistakes.

use super::{read, refused};
use std::error::Error;

/// What is said, in one line.
#[track_caller]
fn check(text: &str, (line, column): (usize, usize), message: &str, hint: Option<&str>) {
    let error = refused(text);
    assert_eq!((error.message(), error.hint()), (message, hint), "{error}");
    assert_eq!((error.line(), error.column()), (Some(line), Some(column)), "{error}");
    assert!(error.is_syntax() && !error.is_regex() && !error.is_too_large());
    assert!(error.source().is_none());
}

/// What is found in place of an operator, and what is meant.
#[track_caller]
fn check_operator(text: &str, found: &str, hint: &str) {
    check(text, (1, 6), &format!("expected an operator after `user`, found {found}"), Some(hint));
}

#[test]
fn everything_is_said_with_the_line_and_a_caret() {
    let error = refused("user = 42\n  and latency => 250 # slow");
    let expected = "failed to parse the predicate: line 2, column 15: expected an operator after `latency`, found `=>`; \
                    did you mean `>=`?\n    and latency => 250 # slow\n                ^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn columns_are_characters() {
    check("größe = 1 = 2", (1, 11), "expected `and`, `or` or the end, found `=`", None);
}

#[test]
fn near_misses_of_operators_are_named() {
    for (sign, meant) in [("=>", ">="), ("=<", "<="), ("=!", "!="), ("<>", "!="), ("=~", "~"), ("≥", ">=")] {
        check_operator(&format!("user {sign} 42"), &format!("`{sign}`"), &format!("did you mean `{meant}`?"));
    }
    for (word, meant) in [("is", "="), ("LIKE", "*="), ("starts_with", "^="), ("matches", "~")] {
        check_operator(&format!("user {word} x"), &format!("`{word}`"), &format!("did you mean `{meant}`?"));
    }
    let value = "expected a value after `==`, found `=`";
    check("user == = 1", (1, 9), value, None);
    check("user === 1", (1, 6), "expected an operator after `user`, found `===`", Some("did you mean `=`?"));
}

#[test]
fn a_missing_operator_is_named() {
    check_operator("user 42", "`42`", "did you mean `user = 42`?");
    check_operator("user \"a b\"", "`\"a b\"`", "did you mean `user = \"a b\"`?");
    check_operator("user and b = 1", "`and`", "did you mean `user exists`?");
    check_operator("user not in (1)", "`not`", "did you mean `user != 1`?");
    check_operator("user not > 1", "`not`", "`not` goes before the name: `not user ..`");
    check("user", (1, 5), "expected an operator after `user`, found the end", Some("did you mean `user exists`?"));
    let hint = "did you mean `user = 42`? otherwise it goes into backticks";
    check("user:42", (1, 1), "expected the name of a field, found `user:42`", Some(hint));
}

#[test]
fn a_missing_test_is_named() {
    let hint = Some("`*` is true of everything");
    check("", (1, 1), "expected a test, found the end", hint);
    check(" \n ", (1, 1), "expected a test, found the end", hint);
    check("a = 1 and", (1, 10), "expected a test, found the end", None);
    check("a = 1 or \n", (1, 9), "expected a test, found the end", None);
    check("a = 1 and and b = 2", (1, 11), "expected a test, found `and`", None);
    check("not", (1, 4), "expected a test, found the end", None);
    check("()", (1, 1), "expected a test, found nothing in parentheses", None);
    check("(\u{a0}\n\u{a0})", (1, 1), "expected a test, found nothing in parentheses", None);
    check("(and)", (1, 2), "expected a test, found `and`", None);
    check("\"ping\"", (1, 1), "expected a test, found `\"ping\"`", Some("did you mean `message *= \"ping\"`?"));
}

#[test]
fn an_unusable_name_is_refused_with_its_place() {
    let hint = Some("an odd name of a field goes into backticks");
    check("and = 5", (1, 1), "expected a test, found `and`", hint);
    check("\"user\" = 5", (1, 1), "expected a test, found `\"user\"`", hint);
    check("42 = user", (1, 1), "expected the name of a field, found `42`", hint);
    check("a|and = 5", (1, 3), "expected the name of a field, found `and`", None);
    check("a| = 5", (1, 4), "expected the name of a field, found `=`", None);
}

#[test]
fn a_missing_value_is_named() {
    check("user =", (1, 7), "expected a value after `=`, found the end", None);
    check(
        "user = and b = 1",
        (1, 8),
        "expected a value after `=`, found `and`",
        Some("as a value it goes into double quotes: `\"and\"`"),
    );
    check("user = *", (1, 8), "expected a value after `=`, found `*`", Some("did you mean `user exists`?"));
    check("user = `x`", (1, 8), "expected a value after `=`, found ``x``", Some("a value goes into double quotes"));
    check("user = (1, 2)", (1, 8), "expected a value after `=`, found `(`", Some("one of several values is `in (..)`"));
}

#[test]
fn what_is_left_open_is_pointed_at() {
    check("a = 1 and (b = 2 or", (1, 20), "expected a test, found the end", None);
    check("a = 1 and (b = 2", (1, 11), "the parenthesis `(` is not closed", None);
    check("a in (1, 2", (1, 6), "the parenthesis `(` is not closed", None);
    check("a = 1) and b = 2", (1, 6), "expected `and`, `or` or the end, found `)` that closes nothing", None);
    check("a = \"b and c = 1", (1, 5), "the quote `\"` is not closed on its line", None);
    check("a = \"b\nand c = \"1\"", (1, 5), "the quote `\"` is not closed on its line", None);
    check("`a = 1", (1, 1), "the backtick is not closed on its line", None);
}

#[test]
fn the_first_loss_is_reported_first() {
    check("a => 1 and b = 'x'", (1, 3), "expected an operator after `a`, found `=>`", Some("did you mean `>=`?"));
    check("a b 'x", (1, 3), "expected an operator after `a`, found `b`", Some("did you mean `a = b`?"));
}

#[test]
fn characters_that_belong_nowhere_are_named_with_what_does() {
    let quotes = Some("values with odd characters go into double quotes, `\"`");
    check("user = 'x", (1, 8), "unexpected character `'`", quotes);
    check("'user' = x", (1, 1), "unexpected character `'`", quotes);
    check("user in [1]", (1, 9), "unexpected character `[`", Some("groups and lists are in parentheses: `(` and `)`"));
    check("a = 1; b = 2", (1, 6), "unexpected character `;`", Some("did you mean `and`?"));
    let like = Some("`*=` tests what a value contains, `^=` how it starts, `$=` how it ends");
    check("path = %admin%", (1, 8), "unexpected character `%`", like);
    let odd = Some("a value with such a character goes into double quotes, a name into backticks");
    check("r#type = 1", (1, 2), "unexpected character `#`", odd);
    check("a = 1\u{200b}", (1, 6), "unexpected character `\\u{200b}`", odd);
    check("a = \u{1b}[2J", (1, 5), "unexpected character `\\u{1b}`", None);
}

#[test]
fn single_ands_and_bars_are_near_misses() {
    let end = "expected `and`, `or` or the end";
    check("a = 1 & b = 2", (1, 7), &format!("{end}, found `&`"), Some("did you mean `&&`?"));
    check("a = 1 | b = 2", (1, 7), &format!("{end}, found `|`"), Some("did you mean `||`?"));
    check("a = 1, 2", (1, 6), &format!("{end}, found `,`"), Some("one of several values is `in (..)`"));
    check(
        "a = acme corp",
        (1, 10),
        &format!("{end}, found `corp`"),
        Some("a value with spaces goes into double quotes"),
    );
    check("a = b*", (1, 6), &format!("{end}, found `*`"), Some("did you mean `a ^= b`?"));
}

#[test]
fn lists_say_what_they_lack() {
    check("a in 1, 2", (1, 6), "expected `(` after `in`, found `1`", Some("did you mean `in (1)`?"));
    check("a in (1 2)", (1, 9), "expected `,` or `)`, found `2`", Some("a value with spaces goes into double quotes"));
    check("a in (1,)", (1, 9), "expected a value after `,`, found `)`", None);
    check("@target in ()", (1, 9), "expected a value within the parentheses, found none", None);
}

#[test]
fn escapes_are_those_of_json() {
    let hint = "a backslash is written `\\\\`; there are `\\\"`, `\\n`, `\\t`, `\\u00e9` and the like";
    check(r#"path ~ "^\d+""#, (1, 10), r"no escape begins with `\d`", Some(hint));
    check(r#"path = "\u12""#, (1, 9), r"no escape begins with `\u`", Some(hint));
    check("path = \"\\", (1, 9), r"no escape begins with `\`", Some(hint));
    let half = "`\\u` with half of a character: it takes two from `\\ud800` on";
    check(r#"path = "\ud800""#, (1, 8), half, None);
    check(r"`\udc00` = 1", (1, 1), half, None);
    let escape = Some("it is written as an escape, like `\\n` or `\\u001b`");
    check("a = \"b\tc\"", (1, 7), r"the control character `\t` within quotes", escape);
    check("a = \"\u{1b}[2J\"", (1, 6), r"the control character `\u{1b}` within quotes", escape);
}

#[test]
fn orderings_want_numbers() {
    let after = |sign: &str, found: &str| format!("expected a number after `{sign}`, found `{found}`");
    check("level >= debug", (1, 10), &after(">=", "debug"), Some("did you mean `@level >= debug`?"));
    check("lvl|Level < info", (1, 13), &after("<", "info"), Some("did you mean `@level < info`?"));
    check("latency > 250ms", (1, 11), &after(">", "250ms"), Some("a number has no unit: did you mean `250`?"));
    check("latency > nan", (1, 11), &after(">", "nan"), None);
    check("latency <= \"\"", (1, 12), &after("<=", ""), None);
}

#[test]
fn metadata_that_is_none_is_named_with_what_there_is() {
    let expected = "expected `@level`, `@target`, `@span`, `@name` or `@file`, found";
    check("@lvl = debug", (1, 1), &format!("{expected} `@lvl`"), Some("did you mean `@level`?"));
    check("@Targt = x", (1, 1), &format!("{expected} `@Targt`"), Some("did you mean `@target`?"));
    let field = "a field is written without `@`: did you mean `message`?";
    check("@message = x", (1, 1), &format!("{expected} `@message`"), Some(field));
}

#[test]
fn metadata_says_which_operators_it_knows() {
    let text = "expected `=`, `!=` or `in` after `@target`, found";
    check("@target ~ x", (1, 9), &format!("{text} `~`"), None);
    check("@target exists", (1, 9), &format!("{text} `exists`"), None);
    check("@target x", (1, 9), &format!("{text} `x`"), Some("did you mean `@target = x`?"));
    check("@target|a = x", (1, 8), &format!("{text} `|`"), Some("`|` joins names of fields"));
    check("a|@target = x", (1, 3), "expected the name of a field, found `@target`", Some("`|` joins names of fields"));
    let level = "expected `=`, `!=`, `<`, `<=`, `>`, `>=` or `in` after `@level`, found `^=`";
    check("@level ^= de", (1, 8), level, None);
}

#[test]
fn levels_that_are_none_are_named() {
    let expected = "expected `error`, `warn`, `info`, `debug` or `trace`, found";
    check("@level = debgu", (1, 10), &format!("{expected} `debgu`"), Some("did you mean `debug`?"));
    check("@level in (info, warning)", (1, 18), &format!("{expected} `warning`"), Some("did you mean `warn`?"));
    check("@level >= 3", (1, 11), &format!("{expected} `3`"), None);
    check("@level > error", (1, 10), "no level is more severe than `error`", None);
    check("@level < trace", (1, 10), "no level is less severe than `trace`", None);
}

#[test]
fn a_regex_that_is_none_is_pointed_at_and_keeps_its_cause() {
    let error = refused("a = 1 and path ~ \"(\u{202e}\"");
    assert_eq!((error.line(), error.column()), (Some(1), Some(18)));
    assert_eq!(error.message(), "the regular expression `(\\u{202e}` is not valid: unclosed group");
    assert!(error.is_regex() && !error.is_too_large() && !error.is_syntax());
    let cause = error.source().expect("it has a cause").to_string();
    assert!(cause.contains("unclosed group") && !cause.contains('\u{202e}'), "{cause}");
}

#[test]
fn a_regex_that_takes_too_much_memory_is_too_large() {
    let error = refused(r#"path !~ "\\w{1000}{100}""#);
    assert!(error.is_regex() && error.is_too_large());
    assert_eq!(error.column(), Some(9));
}

#[track_caller]
fn check_limit(allowed: &str, refused_text: &str, place: Option<(usize, usize)>, message: &str) {
    read(allowed);
    let error = refused(refused_text);
    assert_eq!(error.message(), message);
    assert!(error.is_too_large() && !error.is_syntax() && !error.is_regex());
    assert_eq!(error.line().zip(error.column()), place);
}

#[test]
fn the_limits_are_said_where_they_are_passed() {
    let text = |length: usize| format!("a = {}", "x".repeat(length - 4));
    let message = "the text is 4097 bytes long, more than the 4096 allowed";
    check_limit(&text(4096), &text(4097), None, message);
    let parentheses = |depth: usize| format!("{}*{}", "(".repeat(depth), ")".repeat(depth));
    check_limit(&parentheses(32), &parentheses(33), Some((1, 33)), "nested more than 32 deep");
    let nots = |depth: usize| format!("{}*", "!".repeat(depth));
    check_limit(&nots(32), &nots(4095), Some((1, 33)), "nested more than 32 deep");
    let tests = |count: usize| vec!["a = 1"; count].join(" or ");
    check_limit(&tests(256), &tests(257), Some((1, 256 * 9 + 1)), "more than the 256 tests allowed");
    let stars = |count: usize| vec!["*"; count].join("&&");
    check_limit(&stars(256), &stars(257), Some((1, 256 * 3 + 1)), "more than the 256 tests allowed");
    let levels = |count: usize| format!("@level in ({})", vec!["info"; count].join(","));
    check_limit(&levels(128), &levels(129), Some((1, 1)), "more than the 256 tests allowed");
    let regexes = |count: usize| vec!["a ~ x"; count].join(" or ");
    check_limit(&regexes(8), &regexes(9), Some((1, 8 * 9 + 5)), "more than the 8 regular expressions allowed");
}

#[test]
fn a_print_longer_than_the_text_has_the_same_limits() {
    let hidden = |count: usize| format!("a = \"{}\"", "\u{202e}".repeat(count));
    let message = "the predicate in its full form is 4098 bytes long, more than the 4096 allowed";
    check_limit(&hidden(681), &hidden(682), None, message);
    let nested = |depth: usize| format!("{}@target in (a, b)", "!".repeat(depth));
    check_limit(&nested(31), &nested(32), None, "the predicate in its full form is nested more than 32 deep");
}
