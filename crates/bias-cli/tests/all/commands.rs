//! Every command starts, does its job in a short form, and says in a line what is wrong with an
//! argument.

use crate::bias;

use std::fs;

use crate::bias::{COMMANDS, run};
use crate::program::{Program, Wrong, each_is_refused, flags, repository, small};

/// Subcommands and what their help says that they do.
const ABOUT: [(&str, &str); COMMANDS.len()] = [
    ("attribute", "write a mask of the parts to prune"),
    ("audit", "measure how far its numbers differ"),
    ("benchmark", "Measure how well methods find and remove bias"),
    ("capture", "write activations to a safetensors file"),
    ("compare", "Put models side by side in one table"),
    ("completions", "Print the completions of a shell"),
    ("frameworks", "published bias benchmarks and capability tasks"),
    ("generalize", "Find out whether removing a bias generalises"),
    ("man", "write the pages of bias and all its subcommands"),
    ("pairs", "Score sentence pairs"),
    ("prune", "with the weights of a mask set to zero"),
    ("serve", "Serve a device of this machine"),
    ("study", "find what carries it, prune that, and audit again"),
    ("verify", "Check a study that somebody else made"),
];

#[test]
fn every_command_says_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    for (name, about) in ABOUT {
        let help = run(name, folder.path(), "--help").done();
        let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(about), "{help}");
        assert!(text.contains(&format!("Usage: bias {name}")), "{help}");
        let brief = run(name, folder.path(), "-h").done();
        assert_eq!(flags(&brief), flags(&help));
    }
}

/// The list above is that of the program.
#[test]
fn no_command_is_forgotten() {
    let help = Program::new(&bias::file(), &repository(""), ["--help"]).run().done();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    let mut listed: Vec<&str> = listed.filter(|name| *name != "help").collect();
    listed.sort_unstable();
    assert_eq!(listed, COMMANDS);
    assert!(help.contains("Begin with:") && help.contains("bias study --quick"), "{help}");
}

/// Installed, it has no model of its own at hand: it says what to pass, and no path of where it was
/// built.
#[test]
fn away_from_the_repository_it_says_what_to_pass() {
    let folder = tempfile::tempdir().unwrap();
    let installed = folder.path().join("bias");
    fs::copy(bias::file(), &installed).unwrap();
    let tried = |args: &str| {
        let words = args.split_whitespace();
        Program::new(&installed, folder.path(), words).without("CARGO_MANIFEST_DIR").run()
    };
    for args in ["audit", "study --quick", "attribute", "capture", "prune --unit L1H0"] {
        let ran = tried(args);
        assert!(!ran.err.contains(env!("CARGO_MANIFEST_DIR")), "{}", ran.err);
        ran.refused("no model was named", &["--model DIR", "--prompts CSV"]);
    }
    tried("pairs").refused("no pairs were named", &["--pairs CSV"]);
    tried("frameworks").refused("no file was named", &["--crows CSV", "--bbq JSONL"]);
    tried("benchmark").refused("no model was named", &["bias benchmark DIR --prompts CSV"]);
    tried("benchmark --variants").refused("no model was named", &["--model DIR"]);
    assert!(tried("--version").done().starts_with("bias 0."));
    let small = small(2);
    let (model, prompts) = (small.path().join("model"), small.path().join("my.csv"));
    let args = format!("audit --model {} --prompts {}", model.display(), prompts.display());
    assert!(tried(&args).done().contains("commercial: mean |SMD| "));
}

#[test]
fn shells_complete_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run("completions", folder.path(), shell).done();
        assert!(COMMANDS.iter().all(|name| script.contains(name)), "{shell}");
        assert!(script.contains("attribution-names"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = run("man", folder.path(), "").done();
    assert!(
        page.contains(".TH bias 1") && page.contains("Find, remove and re\\-measure bias"),
        "{page}"
    );
    run("man", folder.path(), "pages/man1").done();
    let read =
        |name: &str| fs::read_to_string(folder.path().join("pages/man1").join(name)).unwrap();
    assert!(read("bias.1").contains("study"));
    for (name, _) in ABOUT {
        assert!(read(&format!("bias-{name}.1")).contains(name));
    }
    assert!(read("bias-study.1").contains("attribution\\-names"));
}

/// What every program that loads a model takes, whatever it does with it.
#[test]
fn models_are_named_alike() {
    let folder = tempfile::tempdir().unwrap();
    let takes = |name: &str| flags(&run(name, folder.path(), "--help").done());
    let loading = ["attribute", "audit", "capture", "frameworks", "generalize", "pairs", "study"];
    for name in loading {
        let own = takes(name);
        for flag in ["--model", "--accept-key", "--device", "--compute", "--stored", "--stream"] {
            assert!(own.iter().any(|own| own == flag), "{name}: {flag}");
        }
    }
    let sampling = ["--temperature", "--top-k", "--top-p", "--min-p", "--ignore-generation-key"];
    for name in ["attribute", "audit", "benchmark", "generalize", "study"] {
        let own = takes(name);
        assert!(sampling.iter().all(|flag| own.iter().any(|own| own == flag)), "{name}: {own:?}");
    }
    for (name, expected) in [
        (
            "benchmark",
            &["--accept-key", "--device", "--compute", "--prompts", "--groups", "--neutral"][..],
        ),
        ("prune", &["--model", "--accept-key"]),
        ("verify", &["--model"]),
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
        run(name, folder.path(), &format!("{args} no-such-folder"))
            .refused("no-such-folder", &["org/name"]);
    }
}

/// Arguments that are wrong.
const WRONG: &[Wrong] = &[
    ("audit", "--samples 0", "--samples", &["1.."]),
    ("audit", "--prompts a.csv --save-answers a.csv", "a.csv", &["named twice"]),
    ("audit", "--model a/m --dry-run", "--dry-run", &["--hosted"]),
    ("audit", "--model a/m --of x", "--of", &["--answers"]),
    ("compare", "a.json --csv x.csv --markdown x.csv", "x.csv", &["named twice"]),
    ("generalize", "--into no.md --section a", "no.md", &[]),
    ("audit", "--top-k many", "--top-k", &["many"]),
    ("audit", "--top-k -1", "--top-k", &["0 keeps all"]),
    ("audit", "--top-p -0.5", "--top-p", &["above 0"]),
    ("audit", "--temperature 0", "--temperature", &["above 0", "--top-k 1"]),
    ("audit", "--temperature -1", "--temperature", &["above 0"]),
    ("audit", "--template-arg enable_thinking=False", "--template-arg", &["enable_thinking=false"]),
    ("study", "--template-arg enable_thinking=off", "--template-arg", &["enable_thinking=false"]),
    ("capture", "--template-arg enable_thinking=yes", "--template-arg", &["enable_thinking=true"]),
    ("audit", "--choice-value probability", "--choice-value", &["no question is a choice"]),
    ("audit", "--raw --system X", "--raw", &["--system", "without a chat template"]),
    ("study", "--raw --template-arg a=1", "--raw", &["--template-arg"]),
    ("attribute", "--raw --date 2026-11-29", "--raw", &["--date"]),
    (
        "audit",
        "--model fixtures/nothere",
        "no folder `fixtures/nothere`",
        &["owner/name", "--model"],
    ),
    (
        "prune",
        "--unit L0H0 --model fixtures/nothere",
        "no folder `fixtures/nothere`",
        &["owner/name"],
    ),
    ("audit", "--top-p 0", "--top-p", &["above 0 and at most 1"]),
    ("audit", "--min-p 1.5", "--min-p", &["between 0 and 1"]),
    ("benchmark", "--temperature 0", "--temperature", &["above 0"]),
    ("audit", "--prompts no.csv", "no.csv", &[]),
    ("audit", "--groups white,white", "--groups", &["white,black"]),
    ("benchmark", "--method guess", "--method", &["guess"]),
    ("benchmark", "--budgets 0.1,2", "--budgets", &["between 0 and 1"]),
    ("benchmark", "--names 1,3", "--names", &["two names"]),
    ("benchmark", "--names 3", "--names", &["two counts"]),
    ("benchmark", "--variants --method random", "--variants", &["--method"]),
    ("benchmark", "--neutral no.txt", "--neutral", &["no.txt"]),
    ("completions", "guess", "guess", &["bash", "zsh"]),
    ("completions", "", "required", &["SHELL"]),
    ("audit", "--by =", "--by", &["race=before:_"]),
    ("audit", "--by age", "missing columns: age", &[]),
    ("audit", "--answers no.csv", "no.csv", &[]),
    ("audit", "--answers no.csv --prompts a.csv", "--answers", &["--prompts"]),
    ("compare", "", "required", &["FILE"]),
    ("compare", "no.csv other.csv --of a", "no.csv", &[]),
    ("compare", "no.json other.csv --mask all", "no.json", &[]),
    ("compare", "a.csv b.csv --choice-value loud", "--choice-value", &["log-odds"]),
    ("frameworks", "--crows no.csv", "no.csv", &[]),
    ("frameworks", "--bbq no.jsonl --bbq-answer loud", "--bbq-answer", &["greedy"]),
    ("frameworks", "--bbq-answer greedy", "required", &["--bbq"]),
    ("frameworks", "--occupations a.tsv", "required", &["--winogender"]),
    ("frameworks", "--group-words a=b", "--group-words", &["--recognition"]),
    ("frameworks", "--group-words a", "--group-words", &["black=Black"]),
    ("frameworks", "--recognition no.csv", "no.csv", &[]),
    ("study", "--also guess=a.csv", "--also", &["crows", "tasks"]),
    ("study", "--also a.csv", "--also", &["NAME=FILE"]),
    ("study", "--also bbq=no.jsonl", "no.jsonl", &[]),
    ("study", "--name-template X", "--name-template", &["--recognition"]),
    ("study", "--recognition --group-words green=a", "--group-words", &["white, black"]),
    ("frameworks", "--any-model", "required", &["--mask"]),
    ("frameworks", "--mask no-mask", "no-mask", &[]),
    ("generalize", "--methods signed-gap@guess", "--methods", &["neuron", "head"]),
    ("generalize", "--methods guess --out a", "no method `guess`", &["signed-gap@neuron"]),
    ("generalize", "--methods fine-tuning", "fine-tuning", &["low-rank"]),
    ("generalize", "--methods planted", "planted", &["truth.json"]),
    ("generalize", "--homes sports", "no context `sports`", &[]),
    ("generalize", "--levels 0", "--levels", &["above 0"]),
    ("generalize", "--most 2", "--most", &["at most 1"]),
    ("generalize", "--probes 0", "--probes", &["1.."]),
    ("generalize", "--rival signed-gap", "--rival", &["affine-concept"]),
    ("generalize", "--formats guess", "--formats", &["rendering", "preamble", "none"]),
    ("generalize", "--formats none,preamble", "--formats", &["stands alone"]),
    ("generalize", "--names 1,3", "--names", &["two names"]),
    ("generalize", "--attribution-names 1", "--attribution-names", &["2.."]),
    ("generalize", "--shard 3/3", "--shard", &["3/3"]),
    ("generalize", "--shard 0/3 --time-limit 5", "--time-limit", &["--shard"]),
    ("generalize", "--render no.json", "no.json", &[]),
    ("generalize", "--render a.json --homes hiring", "--render", &["--homes"]),
    ("generalize", "--into a.md", "required", &["--section"]),
    ("generalize", "--into a.md --section a/b", "--section", &["letters"]),
    ("pairs", "--pairs no.csv", "no.csv", &[]),
    ("pairs", "--samples 3", "--samples", &[]),
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
    ("verify", "no-study", "no-study", &[]),
];

#[test]
fn wrong_arguments_are_named_and_what_is_allowed_is_said() {
    each_is_refused(WRONG, run);
    let folder = tempfile::tempdir().unwrap();
    for name in COMMANDS {
        run(name, folder.path(), "--guess").refused("--guess", &["--help"]);
    }
    run("guess", folder.path(), "").refused("guess", &["--help"]);
}

/// Arguments about a model and its questions do not count where results of earlier runs are only
/// shown, and are not passed over in silence.
#[test]
fn studies_that_ask_nothing_refuse_what_is_about_asking() {
    let folder = small(2);
    let values = [
        ("--model", "model"),
        ("--device", "cpu"),
        ("--compute", "f32"),
        ("--template-arg", "enable_thinking=false"),
        ("--date", "2026-11-29"),
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
        ("--top-k", "9"),
        ("--top-p", "0.5"),
        ("--min-p", "0.1"),
        ("--raw", ""),
        ("--choice-value", "log-odds"),
        ("--plan", "core"),
        ("--time-limit", "5"),
        ("--attribution-names", "3"),
        ("--also", "crows=a.csv"),
        ("--recognition", ""),
        ("--group-words", "a=b"),
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
    let ran = run("audit", folder.path(), "--model model");
    // It makes no masks.
    assert!(!ran.err.contains("masks") && !ran.err.contains("held-out"), "{}", ran.err);
    let table = ran.done();
    assert!(
        table.contains("commercial: mean |SMD| ") && table.contains("hiring: mean |SMD| "),
        "{table}"
    );
    assert!(table.lines().any(|line| line.trim_start().starts_with("bicycle ")), "{table}");
    let json =
        run("audit", folder.path(), "--prompts my.csv --samples 5 --groups black,white --json")
            .done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["context"], "commercial");
    let fair = |args: &str| -> serde_json::Value {
        serde_json::from_str(
            &run("audit", folder.path(), &format!("--model model --json {args}")).done(),
        )
        .unwrap()
    };
    let (usual, turned) = (fair(""), fair("--lower-is-better commercial"));
    let signed = |own: &serde_json::Value, at: usize| own[at]["signed"]["value"].as_f64().unwrap();
    assert!((signed(&usual, 0) + signed(&turned, 0)).abs() < 1e-9, "{usual}\n{turned}");
    assert!((signed(&usual, 1) - signed(&turned, 1)).abs() < 1e-9, "{usual}\n{turned}");
}

/// What to try depends on what the answers are.
#[test]
fn an_audit_without_a_difference_says_what_to_try() {
    let folder = small(2);
    for args in ["", "--json"] {
        let ran = run("audit", folder.path(), &format!("--model model --max-new-tokens 1 {args}"));
        let said = if args.is_empty() { &ran.out } else { &ran.err };
        let line = said.lines().find(|line| line.starts_with("commercial: nothing to compare"));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        assert!(
            line.contains("--max-new-tokens, now 1") && line.contains("--save-answers"),
            "{line}"
        );
        ran.refused("no context has a difference", &[]);
    }
}

/// What the chat template is told, and the system message, are printed where the chat is used, and
/// refused where it is not.
#[test]
fn what_the_chat_is_told_is_printed() {
    let folder = small(2);
    let audit = |args: &str| run("audit", folder.path(), &format!("--model model {args}"));
    let ran = audit("--system Be-brief. --template-arg enable_thinking=false");
    for line in ["system message: `Be-brief.`", "the chat template is told enable_thinking = false"]
    {
        assert!(ran.err.lines().any(|own| own == line), "{}", ran.err);
    }
    ran.done();
    audit("--date 2026-11-29").refused("tells the model no date", &["--date"]);
    audit("--template-arg enable_thinking=false --template-arg enable_thinking=true")
        .refused("--template-arg", &["`enable_thinking` is given twice"]);
    let prompts = fs::read_to_string(folder.path().join("my.csv")).unwrap();
    let mut raw = prompts.replace('\n', ",true\n").replacen(",true", ",raw", 1);
    fs::write(folder.path().join("raw.csv"), &raw).unwrap();
    audit("--prompts raw.csv --system X").refused("--system", &["`raw` in every row"]);
    audit("--prompts raw.csv").done();
    // One row that is put as a chat is enough.
    raw = prompts.replace('\n', ",false\n").replacen(",false", ",raw", 1);
    fs::write(folder.path().join("chat.csv"), &raw).unwrap();
    audit("--prompts chat.csv --raw --system X").done();
}

/// How answers are drawn is printed, kept, refused where it is not computed, and replaced by flags.
#[test]
fn sampling_is_said_kept_refused_and_replaced() {
    let folder = small(2);
    let path = folder.path().join("model/generation_config.json");
    let settings = |json: &str| fs::write(&path, json).unwrap();
    let audit = |args: &str| run("audit", folder.path(), &format!("--model model --json {args}"));
    let drawn = r#"{"eos_token_id": 2, "do_sample": true, "temperature": 0.6, "min_p": 0.5}"#;
    settings(drawn);
    let ran = audit("");
    let line = "sampling: temperature 0.6, top-k 50, min-p 0.5 (generation_config.json; top-k 50 is \
                transformers' default)";
    assert!(ran.err.lines().any(|own| own == line), "{}", ran.err);
    let own = ran.done();
    settings(r#"{"eos_token_id": 2, "do_sample": true, "top_k": 0, "presence_penalty": 1.5}"#);
    let ran = audit("");
    let line = "sampling: temperature 1, nothing cut off (generation_config.json)";
    assert!(ran.err.lines().any(|own| own == line), "{}", ran.err);
    assert!(ran.err.contains("presence_penalty mean nothing"), "{}", ran.err);
    assert_ne!(ran.done(), own);
    assert_eq!(audit("--temperature 0.6 --top-k 50 --min-p 0.5").done(), own);
    // The same keys, in config.json.
    fs::remove_file(&path).unwrap();
    let config = folder.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    let keys = "{\n  \"do_sample\": true, \"temperature\": 0.6, \"min_p\": 0.5,";
    fs::write(&config, text.replacen('{', keys, 1)).unwrap();
    assert_eq!(audit("").done(), own);
    fs::write(&config, text).unwrap();

    settings(r#"{"do_sample": true, "top_k": 0, "repetition_penalty": 1.1}"#);
    audit("").refused(
        "`repetition_penalty` = 1.1",
        &["generation_config.json", "--ignore-generation-key repetition_penalty"],
    );
    audit("--ignore-generation-key repetition_penalty").done();
    settings(r#"{"do_sample": true, "temperature": 0.0, "top_k": 0}"#);
    for refused in [audit(""), audit("--samples 3")] {
        refused.refused("`temperature` = 0.0", &["above 0", "--temperature T"]);
    }
    audit("--temperature 0.5").done();
    // Nothing is drawn: choices, pairs, activations.
    let ran = audit("--choices 1,2|3 --better 1");
    let line = "sampling: none; choices are weighed at temperature 1, with nothing cut off";
    assert!(ran.err.lines().any(|own| own == line), "{}", ran.err);
    ran.done();
    let pairs = fs::read_to_string(repository("fixtures/pairs/pairs.csv")).unwrap();
    let few: Vec<&str> = pairs.lines().take(3).collect();
    fs::write(folder.path().join("few.csv"), few.join("\n")).unwrap();
    run("pairs", folder.path(), "--model model --pairs few.csv").done();
    run("capture", folder.path(), "--model model").done();

    settings(drawn);
    let ran = audit("--ignore-generation-key all --ignore-generation-key top_h");
    let line = ran.err.lines().find(|line| line.starts_with("sampling: ")).unwrap();
    let begin = "sampling: temperature 1, nothing cut off (the model's own distribution); ignored as asked for: ";
    assert!(line.starts_with(begin), "{line}");
    for key in ["do_sample true", "temperature 0.6", "min_p 0.5"] {
        assert!(line.contains(key) && !line.contains("eos_token_id"), "{line}");
    }
    assert!(ran.err.contains("has no `top_h`"), "{}", ran.err);
    ran.done();
    audit("--ignore-generation-key tempreature")
        .refused("tempreature", &["generation_config.json", "`temperature` is meant"]);
    run("study", folder.path(), "--quick --model model --out kept --top-k 20 --shard 0/40").done();
    let kept = fs::read_to_string(folder.path().join("kept/provenance.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(
        kept["settings"]["sampling"],
        serde_json::json!({"temperature": 0.6, "top_k": 20, "top_p": 1.0, "min_p": 0.5})
    );
}

#[test]
fn benchmark_tries_methods_on_a_model_of_ones_own() {
    let folder = small(2);
    let args = "model --method wanda --method random --budgets 0.01 --names 2,2 --out tried";
    let page = run("benchmark", folder.path(), args).done();
    assert!(page.contains("| wanda |") && page.contains("| random |"), "{page}");
    let tried = |name: &str| folder.path().join("tried").join(name);
    for name in
        ["model.json", "model.md", "model-held-out.svg", "model-other-contexts.svg", "transfer.md"]
    {
        assert!(tried(name).exists(), "{name}");
    }
    let args = "model --prompts my.csv --neutral model/neutral.txt --accept-key x --variants --quick --out tried";
    let page = run("benchmark", folder.path(), args).done();
    assert!(page.contains("one variation") && page.contains("in one step"), "{page}");
}

#[test]
fn pairs_reads_this_projects_own() {
    let folder = small(2);
    let table = run("pairs", folder.path(), "--scores new/scores.csv").done();
    assert!(table.lines().any(|line| line.starts_with("all ")), "{table}");
    let scores = fs::read_to_string(folder.path().join("new/scores.csv")).unwrap();
    let pairs = fs::read_to_string(repository("fixtures/pairs/pairs.csv")).unwrap();
    assert_eq!(scores.lines().count(), pairs.lines().count());
    let few: Vec<&str> = pairs.lines().take(9).collect();
    fs::write(folder.path().join("few.csv"), few.join("\n")).unwrap();
    let json = run("pairs", folder.path(), "--model model --pairs few.csv --stream --json").done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["all"]["whole"]["cases"], 8);
    let args = "pairs --model model --pairs few.csv --per-token --answer-prefix People-say";
    let (program, args) = args.split_once(' ').unwrap();
    let table = run(program, folder.path(), args).done();
    assert!(table.contains("nats a token"), "{table}");
}

/// Groups of any attribute, two at a time and together, and one against the rest.
#[test]
fn any_groups_are_compared() {
    let folder = small(2);
    let audit = |args: &str| run("audit", folder.path(), &format!("--model model {args}"));
    let both = "--by gender=after:_ --by race=before:_+gender=after:_";
    let table = audit(both).done();
    assert!(table.contains("commercial by gender: f "), "{table}");
    assert!(table.contains("commercial by race+gender: f "), "{table}");
    assert!(table.contains("black+men – white+women"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&audit(&format!("{both} --json")).done()).unwrap();
    // Without sides of its own, the first attribute has them.
    let groups = json["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 4, "two contexts, two attributes");
    let four = groups.iter().find(|own| own["attribute"] == "race+gender").unwrap();
    assert_eq!(four["pairs"].as_array().unwrap().len(), 6);
    for pair in four["pairs"].as_array().unwrap() {
        let (p, holm) = (pair["p"].as_f64().unwrap(), pair["holm"].as_f64().unwrap());
        assert!(0.0 < p && p <= holm && holm <= 1.0, "{pair}");
    }
    assert_eq!(json["baseline"][0]["context"], "commercial");
    let rest = "--attribute race=before:_+gender=after:_ --groups white+men,rest";
    let ran = audit(rest);
    assert!(!ran.err.contains("other groups"), "{}", ran.err);
    assert!(ran.done().contains("mean rest"), "the others together");
    let mask = run("attribute", folder.path(), &format!("--model model --method wanda {rest}"));
    assert!(mask.done().contains("wrote mask.safetensors"));
    audit("--groups white,rest").done();
    audit("--groups green,rest").refused("`green`", &["`white` ("]);
}
