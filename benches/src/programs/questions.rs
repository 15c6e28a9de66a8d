//! Asks a model numbers, choices and free answers when told to, and says how long it took.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::{Failure, converse, finish};
use bias_model::generate::Sampling;
use bias_model::question::{Choices, NumberGrammar, QuestionKind, Word};
use bias_model::text::Asked;
use bias_model::{Decoding, LanguageModel, Question};
use burn::backend::Flex;
use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};

/// Load a model with its tokenizer, then ask it what each line of standard input says.
///
/// The program answers each line with a line of JSON that gives the time in seconds.
/// benches/peers/questions.py asks this program and PyTorch in turn.
#[derive(Parser)]
struct Args {
    /// Model folder or GGUF file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Number of threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// One line of standard input: questions of one kind.
#[derive(Deserialize)]
struct Request {
    /// What is asked, and about whom.
    questions: Vec<[String; 2]>,
    #[serde(default)]
    prefix: Option<String>,
    /// What can be chosen; with a prefix and without choices a number is asked for, with neither a
    /// free answer.
    #[serde(default)]
    choices: Option<String>,
    #[serde(default)]
    better: String,
    #[serde(default)]
    raw: bool,
    temperature: f64,
    /// Samples of each answer; without, its distribution.
    #[serde(default)]
    samples: Option<u32>,
    /// Tokens that may be run for it then, unless as many as usual.
    #[serde(default)]
    tokens: Option<usize>,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let started = Instant::now();
    let mut model = LanguageModel::<Flex>::load(&args.model, &Default::default())?;
    model.options_mut().threads = args.threads;
    // A tokenizer without digits is no reason not to ask for choices.
    let grammar = model.text().number_grammar().map(Arc::new);
    let grammar = grammar.as_ref().map_err(ToString::to_string);
    converse(&json!({ "seconds": started.elapsed().as_secs_f64() }), |request| {
        serve(&mut model, grammar.clone(), &request)
    })
}

fn serve(
    model: &mut LanguageModel<Flex>,
    grammar: Result<&Arc<NumberGrammar>, String>,
    request: &Request,
) -> Result<Value, Failure> {
    model.options_mut().sampling = Sampling::default().with_temperature(request.temperature)?;
    let choices =
        request.choices.as_ref().map(|text| Choices::parse(text, &request.better)).transpose()?;
    let mut words: Arc<[Word]> = [].into();
    let mut questions = Vec::new();
    for ([message, name], stream) in request.questions.iter().zip(0..) {
        let asked = Asked { message, name, prefix: request.prefix.as_deref(), raw: request.raw };
        let (prompt, kind) = match &choices {
            Some(choices) => {
                let (prompt, own) = model.text().choice(&asked, choices)?;
                words = own.into();
                (prompt, QuestionKind::Choice(words.clone()))
            }
            None if request.prefix.is_some() => {
                (model.text().question(&asked)?, QuestionKind::Number(grammar.clone()?.clone()))
            }
            None => (model.text().question(&asked)?, QuestionKind::Free),
        };
        questions.push(Question { prompt, kind, stream });
    }
    let decoding = match (request.samples, Decoding::exact(), request.tokens) {
        (Some(samples), ..) => Decoding::Sampled { samples, seed: 0 },
        (None, Decoding::Exact { unexplored, seed, .. }, Some(tokens)) => {
            Decoding::Exact { unexplored, tokens, seed }
        }
        (None, exact, _) => exact,
    };
    let started = Instant::now();
    let all = model.ask(&questions, decoding)?;
    let seconds = started.elapsed().as_secs_f64();
    let answers = all.iter().map(|own| {
        let each = own.answers.iter();
        each.map(|a| json!([a.tokens, a.weight, a.finished, a.draw.is_some()])).collect::<Vec<_>>()
    });
    Ok(json!({
        "seconds": seconds,
        "prompts": questions.iter().map(|own| own.prompt.tokens()).collect::<Vec<_>>(),
        "words": words.iter().map(|word| &word.tokens).collect::<Vec<_>>(),
        "answers": answers.collect::<Vec<_>>(),
        "tokens": all.iter().map(|own| own.tokens).sum::<usize>(),
    }))
}
