//! docs/cli.md, made from the definitions that `--help` is made from.
//!
//! A test holds the file to them: `TRACING_TAP_WRITE_DOCS=1 cargo test -p tracing-tap-cli reference` writes
//! it again.

use crate::CommandLine;
use clap::{Arg, Command, CommandFactory};
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
const HEAD: &str = "\
# The command line, subcommand by subcommand

Made from the definitions that `--help` is made from; a test holds it to them.

";

fn rendered() -> String {
    let mut command = CommandLine::command();
    command.build();
    let mut out = HEAD.to_owned();
    push(&mut out, format_args!("{}\n\n", command.get_about().expect("it says what it is")));
    command.get_subcommands_mut().filter(|command| command.get_name() != "help").for_each(|command| {
        write_command(&mut out, command);
    });
    let more = command.get_after_help().expect("it says what holds for all").to_string();
    write_sections(&mut out, &more);
    format!("{}\n", out.trim_end())
}

fn write_command(out: &mut String, command: &mut Command) {
    let usage = command.render_usage().to_string();
    push(out, format_args!("## `tracing-tap {}`\n\n", command.get_name()));
    let about = command.get_long_about().or(command.get_about()).expect("it says what it does").to_string();
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
    out.push_str("| argument | what |\n|---|---|\n");
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
    let help = argument.get_help().expect("every argument is told of").to_string();
    let usual: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let usual =
        if usual.is_empty() || !takes_value { String::new() } else { format!("; `{}` if not said", usual.join(" ")) };
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let possible =
        if possible.is_empty() || !takes_value { String::new() } else { format!(" ({})", possible.join(", ")) };
    push(out, format_args!("| `{name}`{short} | {}{possible}{usual} |\n", help.replace('|', "\\|")));
}

/// What is told behind a title in capitals, as it is.
fn write_sections(out: &mut String, text: &str) {
    for section in text.split("\n\n").fold(Vec::<String>::new(), joined) {
        let (title, lines) = section.split_once('\n').expect("a title has lines below it");
        let title = format!("{}{}", &title[..1], title[1..].to_lowercase());
        push(out, format_args!("## {title}\n\n```text\n{}\n```\n\n", lines.trim_end()));
    }
}

/// A paragraph that begins with a space belongs to the section before it.
fn joined(mut sections: Vec<String>, paragraph: &str) -> Vec<String> {
    match sections.last_mut() {
        Some(section) if paragraph.starts_with(' ') => push(section, format_args!("\n\n{paragraph}")),
        _ => sections.push(paragraph.to_owned()),
    }
    sections
}

fn push(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a string takes what is written to it");
}

#[test]
fn the_reference_is_what_the_definitions_say() {
    let rendered = rendered();
    if std::env::var_os("TRACING_TAP_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert_eq!(written, rendered, "write it anew: see the head of this file");
}

#[test]
fn the_definitions_contradict_nothing_in_themselves() {
    CommandLine::command().debug_assert();
}
