//! `tracing-tap replay`: shows a recording again, filtered, in any format.
//!
//! `arguments` are the options. `input` gives whole lines, `line` says what each is, `player` filters and prints them:
//! events within the `window`, and what the recording says of itself in the words of `notices`. `summary` counts.
//! `strangers` recognises files that are something else.

mod arguments;
mod input;
mod line;
mod notices;
mod player;
mod strangers;
mod summary;
mod window;

pub(crate) use arguments::Arguments;

use crate::error::Error;
use crate::say;
use input::Lines;
use player::{Played, Player};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Replays to the end.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let player = Player::new(arguments)?;
    let name = arguments.shown_file();
    let played = match open(arguments.file())? {
        Some(file) => play(player, file, &name),
        None => play(player, io::stdin().lock(), &name),
    }?;
    let Played::All(summary) = played else { return Ok(()) };
    if let Some(cut) = summary.cut_short() {
        say::warn(cut);
    }
    if !arguments.quiet {
        say::report(&summary);
    }
    match summary.unreadable {
        0 => Ok(()),
        1 => Err(Error::new("read one line of the recording; the output says which and why")),
        count => Err(Error::new(format!("read {count} lines of the recording; the output says which and why"))),
    }
}

/// `None` is standard input.
fn open(path: &Path) -> Result<Option<File>, Error> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let opened = File::open(path);
    opened.map(Some).map_err(|cause| Error::caused_by(cause, format!("open `{}`", path.display())).into_usage())
}

fn play(mut player: Player, source: impl Read, name: &str) -> Result<Played, Error> {
    let mut lines = Lines::of(source);
    loop {
        while let Some(line) = lines.next_line() {
            player.take(line).map_err(|stranger| stranger.error(name))?;
            if player.has_full_buffer() && !player.write()? {
                return Ok(Played::ReaderGone);
            }
        }
        // Before more is waited for: it may be a pipe.
        if !player.write()? {
            return Ok(Played::ReaderGone);
        }
        if !lines.read_more().map_err(|cause| Error::caused_by(cause, format!("read `{name}`")))? {
            break;
        }
    }
    player.take_rest(lines.rest()).map_err(|stranger| stranger.error(name))?;
    if player.write()? { Ok(Played::All(player.into_summary())) } else { Ok(Played::ReaderGone) }
}
