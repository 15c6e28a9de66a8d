//! How sure a number is: intervals over names, tests, many tests at once, and how many names are
//! needed.
//!
//! | file | what for |
//! |---|---|
//! | bootstrap | [`Bootstrap`], [`Interval`], [`Ends`]: how sure a number is |
//! | permutation | [`Permutation`], [`PermutationTest`]: whether it could be chance, names relabelled |
//! | welch, mann_whitney | [`welch()`], [`Welch`], [`mann_whitney()`], [`MannWhitney`]: the usual tests, on one number per name |
//! | multiplicity | [`holm`], [`benjamini_hochberg`]: many tests at once |
//! | power | [`Design`], [`Clustering`]: how many names are needed, and what can be found with those at hand |
//! | proportion | [`Proportion`]: a share with Wilson's interval |

mod bootstrap;
mod mann_whitney;
mod multiplicity;
mod permutation;
mod power;
pub(crate) mod proportion;
mod welch;

pub use self::bootstrap::{Bootstrap, Ends, Interval};
pub use self::mann_whitney::{MannWhitney, mann_whitney};
pub use self::multiplicity::{benjamini_hochberg, holm};
pub use self::permutation::{Permutation, PermutationTest};
pub use self::power::{Clustering, Design};
pub use self::proportion::Proportion;
pub use self::welch::{Welch, welch};
