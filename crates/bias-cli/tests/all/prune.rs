//! `bias prune`: copies without the weights of a mask.

use std::fs;

use crate::bias::run;
use crate::program::{repository, small};
use bias_mask::Mask;

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
    let said =
        prune(&format!("--unit L1H0 --unit L2N17 --stored-mask new/stored {accepted}")).done();
    assert!(
        said.contains("wrote pruned with") && said.contains("read back and compared"),
        "{said}"
    );
    assert!(folder.path().join("pruned/pruned.json").exists());
    prune(&format!("--unit L1H0 {accepted}")).refused("pruned", &["exist"]);
    let mask = "--method random --budget 0.01";
    run("attribute", folder.path(), &format!("--model model {accepted} {mask}")).done();
    prune(&format!("--out again {accepted}")).done();
    let audit = run("audit", folder.path(), &format!("--model again {accepted}")).done();
    assert!(audit.contains("commercial"), "{audit}");
}

/// Another model's mask changes nothing, and neither does one that names no model unless it is said
/// that it may.
#[test]
fn a_mask_fits_the_model_that_it_was_made_for() {
    let folder = small(2);
    run("attribute", folder.path(), "--model model --method random --out mask").done();
    let prune = |args: &str| run("prune", folder.path(), &format!("--mask mask {args}"));
    prune("--stored-mask stored --out other").refused("was made for weights", &[]);
    let path = folder.path().join("mask");
    Mask::load(&path, None).unwrap().for_model(None).save(&path).unwrap();
    let unbound = "--model model --stored-mask stored --out pruned";
    prune(unbound).refused("does not say which weights", &["--any-model"]);
    let crows = repository("fixtures/frameworks/crows.csv");
    let score = format!("--model model --crows {} --mask mask", crows.display());
    run("frameworks", folder.path(), &score).refused("does not say which weights", &[]);
    for name in ["stored", "other", "pruned"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    prune("--stored-mask stored --out other --any-model").refused("shape", &[]);
    prune(&format!("{unbound} --any-model")).done();
    let stored = Mask::load(&folder.path().join("stored"), None).unwrap();
    assert!(stored.fingerprint().is_some());
}

/// Said of what is written otherwise than it was stored; the copy needs nothing but transformers.
#[test]
fn plain_copies_are_made_of_quantized_models_and_of_adapters() {
    let folder = tempfile::tempdir().unwrap();
    for (form, said) in [
        ("models/gptq", "weights were quantized (gptq) and are written dequantized"),
        ("adapters/patterns", "is merged into its base"),
        ("models/nf4_adapter", "is merged into its base"),
    ] {
        let model = repository(&format!("fixtures/forms/{form}"));
        let (model, out) = (model.display(), form.replace('/', "-"));
        let args = format!("--model {model} --unit L0N3 --out {out}");
        let printed = run("prune", folder.path(), &args).done();
        assert!(printed.contains(said), "{printed}");
        // The copy is a model like any other.
        let args = format!("--model {out} --unit L1N2 --out {out}-again");
        let printed = run("prune", folder.path(), &args).done();
        assert!(!printed.contains("merged") && !printed.contains("quantized"), "{printed}");
    }
}
