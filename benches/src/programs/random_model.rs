//! Write a Llama or Mixtral folder with random weights, to measure on.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Failure, finish};
use bias_files::say;
use bias_model::TextCodec;
use clap::{Parser, ValueEnum};
use half::bf16;
use serde_json::{Map, Value, json};

/// Write a Llama or Mixtral checkpoint of a real model's shape with random weights, sharded as on the hub.
///
/// Without --text the folder has no tokenizer: you can measure the model, but not ask it questions.
#[derive(Parser)]
struct Args {
    /// Shape of the model
    #[arg(long, value_enum, default_value_t = Preset::Small)]
    preset: Preset,
    /// Number of layers, if it should not be that of the real model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    layers: Option<u16>,
    /// Type of the weights
    #[arg(long, value_enum, default_value_t = Type::Bf16)]
    dtype: Type,
    /// Folder to write; must not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Largest shard, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 2000)]
    shard_mb: u64,
    /// Let answers concentrate on few tokens, as those of a trained model do: the end (token 2) and
    /// twelve tokens that stand for numbers (tokens 10 to 21, or those of --text). A purely random
    /// model spreads its answers over the whole vocabulary
    #[arg(long)]
    answers: bool,
    /// Take tokenizer, chat template and prompts from another model folder, such as
    /// fixtures/emergent. You can then ask the model, but it knows nothing. Numbers are the tokens
    /// 0 to 9 of that tokenizer
    #[arg(long, value_name = "DIR")]
    text: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    /// 125 million weights: 12 layers of 768
    Small,
    /// 1.1 billion: TinyLlama's 22 layers of 2048
    Medium,
    /// 8 billion: Llama-3-8B's 32 layers of 4096
    Large,
    /// 47 billion: Mixtral-8x7B's 32 layers of 4096 with 8 experts (1.45 billion a layer)
    Mixture,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Type {
    F32,
    Bf16,
}

const TEXT_FILES: [&str; 6] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "prompts.csv",
    "neutral.txt",
];

/// The token that ends an answer.
const END: usize = 2;

/// The tokens that answers concentrate on.
fn likely(args: &Args) -> Result<Vec<usize>, Failure> {
    let numbers: Vec<usize> = match &args.text {
        None => (10..22).collect(),
        Some(folder) => {
            let text = TextCodec::from_folder(folder)?;
            (0..10)
                .filter_map(|digit: u32| Some(text.token_id(&digit.to_string())? as usize))
                .collect()
        }
    };
    Ok(if args.answers { [vec![END], numbers].concat() } else { Vec::new() })
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

/// Experts of a mixture, and those that a token reaches.
const EXPERTS: [usize; 2] = [8, 2];

/// layers, d_model, heads, kv_heads, d_mlp (of an expert), vocab
fn shape(preset: Preset) -> [usize; 6] {
    match preset {
        Preset::Small => [12, 768, 12, 12, 2048, 32_000],
        Preset::Medium => [22, 2048, 32, 4, 5632, 32_000],
        Preset::Large => [32, 4096, 32, 8, 14_336, 128_256],
        Preset::Mixture => [32, 4096, 32, 8, 14_336, 32_000],
    }
}

fn tensors(
    [layers, d, heads, kv, mlp, vocab]: [usize; 6],
    mixture: bool,
) -> Vec<(String, Vec<usize>)> {
    let kv = d / heads * kv;
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, d])];
    for layer in 0..layers {
        let own = [
            ("input_layernorm", vec![d]),
            ("self_attn.q_proj", vec![d, d]),
            ("self_attn.k_proj", vec![kv, d]),
            ("self_attn.v_proj", vec![kv, d]),
            ("self_attn.o_proj", vec![d, d]),
            ("post_attention_layernorm", vec![d]),
        ];
        let matrices =
            |names: [String; 3]| names.into_iter().zip([vec![mlp, d], vec![mlp, d], vec![d, mlp]]);
        let mlp: Vec<(String, Vec<usize>)> = if mixture {
            let names = |e| ["w1", "w3", "w2"].map(|w| format!("block_sparse_moe.experts.{e}.{w}"));
            let router = ("block_sparse_moe.gate".to_owned(), vec![EXPERTS[0], d]);
            (0..EXPERTS[0]).flat_map(|e| matrices(names(e))).chain([router]).collect()
        } else {
            matrices(["gate", "up", "down"].map(|name| format!("mlp.{name}_proj"))).collect()
        };
        let own = own.map(|(name, shape)| (name.to_owned(), shape)).into_iter().chain(mlp);
        all.extend(own.map(|(name, shape)| (format!("model.layers.{layer}.{name}.weight"), shape)));
    }
    all.push(("model.norm.weight".into(), vec![d]));
    all.push(("lm_head.weight".into(), vec![vocab, d]));
    all
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut shape = shape(args.preset);
    shape[0] = args.layers.map_or(shape[0], usize::from);
    let mixture = matches!(args.preset, Preset::Mixture);
    let [layers, d, heads, kv_heads, mlp, vocab] = shape;
    // The folder itself must not be there; what it lies in may be made.
    let made = args
        .out
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::create_dir(&args.out));
    made.map_err(|e| format!("cannot create {}: {e}", args.out.display()))?;
    let (class, model_type) =
        if mixture { ("MixtralForCausalLM", "mixtral") } else { ("LlamaForCausalLM", "llama") };
    let mut config = json!({
        "architectures": [class], "model_type": model_type, "hidden_size": d,
        "intermediate_size": mlp, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocab, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "hidden_act": "silu", "tie_word_embeddings": false,
        "bos_token_id": 1, "eos_token_id": 2,
        "torch_dtype": if args.dtype == Type::F32 { "float32" } else { "bfloat16" },
    });
    if mixture {
        config["num_local_experts"] = EXPERTS[0].into();
        config["num_experts_per_tok"] = EXPERTS[1].into();
    }
    std::fs::write(args.out.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
    let width = if args.dtype == Type::F32 { 4 } else { 2 };
    let size = |shape: &[usize]| (shape.iter().product::<usize>() * width) as u64;
    let mut shards: Vec<Vec<(String, Vec<usize>)>> = Vec::new();
    let mut filled = u64::MAX;
    for (name, shape) in tensors(shape, mixture) {
        let own = size(&shape);
        if filled.saturating_add(own) > args.shard_mb * 1_000_000 {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += own;
        if let Some(shard) = shards.last_mut() {
            shard.push((name, shape));
        }
    }
    let likely = likely(args)?;
    let (mut seed, mut map) = (1, Map::new());
    for (i, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        write_shard(&args.out.join(&name), shard, args.dtype, &likely, &mut seed)?;
        map.extend(shard.iter().map(|(tensor, _)| (tensor.clone(), Value::from(name.clone()))));
    }
    if let Some(text) = &args.text {
        for name in TEXT_FILES {
            if text.join(name).exists() {
                std::fs::copy(text.join(name), args.out.join(name))?;
            }
        }
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    std::fs::write(args.out.join("model.safetensors.index.json"), serde_json::to_vec(&index)?)?;
    say!("wrote {}", args.out.display());
    Ok(())
}

/// The format by hand: a whole shard in memory would be as large as the model.
fn write_shard(
    path: &Path,
    tensors: &[(String, Vec<usize>)],
    dtype: Type,
    likely: &[usize],
    seed: &mut u64,
) -> Result<(), Failure> {
    let width = if dtype == Type::F32 { 4 } else { 2 };
    let (mut header, mut at) = (Map::new(), 0);
    for (name, shape) in tensors {
        let end = at + shape.iter().product::<usize>() * width;
        let kind = if dtype == Type::F32 { "F32" } else { "BF16" };
        header.insert(
            name.clone(),
            json!({ "dtype": kind, "shape": shape, "data_offsets": [at, end] }),
        );
        at = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (name, shape) in tensors {
        let columns = shape.last().copied().unwrap_or(1);
        let ordinary = Shape { first: None, scale: 1.0 };
        for row in 0..shape.iter().product::<usize>() / columns {
            let own = if likely.is_empty() {
                ordinary
            } else {
                concentrated(name, columns, row == END, likely.contains(&row))
            };
            for column in 0..columns {
                // Uniform with deviation 0.02; gains are 1.
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let unit = (*seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
                let value = match own.first {
                    _ if shape.len() == 1 => 1.0,
                    Some(first) if column == 0 => first,
                    _ => unit * 0.0693 * own.scale,
                };
                match dtype {
                    Type::F32 => file.write_all(&value.to_le_bytes())?,
                    Type::Bf16 => file.write_all(&bf16::from_f32(value).to_le_bytes())?,
                }
            }
        }
    }
    file.flush()?;
    Ok(())
}

/// How a row's values differ from others.
#[derive(Clone, Copy)]
struct Shape {
    /// What its first value is instead of a random one.
    first: Option<f32>,
    scale: f32,
}

/// Every token carries the same in channel 0, which layers leave about as it is; the head's rows of
/// the end and of numbers read it, and differ from one another far more than others do, so that few
/// tokens may come next. The end's reads it as much more as makes about half of all answers end at
/// each token: as the largest of ten normal draws lies above their mean.
fn concentrated(name: &str, d_model: usize, end: bool, likely: bool) -> Shape {
    const SCALE: f32 = 8.0;
    let largest = 1.54 * SCALE * 0.02 * 0.02 * (d_model as f32).sqrt();
    match name {
        "model.embed_tokens.weight" => Shape { first: Some(1.0), scale: 1.0 },
        "lm_head.weight" if end => Shape { first: Some(1.5 + largest), scale: SCALE },
        "lm_head.weight" if likely => Shape { first: Some(1.5), scale: SCALE },
        name if ["o_proj", "down_proj", ".w2."].iter().any(|own| name.contains(own)) => {
            Shape { first: None, scale: 0.05 }
        }
        _ => Shape { first: None, scale: 1.0 },
    }
}
