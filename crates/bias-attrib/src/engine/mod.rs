//! Code that methods share. It is private to the crate.
//!
//! | file | what for |
//! |---|---|
//! | answer_tree | a prompt's answers as one tree, and trees in batches |
//! | shared_prefix | several people's trees as one, so that what they begin with alike is run once |
//! | likelihood | how probable the branches of answer trees are, possibly to an observed model |
//! | gap | both groups' mean answers, and what a change of them does to the gap |
//! | watch | activations at chosen sites, replaced or with their slopes |
//! | token_pairing | tokens of one person's prompt and their counterparts in another's |
//! | readback | values from a device, refused where they are not numbers |

pub(crate) mod answer_tree;
pub(crate) mod gap;
pub(crate) mod likelihood;
pub(crate) mod readback;
pub(crate) mod shared_prefix;
pub(crate) mod token_pairing;
pub(crate) mod watch;
