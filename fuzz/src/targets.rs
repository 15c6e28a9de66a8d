//! The readers, by what they read. Each function reads bytes and gives what it made of them away:
//! the seeds beside it are what it reads without a fault.

pub(crate) mod frameworks;
pub(crate) mod hosted;
pub(crate) mod masks;
pub(crate) mod models;
pub(crate) mod people;
pub(crate) mod served;
pub(crate) mod studies;
pub(crate) mod texts;
pub(crate) mod words;
