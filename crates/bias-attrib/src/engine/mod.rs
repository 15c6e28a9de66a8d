//! Code that methods share. It is private to the crate.
//!
//! | file | what for |
//! |---|---|
//! | answer_tree | a prompt's answers as one tree, and trees in batches |
//! | shared_prefix | several people's trees as one, so that a common prefix is run once |
//! | likelihood | log-probabilities of the branches of answer trees, possibly under an observed model |
//! | moved_answers | a person's expected answer under a model that is no longer the one that answered, and its gradients along a path |
//! | pre_norm | the norms in front of attention and MLP, to pull gradients back through |
//! | neutral_text | neutral texts as answers to their first tokens |
//! | gap | both groups' mean answers, and the gap's change with them |
//! | watch | activations at chosen sites, replaced or with their slopes |
//! | token_pairing | tokens of one person's prompt and their counterparts in another's |
//! | readback | values from a device; NaN and infinite ones are refused |

pub(crate) mod answer_tree;
pub(crate) mod gap;
pub(crate) mod likelihood;
pub(crate) mod moved_answers;
pub(crate) mod neutral_text;
pub(crate) mod pre_norm;
pub(crate) mod readback;
pub(crate) mod shared_prefix;
pub(crate) mod token_pairing;
pub(crate) mod watch;
