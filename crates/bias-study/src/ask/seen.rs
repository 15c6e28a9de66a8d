//! What attribution sees of a questionnaire: its people, their prompts and answers.

use std::collections::BTreeMap;

use bias_ask::Question;
use bias_attrib::{Contrast, PromptCase};
use bias_metrics::Arm;
use bias_metrics::robust::weighted_quantile;
use bias_probe::Sequence;

use super::answers::{PersonAnswers, VariationAnswers};
use super::questionnaire::Questionnaire;
use super::shuffled::shuffled;
use crate::StudyError;
use crate::prompts::{Names, VariationIndex};
use crate::results::Kind;

impl Questionnaire<'_, Question> {
    /// The error of answers that attribution cannot use, since in every one of these variations one
    /// side has no value: it names a person of that side, and what the answers are instead. `None`
    /// if a variation has values on both sides.
    pub(crate) fn without_values<'v>(
        &self,
        answers: impl IntoIterator<Item = (VariationIndex, &'v VariationAnswers)>,
    ) -> Option<StudyError> {
        let mut first = None;
        for (place, own) in answers {
            let seen = self.attributed(place);
            let index = own.side_without_value(|index| seen.contains(&index))?;
            first.get_or_insert((place, own, index));
        }
        let ((c, v), own, index) = first?;
        let context = &self.prompts.contexts[c];
        let variation = &context.variations[v];
        let person = variation.people.get(index)?;
        let kinds = own.kinds_of(index);
        let total: f64 = kinds.values().sum();
        let mut kinds: Vec<_> = kinds.into_iter().filter(|(_, weight)| *weight > 0.0).collect();
        kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
        let said =
            kinds.iter().map(|(kind, weight)| format!("{kind} {:.0}%", 100.0 * weight / total));
        let [a, b] = &self.prompts.groups;
        Some(StudyError::NoValues {
            context: context.context.to_string(),
            variation: variation.name.clone(),
            group: if person.arm == Arm::A { a.clone() } else { b.clone() },
            name: person.name.clone(),
            said: said.collect::<Vec<_>>().join(", "),
        })
    }

    /// The answers about the people that attribution sees, on their own sides, or dealt with this
    /// seed as for a [`placebo`](Self::placebo).
    pub(crate) fn of_seen(
        &self,
        place: VariationIndex,
        answers: &VariationAnswers,
        shuffled: Option<u64>,
    ) -> VariationAnswers {
        let seen = self.attributed(place);
        let sides = shuffled.map(|seed| self.sides(place, seed)).unwrap_or_default();
        let own = answers.people.iter().filter(|own| seen.contains(&own.index)).cloned();
        let people = own.map(|own| PersonAnswers {
            arm: sides.get(&own.index).copied().unwrap_or(own.arm),
            ..own
        });
        VariationAnswers { people: people.collect(), ..answers.clone() }
    }

    /// The prompts of a variation about the people that attribution sees.
    pub(crate) fn seen(&self, place: VariationIndex) -> Vec<Sequence> {
        let own = self.attributed(place).into_iter();
        own.map(|index| self.encoded[place.0][place.1][index].prompt.clone()).collect()
    }

    /// The prompts of a variation about some people, in their order.
    pub(crate) fn about(&self, (c, v): VariationIndex, names: Names) -> Vec<Sequence> {
        let people = self.prompts.contexts[c].variations[v].people.iter().zip(&self.encoded[c][v]);
        let own = people.filter(|(person, _)| names.include(person.split));
        own.map(|(_, question)| question.prompt.clone()).collect()
    }

    /// The input of attribution: the prompts and answers of one variation, about the people it may
    /// see. Values are clamped as for the measured difference.
    ///
    /// A person without any value is left out, as in the measured difference; the baseline counts
    /// such people. If one side has nobody else, everybody stays. Then there is no difference, and
    /// methods that need one say so.
    ///
    /// # Errors
    /// Answers whose values or weights are not finite.
    pub(crate) fn contrast(
        &self,
        place: VariationIndex,
        answers: &VariationAnswers,
    ) -> Result<Contrast, StudyError> {
        self.contrast_of(place, answers, |own| own.arm)
    }

    /// The same with the groups shuffled over names, half of each group on either side: what
    /// attribution finds there has nothing to do with the groups. A name keeps its side in all
    /// variations.
    pub(crate) fn placebo(
        &self,
        place: VariationIndex,
        answers: &VariationAnswers,
        seed: u64,
    ) -> Result<Contrast, StudyError> {
        let sides = self.sides(place, seed);
        self.contrast_of(place, answers, |own| sides.get(&own.index).copied().unwrap_or(own.arm))
    }

    /// The sides of a placebo.
    fn sides(&self, place: VariationIndex, seed: u64) -> BTreeMap<usize, Arm> {
        let people = &self.prompts.contexts[place.0].variations[place.1].people;
        let seen = self.attributed(place);
        let seen = seen.into_iter().filter_map(|index| Some((index, people.get(index)?)));
        shuffled(&seen.collect::<Vec<_>>(), seed)
    }

    fn contrast_of(
        &self,
        place: VariationIndex,
        answers: &VariationAnswers,
        side: impl Fn(&PersonAnswers) -> Arm,
    ) -> Result<Contrast, StudyError> {
        let mut contrast = Contrast::default();
        let seen = self.attributed(place);
        let people = || answers.people.iter().filter(|p| seen.contains(&p.index));
        let values: Vec<(f64, f64)> = people()
            .flat_map(|p| p.answers.answers.iter().zip(&p.parsed))
            .filter_map(|(answer, (_, value))| Some(((*value)?, answer.weight)))
            .collect();
        let mut ends = [None; 2];
        // Without any value there is nothing to clamp, and of a choice there is nothing extreme.
        if answers.kind != Kind::Choice && values.iter().any(|(_, weight)| *weight > 0.0) {
            for (end, q) in ends.iter_mut().zip(self.winsorise) {
                *end = Some(weighted_quantile(&values, q)?);
            }
        }
        let valued = |own: &PersonAnswers| !own.has_no_value(answers.kind, answers.scale);
        let both =
            [Arm::A, Arm::B].iter().all(|arm| people().any(|own| side(own) == *arm && valued(own)));
        for person in people().filter(|own| !both || valued(own)) {
            let question = &self.encoded[place.0][place.1][person.index];
            let possible = person.possible(question, ends);
            let case = PromptCase {
                scale: answers.scale,
                ..PromptCase::new(question.prompt.clone(), possible)
            };
            match side(person) {
                Arm::A => contrast.a.push(case),
                Arm::B => contrast.b.push(case),
            }
        }
        Ok(contrast)
    }
}
