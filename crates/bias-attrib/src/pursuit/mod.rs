//! The signed gap iterated: the numbers watched, the candidates for pruning, and the choice of
//! those that together close the gap.
//!
//! | file | what for |
//! |---|---|
//! | gap_pursuit | [`GapPursuit`], [`Pursuit`], [`Round`]: the search, what it did, and each of its rounds |
//! | effects | what is watched, and by how much each weight moves it |
//! | turns | rows handed over in their order, whoever is first |
//! | candidates | what can be pruned, and which of it closes what is missing together |
//! | highest | the highest of many numbers that are not kept |
//! | matching | which candidate comes next, without a look at all of them |

mod candidates;
mod effects;
mod gap_pursuit;
mod highest;
mod matching;
mod turns;

pub use self::gap_pursuit::{GapPursuit, Pursuit, Round};
