//! Opening a session by one signal and closing it by the next.

use crate::forward::Forwarding;
use crate::render::FormatOptions;
use crate::router::TapRouter;
use crate::session::{SessionId, SessionOptions};
use signal_hook::consts::{FORBIDDEN, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::signal_name;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The target of the events that report a failed writer.
const SWITCH_TARGET: &str = "tracing_tap::switch";

/// The end of the range of signal numbers that can be listened for.
const SIGNALS_END: i32 = 128;

/// A Unix signal. `Display` prints its name: `SIGUSR1`.
///
/// ```
/// use tracing_tap::switch::Signal;
///
/// assert_eq!(Signal::USR1.to_string(), "SIGUSR1");
/// assert_eq!(Signal::from_number(Signal::QUIT.number()), Signal::QUIT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// A handle to the signals of [`TapRouter::on_signal`]. Dropping it stops the listening and closes the open session.
///
/// It keeps the router alive. After the drop the signals do nothing: their default action is not restored.
#[derive(Debug)]
#[must_use = "dropping the switch stops the listening"]
pub struct SignalSwitch {
    handle: Handle,
    state: Arc<Mutex<State>>,
    router: TapRouter,
    listener: Option<JoinHandle<io::Result<()>>>,
}

/// The state shared by the listening thread and the switch.
#[derive(Debug, Default)]
struct State {
    is_stopped: bool,
    open: Option<SessionId>,
}

/// The state of the listening thread.
struct Listener<W> {
    router: TapRouter,
    session: SessionOptions,
    writer: Arc<Mutex<W>>,
    form: FormatOptions,
    state: Arc<Mutex<State>>,
    forwarding: Option<Forwarding>,
}

impl Signal {
    /// `SIGHUP`.
    pub const HUP: Self = Self(SIGHUP);
    /// `SIGQUIT`, which a terminal sends on Ctrl-\.
    pub const QUIT: Self = Self(SIGQUIT);
    /// `SIGUSR1`.
    pub const USR1: Self = Self(SIGUSR1);
    /// `SIGUSR2`.
    pub const USR2: Self = Self(SIGUSR2);

    /// Creates a signal from its number on this system. [`TapRouter::on_signal`] checks that it exists.
    pub fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number on this system.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl TapRouter {
    /// Opens a session at the first of these signals, closes it at the next, and so on.
    ///
    /// Each session is forwarded to `writer` like [`forward_to`](crate::EventStream::forward_to), one after the other. If a
    /// session has ended by a limit or by an error of the writer, the next signal opens a new one. An error of the writer is
    /// logged as a warning with the target `tracing_tap::switch`. Signals that arrive faster than a session opens may
    /// count as one, as is usual for signals. While the writer blocks, a closing signal delays the following ones. Costs one
    /// thread, and one more while a session is open.
    ///
    /// From the call on, the signals no longer have their default action, such as ending the process. A session without an
    /// opener gets `signal SIGUSR1` as its `opened_by`.
    ///
    /// # Errors
    /// If `signals` is empty, if one of them does not exist or cannot be handled (`SIGKILL`, `SIGSTOP`, `SIGILL`, `SIGFPE`,
    /// `SIGSEGV`), or if the system cannot start a thread. Nothing has changed then.
    ///
    /// ```no_run
    /// use tracing_tap::{Format, Predicate, TapRouter};
    /// use tracing_tap::switch::Signal;
    ///
    /// let router = TapRouter::new();
    /// let slow = Predicate::gt("latency_ms", 250);
    /// // `kill -USR1` opens the session, a second one closes it.
    /// let _switch = router.on_signal([Signal::USR1], slow, std::io::stderr(), Format::Compact)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_signal(
        &self,
        signals: impl IntoIterator<Item = Signal>,
        session: impl Into<SessionOptions>,
        writer: impl Write + Send + 'static,
        form: impl Into<FormatOptions>,
    ) -> io::Result<SignalSwitch> {
        let mut signals = listen_for(&signals.into_iter().collect::<Vec<_>>())?;
        let handle = signals.handle();
        let state = Arc::new(Mutex::default());
        let mut listener = Listener {
            router: self.clone(),
            session: session.into(),
            writer: Arc::new(Mutex::new(writer)),
            form: form.into(),
            state: Arc::clone(&state),
            forwarding: None,
        };
        let run = move || {
            for number in signals.forever() {
                listener.toggle(Signal(number));
            }
            listener.finish().map(drop)
        };
        let listener = std::thread::Builder::new().name("tracing-tap-signal".to_owned()).spawn(run)?;
        Ok(SignalSwitch { handle, state, router: self.clone(), listener: Some(listener) })
    }
}

impl SignalSwitch {
    /// Stops the listening, closes the open session, and blocks until all of it is written.
    ///
    /// # Errors
    /// The error of the writer, if that ended the last session.
    pub fn join(mut self) -> io::Result<()> {
        self.stop();
        let Some(listener) = self.listener.take() else { return Ok(()) };
        listener.join().unwrap_or_else(|_| Err(io::Error::other("the listening thread panicked")))
    }

    fn stop(&self) {
        let open = {
            let mut state = lock(&self.state);
            state.is_stopped = true;
            state.open.take()
        };
        if let Some(id) = open {
            self.router.close(id);
        }
        self.handle.close();
    }
}

impl Drop for SignalSwitch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<W: Write + Send + 'static> Listener<W> {
    fn toggle(&mut self, signal: Signal) {
        let open = lock(&self.state).open.take();
        let was_open = open.is_some_and(|id| self.router.close(id));
        // All of one session is written before the next. An error has been logged by `write`.
        let _ = self.finish();
        if !was_open && let Err(error) = self.open(signal) {
            tracing::warn!(target: SWITCH_TARGET, %error, %signal, "the session of a signal could not be forwarded");
        }
    }

    fn open(&mut self, signal: Signal) -> io::Result<()> {
        let mut session = self.session.clone();
        session.opened_by.get_or_insert_with(|| format!("signal {signal}"));
        let stream = self.router.watch(session);
        let id = stream.id();
        let writer = Arc::clone(&self.writer);
        let forwarding = stream.forward_with(self.form, move |batch| write(&writer, batch))?;
        self.forwarding = Some(forwarding);
        let is_stopped = {
            let mut state = lock(&self.state);
            state.open = Some(id);
            state.is_stopped
        };
        if is_stopped {
            self.router.close(id);
        }
        Ok(())
    }

    /// Waits until the closed session is written.
    fn finish(&mut self) -> io::Result<()> {
        self.forwarding.take().map_or(Ok(()), |forwarding| forwarding.join().map(drop))
    }
}

/// Writes a batch. Nobody waits for the session, so an error that ends it is logged here.
fn write<W: Write>(writer: &Mutex<W>, batch: &[u8]) -> io::Result<()> {
    let mut writer = lock(writer);
    let written = writer.write_all(batch).and_then(|()| writer.flush());
    written.inspect_err(|error| {
        tracing::warn!(target: SWITCH_TARGET, %error, "the session of a signal ends: its writer failed");
    })
}

fn listen_for(signals: &[Signal]) -> io::Result<Signals> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if signals.is_empty() {
        return refuse("failed to listen for signals: none is given".to_owned());
    }
    for signal in signals {
        if FORBIDDEN.contains(&signal.0) {
            return refuse(format!("failed to listen for {signal}: no process can handle it"));
        }
        if !(1..SIGNALS_END).contains(&signal.0) {
            return refuse(format!("failed to listen for {signal}: there is no such signal"));
        }
    }
    let attempt = |error: io::Error| {
        let signals: Vec<_> = signals.iter().map(Signal::to_string).collect();
        io::Error::new(error.kind(), format!("failed to listen for {}: {error}", signals.join(", ")))
    };
    Signals::new(signals.iter().map(|signal| signal.0)).map_err(attempt)
}

/// Ignores poisoning: the state is consistent at any moment, and the writer handles its own panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}
