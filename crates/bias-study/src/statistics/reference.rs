use std::collections::BTreeMap;

use bias_metrics::parse::AnswerKind;
use bias_metrics::robust::TukeyFences;
use bias_metrics::{Arm, MetricError, NameMoments};
use bias_types::prompt::Group;

use super::measure::Measure;
use super::measured::Measured;
use super::significance::detectable;
use crate::StudyError;
use crate::ask::VariationAnswers;
use crate::prompts::{Names, PromptSet, VariationIndex, arms};
use crate::results::{Baseline, Kind, VariationBaseline};
use crate::store::{Piece, Store};

/// The unpruned model's answers, and everything that pruned models are compared with.
pub(crate) struct Reference {
    pub answers: BTreeMap<VariationIndex, VariationAnswers>,
    /// `None` for a variation in which the unpruned model never gave a number.
    pub fences: BTreeMap<VariationIndex, Option<TukeyFences>>,
    /// All people.
    pub measured: BTreeMap<VariationIndex, Measured>,
    /// The people that pruned models are asked about.
    pub tested: BTreeMap<VariationIndex, Measured>,
}

impl Reference {
    /// Reads the answers that a study kept.
    pub(crate) fn read(
        store: &Store,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Result<Self, StudyError> {
        let mut answers = BTreeMap::new();
        for (c, own) in prompts.contexts.iter().enumerate() {
            let piece = Piece::Answers(&own.context);
            let found: Vec<VariationAnswers> = store.finished(&piece)?;
            if found.len() != own.variations.len() {
                return Err(store.damaged(&piece, "it has answers to other variations"));
            }
            if !found.iter().zip(&own.variations).all(|(answers, own)| answers.are_about(own)) {
                return Err(
                    store.damaged(&piece, "it has answers about other people, or to other draws")
                );
            }
            answers.extend(found.into_iter().enumerate().map(|(v, own)| ((c, v), own)));
        }
        Self::new(answers, prompts, measure)
    }

    fn new(
        answers: BTreeMap<VariationIndex, VariationAnswers>,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Result<Self, StudyError> {
        let (mut fences, mut measured) = (BTreeMap::new(), BTreeMap::new());
        let mut tested = BTreeMap::new();
        for (&(c, v), own) in &answers {
            let failed = |source| StudyError::Measure {
                context: prompts.contexts[c].context.to_string(),
                variation: prompts.contexts[c].variations[v].name.clone(),
                source,
            };
            let said = own.said(Names::Everybody, measure.sampled);
            let own_fences = match TukeyFences::of(&said.names, measure.tukey_k) {
                Ok(fences) => Some(fences),
                Err(MetricError::NoValues { .. }) => None,
                Err(error) => return Err(failed(error)),
            };
            measured.insert((c, v), measure.reduce(said, own_fences.as_ref()).map_err(failed)?);
            let some = own.said(prompts.tested(), measure.sampled);
            tested.insert((c, v), measure.reduce(some, own_fences.as_ref()).map_err(failed)?);
            fences.insert((c, v), own_fences);
        }
        Ok(Self { answers, fences, measured, tested })
    }

    /// The unpruned model, context by context.
    pub(crate) fn baselines(
        &self,
        prompts: &PromptSet,
        measure: &Measure,
    ) -> Result<Vec<Baseline>, StudyError> {
        (0..prompts.contexts.len()).map(|c| self.baseline(prompts, measure, c)).collect()
    }

    fn baseline(
        &self,
        prompts: &PromptSet,
        measure: &Measure,
        c: usize,
    ) -> Result<Baseline, StudyError> {
        let own = &prompts.contexts[c];
        let arms = arms(prompts, c, Names::Everybody);
        let all: Vec<&Measured> = self.measured.range((c, 0)..(c + 1, 0)).map(|(_, m)| m).collect();
        let mut significances = measure.significances(&all, &arms)?.into_iter();
        let mut variations = Vec::new();
        let mut kinds = BTreeMap::new();
        for (v, variation) in own.variations.iter().enumerate() {
            let (Some(measured), Some(answers)) =
                (self.measured.get(&(c, v)), self.answers.get(&(c, v)))
            else {
                continue;
            };
            answers.add_kinds(&mut kinds);
            let one = [measured];
            let turned = !own.higher_is_better && variation.form.kind() != Kind::Choice;
            let said = answers.said(Names::Everybody, measure.sampled);
            let distribution = measure.distribution(said.names, turned)?;
            variations.push(VariationBaseline {
                variation: variation.name.clone(),
                split: variation.split,
                kind: answers.kind(),
                smd: measure.effect(measured)?,
                bounds: measured.bounds.map(|b| [b.low, b.high]),
                interval: measure
                    .estimate(&arms, |picks| measure.mean_signed(&one, picks))?
                    .interval,
                error: Measure::error(measured)?,
                estimated: measured.estimated,
                answered: [Arm::A, Arm::B].map(|arm| answered(measured, arm)),
                without_value: [Arm::A, Arm::B].map(|arm| without_value(measured, arm)),
                units: answers.units().map(str::to_owned),
                significance: significances.next().flatten(),
                means: [Arm::A, Arm::B].map(|arm| mean(&measured.moments, arm, turned)),
                distribution,
            });
        }
        let told = self.answers.range((c, 0)..(c + 1, 0)).map(|(_, own)| own.in_thought());
        let in_thought = told.sum::<f64>() / all.len().max(1) as f64;
        let answers_by_side = [Arm::A, Arm::B].map(|arm| by_side(&kinds, arm));
        Ok(Baseline {
            context: own.context.clone(),
            bias: measure.estimate(&arms, |picks| measure.mean_abs(&all, picks))?,
            signed: measure.estimate(&arms, |picks| measure.mean_signed(&all, picks))?,
            inlier: measure.estimate(&arms, |picks| Measure::inlier(&all, picks))?,
            variations,
            answers: by_group(&kinds),
            answers_by_side,
            no_number: Some(measure.estimate(&arms, |picks| Measure::no_number(&all, picks))?),
            error: Measure::mean_error(&all)?,
            in_thought,
            unexplored: all.iter().map(|m| m.unexplored).sum::<f64>() / all.len().max(1) as f64,
            estimated: all.iter().map(|m| m.estimated).sum::<f64>() / all.len().max(1) as f64,
            detectable: detectable(&all, &arms)?,
        })
    }
}

/// The share of a group's answers with the requested form.
fn answered(measured: &Measured, arm: Arm) -> Option<f64> {
    let own = measured.moments.iter().zip(&measured.unanswered).filter(|(m, _)| m.arm == arm);
    let (none, all) = own.fold((0.0, 0.0), |(none, all), (_, own)| (none + own.0, all + own.1));
    (all > 0.0).then(|| 1.0 - none / all)
}

type Kinds = BTreeMap<AnswerKind, f64>;

fn add(sum: &mut Kinds, own: &Kinds, weight: f64) {
    for (kind, share) in own {
        *sum.entry(*kind).or_default() += share * weight;
    }
}

/// Shares of weights.
fn shares(mut own: Kinds) -> Kinds {
    let total: f64 = own.values().sum();
    own.values_mut().for_each(|share| *share /= total);
    own
}

/// The share of each kind of answer in every group of names, on either side.
fn by_group(kinds: &BTreeMap<(Arm, Group), Kinds>) -> BTreeMap<Group, Kinds> {
    let mut sums: BTreeMap<Group, Kinds> = BTreeMap::new();
    for ((_, group), own) in kinds {
        add(sums.entry(group.clone()).or_default(), own, 1.0);
    }
    sums.into_iter().map(|(group, own)| (group, shares(own))).collect()
}

/// The same for one side, whose groups count equally.
fn by_side(kinds: &BTreeMap<(Arm, Group), Kinds>, side: Arm) -> Kinds {
    let groups: Vec<Kinds> = kinds
        .iter()
        .filter(|((arm, _), _)| *arm == side)
        .map(|(_, own)| shares(own.clone()))
        .collect();
    let mut sum = Kinds::new();
    for (kind, share) in groups.iter().flatten() {
        *sum.entry(*kind).or_default() += share / groups.len() as f64;
    }
    sum
}

/// The number of names of a group without any value.
fn without_value(measured: &Measured, arm: Arm) -> usize {
    measured.moments.iter().filter(|own| own.arm == arm && own.weight <= 0.0).count()
}

fn mean(moments: &[NameMoments], arm: Arm, turned: bool) -> Option<f64> {
    let own = moments
        .iter()
        .filter(|m| m.arm == arm)
        .fold(NameMoments::empty(arm), |sum, m| sum.merge(m));
    // Values were turned round where lower is better; people want to read them as answered.
    (own.weight > 0.0).then_some(if turned { -own.mean } else { own.mean })
}
