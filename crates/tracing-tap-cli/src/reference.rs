//! Generates docs/cli.md from the definitions behind `--help`.
//!
//! A test compares the two; `TRACING_TAP_WRITE_DOCS=1 cargo test -p tracing-tap-cli reference` writes the file.

use crate::CommandLine;
use clap::{Arg, Command, CommandFactory};
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
const HEAD: &str = "\
# The command line

Generated from the definitions behind `--help`; a test compares the two.

";

fn rendered() -> String {
    let mut command = CommandLine::command();
    command.build();
    let mut out = HEAD.to_owned();
    push(&mut out, format_args!("{}\n\n", command.get_about().expect("the program has a description")));
    command.get_subcommands_mut().filter(|command| command.get_name() != "help").for_each(|command| {
        write_command(&mut out, command);
    });
    let more = command.get_after_help().expect("the program has more help").to_string();
    write_sections(&mut out, &more);
    format!("{}\n", out.trim_end())
}

fn write_command(out: &mut String, command: &mut Command) {
    let usage = command.render_usage().to_string();
    push(out, format_args!("## `tracing-tap {}`\n\n", command.get_name()));
    let about =
        command.get_long_about().or(command.get_about()).expect("each subcommand has a description").to_string();
    let (first, rest) = about.split_once('\n').unwrap_or((&about, ""));
    push(
        out,
        format_args!(
            "{}.{}\n\n",
            first.trim_end_matches('.'),
            if rest.is_empty() { String::new() } else { format!("\n{rest}") }
        ),
    );
    push(out, format_args!("```text\n{}\n```\n\n", usage.trim_start_matches("Usage: ")));
    out.push_str("| argument | meaning |\n|---|---|\n");
    command
        .get_arguments()
        .filter(|argument| argument.get_id() != "help")
        .for_each(|argument| write_argument(out, argument));
    out.push('\n');
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        match examples.split_once(":\n") {
            Some((_, lines)) => {
                let lines: Vec<_> = lines.lines().map(|line| format!("$ {}", line.trim())).collect();
                push(out, format_args!("```console\n{}\n```\n\n", lines.join("\n")));
            }
            None => push(out, format_args!("{examples}\n\n")),
        }
    }
}

fn write_argument(out: &mut String, argument: &Arg) {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let takes_value = argument.get_action().takes_values();
    let name = match argument.get_long() {
        Some(long) if takes_value => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    };
    let short = argument.get_short().map_or_else(String::new, |short| format!(", `-{short}`"));
    let help = argument.get_help().expect("every argument has a help text").to_string();
    let usual: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let usual =
        if usual.is_empty() || !takes_value { String::new() } else { format!("; default `{}`", usual.join(" ")) };
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let possible =
        if possible.is_empty() || !takes_value { String::new() } else { format!(" ({})", possible.join(", ")) };
    push(out, format_args!("| `{name}`{short} | {}{possible}{usual} |\n", help.replace('|', "\\|")));
}

/// A paragraph whose first line is in capitals begins a section; an indented one is shown as it is.
fn write_sections(out: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        let is_titled =
            paragraph.lines().next().is_some_and(|line| !line.contains(char::is_lowercase) && line.len() > 1);
        let (title, body) = if is_titled { paragraph.split_once('\n').unwrap_or_default() } else { ("", paragraph) };
        if is_titled {
            push(out, format_args!("## {}{}\n\n", &title[..1], title[1..].to_lowercase()));
        }
        if body.starts_with(' ') {
            push(out, format_args!("```text\n{body}\n```\n\n"));
        } else {
            push(out, format_args!("{body}\n\n"));
        }
    }
}

fn push(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a string takes what is written to it");
}

#[test]
fn the_reference_is_that_of_the_definitions() {
    let rendered = rendered();
    if std::env::var_os("TRACING_TAP_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert_eq!(written, rendered, "docs/cli.md is out of date: see the head of this file");
}

#[test]
fn the_definitions_are_consistent() {
    CommandLine::command().debug_assert();
}
