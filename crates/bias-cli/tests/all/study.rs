//! `bias study` and `bias verify`: studies made, verified, rendered, compared and continued.

use std::fs;
use std::path::Path;

use crate::bias::{self, run};
use crate::program::{Program, repository, small};

/// Studies the few prompts, to a folder.
fn studied(folder: &Path, out: &str) -> String {
    run("study", folder, &format!("--quick --model model --out {out} --markdown {out}.md")).done()
}

#[test]
fn a_study_is_made_verified_rendered_and_compared() {
    let folder = small(2);
    let said = studied(folder.path(), "one");
    assert!(said.contains("one holds results.json"), "{said}");
    for name in
        ["one/results.json", "one/report.html", "one/manifest.json", "one/timing.json", "one.md"]
    {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let said = run("verify", folder.path(), "one --model model").done();
    assert!(said.starts_with("one: unchanged"), "{said}");
    // An adapter that was left out, or came later.
    fs::write(folder.path().join("model/adapter_config.json"), "{}").unwrap();
    run("verify", folder.path(), "one --model model").refused("adapter_config.json", &[]);
    let said =
        run("verify", folder.path(), "one --model model --accept-key adapter_config.json").done();
    assert!(said.starts_with("one: unchanged"), "{said}");
    let other = repository("fixtures/emergent");
    run("verify", folder.path(), &format!("one --model {}", other.display()))
        .refused("is a different model", &[]);

    run("study", folder.path(), "--render one/results.json --out again --markdown again.md").done();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("again/report.html"), read("one/report.html"));
    assert_eq!(read("again.md"), read("one.md"));
    let said = run(
        "study",
        folder.path(),
        "--compare one/results.json one/results.json --markdown both.md",
    )
    .done();
    assert_eq!(String::from_utf8(read("both.md")).unwrap().trim_end(), said.trim_end());

    fs::write(folder.path().join("one/report.html"), "altered").unwrap();
    run("verify", folder.path(), "one").refused("report.html", &[]);
}

/// Benchmarks, names and other groups before and after every mask.
#[test]
fn a_study_says_what_else_a_mask_changes() {
    let folder = small(2);
    let own = |name: &str| repository(&format!("fixtures/frameworks/{name}")).display().to_string();
    let files =
        format!("--also crows={} --also tasks={}", own("crows.csv"), own("tasks_embedded.jsonl"));
    let names = "--recognition --group-words women=women,men=men --name-template {name}-is";
    let args = format!("--quick --model model --out one --by gender=after:_ {files} {names}");
    let args = format!("{args} --attribute race=before:_ --groups white,black");
    let said = run("study", folder.path(), &args).done();
    for part in ["What else does a mask change?", "CrowS-Pairs", "recognised", "all by gender"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let results = fs::read(folder.path().join("one/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["also"]["frameworks"].as_array().unwrap().len(), 3);
    assert!(results["groups"].as_array().unwrap().iter().any(|own| own["attribute"] == "gender"));
    assert!(folder.path().join("one/figures/pareto-own-tasks.svg").exists());
    let said = run("verify", folder.path(), "one --model model").done();
    assert!(said.starts_with("one: unchanged"), "{said}");
}

/// A study stopped before midnight goes on after it.
#[test]
fn a_study_keeps_the_date_that_it_told_the_model() {
    let folder = small(2);
    let config = folder.path().join("model/tokenizer_config.json");
    let read = |path: &Path| serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap());
    let mut changed = read(&config).unwrap();
    let template = changed["chat_template"].as_str().unwrap();
    // Prompts differ on the first of a month.
    changed["chat_template"] =
        format!("{{%- if strftime_now('%d') == '01' %}} {{%- endif %}}{template}").into();
    fs::write(&config, changed.to_string()).unwrap();

    let command = "--quick --model model --out one";
    let begun = run("study", folder.path(), &format!("{command} --date 2024-01-01"));
    assert!(begun.err.contains("it is 2024-01-01"), "{}", begun.err);
    begun.done();
    let provenance = read(&folder.path().join("one/provenance.json")).unwrap();
    assert_eq!(provenance["run"]["date"], "2024-01-01");
    let results = fs::read(folder.path().join("one/results.json")).unwrap();
    // Today, whatever day it is.
    let again = run("study", folder.path(), command);
    assert!(again.err.contains("it is 2024-01-01"), "{}", again.err);
    again.done();
    assert_eq!(fs::read(folder.path().join("one/results.json")).unwrap(), results);
    run("study", folder.path(), &format!("{command} --date 2024-01-02"))
        .refused("holds another study", &["--date (2024-01-01 there, 2024-01-02 here)"]);
    let raw = run("audit", folder.path(), "--model model --raw");
    assert!(!raw.err.contains("tells the model that it is"), "{}", raw.err);
    run("study", folder.path(), &format!("{command} --date 2024-02-30")).refused("2024-02-30", &[]);
}

/// Every number of a value, in order.
fn numbers(own: &serde_json::Value) -> Vec<f64> {
    match own {
        serde_json::Value::Object(fields) => fields.values().flat_map(numbers).collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        _ => own.as_f64().into_iter().collect(),
    }
}

/// The same bytes for any number of threads, for weights as they are stored, and for parts that are
/// computed in any order. Read from the file layer by layer, with other batches, the same masks, and
/// numbers that differ by rounding; gap pursuit is left out, and a row says so.
#[test]
fn results_do_not_depend_on_how_they_are_computed() {
    let folder = small(2);
    let study = |out: &str, args: &str, threads: &str| {
        let args = format!("study --quick --model model --out {out} {args}");
        Program::new(&bias::file(), folder.path(), args.split_whitespace())
            .env("RAYON_NUM_THREADS", threads)
            .run()
            .done()
    };
    let results = |out: &str| fs::read(folder.path().join(out).join("results.json")).unwrap();
    study("one", "", "1");
    for (out, args, threads) in [("two", "", "2"), ("seven", "", "7"), ("stored", "--stored", "2")]
    {
        study(out, args, threads);
        assert!(results(out) == results("one"), "{out}");
    }
    for part in [2, 0, 1] {
        study(&format!("part{part}"), &format!("--shard {part}/3"), "2");
    }
    study("merged", "--merge part1 part2 part0", "1");
    assert!(results("merged") == results("one"), "parts");
    let said = study("streamed", "--stream", "2");
    assert!(said.contains("gap-pursuit needs the model in memory"), "{said}");
    let [resident, streamed] = ["one", "streamed"]
        .map(|own| serde_json::from_slice::<serde_json::Value>(&results(own)).unwrap());
    let list = |all: &serde_json::Value, name: &str| all[name].as_array().unwrap().clone();
    let mut compared = 0;
    let left_out = |own: &serde_json::Value, name: &str| {
        let id = own[name].as_str().unwrap();
        id.contains("gap-pursuit") || id.ends_with("as gap pursuit")
    };
    for (part, name) in [("strategies", "id"), ("outcomes", "strategy")] {
        let mut all = list(&resident, part);
        all.retain(|own| !left_out(own, name));
        let same = list(&streamed, part);
        assert_eq!(all.len(), same.len());
        for (a, b) in all.iter().zip(&same) {
            assert_eq!((&a[name], &a["mask"]), (&b[name], &b["mask"]));
            let (a, b) = (numbers(a), numbers(b));
            assert_eq!(a.len(), b.len());
            for (a, b) in a.into_iter().zip(b) {
                assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a} and {b}");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}
