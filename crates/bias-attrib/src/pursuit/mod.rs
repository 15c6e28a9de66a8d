//! The signed gap iterated: the numbers watched, the candidates for pruning, and the choice of
//! those that together close the gap.
//!
//! | file | what for |
//! |---|---|
//! | gap_pursuit | [`GapPursuit`]: the search |
//! | found | [`Pursuit`], [`Round`]: its result, and each of its rounds |
//! | trust | how far a guarded search goes before it measures again |
//! | effects | the numbers watched, and each weight's effect on them |
//! | turns | rows handed over in their order, whichever thread is first |
//! | candidates | candidates for pruning, and the choice of those that together close the residual |
//! | highest | the highest of many numbers that are not kept |
//! | matching | the next candidate, without a look at all of them |

mod candidates;
mod effects;
mod found;
mod gap_pursuit;
mod highest;
mod matching;
mod trust;
mod turns;

pub use self::found::{Pursuit, Round};
pub use self::gap_pursuit::GapPursuit;
