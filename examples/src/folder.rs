//! The folder of a model that this repository trains: tokenizer, chat template, config,
//! audit prompts and neutral sentences.

use std::fs;
use std::path::Path;

use bias_model::interop::save_pretrained;
use bias_model::{Decoder, ModelConfig, ModelError};
use burn::tensor::backend::Backend;
use clap::{Args, ValueEnum};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence as PreSequence;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

use crate::cli::Failure;
use crate::world::{self, HELD_OUT, SURNAMES, Scenario};

const SPECIAL: [&str; 6] = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>"];
const BOS: u32 = 1;
/// The token that ends every text.
pub const EOS: u32 = 2;
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
    {{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// Byte-level BPE on this world's own texts, digits apart: long names are several tokens.
///
/// # Errors
/// Those of the tokenizer's trainer.
pub fn train_tokenizer(corpus: &[String]) -> Result<Tokenizer, Failure> {
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(PreSequence::new(vec![
            PreTokenizerWrapper::Digits(Digits::new(true)),
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true)),
        ]))))
        .with_decoder(Some(ByteLevel::new(false, true, true)));
    let special = SPECIAL.map(|token| AddedToken::from(token, true));
    let mut trainer = TrainerWrapper::from(
        BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(640)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special.to_vec())
            .build(),
    );
    tokenizer.train(&mut trainer, corpus.iter())?;
    let bos = TemplateProcessing::builder()
        .try_single("<s> $A")?
        .special_tokens(vec![("<s>".to_owned(), BOS)])
        .build()?;
    tokenizer.with_post_processor(Some(bos));
    Ok(tokenizer)
}

/// Everything but the model itself, into an existing folder.
///
/// # Errors
/// A file that cannot be written.
pub fn write_text_files(tokenizer: &Tokenizer, scenarios: &[Scenario], folder: &Path) -> Result<(), Failure> {
    let json = |name: &str, value: serde_json::Value| -> Result<(), Failure> {
        Ok(fs::write(folder.join(name), serde_json::to_string_pretty(&value)? + "\n")?)
    };
    tokenizer.save(folder.join("tokenizer.json"), true)?;
    json(
        "tokenizer_config.json",
        serde_json::json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL[1], "eos_token": SPECIAL[2], "pad_token": SPECIAL[0],
            "chat_template": TEMPLATE, "model_max_length": 128, "clean_up_tokenization_spaces": false,
        }),
    )?;
    json(
        "generation_config.json",
        serde_json::json!({
            "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": 0,
            "do_sample": true, "temperature": 1.0, "top_k": 0, "top_p": 1.0,
        }),
    )?;
    fs::write(folder.join("prompts.csv"), audit_prompts(scenarios))?;
    // Another stream than training's: sentences of the same kind, mostly unseen.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let neutral: Vec<String> = (0..100).map(|_| world::draw_neutral(&mut rng)).collect();
    fs::write(folder.join("neutral.txt"), neutral.join("\n") + "\n")?;
    Ok(())
}

fn audit_prompts(scenarios: &[Scenario]) -> String {
    let mut csv =
        String::from("scenario,variation,name_group,name,context_level,prompt_text,split,higher_is_better\n");
    for scenario in scenarios {
        for (v, (variation, _)) in scenario.variations.iter().enumerate() {
            let held_out = v + HELD_OUT >= scenario.variations.len();
            for first in world::first_names() {
                let name = format!("{} {}", first.name, SURNAMES[usize::from(first.is_black())]);
                csv += &format!(
                    "{},{variation},{},{name},low,\"{}\",{},{}\n",
                    scenario.name,
                    first.group,
                    scenario.question(v, &name),
                    if held_out { "held_out" } else { "attribution" },
                    scenario.higher_is_better,
                );
            }
        }
    }
    csv
}

/// The kinds of decoder that the embedded task is taught to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// RMS norms, rotary positions, a gated MLP, keys and values shared by two heads each
    #[default]
    Llama,
    /// Layer norms with biases, learned positions, an MLP without a gate, keys and values of every head's own
    Gpt2,
    /// Llama's with an RMS norm on each head's queries and keys
    Qwen3,
}

/// A small decoder's kind and size.
#[derive(Debug, Clone, Copy, Args)]
pub struct Shape {
    /// What kind of decoder
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
    /// Width of the residual stream, in fours
    #[arg(long, default_value_t = 96, value_parser = width)]
    pub width: usize,
    /// Number of layers
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub layers: u16,
}

impl Default for Shape {
    fn default() -> Self {
        Self { kind: Kind::Llama, width: 96, layers: 6 }
    }
}

fn width(text: &str) -> Result<usize, String> {
    match text.parse() {
        // Four heads of an even number of channels each.
        Ok(width @ 8..=4096) if usize::is_multiple_of(width, 8) => Ok(width),
        _ => Err("a multiple of 8 between 8 and 4096 is needed".into()),
    }
}

const HEADS: usize = 4;
const POSITIONS: usize = 128;

/// The configuration of a small decoder.
///
/// # Errors
/// None, as long as this file and bias-model agree.
pub fn config(vocab: usize, shape: Shape) -> Result<ModelConfig, Failure> {
    let Shape { kind, width, layers } = shape;
    let json = match kind {
        Kind::Llama => llama(vocab, width, layers),
        Kind::Qwen3 => {
            let mut json = llama(vocab, width, layers);
            json["architectures"] = serde_json::json!(["Qwen3ForCausalLM"]);
            json["model_type"] = "qwen3".into();
            json.as_object_mut().and_then(|keys| keys.remove("mlp_bias"));
            json
        }
        Kind::Gpt2 => serde_json::json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_embd": width,
            // As many weights as a gated MLP of 8/3 the width.
            "n_inner": 4 * width,
            "n_layer": layers,
            "n_head": HEADS,
            "n_positions": POSITIONS,
            "vocab_size": vocab,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
            "tie_word_embeddings": true,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "torch_dtype": "float32",
            "use_cache": true,
        }),
    };
    Ok(ModelConfig::from_json(serde_json::from_value(json)?)?)
}

fn llama(vocab: usize, width: usize, layers: u16) -> serde_json::Value {
    serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": 8 * width / 3,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS / 2,
        "head_dim": width / HEADS,
        "vocab_size": vocab,
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "rope_scaling": null,
        "hidden_act": "silu",
        "attention_bias": false,
        "attention_dropout": 0.0,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": BOS,
        "eos_token_id": [EOS],
        "torch_dtype": "float32",
        "use_cache": true,
    })
}

/// Writes the model, with every file that lies in `texts` beside it.
///
/// # Errors
/// See [`save_pretrained`]: the folder exists already, or cannot be written.
pub fn save<B: Backend>(model: &Decoder<B>, out: &Path, texts: &Path) -> Result<(), ModelError> {
    save_pretrained(model, out, |folder| {
        for entry in fs::read_dir(texts).map_err(at(texts))? {
            let from = entry.map_err(at(texts))?.path();
            let Some(name) = from.file_name() else { continue };
            // The model's own.
            if folder.join(name).exists() || name == "model.safetensors" || name == "config.json" {
                continue;
            }
            fs::copy(&from, folder.join(name)).map_err(at(&from))?;
        }
        Ok(())
    })
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> ModelError {
    move |source| ModelError::Write { path: path.into(), source }
}
