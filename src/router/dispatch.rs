//! The subscriber of a layer as this thread's default.

use crate::guard::run_user_code;
use crate::layer::Instance;
use tracing_core::{Dispatch, dispatcher};

/// Runs `f` with the subscriber of this layer as the thread's default: `tracing` may ask only that one. Returns whether
/// there is one.
///
/// If it is the default already, it is not set again: while any thread has a scoped default, nested events of all other
/// threads are discarded.
pub(super) fn with_dispatch(instance: &Instance, f: impl FnOnce(&Dispatch)) -> bool {
    dispatcher::get_default(|default| instance.adopt_dispatch(default));
    let Some(dispatch) = instance.dispatch() else { return false };
    let is_default = dispatcher::get_default(|default| Instance::is_same(default, &dispatch));
    let _default = (!is_default).then(|| dispatcher::set_default(&dispatch));
    // Other layers are asked, and may panic; this thread must not end for it.
    run_user_code(|| f(&dispatch));
    true
}
