//! The plan of a study after the audit: its jobs, and where each mask is tested.

mod dial_job;
mod job;
mod test;

pub(crate) use self::dial_job::DialJob;
pub(crate) use self::job::{Job, What, focus, jobs};
pub(crate) use self::test::{Test, named, tests, tests_of, tries};
