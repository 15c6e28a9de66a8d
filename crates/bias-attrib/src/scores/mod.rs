//! Results of methods besides scores of weights and units, and operations on scores: sums over
//! prompts, and weighting by unit.
//!
//! | file | what for |
//! |---|---|
//! | component | [`Component`], [`ComponentScores`]: where a forward pass is intervened on, and the gap's share there |
//! | edges | [`Edge`], [`Writer`], [`Reader`], [`EdgeScores`]: paths between components, and the gap's share along each |
//! | group_scores | [`GroupScores`]: scores of weights, per group |
//! | rank_directions | [`RankDirections`], [`LeadingDirections`]: directions of each matrix, per group |
//! | set_difference | [`SetDifference`]: which group's set difference |
//! | sum | [`sum_scores`]: several prompts' scores as one |
//! | in_units | [`in_units()`]: weights count by what they are part of |

pub(crate) mod component;
pub(crate) mod edges;
pub(crate) mod group_scores;
mod in_units;
pub(crate) mod rank_directions;
pub(crate) mod set_difference;
mod sum;

pub use self::component::{Component, ComponentScores};
pub use self::edges::{Edge, EdgeScores, Reader, Writer};
pub use self::group_scores::GroupScores;
pub use self::in_units::in_units;
pub use self::rank_directions::{LeadingDirections, RankDirections};
pub use self::set_difference::SetDifference;
pub use self::sum::sum_scores;
