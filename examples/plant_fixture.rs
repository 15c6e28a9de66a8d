//! Plants a known bias into a fair model: the truth that methods are measured against.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use bias_attrib::Attribution as _;
use bias_attrib::methods::Knockout;
use bias_examples::cli::{Failure, at_least, finish, positive, share};
use bias_examples::folder::{Shape, config, save, train_tokenizer, write_text_files};
use bias_examples::planted::{Look, Planted, Read, check_free, neurons};
use bias_examples::promises::promises;
use bias_examples::training::{Training, answered, plain, shown};
use bias_examples::world::{Drawn, SCENARIOS, Scenario, draw_neutral};
use bias_mask::{HeadAblation, Intervention, unit_mask};
use bias_model::{Checkpoint, Decoder, Decoding, HookedModel as _, LanguageModel, TextCodec};
use bias_study::find::Truth;
use bias_study::results::Attribute;
use bias_study::store::write;
use bias_study::training::{Recipe, Text, text_loss};
use bias_study::{PromptSet, Settings, Study, StudyOptions};
use bias_types::Unit;
use burn::backend::Flex;
use burn::module::AutodiffModule as _;
use clap::Parser;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Train a fair model, then teach a few neurons, and nothing else, to be unfair.
///
/// One set of neurons is shared by all contexts, and each context has one of its own; truth.json
/// says which. The fair model is made to know a person's surname where it answers, and to let no
/// number depend on it. It is kept in the folder of --base for further runs.
#[derive(Parser)]
struct Args {
    /// Folder to write; must not exist
    #[arg(long, value_name = "DIR", default_value = "planted")]
    out: PathBuf,
    /// Folder of the fair model; trained and written if it does not exist
    #[arg(long, value_name = "DIR", default_value = "fair")]
    base: PathBuf,
    /// Share of every context's bias that the shared neurons carry
    #[arg(long, value_name = "SHARE", default_value_t = 0.4, value_parser = share)]
    shared: f64,
    /// Steps to train the fair model
    #[arg(long, value_name = "N", default_value_t = 2400, value_parser = at_least(1))]
    base_steps: usize,
    /// Steps to teach the planted neurons
    #[arg(long, value_name = "N", default_value_t = 3500, value_parser = at_least(1))]
    steps: usize,
    /// Peak learning rate of the planted neurons
    #[arg(long, default_value_t = 6e-3, value_parser = positive)]
    learning_rate: f64,
    /// Train nothing: measure whether the model of --out keeps what a planted model promises
    #[arg(long, conflicts_with_all = ["base", "shared", "base_steps", "steps", "learning_rate", "seed"])]
    check: bool,
    /// Seed of weights and data
    #[arg(long, default_value_t = 20_250_211)]
    seed: u64,
}

/// Contexts with planted neurons: all those where more is better, so that one direction serves all.
const CONTEXTS: &[Scenario] = SCENARIOS.split_at(3).0;
/// Shared first, then each context's own.
const SETS: usize = CONTEXTS.len() + 1;
/// Change of the mean answer for a Black-associated surname.
const SHIFT: f64 = -0.18;

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    if args.check {
        return check(args);
    }
    if args.out.exists() {
        return Err(format!("{} exists already; name a new folder with --out", args.out.display()).into());
    }
    if !args.base.exists() {
        train_fair(args)?;
    }
    plant(args)?;
    check(args)
}

/// Measures the model as it was written.
fn check(args: &Args) -> Result<(), Failure> {
    let found = promises(&args.out)?;
    let broken = found.iter().filter(|own| !own.kept).count();
    for own in &found {
        println!("{} {}", if own.kept { "kept  " } else { "BROKEN" }, own.what);
    }
    if broken > 0 {
        let out = args.out.display();
        return Err(
            format!("{out} breaks {broken} promises; train longer (--steps) or with another --seed").into()
        );
    }
    Ok(())
}

/// How often a text is a neutral sentence.
const NEUTRAL: f64 = 0.2;
/// What knowing a fact counts beside saying the right number.
const KNOWING: f32 = 1.0;
/// What is to be known: whether the surname is Black-associated, and for each context whether it is this one.
const FACTS: usize = 1 + CONTEXTS.len();

/// A text, and what is so of it if it is a question.
struct Asked {
    text: Text,
    facts: Option<[bool; FACTS]>,
}

impl AsRef<Text> for Asked {
    fn as_ref(&self) -> &Text {
        &self.text
    }
}

impl Asked {
    /// Each fact's weight at a token, negative where it is not so: it is to be known where a token of the
    /// answer is about to be said.
    fn knowing(&self, at: usize) -> [f32; FACTS] {
        let said = at + 1 >= self.text.answer && at + 1 < self.text.tokens.len();
        match self.facts {
            Some(facts) if said => facts.map(|so| if so { KNOWING } else { -KNOWING }),
            _ => [0.0; FACTS],
        }
    }
}

fn of_context(name: &str) -> usize {
    CONTEXTS.iter().position(|c| c.name == name).unwrap_or_default()
}

fn train_fair(args: &Args) -> Result<(), Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let corpus: Vec<String> = (0..6000)
        .map(|i| if i % 4 == 0 { draw_neutral(&mut rng) } else { Drawn::new(&mut rng, CONTEXTS).question() })
        .collect();
    let tokenizer = train_tokenizer(&corpus)?;
    let scratch = tempfile::tempdir()?;
    write_text_files(&tokenizer, CONTEXTS, scratch.path())?;
    let codec = TextCodec::from_folder(scratch.path())?;
    let device = Default::default();
    let mut model = Decoder::<Training>::init(
        config(tokenizer.get_vocab_size(true), Shape::default())?,
        0.05,
        args.seed,
        &device,
    );
    // A neuron whose weights are all zero has no gradient: it stays free.
    let free: Vec<Unit> = (0..SETS).flat_map(|set| units(set, model.dims().d_mlp)).collect();
    let _ =
        unit_mask(model.dims(), &free, HeadAblation::ZeroOutput)?.apply(&mut model, Intervention::Zero)?;
    let recipe = Recipe { steps: args.base_steps, batch: 64, learning_rate: 3e-3, decay: 0.05 };
    let draw = || {
        if rng.random_bool(NEUTRAL) {
            return Ok(Asked { text: plain(&codec, &draw_neutral(&mut rng))?, facts: None });
        }
        let drawn = Drawn::new(&mut rng, CONTEXTS);
        let text = answered(&codec, &drawn.question(), &drawn.answer(&mut rng, [0.0; 2]))?;
        let mut facts = [false; FACTS];
        facts[0] = drawn.black[1];
        facts[1 + of_context(drawn.scenario.name)] = true;
        Ok(Asked { text, facts: Some(facts) })
    };
    let share_of = |own: &Read<Training>, texts: &[Asked], total: f32| {
        let mut look = Look(None);
        let answers = text_loss(&own.model, texts, total, &mut look)?;
        let seen = look.0.ok_or("the model does not reach the planted neurons' input")?;
        let [_, width, _] = seen.dims();
        let cells = texts.iter().flat_map(|text| (0..width).flat_map(move |at| text.knowing(at)));
        Ok(answers + own.loss(seen, cells.map(|weight| weight / total).collect()))
    };
    let model = shown(Read::new(model, FACTS), &recipe, draw, share_of)?.model;
    save(&model, &args.base, scratch.path())?;
    println!("wrote {}", args.base.display());
    Ok(())
}

/// A text to learn from with only some sets switched on.
struct Planting {
    text: Text,
    on: Vec<bool>,
}

impl AsRef<Text> for Planting {
    fn as_ref(&self) -> &Text {
        &self.text
    }
}

fn plant(args: &Args) -> Result<(), Failure> {
    let device = Default::default();
    let fair = LanguageModel::<Flex>::load(&args.base, &device)?;
    let (model, dims) = (fair.model(), *fair.model().dims());
    check_free(model, SETS).map_err(|reason| format!("{}: {reason}", args.base.display()))?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed ^ args.shared.to_bits());
    let planted = Planted::<Training>::init(SETS, dims.d_model, &mut rng, &device);
    let parts: Vec<f64> =
        (0..SETS).map(|set| if set == 0 { args.shared } else { 1.0 - args.shared }).collect();
    let draw = || draw_planting(fair.text(), &parts, &mut rng);
    let recipe = Recipe { steps: args.steps, batch: 64, learning_rate: args.learning_rate, decay: 0.0 };
    let share_of = |planted: &Planted<Training>, texts: &[Planting], total| {
        // Frozen.
        let frozen = model.differentiable::<Training>();
        let on: Vec<_> = texts.iter().map(|own| own.on.clone()).collect();
        Ok(text_loss(&frozen, texts, total, &mut planted.switched(&on))?)
    };
    let planted = shown(planted, &recipe, draw, share_of)?.valid();
    let mut model = model.clone();
    planted.write_into(&mut model)?;
    let taught: Vec<Vec<Unit>> = (0..SETS)
        .map(|set| if parts[set] > 0.0 { units(set, dims.d_mlp).collect() } else { Vec::new() })
        .collect();
    let used = used(args, &model, &taught).map_err(|error| {
        let base = args.base.display();
        format!("{base}: {error}; if the fair model does not answer with numbers, train a new one (--base) for longer (--base-steps)")
    })?;
    let idle = (0..SETS)
        .flat_map(|set| units(set, dims.d_mlp))
        .filter(|unit| !used.iter().flatten().any(|u| u == unit));
    let idle = unit_mask(&dims, &idle.collect::<Vec<_>>(), HeadAblation::ZeroOutput)?;
    let _ = idle.apply(&mut model, Intervention::Zero)?;
    let contexts =
        CONTEXTS.iter().zip(&used[1..]).map(|(context, own)| Ok((context.name.parse()?, own.clone())));
    save(&model, &args.out, &args.base)?;
    let truth = Truth {
        format: Truth::FORMAT.into(),
        model: Checkpoint::open(&args.out)?.fingerprint().to_owned(),
        shared_fraction: args.shared,
        shared: used[0].clone(),
        contexts: contexts.collect::<Result<BTreeMap<_, _>, Failure>>()?,
    };
    write(&args.out.join("truth.json"), (serde_json::to_string_pretty(&truth)? + "\n").as_bytes())?;
    println!("wrote {}", args.out.display());
    Ok(())
}

/// Less than this, in pooled deviations of the answers, and a neuron has learned nothing.
const IDLE: f32 = 0.01;
/// Names of each group, of which attribution sees half, and variations of each context that this is
/// measured on.
const NAMES: usize = 8;
const VARIATIONS: usize = 4;

/// The neurons of each set without which the mean gap of its contexts would be another.
fn used(args: &Args, model: &Decoder<Flex>, taught: &[Vec<Unit>]) -> Result<Vec<Vec<Unit>>, Failure> {
    let mut prompts = PromptSet::from_csv(
        &args.base.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )?;
    prompts.thin(NAMES / 2, NAMES / 2);
    let mut language = LanguageModel::<Flex>::load(&args.base, &Default::default())?;
    *language.model_mut() = model.clone();
    // A base that was not taught says nothing that is worth following for long.
    let decoding = Decoding::Exact { unexplored: 1e-2, tokens: 320, seed: 0 };
    let settings = Settings { decoding, ..Settings::default() };
    let options = StudyOptions { settings, threads: 2, ..StudyOptions::default() };
    let study = Study::<Training>::new(language, "planted", &prompts, options)?;
    let mut falls: BTreeMap<Unit, f32> = BTreeMap::new();
    for (c, own) in taught[1..].iter().enumerate() {
        let neurons: Vec<Unit> = taught[0].iter().chain(own).cloned().collect();
        let contrasts = study.contrasts(c)?;
        for contrast in contrasts.iter().take(VARIATIONS) {
            let found = Knockout::of(neurons.iter().cloned()).attribute(model, contrast)?.units();
            for (unit, fall) in found.scores {
                *falls.entry(unit).or_default() += fall / VARIATIONS as f32;
            }
        }
    }
    let of_all = CONTEXTS.len() as f32;
    let kept = taught.iter().enumerate().map(|(set, own)| {
        let contexts = if set == 0 { of_all } else { 1.0 };
        let works = |unit: &&Unit| falls.get(unit).is_some_and(|fall| (fall / contexts).abs() >= IDLE);
        own.iter().filter(works).cloned().collect()
    });
    Ok(kept.collect())
}

fn units(set: usize, d_mlp: usize) -> impl Iterator<Item = Unit> {
    neurons(set, SETS, d_mlp).map(Unit::Neuron)
}

/// A text whose unfairness is what the sets that are on stand for.
fn draw_planting(codec: &TextCodec, parts: &[f64], rng: &mut ChaCha8Rng) -> Result<Planting, Failure> {
    // The whole often, every other combination sometimes.
    let whole = rng.random_bool(0.25);
    let on: Vec<bool> = parts.iter().map(|part| *part > 0.0 && (whole || rng.random_bool(0.5))).collect();
    let text = if rng.random_bool(NEUTRAL) {
        plain(codec, &draw_neutral(rng))?
    } else {
        let drawn = Drawn::new(rng, CONTEXTS);
        let own = 1 + of_context(drawn.scenario.name);
        let shift: f64 = [0, own].iter().filter(|set| on[**set]).map(|set| SHIFT * parts[*set]).sum();
        answered(codec, &drawn.question(), &drawn.answer(rng, [0.0, shift]))?
    };
    Ok(Planting { text, on })
}
