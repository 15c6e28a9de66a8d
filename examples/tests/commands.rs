//! Every example starts, does its job in a short form, and says in a line what is wrong with an argument.
#![allow(clippy::unwrap_used, clippy::panic)]

mod program;

use std::fs;
use std::path::Path;

use program::{EXAMPLES, built, example, flags, repository, run, small};

/// Programs and what their help says that they do.
const ABOUT: [(&str, &str); EXAMPLES.len()] = [
    ("attribute", "write the mask of what to prune"),
    ("audit", "measure how far its numbers differ"),
    ("benchmark", "Measure how well methods find and remove bias"),
    ("calibration", "count how often 95 % intervals"),
    ("capture", "write activations to a safetensors file"),
    ("crows_pairs", "Score sentence pairs"),
    ("custom_attribution", "Score with a method that is not part of the workspace"),
    ("custom_model", "Plug a model that this workspace does not know"),
    ("parity", "Hold models against what transformers computes"),
    ("plant_fixture", "teach a few neurons, and nothing else, to be unfair"),
    ("prune", "with the weights of a mask set to zero"),
    ("study", "find what carries it, prune that, and audit again"),
    ("train_fixture", "Train the small biased model"),
    ("verify", "Check a study that somebody else made"),
];

/// In this build clap looks through a program's arguments whenever it starts: a name that two arguments have ends it.
#[test]
fn every_example_says_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    for (name, about) in ABOUT {
        let help = run(name, folder.path(), "--help").done();
        let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(about), "{help}");
        assert!(text.contains(&format!("Usage: {name}")), "{help}");
        let brief = run(name, folder.path(), "-h").done();
        assert_eq!(flags(&brief), flags(&help));
    }
}

/// The list above is that of the manifest.
#[test]
fn no_example_is_forgotten() {
    let manifest = fs::read_to_string(repository("examples/Cargo.toml")).unwrap();
    let mut found: Vec<&str> = manifest
        .split("[[example]]")
        .skip(1)
        .filter(|own| !own.contains("required-features"))
        .map(|own| own.split('"').nth(1).unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, EXAMPLES);
    assert!(found.iter().all(|name| built().join(name).exists() || example(name).exists()));
}

/// What every program that loads a model takes, whatever it does with it.
#[test]
fn models_are_named_alike() {
    let folder = tempfile::tempdir().unwrap();
    let takes = |name: &str| flags(&run(name, folder.path(), "--help").done());
    let loading = ["attribute", "audit", "capture", "crows_pairs", "custom_attribution", "study"];
    for name in loading {
        let own = takes(name);
        for flag in ["--model", "--accept-key", "--device", "--compute", "--stored", "--stream"] {
            assert!(own.iter().any(|own| own == flag), "{name}: {flag}");
        }
    }
    for (name, expected) in [
        ("benchmark", &["--accept-key", "--device", "--compute", "--prompts", "--groups", "--neutral"][..]),
        ("prune", &["--model", "--accept-key"]),
        ("verify", &["--model"]),
        ("parity", &["--device", "--compute", "--stored"]),
    ] {
        let own = takes(name);
        assert!(expected.iter().all(|flag| own.iter().any(|own| own == flag)), "{name}: {own:?}");
    }
    // A folder that is not there is told from a model of the hub, and the network is not asked.
    for (name, args) in loading.map(|name| (name, "--model")).into_iter().chain([
        ("prune", "--model"),
        ("verify", "--model"),
        ("benchmark", ""),
    ]) {
        run(name, folder.path(), &format!("{args} no-such-folder")).refused("no-such-folder", &["org/name"]);
    }
}

/// Programs, arguments that are wrong, the argument's name, and what is said to be allowed.
const WRONG: [(&str, &str, &str, &[&str]); 40] = [
    ("audit", "--samples 0", "--samples", &["1.."]),
    ("audit", "--prompts no.csv", "no.csv", &[]),
    ("audit", "--groups white,white", "--groups", &["white,black"]),
    ("benchmark", "--method guess", "--method", &["guess"]),
    ("benchmark", "--budgets 0.1,2", "--budgets", &["between 0 and 1"]),
    ("benchmark", "--names 1,3", "--names", &["two names"]),
    ("benchmark", "--names 3", "--names", &["two counts"]),
    ("benchmark", "--variants --method random", "--variants", &["--method"]),
    ("benchmark", "--neutral no.txt", "--neutral", &["no.txt"]),
    ("calibration", "--between 2", "--between", &["between 0 and 1"]),
    ("calibration", "--names 10,1", "--names", &["2.."]),
    ("calibration", "--answers 1", "--answers", &["2.."]),
    ("calibration", "--simulations 0", "--simulations", &["1.."]),
    ("calibration", "--resamples 0", "--resamples", &["1.."]),
    ("calibration", "--gap inf", "--gap", &["finite"]),
    ("crows_pairs", "--pairs no.csv", "no.csv", &[]),
    ("crows_pairs", "--samples 3", "--samples", &[]),
    ("custom_attribution", "--budget 2", "--budget", &["between 0 and 1"]),
    ("custom_model", "--fraction 2", "--fraction", &["between 0 and 1"]),
    ("parity", "--cases no-folder", "no-folder", &["cases.json"]),
    ("parity", "--case guess", "--case", &["guess", "llama3_rope"]),
    ("plant_fixture", "--shared 2", "--shared", &["between 0 and 1"]),
    ("plant_fixture", "--steps 0", "--steps", &["1.."]),
    ("plant_fixture", "--learning-rate 0", "--learning-rate", &["above 0"]),
    ("plant_fixture", "--check --steps 3", "--check", &["--steps"]),
    ("plant_fixture", "--check --out no-folder", "no-folder", &[]),
    ("prune", "--mask no-mask", "no-mask", &[]),
    ("prune", "--unit L3X1", "--unit", &["L3H1"]),
    ("prune", "--unit L99H0", "--unit", &["the model has 6"]),
    ("prune", "--mask a --unit L3H1", "--mask", &["--unit"]),
    ("study", "--experiments guess", "--experiments", &["transfer", "layers", "all"]),
    ("study", "--shard 3/3", "--shard", &["3/3"]),
    ("study", "--focus financial", "--focus", &["financial,commercial"]),
    ("study", "--focus financial,sports", "--focus", &["sports"]),
    ("study", "--render no.json", "no.json", &[]),
    ("study", "--shard 0/2 --markdown a.md", "--shard", &["--markdown"]),
    ("train_fixture", "--kind bert", "--kind", &["llama", "gpt2", "qwen3"]),
    ("train_fixture", "--width 12", "--width", &["multiple of 8"]),
    ("train_fixture", "--layers 0", "--layers", &["1..=64"]),
    ("verify", "no-study", "no-study", &[]),
];

#[test]
fn wrong_arguments_are_named_and_what_is_allowed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (name, args, about, words) in WRONG {
        run(name, folder.path(), args).refused(about, words);
    }
    for name in EXAMPLES {
        run(name, folder.path(), "--guess").refused("--guess", &["--help"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// Arguments about a model and its questions do not count where results of earlier runs are only shown, and are not
/// passed over in silence.
#[test]
fn studies_that_ask_nothing_refuse_what_is_about_asking() {
    let folder = small(2);
    let values = [
        ("--model", "model"),
        ("--device", "cpu"),
        ("--compute", "f32"),
        ("--samples", "3"),
        ("--unexplored", "0.1"),
        ("--max-new-tokens", "3"),
        ("--seed", "1"),
        ("--groups", "a,b"),
        ("--experiments", "all"),
        ("--shard", "0/2"),
        ("--focus", "a,b"),
        ("--stored", ""),
        ("--stream", ""),
        ("--quick", ""),
        ("--budget-tokens", "9"),
        ("--temperature", "1"),
        ("--raw", ""),
        ("--choice-value", "log-odds"),
        ("--plan", "core"),
        ("--time-limit", "5"),
        ("--attribution-names", "3"),
    ];
    let study = |args: &str| run("study", folder.path(), args);
    for flag in flags(&study("--help").done()) {
        let value = values.iter().find(|(own, _)| *own == flag).map_or("x", |(_, value)| value);
        match flag.as_str() {
            "--help" | "--render" | "--compare" | "--markdown" => {}
            "--out" => study("--compare a.json --out x").refused("--compare", &["--out"]),
            _ => {
                for shown in ["--render", "--compare"] {
                    study(&format!("{shown} a.json {flag} {value}")).refused(shown, &[&flag]);
                }
            }
        }
    }
}

#[test]
fn audit_asks_few_prompts() {
    let folder = small(2);
    let table = run("audit", folder.path(), "--model model").done();
    assert!(table.contains("commercial: mean |SMD| ") && table.contains("hiring: mean |SMD| "), "{table}");
    assert!(table.lines().any(|line| line.trim_start().starts_with("bicycle ")), "{table}");
    let json = run("audit", folder.path(), "--prompts my.csv --samples 5 --groups black,white --json").done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["context"], "commercial");
    let fair = |args: &str| -> serde_json::Value {
        serde_json::from_str(&run("audit", folder.path(), &format!("--model model --json {args}")).done())
            .unwrap()
    };
    let (usual, turned) = (fair(""), fair("--lower-is-better commercial"));
    let signed = |own: &serde_json::Value, at: usize| own[at]["signed"]["value"].as_f64().unwrap();
    assert!((signed(&usual, 0) + signed(&turned, 0)).abs() < 1e-9, "{usual}\n{turned}");
    assert!((signed(&usual, 1) - signed(&turned, 1)).abs() < 1e-9, "{usual}\n{turned}");
}

#[test]
fn benchmark_tries_methods_on_a_model_of_ones_own() {
    let folder = small(2);
    let args = "model --method wanda --method random --budgets 0.01 --names 2,2 --out tried";
    let page = run("benchmark", folder.path(), args).done();
    assert!(page.contains("| wanda |") && page.contains("| random |"), "{page}");
    let tried = |name: &str| folder.path().join("tried").join(name);
    for name in ["model.json", "model.md", "model-held-out.svg", "model-other-contexts.svg", "transfer.md"] {
        assert!(tried(name).exists(), "{name}");
    }
    let args =
        "model --prompts my.csv --neutral model/neutral.txt --accept-key x --variants --quick --out tried";
    let page = run("benchmark", folder.path(), args).done();
    assert!(page.contains("one variation") && page.contains("in one step"), "{page}");
}

#[test]
fn calibration_simulates_a_few() {
    let folder = tempfile::tempdir().unwrap();
    let args = "--names 4,8 --answers 5 --between 0.5 --gap 0.2 --simulations 20 --resamples 100 --seed 1";
    let table = run("calibration", folder.path(), args).done();
    assert!(table.contains("| | 2 × 4 names | 2 × 8 names |"), "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("| covered by ")).count(), 5, "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("| rejected by ")).count(), 6, "{table}");
}

#[test]
fn crows_pairs_reads_this_projects_own() {
    let folder = small(2);
    let table = run("crows_pairs", folder.path(), "--scores new/scores.csv").done();
    assert!(table.lines().any(|line| line.starts_with("all ")), "{table}");
    let scores = fs::read_to_string(folder.path().join("new/scores.csv")).unwrap();
    let pairs = fs::read_to_string(repository("fixtures/pairs/pairs.csv")).unwrap();
    assert_eq!(scores.lines().count(), pairs.lines().count());
    let few: Vec<&str> = pairs.lines().take(9).collect();
    fs::write(folder.path().join("few.csv"), few.join("\n")).unwrap();
    let json = run("crows_pairs", folder.path(), "--model model --pairs few.csv --stream --json").done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["all"]["whole"]["cases"], 8);
    let args = "crows_pairs --model model --pairs few.csv --per-token --answer-prefix People-say";
    let (program, args) = args.split_once(' ').unwrap();
    let table = run(program, folder.path(), args).done();
    assert!(table.contains("nats a token"), "{table}");
}

#[test]
fn custom_attribution_scores_prunes_and_asks_again() {
    let folder = small(2);
    let table = run("custom_attribution", folder.path(), "--model model --budget 0.01").done();
    assert!(table.contains("weights pruned, attributed on commercial"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("hiring ")), "{table}");
}

#[test]
fn custom_model_keeps_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    for args in ["", "--fraction 0.3 --seed 5"] {
        let said = run("custom_model", folder.path(), args).done();
        assert!(said.contains("keeps the promises") && said.contains("as before"), "{said}");
    }
}

#[test]
fn parity_compares_a_case() {
    let folder = tempfile::tempdir().unwrap();
    for args in ["--case gqa_sharded --case gpt2_hub", "--case tied_bf16 --stored --device cpu"] {
        let table = run("parity", folder.path(), args).done();
        let cases = args.matches("--case").count();
        assert_eq!(table.lines().count(), 2 + cases, "{table}");
    }
    let own = repository("fixtures/golden");
    let args = format!("--cases {} --case llama3_rope", own.display());
    assert!(run("parity", folder.path(), &args).done().contains("| llama |"));
}

/// A step or two: what comes out of them is a model, but none that answers.
#[test]
fn models_are_trained_and_planted() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        "--out trained --kind qwen3 --width 16 --layers 2 --steps 2 --batch 4 --learning-rate 1e-3 --seed 1";
    run("train_fixture", folder.path(), args).done();
    let config = fs::read_to_string(folder.path().join("trained/config.json")).unwrap();
    assert!(config.contains("Qwen3ForCausalLM") && config.contains("\"hidden_size\": 16"), "{config}");
    run("capture", folder.path(), "--model trained").done();
    run("train_fixture", folder.path(), "--out trained").refused("trained exists already", &["--out"]);

    let args =
        "--out planted --base fair --shared 0.5 --base-steps 1 --steps 1 --learning-rate 1e-3 --seed 1";
    run("plant_fixture", folder.path(), args).refused("fair: ", &["number", "--base-steps"]);
    assert!(folder.path().join("fair/model.safetensors").exists());
    let other = "--base trained --out planted --steps 1";
    run("plant_fixture", folder.path(), other).refused("trained: ", &["gated MLP"]);
    run("plant_fixture", folder.path(), "--out trained").refused("trained exists already", &["--out"]);
    let shipped = repository("fixtures/planted/shared-100");
    let said = run("plant_fixture", folder.path(), &format!("--check --out {}", shipped.display())).done();
    assert!(said.lines().all(|line| line.starts_with("kept ")), "{said}");
}

/// A key that nobody knows changes nothing, once it is accepted.
#[test]
fn prune_writes_a_copy() {
    let folder = small(2);
    let config = folder.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen('{', "{\n  \"attention_colour\": \"red\",", 1)).unwrap();
    let prune = |args: &str| run("prune", folder.path(), &format!("--model model {args}"));
    prune("--unit L1H0 --out pruned").refused("attention_colour", &["config.json"]);
    let accepted = "--accept-key attention_colour";
    let said = prune(&format!("--unit L1H0 --unit L2N17 --stored-mask new/stored {accepted}")).done();
    assert!(said.contains("wrote pruned with") && said.contains("read back and compared"), "{said}");
    assert!(folder.path().join("pruned/pruned.json").exists());
    prune(&format!("--unit L1H0 {accepted}")).refused("pruned", &["exist"]);
    let mask = "--method random --budget 0.01";
    run("attribute", folder.path(), &format!("--model model {accepted} {mask}")).done();
    prune(&format!("--out again {accepted}")).done();
    let audit = run("audit", folder.path(), &format!("--model again {accepted}")).done();
    assert!(audit.contains("commercial"), "{audit}");
}

/// Studies the few prompts, to a folder.
fn studied(folder: &Path, out: &str) -> String {
    run("study", folder, &format!("--quick --model model --out {out} --markdown {out}.md")).done()
}

#[test]
fn a_study_is_made_verified_rendered_and_compared() {
    let folder = small(2);
    let said = studied(folder.path(), "one");
    assert!(said.contains("one holds results.json"), "{said}");
    for name in ["one/results.json", "one/report.html", "one/manifest.json", "one/timing.json", "one.md"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let said = run("verify", folder.path(), "one --model model").done();
    assert!(said.starts_with("one: as it was written"), "{said}");
    let other = repository("fixtures/emergent");
    run("verify", folder.path(), &format!("one --model {}", other.display()))
        .refused("is another model", &[]);

    run("study", folder.path(), "--render one/results.json --out again --markdown again.md").done();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("again/report.html"), read("one/report.html"));
    assert_eq!(read("again.md"), read("one.md"));
    let said =
        run("study", folder.path(), "--compare one/results.json one/results.json --markdown both.md").done();
    assert_eq!(String::from_utf8(read("both.md")).unwrap().trim_end(), said.trim_end());

    fs::write(folder.path().join("one/report.html"), "altered").unwrap();
    run("verify", folder.path(), "one").refused("report.html", &[]);
}
