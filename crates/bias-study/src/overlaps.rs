use bias_metrics::{MatrixOverlap, overlap};

use crate::results::{ContextOverlap, TrainedOn};
use crate::{Candidate, StudyError};

/// How far masks of two contexts agree, method by method at each budget.
pub(crate) fn overlaps(candidates: &[Candidate]) -> Result<Vec<ContextOverlap>, StudyError> {
    let mut out = Vec::new();
    for (i, a) in candidates.iter().enumerate() {
        for b in &candidates[i + 1..] {
            let (TrainedOn::Context(first), TrainedOn::Context(second)) = (&a.trained_on, &b.trained_on)
            else {
                continue;
            };
            if a.method != b.method || a.budget != b.budget {
                continue;
            }
            let meetings = a.mask.meetings(&b.mask)?.into_iter().map(|m| MatrixOverlap {
                total: m.total as u64,
                a: m.left as u64,
                b: m.right as u64,
                both: m.both as u64,
            });
            let found = overlap(&meetings.collect::<Vec<_>>())?;
            out.push(ContextOverlap {
                method: a.method.clone(),
                budget: a.budget.clone(),
                contexts: [first.clone(), second.clone()],
                jaccard: found.jaccard,
                jaccard_by_chance: found.expected_jaccard,
                coefficient: found.coefficient,
                coefficient_by_chance: found.expected_coefficient,
            });
        }
    }
    Ok(out)
}
