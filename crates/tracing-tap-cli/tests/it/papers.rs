//! What asks no server.

use crate::program::run;

#[test]
fn a_predicate_is_checked_without_asking_anybody() {
    let checked = run(&["check", "user==42 && !(n<1) && user != 7"]);
    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (Some(0), "user = 42 and not n < 1 and user != 7\nfields: n, user\n")
    );
    assert_eq!(run(&["check", "*"]).stdout, "*\nfields: none\n");
    run(&["check", "user = 42 and"]).assert(2, &["failed to parse the predicate: line 1, column 14", "^"]);
    run(&["check", "user = \u{1b}[2J"]).assert(2, &["failed to parse the predicate"]);
}

#[test]
fn there_are_completions_for_every_shell() {
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef tracing-tap"),
        ("fish", "complete -c tracing-tap"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = run(&["completions", shell]);
        script.assert(0, &[]);
        assert!(script.stdout.contains(part) && script.stdout.contains("reconnect-for"), "{shell}");
    }
    run(&["completions", "tcsh"]).assert(2, &["possible values: bash"]);
}

#[test]
fn there_is_a_page_of_the_manual_for_all_and_for_each() {
    let page = run(&["man"]).stdout;
    assert!(page.contains(".TH tracing-tap 1") && page.contains("EXIT CODES"), "{page}");
    let page = run(&["man", "watch"]).stdout;
    assert!(page.contains(".TH tracing-tap-watch 1") && page.contains("reconnect"), "{page}");
    run(&["man", "nothing"]).assert(2, &["failed to find the page of `nothing`"]);
}

#[test]
fn the_help_says_every_exit_code_and_where_the_token_comes_from() {
    let help = run(&["--help"]).stdout;
    for part in ["\n  0 ", "\n  1 ", "\n  2 ", "\n  3 ", "\n  4 ", "\n  130 ", "TRACING_TAP_TOKEN", "config.toml"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    assert!(run(&["watch", "--help"]).stdout.contains("--reconnect-for"));
}
