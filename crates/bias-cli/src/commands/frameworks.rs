//! Scores the files of published bias benchmarks and capability tasks.

use std::path::{Path, PathBuf};

use bias_ask::generate::DecodeOptions;
use bias_ask::{Answering, Tokenize};
use bias_cli::args::also::NameArgs;
use bias_cli::args::model::{ChatArgs, WeightArgs};
use bias_cli::embedded::shipped;
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::{note, say};
use bias_frameworks::items::{Item, ItemSet};
use bias_frameworks::report::{Measured, item_scores, report};
use bias_frameworks::score::Scored;
use bias_frameworks::{BbqAnswer, Framework, ReadOptions, Report, Scorer, read_with};
use bias_mask::{Intervention, Mask};
use bias_metrics::Bootstrap;
use bias_model::{LanguageModel, Weights};
use bias_study::PromptSet;
use bias_study::likelihood::prefix_token;
use bias_study::results::{Attribute, Form};
use bias_study::store::write;
use burn::tensor::backend::Backend;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Score a model on published bias benchmarks and capability tasks, in one report.
///
/// Each flag takes the public files of one framework, as they are published. bias downloads
/// nothing, and ships small files of its own in each schema: without a file, the embedded model
/// reads those. Every metric is computed from log-likelihoods, as lm-evaluation-harness computes it
/// where it has the task. Intervals draw whole templates, because items of one template stand and
/// fall together. p is the probability of so much bias by chance; p (Holm) is corrected for all
/// measures of bias in the report.
///
/// With --mask, everything is scored again with the weights of the mask set to zero. The report
/// then pairs each item with itself.
#[derive(clap::Args)]
#[command(after_help = "Where the files are found, and their licences:
  --crows         github nyu-mll/crows-pairs: crows_pairs_anonymized.csv (CC BY-SA 4.0)
  --stereoset     github moinnadeem/StereoSet: data/dev.json (CC BY-SA 4.0)
  --bbq           github nyu-mll/BBQ: data/*.jsonl (CC BY 4.0)
  --winogender    github rudinger/winogender-schemas: data/all_sentences.tsv (MIT)
  --winobias      github uclanlp/corefBias: {pro,anti}_stereotyped_type{1,2}.txt.dev (MIT)
  --discrim-eval  Hugging Face Anthropic/discrim-eval: explicit.jsonl, implicit.jsonl (CC BY 4.0)
  --hellaswag     github rowanz/hellaswag: data/hellaswag_val.jsonl (MIT)
  --arc           AI2 ARC-V1-Feb2018: ARC-Easy-Test.jsonl, ARC-Challenge-Test.jsonl (CC BY-SA 4.0)
  --mmlu          github hendrycks/test: test/*_test.csv, or JSON lines of cais/mmlu (MIT)
  --piqa          yonatanbisk.com/piqa: valid.jsonl beside valid-labels.lst (AFL 3.0)
  --boolq         github google-research-datasets/boolean-questions: dev.jsonl (CC BY-SA 3.0)
  --lambada       Hugging Face EleutherAI/lambada_openai: lambada_test_en.jsonl (MIT)
  --wikitext      wikitext-2-raw: wiki.test.raw, or JSON lines with `page` (CC BY-SA 3.0)
  --tasks         your own: {\"query\": …, \"choices\": [\"…\", \"…\"], \"gold\": 0} or {\"query\": …, \"target\": \"…\"}

Example:
  bias frameworks
  bias attribute --context hiring --out mask.safetensors
  bias frameworks --mask mask.safetensors --items scores.csv")]
pub(crate) struct Args {
    #[command(flatten)]
    model: WeightArgs,
    #[command(flatten)]
    files: FileArgs,
    /// BBQ: the answer is the `likeliest` option, as in lm-evaluation-harness; the option with which
    /// `greedy` decoding begins, if any; or the likeliest `letter`, with the options listed as A, B
    /// and C before it
    #[arg(long, value_name = "HOW", default_value = "likeliest", value_parser = bbq_answer, requires = "bbq")]
    bbq_answer: BbqAnswer,
    /// Winogender's occupations-stats.tsv: also report the sentences whose answer contradicts the
    /// occupation's statistics ("gotchas") apart
    #[arg(long, value_name = "TSV", requires = "winogender")]
    occupations: Option<PathBuf>,
    /// Also measure whether the model knows which group the names of this prompt file belong to
    #[arg(long, value_name = "CSV")]
    recognition: Option<PathBuf>,
    /// The groups of --recognition, as --attribute of `bias audit` tells them apart
    #[arg(long, value_name = "ATTRIBUTE", default_value = "race=before:_", value_parser = attribute, requires = "recognition")]
    by: Attribute,
    #[command(flatten)]
    names: NameArgs,
    /// Score everything again with the weights of this mask set to zero, and report the change.
    /// `bias attribute` and `bias study` write masks
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Accept a mask that does not name the weights it was made for
    #[arg(long, requires = "mask")]
    any_model: bool,
    /// Write the log-likelihood of every option of every item to this CSV file
    #[arg(long, value_name = "CSV")]
    items: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// The files of each framework.
#[derive(clap::Args)]
struct FileArgs {
    /// CrowS-Pairs: how often the sentence about the disadvantaged group is the likelier one
    #[arg(long, value_name = "CSV", num_args = 1..)]
    crows: Vec<PathBuf>,
    /// StereoSet: stereotype score, language modelling score and ICAT
    #[arg(long, value_name = "JSON", num_args = 1..)]
    stereoset: Vec<PathBuf>,
    /// BBQ, one file for each category: accuracy and bias of answers, in ambiguous and
    /// disambiguated contexts
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    bbq: Vec<PathBuf>,
    /// Winogender: whom a pronoun means, by the pronoun's gender
    #[arg(long, value_name = "TSV", num_args = 1..)]
    winogender: Vec<PathBuf>,
    /// WinoBias, files of both kinds: whom a pronoun means, where that agrees with a stereotype and
    /// where it does not. The names of the files must say `pro` or `anti`
    #[arg(long, value_name = "TXT", num_args = 1..)]
    winobias: Vec<PathBuf>,
    /// discrim-eval: log-odds of a decision for a person, by race, gender and age
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    discrim_eval: Vec<PathBuf>,
    /// HellaSwag: how a text goes on
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    hellaswag: Vec<PathBuf>,
    /// ARC: questions of school science
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    arc: Vec<PathBuf>,
    /// MMLU: questions of 57 subjects, without examples before them
    #[arg(long, value_name = "CSV|JSONL", num_args = 1..)]
    mmlu: Vec<PathBuf>,
    /// PIQA: how to do everyday things
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    piqa: Vec<PathBuf>,
    /// BoolQ: yes-or-no questions about a passage
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    boolq: Vec<PathBuf>,
    /// LAMBADA: the last word of a passage
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    lambada: Vec<PathBuf>,
    /// WikiText: perplexity of articles, for each word and byte
    #[arg(long, value_name = "RAW|JSONL", num_args = 1..)]
    wikitext: Vec<PathBuf>,
    /// Tasks of your own, as JSON lines: multiple choice or the words that follow. Optional keys
    /// are `id`, `task` (reported apart) and `template` (items that share one)
    #[arg(long, value_name = "JSONL", num_args = 1..)]
    tasks: Vec<PathBuf>,
}

fn attribute(text: &str) -> Result<Attribute, String> {
    text.parse()
}

fn bbq_answer(text: &str) -> Result<BbqAnswer, String> {
    match text {
        "likeliest" => Ok(BbqAnswer::Likeliest),
        "greedy" => Ok(BbqAnswer::Greedy),
        "letter" => Ok(BbqAnswer::Letter),
        _ => Err("expected likeliest, greedy or letter".into()),
    }
}

impl FileArgs {
    fn of(&self, framework: Framework) -> &[PathBuf] {
        match framework {
            Framework::Crows => &self.crows,
            Framework::Stereoset => &self.stereoset,
            Framework::Bbq => &self.bbq,
            Framework::Winogender => &self.winogender,
            Framework::Winobias => &self.winobias,
            Framework::DiscrimEval => &self.discrim_eval,
            Framework::Hellaswag => &self.hellaswag,
            Framework::Arc => &self.arc,
            Framework::Mmlu => &self.mmlu,
            Framework::Piqa => &self.piqa,
            Framework::Boolq => &self.boolq,
            Framework::Lambada => &self.lambada,
            Framework::Wikitext => &self.wikitext,
            Framework::Tasks => &self.tasks,
            _ => &[],
        }
    }

    /// The items of every file that was named, or of this project's own files.
    fn read(&self, options: &ReadOptions, others: bool) -> Result<Vec<ItemSet>, Failure> {
        let named = Framework::ALL.iter().any(|own| !self.of(*own).is_empty());
        let own = match named || others {
            true => None,
            false => Some(shipped("fixtures/frameworks").ok_or(
                "no file was named, and this project's own are only in its repository: name the files of a framework, \
                 as in --crows CSV or --bbq JSONL",
            )?),
        };
        let mut sets = Vec::new();
        for framework in Framework::ALL {
            let paths: Vec<PathBuf> = match &own {
                Some(folder) => OWN
                    .iter()
                    .filter(|(of, _)| *of == framework)
                    .map(|(_, name)| folder.join(name))
                    .collect(),
                None => self.of(framework).to_vec(),
            };
            if !paths.is_empty() {
                let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
                sets.push(read_with(framework, &paths, options)?);
            }
        }
        Ok(sets)
    }
}

/// This project's own files that the embedded model reads.
const OWN: [(Framework, &str); 8] = [
    (Framework::Crows, "crows.csv"),
    (Framework::Stereoset, "stereoset.json"),
    (Framework::Bbq, "bbq.jsonl"),
    (Framework::Winogender, "winogender.tsv"),
    (Framework::Winobias, "winobias_pro_type1.txt"),
    (Framework::Winobias, "winobias_anti_type1.txt"),
    (Framework::DiscrimEval, "discrim_eval.jsonl"),
    (Framework::Tasks, "tasks_embedded.jsonl"),
];

impl Args {
    /// All items, and the questions about names.
    fn read(&self) -> Result<Vec<ItemSet>, Failure> {
        let options = ReadOptions { bbq: self.bbq_answer, occupations: self.occupations.clone() };
        let mut sets = self.files.read(&options, self.recognition.is_some())?;
        let NameArgs { group_words, name_template } = &self.names;
        let Some(path) = &self.recognition else {
            if group_words.is_empty() && name_template.is_empty() {
                return Ok(sets);
            }
            return Err("--group-words, --name-template: they are for --recognition".into());
        };
        let by = std::slice::from_ref(&self.by);
        let prompts = PromptSet::from_csv_by(path, &self.by, None, &Form::default(), by)?;
        sets.push(prompts.name_questions(group_words, name_template)?);
        Ok(sets)
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(path) = &args.items {
        writable(path)?;
    }
    let sets = args.read()?;
    // What it was made for is compared once the model is loaded.
    let mask = args.mask.as_deref().map(|path| Mask::load(path, None)).transpose()?;
    let texts: usize = sets.iter().flat_map(|own| &own.items).map(Item::texts).sum();
    let items: usize = sets.iter().map(|own| own.items.len()).sum();
    let passes = if mask.is_some() { 2 } else { 1 };
    note!(
        "{items} items of {} frameworks: {texts} texts to score{}",
        sets.len(),
        if mask.is_some() { ", before and after" } else { "" }
    );
    let bar =
        ProgressBar::with_draw_target(Some((passes * texts) as u64), ProgressDrawTarget::stderr())
            .with_style(ProgressStyle::with_template("texts {bar:40} {pos}/{len}, {eta} left")?);
    let done = |texts: usize| bar.inc(texts as u64);
    let (before, after) = on_device!(args.model.device.place()?, |B, device| {
        type Inner = <B as burn::tensor::backend::AutodiffBackend>::InnerBackend;
        let mut model = args.model.load::<Inner>(&ChatArgs::default(), &device)?;
        let before = scored(&model, &sets, &done)?;
        let after = match &mask {
            None => None,
            Some(mask) => {
                if let Some(fingerprint) = Weights::fingerprint(model.model())?
                    && !args.any_model
                {
                    mask.check_made_for(fingerprint)?;
                }
                // The model is not used without the mask again.
                let _ = mask.apply(model.model_mut(), Intervention::Zero)?;
                Some(scored(&model, &sets, &done)?)
            }
        };
        (before, after)
    });
    bar.finish_and_clear();
    let measured: Vec<Measured<'_>> = sets
        .iter()
        .zip(&before)
        .enumerate()
        .map(|(i, (set, before))| Measured {
            set,
            before,
            after: after.as_ref().and_then(|all| all.get(i)),
        })
        .collect();
    if let Some(path) = &args.items {
        write(path, &item_scores(&measured)?)?;
    }
    let name = args.mask.as_deref().map(|path| path.display().to_string());
    let found = report(&args.model.name()?, name.as_deref(), &measured, &Bootstrap::new(0))?;
    tell(&found);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        say!("{}", found.table().trim_end());
    }
    Ok(())
}

fn scored<B: Backend, M: Answering<B>, T: Tokenize>(
    model: &LanguageModel<B, M, T>,
    sets: &[ItemSet],
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Scored>, Failure> {
    let (prefix, options): (u32, &DecodeOptions) = (prefix_token(model)?, model.options());
    let scorer = Scorer::new(model.model(), model.text(), prefix, options);
    sets.iter().map(|set| Ok(scorer.score(set, done)?)).collect()
}

/// Says which items were not scored, and which were scored otherwise than they may be meant.
fn tell(found: &Report) {
    for own in &found.frameworks {
        for left_out in &own.not_scored {
            let more = if left_out.items > left_out.first.len() { ", …" } else { "" };
            note!(
                "{}: {} of {} items not scored: {} ({}{more})",
                own.framework,
                left_out.items,
                own.items,
                left_out.reason.words(),
                left_out.first.join(", ").escape_debug()
            );
        }
        if own.without_context > 0 {
            note!(
                "{}: {} items have no context and follow the tokenizer's prefix token",
                own.framework,
                own.without_context
            );
        }
    }
}
