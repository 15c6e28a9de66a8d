//! The names of the methods that a study tries, as written in files. A method of your own may have
//! any other name. Whether a mask is the null of another does not follow from its name
//! ([`Strategy::null_of`](super::Strategy::null_of)).

/// The paper's: top weights of the second group that are not among the first's.
pub(crate) const WANDA_B_A: &str = "wanda-b-a";
/// The same with the groups swapped.
pub(crate) const WANDA_A_B: &str = "wanda-a-b";
/// The weights in the set difference of every variation.
pub(crate) const WANDA_COMMON: &str = "wanda-common";
/// First-order share of the gap, in one step.
pub(crate) const SIGNED_GAP: &str = "signed-gap";
/// Closes all gaps together, round by round.
pub(crate) const GAP_PURSUIT: &str = "gap-pursuit";
/// The signed gap of weights that neutral text does not need.
pub(crate) const SIGNED_GAP_GUARDED: &str = "signed-gap-guarded";
/// Gap pursuit among such weights, in a trust region.
pub(crate) const GAP_PURSUIT_GUARDED: &str = "gap-pursuit-guarded";
/// Heads that attend from the answer to the name.
pub(crate) const HEAD_ATTENTION: &str = "head-attention";
/// Random weights, as many in every matrix as another mask has.
pub(crate) const RANDOM: &str = "random";
/// Random heads.
pub(crate) const RANDOM_HEADS: &str = "random-heads";

#[cfg(test)]
mod tests {
    use super::*;

    /// These names are in files, ids and seeds. None of them may change.
    #[test]
    fn methods_are_called_as_ever() {
        let names = [
            WANDA_B_A,
            WANDA_A_B,
            WANDA_COMMON,
            SIGNED_GAP,
            GAP_PURSUIT,
            SIGNED_GAP_GUARDED,
            GAP_PURSUIT_GUARDED,
            HEAD_ATTENTION,
            RANDOM,
            RANDOM_HEADS,
        ];
        let pinned = [
            "wanda-b-a",
            "wanda-a-b",
            "wanda-common",
            "signed-gap",
            "gap-pursuit",
            "signed-gap-guarded",
            "gap-pursuit-guarded",
            "head-attention",
            "random",
            "random-heads",
        ];
        assert_eq!(names, pinned);
    }
}
