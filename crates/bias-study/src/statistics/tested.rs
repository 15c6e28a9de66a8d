use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use std::collections::HashMap;

use bias_metrics::MetricError;
use bias_metrics::effect::reduction;

use super::measure::Measure;
use super::measured::Measured;
use super::reference::Reference;
use crate::StudyError;
use crate::plan::{Test, named};
use crate::prompts::{PromptSet, VariationIndex, arms};
use crate::results::{Outcome, Scope};
use crate::store::{Piece, Store};

/// Everything known of a changed model.
pub(crate) struct Tested {
    /// The answers, by the variations of a test.
    measured: HashMap<Vec<VariationIndex>, Vec<Measured>>,
    /// Relative change of perplexity on neutral text.
    pub perplexity_change: Option<f64>,
}

impl Tested {
    /// Reads the answers to these tests.
    pub(crate) fn read(
        store: &Store,
        prompts: &PromptSet,
        change: &str,
        tests: &[Test],
    ) -> Result<Self, StudyError> {
        let mut measured = HashMap::new();
        for test in tests {
            let piece = Piece::Tested(change, named(prompts, &test.places));
            let own: Vec<Measured> = store.finished(&piece)?;
            let people = arms(prompts, test.context, prompts.tested());
            if own.len() != test.places.len() || !own.iter().all(|m| m.is_of(&people)) {
                return Err(store.damaged(&piece, "it has answers of other people or variations"));
            }
            measured.insert(test.places.clone(), own);
        }
        let perplexity = |change| store.finished::<Option<f64>>(&Piece::Perplexity(change));
        let perplexity_change = match (perplexity(None)?, perplexity(Some(change))?) {
            (Some(before), Some(after)) => {
                Some(after / before - 1.0).filter(|change| change.is_finite())
            }
            _ => None,
        };
        Ok(Self { measured, perplexity_change })
    }

    /// The effect of the change in each context.
    pub(crate) fn outcomes(
        &self,
        id: &str,
        tests: &[Test],
        reference: &Reference,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Result<Vec<Outcome>, MetricError> {
        let own = tests.iter().find(|test| test.scope == Scope::HeldOut);
        tests
            .par_iter()
            .map(|test| self.outcome(test, id, own, reference, prompts, measure))
            .collect()
    }

    /// The effect of strategy `id` in one test, and its shortfall from the held-out variations of
    /// its `own` context.
    fn outcome(
        &self,
        test: &Test,
        id: &str,
        own: Option<&Test>,
        reference: &Reference,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Result<Outcome, MetricError> {
        let [before, after] = self.measured(test, reference);
        let arms = arms(prompts, test.context, prompts.tested());
        let people = |context: usize| {
            prompts.contexts[context].variations[0]
                .people
                .iter()
                .map(|p| (p.arm, p.split, p.name.as_str()))
        };
        let own = own.filter(|own| {
            test.scope == Scope::CrossContext && people(own.context).eq(people(test.context))
        });
        let gone = |[before, after]: [&[&Measured]; 2], picks: &[usize]| {
            let pair = measure.mean_abs_pair(before, after, picks)?;
            Ok(pair.and_then(|[before, after]| reduction(before, after)))
        };
        let shortfall = own.map(|own| {
            let [own_before, own_after] = self.measured(own, reference);
            measure.estimate(&arms, |picks| {
                let here = gone([&own_before, &own_after], picks)?;
                let there = gone([&before, &after], picks)?;
                Ok(here.zip(there).map(|(here, there)| here - there))
            })
        });
        Ok(Outcome {
            strategy: id.into(),
            context: prompts.contexts[test.context].context.clone(),
            scope: test.scope,
            before: Measure::of_everybody(&arms, |picks| measure.mean_abs(&before, picks))?,
            after: measure.estimate(&arms, |picks| measure.mean_abs(&after, picks))?,
            signed_after: Measure::of_everybody(&arms, |picks| measure.mean_signed(&after, picks))?,
            reduction: measure.estimate(&arms, |picks| gone([&before, &after], picks))?,
            shortfall: shortfall.transpose()?,
            inlier: measure.estimate(&arms, |picks| Measure::inlier(&after, picks))?,
            inlier_before: Measure::of_everybody(&arms, |picks| Measure::inlier(&before, picks))?,
            unexplored: after.iter().map(|m| m.unexplored).sum::<f64>() / after.len().max(1) as f64,
            estimated: after.iter().map(|m| m.estimated).sum::<f64>() / after.len().max(1) as f64,
            degenerate: measure.degenerate(&after)?,
        })
    }

    /// The changed model in a test.
    pub(crate) fn of(&self, test: &Test) -> Vec<&Measured> {
        self.measured.get(&test.places).into_iter().flatten().collect()
    }

    /// The changed model's answers to one variation, in whichever test it was asked.
    pub(crate) fn at(&self, place: VariationIndex) -> Option<&Measured> {
        self.measured
            .iter()
            .find_map(|(places, own)| own.get(places.iter().position(|other| *other == place)?))
    }

    /// The unpruned and the changed model in a test.
    pub(crate) fn measured<'m>(
        &'m self,
        test: &Test,
        reference: &'m Reference,
    ) -> [Vec<&'m Measured>; 2] {
        let before = test.places.iter().map(|place| &reference.tested[place]);
        [before.collect(), self.of(test)]
    }
}
