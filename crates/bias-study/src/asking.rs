use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bias_attrib::{Contrast, PossibleAnswer, Respondent, Scale, summed_up};
use bias_core::{Context, Group};
use bias_metrics::{
    AnswerKind, Arm, NameAnswers, Weighting, drawn_error, parse_answer, sampling_error, weighted_quantile,
};
use bias_model::{
    Answer, Answers, Asked, DecodeOptions, Decoding, LanguageModel, NumberGrammar, Question, QuestionKind,
    Word,
};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::form::{ChoiceValue, Kind};
use crate::prompts::Person;
use crate::provenance::hex;
use crate::results::{Settings, Split};
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

/// Every prompt as tokens, made once for a whole study.
pub(crate) struct Questionnaire<'a> {
    pub prompts: &'a PromptSet,
    encoded: Vec<Vec<Vec<Question>>>,
    choice: ChoiceValue,
    /// How many names of each side attribution looks at.
    attributed: Option<usize>,
    winsorise: [f64; 2],
}

/// A seed of its own for each thing drawn, from the study's.
pub(crate) fn derived_seed(seed: u64, what: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(what).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// What the model answered about everybody in one variation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VariationAnswers {
    kind: Kind,
    scale: Scale,
    people: Vec<PersonAnswers>,
}

/// Answers as numbers, and how those count.
pub(crate) struct Said {
    pub weighting: Weighting,
    pub names: Vec<NameAnswers>,
    /// Of each name, the weight of answers that do not say what was asked, and of all.
    pub unanswered: Vec<(f64, f64)>,
    /// Of each name, the share of answers that was estimated by drawing.
    pub estimated: Vec<f64>,
    /// How each name's values came about, for the error of their mean.
    pub drawn: Vec<Drawn>,
}

/// How one name's values came about.
pub(crate) enum Drawn {
    /// Each by itself.
    Sampled,
    /// By draws from what was not explored, so many; of each value which, if it is not exact.
    Explored(u32, Vec<Option<u32>>),
}

impl Drawn {
    /// The standard error of these values' mean.
    pub(crate) fn error(&self, values: &[(f64, f64)]) -> f64 {
        match self {
            Self::Sampled => sampling_error(values),
            Self::Explored(draws, of) => {
                let values = values.iter().zip(of).map(|((value, weight), draw)| (*value, *weight, *draw));
                drawn_error(&values.collect::<Vec<_>>(), *draws)
            }
        }
    }
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

/// Which random numbers a person's answers are drawn with: those of one person of the other group too, so that what the two have in common
/// falls out of the groups' difference, and of nobody else. Were they everybody's, all of a group would be off by the same, and no
/// interval over names would show it.
fn stream(context: &Context, variation: &str, place: u32) -> u64 {
    derived_seed(0, &format!("{context} {variation} {place}"))
}

impl<'a> Questionnaire<'a> {
    /// Encodes every prompt with the model's chat template and tokenizer.
    pub(crate) fn new<B: Backend>(
        model: &LanguageModel<B>,
        prompts: &'a PromptSet,
        settings: &Settings,
    ) -> Result<Self, StudyError> {
        let mut numbers: Option<Arc<NumberGrammar>> = None;
        let mut encoded = Vec::new();
        for own in &prompts.contexts {
            let mut variations = Vec::new();
            for variation in &own.variations {
                let form = &variation.form;
                if form.kind() == Kind::Number && numbers.is_none() {
                    numbers = Some(Arc::new(NumberGrammar::new(model.text())?));
                }
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
                    let (prompt, kind) = match (&form.choices, &numbers) {
                        (Some(choices), _) => {
                            let (prompt, words) = model.text().choice(&asked, choices)?;
                            (prompt, QuestionKind::Choice(words.into()))
                        }
                        (None, Some(numbers)) if form.kind() == Kind::Number => {
                            (model.text().question(&asked)?, QuestionKind::Number(numbers.clone()))
                        }
                        _ => (model.text().question(&asked)?, QuestionKind::Free),
                    };
                    Ok(Question { prompt, kind, stream })
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
            encoded,
            choice: settings.choice,
            attributed: settings.attributed_names,
            winsorise: settings.winsorise,
        })
    }

    /// The options' words in a question, as the tokenizer made them.
    fn words(question: &Question) -> &[Word] {
        match &question.kind {
            QuestionKind::Choice(words) => words,
            QuestionKind::Free | QuestionKind::Number(_) => &[],
        }
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
                add(&format!("{:?}", variation.form));
                for (person, question) in variation.people.iter().zip(encoded) {
                    add(&person.name);
                    add(person.group.as_str());
                    add(&format!("{:?} {:?}", person.arm, person.split));
                    add(&format!("{:?} {:?}", question.prompt.tokens(), question.prompt.roles()));
                    add(&format!("{:?}", Self::words(question)));
                }
            }
        }
        hex(&hash.finalize())
    }

    /// Asks about some people in some variations, on so many threads; `done` is told how many questions were answered, each time
    /// that some were.
    pub(crate) fn ask<B: Backend>(
        &self,
        model: &LanguageModel<B>,
        places: &[Place],
        names: Names,
        decoding: Decoding,
        threads: usize,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<BTreeMap<Place, VariationAnswers>, StudyError> {
        let options = DecodeOptions { threads: threads.max(1), ..model.options().clone() };
        let own = |&(c, v): &Place| {
            let people = self.prompts.contexts[c].variations[v].people.iter().enumerate();
            people.filter(move |(_, person)| names.include(person.split))
        };
        let questions: Vec<Question> = places
            .iter()
            .flat_map(|place| own(place).map(|(i, _)| self.encoded[place.0][place.1][i].clone()))
            .collect();
        let text = |tokens: &[u32]| model.text().decode(tokens);
        let answers = bias_model::ask(model.model(), &questions, decoding, &options, text, done)?;
        let mut answers = answers.into_iter();
        let mut asked = BTreeMap::new();
        for place in places {
            let context = &self.prompts.contexts[place.0];
            let form = &context.variations[place.1].form;
            // A model without an end token is cut everywhere; its numbers have to be taken as they are.
            let ends = !options.stop.is_empty() || form.kind() == Kind::Number;
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
                    Some(choices) => {
                        // The last answer is whatever else might be said.
                        let words = Self::words(&self.encoded[place.0][place.1][index]).iter();
                        let worth = |word: &Word| f64::from(u8::from(word.option == choices.better()));
                        words
                            .map(|word| (AnswerKind::Option, Some(worth(word))))
                            .chain([(AnswerKind::OtherWords, None)])
                            .collect()
                    }
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
    pub(crate) fn try_some<B: Backend>(
        &self,
        model: &LanguageModel<B>,
        (c, v): Place,
        names: Names,
        most: usize,
        decoding: Decoding,
        threads: usize,
    ) -> Result<usize, StudyError> {
        let options = DecodeOptions { threads: threads.max(1), ..model.options().clone() };
        let people = self.prompts.contexts[c].variations[v].people.iter().zip(&self.encoded[c][v]);
        let own =
            people.filter(|(person, _)| names.include(person.split)).map(|(_, question)| question.clone());
        let questions: Vec<Question> = own.take(most).collect();
        let text = |tokens: &[u32]| model.text().decode(tokens);
        bias_model::ask(model.model(), &questions, decoding, &options, text, &|_| {})?;
        Ok(questions.len())
    }

    /// What attribution looks at: the prompts and answers of one variation, about the people it may see. Values are clamped as they
    /// are for the difference that is measured.
    pub(crate) fn contrast(&self, place: Place, answers: &VariationAnswers) -> Contrast {
        let mut contrast = Contrast::default();
        let seen = self.attributed(place);
        let people = || answers.people.iter().filter(|p| seen.contains(&p.index));
        let values: Vec<(f64, f64)> = people()
            .flat_map(|p| p.answers.answers.iter().zip(&p.parsed))
            .filter_map(|(answer, (_, value))| Some(((*value)?, answer.weight)))
            .collect();
        let quantile = |q: f64| weighted_quantile(&values, q).ok().filter(|_| answers.kind != Kind::Choice);
        let ends = self.winsorise.map(quantile);
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
        contrast
    }
}

impl PersonAnswers {
    /// As attribution sees them, values no lower and no higher than these.
    fn possible(&self, question: &Question, [low, high]: [Option<f64>; 2]) -> Vec<PossibleAnswer> {
        // Counts of draws become shares.
        let total = self.answers.answers.iter().map(|a| a.weight).sum::<f64>() + self.answers.unexplored;
        let clamp = |v: f64| low.map_or(v, |low| v.max(low)).min(high.unwrap_or(f64::INFINITY));
        let of = |(answer, (_, value)): (&Answer, &(AnswerKind, Option<f64>))| {
            let (finished, until) = match &question.kind {
                QuestionKind::Number(grammar) if answer.finished => (false, grammar.until(&answer.tokens)),
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

    /// As a number with its weight, or as many.
    fn numbers(&self, kind: Kind, scale: Scale) -> NameAnswers {
        let valued =
            || self.answers.answers.iter().zip(&self.parsed).filter_map(|(a, (_, v))| Some((a, (*v)?)));
        let (unexplored, arm) = (self.answers.unexplored, self.arm);
        if kind == Kind::Choice {
            let logs: Vec<(f64, f64, usize)> =
                valued().map(|(a, value)| (value, a.weight.ln(), a.tokens.len())).collect();
            let values = summed_up(scale, &logs).map(|value| (value, 1.0)).into_iter().collect();
            return NameAnswers { arm, values, unparsed: 0.0, unexplored, error: 0.0 };
        }
        NameAnswers {
            arm,
            values: valued().map(|(answer, value)| (value, answer.weight)).collect(),
            unparsed: self.unanswered().0,
            unexplored,
            error: 0.0,
        }
    }

    /// How the values came about.
    fn drawn(&self) -> Drawn {
        let valued = self.answers.answers.iter().zip(&self.parsed).filter(|(_, (_, value))| value.is_some());
        Drawn::Explored(self.answers.draws, valued.map(|(answer, _)| answer.draw).collect())
    }

    /// Weight of the answers that do not say what was asked, and of all.
    fn unanswered(&self) -> (f64, f64) {
        let weights =
            || self.answers.answers.iter().zip(&self.parsed).map(|(a, (_, value))| (a.weight, value));
        let none = weights().filter(|(_, value)| value.is_none()).map(|(weight, _)| weight).sum();
        (none, weights().map(|(weight, _)| weight).sum())
    }
}

impl VariationAnswers {
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
            drawn: people().map(PersonAnswers::drawn).collect(),
        };
        if self.kind == Kind::Choice {
            // Everybody has one value.
            own.weighting = Weighting::Draws;
        } else if sampled {
            own.weighting = Weighting::Draws;
            own.drawn.iter_mut().for_each(|own| *own = Drawn::Sampled);
        }
        own
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
