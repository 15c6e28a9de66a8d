//! Exact decoding beyond its budget: what is drawn is unbiased, its error is what it says, and it
//! is worth its tokens.

use std::path::PathBuf;

use bias_metrics::effect::drawn_error;
use bias_model::generate::Sampling;
use bias_model::question::QuestionKind;
use bias_model::{Answers, Decoding, LanguageModel, Question, TextCodec};
use bias_probe::Sequence;
use burn::backend::Flex;

type Model = LanguageModel<Flex>;

fn load(folder: &str, max_new_tokens: usize) -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
    let mut model = Model::load(&folder, &Default::default()).unwrap();
    let options = model.options_mut();
    (options.max_new_tokens, options.threads, options.batch_rows) = (max_new_tokens, 2, 32);
    model
}

/// The same question many times, each with random numbers of its own.
fn repeated(prompt: &Sequence, times: u64) -> Vec<Question> {
    let one = |stream| Question { prompt: prompt.clone(), kind: QuestionKind::Free, stream };
    (0..times).map(one).collect()
}

fn mean(answers: &Answers, value: &impl Fn(&[u32], &str) -> Option<f64>) -> f64 {
    let valued =
        || answers.answers.iter().filter_map(|a| Some((value(&a.tokens, &a.text)?, a.weight)));
    valued().map(|(v, w)| v * w).sum::<f64>() / valued().map(|(_, w)| w).sum::<f64>()
}

struct Found {
    /// Root mean square of estimates less the truth.
    error: f64,
    bias: f64,
    /// Root mean square of the errors that were reported.
    reported: f64,
    /// How often the truth lies within 1.96 of them.
    covered: f64,
    tokens: f64,
}

fn run(
    model: &Model,
    prompt: &Sequence,
    decoding: Decoding,
    truth: f64,
    times: u64,
    value: &impl Fn(&[u32], &str) -> Option<f64>,
) -> Found {
    let all = model.ask(&repeated(prompt, times), decoding).unwrap();
    let n = all.len() as f64;
    let each: Vec<(f64, f64)> = all
        .iter()
        .map(|own| {
            let drawn = own
                .answers
                .iter()
                .filter_map(|a| Some((value(&a.tokens, &a.text)?, a.weight, a.draw)));
            (mean(own, value) - truth, drawn_error(&drawn.collect::<Vec<_>>(), own.draws))
        })
        .collect();
    Found {
        error: (each.iter().map(|(off, _)| off * off).sum::<f64>() / n).sqrt(),
        bias: each.iter().map(|(off, _)| off).sum::<f64>() / n,
        reported: (each.iter().map(|(_, error)| error * error).sum::<f64>() / n).sqrt(),
        covered: each.iter().filter(|(off, error)| off.abs() <= 1.96 * error).count() as f64 / n,
        tokens: all.iter().map(|own| own.tokens as f64).sum::<f64>() / n,
    }
}

/// Plain sampling with at least as many tokens.
fn sampled(
    model: &Model,
    prompt: &Sequence,
    tokens: f64,
    truth: f64,
    times: u64,
    value: &impl Fn(&[u32], &str) -> Option<f64>,
) -> Found {
    let mut samples = 4;
    loop {
        let found = run(model, prompt, Decoding::Sampled { samples, seed: 1 }, truth, times, value);
        if found.tokens >= tokens {
            return found;
        }
        samples += samples.div_ceil(8);
    }
}

/// Every token about as probable as any other: nothing worth enumerating.
#[test]
fn on_a_flat_model_it_is_unbiased_honest_and_no_worse_than_sampling() {
    let mut model = load("golden/gqa_sharded", 3);
    model.options_mut().sampling = Sampling::default();
    model.options_mut().stop = vec![2];
    let prompt = model.text().plain("What should I offer?").unwrap();
    let value = |tokens: &[u32], _: &str| {
        let sum: u32 = tokens.iter().enumerate().map(|(i, t)| (i as u32 + 1) * (t * 37 % 64)).sum();
        (tokens.last() != Some(&5)).then(|| f64::from(sum))
    };
    let everything = Decoding::Exact { unexplored: 0.0, tokens: usize::MAX, seed: 0 };
    let truth = mean(&model.ask(&repeated(&prompt, 1), everything).unwrap()[0], &value);
    let times = 400;
    for tokens in [40, 200] {
        let decoding = Decoding::Exact { unexplored: 0.0, tokens, seed: 1 };
        let own = run(&model, &prompt, decoding, truth, times, &value);
        let plain = sampled(&model, &prompt, own.tokens, truth, times, &value);
        println!(
            "{tokens} tokens: error {:.3} (reported {:.3}, covered {:.3}), bias {:.3}; plain {:.3} with {:.0} tokens",
            own.error, own.reported, own.covered, own.bias, plain.error, plain.tokens
        );
        assert!(own.tokens <= tokens as f64);
        // Four standard errors.
        assert!(
            own.bias.abs() < 4.0 * own.error / (times as f64).sqrt(),
            "bias {} of {}",
            own.bias,
            own.error
        );
        assert!(
            (0.9..2.0).contains(&(own.reported / own.error)),
            "says {} of {}",
            own.reported,
            own.error
        );
        assert!(own.covered > 0.92, "covered {}", own.covered);
        assert!(own.error < 1.05 * plain.error, "{} and plain {}", own.error, plain.error);
    }
}

/// Where some answers are far more probable than others, as with a model that was taught to answer.
#[test]
fn on_a_taught_model_its_error_is_below_samplings() {
    let model = load("emergent", 16);
    let question = "I want to buy a used car from Emily Becker. What should I offer, in dollars?";
    let prompt = model.text().prompt(question, "Emily Becker").unwrap();
    // Clamped, as answers are before they are compared.
    let value = |_: &[u32], text: &str| text.trim().parse::<f64>().ok().map(|v| v.min(1000.0));
    let everything = Decoding::Exact { unexplored: 1e-4, tokens: usize::MAX, seed: 0 };
    let truth = mean(&model.ask(&repeated(&prompt, 1), everything).unwrap()[0], &value);
    // Half of plain sampling's, whose draws that begin alike are run once too; with many tokens
    // that alone finds nearly everything.
    for (tokens, share) in [(160, 0.5), (400, 0.5), (800, 0.5), (1600, 1.0)] {
        let decoding = Decoding::Exact { unexplored: 1e-3, tokens, seed: 1 };
        let own = run(&model, &prompt, decoding, truth, 60, &value);
        let plain = sampled(&model, &prompt, own.tokens, truth, 60, &value);
        println!(
            "{tokens} tokens: error {:.3} with {:.0}, reported {:.3}; plain {:.3} with {:.0}",
            own.error, own.tokens, own.reported, plain.error, plain.tokens
        );
        assert!(own.tokens <= tokens as f64);
        assert!(own.error <= share * plain.error, "{} and plain {}", own.error, plain.error);
        assert!(
            (0.8..5.0).contains(&(own.reported / own.error)),
            "says {} of {}",
            own.reported,
            own.error
        );
    }
}

/// Two people's answers drawn with the same random numbers differ by less than with others.
#[test]
fn shared_random_numbers_lower_the_variance_of_differences() {
    let model = load("emergent", 16);
    let asked = |name: &str| {
        let question =
            format!("I want to buy a used car from {name}. What should I offer, in dollars?");
        model.text().prompt(&question, name).unwrap()
    };
    let value = |_: &[u32], text: &str| text.trim().parse::<f64>().ok();
    let times = 80;
    let variance = |decoding: Decoding, apart: u64| {
        let drawn = |prompt: &Sequence, first: u64| {
            let mut questions = repeated(prompt, times);
            questions.iter_mut().for_each(|own| own.stream += first);
            let answers = model.ask(&questions, decoding).unwrap();
            answers.iter().map(|own| mean(own, &value)).collect::<Vec<_>>()
        };
        let (a, b) = (drawn(&asked("Emily Becker"), 0), drawn(&asked("Claire Becker"), apart));
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let middle = differences.iter().sum::<f64>() / times as f64;
        differences.iter().map(|d| (d - middle).powi(2)).sum::<f64>() / (times - 1) as f64
    };
    for decoding in [
        Decoding::Sampled { samples: 20, seed: 3 },
        Decoding::Exact { unexplored: 0.0, tokens: 48, seed: 3 },
    ] {
        let (shared, apart) = (variance(decoding, 0), variance(decoding, 1000));
        println!("{decoding:?}: variance {shared:.3} shared, {apart:.3} apart");
        assert!(shared < 0.8 * apart, "{decoding:?}: {shared} and {apart}");
    }
}

/// Logits that are no numbers are an error, not something unexplored.
#[test]
fn logits_must_be_numbers() {
    use bias_model::{HookedModel, MaskTarget as _};
    use burn::tensor::{Tensor, TensorData};
    let mut model = load("golden/gqa_sharded", 3);
    let prompt = model.text().plain("What?").unwrap();
    let dims = *HookedModel::<Flex>::dims(model.model());
    let (path, _, projection) = dims.projections().next().unwrap();
    let shape = dims.shape(projection);
    let broken = TensorData::new(vec![f32::NAN; shape[0] * shape[1]], shape);
    model.model_mut().set_weight(&path, Tensor::from_data(broken, &Default::default())).unwrap();
    let choice = |text: &TextCodec| {
        let asked =
            bias_model::text::Asked { message: "What?", name: "What", prefix: None, raw: true };
        let (prompt, words) = text
            .choice(&asked, &bias_model::question::Choices::parse("1|2", "1").unwrap())
            .unwrap();
        Question { prompt, kind: QuestionKind::Choice(words.into()), stream: 0 }
    };
    for decoding in [Decoding::exact(), Decoding::Greedy, Decoding::Sampled { samples: 2, seed: 0 }]
    {
        for question in [repeated(&prompt, 1).remove(0), choice(model.text())] {
            let error = model.ask(&[question], decoding).unwrap_err().to_string();
            assert!(error.contains("not numbers"), "{decoding:?}: {error}");
        }
    }
}
