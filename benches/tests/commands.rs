//! Every program that measures starts, and says in a line what is wrong with an argument.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../crates/bias-cli/tests/all/program/mod.rs"]
mod program;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bias_mask::{HeadAblation, Mask, unit_mask};
use bias_model::{HookedModel as _, LanguageModel, Weights as _};
use burn::backend::Flex;
use program::shown::{in_page, pages};
use program::{Ran, Wrong, flags, repository};

/// Programs, their files, and what their help says that they do.
const PROGRAMS: [(&str, &str, &str); 12] = [
    ("accelerator", env!("CARGO_BIN_EXE_accelerator"), "Measure a model on a device"),
    (
        "cost_curves",
        env!("CARGO_BIN_EXE_cost_curves"),
        "Measure what statistics, answer distributions and gradients cost",
    ),
    ("experts", env!("CARGO_BIN_EXE_experts"), "Time a block with experts"),
    ("hosted", env!("CARGO_BIN_EXE_hosted"), "how busy a hosted model's server is kept"),
    ("large", env!("CARGO_BIN_EXE_large"), "Score a model with Wanda for two groups"),
    ("load_memory", env!("CARGO_BIN_EXE_load_memory"), "the peak of anonymous memory"),
    ("price", env!("CARGO_BIN_EXE_price"), "what masks cost on neutral text"),
    ("questions", env!("CARGO_BIN_EXE_questions"), "ask it what each line of standard input says"),
    (
        "random_model",
        env!("CARGO_BIN_EXE_random_model"),
        "Write a Llama or Mixtral checkpoint of a real model's shape",
    ),
    ("selection", env!("CARGO_BIN_EXE_selection"), "Select the top share of group A's scores"),
    ("speed", env!("CARGO_BIN_EXE_speed"), "do what each line of standard input asks for"),
    ("stats_cost", env!("CARGO_BIN_EXE_stats_cost"), "Time forward passes"),
];

fn run(name: &str, folder: &Path, args: &str) -> Ran {
    program::run_of(&PROGRAMS, name, folder, args)
}

#[test]
fn every_program_says_what_it_does() {
    program::each_says_what_it_does(&PROGRAMS);
    let found = fs::read_dir(repository("benches/src/bin")).unwrap().count();
    assert_eq!(found, PROGRAMS.len());
}

const WRONG: &[Wrong] = &[
    ("accelerator", "no-folder prefill", "no-folder", &[]),
    ("accelerator", "no-folder guess", "guess", &["prefill", "signed-gap"]),
    ("accelerator", "no-folder prefill --device gpu", "--device", &["this build knows cpu"]),
    ("cost_curves", "--rounds x", "--rounds", &["x"]),
    ("experts", "--experts x", "--experts", &["x"]),
    ("experts", "--per-token 9", "num_experts_per_tok", &["9"]),
    ("hosted", "--in-flight 0", "--in-flight", &[]),
    ("hosted", "--milliseconds x", "--milliseconds", &["x"]),
    ("hosted", "--questions x", "--questions", &["x"]),
    ("hosted", "--prompts x", "--prompts", &["x"]),
    ("large", "no-folder", "no-folder", &[]),
    ("load_memory", "no-folder", "no-folder", &[]),
    ("price", "no-folder no-file no-mask", "no-folder", &[]),
    ("questions", "no-folder", "no-folder", &[]),
    ("random_model", "--preset huge --out x", "--preset", &["small", "medium", "large", "mixture"]),
    ("random_model", "--preset small", "required", &["--out"]),
    ("selection", "no-folder", "no-folder", &[]),
    ("selection", ". --rows x", "--rows", &["x"]),
    ("speed", "no-folder", "no-folder", &[]),
    ("stats_cost", "no-folder", "no-folder", &[]),
];

#[test]
fn wrong_arguments_are_named() {
    program::each_is_refused(WRONG, run);
}

/// What is cheap enough, on the smallest model that ships.
#[test]
fn small_models_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let model = repository("fixtures/kinds/small");
    let model = model.display();
    let said = run("load_memory", folder.path(), &format!("{model} --stored")).done();
    assert!(said.lines().any(|line| line.starts_with("| small | stored |")), "{said}");
    let said =
        run("stats_cost", folder.path(), &format!("{model} --rows 2 --width 8 --rounds 1")).done();
    assert!(said.starts_with("| "), "{said}");
    let args = "--d-model 32 --d-expert 16 --experts 3 --rows 2 --width 8 --rounds 1";
    let said = run("experts", folder.path(), args).done();
    assert!(said.starts_with("| block of 32, 2 of 3 experts of 16"), "{said}");
    let args = format!("{model} prefill decode mask --rows 2 --width 8 --answer 2 --rounds 2");
    let said = run("accelerator", folder.path(), &args).done();
    assert!(
        said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{said}"
    );
    let said = run("selection", folder.path(), ". --rows 64 --columns 32").done();
    assert!(
        said.contains("bits_per_weight") && folder.path().join("ours.safetensors").exists(),
        "{said}"
    );
    let args =
        format!("{model} --per-group 4 --gap-per-group 2 --unexplored 0.2 --max-new-tokens 3");
    let said = run("large", folder.path(), &args).done();
    assert!(
        said.contains("| Wanda | ") && said.contains("signed gap of 2 and 2 prompts"),
        "{said}"
    );
}

/// A mask of a whole layer costs something, and an empty one nothing.
#[test]
fn masks_have_a_price() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = repository("fixtures/emergent");
    let model = LanguageModel::<Flex>::load(&shipped, &Default::default()).unwrap();
    let dims = model.model().dims();
    let layer = unit_mask(dims, &["L1".parse().unwrap()], HeadAblation::ZeroOutput).unwrap();
    let own = model.model().fingerprint().unwrap();
    let layer = layer.for_model(own);
    layer.save(&folder.path().join("layer.safetensors")).unwrap();
    Mask::default().for_model(own).save(&folder.path().join("none.safetensors")).unwrap();
    let text = fs::read_to_string(shipped.join("neutral.txt")).unwrap();
    let few: Vec<&str> = text.lines().take(4).collect();
    fs::write(folder.path().join("few.txt"), few.join("\n")).unwrap();
    let args = format!("{} few.txt layer.safetensors none.safetensors", shipped.display());
    let said = run("price", folder.path(), &args).done();
    let layer = format!("layer.safetensors: {} weights, log-loss +", layer.count());
    assert!(said.contains(&layer) && said.contains("sum of second-order prices"), "{said}");
    assert!(said.contains("none.safetensors: 0 weights, log-loss +0.0000"), "{said}");
}

/// A line of questions is answered by a line of answers, whatever their kind.
#[test]
fn questions_are_answered_line_by_line() {
    let (_, file, _) = PROGRAMS.iter().find(|(own, ..)| *own == "questions").unwrap();
    let mut child = Command::new(file)
        .arg(repository("fixtures/emergent"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = r#""questions":[["What should I offer Emily Becker?","Emily Becker"],["What should I offer Jamal Becker?","Jamal Becker"]],"temperature":0.6"#;
    let mut input = child.stdin.take().unwrap();
    for more in [
        "",
        r#","prefix":"$","tokens":40"#,
        r#","choices":"1,2|3","better":"1""#,
        r#","samples":5"#,
    ] {
        writeln!(input, "{{{asked}{more}}}").unwrap();
    }
    drop(input);
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let lines: Vec<serde_json::Value> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    for (line, whole) in lines[1..].iter().zip([1.0, 1.0, 1.0, 5.0]) {
        assert_eq!(line["prompts"].as_array().unwrap().len(), 2);
        for own in line["answers"].as_array().unwrap() {
            let sum: f64 =
                own.as_array().unwrap().iter().map(|answer| answer[1].as_f64().unwrap()).sum();
            assert!((sum - whole).abs() < 2e-3, "{sum} of {whole}");
        }
    }
    assert_eq!(lines[3]["words"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_shown_is_understood() {
    let seen = program::what_is_shown_is_understood(&PROGRAMS);
    assert!(seen.len() >= 4, "{seen:?}");
}

/// scripts/large.sh hands its options on to `large`, and those that are shown are its.
#[test]
fn options_of_scripts_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let known = flags(&run("large", folder.path(), "--help").done());
    let shown = pages().iter().flat_map(|page| in_page(page)).collect::<Vec<_>>();
    let mut large = shown.iter().filter(|own| own.line.starts_with("scripts/large.sh ")).peekable();
    assert!(large.peek().is_some());
    for own in large {
        assert!(
            own.flags().all(|flag| known.iter().any(|own| own == flag)),
            "{}: `{}`",
            own.place,
            own.line
        );
    }
}
