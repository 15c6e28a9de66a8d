use bias_frameworks::ItemSet;
use bias_frameworks::items::NameQuestions;
use bias_metrics::Arm;

use super::set::{PromptSet, REST};
use crate::StudyError;

impl PromptSet {
    /// The groups that its names are asked about: the values of the first attribute of
    /// [`by`](Self::by), or else the two sides.
    #[must_use]
    pub fn named_groups(&self) -> Vec<String> {
        if self.by.is_empty() {
            return self.groups.to_vec();
        }
        let mut groups: Vec<String> = Vec::new();
        for person in self.contexts.iter().flat_map(|own| &own.variations[0].people) {
            if let Some(own) = person.by.first()
                && !groups.iter().any(|known| known == own.as_str())
            {
                groups.push(own.to_string());
            }
        }
        groups
    }

    /// Neutral questions about all of its names: which of the [`named_groups`](Self::named_groups)
    /// does a name belong to? `words` say what each group is called, in their order; without any,
    /// groups are called as in the file, with spaces for `_`. `templates` take the place of
    /// [`NameQuestions::TEMPLATES`].
    ///
    /// # Errors
    /// [`StudyError::Framework`] for words or templates that cannot be asked.
    pub fn name_questions(
        &self,
        words: &[String],
        templates: &[String],
    ) -> Result<ItemSet, StudyError> {
        let groups = self.named_groups();
        let refuse =
            |reason: String| StudyError::from(bias_frameworks::FrameworkError::Names { reason });
        if words.is_empty() && self.rest {
            let reason = format!("nobody is called `{}`; say the words of each group", REST);
            return Err(refuse(reason));
        }
        if !words.is_empty() && words.len() != groups.len() {
            let reason = format!(
                "there are words for {} groups, and the names are of {}: {}",
                words.len(),
                groups.len(),
                groups.join(", ")
            );
            return Err(refuse(reason));
        }
        let called: Vec<String> = match words.is_empty() {
            true => groups.iter().map(|own| own.replace('_', " ")).collect(),
            false => words.to_vec(),
        };
        let mut questions = NameQuestions::new(called);
        if !templates.is_empty() {
            questions = questions.with_templates(templates.iter().map(String::as_str))?;
        }
        let people = self.contexts.iter().flat_map(|own| &own.variations[0].people);
        let people = people.map(|person| {
            let group = match person.by.first() {
                Some(own) => groups.iter().position(|known| known == own.as_str()),
                None => Some(usize::from(person.arm == Arm::B)),
            };
            (person.name.as_str(), group.unwrap_or(0))
        });
        Ok(questions.about(people)?)
    }
}
