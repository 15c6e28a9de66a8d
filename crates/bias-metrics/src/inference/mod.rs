//! The certainty of a number: intervals over names, tests, corrections for many tests, and the
//! number of names needed.
//!
//! | file | what for |
//! |---|---|
//! | bootstrap | [`Bootstrap`], [`Interval`], [`Ends`]: intervals by resampling names |
//! | permutation | [`Permutation`], [`PermutationTest`]: a test by relabelling names |
//! | signs | [`SignFlips`], [`SignTest`]: a test of differences around 0, by turning their signs |
//! | labels | [`LabelShuffles`], [`LabelTest`]: a test by dealing the labels of any number of groups anew |
//! | mcnemar | [`mcnemar`]: whether two shares of the same items differ |
//! | welch, mann_whitney | [`welch()`], [`Welch`], [`mann_whitney()`], [`MannWhitney`]: the usual tests, with one number per name |
//! | multiplicity | [`holm`], [`benjamini_hochberg`]: many tests at once |
//! | power | [`Design`], [`Clustering`]: the number of names needed, and the difference that given names can show |
//! | ratio | [`ratio_interval`]: a ratio of sums over few units, such as contexts |
//! | proportion | [`Proportion`]: a share with Wilson's interval |

mod bootstrap;
mod labels;
mod mann_whitney;
mod mcnemar;
mod multiplicity;
mod permutation;
mod power;
pub(crate) mod proportion;
mod ratio;
mod signs;
mod welch;

pub use self::bootstrap::{Bootstrap, Ends, Interval};
pub use self::labels::{LabelShuffles, LabelTest};
pub use self::mann_whitney::{MannWhitney, mann_whitney};
pub use self::mcnemar::mcnemar;
pub use self::multiplicity::{benjamini_hochberg, holm};
pub use self::permutation::{Permutation, PermutationTest};
pub use self::power::{Clustering, Design};
pub use self::proportion::Proportion;
pub use self::ratio::ratio_interval;
pub use self::signs::{SignFlips, SignTest};
pub use self::welch::{Welch, welch};
