//! `attribute`, with each of its flags.

use crate::bias;

use std::fs;
use std::path::Path;

use crate::bias::run;
use crate::program::{Program, flags, repository, small};
use bias_mask::Mask;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Weights in the small model's linear maps.
const WEIGHTS: usize = 3 * (48 * 48 + 2 * 24 * 48 + 48 * 48 + 3 * 48 * 128);

/// The mask that is made from the small model's few prompts, and what is said of it.
fn made(folder: &Path, args: &str) -> (Mask, String) {
    let said = run("attribute", folder, &format!("--model model --out made {args}")).done();
    let mask = Mask::load(&folder.join("made"), None).unwrap();
    assert!(said.contains(&format!("{} weights chosen", mask.count())), "{said}");
    (mask, said)
}

fn mask(folder: &Path, args: &str) -> Mask {
    made(folder, args).0
}

fn note<'a>(mask: &'a Mask, key: &str) -> &'a str {
    &mask.provenance()[key]
}

/// A column of the rounds that a pursuit prints.
fn column(said: &str, at: usize) -> Vec<f64> {
    let rounds = said.lines().skip(1).take_while(|line| !line.contains("weights chosen"));
    let cell = |line: &str| {
        line.split_whitespace().nth(at).unwrap().trim_end_matches('%').parse().unwrap()
    };
    rounds.map(cell).collect()
}

#[test]
fn without_a_method_it_is_gap_pursuit() {
    let folder = small(2);
    let args = ["attribute", "--prompts", "my.csv"];
    let said = Program::new(&bias::file(), folder.path(), args).run().done();
    assert!(said.starts_with("round  pruned") && said.contains("wrote mask.safetensors"), "{said}");
    let mask = Mask::load(&folder.path().join("mask.safetensors"), None).unwrap();
    let notes = [
        ("method", "gap-pursuit"),
        ("unit", "weight"),
        ("budget", "0.002"),
        ("context", "commercial"),
    ];
    for (key, value) in notes {
        assert_eq!(note(&mask, key), value);
    }
    assert!(mask.count() > 0 && note(&mask, "prompts").len() == 64);
    // It belongs to the embedded model and to no other.
    let refused = run("prune", folder.path(), "--model model --out pruned");
    refused.refused("", &["mask"]);
}

/// Every line of the list in `--help` is a method that runs, for the unit that stands there.
#[test]
fn every_method_that_is_listed_runs_for_its_unit() {
    let folder = small(2);
    let help = run("attribute", folder.path(), "--help").done();
    let listed: Vec<(&str, &str)> = help
        .lines()
        .skip_while(|line| *line != "Methods:")
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.next().unwrap())
        })
        .collect();
    assert!(listed.len() > 20, "{help}");
    let mut first: Vec<&str> = Vec::new();
    for (method, unit) in listed {
        if unit == "expert" {
            let args = format!("--model model --method {method} --unit expert");
            run("attribute", folder.path(), &args).refused("", &["no mixture of experts"]);
            continue;
        }
        let own = mask(folder.path(), &format!("--method {method} --unit {unit} --budget 0.01"));
        assert_eq!((note(&own, "method"), note(&own, "unit")), (method, unit));
        // No layer of three can be spared: every round of that pursuit is taken back.
        assert!(own.count() > 0 || (method, unit) == ("gap-pursuit", "layer"), "{method} {unit}");
        // A whole unit has all weights of some rows or columns, which have 48 at least.
        assert!(
            unit == "weight" || own.count().is_multiple_of(48),
            "{method} {unit}: {}",
            own.count()
        );
        if !first.contains(&method) {
            first.push(method);
            let usual = mask(folder.path(), &format!("--method {method} --budget 0.01"));
            assert_eq!(note(&usual, "unit"), unit);
        }
    }
}

/// The small model as a mixture: three copies of each MLP, of which a random router chooses two. It
/// computes what the small model does.
fn mixture(folder: &Path) {
    let (from, to) = (folder.join("model"), folder.join("mixture"));
    fs::create_dir(&to).unwrap();
    for name in ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "neutral.txt"]
    {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let config = fs::read_to_string(from.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    for key in ["attention_bias", "mlp_bias"] {
        config.as_object_mut().unwrap().remove(key);
    }
    config["model_type"] = "mixtral".into();
    config["architectures"] = vec!["MixtralForCausalLM"].into();
    (config["num_local_experts"], config["num_experts_per_tok"]) = (3.into(), 2.into());
    fs::write(to.join("config.json"), config.to_string()).unwrap();
    let file = fs::read(from.join("model.safetensors")).unwrap();
    let names = [("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")];
    let mut tensors = Vec::new();
    for (name, view) in SafeTensors::deserialize(&file).unwrap().tensors() {
        let own = names.iter().find_map(|(own, new)| {
            Some((name.strip_suffix(&format!("mlp.{own}.weight"))?.to_owned(), *new))
        });
        let Some((block, new)) = own else {
            tensors.push((name, view));
            continue;
        };
        for expert in 0..3 {
            let name = format!("{block}block_sparse_moe.experts.{expert}.{new}.weight");
            tensors.push((name, view.clone()));
        }
    }
    let random = |i: u32| (i.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let router: Vec<u8> = (1..=3 * 48).flat_map(|i| random(i).to_le_bytes()).collect();
    for layer in 0..3 {
        let name = format!("model.layers.{layer}.block_sparse_moe.gate.weight");
        tensors.push((name, TensorView::new(Dtype::F32, vec![3, 48], &router).unwrap()));
    }
    let bytes = safetensors::serialize(tensors, None).unwrap();
    fs::write(to.join("model.safetensors"), bytes).unwrap();
}

/// All standardized differences in an audit.
fn effects(of: &serde_json::Value, to: &mut Vec<f64>) {
    match of {
        serde_json::Value::Array(items) => items.iter().for_each(|own| effects(own, to)),
        serde_json::Value::Object(items) => items.iter().for_each(|(key, own)| {
            to.extend(own.as_f64().filter(|_| key == "finite"));
            effects(own, to);
        }),
        _ => {}
    }
}

#[test]
fn experts_of_a_mixture_are_found_and_pruned() {
    let folder = small(2);
    mixture(folder.path());
    let audit = |model: &str| -> Vec<f64> {
        let args = format!("--model {model} --prompts my.csv --json");
        let said = run("audit", folder.path(), &args).done();
        let found: serde_json::Value = serde_json::from_str(&said).unwrap();
        let mut gaps = Vec::new();
        effects(&found, &mut gaps);
        gaps
    };
    // Copies of one MLP add up to it.
    let (dense, whole) = (audit("model"), audit("mixture"));
    assert!(!dense.is_empty());
    for (dense, whole) in dense.iter().zip(&whole) {
        assert!((dense - whole).abs() < 1e-3, "{dense} and {whole}");
    }
    for method in ["signed-gap", "gap-pursuit", "knockout"] {
        let args = format!(
            "--model mixture --prompts my.csv --out made --method {method} --unit expert \
             --budget 0.12"
        );
        let said = run("attribute", folder.path(), &args).done();
        let mask = Mask::load(&folder.path().join("made"), None).unwrap();
        assert_eq!(note(&mask, "unit"), "expert");
        // All weights of an expert, or none.
        assert!(mask.count().is_multiple_of(3 * 48 * 128), "{method}: {}", mask.count());
        if method == "signed-gap" {
            assert!(mask.count() > 0 && said.contains("E"), "{said}");
            let args = "--model mixture --mask made --out pruned";
            run("prune", folder.path(), args).done();
            assert_ne!(audit("pruned"), whole);
        }
    }
}

#[test]
fn the_context_is_chosen() {
    let folder = small(2);
    let [commercial, hiring] = ["commercial", "hiring"]
        .map(|own| mask(folder.path(), &format!("--method signed-gap --context {own}")));
    assert_eq!(note(&hiring, "context"), "hiring");
    assert_ne!(commercial.digest(), hiring.digest());
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--context sports").refused("--context", &["sports", "commercial, hiring"]);
}

#[test]
fn the_budget_is_kept_to_the_weight() {
    let folder = small(2);
    for budget in [0.0, 0.01, 0.5] {
        let own = mask(folder.path(), &format!("--method random --budget {budget}"));
        assert_eq!(own.count(), (budget * WEIGHTS as f64) as usize);
    }
    let head = mask(folder.path(), "--method random --unit head --budget 0.001");
    assert!(head.count() > 0, "at least one unit");
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--budget 2").refused("--budget", &["between 0 and 1"]);
    tried("--budget 0.1 --top 0.1").refused("--budget", &["--top"]);
}

/// Of 100 scores, 15 count to each group: at most 15 % of all are one's and not the other's.
#[test]
fn the_tops_difference_is_for_methods_that_make_one() {
    let folder = small(2);
    for method in ["wanda", "snip"] {
        let [few, many] = ["0.01", "0.15"]
            .map(|top| mask(folder.path(), &format!("--method {method} --top {top}")));
        assert_eq!(note(&many, "budget"), "0.15");
        assert!(0 < few.count() && few.count() < many.count() && many.count() < WEIGHTS * 15 / 100);
    }
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--top 0.15").refused("--top", &["wanda and snip", "gap-pursuit"]);
    tried("--top 15 --method wanda").refused("--top", &["between 0 and 1"]);
}

#[test]
fn neutral_text_is_the_users() {
    let folder = small(2);
    let loss = |args: &str| column(&made(folder.path(), args).1, 4);
    let usual = loss("");
    fs::write(folder.path().join("own.txt"), "One sentence.\nThe driver wrote a letter home.\n")
        .unwrap();
    let own = loss("--neutral own.txt");
    assert!(usual.iter().any(|change| *change != 0.0) && own != usual, "{usual:?} {own:?}");
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--neutral no.txt").refused("--neutral", &["no.txt"]);
    fs::write(folder.path().join("none.txt"), "\n").unwrap();
    tried("--neutral none.txt").refused("--neutral", &["none.txt", "one text per line"]);
    tried("--neutral own.txt --method wanda").refused("--neutral", &["gap-pursuit"]);
}

/// However weights are held, the mask is the same.
#[test]
fn weights_can_stay_as_they_are_stored_or_in_their_file() {
    let folder = small(2);
    for method in ["wanda", "signed-gap"] {
        let [usual, stored, streamed] = ["", "--stored", "--stream"]
            .map(|how| mask(folder.path(), &format!("--method {method} {how}")));
        assert!(usual.count() > 0);
        assert_eq!(stored.digest(), usual.digest());
        assert_eq!(streamed.digest(), usual.digest());
    }
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--stored --stream").refused("--stored", &["--stream"]);
    tried("--stream --method snip").refused("memory", &[]);
}

#[test]
fn answers_are_taken_as_asked() {
    let folder = small(2);
    let mask = |args: &str| mask(folder.path(), &format!("--method signed-gap {args}")).digest();
    let tried = |args: &str| {
        run("attribute", folder.path(), &format!("--model model --method signed-gap {args}"))
    };
    let exact = mask("");
    assert_eq!(mask("--seed 1"), exact, "nothing is random");
    let sampled = mask("--samples 3");
    assert_ne!(sampled, exact);
    assert_eq!(mask("--samples 3 --seed 0"), sampled);
    assert_ne!(mask("--samples 3 --seed 1"), sampled);
    assert_ne!(mask("--system Fair."), exact);
    // The template takes the first, and does nothing with it; it tells no date.
    assert_eq!(mask("--template-arg enable_thinking=false"), exact);
    tried("--date 2026-11-29").refused("tells the model no date", &[]);
    tried("--template-arg thinking=false").refused(
        "the chat template of",
        &["no argument `thinking`", "it takes", "enable_thinking"],
    );
    // Answers of this model are numbers and no JSON.
    tried("--answer-field offer").refused("says what was asked", &["no number 100%"]);
    // Three digits and the end; with one token, no answer is finished.
    assert_eq!(mask("--max-new-tokens 4"), exact);
    assert_ne!(mask("--temperature 0.3"), exact);
    // The file keeps everything.
    assert_eq!(mask("--top-k 0 --top-p 1 --min-p 0 --ignore-generation-key all"), exact);
    for cut in ["--top-k 3", "--top-p 0.9", "--min-p 0.2"] {
        assert_ne!(mask(cut), exact, "{cut}");
    }
    // Beyond a budget, answers are drawn.
    let drawn = mask("--unexplored 0 --budget-tokens 20");
    assert_ne!(drawn, exact);
    assert_ne!(mask("--unexplored 0 --budget-tokens 20 --seed 1"), drawn);
    // As weights are pruned, answers grow likelier that were left unexplored.
    let known =
        |args: &str| column(&made(folder.path(), args).1, 5).into_iter().fold(100.0, f64::min);
    let (usual, little) = (known(""), known("--unexplored 0.2"));
    assert!(usual > 95.0 && little < 95.0, "{usual} {little}");
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--max-new-tokens 1").refused("commercial / ", &["unfinished 100%", "run `bias audit`"]);
    tried("--samples 3 --budget-tokens 9").refused("--samples", &["--budget-tokens"]);
    tried("--budget-tokens 0").refused("--budget-tokens", &["1..=48000"]);
    tried("--budget-tokens 48001").refused("--budget-tokens", &["1..=48000"]);
    tried("--temperature 0").refused("--temperature", &["above 0"]);
    tried("--samples 0").refused("--samples", &["1.."]);
    tried("--samples 3 --unexplored 0.1").refused("--samples", &["--unexplored"]);
    tried("--unexplored 1").refused("--unexplored", &["below 1"]);
    tried("--max-new-tokens 0").refused("--max-new-tokens", &["1.."]);
    tried("--seed x").refused("--seed", &["x"]);
}

#[test]
fn questions_are_put_as_asked() {
    let folder = small(2);
    let mask = |args: &str| mask(folder.path(), &format!("--method signed-gap {args}")).digest();
    let (free, number) = (mask(""), mask("--answer-prefix offer"));
    assert_ne!(number, free);
    let choice = mask("--choices 1|2 --better 1");
    assert_ne!(choice, free);
    assert_ne!(mask("--choices 1|2 --better 1 --raw"), choice);
    let by = |value: &str| mask(&format!("--choices 1|2 --better 1 --choice-value {value}"));
    assert_eq!(by("log-odds"), choice);
    assert_eq!(by("log-odds-per-token"), choice, "they are single tokens");
    assert_ne!(by("probability"), choice);
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--answer-prefix 5").refused("--answer-prefix", &["already holds a number"]);
    tried("--choices 1|2").refused("--choices", &["need `better`"]);
    tried("--better 1").refused("--choices", &["there are no `choices`"]);
    tried("--choices 1 --better 1").refused("--choices", &["2 to 26"]);
    tried("--choices 1|2 --better 3").refused("--choices", &["name 1 or 2"]);
    tried("--choices 1|1 --better 1").refused("--choices", &["twice"]);
    tried("--choices 1|2 --better 1 --choice-value odds")
        .refused("--choice-value", &["log-odds-per-token"]);
}

/// The best units are printed as `bias prune` takes them.
#[test]
fn the_best_units_are_named() {
    let folder = small(2);
    for (unit, letter) in [("head", "H"), ("neuron", "N"), ("kv-group", "G"), ("layer", "L")] {
        let method = format!("--method signed-gap --unit {unit} --budget 0.02");
        let (_, said) = made(folder.path(), &method);
        let units: Vec<Vec<&str>> = said
            .lines()
            .skip_while(|line| *line != "best units, by their scores")
            .skip(1)
            .take_while(|line| line.starts_with("  "))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert!((3..=10).contains(&units.len()), "{said}");
        let scores: Vec<f64> = units.iter().map(|own| own[1].parse().unwrap()).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{said}");
        assert!(units[0][0].starts_with('L') && units[0][0].contains(letter), "{said}");
        assert_eq!(units[0][2..], ["in", "the", "mask"], "{said}");
        let args = format!("--model model --unit {} --out {unit}", units[0][0]);
        run("prune", folder.path(), &args).done();
    }
}

#[test]
fn the_seed_is_of_everything_random() {
    let folder = small(2);
    let mask = |seed: u64| mask(folder.path(), &format!("--method random --seed {seed}")).digest();
    assert_eq!(mask(1), mask(1));
    assert_ne!(mask(1), mask(2));
}

#[test]
fn prompts_and_groups_are_the_users() {
    let folder = small(2);
    let (own, _) = made(folder.path(), "--method wanda --top 0.1");
    let (named, _) = made(folder.path(), "--method wanda --top 0.1 --prompts my.csv");
    assert_eq!(named.digest(), own.digest());
    let (swapped, _) = made(folder.path(), "--method wanda --top 0.1 --groups black,white");
    assert_ne!(swapped.digest(), own.digest());
    // What carries a gap carries it whichever side is better.
    let turned = mask(folder.path(), "--method signed-gap --lower-is-better commercial,hiring");
    assert_eq!(turned.digest(), mask(folder.path(), "--method signed-gap").digest());
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    let three = fs::read_to_string(folder.path().join("my.csv"))
        .unwrap()
        .replace("white_women", "green_women");
    fs::write(folder.path().join("three.csv"), three).unwrap();
    let part = tried("--method wanda --out part --prompts three.csv --groups green,black");
    assert!(
        part.err.contains("12 prompts about other groups than green and black"),
        "{}",
        part.err
    );
    part.done();
    tried("--groups white_men,black_men").refused("white_men", &["`black` (", "`white` ("]);
    tried("--attribute race").refused("race", &["name_group"]);
    tried("--attribute race=before:").refused("--attribute", &["race=before:_"]);
    tried("--groups white").refused("--groups", &["white,black"]);
    tried("--groups white,black,asian").refused("--groups", &["white,black"]);
    tried("--groups green,blue").refused("green", &["`black` (", "`white` ("]);
    tried("--prompts no.csv").refused("no.csv", &[]);
    tried("--lower-is-better sports")
        .refused("--lower-is-better", &["sports", "commercial, hiring"]);
}

#[test]
fn other_arguments() {
    let folder = small(2);
    let usual = mask(folder.path(), "--method wanda");
    assert_eq!(
        mask(folder.path(), "--method wanda --device cpu --compute f32").digest(),
        usual.digest()
    );
    let tried = |args: &str| run("attribute", folder.path(), &format!("--model model {args}"));
    tried("--method guess")
        .refused("--method", &["guess", "gap-pursuit, gap-pursuit-guarded", "wanda"]);
    let refused = tried("--method wanda --unit head");
    let listed = refused.err.rsplit("methods for it are").next().unwrap().to_owned();
    assert!(listed.contains("knockout") && !listed.contains("wanda"), "{listed}");
    refused.refused("--method", &["`wanda` scores another unit (--unit weight)"]);
    tried("--method guess --unit kv-group").refused("`guess` for the unit kv-group", &["knockout"]);
    tried("--unit brain").refused("--unit", &["weight, neuron, head, kv-group, expert, layer"]);
    tried("--device gpu").refused("--device", &["this build knows cpu"]);
    tried("--compute bf16").refused("--compute bf16", &["--device cuda"]);
    tried("--out model").refused("model", &["it is a folder"]);
    run("attribute", folder.path(), "--model no-such-folder")
        .refused("--model", &["is not a folder"]);
    run("attribute", folder.path(), "--model model --method wanda --out new/mask").done();
    assert_eq!(Mask::load(&folder.path().join("new/mask"), None).unwrap().digest(), usual.digest());
    let config = folder.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen('{', "{\n  \"attention_colour\": \"red\",", 1)).unwrap();
    tried("--method wanda").refused("attention_colour", &["config.json"]);
    assert_eq!(
        mask(folder.path(), "--method wanda --accept-key attention_colour").digest(),
        usual.digest()
    );
}

/// The edges of `integrated-edges`: the strongest are shown, and all are in the file.
#[test]
fn edges_are_shown_and_written() {
    let folder = small(2);
    let args = "--method integrated-edges --edges edges.csv --budget 0.01";
    let (own, said) = made(folder.path(), args);
    assert_eq!(note(&own, "unit"), "head");
    assert!(said.contains(" → ") && said.contains("wrote edges.csv"), "{said}");
    let table = fs::read_to_string(folder.path().join("edges.csv")).unwrap();
    assert_eq!(table.lines().next(), Some("from,to,score"));
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split(',').collect()).collect();
    assert!(said.contains(&format!("strongest edges of {}", rows.len())), "{said}");
    assert!(rows.iter().any(|row| row[..2] == ["embedding", "L0H0.q"]), "{table}");
    assert!(rows.iter().all(|row| row[2].parse::<f32>().unwrap().is_finite()), "{table}");
    // The strongest is the first that is shown.
    let size = |row: &&Vec<&str>| row[2].parse::<f32>().unwrap().abs();
    let strongest = rows.iter().max_by(|a, b| size(a).total_cmp(&size(b))).unwrap();
    let first = said.lines().nth(1).unwrap().trim();
    assert!(first.starts_with(&format!("{} → {} ", strongest[0], strongest[1])), "{said}");
    run("attribute", folder.path(), "--model model --method knockout --edges edges.csv")
        .refused("--edges", &["integrated-edges"]);
}

/// A new flag needs a test here.
#[test]
fn every_flag_is_tried() {
    let help = run("attribute", &repository(""), "--help").done();
    let tests = include_str!("attribute.rs");
    for flag in flags(&help).iter().filter(|flag| *flag != "--help") {
        let tried = [format!("{flag} "), format!("{flag}\"")]
            .iter()
            .any(|own| tests.contains(own.as_str()));
        assert!(tried, "{flag}");
    }
}
