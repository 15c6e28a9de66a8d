//! The part of a study that is done here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part of a study that is done here: the `index`-th of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole study.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The `index`-th of `count` parts, from 0; `None` if there is no such part.
    #[must_use]
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Whether this part includes the `job`-th job.
    #[must_use]
    pub fn takes(self, job: usize) -> bool {
        job % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `index/count`, from `0/n` to `n-1/n`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        parts.and_then(|(i, n)| Self::new(i, n)).ok_or_else(|| {
            format!("`{text}`: a part of how many is needed, from 0, such as 0/4, 1/4, 2/4 and 3/4")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_jobs_once() {
        for count in 1..5 {
            let parts: Vec<Shard> =
                (0..count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
            for job in 0..20 {
                assert_eq!(parts.iter().filter(|part| part.takes(job)).count(), 1);
            }
        }
        for bad in ["", "1", "1/1", "4/4", "0/0", "-1/2", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
