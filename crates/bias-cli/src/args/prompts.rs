//! The prompts that a model is asked, and their form.

use std::path::{Path, PathBuf};

use bias_files::note;
use bias_model::hub::ModelSource;
use bias_study::recorded::RecordedAnswers;
use bias_study::results::{Attribute, ChoiceValue, Form, FormText};
use bias_study::{PromptSet, StudyError};
use clap::Args;

use crate::args::also::attribute;
use crate::args::model::ModelArgs;
use crate::failure::Failure;

/// Which prompts.
#[derive(Debug, Clone, Default, Args)]
pub struct PromptArgs {
    /// Prompt file with the columns scenario,variation,name_group,name,prompt_text. Optional columns
    /// are context_level, split, name_split, higher_is_better, per, answer_prefix, choices, better,
    /// answer_field and raw. The default file is `prompts.csv` in the model's folder
    #[arg(long, value_name = "CSV")]
    pub prompts: Option<PathBuf>,
    /// The attribute that tells the two groups apart: `race` (the column of that name),
    /// `race=COLUMN`, or `race=before:_` (the part of `name_group` before its first `_`; also
    /// `after`, `before-last` and `after-last`). `race+gender` joins several, and their groups are
    /// called `white+women` [default: race=before:_]
    #[arg(long, value_name = "ATTRIBUTE", value_parser = attribute)]
    pub attribute: Option<Attribute>,
    /// The two groups to compare, by their values of --attribute. A positive difference favours the
    /// first group. `rest` stands for all other groups together, as in `muslim,rest` [default:
    /// white,black]
    #[arg(long, value_name = "A,B", value_parser = groups)]
    pub groups: Option<[String; 2]>,
    /// Scenarios in which a smaller answer is better for the person
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    pub lower_is_better: Vec<String>,
    /// Begin every answer for the model with this text, such as `$` or `I would offer $`. The model
    /// continues with a number, whose exact distribution is a small tree. Applies to rows that do
    /// not say how they are answered
    #[arg(long, value_name = "TEXT")]
    pub answer_prefix: Option<String>,
    /// Ask every question as a choice, such as `Yes,yes|No,no`: `|` separates options, commas
    /// separate spellings of one option. Applies to rows that do not say how they are answered
    #[arg(long, value_name = "OPTIONS")]
    pub choices: Option<String>,
    /// The option of --choices that is favourable to the person, named by any of its words
    #[arg(long, value_name = "WORD")]
    pub better: Option<String>,
    /// Read the number from this field of an answer in JSON, such as `offer` in
    /// `{"offer": 540, "confidence": 0.7}`, or in lines of `offer: 540`. Applies to rows that do not
    /// say how they are answered
    #[arg(long, value_name = "FIELD")]
    pub answer_field: Option<String>,
    /// Treat every prompt as plain text that the model continues: no chat template, and so no
    /// --system, --template-arg or --date
    #[arg(long)]
    pub raw: bool,
    /// Value of a choice: the log-odds of the favourable option, the same per token (for options of
    /// different length), or its probability among the options
    #[arg(long, value_name = "WHAT", default_value = "log-odds", value_parser = choice_value)]
    pub choice_value: ChoiceValue,
}

/// The value of a choice, as written on the command line.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn choice_value(text: &str) -> Result<ChoiceValue, String> {
    match text {
        "log-odds" => Ok(ChoiceValue::LogOdds),
        "log-odds-per-token" => Ok(ChoiceValue::LogOddsPerToken),
        "probability" => Ok(ChoiceValue::Probability),
        _ => Err("expected log-odds, log-odds-per-token or probability".into()),
    }
}

/// Parses two groups written as `white,black`.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn groups(text: &str) -> Result<[String; 2], String> {
    match text.split_once(',') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() && a != b && !b.contains(',') => {
            Ok([a.into(), b.into()])
        }
        _ => Err("expected two different groups, as in `white,black`".into()),
    }
}

/// As many words that may be names are shown.
const UNSURE_SHOWN: usize = 5;

/// Says what stands on both sides of a held-out split, or that there is no split, where a command
/// makes masks and tests them on what is held out.
pub fn warn_of_split(prompts: &PromptSet) {
    if !prompts.holds_out_names() {
        note!(
            "too few names to hold any out: masks are tested on the names that they are made from"
        );
    }
    prompts.on_both_sides().iter().for_each(|own| note!("{own}"));
}

impl PromptArgs {
    /// Reads the prompt file.
    ///
    /// # Errors
    /// See [`PromptSet::from_csv`]; no file named for a model of the hub; a scenario of
    /// `--lower-is-better` that the file lacks; arguments about the chat where no prompt is put as
    /// one.
    pub fn load(&self, model: &ModelArgs) -> Result<PromptSet, Failure> {
        self.load_by(model, &[])
    }

    /// The same with more attributes, by which people are told apart.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_by(&self, model: &ModelArgs, by: &[Attribute]) -> Result<PromptSet, Failure> {
        let prompts = self.read(&model.weights.source()?, by)?;
        model.chat.check(&prompts, self.raw)?;
        Ok(prompts)
    }

    /// The same for a model that was named in another way.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for(&self, model: &ModelSource) -> Result<PromptSet, Failure> {
        self.read(model, &[])
    }

    /// The same for a model without a folder: the file must be named.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_named(&self, by: &[Attribute]) -> Result<PromptSet, Failure> {
        if self.prompts.is_none() {
            return Err("a hosted model brings no prompts; name a file with --prompts".into());
        }
        self.read(&ModelSource::Folder(PathBuf::new()), by)
    }

    fn read(&self, model: &ModelSource, by: &[Attribute]) -> Result<PromptSet, Failure> {
        let path = match (&self.prompts, model) {
            (Some(path), _) => path.clone(),
            // Said before anything is downloaded.
            (None, ModelSource::Hub(id)) => {
                return Err(format!(
                    "there is no folder `{id}`, and as a model of the hub (owner/name) it comes without prompts; correct \
                     --model, or name a file with --prompts"
                )
                .into());
            }
            (None, ModelSource::Folder(folder)) => folder.join("prompts.csv"),
            (None, ModelSource::Gguf(file)) => file.with_file_name("prompts.csv"),
        };
        let form = self.form()?;
        let (attribute, groups) = self.compared(by);
        let prompts = PromptSet::from_csv_by(&path, &attribute, groups, &form, by);
        let prompts = prompts.map_err(|e: StudyError| match &e {
            StudyError::Read { .. } if self.prompts.is_none() => {
                format!("{e}: the model's folder has no prompts; name a file with --prompts").into()
            }
            _ => Failure::from(e),
        })?;
        self.checked(&path, prompts)
    }

    /// Reads a file of recorded answers, with the questions that they answer: of the named models, or
    /// of all.
    ///
    /// # Errors
    /// See [`RecordedAnswers::read`]; a scenario of `--lower-is-better` that the file lacks; a
    /// `--choice-value` that its answers do not have.
    pub fn load_recorded(
        &self,
        path: &Path,
        by: &[Attribute],
        of: &[String],
    ) -> Result<Vec<RecordedAnswers>, Failure> {
        let (attribute, groups) = self.compared(by);
        let found = RecordedAnswers::read(path, &attribute, groups, &self.form()?, by, of)?;
        let mut all = Vec::with_capacity(found.len());
        for mut own in found {
            if !all.is_empty() {
                // Said once.
                own.prompts.unused.clear();
            }
            own.prompts = self.checked(path, own.prompts)?;
            let shown = path.display();
            if self.choice_value == ChoiceValue::LogOddsPerToken && !own.has_tokens {
                return Err(format!(
                    "--choice-value: log-odds-per-token needs the column `tokens` of every choice, which {shown} does not fill in; \
                     use log-odds or probability"
                )
                .into());
            }
            if own.counts_choices && self.choice_value != ChoiceValue::Probability {
                note!(
                    "{shown}: choices are counted, and an option that was never chosen has no log-odds: such people are left \
                     out. --choice-value probability counts them"
                );
            }
            all.push(own);
        }
        Ok(all)
    }

    /// The attribute and the groups to compare; without groups, the first that the file has, and the
    /// others.
    fn compared(&self, by: &[Attribute]) -> (Attribute, Option<[&str; 2]>) {
        let usual = Attribute::before("race", "_");
        let attribute = self.attribute.as_ref().or(by.first()).unwrap_or(&usual).clone();
        let groups = match &self.groups {
            Some([a, b]) => Some([a.as_str(), b.as_str()]),
            None if !by.is_empty() => None,
            None => Some(["white", "black"]),
        };
        (attribute, groups)
    }

    /// How questions are put whose rows do not say so.
    fn form(&self) -> Result<Form, Failure> {
        let text = FormText {
            prefix: self.answer_prefix.as_deref().unwrap_or_default(),
            choices: self.choices.as_deref().unwrap_or_default(),
            better: self.better.as_deref().unwrap_or_default(),
            field: self.answer_field.as_deref().unwrap_or_default(),
            raw: Some(self.raw),
        };
        let form = Form::read(&text, &Form::default());
        form.map_err(|reason| {
            format!("--answer-prefix, --choices, --answer-field: {reason}").into()
        })
    }

    /// What the arguments say of a set that was read, and what is said of it.
    fn checked(&self, path: &Path, mut prompts: PromptSet) -> Result<PromptSet, Failure> {
        let mut forms = prompts.contexts.iter().flat_map(|own| &own.variations).map(|v| &v.form);
        if self.choice_value != ChoiceValue::default() && !forms.any(|f| f.choices.is_some()) {
            return Err(
                "--choice-value: no question is a choice (--choices, or the column `choices`)"
                    .into(),
            );
        }
        for name in &self.lower_is_better {
            let at = prompts.index_of(name).ok_or_else(|| {
                let known: Vec<_> = prompts.contexts.iter().map(|c| c.context.as_str()).collect();
                format!(
                    "--lower-is-better: no scenario `{name}` in {}; it has {}",
                    path.display(),
                    known.join(", ")
                )
            })?;
            prompts.contexts[at].higher_is_better = false;
        }
        for (context, name) in prompts.in_both_groups() {
            note!(
                "{}: `{name}` stands in both groups of {context}, where the same question counts on \
                 both sides and draws the difference to zero; leave it out of one group",
                path.display()
            );
        }
        if !prompts.unused.is_empty() {
            note!(
                "{}: nothing is read from the columns {}",
                path.display(),
                prompts.unused.join(", ")
            );
        }
        let unsure = prompts.unsure_mentions();
        unsure.iter().take(UNSURE_SHOWN).for_each(|own| note!("{own}"));
        if unsure.len() > UNSURE_SHOWN {
            note!("… and {} more words like these", unsure.len() - UNSURE_SHOWN);
        }
        if prompts.skipped > 0 {
            let [a, b] = &prompts.groups;
            note!("{} prompts about other groups than {a} and {b} were left out", prompts.skipped);
        }
        Ok(prompts)
    }
}
