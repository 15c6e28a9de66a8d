//! Hands over rows in their order, whichever thread finishes first.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Takes `−W · ∂/∂W` of each number watched, for every prunable weight, matrix after matrix. It is
/// called row by row, in order, one row at a time.
pub(super) type Visit<'a> = dyn FnMut(usize, Vec<f32>) + Send + 'a;

/// Lets threads hand over their rows in the rows' order, so that sums do not depend on which thread
/// is first.
pub(super) struct Turn<'a, 'v> {
    wanted: bool,
    state: Mutex<(usize, Option<&'a mut Visit<'v>>)>,
    moved_on: Condvar,
}

impl<'a, 'v> Turn<'a, 'v> {
    pub(super) fn new(visit: Option<&'a mut Visit<'v>>) -> Self {
        Self { wanted: visit.is_some(), state: Mutex::new((0, visit)), moved_on: Condvar::new() }
    }

    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }
}

/// One row's turn.
pub(super) struct Pass<'t, 'a, 'v> {
    pub(super) turn: &'t Turn<'a, 'v>,
    pub(super) came: bool,
}

/// Says that some row will never come.
const BROKEN_OFF: usize = usize::MAX;

impl Pass<'_, '_, '_> {
    /// Waits until all earlier rows have been handed over, then hands over this one.
    pub(super) fn come(mut self, row: usize, effect: Option<Vec<f32>>) {
        if self.turn.wanted {
            let early = |(next, _): &mut (usize, _)| *next != row && *next != BROKEN_OFF;
            let waiting = self.turn.moved_on.wait_while(locked(&self.turn.state), early);
            let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
            if state.0 == row {
                if let (Some(visit), Some(effect)) = (&mut state.1, effect) {
                    visit(row, effect);
                }
                state.0 += 1;
                self.turn.moved_on.notify_all();
            }
        }
        self.came = true;
    }
}

impl Drop for Pass<'_, '_, '_> {
    fn drop(&mut self) {
        if !self.came {
            locked(&self.turn.state).0 = BROKEN_OFF;
            self.turn.moved_on.notify_all();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
