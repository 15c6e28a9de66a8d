use std::collections::BTreeMap;

use bias_metrics::reduction;

use crate::asking::Place;
use crate::baseline::{Reference, arms};
use crate::measure::{Measure, Measured};
use crate::prompts::PromptSet;
use crate::results::{Outcome, Scope};

/// One context's variations that a mask is tested on.
pub(crate) struct Test {
    pub scope: Scope,
    pub context: usize,
    pub places: Vec<Place>,
}

/// What is known of the model under one mask.
#[derive(Default)]
pub(crate) struct Pruned {
    pub measured: BTreeMap<Place, Measured>,
    pub perplexity: Option<f64>,
}

impl Test {
    /// What the mask of strategy `id` did here.
    pub(crate) fn outcome(
        &self,
        id: &str,
        known: &Pruned,
        reference: &Reference,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Outcome {
        let after: Vec<&Measured> = self.places.iter().map(|place| &known.measured[place]).collect();
        let before: Vec<&Measured> = self.places.iter().map(|place| &reference.tested[place]).collect();
        let arms = arms(prompts, self.context, prompts.tested());
        let everybody: Vec<usize> = (0..arms.len()).collect();
        Outcome {
            strategy: id.into(),
            context: prompts.contexts[self.context].context.clone(),
            scope: self.scope,
            before: measure.mean_abs(&before, &everybody).unwrap_or(f64::NAN),
            after: measure.estimate(&arms, |picks| measure.mean_abs(&after, picks)),
            signed_after: measure.mean_signed(&after, &everybody).unwrap_or(f64::NAN),
            reduction: measure.estimate(&arms, |picks| {
                let [before, after] = measure.mean_abs_pair(&before, &after, picks)?;
                reduction(before, after)
            }),
            inlier: measure.estimate(&arms, |picks| Measure::inlier(&after, picks)),
            inlier_before: Measure::inlier(&before, &everybody).unwrap_or(f64::NAN),
            unexplored: after.iter().map(|m| m.unexplored).sum::<f64>() / after.len().max(1) as f64,
            degenerate: measure.degenerate(&after),
        }
    }
}
