use bias_files::hex;
use bias_metrics::Arm;
use bias_metrics::parse::Period;
use bias_types::prompt::{Context, Group};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::origin::Origin;
use crate::StudyError;
use crate::results::{Attribute, Form, Split};

/// The name of a side that holds everybody who is not on the other one, unless a value of the
/// attribute is called so.
pub const REST: &str = "rest";

/// Prompts about people of two groups, in several contexts.
///
/// It is read from a CSV file with the columns of Salinas, Haim and Nyarko (arXiv 2402.14875):
/// `scenario,variation,name_group,name,context_level,prompt_text`.
///
/// Optional columns are `context_level`, `split` and `name_split` (`attribution` or `held_out`),
/// `higher_is_better` (`true` or `false`), `per` (a [`Period`], such as `year`), and `answer_prefix`,
/// `choices`, `better` and `raw`, which say how a question is answered ([`Form`]). An [`Attribute`] names the
/// column, or the part of `name_group`, by which people are compared. A file may have several
/// attributes.
///
/// Without `split`, the last third of a context's variations is held out. Without `name_split`,
/// every second name of each side is held out, group by group, or nobody if a context would be left
/// with fewer than two names of a side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptSet {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The attribute by which people are compared.
    pub attribute: Attribute,
    /// Two of its values. A positive difference favours the first. [`REST`] stands for all other
    /// values together.
    pub groups: [String; 2],
    /// More attributes by which people are told apart, whichever side they are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Attribute>,
    /// All contexts, in the order of the file.
    pub contexts: Vec<ContextPrompts>,
    /// The number of rows about other groups, which were left out.
    pub skipped: usize,
    /// Columns of the file that nothing is read from, such as notes.
    #[serde(skip)]
    pub unused: Vec<String>,
    /// Whether a side is the [`REST`].
    #[serde(skip)]
    pub(super) rest: bool,
    /// Whether the file marks held-out variations itself.
    pub(super) marked: bool,
    /// Whether the file marks held-out names itself.
    pub(super) names_marked: bool,
    /// What the file says beyond the set.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextPrompts {
    /// Its name.
    pub context: Context,
    /// Whether a larger answer is better for the person.
    pub higher_is_better: bool,
    /// The period that the amount is paid for. Answers that state another period are converted.
    pub per: Option<Period>,
    /// Its variations, in the order of the file, all with the same people.
    pub variations: Vec<Variation>,
}

/// One variation of a context: the same question about all people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// Its name. The context level is added if there are several.
    pub name: String,
    /// The form of the question and of its answers, the same for all people.
    #[serde(default)]
    pub form: Form,
    /// Whether attribution may see it.
    pub split: Split,
    /// All people, group A first, by name within a group.
    pub people: Vec<Person>,
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person {
    /// The side of the comparison.
    pub arm: Arm,
    /// The name as written in the prompt.
    pub name: String,
    /// The group of names it belongs to.
    pub group: Group,
    /// The user's question.
    pub text: String,
    /// Whether attribution may see answers about this person; tests use the other people.
    pub split: Split,
    /// The values of [`PromptSet::by`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Group>,
}

impl PromptSet {
    /// The set that a file with these contexts would give.
    #[cfg(test)]
    pub(crate) fn of(contexts: Vec<ContextPrompts>) -> Self {
        Self {
            sha256: String::new(),
            attribute: Attribute::before("race", "_"),
            groups: ["white", "black"].map(str::to_owned),
            by: Vec::new(),
            contexts,
            skipped: 0,
            unused: Vec::new(),
            rest: false,
            marked: true,
            names_marked: true,
            origin: Origin::default(),
        }
    }

    /// Whether the file marks held-out variations, and held-out names, itself.
    pub(crate) fn marks(&self) -> [bool; 2] {
        [self.marked, self.names_marked]
    }

    /// The index of a context.
    #[must_use]
    pub fn index_of(&self, context: &str) -> Option<usize> {
        self.contexts.iter().position(|c| c.context.as_str() == context)
    }

    /// SHA-256 over its content, independent of the file's form.
    ///
    /// # Errors
    /// [`StudyError::Write`] if it cannot be written as JSON.
    pub(crate) fn digest(&self) -> Result<String, StudyError> {
        let own = Self { sha256: String::new(), skipped: 0, ..self.clone() };
        let json = serde_json::to_vec(&own)
            .map_err(|e| StudyError::Write { path: "prompts.json".into(), source: e.into() })?;
        Ok(hex(&Sha256::digest(json)))
    }

    /// Checks that it is a set that reading a file could give. A set that comes with a study may
    /// contain anything.
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
