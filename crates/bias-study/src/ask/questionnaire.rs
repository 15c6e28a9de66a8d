use std::collections::{BTreeMap, BTreeSet};

use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Question, Respond};
use bias_attrib::contrast::Scale;
use bias_files::hex;
use bias_metrics::Arm;
use bias_metrics::parse::AnswerReader;
use bias_types::prompt::thought;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::answers::{PersonAnswers, VariationAnswers};
use super::reading::Reading;
use super::streams::streams;
use crate::StudyError;
use crate::prompts::{Names, Person, PromptSet, VariationIndex};
use crate::results::{ChoiceValue, Form, Kind, Settings};

/// Every prompt, prepared once for a whole study.
pub(crate) struct Questionnaire<'a, Q = Question> {
    pub prompts: &'a PromptSet,
    pub(super) encoded: Vec<Vec<Vec<Q>>>,
    /// What reads the answers about each person, and whether they begin within a thought.
    readers: Vec<Vec<Vec<(AnswerReader, bool)>>>,
    /// SHA-256 over everybody asked and all that each question is.
    digest: String,
    choice: ChoiceValue,
    /// The number of names per side that attribution may see.
    attributed: Option<usize>,
    pub(super) winsorise: [f64; 2],
}

impl<'a, Q: Clone> Questionnaire<'a, Q> {
    /// Prepares every prompt for the responder.
    pub(crate) fn new<R: Respond<Question = Q>>(
        model: &R,
        prompts: &'a PromptSet,
        settings: &Settings,
    ) -> Result<Self, StudyError> {
        let (mut encoded, mut readers) = (Vec::new(), Vec::new());
        for own in &prompts.contexts {
            let (mut variations, mut of_variations) = (Vec::new(), Vec::new());
            for variation in &own.variations {
                let form = &variation.form;
                let wanted = match (&form.choices, form.kind()) {
                    (Some(choices), _) => Wanted::Choice(choices),
                    (None, Kind::Number) => Wanted::Number,
                    (None, _) => Wanted::Words,
                };
                let of_person = |person: &Person, source| StudyError::Prompt {
                    context: own.context.to_string(),
                    variation: variation.name.clone(),
                    name: person.name.clone(),
                    source: Box::new(source),
                };
                // Everybody is asked alike.
                if let Some(person) = variation.people.first() {
                    closes_thought(model, form, person).map_err(|e| of_person(person, e))?;
                }
                let question = |person: &Person, stream: u64| {
                    let asked = Asked {
                        message: &person.text,
                        name: &person.name,
                        prefix: form.prefix.as_deref(),
                        raw: form.raw,
                    };
                    let question = model.prepare(&asked, wanted, stream)?;
                    let thinking = begins_in_thought(model, &question, form.kind())?;
                    let reader = form.reader(&person.text).thinking(thinking);
                    Ok::<_, AskError>((question, (reader, thinking)))
                };
                let people = variation.people.iter().zip(streams(&own.context, variation)).map(
                    |(person, stream)| {
                        question(person, stream).map_err(|source| of_person(person, source))
                    },
                );
                let people = people.collect::<Result<Vec<_>, _>>()?;
                let (questions, of_people) = people.into_iter().unzip();
                variations.push(questions);
                of_variations.push(of_people);
            }
            encoded.push(variations);
            readers.push(of_variations);
        }
        Ok(Self {
            prompts,
            digest: digest(model, prompts, &encoded)?,
            encoded,
            readers,
            choice: settings.choice,
            attributed: settings.attributed_names,
            winsorise: settings.winsorise,
        })
    }

    /// The number of questions about some people in some variations.
    pub(crate) fn count(&self, places: &[VariationIndex], names: Names) -> usize {
        let of = |&(c, v): &VariationIndex| {
            self.prompts.contexts[c].variations[v]
                .people
                .iter()
                .filter(|p| names.include(p.split))
                .count()
        };
        places.iter().map(of).sum()
    }

    /// The people of a variation that attribution sees: as many of each side as allowed, evenly
    /// spread over its groups.
    pub(super) fn attributed(&self, (c, v): VariationIndex) -> BTreeSet<usize> {
        let (people, seen) =
            (&self.prompts.contexts[c].variations[v].people, self.prompts.attributed());
        let mut all = BTreeSet::new();
        for arm in [Arm::A, Arm::B] {
            let own =
                people.iter().enumerate().filter(|(_, p)| p.arm == arm && seen.include(p.split));
            let mut own: Vec<(usize, &Person)> = own.collect();
            own.sort_by_key(|(_, p)| (&p.group, &p.name));
            let keep = self.attributed.map_or(own.len(), |most| most.max(2).min(own.len()));
            all.extend(
                (0..keep).filter_map(|i| own.get(i * own.len() / keep)).map(|(index, _)| *index),
            );
        }
        all
    }

    /// The number of questions about some variations whose answers attribution sees.
    pub(crate) fn count_attributed(&self, places: &[VariationIndex]) -> usize {
        places.iter().map(|place| self.attributed(*place).len()).sum()
    }

    /// Whether the answers about a person begin within a thought.
    pub(crate) fn begins_in_thought(&self, (c, v): VariationIndex, person: usize) -> bool {
        let found = self.readers.get(c).and_then(|own| own.get(v)?.get(person));
        found.is_some_and(|(_, thinking)| *thinking)
    }

    /// SHA-256 over all people and the keys of all questions.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Asks about some people in some variations, on this many threads. `done` receives the number
    /// of questions that were just answered.
    pub(crate) fn ask<R: Respond<Question = Q>>(
        &self,
        model: &R,
        places: &[VariationIndex],
        names: Names,
        decoding: Decoding,
        threads: usize,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<BTreeMap<VariationIndex, VariationAnswers>, StudyError> {
        let own = |&(c, v): &VariationIndex| {
            let people = self.prompts.contexts[c].variations[v].people.iter().enumerate();
            people.filter(move |(_, person)| names.include(person.split))
        };
        let questions: Vec<Q> = places
            .iter()
            .flat_map(|place| own(place).map(|(i, _)| self.encoded[place.0][place.1][i].clone()))
            .collect();
        let mut answers = model.respond(&questions, decoding, threads.max(1), done)?.into_iter();
        let mut asked = BTreeMap::new();
        for place in places {
            let context = &self.prompts.contexts[place.0];
            let form = &context.variations[place.1].form;
            let asked_about: Vec<_> = own(place).zip(answers.by_ref()).collect();
            let readers = &self.readers[place.0][place.1];
            let people: Vec<_> =
                asked_about.iter().map(|((index, _), own)| (&readers[*index].0, own)).collect();
            let begun = asked_about.iter().map(|((index, _), own)| (readers[*index].1, own));
            let in_thought = if form.kind() == Kind::Free { in_thought(begun) } else { 0.0 };
            let (parsed, units) = Reading::new(context, form, model.ends()).read(&people);
            let people = asked_about.into_iter().zip(parsed);
            let people = people.map(|(((index, person), answers), parsed)| {
                let (split, arm, group) = (person.split, person.arm, person.group.clone());
                PersonAnswers { index, split, arm, group, answers, parsed }
            });
            let people = people.collect();
            let scale = if form.kind() == Kind::Choice { self.choice.scale() } else { Scale::Mean };
            let kind = form.kind();
            asked.insert(*place, VariationAnswers { kind, scale, people, units, in_thought });
        }
        Ok(asked)
    }

    /// Asks a few questions of a variation to time them. Returns their number.
    pub(crate) fn try_some<R: Respond<Question = Q>>(
        &self,
        model: &R,
        (c, v): VariationIndex,
        names: Names,
        most: usize,
        decoding: Decoding,
        threads: usize,
    ) -> Result<usize, StudyError> {
        let people = self.prompts.contexts[c].variations[v].people.iter().zip(&self.encoded[c][v]);
        let own = people
            .filter(|(person, _)| names.include(person.split))
            .map(|(_, question)| question.clone());
        let questions: Vec<Q> = own.take(most).collect();
        model.respond(&questions, decoding, threads.max(1), &|_| {})?;
        Ok(questions.len())
    }
}

/// The share of answers that end within a thought, of answers that begin within one or do not.
fn in_thought<'r>(answers: impl Iterator<Item = (bool, &'r Answers)>) -> f64 {
    let (mut within, mut all) = (0.0, 0.0);
    for (begun, own) in answers {
        for answer in &own.answers {
            all += answer.weight;
            if thought::answer(&answer.text, begun).is_none() {
                within += answer.weight;
            }
        }
    }
    if all > 0.0 { within / all } else { 0.0 }
}

/// Whether the answer to a question begins within a thought. A number or a choice cannot.
fn begins_in_thought<R: Respond>(
    model: &R,
    question: &R::Question,
    kind: Kind,
) -> Result<bool, AskError> {
    let text = model.written(question)?.unwrap_or_default();
    let begun = thought::is_begun(&text);
    if begun && kind != Kind::Free { Err(within_thought(&text, kind)) } else { Ok(begun) }
}

/// Refuses a beginning of the answer that leaves a thought open. Many chat templates begin the
/// model's turn with a thought, and leave it out where the answer is begun: the model would be asked
/// at a place where it never answers.
fn closes_thought<R: Respond>(model: &R, form: &Form, person: &Person) -> Result<(), AskError> {
    let Some(prefix) = form.prefix.as_deref() else { return Ok(()) };
    if thought::answer(prefix, true).is_some() {
        return Ok(());
    }
    let asked = Asked { message: &person.text, name: &person.name, prefix: None, raw: form.raw };
    // What cannot be asked in this way, such as of recorded answers, tells nothing.
    let Ok(unbegun) = model.prepare(&asked, Wanted::Words, 0) else { return Ok(()) };
    let text = model.written(&unbegun)?.unwrap_or_default();
    if thought::is_begun(&text) { Err(within_thought(&text, form.kind())) } else { Ok(()) }
}

fn within_thought(text: &str, kind: Kind) -> AskError {
    let end = text.char_indices().rev().nth(40).map_or(0, |(at, _)| at);
    let wanted = if kind == Kind::Choice { "choice" } else { "number" };
    AskError::Thinking { end: text[end..].escape_debug().to_string(), wanted }
}

/// Adds a value to a hash as JSON, preceded by its length, so that different lists never give the
/// same text.
fn absorb(hash: &mut Sha256, own: &impl Serialize) -> Result<(), StudyError> {
    let json = serde_json::to_vec(own)
        .map_err(|e| StudyError::Write { path: "provenance.json".into(), source: e.into() })?;
    hash.update((json.len() as u64).to_le_bytes());
    hash.update(&json);
    Ok(())
}

/// SHA-256 over all people and the keys of all questions.
fn digest<R: Respond>(
    model: &R,
    prompts: &PromptSet,
    encoded: &[Vec<Vec<R::Question>>],
) -> Result<String, StudyError> {
    let mut hash = Sha256::new();
    for (own, encoded) in prompts.contexts.iter().zip(encoded) {
        absorb(&mut hash, &(&own.context, own.higher_is_better, own.per))?;
        for (variation, encoded) in own.variations.iter().zip(encoded) {
            absorb(&mut hash, &(&variation.name, variation.split, &variation.form))?;
            for (person, question) in variation.people.iter().zip(encoded) {
                absorb(&mut hash, &(&person.name, &person.group, person.arm, person.split))?;
                absorb(&mut hash, &model.key(question))?;
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use bias_ask::generate::Answer;
    use bias_ask::question::QuestionKind;
    use bias_metrics::parse::AnswerKind;
    use bias_probe::Sequence;
    use bias_types::TokenRole;

    use super::*;
    use crate::prompts::{ContextPrompts, Variation};
    use crate::results::Split;

    /// Two people of each side, asked one question.
    fn prompts() -> PromptSet {
        let person = |(arm, name): (Arm, &str)| Person {
            arm,
            name: name.into(),
            group: if arm == Arm::A { "white" } else { "black" }.parse().unwrap(),
            text: name.into(),
            split: Split::Attribution,
            by: Vec::new(),
        };
        let people = [(Arm::A, "Emily"), (Arm::A, "Todd"), (Arm::B, "Jamal"), (Arm::B, "Tyra")];
        let variations = vec![Variation {
            name: "car".into(),
            form: Form::default(),
            split: Split::Attribution,
            people: people.map(person).into(),
        }];
        let context = "purchase".parse().unwrap();
        PromptSet::of(vec![ContextPrompts {
            context,
            higher_is_better: true,
            per: None,
            variations,
        }])
    }

    fn answers(prompts: &PromptSet, values: &[Option<f64>]) -> VariationAnswers {
        let people = prompts.contexts[0].variations[0].people.iter().zip(values).enumerate();
        let own = |(index, (person, value)): (usize, (&Person, &Option<f64>))| PersonAnswers {
            index,
            split: person.split,
            arm: person.arm,
            group: person.group.clone(),
            answers: Answers {
                answers: vec![Answer {
                    tokens: vec![7],
                    text: String::new(),
                    weight: 1.0,
                    finished: true,
                    draw: None,
                }],
                ..Answers::default()
            },
            parsed: vec![(value.map_or(AnswerKind::Refusal, |_| AnswerKind::Number), *value)],
        };
        VariationAnswers {
            kind: Kind::Free,
            scale: Scale::Mean,
            people: people.map(own).collect(),
            units: None,
            in_thought: 0.0,
        }
    }

    fn questionnaire(prompts: &PromptSet) -> Questionnaire<'_> {
        let question = |person: &Person| Question {
            prompt: Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap(),
            kind: QuestionKind::Free,
            stream: u64::from(person.arm == Arm::A),
        };
        let encoded = prompts.contexts[0].variations[0].people.iter().map(question).collect();
        Questionnaire {
            prompts,
            encoded: vec![vec![encoded]],
            readers: Vec::new(),
            digest: String::new(),
            choice: ChoiceValue::default(),
            attributed: None,
            winsorise: [0.01, 0.99],
        }
    }

    #[test]
    fn one_person_without_a_number_does_not_cost_the_variation() {
        let prompts = prompts();
        let asked = questionnaire(&prompts);
        let sides = |values: &[Option<f64>]| {
            let contrast = asked.contrast((0, 0), &answers(&prompts, values)).unwrap();
            (contrast.a.len(), contrast.b.len())
        };
        assert_eq!(sides(&[Some(4.0), Some(2.0), Some(1.0), Some(3.0)]), (2, 2));
        assert_eq!(sides(&[Some(4.0), None, Some(1.0), Some(3.0)]), (1, 2));
        assert_eq!(sides(&[Some(4.0), None, None, Some(3.0)]), (1, 1));
        assert_eq!(
            sides(&[None, None, Some(1.0), None]),
            (2, 2),
            "there is no difference to look at"
        );
    }
}
