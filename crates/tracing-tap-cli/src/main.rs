//! The `tracing-tap` command: one file or folder for each subcommand.

mod catalog;
mod check;
mod close;
mod completions;
mod error;
mod manual;
mod print;
mod profile;
#[cfg(test)]
mod reference;
mod remote;
mod replay;
mod say;
mod sessions;
mod shown;
mod table;
mod terminal;
mod watch;

use clap::builder::Styles;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use error::Error;
use std::process::ExitCode;

// Paragraphs are single lines, which clap wraps at the width of the terminal.
const AFTER_HELP: &str = "\
CONFIGURATION
The URL is the argument, then that of `--profile NAME`, then TRACING_TAP_URL, then that of the profile \
TRACING_TAP_PROFILE.

The token is in `--token-file`, then in the profile's file, then in TRACING_TAP_TOKEN. It is never an argument, because \
every user of the machine can see arguments. A profile's token is sent to the profile's URL only, and TRACING_TAP_TOKEN \
only to the URL in TRACING_TAP_URL, or that of the profile in TRACING_TAP_PROFILE.

Tokens and credentials are sent without TLS only to this machine, unless there is `--allow-plaintext`. Redirects are not \
followed, nor are further servers that a NATS server names if there are credentials. Proxies are not used.

The key of a fleet is that of its instances. It is in `--key-file`, then in the profile's file, then in \
TRACING_TAP_FLEET_KEY, without line breaks at its end. It is never an argument, and is never sent. While the key of a \
running fleet is replaced, `--accept-key-file`, or `accept_key_files` in a profile, has the keys that other parts of the \
fleet sign with.

Profiles are in `tracing-tap/config.toml` in the user's configuration folder, such as ~/.config; paths there are \
relative to that file:

    [profiles.prod]
    url = \"https://chat.example/tap\"
    token_file = \"prod.token\"
    ca_file = \"prod-ca.pem\"

    [profiles.fleet]
    url = \"nats://nats.example/chat\"
    key_file = \"fleet.key\"
    credentials_file = \"watcher.creds\"
    subject_prefix = \"ops.tap\"

OUTPUT
Standard output has the events that matched. Missing events and the end of the session are reported among them, where \
they happened: in JSON lines the types `event`, `timing` with `--timings`, `missing` and `ended`. There are three more types about the connection: \
`continued` after a reconnect, nothing is missing except what is reported; `gap`, the session was gone, events in between \
are unknown, and a new session follows if time is left; `unreadable`, the server sent something that is no event. Control \
and hidden characters are escaped in every format.

In a fleet every line has the instance, as `instance` or in brackets. The types `joined`, `left`, `silent` and `refused` \
report on instances; a `gap` with an `instance` reports events lost between that instance and this program.

Standard error has everything else. A message of the server may have 16 MiB; a longer one is an error.

Files are created for their owner alone, and are written in whole lines, so they can be read, and tracing-tap can be \
killed, at any time. Only if the system itself cuts a write short is the last line incomplete: `--append` removes it, and \
`replay` leaves it out.

EXIT CODES
  0    done
  1    failed
  2    an argument, a variable or a file is invalid
  3    the server refused
  4    nothing matched, with `watch --expect` or `profile`
  130  interrupted: the second Ctrl-C, or the first before the session was open";

/// Watch one user of a running service, down to TRACE, while everybody else's events cost almost nothing
#[derive(Debug, Parser)]
#[command(name = "tracing-tap", version, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Watch(Box<watch::Arguments>),
    Profile(Box<profile::Arguments>),
    Replay(Box<replay::Arguments>),
    Sessions(sessions::Arguments),
    Close(close::Arguments),
    Catalog(catalog::Arguments),
    Check(check::Arguments),
    Completions(completions::Arguments),
    Man(manual::Arguments),
}

fn main() -> ExitCode {
    let command_line = match read_arguments() {
        Ok(command_line) => command_line,
        Err(code) => return code,
    };
    match command_line.command.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let advice = error.advice().map_or_else(String::new, |advice| format!("\n  {advice}"));
            say::report(format_args!("error: failed to {}{advice}", error.with_causes()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Reads the arguments. If they are invalid, the reason is printed, and the exit code returned.
///
/// Clap prints arguments as they are. If they have what a terminal would obey, its whole message is escaped, and
/// printed
/// without its own styles, which would be escaped too.
fn read_arguments() -> Result<CommandLine, ExitCode> {
    if std::env::args_os().all(|argument| tracing_tap::escape::is_plain(argument.as_encoded_bytes())) {
        return Ok(CommandLine::parse());
    }
    let read = CommandLine::command().styles(Styles::plain()).try_get_matches();
    read.and_then(|matches| CommandLine::from_arg_matches(&matches)).map_err(|error| {
        if !error.use_stderr() {
            // Help and the version, which have no argument in them.
            error.exit();
        }
        say::report(error.render().ansi().to_string().trim_end());
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
    })
}

impl Command {
    /// Returns the exit code.
    fn run(self) -> Result<u8, Error> {
        match self {
            Self::Watch(arguments) => block_on(watch::run(*arguments)),
            Self::Profile(arguments) => block_on(profile::run(*arguments)),
            Self::Replay(arguments) => replay::run(&arguments).map(|()| 0),
            Self::Sessions(arguments) => block_on(sessions::run(&arguments)).map(|()| 0),
            Self::Close(arguments) => block_on(close::run(&arguments)).map(|()| 0),
            Self::Catalog(arguments) => block_on(catalog::run(&arguments)).map(|()| 0),
            Self::Check(arguments) => check::run(&arguments).map(|()| 0),
            Self::Completions(arguments) => completions::run(&arguments).map(|()| 0),
            Self::Man(arguments) => manual::run(&arguments).map(|()| 0),
        }
    }
}

/// Runs on this thread only: there is one connection to read, and starting threads takes time.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::caused_by(cause, "start"))?;
    let done = runtime.block_on(work);
    // Otherwise it would wait for a DNS lookup on another thread.
    runtime.shutdown_background();
    done
}
