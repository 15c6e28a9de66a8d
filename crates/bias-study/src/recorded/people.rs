use std::collections::HashMap;

use super::columns::{Cells, ROUNDING, Weight};
use crate::prompts::{Overview, PromptRecord};
use crate::results::Split;

/// What was answered about people: the rows of one model, those of a person together.
pub(super) struct People {
    pub(super) model: String,
    /// The line of its first row.
    pub(super) line: u64,
    pub(super) overview: Overview,
    pub(super) all: Vec<About>,
    /// The places of people, by their question and name, while rows are added.
    index: HashMap<(u32, String), u32>,
    /// The same, sorted, once all are there.
    order: Vec<u32>,
    /// The lines of the first row that counts an answer and of the first that gives its probability;
    /// choices aside.
    weighed: [Option<u64>; 2],
}

/// The answers about a person in a variation.
pub(super) struct About {
    /// The line of the first row.
    pub(super) line: u64,
    shape: u32,
    group: u32,
    name: String,
    text: String,
    name_split: Option<Split>,
    pub(super) in_thought: bool,
    pub(super) said: Vec<Said>,
    /// The probability of answers that are not there, and the draws from them.
    pub(super) unexplored: f64,
    pub(super) draws: u32,
    /// Whether an answer was counted.
    pub(super) counted: bool,
}

/// An answer. There may be very many.
pub(super) struct Said {
    pub(super) text: Box<str>,
    pub(super) weight: f64,
    pub(super) draw: Option<u32>,
    pub(super) finished: bool,
    /// Its length in tokens; 0 if it is not known.
    pub(super) tokens: u16,
}

/// What many rows share, kept once.
#[derive(Default)]
pub(super) struct Shared {
    /// Rows without person and text, and the question that they belong to.
    shapes: Vec<(PromptRecord, u32)>,
    of_shape: HashMap<PromptRecord, u32>,
    questions: HashMap<[String; 3], u32>,
    /// Groups, each with the cells of further attributes.
    groups: Vec<Vec<String>>,
    of_group: HashMap<Vec<String>, u32>,
}

/// A row, with what is shared taken out of it.
pub(super) struct Row {
    pub(super) line: u64,
    shape: u32,
    group: u32,
    name: String,
    text: String,
    name_split: Option<Split>,
    pub(super) choice: bool,
}

impl Shared {
    /// Takes a row apart. `choice` says whether the question is a choice.
    pub(super) fn row(
        &mut self,
        line: u64,
        mut record: PromptRecord,
        mut group: Vec<String>,
        choice: bool,
    ) -> Row {
        let name = std::mem::take(&mut record.name);
        let text = std::mem::take(&mut record.prompt_text);
        let name_split = record.name_split.take();
        group.insert(0, std::mem::take(&mut record.name_group));
        let group = match self.of_group.get(&group) {
            Some(known) => *known,
            None => {
                let next = self.groups.len() as u32;
                self.groups.push(group.clone());
                *self.of_group.entry(group).or_insert(next)
            }
        };
        let shape = match self.of_shape.get(&record) {
            Some(known) => *known,
            None => {
                // A context's name has no spaces around it.
                let scenario = record.scenario.trim();
                let key = [scenario, &record.variation, &record.context_level];
                let next = self.questions.len() as u32;
                let question = *self.questions.entry(key.map(str::to_owned)).or_insert(next);
                let next = self.shapes.len() as u32;
                self.shapes.push((record.clone(), question));
                *self.of_shape.entry(record).or_insert(next)
            }
        };
        Row { line, shape, group, name, text, name_split, choice }
    }

    /// The row of a prompt file that asks about a person, with the cells of attributes. The text is
    /// taken out of it.
    pub(super) fn asked(&self, about: &mut About) -> (u64, PromptRecord, Vec<String>) {
        let mut group = self.groups[about.group as usize].clone();
        let name_group = if group.is_empty() { String::new() } else { group.remove(0) };
        let mut record = self.shapes[about.shape as usize].0.clone();
        record.name_group = name_group;
        record.name.clone_from(&about.name);
        record.prompt_text = std::mem::take(&mut about.text);
        record.name_split = about.name_split;
        (about.line, record, group)
    }

    fn question(&self, shape: u32) -> u32 {
        self.shapes[shape as usize].1
    }
}

impl People {
    pub(super) fn new(model: String, line: u64) -> Self {
        Self {
            model,
            line,
            overview: Overview::default(),
            all: Vec::new(),
            index: HashMap::new(),
            order: Vec::new(),
            weighed: [None; 2],
        }
    }

    /// Adds an answer.
    ///
    /// # Errors
    /// Why the row contradicts itself or an earlier one.
    pub(super) fn add(&mut self, shared: &Shared, row: Row, cells: Cells) -> Result<(), String> {
        let weight = cells.weight()?;
        let counted = matches!(weight, Weight::Count(_));
        if !row.choice {
            let own = usize::from(!counted);
            self.weighed[own].get_or_insert(row.line);
            if let [Some(count), Some(probability)] = self.weighed {
                return Err(format!(
                    "answers are counted on line {count} and have a probability on line {probability}; give all of one \
                     model in one way"
                ));
            }
        }
        let tokens = if row.choice { cells.tokens()? } else { None };
        let key = (shared.question(row.shape), row.name);
        let at = match self.index.get(&key) {
            Some(at) => *at as usize,
            None => {
                let at = self.all.len();
                self.all.push(About {
                    line: row.line,
                    shape: row.shape,
                    group: row.group,
                    name: key.1.clone(),
                    text: row.text.clone(),
                    name_split: row.name_split,
                    in_thought: cells.in_thought == Some(true),
                    // Most people have one answer, or many.
                    said: Vec::with_capacity(1),
                    unexplored: 0.0,
                    draws: 0,
                    counted: false,
                });
                self.index.insert(key, at as u32);
                at
            }
        };
        let about = &mut self.all[at];
        let first = about.said.is_empty();
        let place = format!("about `{}` on line {}", about.name, about.line);
        let differs = |what: &str| Err(format!("{what} {place}"));
        let group = |at: u32| shared.groups.get(at as usize).and_then(|own| own.first());
        let [own, before] = [row.group, about.group].map(group);
        if own != before {
            let [own, before] = [own, before].map(|own| own.map_or("", String::as_str));
            return Err(format!(
                "`{}` stands in the group `{own}`, and in `{before}` on line {}; answers to one question about one name cannot \
                 be told apart, so leave it out of one group",
                about.name, about.line
            ));
        }
        if about.text != row.text {
            return differs(
                "another prompt than in the same scenario, variation and context level; give one of them another \
                 `variation` or `context_level`. See the row",
            );
        }
        let in_thought = cells.in_thought == Some(true);
        if (about.shape, about.group, about.name_split, about.in_thought)
            != (row.shape, row.group, row.name_split, in_thought)
        {
            return differs("another column of the question differs from the row");
        }
        let (weight, draw) = match weight {
            Weight::Count(own) => (own, None),
            Weight::Probability { own, unexplored, draw, draws } => {
                if !first && (about.unexplored, about.draws) != (unexplored, draws) {
                    return differs("`unexplored` or `draws` differs from the row");
                }
                (about.unexplored, about.draws) = (unexplored, draws);
                (own, draw)
            }
        };
        if !first && about.counted != counted {
            return differs("`count` and `probability` are both given in rows");
        }
        about.counted = counted;
        let (text, finished) = (cells.response.into(), cells.ended != Some(false));
        about.said.push(Said { text, weight, draw, finished, tokens: tokens.unwrap_or(0) });
        Ok(())
    }

    /// Checks what only all rows together say. Nothing is added any more.
    ///
    /// # Errors
    /// A line and the reason.
    pub(super) fn finish(&mut self, shared: &Shared) -> Result<(), (u64, String)> {
        self.index = HashMap::new();
        self.all.shrink_to_fit();
        let mut order: Vec<u32> = (0..self.all.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.key(shared, *a).cmp(&self.key(shared, *b)));
        self.order = order;
        for about in &mut self.all {
            about.said.shrink_to_fit();
            let sum: f64 = about.said.iter().map(|one| one.weight).sum::<f64>() + about.unexplored;
            if !about.counted && sum > 1.0 + ROUNDING {
                let reason = format!(
                    "the probabilities of the answers about `{}` add up to {sum:.4}; they must not exceed 1. Give counts in \
                     the column `count`",
                    about.name
                );
                return Err((about.line, reason));
            }
            // What the rows leave out is unexplored, whatever they say.
            let left_out = 1.0 - sum;
            if !about.counted && left_out > ROUNDING {
                about.unexplored += left_out;
            }
        }
        Ok(())
    }

    /// Whether answers were drawn, and the most of a person's; choices aside, unless there is nothing
    /// else.
    pub(super) fn drawn(&self) -> Option<u32> {
        let counted = match self.weighed {
            [None, None] => self.all.iter().all(|own| own.counted),
            [count, _] => count.is_some(),
        };
        let each = self.all.iter().filter(|own| own.counted);
        let each = each.map(|own| own.said.iter().map(|one| one.weight).sum::<f64>());
        counted.then(|| each.fold(1.0, f64::max).min(f64::from(u32::MAX)) as u32)
    }

    /// The place of a person who is asked in this variation and level of a scenario.
    pub(super) fn find(&self, shared: &Shared, written: [&str; 3], name: &str) -> Option<usize> {
        let question = shared.questions.get(&written.map(str::to_owned))?;
        let own = Some((*question, name));
        let found = self.order.binary_search_by(|at| self.key(shared, *at).cmp(&own)).ok()?;
        self.order.get(found).map(|at| *at as usize)
    }

    /// The question and the name of a person.
    fn key<'s>(&'s self, shared: &Shared, at: u32) -> Option<(u32, &'s str)> {
        let about = self.all.get(at as usize)?;
        Some((shared.question(about.shape), about.name.as_str()))
    }
}
