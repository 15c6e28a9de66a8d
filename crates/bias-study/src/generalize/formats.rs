use bias_types::prompt::Context;

use crate::StudyError;
use crate::prompts::{ContextPrompts, Person, PromptSet, Variation};
use crate::results::{Form, Format, Split};

/// The name of a home in another format, as a context of its own.
pub(super) fn derived(home: &Context, format: Format) -> Result<Context, StudyError> {
    format!("{home} ({format})").parse().map_err(|e| StudyError::Protocol {
        reason: format!("`{home}` cannot be named in another format: {e}"),
    })
}

/// Whether a context is another one in another format.
pub(super) fn is_derived(prompts: &PromptSet, context: usize) -> bool {
    let own = prompts.contexts.get(context).map(|own| &own.context);
    prompts.contexts.iter().any(|home| {
        let names =
            Format::ALL.into_iter().filter_map(|format| derived(&home.context, format).ok());
        names.into_iter().any(|name| Some(&name) == own)
    })
}

/// The indices of the contexts that are no other one in another format.
pub(super) fn contexts(prompts: &PromptSet) -> Vec<usize> {
    (0..prompts.contexts.len()).filter(|c| !is_derived(prompts, *c)).collect()
}

/// The held-out questions of a context in another format. Without held-out ones, all of them.
pub(super) fn otherwise_put(
    home: &ContextPrompts,
    format: Format,
    preamble: &str,
) -> Result<ContextPrompts, StudyError> {
    let held_out = |own: &&Variation| own.split == Split::HeldOut;
    let some = home.variations.iter().any(|own| held_out(&own));
    let own = home.variations.iter().filter(|own| !some || held_out(own));
    let variations = own.map(|own| Variation {
        name: own.name.clone(),
        form: match format {
            Format::Rendering => Form { raw: !own.form.raw, ..own.form.clone() },
            Format::Preamble => own.form.clone(),
        },
        split: Split::HeldOut,
        people: own.people.iter().map(|person| said(person, format, preamble)).collect(),
    });
    Ok(ContextPrompts {
        context: derived(&home.context, format)?,
        variations: variations.collect(),
        ..home.clone()
    })
}

fn said(person: &Person, format: Format, preamble: &str) -> Person {
    let text = match format {
        Format::Rendering => person.text.clone(),
        Format::Preamble => format!("{} {}", preamble.trim(), person.text),
    };
    Person { text, ..person.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bias_metrics::Arm;

    #[test]
    fn only_what_was_held_out_is_put_otherwise() {
        let person = Person {
            arm: Arm::A,
            name: "Emily".into(),
            group: "white_women".parse().unwrap(),
            text: "Offer Emily?".into(),
            split: Split::Attribution,
            by: Vec::new(),
        };
        let variation = |name: &str, split, raw| Variation {
            name: name.into(),
            form: Form { raw, ..Form::default() },
            split,
            people: vec![person.clone()],
        };
        let home = ContextPrompts {
            context: "hiring".parse().unwrap(),
            higher_is_better: true,
            per: None,
            variations: vec![
                variation("seen", Split::Attribution, false),
                variation("raw", Split::HeldOut, true),
                variation("chat", Split::HeldOut, false),
            ],
        };
        let turned = otherwise_put(&home, Format::Rendering, "").unwrap();
        let forms: Vec<_> =
            turned.variations.iter().map(|own| (&*own.name, own.form.raw)).collect();
        assert_eq!(forms, [("raw", false), ("chat", true)]);
        assert_eq!(turned.context.as_str(), "hiring (the other rendering)");
        let before = otherwise_put(&home, Format::Preamble, "Read this. ").unwrap();
        assert_eq!(before.variations[0].people[0].text, "Read this. Offer Emily?");
        assert!(before.variations.iter().all(|own| own.split == Split::HeldOut));
    }
}
