//! The output of events: standard output, or a file with whole lines whenever it is read or this process is killed.

use crate::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many bytes are searched for the last line break at a time.
const STEP: u64 = 64 << 10;

/// An output.
#[derive(Debug)]
pub(crate) enum Output {
    Standard,
    File { file: File, path: PathBuf, is_new: bool },
}

impl Output {
    /// Creates a file, or appends to one.
    pub(crate) fn file(path: &Path, appends: bool) -> Result<Self, Error> {
        // A pipe or a device exists already, and nothing in it is overwritten.
        let is_other = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let opened = match appends {
            true if !is_other => continued(path),
            _ => for_owner(OpenOptions::new().write(true).create_new(!is_other)).open(path),
        };
        let file = opened.map_err(|cause| {
            let exists = cause.kind() == io::ErrorKind::AlreadyExists;
            let error = Error::caused_by(cause, format!("write to `{}`", path.display()));
            if exists { error.advise("choose another file, or append to it with `--append`") } else { error }
        })?;
        Ok(Self::File { file, path: path.to_owned(), is_new: !appends && !is_other })
    }

    /// Removes a file that was created for a session that was not opened, so that the same command works the next time.
    pub(crate) fn discard(self) {
        if let Self::File { path, is_new: true, .. } = self {
            // An empty file that stays does no harm.
            let _ = fs::remove_file(path);
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Standard => io::stdout().is_terminal(),
            // Such as /dev/stdout.
            Self::File { file, .. } => file.is_terminal(),
        }
    }

    /// Writes whole lines at once, without a buffer.
    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            Self::File { file, .. } => file.write_all(lines),
        }
    }

    /// The error of a failed write.
    pub(crate) fn failed(&self, cause: io::Error) -> Error {
        match self {
            Self::Standard => Error::caused_by(cause, "write to standard output"),
            Self::File { path, .. } => Error::caused_by(cause, format!("write to `{}`", path.display())),
        }
    }
}

/// Whether standard output is a pipe without a reader, found without writing to it.
#[cfg(unix)]
pub(crate) fn nobody_reads() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut places = [PollFd::new(&stdout, PollFlags::empty())];
    let looked = poll(&mut places, Some(&Timespec::default()));
    looked.is_ok() && places[0].revents().contains(PollFlags::ERR)
}

#[cfg(not(unix))]
pub(crate) fn nobody_reads() -> bool {
    false
}

/// Opens a file to append to, and removes an incomplete last line, which a killed process may have left.
fn continued(path: &Path) -> io::Result<File> {
    let mut file = for_owner(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
    let end = end_of_last_line(&mut file)?;
    if end == 0 && file.metadata()?.len() > 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it has no whole line, so tracing-tap may not have written it",
        ));
    }
    file.set_len(end)?;
    Ok(file)
}

/// A file that is created is for its owner alone: events have users' data.
#[cfg(unix)]
fn for_owner(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn for_owner(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut bytes = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        bytes.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(place) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
