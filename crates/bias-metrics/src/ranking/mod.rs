//! Comparisons of rankings: units known to matter, the weights of another mask, the likelier of two
//! sentences.
//!
//! | file | what for |
//! |---|---|
//! | localisation | [`localisation()`], [`Localisation`]: whether scores rank the units known to matter first |
//! | overlap | [`overlap()`], [`Overlap`], [`MatrixOverlap`]: whether two masks agree beyond chance |
//! | pairs | [`pair_preference`], [`PairScore`], [`PairPreference`], [`PairDirection`]: the preferred one of two sentences (CrowS-Pairs) |

mod localisation;
mod overlap;
mod pairs;

pub use self::localisation::{Localisation, localisation};
pub use self::overlap::{MatrixOverlap, Overlap, overlap};
pub use self::pairs::{PairDirection, PairPreference, PairScore, pair_preference};
