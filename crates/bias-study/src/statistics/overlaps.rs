use bias_mask::Mask;
use bias_metrics::ranking::{MatrixOverlap, overlap};
use bias_types::prompt::Context;

use crate::StudyError;
use crate::results::{Budget, ContextOverlap, Experiment, TrainedOn};
use crate::store::{Found, Store};

/// A method at a budget.
type Family<'a> = (&'a str, &'a Budget);

/// The agreement of the masks of two contexts, method by method at each budget.
pub(crate) fn overlaps(found: &[Found], store: &Store) -> Result<Vec<ContextOverlap>, StudyError> {
    let mut groups: Vec<(Family<'_>, Vec<(&Context, &str)>)> = Vec::new();
    for own in found.iter().filter(|own| own.strategy.experiment == Experiment::Transfer) {
        let family = (own.strategy.method.as_str(), &own.strategy.budget);
        let (TrainedOn::Context(context), Some(mask)) = (&own.strategy.trained_on, &own.mask)
        else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| *known == family) {
            Some((_, masks)) => masks.push((context, mask)),
            None => groups.push((family, vec![(context, mask)])),
        }
    }
    let mut out = Vec::new();
    for ((method, budget), masks) in groups {
        // Only these are held at once.
        let masks = masks.into_iter().map(|(context, name)| Ok((context, store.mask(name)?)));
        let masks = masks.collect::<Result<Vec<(&Context, Mask)>, StudyError>>()?;
        for (i, (first, a)) in masks.iter().enumerate() {
            for (second, b) in &masks[i + 1..] {
                let meetings = a.meetings(b)?.into_iter().map(|m| MatrixOverlap {
                    total: m.total as u64,
                    a: m.left as u64,
                    b: m.right as u64,
                    both: m.both as u64,
                });
                let found = overlap(&meetings.collect::<Vec<_>>())?;
                out.push(ContextOverlap {
                    method: method.into(),
                    budget: budget.clone(),
                    contexts: [(*first).clone(), (*second).clone()],
                    jaccard: found.jaccard,
                    jaccard_by_chance: found.expected_jaccard,
                    coefficient: found.coefficient,
                    coefficient_by_chance: found.expected_coefficient,
                });
            }
        }
    }
    Ok(out)
}
