use std::fmt;

use bias_ask::text::Mentions;
use bias_types::prompt::Context;

use super::set::PromptSet;

/// A word that may be a person's name or something else, and is not counted as the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsureMention {
    /// The context.
    pub context: Context,
    /// The variation.
    pub variation: String,
    /// The person's name.
    pub name: String,
    /// The word with the text around it.
    pub place: String,
}

impl fmt::Display for UnsureMention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, variation, name, place } = self;
        write!(
            f,
            "{context} / {variation}: `{place}` may be {name} or something else, and is not counted as the name"
        )
    }
}

impl PromptSet {
    /// Words of its prompts that may be another mention of the person or something else: see
    /// [`Mentions::unsure`].
    #[must_use]
    pub fn unsure_mentions(&self) -> Vec<UnsureMention> {
        let mut all = Vec::new();
        for own in &self.contexts {
            for variation in &own.variations {
                for person in &variation.people {
                    let unsure = Mentions::find(&person.text, &person.name).unsure;
                    all.extend(unsure.iter().map(|at| UnsureMention {
                        context: own.context.clone(),
                        variation: variation.name.clone(),
                        name: person.name.clone(),
                        place: Mentions::shown(&person.text, at),
                    }));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::prompts::sample::{HEADER, read, variation};
    use crate::results::Attribute;

    #[test]
    fn words_that_may_be_names_are_named() {
        let csv = HEADER.to_owned()
            + &variation("purchase", "car", "low").replace("Todd", "Will Smith").replace(
                "offer Will Smith?",
                "offer Will Smith? Will he take it? And does Will pay?",
            );
        let set = read(&csv).unwrap();
        let found: Vec<String> = set.unsure_mentions().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("purchase / car: `") && found[0].contains("»Will« he take"),
            "{found:?}"
        );
        let plain = read(&(HEADER.to_owned() + &variation("purchase", "car", "low"))).unwrap();
        assert!(plain.unsure_mentions().is_empty());
    }

    /// In the prompts of this repository, the name stands once and as it is written: no number
    /// depends on how other mentions are found.
    #[test]
    fn shipped_prompts_mention_everybody_once() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let files = [
            "emergent",
            "real",
            "kinds/gpt2",
            "kinds/qwen3",
            "kinds/small",
            "planted/shared-0",
            "planted/shared-40",
            "planted/shared-100",
        ];
        for folder in files {
            let path = fixtures.join(folder).join("prompts.csv");
            let set =
                PromptSet::from_csv(&path, &Attribute::before("race", "_"), ["white", "black"]);
            let set = set.unwrap();
            for person in set.contexts.iter().flat_map(|c| &c.variations).flat_map(|v| &v.people) {
                let at = person.text.find(&person.name).unwrap();
                let Mentions { found, unsure } = Mentions::find(&person.text, &person.name);
                let whole = at..at + person.name.len();
                assert_eq!(found, std::slice::from_ref(&whole), "{}", person.text);
                assert!(unsure.is_empty(), "{}", person.text);
            }
        }
    }
}
