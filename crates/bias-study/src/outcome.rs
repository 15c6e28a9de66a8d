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
    /// What the mask of strategy `id` did here, and how far that falls short of the held-out variations of its `own` context.
    pub(crate) fn outcome(
        &self,
        id: &str,
        own: Option<&Self>,
        known: &Pruned,
        reference: &Reference,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Outcome {
        let [before, after] = self.measured(known, reference);
        let arms = arms(prompts, self.context, prompts.tested());
        let everybody: Vec<usize> = (0..arms.len()).collect();
        let people = |context: usize| {
            prompts.contexts[context].variations[0].people.iter().map(|p| (p.arm, p.split, p.name.as_str()))
        };
        let own = own
            .filter(|own| self.scope == Scope::CrossContext && people(own.context).eq(people(self.context)));
        let gone = |[before, after]: [&[&Measured]; 2], picks: &[usize]| {
            let [before, after] = measure.mean_abs_pair(before, after, picks)?;
            reduction(before, after)
        };
        Outcome {
            strategy: id.into(),
            context: prompts.contexts[self.context].context.clone(),
            scope: self.scope,
            before: measure.mean_abs(&before, &everybody).unwrap_or(f64::NAN),
            after: measure.estimate(&arms, |picks| measure.mean_abs(&after, picks)),
            signed_after: measure.mean_signed(&after, &everybody).unwrap_or(f64::NAN),
            reduction: measure.estimate(&arms, |picks| gone([&before, &after], picks)),
            shortfall: own.map(|own| {
                let [own_before, own_after] = own.measured(known, reference);
                measure.estimate(&arms, |picks| {
                    Some(gone([&own_before, &own_after], picks)? - gone([&before, &after], picks)?)
                })
            }),
            inlier: measure.estimate(&arms, |picks| Measure::inlier(&after, picks)),
            inlier_before: Measure::inlier(&before, &everybody).unwrap_or(f64::NAN),
            unexplored: after.iter().map(|m| m.unexplored).sum::<f64>() / after.len().max(1) as f64,
            degenerate: measure.degenerate(&after),
        }
    }

    /// The unpruned and the pruned model here.
    fn measured<'m>(&self, known: &'m Pruned, reference: &'m Reference) -> [Vec<&'m Measured>; 2] {
        let before = self.places.iter().map(|place| &reference.tested[place]);
        [before.collect(), self.places.iter().map(|place| &known.measured[place]).collect()]
    }
}
