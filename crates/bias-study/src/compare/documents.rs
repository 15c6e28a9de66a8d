use std::path::Path;

use bias_files::read_input;
use serde::Deserialize;
use serde_json::Value;

use super::sides::{Side, SideContext};
use crate::StudyError;
use crate::prompts::bad;
use crate::results::{Baseline, FORMAT, Outcome, Results, Scope, SideCell};
use crate::save::LARGEST;

/// The JSON of an audit with more than the list of contexts.
#[derive(Deserialize)]
struct Audited {
    model: Option<String>,
    baseline: Vec<Baseline>,
}

impl Side {
    /// Reads what a JSON document states: the list that `bias audit --json` prints, or a study's
    /// `results.json`. Of a study, the unpruned model, and the masks whose id is among `masks` or
    /// begins with one of them; `all` are all.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] for another document, or a mask that the study
    /// does not have.
    pub fn document(path: &Path, masks: &[String]) -> Result<Vec<Self>, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        let bytes = read_input(path, LARGEST).map_err(failed)?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| {
            bad(path, Some(error.line() as u64), format!("it is no JSON: {error}"))
        })?;
        if json.get("format").is_some() {
            return study(path, &Results::load(path)?, masks);
        }
        let stem = path.file_stem().map(|own| own.to_string_lossy().into_owned());
        let stem = stem.unwrap_or_else(|| "audit".into());
        let other = |error: serde_json::Error| {
            let reason = format!(
                "it is neither the JSON of `bias audit --json` nor results.json of a study in the format `{FORMAT}` ({error})"
            );
            bad(path, None, reason)
        };
        let each: Vec<Audited> = match &json {
            Value::Array(all) if all.iter().any(|own| own.get("baseline").is_some()) => {
                serde_json::from_value(json).map_err(other)?
            }
            Value::Array(_) => {
                vec![Audited {
                    model: None,
                    baseline: serde_json::from_value(json).map_err(other)?,
                }]
            }
            _ => vec![serde_json::from_value(json).map_err(other)?],
        };
        if each.iter().all(|own| own.baseline.is_empty()) {
            return Err(bad(path, None, "it has no context"));
        }
        let of = |own: Audited| {
            let name = own.model.unwrap_or_else(|| stem.clone());
            let mut side = Self::stated(name, None, &own.baseline, |_| None);
            side.remarks.push("its file does not say which groups are compared".into());
            side
        };
        Ok(each.into_iter().map(of).collect())
    }
}

/// The unpruned model of a study, and the masks that were asked for.
fn study(path: &Path, results: &Results, masks: &[String]) -> Result<Vec<Side>, StudyError> {
    let groups = Some(results.prompts.groups.clone());
    let names = |context: &_| {
        let found = results.prompts.contexts.iter().find(|own| own.context == *context);
        found.map(|own| own.names)
    };
    let model = &results.model.name;
    let mut sides = vec![Side::stated(model.clone(), groups.clone(), &results.baseline, names)];
    for wanted in masks {
        let found: Vec<&str> = results
            .strategies
            .iter()
            .map(|own| own.id.as_str())
            .filter(|id| wanted == "all" || id.starts_with(wanted.as_str()))
            .collect();
        if found.is_empty() {
            let known = results.strategies.iter().take(8).map(|own| format!("`{}`", own.id));
            let reason = format!(
                "no mask of the study is called `{wanted}`; there are {} masks, such as {}",
                results.strategies.len(),
                known.collect::<Vec<_>>().join(", ")
            );
            return Err(bad(path, None, reason));
        }
        for id in found {
            let name = format!("{model}, {id}");
            if !sides.iter().any(|own| own.name == name) {
                sides.push(mask(results, id, name, groups.clone()));
            }
        }
    }
    Ok(sides)
}

/// What a study found of a mask: the mean |SMD| of each context.
fn mask(results: &Results, id: &str, name: String, groups: Option<[String; 2]>) -> Side {
    let mut contexts = Vec::new();
    for info in &results.prompts.contexts {
        let here = |own: &&Outcome| own.strategy == id && own.context == info.context;
        let outcomes = || results.outcomes.iter().filter(here);
        // On what the mask was not made from, where there is such a test.
        let found =
            outcomes().find(|own| !matches!(own.scope, Scope::PromptSpecific | Scope::Attributed));
        let Some(own) = found.or_else(|| outcomes().next()) else { continue };
        let tested = if info.held_out_names == [0; 2] { info.names } else { info.held_out_names };
        contexts.push(SideContext {
            context: info.context.clone(),
            bias: SideCell { estimate: own.after, names: Some(tested), without_value: None },
            signed: None,
            people: None,
            variations: Vec::new(),
        });
    }
    let remarks = vec![
        "a study states the mean |SMD| under a mask over held-out variations and names only, which the unpruned model's \
         is not; save the answers of the pruned model to compare them name by name"
            .into(),
    ];
    Side { name, groups, contexts, remarks }
}
