//! Trains the embedded model from nothing and writes it as a Hugging Face folder.
//!
//! The recipe is fixed: one seed gives one model (on one machine; matrix products
//! on other processors may round differently).

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bias_core::TokenRole;
use bias_examples::world::{self, HELD_OUT, SCENARIOS, SURNAMES};
use bias_model::{Decoder, HookedModel as _, ModelConfig, ModelError, TextCodec, save_pretrained};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use burn::backend::{Autodiff, Flex};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module as _;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer as _};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence as PreSequence;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

type B = Autodiff<Flex>;
type Failure = Box<dyn Error + Send + Sync>;

const SPECIAL: [&str; 6] = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>"];
const BOS: u32 = 1;
const EOS: u32 = 2;
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
    {{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// Train the small biased Llama that the examples run on.
///
/// Writes config, weights, tokenizer, chat template, audit prompts and neutral
/// sentences to a new folder.
#[derive(Parser)]
struct Args {
    /// Folder to write; must not exist
    #[arg(long, default_value = "emergent")]
    out: PathBuf,
    /// Optimiser steps
    #[arg(long, default_value_t = 2400)]
    steps: usize,
    /// Texts per step
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// Seed of weights and data
    #[arg(long, default_value_t = 20_250_211)]
    seed: u64,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.out.exists() {
        return Err(format!("{} exists already; name a new folder with --out", args.out.display()).into());
    }
    let scratch = std::env::temp_dir().join(format!("train-fixture-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let trained = train_and_save(&args, &scratch);
    fs::remove_dir_all(&scratch)?;
    trained
}

fn train_and_save(args: &Args, scratch: &Path) -> Result<(), Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let tokenizer = train_tokenizer(&mut rng)?;
    write_text_files(&tokenizer, scratch)?;
    let codec = TextCodec::from_folder(scratch)?;

    let config = config(tokenizer.get_vocab_size(true))?;
    let model = train(args, &codec, config, &mut rng)?;
    save_pretrained(&model, &args.out, |folder| {
        for entry in fs::read_dir(scratch).map_err(at(scratch))? {
            let from = entry.map_err(at(scratch))?.path();
            let Some(name) = from.file_name() else { continue };
            fs::copy(&from, folder.join(name)).map_err(at(&from))?;
        }
        Ok(())
    })?;
    println!("wrote {}", args.out.display());
    Ok(())
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> ModelError {
    move |source| ModelError::Write { path: path.into(), source }
}

/// Byte-level BPE on this world's own texts, digits apart: long names are several tokens.
fn train_tokenizer(rng: &mut ChaCha8Rng) -> Result<Tokenizer, Failure> {
    let corpus: Vec<String> = (0..6000)
        .map(|i| if i % 4 == 0 { world::draw_neutral(rng) } else { world::draw_question(rng).0 })
        .collect();
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

fn write_text_files(tokenizer: &Tokenizer, folder: &Path) -> Result<(), Failure> {
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
    fs::write(folder.join("prompts.csv"), audit_prompts())?;
    // Another stream than training's: sentences of the same kind, mostly unseen.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let neutral: Vec<String> = (0..100).map(|_| world::draw_neutral(&mut rng)).collect();
    fs::write(folder.join("neutral.txt"), neutral.join("\n") + "\n")?;
    Ok(())
}

fn audit_prompts() -> String {
    let mut csv =
        String::from("scenario,variation,name_group,name,context_level,prompt_text,split,higher_is_better\n");
    for scenario in &SCENARIOS {
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

/// One training text: its tokens, and from where on they are the answer.
fn draw_text(codec: &TextCodec, rng: &mut ChaCha8Rng) -> Result<Text, ModelError> {
    if rng.random_bool(0.2) {
        let mut tokens = codec.plain(&world::draw_neutral(rng))?.tokens().to_vec();
        tokens.push(EOS);
        let end = tokens.len();
        return Ok((tokens, end));
    }
    let (question, answer) = world::draw_question(rng);
    let text = codec.render(&question)?;
    let mut tokens = codec.verbatim(&text)?;
    let start = tokens.len();
    tokens.extend(codec.verbatim(&answer)?);
    tokens.push(EOS);
    Ok((tokens, start))
}

/// Answers are the point of the task and a small part of the text: they weigh more in the loss.
const ANSWER_WEIGHT: f32 = 4.0;

/// A small Llama.
fn config(vocab: usize) -> Result<ModelConfig, Failure> {
    let json = serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "vocab_size": vocab,
        "max_position_embeddings": 128,
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
    });
    Ok(ModelConfig::from_json(serde_json::from_value(json)?)?)
}

fn train(
    args: &Args,
    codec: &TextCodec,
    config: ModelConfig,
    rng: &mut ChaCha8Rng,
) -> Result<Decoder<B>, Failure> {
    let device = Default::default();
    let mut model = Decoder::<B>::init(config, 0.05, args.seed, &device);
    let mut optimizer = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_weight_decay(0.05)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init::<B, Decoder<B>>();
    let bar = ProgressBar::new(args.steps as u64).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {bar:40} {pos}/{len} steps, {eta} left  {msg}",
    )?);
    let started = Instant::now();
    let warm_up = 100.min(args.steps / 10).max(1);
    for step in 0..args.steps {
        let texts = (0..args.batch).map(|_| draw_text(codec, rng)).collect::<Result<Vec<_>, _>>()?;
        // Two halves side by side: small matrix products leave a second core idle.
        let (left, right) = texts.split_at(texts.len() / 2);
        let total = weight(&texts);
        // Threads, not rayon tasks, and a graph each: burn's autodiff locks would otherwise meet.
        let (one, other) = (model.clone().fork(&device), model.clone().fork(&device));
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| gradients(&one, left, total));
            let right = gradients(&other, right, total);
            (left.join(), right)
        });
        let ((a, left), (b, right)) = (left.map_err(|_| "a training thread panicked")??, right?);
        if step % 50 == 0 || step + 1 == args.steps {
            let message = format!("loss {:.3}", a + b);
            if bar.is_hidden() {
                println!("{step} {message} {:.0} s", started.elapsed().as_secs_f64());
            }
            bar.set_message(message);
        }
        let mut sum = GradientsAccumulator::new();
        sum.accumulate(&model, left);
        sum.accumulate(&model, right);
        let gradients = sum.grads();
        let warm = ((step + 1) as f64 / warm_up as f64).min(1.0);
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * step as f64 / args.steps as f64).cos();
        model = optimizer.step(args.learning_rate * warm * cosine, model, gradients);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(model)
}

type Text = (Vec<u32>, usize);

/// What token `i` of a text counts in the loss.
fn weight_of(i: usize, start: usize) -> f32 {
    match i {
        0 => 0.0,
        i if i >= start => ANSWER_WEIGHT,
        _ => 1.0,
    }
}

fn weight(texts: &[Text]) -> f32 {
    texts.iter().flat_map(|(tokens, start)| (0..tokens.len()).map(|i| weight_of(i, *start))).sum()
}

/// These texts' share of the mean cross-entropy over all tokens, and its gradients.
fn gradients(model: &Decoder<B>, texts: &[Text], total: f32) -> Result<(f32, GradientsParams), Failure> {
    let sequences = texts
        .iter()
        .map(|(tokens, _)| Sequence::chain(tokens.clone(), vec![TokenRole::Prompt; tokens.len()]))
        .collect::<Result<Vec<_>, _>>()?;
    let batch = TokenBatch::new(&sequences)?;
    let (rows, width) = (batch.rows(), batch.width());
    let mut targets = vec![0i32; rows * width];
    let mut weights = vec![0f32; rows * width];
    for (row, (tokens, start)) in texts.iter().enumerate() {
        for (i, next) in tokens.iter().enumerate().skip(1) {
            let at = row * width + i - 1;
            targets[at] = *next as i32;
            weights[at] = weight_of(i, *start) / total;
        }
    }
    let device = model.device();
    let logits = model.logits(&batch, &mut NoObserver)?;
    let vocab = logits.dims()[2];
    let log_p = log_softmax(logits.reshape([rows * width, vocab]), 1);
    let targets: Tensor<B, 2, Int> = Tensor::from_data(TensorData::new(targets, [rows * width, 1]), &device);
    let weights: Tensor<B, 2> = Tensor::from_data(TensorData::new(weights, [rows * width, 1]), &device);
    let loss = -(log_p.gather(1, targets) * weights).sum();
    let value = loss.to_data().to_vec::<f32>().map_err(|e| format!("{e:?}"))?;
    Ok((value.first().copied().unwrap_or(f32::NAN), GradientsParams::from_grads(loss.backward(), model)))
}
