//! `capture`, with each of its flags.

use crate::bias;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::bias::run;
use crate::program::{Program, flags, repository, small};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Name, shape and numbers of every tensor of a file.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn load(file: &Path) -> Tensors {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |view: &TensorView<'_>| {
        assert_eq!(view.dtype(), Dtype::F32);
        view.data().chunks(4).map(|own| f32::from_le_bytes(own.try_into().unwrap())).collect()
    };
    tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), numbers(&view))))
        .collect()
}

/// What `capture` keeps of the small model when it is given more arguments.
fn captured(folder: &Path, args: &str) -> Tensors {
    run("capture", folder, &format!("--model model --out kept {args}")).done();
    load(&folder.join("kept"))
}

#[test]
fn by_default_the_embedded_models_residual_streams_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("capture", folder.path(), "").done();
    assert!(said.contains("wrote 6 sites to activations.safetensors"), "{said}");
    let tokens = said.lines().count() - 1;
    let marked: Vec<&str> =
        said.lines().filter_map(|line| line.trim_start().strip_prefix("name ")).collect();
    assert_eq!(marked.concat().trim(), "Emily Becker", "{said}");
    let kept = load(&folder.path().join("activations.safetensors"));
    let expected: Vec<String> =
        (0..6).map(|layer| format!("model.layers.{layer}.output")).collect();
    assert!(kept.keys().eq(&expected), "{:?}", kept.keys());
    assert!(kept.values().all(|(shape, _)| *shape == [1, tokens, 96]));
}

#[test]
fn sites_can_be_chosen() {
    let folder = small(2);
    let pattern = "model.layers.1.self_attn.pattern";
    let neurons = "model.layers.2.mlp.down_proj.input";
    // Inputs that projections share are one site.
    let shared = "model.layers.0.mlp.gate_proj.input";
    let kept =
        captured(folder.path(), &format!("--site {pattern} --site {neurons} --site {shared}"));
    let names = ["model.layers.0.mlp.up_proj.input", pattern, neurons];
    assert!(kept.keys().eq(names), "{:?}", kept.keys());
    let (shape, values) = &kept[pattern];
    let tokens = shape[3];
    assert_eq!(shape[..], [1, 4, tokens, tokens]);
    assert!(values.chunks(tokens).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    assert_eq!(kept[neurons].0, [1, tokens, 128]);
}

#[test]
fn sites_are_listed_and_all_can_be_kept() {
    let folder = small(2);
    let listed = run("capture", folder.path(), "--model model --list").done();
    assert!(listed.lines().any(|site| site == "model.layers.2.output"), "{listed}");
    assert!(!folder.path().join("activations.safetensors").exists());
    let all: String = listed.lines().map(|site| format!(" --site {site}")).collect();
    let kept = captured(folder.path(), &all);
    assert_eq!(kept.len(), listed.lines().count());
}

#[test]
fn the_prompt_and_its_name_are_the_users() {
    let folder = small(2);
    let args = [
        "capture",
        "--model",
        "model",
        "--prompt",
        "Jamal Washington sells a violin.",
        "--name",
        "Jamal Washington",
    ];
    let said = Program::new(&bias::file(), folder.path(), args).run().done();
    let marked: Vec<&str> =
        said.lines().filter_map(|line| line.trim_start().strip_prefix("name ")).collect();
    assert_eq!(marked.concat().trim(), "Jamal Washington", "{said}");
    run("capture", folder.path(), "--prompt Hello").refused("required", &["--name"]);
    run("capture", folder.path(), "--name Jamal").refused("`Jamal` does not occur", &[]);
}

#[test]
fn a_system_message_comes_first() {
    let folder = small(2);
    let usual = captured(folder.path(), "");
    let told = captured(folder.path(), "--template-arg enable_thinking=false");
    assert_eq!(told, usual, "the template does nothing with them");
    run("capture", folder.path(), "--model model --date 2026-11-29")
        .refused("tells the model no date", &[]);
    run("capture", folder.path(), "--model model --template-arg tone=kind")
        .refused("the chat template of", &["no argument `tone`", "it takes", "enable_thinking"]);
    let args = ["capture", "--model", "model", "--system", "You are fair."];
    let said = Program::new(&bias::file(), folder.path(), args).run().done();
    let system: Vec<&str> =
        said.lines().filter_map(|line| line.trim_start().strip_prefix("system ")).collect();
    assert_eq!(system.concat(), "You are fair.", "{said}");
    let plain = captured(folder.path(), "");
    let told = load(&folder.path().join("activations.safetensors"));
    assert!(told["model.layers.0.output"].0[1] > plain["model.layers.0.output"].0[1]);
}

/// The small model's weights as bf16, which `--stored` is for.
fn halved(folder: &Path) {
    let file = folder.join("model/model.safetensors");
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = load(&file)
        .into_iter()
        .map(|(name, (shape, values))| {
            // The upper half of an f32 is a bf16.
            let halves = values.iter().flat_map(|v| v.to_le_bytes()[2..].to_vec());
            (name, shape, halves.collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::BF16, shape.clone(), bytes).unwrap())
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    fs::write(&file, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    let config = folder.join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("float32", "bfloat16")).unwrap();
}

/// However weights are held, numbers are the same to the last bit.
#[test]
fn weights_can_stay_as_they_are_stored_or_in_their_file() {
    let folder = small(2);
    let exact = captured(folder.path(), "");
    assert_eq!(captured(folder.path(), "--stream"), exact);
    halved(folder.path());
    let halves = captured(folder.path(), "");
    assert_ne!(halves, exact);
    assert_eq!(captured(folder.path(), "--stored"), halves);
    assert_eq!(captured(folder.path(), "--stream"), halves);
    run("capture", folder.path(), "--stored --stream").refused("--stored", &["--stream"]);
}

#[test]
fn the_device_is_named() {
    let folder = small(2);
    let usual = captured(folder.path(), "");
    assert_eq!(captured(folder.path(), "--device cpu --compute f32"), usual);
    run("capture", folder.path(), "--device gpu").refused("--device", &["this build knows cpu"]);
    run("capture", folder.path(), "--compute bf16").refused("--compute bf16", &["--device cuda"]);
    run("capture", folder.path(), "--compute f64").refused("--compute", &["f32", "bf16"]);
}

#[test]
fn unknown_keys_are_refused_until_accepted() {
    let folder = small(2);
    let usual = captured(folder.path(), "");
    let config = folder.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen('{', "{\n  \"attention_colour\": \"red\",", 1)).unwrap();
    run("capture", folder.path(), "--model model").refused("attention_colour", &["config.json"]);
    assert_eq!(captured(folder.path(), "--accept-key attention_colour"), usual);
}

#[test]
fn wrong_arguments_are_named() {
    let folder = small(2);
    let tried = |args: &str| run("capture", folder.path(), args);
    tried("--site mlp").refused("--site", &["model.layers.0.mlp.down_proj.input"]);
    tried("--site model.layers.99.output").refused("--site", &["model.layers.99.output", "--list"]);
    tried("--model no-such-folder").refused("--model", &["is not a folder"]);
    tried("--list --site model.layers.0.output").refused("--list", &["--site"]);
    tried("--list --out kept").refused("--list", &["--out"]);
    tried("--out model").refused("model", &["it is a folder"]);
    // What takes answers is not for a program that takes none.
    for flag in ["--samples 3", "--seed 1", "--unexplored 0.1", "--max-new-tokens 3"] {
        tried(flag).refused("unexpected argument", &[flag.split(' ').next().unwrap()]);
    }
}

/// A new flag needs a test here.
#[test]
fn every_flag_is_tried() {
    let help = run("capture", &repository(""), "--help").done();
    let tests = include_str!("capture.rs");
    for flag in flags(&help).iter().filter(|flag| *flag != "--help") {
        let tried = [format!("{flag} "), format!("{flag}\"")]
            .iter()
            .any(|own| tests.contains(own.as_str()));
        assert!(tried, "{flag}");
    }
}
