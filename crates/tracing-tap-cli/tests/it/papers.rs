//! The subcommands that contact no server, and the help.

use crate::program::{Program, command, run};

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
fn there_are_pages_of_the_manual() {
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

#[test]
fn the_help_is_wrapped_once_at_the_width_of_the_terminal() {
    for columns in [60, 90] {
        let ended = Program::start(command(&["--help"]).env("COLUMNS", columns.to_string())).end();
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{}", ended.stdout);
        let is_prose = |line: &str| line.contains(char::is_lowercase) && !line.starts_with(' ');
        for pair in lines.windows(2).filter(|pair| is_prose(pair[0]) && is_prose(pair[1])) {
            let first_word = pair[1].split(' ').next().unwrap_or_default();
            let could_have = pair[0].chars().count() + 1 + first_word.chars().count();
            assert!(could_have > columns, "`{first_word}` fits behind `{}`", pair[0]);
        }
    }
    let examples = Program::start(command(&["watch", "--help"]).env("COLUMNS", "80")).end().stdout;
    let examples: Vec<_> = examples.lines().skip_while(|line| *line != "Examples:").skip(1).collect();
    assert!(!examples.is_empty() && examples.iter().all(|line| line.starts_with("  ")), "{examples:?}");
}
