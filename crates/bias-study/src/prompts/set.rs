use bias_files::hex;
use bias_metrics::Arm;
use bias_metrics::parse::Period;
use bias_types::prompt::{Context, Group};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::StudyError;
use crate::results::{Attribute, Form, Split};

/// Prompts about people of two groups, in several contexts.
///
/// Read from a CSV file with the columns of Salinas, Haim and Nyarko (arXiv 2402.14875):
/// `scenario,variation,name_group,name,context_level,prompt_text`. Four more are understood:
/// `split` and `name_split` (`attribution` or `held_out`), `higher_is_better` (`true` or `false`)
/// and `per` (a [`Period`], such as `year`); and `answer_prefix`, `choices`, `better` and `raw`,
/// which say how a question is answered ([`Form`]). An [`Attribute`] says by which column, or which
/// part of `name_group`, people are compared; a file may have several. Without a split, the last
/// third of a context's variations is held out; without one of names, every second name of each
/// side, group by group, or nobody if a context would be left with fewer than two names of a side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptSet {
    /// SHA-256 of the file.
    pub sha256: String,
    /// What tells the people apart who are compared.
    pub attribute: Attribute,
    /// Two of its values: a positive difference favours the first.
    pub groups: [String; 2],
    /// Every context, in the file's order.
    pub contexts: Vec<ContextPrompts>,
    /// Rows about other groups, which were left out.
    pub skipped: usize,
    /// Whether the file says itself which variations are held out.
    pub(super) marked: bool,
    /// Whether it says which names are.
    pub(super) names_marked: bool,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextPrompts {
    /// Its name.
    pub context: Context,
    /// Whether a larger answer is better for the person.
    pub higher_is_better: bool,
    /// What the amount asked about is paid for: answers that state another period are converted.
    pub per: Option<Period>,
    /// Its variations, in the file's order; the same people in each.
    pub variations: Vec<Variation>,
}

/// One variation of a context: the same question about everybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// Its name; the context level is added when there are several.
    pub name: String,
    /// How everybody's question is put and answered.
    #[serde(default)]
    pub form: Form,
    /// Whether attribution may see it.
    pub split: Split,
    /// Everybody asked about, group A first, by name within a group.
    pub people: Vec<Person>,
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// Which side of the comparison.
    pub arm: Arm,
    /// The name as it stands in the prompt.
    pub name: String,
    /// The group of names it belongs to.
    pub group: Group,
    /// What the user asks.
    pub text: String,
    /// Whether attribution may see answers about this person; tests then see the others.
    pub split: Split,
}

impl PromptSet {
    /// What a file with these contexts would say.
    #[cfg(test)]
    pub(crate) fn of(contexts: Vec<ContextPrompts>) -> Self {
        Self {
            sha256: String::new(),
            attribute: Attribute::before("race", "_"),
            groups: ["white", "black"].map(str::to_owned),
            contexts,
            skipped: 0,
            marked: true,
            names_marked: true,
        }
    }

    /// The index of a context.
    #[must_use]
    pub fn index_of(&self, context: &str) -> Option<usize> {
        self.contexts.iter().position(|c| c.context.as_str() == context)
    }

    /// SHA-256 over what it says, and not over the file that says it.
    ///
    /// # Errors
    /// [`StudyError::Write`] where it cannot be written as JSON.
    pub(crate) fn digest(&self) -> Result<String, StudyError> {
        let own = Self { sha256: String::new(), skipped: 0, ..self.clone() };
        let json = serde_json::to_vec(&own)
            .map_err(|e| StudyError::Write { path: "prompts.json".into(), source: e.into() })?;
        Ok(hex(&Sha256::digest(json)))
    }

    /// Whether it is as reading a file makes it: of one that comes with a study, anything may be
    /// wrong.
    pub(crate) fn is_whole(&self) -> bool {
        let people = |v: &Variation| {
            v.people.iter().map(|p| (p.arm, p.name.clone(), p.split)).collect::<Vec<_>>()
        };
        let sides = |v: &Variation| {
            [Arm::A, Arm::B].iter().all(|arm| v.people.iter().any(|p| p.arm == *arm))
        };
        !self.contexts.is_empty()
            && self.contexts.iter().all(|own| {
                let first = own.variations.first();
                first.is_some_and(|first| {
                    sides(first)
                        && own.variations.iter().all(|other| people(other) == people(first))
                })
            })
    }
}
