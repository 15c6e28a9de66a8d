//! How far are loaded models from transformers?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bias_cli::device::place::DeviceArgs;
use bias_cli::failure::{Failure, finish};
use bias_cli::on_device;
use bias_model::chat::Message;
use bias_model::interop::{Parity, Reference};
use bias_model::{Checkpoint, Decoder, ModelConfig, Precision, TextCodec};
use burn::tensor::backend::{AutodiffBackend, Backend};
use clap::Parser;
use serde::Deserialize;

/// Tensors come and go by the megabyte.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compare models with what transformers computes from the same files, and print the largest
/// absolute differences as a Markdown table.
///
/// A case is a model folder with an `expected.safetensors` beside its weights, written by
/// `fixtures/golden/make.py`; or a folder with a `model.gguf`, written by `fixtures/gguf/make.py`,
/// or for a GGUF file of your own by `fixtures/gguf/check.py FILE.gguf DIR`. Logits are compared
/// with each prompt alone, with all prompts padded to one batch, and token by token through the
/// cache. Activations and attention patterns are compared at every site on record. For GGUF files,
/// tokens and chats are compared as well.
#[derive(Parser)]
struct Args {
    /// Folder of cases, with `cases.json` and `prompts.json`; by default the project's own cases
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only the case of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Hold weights as they are stored instead of widened to f32
    #[arg(long)]
    stored: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    architecture: String,
    dtype: String,
    what: String,
}

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Vec<u32>>,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden");
    let folder = args.cases.clone().unwrap_or(own);
    let mut cases: Vec<Case> = serde_json::from_slice(&read(&folder.join("cases.json"))?)?;
    if let Some(absent) = args.case.iter().find(|name| cases.iter().all(|case| case.name != **name)) {
        let known: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        return Err(format!("--case: there is no case `{absent}`; the cases are {}", known.join(", ")).into());
    }
    cases.retain(|case| args.case.is_empty() || args.case.contains(&case.name));
    let Prompts { prompts } = serde_json::from_slice(&read(&folder.join("prompts.json"))?)?;
    let precision = if args.stored { Precision::Stored } else { Precision::F32 };
    println!(
        "| architecture | case | weights | largest logit | logits | padded | cached | activations | bf16 (its own error) | greedy |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut tokens = Vec::new();
    for case in &cases {
        let own = folder.join(&case.name);
        let reference = Reference::load(&own.join("expected.safetensors"), prompts.clone())?;
        let gguf = own.join("model.gguf");
        let model = if gguf.is_file() { gguf } else { own.clone() };
        let parity = on_device!(args.device.place()?, |B, device| {
            compare::<<B as AutodiffBackend>::InnerBackend>(&model, &reference, precision, &device)?
        });
        println!("{}", row(case, &parity));
        if own.join("tokens.json").is_file() {
            tokens.extend(compare_tokens(&case.name, &model, &own.join("tokens.json"))?);
        }
    }
    tokens.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What transformers' tokenizer makes of texts and chats.
#[derive(Deserialize)]
struct Tokens {
    texts: Vec<Text>,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Turn>,
    rendered: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

/// How many texts and chats are the same tokens, and the first that is not.
fn compare_tokens(case: &str, model: &Path, path: &Path) -> Result<Vec<String>, Failure> {
    let codec = TextCodec::from_folder(model)?;
    let Tokens { texts, chats } = serde_json::from_slice(&read(path)?)?;
    let (mut lines, mut same) = (Vec::new(), [0; 2]);
    for Text { text, ids, decoded } in &texts {
        let found = codec.verbatim(text)?;
        if found == *ids && codec.decode(ids)? == *decoded {
            same[0] += 1;
        } else if lines.is_empty() {
            lines.push(format!("{case}: {text:?} is {found:?}, and {ids:?} in transformers"));
        }
    }
    for Chat { messages, rendered, ids } in &chats {
        let turn = |Turn { role, content }: &Turn| Message::new(role.clone(), content.clone());
        let text = codec.chat(&messages.iter().map(turn).collect::<Vec<_>>())?;
        if text == *rendered && codec.verbatim(&text)? == *ids {
            same[1] += 1;
        } else {
            lines.push(format!("{case}: a chat is {text:?}, and {rendered:?} in transformers"));
        }
    }
    let [own, chat] = same;
    lines.insert(
        0,
        format!("{case}: {own} of {} texts and {chat} of {} chats alike", texts.len(), chats.len()),
    );
    Ok(lines)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

fn compare<B: Backend>(
    folder: &Path,
    reference: &Reference,
    precision: Precision,
    device: &B::Device,
) -> Result<Parity, Failure> {
    let config = ModelConfig::from_folder(folder)?;
    let model = Decoder::<B>::load(&Checkpoint::open(folder)?, config, precision, device)?;
    Ok(reference.compare(&model)?)
}

fn row(case: &Case, p: &Parity) -> String {
    let bf16 = match (p.bf16, p.bf16_own) {
        (Some(ours), Some(own)) => format!("{ours:.1e} ({own:.1e})"),
        _ => "–".into(),
    };
    format!(
        "| {} | {} | {} | {:.1} | {:.1e} | {:.1e} | {:.1e} | {:.1e} | {bf16} | {}/{} |",
        case.architecture,
        case.what,
        case.dtype,
        p.scale,
        p.logits,
        p.padded,
        p.cached,
        p.sites,
        p.greedy.0,
        p.greedy.1
    )
}
