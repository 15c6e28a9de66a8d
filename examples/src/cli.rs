//! Arguments that several examples share.

use std::path::{Path, PathBuf};

use bias_model::generate::BUDGET;
use bias_model::hub::ModelSource;
use bias_model::{Decoder, Decoding, LanguageModel, LoadOptions, ModelError, Precision};
use bias_study::results::{Attribute, ChoiceValue, Form};
use bias_study::{PromptSet, StudyError};
use burn::tensor::backend::Backend;
use clap::Args;
use clap::builder::{OsStringValueParser, RangedU64ValueParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};

use crate::device::DeviceArgs;

/// What the examples end with when something goes wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The folder of the embedded model.
#[must_use]
pub fn embedded() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/emergent");
    beside.canonicalize().unwrap_or(beside)
}

/// What `--model` takes: a folder of any name, a GGUF file, or a hub id.
#[must_use]
pub fn source() -> impl TypedValueParser<Value = ModelSource> {
    OsStringValueParser::new().try_map(ModelSource::parse)
}

/// Which model, and how its weights are held.
#[derive(Debug, Clone, Args)]
pub struct WeightArgs {
    /// Hugging Face model folder, a GGUF file, or a model of the hub as org/name or org/name@revision
    /// (HF_HOME, HF_TOKEN and HF_HUB_OFFLINE count); the embedded model by default
    #[arg(long, value_name = "DIR|FILE.gguf|HUB_ID", value_parser = source())]
    pub model: Option<ModelSource>,
    /// Where it runs
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Hold weights as they are stored (bf16, f16) and widen them when used: half the memory,
    /// slower
    #[arg(long, conflicts_with = "stream")]
    pub stored: bool,
    /// Leave the weights in their file and read them layer by layer, all prompts together: for models
    /// that do not fit into memory
    #[arg(long)]
    pub stream: bool,
    /// Pass over this key of config.json although nothing is known of it; may be repeated
    #[arg(long, value_name = "KEY")]
    pub accept_key: Vec<String>,
}

impl WeightArgs {
    /// The model folder, or the GGUF file; a model of the hub is fetched if need be.
    ///
    /// # Errors
    /// See [`ModelSource::resolve`].
    pub fn path(&self) -> Result<PathBuf, ModelError> {
        self.source().resolve()
    }

    /// The folder that prompts and texts of the model's own are looked for in: its own, or the one that its
    /// GGUF file lies in.
    ///
    /// # Errors
    /// See [`path`](Self::path).
    pub fn folder(&self) -> Result<PathBuf, ModelError> {
        let path = self.path()?;
        Ok(if path.is_file() { path.parent().unwrap_or(Path::new("")).into() } else { path })
    }

    /// The folder's or the file's own name, or the hub id.
    #[must_use]
    pub fn name(&self) -> String {
        self.source().name()
    }

    /// The folder or hub id, as it was named.
    #[must_use]
    pub fn source(&self) -> ModelSource {
        self.model.clone().unwrap_or_else(|| ModelSource::Folder(embedded()))
    }

    /// Loads it, with a system message before every question.
    ///
    /// # Errors
    /// See [`path`](Self::path) and [`LanguageModel::load`].
    pub fn load<B: Backend>(
        &self,
        system: Option<&str>,
        device: &B::Device,
    ) -> Result<LanguageModel<B>, ModelError> {
        let options = LoadOptions {
            precision: match (self.stored, self.stream) {
                (_, true) => Precision::Mapped,
                (true, false) => Precision::Stored,
                (false, false) => Precision::F32,
            },
            accepted_keys: self.accept_key.clone(),
            system: system.map(str::to_owned),
        };
        let mut model = LanguageModel::load_with(&self.path()?, &options, device)?;
        model.options_mut().threads = self.device.threads();
        model.options_mut().batch_rows = self.device.batch_rows();
        if self.stream {
            model.options_mut().batch_rows = STREAMED_ROWS;
            show_layers(model.model_mut());
        }
        Ok(model)
    }
}

/// Which model, and how it is asked.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Which model
    #[command(flatten)]
    pub weights: WeightArgs,
    /// System message before every question
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Sample this many answers per prompt instead of computing their exact distribution
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: Option<u32>,
    /// Probability of answers that exact decoding may leave unexplored, per prompt
    /// [default: 0.001 in `audit`, 0.01 elsewhere]
    #[arg(long, value_name = "P", conflicts_with = "samples", value_parser = unexplored)]
    pub unexplored: Option<f64>,
    /// Tokens that exact decoding may run for a prompt's answers; what it does not reach is estimated by drawing from
    /// it, and the error of that is reported
    #[arg(long, value_name = "TOKENS", conflicts_with = "samples", default_value_t = BUDGET, value_parser = budget())]
    pub budget_tokens: usize,
    /// Divide logits by this before answers are drawn or enumerated [default: what the checkpoint's
    /// generation_config.json says, or 1]
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f64>,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least(1))]
    pub max_new_tokens: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl ModelArgs {
    /// The folder that prompts and texts of the model's own are looked for in.
    ///
    /// # Errors
    /// See [`ModelSource::resolve`].
    pub fn folder(&self) -> Result<PathBuf, ModelError> {
        self.weights.folder()
    }

    /// The folder's own name, or the hub id.
    #[must_use]
    pub fn name(&self) -> String {
        self.weights.name()
    }

    /// Loads it.
    ///
    /// # Errors
    /// See [`WeightArgs::load`].
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<LanguageModel<B>, ModelError> {
        let mut model = self.weights.load(self.system.as_deref(), device)?;
        let options = model.options_mut();
        options.max_new_tokens = self.max_new_tokens;
        if let Some(temperature) = self.temperature {
            options.sampling = options.sampling.with_temperature(temperature)?;
        }
        Ok(model)
    }

    /// Neutral texts of this file, or of `neutral.txt` in the model's [folder](Self::folder) if there is one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn neutral(&self, path: Option<&Path>) -> Result<Vec<String>, Failure> {
        neutral(path, &self.folder()?)
    }

    /// How answers are taken, unless asked otherwise.
    #[must_use]
    pub fn decoding(&self, default: Decoding) -> Decoding {
        match (self.samples, default) {
            (Some(samples), _) => Decoding::Sampled { samples, seed: self.seed },
            (None, Decoding::Exact { unexplored, .. }) => Decoding::Exact {
                unexplored: self.unexplored.unwrap_or(unexplored),
                tokens: self.budget_tokens,
                seed: self.seed,
            },
            (None, other) => other,
        }
    }
}

/// Prompts that pass a layer as one batch, where reading it is what costs.
const STREAMED_ROWS: usize = 40;

/// A bar that shows how far a pass through a streamed model is.
fn show_layers<B: Backend>(model: &mut Decoder<B>) {
    let template = "{prefix:>16} {bar:40} layer {pos}/{len}, {msg}  {elapsed} so far, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    model.on_layer(move |layer| {
        if layer.done == 1 {
            bar.reset();
            bar.set_length(layer.of as u64);
            bar.set_prefix(if layer.backward { "backward" } else { "forward" });
            bar.set_message(format!("{} tokens", layer.tokens));
        }
        bar.set_position(layer.done as u64);
        if layer.done == layer.of {
            bar.finish_and_clear();
        }
    });
}

/// Which prompts.
#[derive(Debug, Clone, Args)]
pub struct PromptArgs {
    /// Prompt file with the columns scenario,variation,name_group,name,context_level,prompt_text
    /// (and, if you like, split, name_split, higher_is_better, per, answer_prefix, choices, better and raw);
    /// `prompts.csv` in the model's folder by default
    #[arg(long, value_name = "CSV")]
    pub prompts: Option<PathBuf>,
    /// What tells the people apart who are compared: `race` (the column of that name), `race=COLUMN`, or
    /// `race=before:_` (the part of `name_group` before its first `_`; also after, before-last and after-last)
    #[arg(long, value_name = "ATTRIBUTE", default_value = "race=before:_", value_parser = attribute)]
    pub attribute: Attribute,
    /// The two groups compared, by their values of --attribute; a positive difference favours the first
    #[arg(long, value_name = "A,B", default_value = "white,black", value_parser = groups)]
    pub groups: [String; 2],
    /// Scenarios in which a smaller answer is better for the person
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    pub lower_is_better: Vec<String>,
    /// Begin every answer for the model, as with `$` or `I would offer $`: it goes on with a number, whose exact
    /// distribution is a small tree; for rows that do not say how they are answered
    #[arg(long, value_name = "TEXT")]
    pub answer_prefix: Option<String>,
    /// Ask every question as a choice, such as `Yes,yes|No,no`: options between `|`, spellings of one option between commas; for
    /// rows that do not say how they are answered
    #[arg(long, value_name = "OPTIONS")]
    pub choices: Option<String>,
    /// The option of --choices that is favourable to the person, by any of its words
    #[arg(long, value_name = "WORD")]
    pub better: Option<String>,
    /// Take every prompt as plain text to go on with: no chat template, no system message
    #[arg(long)]
    pub raw: bool,
    /// What a choice is worth: log-odds of the favourable option, the same per token (for options of different length), or its
    /// probability among the options
    #[arg(long, value_name = "WHAT", default_value = "log-odds", value_parser = choice_value)]
    pub choice_value: ChoiceValue,
}

fn temperature(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be above 0".into()) }
}

/// What a choice is worth, as it is written on the command line.
fn choice_value(text: &str) -> Result<ChoiceValue, String> {
    match text {
        "log-odds" => Ok(ChoiceValue::LogOdds),
        "log-odds-per-token" => Ok(ChoiceValue::LogOddsPerToken),
        "probability" => Ok(ChoiceValue::Probability),
        _ => Err("there is log-odds, log-odds-per-token and probability".into()),
    }
}

/// A share between 0 and 1, both included.
///
/// # Errors
/// Anything else, in words for a command line.
pub fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it must lie between 0 and 1".into()) }
}

/// A number above 0.
///
/// # Errors
/// Anything else, in words for a command line.
pub fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be above 0".into()) }
}

/// A number of things, `least` or more.
#[must_use]
pub fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

/// Forty times what is usual: all of it is in memory at once.
fn budget() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=(40 * BUDGET) as u64)
}

fn unexplored(text: &str) -> Result<f64, String> {
    share(text).and_then(|value| if value < 1.0 { Ok(value) } else { Err("it must be below 1".into()) })
}

/// Neutral texts, one a line, of the file that was named; else of `neutral.txt` in the model's folder, or
/// none where there is no such file.
///
/// # Errors
/// A file that cannot be read.
pub fn neutral(named: Option<&Path>, folder: &Path) -> Result<Vec<String>, Failure> {
    let path = named.map_or_else(|| folder.join("neutral.txt"), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("--neutral: cannot read {}: {error}", path.display()).into()),
    }
}

/// Makes the folder that a file is to be written to, and tries whether it can be: what is wrong with
/// it is said before the work, not after.
///
/// # Errors
/// A folder that cannot be made or written to, or a file that is one.
pub fn writable(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(format!("cannot write {}: it is a folder; name a file", file.display()).into());
    }
    let folder = file.parent().filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

/// An attribute, as it is written on the command line.
fn attribute(text: &str) -> Result<Attribute, String> {
    text.parse()
}

/// Two groups as `white,black`.
///
/// # Errors
/// Anything else, in words for a command line.
pub fn groups(text: &str) -> Result<[String; 2], String> {
    match text.split_once(',') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() && a != b && !b.contains(',') => {
            Ok([a.into(), b.into()])
        }
        _ => Err("two different groups are needed, as in `white,black`".into()),
    }
}

impl PromptArgs {
    /// Reads the prompt file.
    ///
    /// # Errors
    /// See [`PromptSet::from_csv`]; no file named for a model of the hub; a scenario of
    /// `--lower-is-better` that is not in it.
    pub fn load(&self, model: &ModelArgs) -> Result<PromptSet, Failure> {
        self.load_for(&model.weights.source())
    }

    /// The same for a model that is named otherwise.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for(&self, model: &ModelSource) -> Result<PromptSet, Failure> {
        let path = match (&self.prompts, model) {
            (Some(path), _) => path.clone(),
            // Said before anything is downloaded.
            (None, ModelSource::Hub(id)) => {
                return Err(format!("{id} brings no prompts of its own; name a file with --prompts").into());
            }
            (None, ModelSource::Folder(folder)) => folder.join("prompts.csv"),
            (None, ModelSource::Gguf(file)) => file.with_file_name("prompts.csv"),
        };
        let [a, b] = &self.groups;
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        let form = Form::read(
            &given(&self.answer_prefix),
            &given(&self.choices),
            &given(&self.better),
            Some(self.raw),
            &Form::default(),
        );
        let form = form.map_err(|reason| format!("--answer-prefix, --choices: {reason}"))?;
        let prompts = PromptSet::from_csv_in(&path, &self.attribute, [a, b], &form);
        let mut prompts = prompts.map_err(|e: StudyError| match &e {
            StudyError::Read { .. } if self.prompts.is_none() => {
                format!("{e}: this model folder brings no prompts of its own; name a file with --prompts")
                    .into()
            }
            _ => Failure::from(e),
        })?;
        for name in &self.lower_is_better {
            let at = prompts.index_of(name).ok_or_else(|| {
                let known: Vec<_> = prompts.contexts.iter().map(|c| c.context.as_str()).collect();
                format!(
                    "--lower-is-better: no scenario `{name}` in {}, which has {}",
                    path.display(),
                    known.join(", ")
                )
            })?;
            prompts.contexts[at].higher_is_better = false;
        }
        if !prompts.holds_out_names() {
            eprintln!("too few names to hold any out: what is made from some names is tested on the same");
        }
        if prompts.skipped > 0 {
            eprintln!("{} prompts about other groups than {a} and {b} were left out", prompts.skipped);
        }
        Ok(prompts)
    }
}

/// Prints an error with its causes, one a line, and gives the exit code.
pub fn fail(error: &Failure) -> std::process::ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(own) = cause {
        eprintln!("  because: {own}");
        cause = own.source();
    }
    std::process::ExitCode::FAILURE
}

/// What a program's `main` does with its result.
#[must_use]
pub fn finish(result: Result<(), Failure>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}
