use std::collections::{HashMap, HashSet};

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
        let people = self.contexts.iter().flat_map(|own| &own.variations[0].people);
        let mut seen = HashSet::new();
        let new = people.filter_map(|person| person.by.first()).filter(|own| seen.insert(*own));
        new.map(ToString::to_string).collect()
    }

    /// Neutral questions about all of its names: which of the [`named_groups`](Self::named_groups)
    /// does a name belong to? `words` say what a group is called; other groups are called as in the
    /// file, with spaces for `_`. `templates` take the place of [`NameQuestions::TEMPLATES`].
    ///
    /// # Errors
    /// [`StudyError::Framework`] for words or templates that cannot be asked.
    pub fn name_questions(
        &self,
        words: &[(String, String)],
        templates: &[String],
    ) -> Result<ItemSet, StudyError> {
        let groups = self.named_groups();
        let refuse =
            |reason: String| StudyError::from(bias_frameworks::FrameworkError::Names { reason });
        if let Some((unknown, _)) = words.iter().find(|own| !groups.contains(&own.0)) {
            let reason =
                format!("there is no group `{unknown}`; the names are of {}", groups.join(", "));
            return Err(refuse(reason));
        }
        let mut called = Vec::with_capacity(groups.len());
        for group in &groups {
            let own = words.iter().find(|own| own.0 == *group).map(|own| own.1.clone());
            if own.is_none() && self.rest && self.by.is_empty() && group == REST {
                let reason = format!("nobody is called `{REST}`; say the words of that group");
                return Err(refuse(reason));
            }
            called.push(own.unwrap_or_else(|| group.replace('_', " ")));
        }
        let mut questions = NameQuestions::new(called);
        if !templates.is_empty() {
            questions = questions.with_templates(templates.iter().map(String::as_str))?;
        }
        let places: HashMap<&str, usize> =
            groups.iter().enumerate().map(|(at, own)| (own.as_str(), at)).collect();
        let people = self.contexts.iter().flat_map(|own| &own.variations[0].people);
        let people = people.map(|person| {
            let group = match person.by.first() {
                Some(own) => places.get(own.as_str()).copied(),
                None => Some(usize::from(person.arm == Arm::B)),
            };
            (person.name.as_str(), group.unwrap_or(0))
        });
        Ok(questions.about(people)?)
    }
}
