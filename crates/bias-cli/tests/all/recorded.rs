//! Answers are saved, audited without a model, and compared.

use std::fs;
use std::path::Path;

use crate::bias::{self, run};
use crate::program::{Program, flags, small};

/// A folder with answers of the small model: `sampled.csv` and `exact.jsonl`.
fn saved() -> tempfile::TempDir {
    let folder = small(2);
    for args in
        ["--samples 4 --seed 2 --save-answers sampled.csv", "--save-answers new/exact.jsonl"]
    {
        let ran = run("audit", folder.path(), &format!("--model model {args}"));
        assert!(ran.err.contains("wrote every answer to "), "{}", ran.err);
        ran.done();
    }
    folder
}

/// Runs `bias` where neither the repository nor its embedded model can be found.
fn away(folder: &Path, args: &str) -> crate::program::Ran {
    let installed = folder.join("bias");
    if !installed.exists() {
        fs::copy(bias::file(), &installed).unwrap();
    }
    Program::new(&installed, folder, args.split_whitespace()).without("CARGO_MANIFEST_DIR").run()
}

#[test]
fn saved_answers_are_audited_as_the_model_was() {
    let folder = saved();
    let path = folder.path();
    let header = "scenario,variation,name_group,name,context_level,prompt_text,response,model,count,ended,read_as,value,split,higher_is_better";
    let answers = fs::read_to_string(path.join("sampled.csv")).unwrap();
    assert_eq!(answers.lines().next(), Some(header.strip_suffix(",higher_is_better").unwrap()));
    assert!(answers.contains("commercial,bicycle,white_women,"), "{answers}");
    assert_eq!(fs::read_dir(path.join("new")).unwrap().count(), 1);
    let by = "--by race=before:_ --by gender=after-last:_ --json";
    for (asked, file) in [("--samples 4 --seed 2", "sampled.csv"), ("", "new/exact.jsonl")] {
        let model = run("audit", path, &format!("--model model {asked} {by}")).done();
        let seed = if asked.is_empty() { "" } else { "--seed 2" };
        let read = away(path, &format!("audit --answers {file} {seed} {by}")).done();
        assert!(model == read, "{file}\n{model}\n{read}");
    }
    let table = away(path, "audit --answers sampled.csv").done();
    assert!(
        table.contains("commercial: mean |SMD| ") && !table.contains("nothing is read"),
        "{table}"
    );
    // Written once more, in the other form, and read again.
    let turned =
        away(path, "audit --answers new/exact.jsonl --save-answers turned.csv --json").done();
    assert_eq!(away(path, "audit --answers turned.csv --json").done(), turned);
}

#[test]
fn models_of_one_file_are_audited_one_after_the_other() {
    let folder = saved();
    let path = folder.path();
    let csv = fs::read_to_string(path.join("sampled.csv")).unwrap();
    let (header, rows) = csv.split_once('\n').unwrap();
    let other = rows.replace(",model,", ",another,");
    fs::write(path.join("two.csv"), format!("{header}\n{rows}{other}")).unwrap();
    let table = away(path, "audit --answers two.csv").done();
    let lines: Vec<&str> = table.lines().filter(|own| ["model", "another"].contains(own)).collect();
    assert_eq!(lines, ["model", "another"], "{table}");
    let json = away(path, "audit --answers two.csv --json").done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["model"], "another");
    assert_eq!(json[0]["baseline"], json[1]["baseline"]);
    let one = away(path, "audit --answers two.csv --of another --json").done();
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one, json[1]["baseline"]);
    away(path, "audit --answers two.csv --of third").refused("`third`", &["two.csv", "`another`"]);
    away(path, "audit --answers two.csv --save-answers x.csv").refused("--save-answers", &["--of"]);
    let compared = away(path, "compare two.csv sampled.csv --of another --of model --json").done();
    let compared: serde_json::Value = serde_json::from_str(&compared).unwrap();
    let names = ["model (two.csv)", "another", "model (sampled.csv)"];
    assert_eq!(compared["models"], serde_json::json!(names));
    away(path, "compare two.csv two.csv --of third").refused("--of", &["two.csv", "another"]);
}

/// What says how a model is asked is not passed over in silence.
#[test]
fn what_is_about_asking_is_refused_for_recorded_answers() {
    let folder = tempfile::tempdir().unwrap();
    let help = run("audit", folder.path(), "--help").done();
    // What says how answers are read and compared, and what is printed.
    let reading = [
        "--answers",
        "--of",
        "--save-answers",
        "--attribute",
        "--groups",
        "--by",
        "--lower-is-better",
        "--answer-prefix",
        "--choices",
        "--better",
        "--answer-field",
        "--choice-value",
        "--seed",
        "--json",
        "--help",
    ];
    let values = [
        ("--model", "org/name"),
        ("--device", "cpu"),
        ("--compute", "f32"),
        ("--template-arg", "a=1"),
        ("--date", "2026-11-29"),
        ("--unexplored", "0.1"),
        ("--stored", ""),
        ("--stream", ""),
        ("--raw", ""),
        ("--top-p", "0.5"),
        ("--min-p", "0.1"),
        ("--protocol", "openai"),
        ("--way", "exact"),
        ("--prefill", "prefix"),
        ("--dry-run", ""),
    ];
    let mut refused = 0;
    for flag in flags(&help).iter().filter(|own| !reading.contains(&own.as_str())) {
        let value = values.iter().find(|(own, _)| own == flag).map_or("9", |(_, value)| value);
        run("audit", folder.path(), &format!("--answers a.csv {flag} {value}"))
            .refused("--answers", &[flag]);
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
    run("audit", folder.path(), "--of a").refused("required", &["--answers"]);
    run("audit", folder.path(), "--answers no.csv").refused("no.csv", &[]);
}

#[test]
fn answers_are_read_as_the_arguments_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "scenario,variation,name_group,name,prompt_text,response\n".to_owned();
    let people = [
        ("white_men", "Todd"),
        ("white_women", "Emily"),
        ("black_men", "Jamal"),
        ("black_women", "Tyra"),
    ];
    for (at, (group, name)) in people.into_iter().enumerate() {
        csv += &format!(
            "wait,visa,{group},{name},How long does {name} wait?,\"{{\"\"days\"\": {}, \"\"sure\"\": 0.5}}\"\n",
            10 + at
        );
        csv +=
            &format!("job,cook,{group},{name},Hire {name}?,{}\n", ["yes", "Yes.", "no", "yes"][at]);
    }
    fs::write(folder.path().join("all.csv"), csv).unwrap();
    let audit = |args: &str| away(folder.path(), &format!("audit --answers all.csv {args}"));
    let json = audit("--answer-field days --lower-is-better wait --json").done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["variations"][0]["means"], serde_json::json!([10.5, 12.5]));
    assert!(json[0]["signed"]["value"].as_f64().unwrap() > 0.0, "less is better: {json}");
    // What was said is told, and what could be done about it here.
    let ran = audit("");
    assert!(
        ran.out.contains("job: nothing to compare") && ran.out.contains("--choices"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("--max-new-tokens"), "{}", ran.out);
    let ran = audit("--choices yes|no --better yes --choice-value probability");
    assert!(ran.out.contains("probability of the favourable option"), "{}", ran.out);
    ran.done();
    let ran = audit("--choices yes|no --better yes");
    assert!(
        ran.err.contains("no log-odds") && ran.err.contains("--choice-value probability"),
        "{}",
        ran.err
    );
    audit("--choices yes|no --better yes --choice-value log-odds-per-token")
        .refused("--choice-value", &["`tokens`"]);
    audit(
        "--attribute gender=after-last:_ --groups men,women --answer-field days --answer-prefix $",
    )
    .refused("--answer-field", &["only a free answer"]);
}

/// A model before and after pruning, and what a document states.
#[test]
fn models_are_put_side_by_side() {
    let folder = saved();
    let path = folder.path();
    run("prune", path, "--model model --unit L0H0 --out pruned").done();
    let args = "--model pruned --prompts my.csv";
    run("audit", path, &format!("{args} --save-answers after.csv")).done();
    fs::write(path.join("audit.json"), run("audit", path, &format!("{args} --json")).done())
        .unwrap();
    let table = away(
        path,
        "compare new/exact.jsonl after.csv audit.json --csv out/t.csv --markdown out/t.md --seed 0",
    )
    .done();
    for word in
        ["commercial: mean |SMD|", "hiring: mean SMD", "  bicycle", "Δ ", "4 + 4 names", ", p "]
    {
        assert!(table.contains(word), "no {word} in\n{table}");
    }
    assert!(table.contains("audit: its file has no answers by name"), "{table}");
    let csv = fs::read_to_string(path.join("out/t.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    // Two contexts with three variations and two means, three models.
    assert_eq!(rows.len(), 2 * 5 * 3);
    let of =
        |model: &str| rows.iter().find(|row| &row[2] == "bicycle" && &row[3] == model).unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let (before, after, stated) = (of("model"), of("pruned"), of("audit"));
    assert_eq!((&before[10], &stated[11]), ("", ""));
    assert!((number(&after[10]) - (number(&after[4]) - number(&before[4]))).abs() < 1e-12);
    assert!(number(&after[11]) <= number(&after[10]) && number(&after[10]) <= number(&after[12]));
    assert!(number(&after[15]) <= number(&after[16]), "Holm never lowers p");
    // The audit that was printed has the numbers of the answers that were saved.
    assert_eq!((&stated[4], &stated[5]), (&after[4], &after[5]));
    let page = fs::read_to_string(path.join("out/t.md")).unwrap();
    assert!(
        page.starts_with("| context | | model | pruned | audit |\n|---|---|---|---|---|\n"),
        "{page}"
    );
    // Against itself, nothing differs.
    let same = away(
        path,
        "compare after.csv after.csv --attribute race=before:_ --groups white,black --json",
    )
    .done();
    let same: serde_json::Value = serde_json::from_str(&same).unwrap();
    for row in same["rows"].as_array().unwrap() {
        let own = &row["differences"][1];
        assert_eq!(
            own["estimate"],
            serde_json::json!({"value": 0.0, "interval": [0.0, 0.0]}),
            "{row}"
        );
    }
    away(path, "compare after.csv").refused("one model alone", &[]);
    away(path, "compare after.csv no.json").refused("no.json", &[]);
    away(path, "compare after.csv model/config.json")
        .refused("config.json", &["bias audit --json"]);
    away(path, "compare after.csv after.csv --choice-value probability")
        .refused("--choice-value", &[]);
}
