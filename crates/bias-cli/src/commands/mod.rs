//! The subcommands, one file each. Each has `Args`, whose doc comments are the help text, and
//! `run`.

pub(crate) mod attribute;
pub(crate) mod audit;
pub(crate) mod benchmark;
pub(crate) mod capture;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod frameworks;
pub(crate) mod generalize;
pub(crate) mod man;
pub(crate) mod pairs;
pub(crate) mod prune;
pub(crate) mod serve;
pub(crate) mod study;
pub(crate) mod verify;
