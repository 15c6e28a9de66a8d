//! Audits answers that were written down: no model is asked.

use std::path::Path;

use bias_cli::failure::Failure;
use bias_files::note;
use bias_study::{Audit, Settings, StudyOptions};

use super::args::Args;
use crate::commands::audit::advice::Asked;
use crate::commands::audit::present::{Audited, present};

pub(super) fn run(args: &Args, path: &Path) -> Result<(), Failure> {
    let found = args.prompts.load_recorded(path, &args.by.by, &args.of)?;
    if let (Some(saved), [_, second, ..]) = (&args.save_answers, &found[..]) {
        return Err(format!(
            "--save-answers: {} would hold one model, and {} has several, such as `{}`; name one with --of",
            saved.display(),
            path.display(),
            second.model
        )
        .into());
    }
    let mut all = Vec::with_capacity(found.len());
    for own in found {
        let options = StudyOptions {
            settings: Settings {
                seed: args.model.seed,
                decoding: own.responder.decoding(),
                choice: args.prompts.choice_value,
                ..Settings::default()
            },
            ..StudyOptions::default()
        };
        let mut audit = Audit::new(own.responder, &own.model, &own.prompts, options)?;
        let baselines = audit.audit()?;
        if let Some(path) = &args.save_answers {
            audit.save_answers(path)?;
            note!("wrote every answer to {}", path.display());
        }
        let differences = audit.group_differences()?;
        let groups = own.prompts.groups.clone();
        all.push(Audited { model: own.model, groups, baselines, differences });
    }
    let asked = Asked { max_new_tokens: 0, told_template: false, answers: true, recorded: true };
    present(args, &all, &asked)
}
