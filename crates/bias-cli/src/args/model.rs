//! The model, how its weights are held, and how it is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bias_files::note;
use bias_model::generate::BUDGET;
use bias_model::hub::ModelSource;
use bias_model::text::Date;
use bias_model::{
    Decoder, Decoding, LanguageModel, LoadOptions, ModelError, Precision, SamplingOptions,
};
use bias_study::PromptSet;
use bias_study::results::Kind;
use burn::tensor::backend::Backend;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::args::template::template_argument;
use crate::args::values::{at_least, budget, mass, share, temperature, top_k, unexplored};
use crate::device::place::DeviceArgs;
use crate::embedded::embedded;
use crate::failure::Failure;
use crate::files::neutral;

/// The value of `--model`: a folder of any name, a GGUF file, or a hub id.
#[must_use]
pub fn source() -> impl TypedValueParser<Value = ModelSource> {
    OsStringValueParser::new().try_map(ModelSource::parse)
}

/// The named model, or the embedded one if none was named.
///
/// # Errors
/// As [`embedded`].
pub fn named(model: Option<&ModelSource>) -> Result<ModelSource, Failure> {
    model.map_or_else(|| Ok(ModelSource::Folder(embedded()?)), |model| Ok(model.clone()))
}

/// Which model, and how its weights are held.
#[derive(Debug, Clone, Args)]
pub struct WeightArgs {
    /// Hugging Face model folder, GGUF file, or model of the hub as org/name or org/name@revision
    /// (HF_HOME, HF_TOKEN and HF_HUB_OFFLINE apply); by default the embedded model, inside a clone of
    /// the project's repository
    #[arg(long, value_name = "DIR|FILE.gguf|HUB_ID", value_parser = source())]
    pub model: Option<ModelSource>,
    /// Where it runs
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Hold weights as they are stored (bf16, f16) and widen them when they are used: half the
    /// memory, but slower
    #[arg(long, conflicts_with = "stream")]
    pub stored: bool,
    /// Leave the weights in their file and read them layer by layer, for all prompts together. Use
    /// this for models that do not fit into memory. A study then leaves out gap pursuit
    #[arg(long)]
    pub stream: bool,
    /// Load the model although bias does not know this key of config.json; may be repeated
    #[arg(long, value_name = "KEY")]
    pub accept_key: Vec<String>,
}

impl WeightArgs {
    /// The model folder, or the GGUF file. A model of the hub is fetched if necessary.
    ///
    /// # Errors
    /// As [`source`](Self::source) and [`ModelSource::resolve`].
    pub fn path(&self) -> Result<PathBuf, Failure> {
        Ok(self.source()?.resolve()?)
    }

    /// The folder of the model's own prompts and texts: the model folder, or the folder of its GGUF
    /// file.
    ///
    /// # Errors
    /// See [`path`](Self::path).
    pub fn folder(&self) -> Result<PathBuf, Failure> {
        let path = self.path()?;
        let found = path
            .metadata()
            .map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
        Ok(if found.is_file() { path.parent().unwrap_or(Path::new("")).into() } else { path })
    }

    /// The name of the folder or file, or the hub id.
    ///
    /// # Errors
    /// As [`source`](Self::source).
    pub fn name(&self) -> Result<String, Failure> {
        Ok(self.source()?.name())
    }

    /// The folder or hub id as named, or the embedded model's.
    ///
    /// # Errors
    /// As [`embedded`].
    pub fn source(&self) -> Result<ModelSource, Failure> {
        named(self.model.as_ref())
    }

    /// Loads it, with what its chat template is told.
    ///
    /// # Errors
    /// See [`path`](Self::path) and [`LanguageModel::load`].
    pub fn load<B: Backend>(
        &self,
        chat: &ChatArgs,
        device: &B::Device,
    ) -> Result<LanguageModel<B>, Failure> {
        self.load_to_sample(chat, &SamplingOptions::default(), device)
    }

    /// The same, answers drawn otherwise than the checkpoint says.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_to_sample<B: Backend>(
        &self,
        chat: &ChatArgs,
        sampling: &SamplingOptions,
        device: &B::Device,
    ) -> Result<LanguageModel<B>, Failure> {
        let mut told: BTreeMap<String, Value> = BTreeMap::new();
        for (name, value) in &chat.template_arg {
            if told.insert(name.clone(), value.clone()).is_some() {
                return Err(format!("--template-arg: `{name}` is given twice").into());
            }
        }
        let options = LoadOptions {
            precision: match (self.stored, self.stream) {
                (_, true) => Precision::Mapped,
                (true, false) => Precision::Stored,
                (false, false) => Precision::F32,
            },
            accepted_keys: self.accept_key.clone(),
            system: chat.system.clone(),
            template_arguments: told,
            date: chat.date,
            sampling: sampling.clone(),
        };
        let mut model = LanguageModel::load_with(&self.path()?, &options, device)?;
        model.notes().iter().for_each(|note| note!("{note}"));
        model.options_mut().threads = self.device.threads();
        model.options_mut().batch_rows = self.device.batch_rows();
        if self.stream {
            model.options_mut().batch_rows = STREAMED_ROWS;
            show_layers(model.model_mut());
        }
        Ok(model)
    }
}

/// What a model's chat template is told.
#[derive(Debug, Clone, Default, Args)]
pub struct ChatArgs {
    /// System message before every question
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Argument of the chat template, such as enable_thinking=false. The value is JSON (true,
    /// false, null, a number, a list), or else a text; texts such as "no" need JSON's quotes. May be
    /// repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = template_argument)]
    pub template_arg: Vec<(String, Value)>,
    /// The date that the chat template tells the model; refused where it tells none [default:
    /// today, or that of the study that goes on]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
}

impl ChatArgs {
    /// Refuses arguments about the chat where no prompt is put as one. `raw` says that `--raw` is
    /// the reason, and not a column of the prompt file.
    ///
    /// # Errors
    /// A line that names the arguments.
    pub fn check(&self, prompts: &PromptSet, raw: bool) -> Result<(), Failure> {
        let given = [
            ("--system", self.system.is_some()),
            ("--template-arg", !self.template_arg.is_empty()),
            ("--date", self.date.is_some()),
        ];
        let given: Vec<&str> =
            given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
        if given.is_empty() || is_chat(prompts) {
            return Ok(());
        }
        let why = if raw { "with --raw" } else { "with `raw` in every row of the prompt file" };
        Err(format!(
            "{} cannot be used {why}: the model continues each prompt as plain text, without a chat template",
            given.join(", ")
        )
        .into())
    }

    /// Says what the chat template is told.
    pub fn show<B: Backend>(&self, model: &LanguageModel<B>) {
        if let Some(system) = &self.system {
            note!("system message: `{}`", system.escape_debug());
        }
        if !self.template_arg.is_empty() {
            let told: Vec<String> =
                self.template_arg.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            note!("the chat template is told {}", told.join(", "));
        }
        if let Some(date) = model.text().date() {
            note!("the chat template tells the model that it is {date} (--date sets it)");
        }
    }
}

/// Whether any question is put through the chat template.
#[must_use]
pub fn is_chat(prompts: &PromptSet) -> bool {
    prompts.contexts.iter().flat_map(|own| &own.variations).any(|own| !own.form.raw)
}

/// How answers are drawn, where it is not as the checkpoint says.
#[derive(Debug, Clone, Args)]
pub struct SamplingArgs {
    /// Divide logits by this, a number above 0, before answers are drawn or enumerated. For greedy
    /// answers, use --top-k 1 [default: as the checkpoint says in generation_config.json, or 1]
    #[arg(long, value_name = "T", value_parser = temperature, allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// Keep the K most probable tokens at each step; 0 keeps all, 1 gives greedy answers [default:
    /// as the checkpoint says]
    #[arg(long, value_name = "K", value_parser = top_k, allow_negative_numbers = true)]
    pub top_k: Option<usize>,
    /// Keep the most probable tokens that together reach this probability; 1 keeps all [default: as
    /// the checkpoint says]
    #[arg(long, value_name = "P", value_parser = mass, allow_negative_numbers = true)]
    pub top_p: Option<f64>,
    /// Keep the tokens that are at least this share as probable as the most probable one; 0 keeps
    /// all [default: as the checkpoint says]
    #[arg(long, value_name = "P", value_parser = share, allow_negative_numbers = true)]
    pub min_p: Option<f64>,
    /// Do without this key of generation_config.json, such as repetition_penalty, or without all of
    /// them (`all`); may be repeated
    #[arg(long, value_name = "KEY")]
    pub ignore_generation_key: Vec<String>,
}

impl SamplingArgs {
    /// The same for a model that is loaded.
    #[must_use]
    pub fn options(&self) -> SamplingOptions {
        SamplingOptions {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            ignored_keys: self.ignore_generation_key.clone(),
        }
    }
}

/// Says how a loaded model's answers to these prompts are drawn, and what its files say of it that
/// is not applied.
pub fn show_sampling<B: Backend>(model: &LanguageModel<B>, prompts: &PromptSet) {
    let settings = model.generation();
    let mut forms = prompts.contexts.iter().flat_map(|own| &own.variations).map(|own| &own.form);
    if forms.all(|own| own.kind() == Kind::Choice) {
        note!("sampling: none; choices are weighed at temperature 1, with nothing cut off");
        return;
    }
    settings.notes().iter().for_each(|note| note!("{note}"));
    note!("sampling: {settings}");
}

/// Which model, and how it is asked.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Which model
    #[command(flatten)]
    pub weights: WeightArgs,
    /// What its chat template is told
    #[command(flatten)]
    pub chat: ChatArgs,
    /// Sample this many answers per prompt instead of computing their exact distribution
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: Option<u32>,
    /// Probability mass of answers that exact decoding may leave unexplored, per prompt
    /// [default: 0.001 in `bias audit`, 0.01 elsewhere]
    #[arg(long, value_name = "P", conflicts_with = "samples", value_parser = unexplored, allow_negative_numbers = true)]
    pub unexplored: Option<f64>,
    /// Tokens that exact decoding may run for the answers to a prompt. It estimates the answers
    /// that it does not reach from random draws, and reports the error of the estimate
    #[arg(long, value_name = "TOKENS", conflicts_with = "samples", default_value_t = BUDGET, value_parser = budget())]
    pub budget_tokens: usize,
    /// How answers are drawn
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least(1))]
    pub max_new_tokens: usize,
    /// Seed of all random draws
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl ModelArgs {
    /// The folder of the model's own prompts and texts.
    ///
    /// # Errors
    /// See [`WeightArgs::path`].
    pub fn folder(&self) -> Result<PathBuf, Failure> {
        self.weights.folder()
    }

    /// The name of the folder, or the hub id.
    ///
    /// # Errors
    /// See [`WeightArgs::source`].
    pub fn name(&self) -> Result<String, Failure> {
        self.weights.name()
    }

    /// Loads it to ask these prompts, and says how it is asked.
    ///
    /// # Errors
    /// See [`WeightArgs::load`].
    pub fn load<B: Backend>(
        &self,
        prompts: &PromptSet,
        device: &B::Device,
    ) -> Result<LanguageModel<B>, Failure> {
        self.load_on(None, prompts, device)
    }

    /// The same for a study that began on this day: the chat template tells the model that date,
    /// unless another one is asked for.
    ///
    /// # Errors
    /// See [`WeightArgs::load`].
    pub fn load_on<B: Backend>(
        &self,
        began: Option<Date>,
        prompts: &PromptSet,
        device: &B::Device,
    ) -> Result<LanguageModel<B>, Failure> {
        let (sampling, chat) = (self.sampling.options(), &self.chat);
        let on = |date| {
            let chat = ChatArgs { date, ..chat.clone() };
            self.weights.load_to_sample(&chat, &sampling, device)
        };
        let mut model = match on(chat.date.or(began)) {
            // The folder's template told a date when the study began, and does not any more: the
            // study says that it is another one.
            Err(error) if chat.date.is_none() && is_about_date(&error) => on(None),
            loaded => loaded,
        }?;
        if is_chat(prompts) {
            chat.show(&model);
        }
        model.options_mut().max_new_tokens = self.max_new_tokens;
        show_sampling(&model, prompts);
        Ok(model)
    }

    /// The neutral texts of this file, or of `neutral.txt` in the model's [folder](Self::folder) if
    /// it exists.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn neutral(&self, path: Option<&Path>) -> Result<Vec<String>, Failure> {
        neutral(path, &self.folder()?)
    }

    /// How answers are taken, with this default.
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

/// Whether the error is that the chat template tells no date.
fn is_about_date(error: &Failure) -> bool {
    matches!(error.downcast_ref::<ModelError>(), Some(ModelError::NoDate { .. }))
}

/// The number of prompts that pass a layer as one batch when reading the layer dominates the time.
const STREAMED_ROWS: usize = 40;

/// A bar with the progress of a pass through a streamed model.
fn show_layers<B: Backend>(model: &mut Decoder<B>) {
    let template = "{prefix:>16} {bar:40} layer {pos}/{len}, {msg}  {elapsed} so far, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_integers_are_refused_and_other_values_kept() {
        for value in
            ["100000000000000000000", "[1, -99999999999999999999]", "{\"a\": 18446744073709551616}"]
        {
            let error = template_argument(&format!("x={value}")).unwrap_err();
            assert!(error.contains("64 bits") && error.contains("between quotes"), "{error}");
        }
        for (text, value) in [
            ("18446744073709551615", Value::from(u64::MAX)),
            ("-9223372036854775808", Value::from(i64::MIN)),
            ("1e30", Value::from(1e30)),
            ("12345678901234567890123.5", Value::from(12_345_678_901_234_567_890_123.5)),
            ("\"100000000000000000000\"", Value::from("100000000000000000000")),
            ("100000000000000000000 days", Value::from("100000000000000000000 days")),
            ("[\"\\\"1\", 2]", serde_json::json!(["\"1", 2])),
        ] {
            assert_eq!(template_argument(&format!("x={text}")).unwrap(), ("x".into(), value));
        }
    }
}
