use std::collections::{BTreeMap, BTreeSet, HashMap};

use bias_ask::generate::Answer;
use bias_ask::question::{Choices, NumberGrammar};
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Decoding, Question, Respond};
use bias_attrib::contrast::Scale;
use bias_attrib::{Contrast, Respondent};
use bias_metrics::parse::AnswerKind;
use bias_metrics::robust::weighted_quantile;
use bias_metrics::{Arm, parse_answer};
use bias_types::prompt::Context;
use sha2::{Digest as _, Sha256};

use super::answers::{PersonAnswers, VariationAnswers};
use crate::StudyError;
use crate::hash::{derived_seed, hex};
use crate::prompts::{Names, Person, Place, PromptSet};
use crate::results::{ChoiceValue, Kind, Settings, Split};

/// Every prompt made ready to be asked, once for a whole study.
pub(crate) struct Questionnaire<'a, Q = Question> {
    pub prompts: &'a PromptSet,
    encoded: Vec<Vec<Vec<Q>>>,
    /// SHA-256 over everybody asked and all that each question is.
    digest: String,
    choice: ChoiceValue,
    /// How many names of each side attribution looks at.
    attributed: Option<usize>,
    winsorise: [f64; 2],
}

/// Which random numbers a person's answers are drawn with: those of one person of the other group too, so that what the two have in common
/// falls out of the groups' difference, and of nobody else. Were they everybody's, all of a group would be off by the same, and no
/// interval over names would show it.
fn stream(context: &Context, variation: &str, place: u32) -> u64 {
    derived_seed(0, &format!("{context} {variation} {place}"))
}

impl<'a, Q: Clone> Questionnaire<'a, Q> {
    /// Makes every prompt ready, as whoever answers takes them.
    pub(crate) fn new<R: Respond<Question = Q>>(
        model: &R,
        prompts: &'a PromptSet,
        settings: &Settings,
    ) -> Result<Self, StudyError> {
        let mut encoded = Vec::new();
        for own in &prompts.contexts {
            let mut variations = Vec::new();
            for variation in &own.variations {
                let form = &variation.form;
                let wanted = match (&form.choices, form.kind()) {
                    (Some(choices), _) => Wanted::Choice(choices),
                    (None, Kind::Number) => Wanted::Number,
                    (None, _) => Wanted::Words,
                };
                let mut arms: HashMap<(Split, Arm), u32> = HashMap::new();
                let mut question = |person: &Person| {
                    let place = arms.entry((person.split, person.arm)).or_default();
                    let stream = stream(&own.context, &variation.name, *place);
                    *place += 1;
                    let asked = Asked {
                        message: &person.text,
                        name: &person.name,
                        prefix: form.prefix.as_deref(),
                        raw: form.raw,
                    };
                    model.prepare(&asked, wanted, stream)
                };
                let people = variation.people.iter().map(|person| {
                    question(person).map_err(|source| StudyError::Prompt {
                        context: own.context.to_string(),
                        variation: variation.name.clone(),
                        name: person.name.clone(),
                        source: Box::new(source),
                    })
                });
                variations.push(people.collect::<Result<Vec<_>, _>>()?);
            }
            encoded.push(variations);
        }
        Ok(Self {
            prompts,
            digest: digest(model, prompts, &encoded),
            encoded,
            choice: settings.choice,
            attributed: settings.attributed_names,
            winsorise: settings.winsorise,
        })
    }

    /// How many questions there are about some people in some variations.
    pub(crate) fn count(&self, places: &[Place], names: Names) -> usize {
        let of = |&(c, v): &Place| {
            self.prompts.contexts[c].variations[v].people.iter().filter(|p| names.include(p.split)).count()
        };
        places.iter().map(of).sum()
    }

    /// Which of a variation's people attribution looks at: of each side as many as it may, evenly over its groups.
    fn attributed(&self, (c, v): Place) -> BTreeSet<usize> {
        let (people, seen) = (&self.prompts.contexts[c].variations[v].people, self.prompts.attributed());
        let mut all = BTreeSet::new();
        for arm in [Arm::A, Arm::B] {
            let own = people.iter().enumerate().filter(|(_, p)| p.arm == arm && seen.include(p.split));
            let mut own: Vec<(usize, &Person)> = own.collect();
            own.sort_by_key(|(_, p)| (&p.group, &p.name));
            let keep = self.attributed.map_or(own.len(), |most| most.max(2).min(own.len()));
            all.extend((0..keep).filter_map(|i| own.get(i * own.len() / keep)).map(|(index, _)| *index));
        }
        all
    }

    /// Of how many questions about some variations attribution sees the answers.
    pub(crate) fn count_attributed(&self, places: &[Place]) -> usize {
        places.iter().map(|place| self.attributed(*place).len()).sum()
    }

    /// SHA-256 over everybody asked and all that each question is to whoever answers.
    pub(crate) fn digest(&self) -> String {
        self.digest.clone()
    }

    /// Asks about some people in some variations, on so many threads; `done` is told how many questions were answered, each time
    /// that some were.
    pub(crate) fn ask<R: Respond<Question = Q>>(
        &self,
        model: &R,
        places: &[Place],
        names: Names,
        decoding: Decoding,
        threads: usize,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<BTreeMap<Place, VariationAnswers>, StudyError> {
        let own = |&(c, v): &Place| {
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
            // A model without an end token is cut everywhere; its numbers have to be taken as they are.
            let ends = model.ends() || form.kind() == Kind::Number;
            let sign = if context.higher_is_better { 1.0 } else { -1.0 };
            let per = context.per.filter(|_| form.kind() == Kind::Free);
            // The sign that the answer was begun with belongs to the number.
            let begun = form.prefix.as_deref().filter(|_| form.kind() == Kind::Number);
            let currency = begun.and_then(NumberGrammar::currency);
            let number = |a: &Answer| {
                let parsed = match currency.filter(|_| NumberGrammar::is_begun_by(&a.text)) {
                    Some(sign) => parse_answer(&format!("{sign}{}", a.text.trim_start())),
                    None => parse_answer(&a.text),
                };
                if ends && !a.finished && parsed.open {
                    return (AnswerKind::Unfinished, None);
                }
                let value = per.map_or(parsed.value, |asked| parsed.per(asked));
                (parsed.kind, value.map(|v| sign * v))
            };
            let people = own(place).zip(answers.by_ref()).map(|((index, person), answers)| {
                let parsed = match &form.choices {
                    None => answers.answers.iter().map(number).collect(),
                    Some(choices) => answers.answers.iter().map(|own| chosen(choices, own)).collect(),
                };
                let (split, arm, group) = (person.split, person.arm, person.group.clone());
                PersonAnswers { index, split, arm, group, answers, parsed }
            });
            let people = people.collect();
            let scale = if form.kind() == Kind::Choice { self.choice.scale() } else { Scale::Mean };
            asked.insert(*place, VariationAnswers { kind: form.kind(), scale, people });
        }
        Ok(asked)
    }

    /// Asks a few questions of a variation, for how long that takes; says how many.
    pub(crate) fn try_some<R: Respond<Question = Q>>(
        &self,
        model: &R,
        (c, v): Place,
        names: Names,
        most: usize,
        decoding: Decoding,
        threads: usize,
    ) -> Result<usize, StudyError> {
        let people = self.prompts.contexts[c].variations[v].people.iter().zip(&self.encoded[c][v]);
        let own =
            people.filter(|(person, _)| names.include(person.split)).map(|(_, question)| question.clone());
        let questions: Vec<Q> = own.take(most).collect();
        model.respond(&questions, decoding, threads.max(1), &|_| {})?;
        Ok(questions.len())
    }
}

impl Questionnaire<'_, Question> {
    /// What attribution looks at: the prompts and answers of one variation, about the people it may see. Values are clamped as they
    /// are for the difference that is measured.
    ///
    /// # Errors
    /// Answers whose values or weights are no numbers.
    pub(crate) fn contrast(&self, place: Place, answers: &VariationAnswers) -> Result<Contrast, StudyError> {
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
        for person in people() {
            let question = &self.encoded[place.0][place.1][person.index];
            let possible = person.possible(question, ends);
            let respondent =
                Respondent { scale: answers.scale, ..Respondent::new(question.prompt.clone(), possible) };
            match person.arm {
                Arm::A => contrast.a.push(respondent),
                Arm::B => contrast.b.push(respondent),
            }
        }
        Ok(contrast)
    }
}

/// What an answer to a choice is, and what it is worth.
fn chosen(choices: &Choices, answer: &Answer) -> (AnswerKind, Option<f64>) {
    let is = |words: &Vec<String>| words.contains(&answer.text);
    match choices.options().iter().position(is) {
        Some(option) => (AnswerKind::Option, Some(f64::from(u8::from(option == choices.better())))),
        None => (AnswerKind::OtherWords, None),
    }
}

fn digest<R: Respond>(model: &R, prompts: &PromptSet, encoded: &[Vec<Vec<R::Question>>]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    for (own, encoded) in prompts.contexts.iter().zip(encoded) {
        add(own.context.as_str());
        add(&format!("{} {:?}", own.higher_is_better, own.per));
        for (variation, encoded) in own.variations.iter().zip(encoded) {
            add(&variation.name);
            add(&format!("{:?}", variation.split));
            add(&format!("{:?}", variation.form));
            for (person, question) in variation.people.iter().zip(encoded) {
                add(&person.name);
                add(person.group.as_str());
                add(&format!("{:?} {:?}", person.arm, person.split));
                add(&model.key(question));
            }
        }
    }
    hex(&hash.finalize())
}
