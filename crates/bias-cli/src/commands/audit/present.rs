//! What an audit prints: tables or JSON, of one model or several.

use bias_cli::failure::Failure;
use bias_files::{note, say};
use bias_study::results::{Baseline, GroupDifferences};

use super::args::Args;
use crate::commands::audit::advice::{Asked, advice};
use crate::commands::audit::groups::groups;
use crate::commands::audit::table::{differs, show};

/// What was found of a model.
pub(super) struct Audited {
    pub model: String,
    /// The groups compared.
    pub groups: [String; 2],
    pub baselines: Vec<Baseline>,
    /// The differences between all groups, with --by.
    pub differences: Vec<GroupDifferences>,
}

/// With --by, the JSON of an audit; of one of several models, it says which.
#[derive(serde::Serialize)]
struct Whole<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    baseline: &'a [Baseline],
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [GroupDifferences]>,
}

/// Prints what was found.
///
/// # Errors
/// No context of any model has a difference to measure.
pub(super) fn present(args: &Args, all: &[Audited], asked: &Asked) -> Result<(), Failure> {
    let several = all.len() > 1;
    if args.json {
        let by = !args.by.by.is_empty();
        let whole = |own: &'_ Audited| -> Result<serde_json::Value, serde_json::Error> {
            serde_json::to_value(Whole {
                model: several.then_some(own.model.as_str()),
                baseline: &own.baselines,
                groups: by.then_some(own.differences.as_slice()),
            })
        };
        let json = match all {
            [own] if !by => serde_json::to_string_pretty(&own.baselines)?,
            [own] => serde_json::to_string_pretty(&whole(own)?)?,
            _ => {
                let each: Vec<_> = all.iter().map(whole).collect::<Result<_, _>>()?;
                serde_json::to_string_pretty(&each)?
            }
        };
        say!("{json}");
    }
    for own in all {
        let nothing = |own: &&Baseline| !own.variations.iter().any(differs);
        if args.json {
            for context in own.baselines.iter().filter(nothing) {
                note!(
                    "{}{}: nothing to compare. {}",
                    if several { format!("{}: ", own.model) } else { String::new() },
                    context.context,
                    advice(context, asked).unwrap_or_default()
                );
            }
            continue;
        }
        if several {
            say!("{}\n", own.model);
        }
        own.baselines
            .iter()
            .for_each(|context| show(context, &own.groups, args.prompts.choice_value, asked));
        own.differences.iter().for_each(|own| say!("{}", groups(own)));
    }
    let mut contexts = all.iter().flat_map(|own| &own.baselines);
    if !contexts.any(|own| own.variations.iter().any(differs)) {
        return Err(
            "no context has a difference to measure; each context's line says what to try".into()
        );
    }
    Ok(())
}
