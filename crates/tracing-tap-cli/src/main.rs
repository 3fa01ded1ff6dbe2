//! The `tracing-tap` command: one file or folder for each subcommand.

mod catalog;
mod check;
mod close;
mod completions;
mod error;
mod manual;
mod print;
#[cfg(test)]
mod reference;
mod remote;
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

const AFTER_HELP: &str = "\
CONFIGURATION
  A door's URL is the argument, else that of `--profile NAME`, else TRACING_TAP_URL, else that of the profile
  TRACING_TAP_PROFILE. Its token is in `--token-file`, else in the profile's file, else in TRACING_TAP_TOKEN; it is never
  an argument, which everybody on the machine could see. Profiles are in `tracing-tap/config.toml` in the user's
  configuration folder, such as ~/.config; paths there are relative to that file:

    [profiles.prod]
    url = \"https://chat.example/tap\"
    token_file = \"prod.token\"
    ca_file = \"prod-ca.pem\"

    [profiles.fleet]
    url = \"nats://nats.example/chat\"
    key_file = \"fleet.key\"
    credentials_file = \"watcher.creds\"
    subject_prefix = \"ops.tap\"

  A profile's token is sent to the profile's URL only, TRACING_TAP_TOKEN to that of TRACING_TAP_URL or
  TRACING_TAP_PROFILE only. Tokens and credentials are sent without TLS to this machine only, unless there is
  `--allow-plaintext`. Redirects are not followed, proxies are not used.

  A fleet's key, which its instances have too, is in `--key-file`, else in the profile's file, else in
  TRACING_TAP_FLEET_KEY; line breaks at its end are no part of it. It is never an argument, and is not sent.

OUTPUT
  Every event on standard output is one that matched; losses and the end of the session are told among them, where they
  happened. In lines of JSON they are of the types `event`, `missing` and `ended`. What became of the reading is there too:
  `continued`, once a lost connection is made anew, with nothing missing but what is announced; `gap`, where the session
  was gone, and what happened in between is not known: another begins, where there is time left; `unreadable`, where
  something came that is no event. Whatever a terminal would obey or not show is escaped, in every form, whoever has sent
  it.

  Of a fleet, every line has the instance, as `instance` or in brackets; what becomes of instances is told where it
  happened, as the types `joined`, `left`, `silent` and `refused`, and events lost between an instance and here as `gap`
  with an `instance`.

  Standard error is for what is said beside that. A message of the server may have 16 MiB; what has more is an error.

  A file is written in whole lines, each write ending with one, so that it may be read, and tracing-tap killed, at any time.
  Only where the system itself cuts a write short is the last line not whole: `--append` takes such a one away.

EXIT CODES
  0    it ended as asked
  1    it failed
  2    it cannot be done as asked: an argument, a variable or a file says what it must not
  3    the server refused
  4    nothing matched, with `watch --expect`
  130  the second Ctrl-C, or the first before the session was open: it was not read to its end";

/// Watch one user of a running service, down to TRACE, while everyone else costs nothing.
#[derive(Debug, Parser)]
#[command(name = "tracing-tap", version, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Watch(Box<watch::Arguments>),
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
            say::tell(format_args!("error: failed to {}{advice}", error.with_causes()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// What was asked for; where that is not to be done, it was said why.
///
/// Clap repeats arguments as they are. Where they have what a terminal would obey, all that it says is escaped, and has
/// no styles of its own, which would be escaped too.
fn read_arguments() -> Result<CommandLine, ExitCode> {
    if std::env::args_os().all(|argument| tracing_tap::escape::is_plain(argument.as_encoded_bytes())) {
        return Ok(CommandLine::parse());
    }
    let read = CommandLine::command().styles(Styles::plain()).try_get_matches();
    read.and_then(|matches| CommandLine::from_arg_matches(&matches)).map_err(|error| {
        if !error.use_stderr() {
            // Help and the version, which repeat nothing.
            error.exit();
        }
        say::tell(error.render().ansi().to_string().trim_end());
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
    })
}

impl Command {
    /// Gives the exit code.
    fn run(self) -> Result<u8, Error> {
        match self {
            Self::Watch(arguments) => block_on(watch::run(*arguments)),
            Self::Sessions(arguments) => block_on(sessions::run(&arguments)).map(|()| 0),
            Self::Close(arguments) => block_on(close::run(&arguments)).map(|()| 0),
            Self::Catalog(arguments) => block_on(catalog::run(&arguments)).map(|()| 0),
            Self::Check(arguments) => check::run(&arguments).map(|()| 0),
            Self::Completions(arguments) => completions::run(&arguments).map(|()| 0),
            Self::Man(arguments) => manual::run(&arguments).map(|()| 0),
        }
    }
}

/// Runs on this one thread: there is one connection to read, and starting others takes time.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::caused_by(cause, "start"))?;
    let done = runtime.block_on(work);
    // A name that is being looked up on another thread would be waited for.
    runtime.shutdown_background();
    done
}
