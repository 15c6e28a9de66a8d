use std::collections::BTreeMap;

use bias_ask::generate::Answer;
use bias_ask::question::QuestionKind;
use bias_ask::{Answers, Question};
use bias_attrib::PossibleAnswer;
use bias_attrib::contrast::{Scale, summed_up};
use bias_metrics::parse::AnswerKind;
use bias_metrics::{Arm, NameAnswers, Weighting};
use bias_types::prompt::Group;
use serde::{Deserialize, Serialize};

use super::said::{Drawn, Explored, Said};
use crate::prompts::{Names, Person, Variation};
use crate::results::{Kind, Split};

/// The model's answers about all people in one variation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VariationAnswers {
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    pub(super) people: Vec<PersonAnswers>,
    /// The units that numbers are in, with their shares, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) units: Option<String>,
    /// The share of answers that end within a thought.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) in_thought: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PersonAnswers {
    /// The index of the person in the variation.
    pub(super) index: usize,
    pub(super) split: Split,
    pub(super) arm: Arm,
    pub(super) group: Group,
    pub(super) answers: Answers,
    /// The kind and value of each answer. Values are negated where lower is better.
    pub(super) parsed: Vec<(AnswerKind, Option<f64>)>,
}

impl PersonAnswers {
    /// The answers as attribution sees them: values are clamped to these bounds.
    pub(super) fn possible(
        &self,
        question: &Question,
        [low, high]: [Option<f64>; 2],
    ) -> Vec<PossibleAnswer> {
        // Counts of draws become shares.
        let total =
            self.answers.answers.iter().map(|a| a.weight).sum::<f64>() + self.answers.unexplored;
        let clamp = |v: f64| low.map_or(v, |low| v.max(low)).min(high.unwrap_or(f64::INFINITY));
        let of = |(answer, (_, value)): (&Answer, &(AnswerKind, Option<f64>))| {
            let (finished, until) = match &question.kind {
                QuestionKind::Number(grammar) if answer.finished => {
                    (false, grammar.until(&answer.tokens))
                }
                QuestionKind::Free | QuestionKind::Number(_) | QuestionKind::Choice(_) => {
                    (answer.finished, None)
                }
            };
            PossibleAnswer {
                tokens: answer.tokens.clone(),
                finished,
                until,
                value: value.map(clamp),
                weight: answer.weight / total.max(f64::MIN_POSITIVE),
            }
        };
        let all = self.answers.answers.iter().zip(&self.parsed).map(of);
        // What is none of the options has no tokens of its own.
        all.filter(|own| !own.tokens.is_empty() || own.until.is_some()).collect()
    }

    /// The answer as a number with its weight, or as several.
    fn numbers(&self, kind: Kind, scale: Scale) -> NameAnswers {
        let valued = || {
            self.answers.answers.iter().zip(&self.parsed).filter_map(|(a, (_, v))| Some((a, (*v)?)))
        };
        let (unexplored, arm) = (self.answers.unexplored, self.arm);
        if kind == Kind::Choice {
            let logs: Vec<(f64, f64, usize)> =
                valued().map(|(a, value)| (value, a.weight.ln(), a.tokens.len())).collect();
            let values = summed_up(scale, &logs).map(|value| (value, 1.0)).into_iter().collect();
            return NameAnswers { arm, values, unparsed: 0.0, unexplored, error: Some(0.0) };
        }
        NameAnswers {
            arm,
            values: valued().map(|(answer, value)| (value, answer.weight)).collect(),
            unparsed: self.unanswered().0,
            unexplored,
            error: Some(0.0),
        }
    }

    /// Whether no answer about this person has a value. Neither the difference between the groups
    /// nor attribution counts such a person.
    pub(super) fn has_no_value(&self, kind: Kind, scale: Scale) -> bool {
        self.numbers(kind, scale).parsed() <= 0.0
    }

    /// How the values were obtained.
    fn explored(&self) -> Explored {
        let valued =
            self.answers.answers.iter().zip(&self.parsed).filter(|(_, (_, value))| value.is_some());
        Explored { draws: self.answers.draws, of: valued.map(|(answer, _)| answer.draw).collect() }
    }

    /// The weight of the answers without the requested form, and of all answers.
    fn unanswered(&self) -> (f64, f64) {
        let weights = || {
            self.answers.answers.iter().zip(&self.parsed).map(|(a, (_, value))| (a.weight, value))
        };
        let none = weights().filter(|(_, value)| value.is_none()).map(|(weight, _)| weight).sum();
        (none, weights().map(|(weight, _)| weight).sum())
    }
}

impl VariationAnswers {
    /// Whether these can be the answers about all people in a variation: the people are the
    /// variation's, every answer was parsed, and no answer belongs to a draw that was not made.
    pub(crate) fn are_about(&self, variation: &Variation) -> bool {
        let same = |(index, (own, person)): (usize, (&PersonAnswers, &Person))| {
            let answers = &own.answers.answers;
            (own.index, own.arm, own.split, &own.group)
                == (index, person.arm, person.split, &person.group)
                && answers.len() == own.parsed.len()
                && answers
                    .iter()
                    .all(|answer| answer.draw.is_none_or(|draw| draw < own.answers.draws))
        };
        self.kind == variation.form.kind()
            && self.people.len() == variation.people.len()
            && self.people.iter().zip(&variation.people).enumerate().all(same)
    }

    /// The share of answers that end within a thought.
    pub(crate) fn in_thought(&self) -> f64 {
        self.in_thought
    }

    /// The answers about everybody, with what was read in each: its kind and its value. Everybody
    /// comes by the index in the variation.
    pub(crate) fn each(
        &self,
    ) -> impl Iterator<Item = (usize, &Answers, &[(AnswerKind, Option<f64>)])> {
        self.people.iter().map(|own| (own.index, &own.answers, own.parsed.as_slice()))
    }

    /// The first person of a side, if nobody on it has a value among those that count.
    pub(crate) fn side_without_value(&self, counts: impl Fn(usize) -> bool) -> Option<usize> {
        [Arm::A, Arm::B].into_iter().find_map(|arm| {
            let mut people = self.people.iter().filter(|own| own.arm == arm && counts(own.index));
            let first = people.next()?;
            let none = |own: &PersonAnswers| own.has_no_value(self.kind, self.scale);
            (none(first) && people.all(none)).then_some(first.index)
        })
    }

    /// The weight of each kind of answer about one person.
    pub(crate) fn kinds_of(&self, index: usize) -> BTreeMap<AnswerKind, f64> {
        let mut kinds = BTreeMap::new();
        for own in self.people.iter().filter(|own| own.index == index) {
            for (answer, (kind, _)) in own.answers.answers.iter().zip(&own.parsed) {
                *kinds.entry(*kind).or_default() += answer.weight;
            }
        }
        kinds
    }

    /// The units that numbers are in, with their shares, where they differ.
    pub(crate) fn units(&self) -> Option<&str> {
        self.units.as_deref()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The answers about some people as numbers, sampled or not.
    pub(crate) fn said(&self, names: Names, sampled: bool) -> Said {
        let people = || self.people.iter().filter(|person| names.include(person.split));
        let mut own = Said {
            weighting: Weighting::Probability,
            names: people().map(|person| person.numbers(self.kind, self.scale)).collect(),
            unanswered: people().map(PersonAnswers::unanswered).collect(),
            estimated: people().map(|person| person.answers.estimated()).collect(),
            drawn: Drawn::Explored(people().map(PersonAnswers::explored).collect()),
        };
        if self.kind == Kind::Choice {
            // Everybody has one value.
            own.weighting = Weighting::Draws;
        } else if sampled {
            own.weighting = Weighting::Draws;
            own.drawn = Drawn::Sampled;
        }
        own
    }

    /// The weight of each kind of answer in each group of names, on each side.
    pub(crate) fn add_kinds(&self, kinds: &mut BTreeMap<(Arm, Group), BTreeMap<AnswerKind, f64>>) {
        for person in &self.people {
            let own = kinds.entry((person.arm, person.group.clone())).or_default();
            for (answer, (kind, _)) in person.answers.answers.iter().zip(&person.parsed) {
                *own.entry(*kind).or_default() += answer.weight;
            }
        }
    }
}
