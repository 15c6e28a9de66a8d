//! `bias frameworks`: public files scored, before and after a mask.

use std::fs;

use crate::bias::run;
use crate::program::{repository, small};

/// This project's own files, by the embedded model; then public forms by one's own, with a mask.
#[test]
fn frameworks_score_files_before_and_after_a_mask() {
    let folder = small(2);
    let ran = run("frameworks", folder.path(), "--items new/scores.csv");
    assert!(ran.err.contains("items of 7 frameworks"), "{}", ran.err);
    let table = ran.done();
    for name in ["pct_stereotype", "icat", "s_amb", "pro_minus_anti", "black_bias", "acc_norm"] {
        assert!(table.lines().any(|own| own.trim_start().starts_with(name)), "{name}: {table}");
    }
    assert!(table.contains("BBQ (16 of 16 items)"), "{table}");
    let scores = fs::read_to_string(folder.path().join("new/scores.csv")).unwrap();
    assert!(scores.starts_with("framework,item,cluster,option,text,tokens,log_likelihood,greedy"));
    // 12 pairs, 12 triples, 16 questions with 12 answers, 24 + 12 pronouns, 72 decisions.
    assert!(scores.lines().count() > 2 * 12 + 3 * 12 + 12 * 16 + 2 * 36 + 4 * 72, "{scores}");

    run("attribute", folder.path(), "--model model --method random --budget 0.01").done();
    let own = |name: &str| repository(&format!("fixtures/frameworks/{name}"));
    let files = [
        ("--crows", "crows.csv"),
        ("--stereoset", "stereoset.json"),
        ("--bbq", "bbq.jsonl"),
        ("--winogender", "winogender.tsv"),
        ("--winobias", "winobias_pro_type1.txt"),
        ("--discrim-eval", "discrim_eval.jsonl"),
        ("--hellaswag", "hellaswag.jsonl"),
        ("--arc", "arc.jsonl"),
        ("--mmlu", "everyday_test.csv"),
        ("--piqa", "piqa_listed.jsonl"),
        ("--boolq", "boolq.jsonl"),
        ("--lambada", "lambada.jsonl"),
        ("--wikitext", "wikitext.jsonl"),
        ("--tasks", "tasks_embedded.jsonl"),
    ];
    let named = |(flag, name): &(&str, &str)| format!("{flag} {}", own(name).display());
    let all: Vec<String> = files.iter().map(named).collect();
    let pass = |args: &str| run("frameworks", folder.path(), &format!("--model model {args}"));
    let ran = pass(&format!("{} --mask mask.safetensors --json", all.join(" ")));
    assert!(ran.err.contains("before and after"), "{}", ran.err);
    assert!(ran.err.contains("HellaSwag: 1 of 6 items not scored"), "{}", ran.err);
    let found: serde_json::Value = serde_json::from_str(&ran.done()).unwrap();
    assert_eq!(found["mask"], "mask.safetensors");
    let frameworks = found["frameworks"].as_array().unwrap();
    assert_eq!(frameworks.len(), files.len());
    for own in frameworks {
        let name = &own["framework"];
        let measures = own["measures"].as_array().unwrap();
        assert!(measures.iter().all(|own| own["change"].is_object()), "{name}");
        assert!(measures.iter().any(|own| own["change"]["difference"].is_f64()), "{name}");
    }
    let table = pass(&format!("{} --mask mask.safetensors", all[13])).done();
    assert!(table.contains("with the mask") && table.contains("acc_greedy"), "{table}");
    // A mask of other weights.
    let tasks = &all[13];
    run("frameworks", folder.path(), &format!("{tasks} --mask mask.safetensors"))
        .refused("was made for weights", &[]);
    run("frameworks", folder.path(), &format!("--bbq {}", own("crows.csv").display()))
        .refused("looks like one of CrowS-Pairs", &["--crows"]);
}

/// Other ways to find answers, and names that a model knows or does not.
#[test]
fn frameworks_have_other_answers_and_names() {
    let folder = small(2);
    let own = |name: &str| repository(&format!("fixtures/frameworks/{name}")).display().to_string();
    let pass = |args: &str| run("frameworks", folder.path(), &format!("--model model {args}"));
    for how in ["greedy", "letter"] {
        let table = pass(&format!("--bbq {} --bbq-answer {how}", own("bbq.jsonl"))).done();
        assert_eq!(table.contains("answered"), how == "greedy", "{table}");
        assert!(table.contains("s_amb"), "{table}");
    }
    let (winogender, statistics) = (own("winogender.tsv"), own("occupations_stats.tsv"));
    let table = pass(&format!("--winogender {winogender} --occupations {statistics}")).done();
    assert!(table.contains("gotcha_minus_other"), "{table}");
    let names = "--recognition my.csv --by gender=after:_ --group-words men=men,women=women";
    let table = pass(&format!("{names} --name-template {{name}}")).done();
    assert!(table.contains("names recognised (8 of 8 items)"), "{table}");
    assert!(table.contains("chance 50.0%"), "{table}");
    pass(&format!("{names} --name-template name")).refused("{name}", &[]);
}
