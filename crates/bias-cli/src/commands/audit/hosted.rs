//! A model behind an HTTP interface.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bias_ask::text::{Asked, Tokenize, Wanted};
use bias_ask::{Decoding, Sampling};
use bias_cli::args::also::ByArgs;
use bias_cli::args::model::ModelArgs;
use bias_cli::args::prompts::PromptArgs;
use bias_cli::args::values::at_least;
use bias_cli::failure::Failure;
use bias_files::{note, say};
use bias_hosted::manners::Caps;
use bias_hosted::wire::Prefill;
use bias_hosted::{Address, Estimate, Hosted, Key, Protocol, Setup, Template, Way};
use bias_model::text::TextCodec;
use bias_study::results::{Baseline, ChoiceValue, GroupDifferences, Kind};
use bias_study::{Audit, PromptSet, Settings, StudyOptions};
use clap::ValueEnum;

/// Which hosted model, and how it is asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HostedArgs {
    /// Ask this model of a server instead of one of this machine, such as gpt-4o-mini. The server
    /// speaks the protocol of OpenAI (so do Mistral, vLLM, llama.cpp, Ollama and TGI) or of Anthropic.
    /// docs/hosted.md says what each offers
    #[arg(long, value_name = "MODEL", conflicts_with_all = [
        "model", "answers", "device", "compute", "stored", "stream", "accept_key", "ignore_generation_key",
    ])]
    pub hosted: Option<String>,
    /// The server's address up to the version, such as http://localhost:8000/v1 [default: that of
    /// OpenAI or Anthropic, by --protocol]
    #[arg(long, value_name = "URL", requires = "hosted")]
    pub url: Option<String>,
    /// The protocol that the server speaks [default: anthropic for api.anthropic.com, or else openai]
    #[arg(long, value_enum, requires = "hosted")]
    pub protocol: Option<Spoken>,
    /// The environment variable that holds the key [default: OPENAI_API_KEY, ANTHROPIC_API_KEY or
    /// MISTRAL_API_KEY for the server of that company, none for others]. Keys are written nowhere
    #[arg(long, value_name = "NAME", requires = "hosted")]
    pub key_env: Option<String>,
    /// How answers are obtained: exact (log-probabilities of continued texts), paths
    /// (log-probabilities along drawn answers; what they leave open is bounded) or samples (with
    /// --samples) [default: the first that the server offers]
    #[arg(long, value_enum, requires = "hosted")]
    pub way: Option<Means>,
    /// How the server continues the beginning of an answer in a chat (--answer-prefix): last-message
    /// (Anthropic, llama.cpp), continue-final-message (vLLM, SGLang) or prefix (Mistral, DeepSeek)
    /// [default: last-message for Anthropic; others are not asked so]
    #[arg(long, value_enum, requires = "hosted")]
    pub prefill: Option<Continues>,
    /// Apply the chat template of this model folder or GGUF file here, and ask the server to continue
    /// the text (/v1/completions). The exact way needs it, unless prompts are --raw
    #[arg(long, value_name = "DIR|FILE.gguf", requires = "hosted")]
    pub template_of: Option<PathBuf>,
    /// Requests on their way at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least(1), requires = "hosted")]
    pub in_flight: usize,
    /// Stop before more requests than this are sent; --record goes on from there
    #[arg(long, value_name = "N", requires = "hosted")]
    pub max_requests: Option<u64>,
    /// Stop before more tokens than this are used, those of prompts included
    #[arg(long, value_name = "N", requires = "hosted")]
    pub max_tokens_total: Option<u64>,
    /// Keep every response in this file the moment it comes. A run that was stopped goes on from it
    /// and asks nothing twice [default: MODEL.responses.jsonl in this folder]
    #[arg(long, value_name = "JSONL", requires = "hosted")]
    pub record: Option<PathBuf>,
    /// Say how many requests and roughly how many tokens it would take, and send nothing
    #[arg(long, requires = "hosted")]
    pub dry_run: bool,
}

impl HostedArgs {
    /// The first option given that says how a server is asked.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            (self.url.is_some(), "--url"),
            (self.protocol.is_some(), "--protocol"),
            (self.key_env.is_some(), "--key-env"),
            (self.way.is_some(), "--way"),
            (self.prefill.is_some(), "--prefill"),
            (self.template_of.is_some(), "--template-of"),
            (self.max_requests.is_some(), "--max-requests"),
            (self.max_tokens_total.is_some(), "--max-tokens-total"),
            (self.record.is_some(), "--record"),
            (self.dry_run, "--dry-run"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }
}

/// A protocol, as written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Spoken {
    Openai,
    Anthropic,
}

/// A way, as written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Means {
    Exact,
    Paths,
    Samples,
}

/// How a chat is continued, as written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Continues {
    LastMessage,
    ContinueFinalMessage,
    Prefix,
}

/// The arguments of an audit.
pub(super) struct Request<'a> {
    pub model: &'a ModelArgs,
    pub prompts: &'a PromptArgs,
    pub by: &'a ByArgs,
    pub hosted: &'a HostedArgs,
    pub answers: Option<&'a Path>,
}

/// The prompts, and what the audit of them found; none after `--dry-run`.
type Found = Option<(PromptSet, Vec<Baseline>, Vec<GroupDifferences>)>;

/// Audits a hosted model.
pub(super) fn audit(args: &Request<'_>, model: &str) -> Result<Found, Failure> {
    let prompts = args.prompts.load_named(&args.by.by)?;
    args.model.chat.check(&prompts, args.prompts.raw)?;
    if args.prompts.choice_value == ChoiceValue::LogOddsPerToken {
        let reason = "a server does not tell how many tokens a word has";
        return Err(format!("--choice-value log-odds-per-token: {reason}; use log-odds").into());
    }
    let decoding = args.model.decoding(Decoding::exact());
    let setup = setup(args, model)?;
    if args.hosted.dry_run {
        estimate(&setup, &prompts, decoding);
        return Ok(None);
    }
    let record = args.hosted.record.clone().unwrap_or_else(|| usual_record(model));
    let hosted = Hosted::new(setup, Some(&record))?;
    begin(&hosted);
    let options = StudyOptions {
        settings: Settings {
            seed: args.model.seed,
            decoding,
            choice: args.prompts.choice_value,
            ..Settings::default()
        },
        threads: args.hosted.in_flight,
        ..StudyOptions::default()
    };
    let mut audit = Audit::new(hosted, model, &prompts, options)?;
    let asked = audit.audit();
    end(audit.model());
    let baselines = asked?;
    if let Some(path) = args.answers {
        audit.save_answers(path)?;
        note!("wrote every answer to {}", path.display());
    }
    let differences = audit.group_differences()?;
    drop(audit);
    Ok(Some((prompts, baselines, differences)))
}

fn setup(args: &Request<'_>, model: &str) -> Result<Setup, Failure> {
    let own = &args.hosted;
    let usual = match own.protocol {
        Some(Spoken::Anthropic) => "https://api.anthropic.com/v1",
        Some(Spoken::Openai) | None => "https://api.openai.com/v1",
    };
    let address = Address::parse(own.url.as_deref().unwrap_or(usual))?;
    let protocol = match own.protocol {
        Some(Spoken::Anthropic) => Protocol::Anthropic,
        None if address.host() == "api.anthropic.com" => Protocol::Anthropic,
        Some(Spoken::Openai) | None => Protocol::Openai,
    };
    let mut setup = Setup::new(address, protocol, model);
    // A key that is missing is no matter where nothing is sent.
    if !own.dry_run {
        setup.key = Key::for_address(&setup.address, own.key_env.as_deref())?;
    }
    setup.system = args.model.chat.system.clone();
    setup.template = own.template_of.as_deref().map(|path| template(args, path)).transpose()?;
    if setup.template.is_none() {
        let chat = &args.model.chat;
        for (flag, given) in
            [("--template-arg", !chat.template_arg.is_empty()), ("--date", chat.date.is_some())]
        {
            if given {
                let reason = "the server applies the model's chat template, and is told nothing";
                return Err(format!("{flag}: {reason}; apply it here with --template-of").into());
            }
        }
    }
    setup.prefill = match own.prefill {
        Some(Continues::LastMessage) => Some(Prefill::LastMessage),
        Some(Continues::ContinueFinalMessage) => Some(Prefill::ContinueFinalMessage),
        Some(Continues::Prefix) => Some(Prefill::Prefix),
        None => setup.prefill,
    };
    setup.way = own.way.map(|way| match way {
        Means::Exact => Way::Exact,
        Means::Paths => Way::Paths,
        Means::Samples => Way::Samples,
    });
    if args.model.samples.is_some() && matches!(setup.way, Some(Way::Exact | Way::Paths)) {
        return Err("--way: with --samples, answers are drawn; leave one of the two out".into());
    }
    setup.options.max_new_tokens = args.model.max_new_tokens;
    setup.options.sampling = sampling(args)?;
    setup.options.threads = own.in_flight;
    setup.smoothing = if args.prompts.choice_value == ChoiceValue::LogOdds { 0.5 } else { 0.0 };
    setup.in_flight = own.in_flight;
    setup.caps = Caps { requests: own.max_requests, tokens: own.max_tokens_total };
    Ok(setup)
}

fn sampling(args: &Request<'_>) -> Result<Sampling, Failure> {
    let own = &args.model.sampling;
    let mut sampling = Sampling::default().with_top_k(own.top_k);
    if let Some(temperature) = own.temperature {
        sampling = sampling.with_temperature(temperature)?;
    }
    if let Some(top_p) = own.top_p {
        sampling = sampling.with_top_p(top_p)?;
    }
    match own.min_p {
        Some(min_p) => Ok(sampling.with_min_p(min_p)?),
        None => Ok(sampling),
    }
}

/// What a tokenizer puts before a text. A server does so itself.
const BEGINNINGS: [&str; 5] = ["<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "[BOS]"];

/// The chat template of a model of this machine.
fn template(args: &Request<'_>, path: &Path) -> Result<Template, Failure> {
    let chat = &args.model.chat;
    let arguments: BTreeMap<_, _> = chat.template_arg.iter().cloned().collect();
    let codec = TextCodec::from_folder(path)?.with_system(chat.system.clone());
    let codec = codec.told(&arguments, chat.date)?;
    let empty = Asked { message: "", name: "", prefix: None, raw: false };
    if Tokenize::chat(&codec, &empty)?.is_none() {
        return Err(format!("--template-of: {} has no chat template", path.display()).into());
    }
    if let Some(date) = codec.date() {
        note!("the chat template tells the model that it is {date} (--date sets it)");
    }
    let identity =
        format!("{} {:?} {:?}", Tokenize::identity(&codec)?, chat.template_arg, codec.date());
    let render = move |asked: &Asked<'_>| {
        let text = Tokenize::chat(&codec, asked)?.unwrap_or_default();
        let begun = BEGINNINGS.iter().find_map(|own| text.strip_prefix(own));
        Ok(begun.map_or_else(|| text.clone(), str::to_owned))
    };
    Ok(Template { identity, render: Arc::new(render) })
}

/// The record of a model where none is named.
fn usual_record(model: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = model.chars().map(plain).collect();
    format!("{}.responses.jsonl", name.trim_start_matches(['.', '-'])).into()
}

/// Says what a run would take.
fn estimate(setup: &Setup, prompts: &PromptSet, decoding: Decoding) {
    let mut all = Estimate::default();
    for variation in prompts.contexts.iter().flat_map(|own| &own.variations) {
        let form = &variation.form;
        let wanted = match (&form.choices, form.kind()) {
            (Some(choices), _) => Wanted::Choice(choices),
            (None, Kind::Number) => Wanted::Number,
            (None, _) => Wanted::Words,
        };
        for person in &variation.people {
            let (message, name) = (person.text.as_str(), person.name.as_str());
            let asked = Asked { message, name, prefix: form.prefix.as_deref(), raw: form.raw };
            all.add(setup, &asked, wanted, decoding);
        }
    }
    let between = |[least, most]: [u64; 2]| match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    say!("{} questions to {} at {}", all.questions, setup.model, setup.address.as_str());
    say!("requests: {}", between(all.requests));
    say!("tokens of prompts, roughly: {}", between(all.prompt_tokens));
    say!("tokens of answers, at most: {}", all.completion_tokens);
    note!("nothing was sent");
}

fn begin(hosted: &Hosted) {
    let setup = hosted.setup();
    note!(
        "asking {} at {} ({}), {} requests at once",
        setup.model,
        setup.address.as_str(),
        setup.protocol.as_str(),
        setup.in_flight
    );
    note!("sampling: {}", setup.options.sampling);
    let Some(journal) = hosted.journal() else { return };
    let shown = journal.path().display();
    if journal.was_torn() {
        note!("{shown}: the last line was torn, as a killed run leaves it, and is dropped");
    }
    match journal.len() {
        0 => note!("every response is kept in {shown}"),
        known => note!("every response is kept in {shown}, which has {known} already"),
    }
}

/// Says who answered, how, and what it took.
fn end(hosted: &Hosted) {
    for (endpoint, way) in hosted.ways() {
        let lacks = hosted.refused_fields(endpoint);
        let lacks = match lacks.is_empty() {
            true => String::new(),
            false => format!("; the server takes no {}", lacks.join(", ")),
        };
        note!("answers by {way}, from /{}{lacks}", endpoint.path());
    }
    let (seen, spent) = (hosted.seen(), hosted.spent());
    note!(
        "{} responses from the server, {} from the record; {} requests, {} tokens of prompts and {} of answers",
        seen.asked,
        seen.from_record,
        spent.requests,
        spent.prompt_tokens,
        spent.completion_tokens
    );
    if let (Some((model, _)), Some(first), Some(last)) =
        (seen.models.first(), seen.first, seen.last)
    {
        let fingerprint = seen.fingerprints.first();
        let fingerprint =
            fingerprint.map_or_else(|| "no system_fingerprint".into(), |(own, _)| own.clone());
        note!("answered by {model} ({fingerprint}), {first:.0} to {last:.0}");
    }
    if let Some(changed) = seen.changed() {
        note!("{changed}");
    }
}
