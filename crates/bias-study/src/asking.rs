use std::collections::BTreeMap;

use bias_attrib::{Contrast, PossibleAnswer, Respondent};
use bias_core::Group;
use bias_metrics::{AnswerKind, Arm, NameAnswers, parse_answer};
use bias_model::{Answers, DecodeOptions, Decoding, LanguageModel};
use bias_probe::Sequence;
use burn::tensor::backend::Backend;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::provenance::hex;
use crate::results::Split;
use crate::{PromptSet, StudyError};

/// A variation by its place: context, then variation within it.
pub(crate) type Place = (usize, usize);

/// Which people: everybody, or those of one split of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Everybody,
    Of(Split),
}

impl Names {
    pub(crate) fn include(self, split: Split) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(own) => own == split,
        }
    }
}

impl PromptSet {
    /// Whom masks are tested on.
    pub(crate) fn tested(&self) -> Names {
        if self.holds_out_names() { Names::Of(Split::HeldOut) } else { Names::Everybody }
    }

    /// Places of one context's variations that `keep` wants.
    pub(crate) fn places(
        &self,
        context: usize,
        keep: impl Fn(&crate::prompts::Variation) -> bool,
    ) -> Vec<Place> {
        let variations = self.contexts[context].variations.iter().enumerate();
        variations.filter(|(_, v)| keep(v)).map(|(v, _)| (context, v)).collect()
    }

    /// Whom attribution sees.
    pub(crate) fn attributed(&self) -> Names {
        if self.holds_out_names() { Names::Of(Split::Attribution) } else { Names::Everybody }
    }
}

const VARIATIONS_AT_ONCE: usize = 6;

/// Every prompt as tokens, made once for a whole study.
pub(crate) struct Questionnaire<'a> {
    pub prompts: &'a PromptSet,
    encoded: Vec<Vec<Vec<Sequence>>>,
}

/// A seed of its own for each thing drawn, from the study's.
pub(crate) fn derived_seed(seed: u64, what: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(what).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// What the model answered about everybody in one variation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VariationAnswers {
    people: Vec<PersonAnswers>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PersonAnswers {
    /// Which of the variation's people.
    index: usize,
    split: Split,
    arm: Arm,
    group: Group,
    answers: Answers,
    /// Kind and value of each answer; values are turned round where lower is better.
    parsed: Vec<(AnswerKind, Option<f64>)>,
}

impl<'a> Questionnaire<'a> {
    /// Encodes every prompt with the model's chat template and tokenizer.
    pub(crate) fn new<B: Backend>(
        model: &LanguageModel<B>,
        prompts: &'a PromptSet,
    ) -> Result<Self, StudyError> {
        let mut encoded = Vec::new();
        for own in &prompts.contexts {
            let mut variations = Vec::new();
            for variation in &own.variations {
                let people = variation.people.iter().map(|person| {
                    model.text().prompt(&person.text, &person.name).map_err(|source| StudyError::Prompt {
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
        Ok(Self { prompts, encoded })
    }

    /// SHA-256 over everybody asked and every token of every question.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        for (own, encoded) in self.prompts.contexts.iter().zip(&self.encoded) {
            add(own.context.as_str());
            add(&format!("{} {:?}", own.higher_is_better, own.per));
            for (variation, encoded) in own.variations.iter().zip(encoded) {
                add(&variation.name);
                add(&format!("{:?}", variation.split));
                for (person, question) in variation.people.iter().zip(encoded) {
                    add(&person.name);
                    add(person.group.as_str());
                    add(&format!("{:?} {:?}", person.arm, person.split));
                    add(&format!("{:?} {:?}", question.tokens(), question.roles()));
                }
            }
        }
        hex(&hash.finalize())
    }

    /// Asks about some people in some variations, on so many threads.
    pub(crate) fn ask<B: Backend>(
        &self,
        model: &LanguageModel<B>,
        places: &[Place],
        names: Names,
        decoding: Decoding,
        threads: usize,
        bar: &ProgressBar,
    ) -> Result<BTreeMap<Place, VariationAnswers>, StudyError> {
        // Draws must not depend on who else is asked, so that before and after are paired.
        if names != Names::Everybody && matches!(decoding, Decoding::Sampled { .. }) {
            let mut asked = self.ask(model, places, Names::Everybody, decoding, threads, bar)?;
            asked.values_mut().for_each(|own| own.people.retain(|person| names.include(person.split)));
            return Ok(asked);
        }
        let mut asked = BTreeMap::new();
        let options = DecodeOptions { threads: threads.max(1), ..model.options().clone() };
        // A model without an end token is cut everywhere; its numbers have to be taken as they are.
        let ends = !model.options().stop.is_empty();
        // Several variations at once, so that all threads have work to the end; but one at
        // a time where draws must not depend on which others are asked.
        let at_once = if matches!(decoding, Decoding::Sampled { .. }) { 1 } else { VARIATIONS_AT_ONCE };
        for places in places.chunks(at_once) {
            let decoding = match (decoding, places) {
                (Decoding::Sampled { samples, seed }, [place, ..]) => {
                    Decoding::Sampled { samples, seed: derived_seed(seed, &format!("{place:?}")) }
                }
                _ => decoding,
            };
            let own = |&(c, v): &Place| {
                let people = self.prompts.contexts[c].variations[v].people.iter().enumerate();
                people.filter(move |(_, person)| names.include(person.split))
            };
            let prompts: Vec<Sequence> = places
                .iter()
                .flat_map(|place| own(place).map(|(i, _)| self.encoded[place.0][place.1][i].clone()))
                .collect();
            let text = |tokens: &[u32]| model.text().decode(tokens);
            let mut answers =
                bias_model::decode(model.model(), &prompts, decoding, &options, text)?.into_iter();
            for place in places {
                let context = &self.prompts.contexts[place.0];
                let sign = if context.higher_is_better { 1.0 } else { -1.0 };
                let people = own(place).zip(answers.by_ref()).map(|((index, person), answers)| {
                    let parsed = answers.answers.iter().map(|a| {
                        let parsed = parse_answer(&a.text);
                        if ends && !a.finished && parsed.open {
                            return (AnswerKind::Unfinished, None);
                        }
                        let value = context.per.map_or(parsed.value, |asked| parsed.per(asked));
                        (parsed.kind, value.map(|v| sign * v))
                    });
                    let parsed = parsed.collect();
                    let (split, arm, group) = (person.split, person.arm, person.group.clone());
                    PersonAnswers { index, split, arm, group, answers, parsed }
                });
                asked.insert(*place, VariationAnswers { people: people.collect() });
                bar.inc(1);
            }
        }
        Ok(asked)
    }

    /// What attribution looks at: the prompts and answers of one variation, about the people it may see.
    pub(crate) fn contrast(&self, place: Place, answers: &VariationAnswers) -> Contrast {
        let mut contrast = Contrast::default();
        let seen = self.prompts.attributed();
        for person in answers.people.iter().filter(|p| seen.include(p.split)) {
            let prompt = &self.encoded[place.0][place.1][person.index];
            // Counts of draws become shares.
            let total =
                person.answers.answers.iter().map(|a| a.weight).sum::<f64>() + person.answers.unexplored;
            let possible = person.answers.answers.iter().zip(&person.parsed).map(|(answer, (_, value))| {
                PossibleAnswer {
                    tokens: answer.tokens.clone(),
                    finished: answer.finished,
                    value: *value,
                    weight: answer.weight / total.max(f64::MIN_POSITIVE),
                }
            });
            let respondent = Respondent { prompt: prompt.clone(), answers: possible.collect() };
            match person.arm {
                Arm::A => contrast.a.push(respondent),
                Arm::B => contrast.b.push(respondent),
            }
        }
        contrast
    }
}

impl VariationAnswers {
    /// The answers about some people as numbers.
    pub(crate) fn numbers(&self, names: Names) -> Vec<NameAnswers> {
        let people = self.people.iter().filter(|person| names.include(person.split)).map(|person| {
            let mut own = NameAnswers {
                arm: person.arm,
                values: Vec::new(),
                unparsed: 0.0,
                unexplored: person.answers.unexplored,
            };
            for (answer, (_, value)) in person.answers.answers.iter().zip(&person.parsed) {
                match value {
                    Some(value) => own.values.push((*value, answer.weight)),
                    None => own.unparsed += answer.weight,
                }
            }
            own
        });
        people.collect()
    }

    /// How much of each kind of answer each group of names got.
    pub(crate) fn add_kinds(&self, kinds: &mut BTreeMap<Group, BTreeMap<AnswerKind, f64>>) {
        for person in &self.people {
            let own = kinds.entry(person.group.clone()).or_default();
            for (answer, (kind, _)) in person.answers.answers.iter().zip(&person.parsed) {
                *own.entry(*kind).or_default() += answer.weight;
            }
        }
    }
}
