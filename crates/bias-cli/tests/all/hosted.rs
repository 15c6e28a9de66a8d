//! `audit --hosted`, with each of its flags, against a server on this machine.

use std::fs;
use std::path::Path;

use crate::bias::run;
use crate::language::{ALL, Can, MARK, answer, server};
use crate::program::{Program, Ran, flags, small};
use crate::server::{Does, Server};

/// A prompt file with two people on each side. Questions end where the answer begins.
fn prompts(folder: &Path, end: &str, more: (&str, &str)) {
    let mut text = format!("scenario,variation,name_group,name,prompt_text{}\n", more.0);
    for (group, name) in
        [("white", "Emily"), ("white", "Todd"), ("black", "Jamal"), ("black", "Tyra")]
    {
        text += &format!("offers,bicycle,{group},{name},An offer to {name}.{end}{}\n", more.1);
    }
    fs::write(folder.join("my.csv"), text).unwrap();
}

/// A folder with raw prompts.
fn raw_prompts() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    prompts(folder.path(), &format!(" {MARK}"), ("", ""));
    folder
}

fn audit(server: &Server, folder: &Path, args: &str) -> Ran {
    let own = format!("--hosted fake --url http://{} --prompts my.csv {args}", server.at);
    run("audit", folder, &own)
}

fn lines(folder: &Path, name: &str) -> usize {
    fs::read_to_string(folder.join(name)).unwrap().lines().count()
}

#[test]
fn the_tables_are_those_of_a_local_model() {
    let (own, folder) = (server(ALL), raw_prompts());
    let ran = audit(&own, folder.path(), "--raw --save-answers answers.csv --in-flight 3");
    for word in [
        "3 requests at once",
        "every response is kept in fake.responses.jsonl",
        "answers by exact",
        "answered by fake (fp_1)",
        "sampling: temperature 1, nothing cut off",
    ] {
        assert!(ran.err.contains(word), "no `{word}` in\n{}", ran.err);
    }
    let table = ran.done();
    assert!(table.contains("bicycle") && table.contains("offers"), "{table}");
    let answers = fs::read_to_string(folder.path().join("answers.csv")).unwrap();
    // 0.4 * 0.4
    let five =
        |line: &&str| line.contains("Emily") && line.contains(",5,") && line.contains("0.16");
    assert!(answers.lines().any(|line| five(&line)), "{answers}");
    // The header, the probe, what it taught, and the requests.
    let kept = lines(folder.path(), "fake.responses.jsonl");
    assert_eq!(kept, 2 + own.requests().len());
    // A second time, nothing is asked, and the same is found.
    let before = own.requests().len();
    let json: serde_json::Value = serde_json::from_str(
        &audit(&own, folder.path(), "--raw --json --save-answers again.csv").done(),
    )
    .unwrap();
    assert_eq!(json[0]["context"], "offers");
    assert_eq!(fs::read_to_string(folder.path().join("again.csv")).unwrap(), answers);
    assert_eq!(own.requests().len(), before);
}

#[test]
fn a_run_is_counted_before_it_is_made() {
    let (own, folder) = (server(ALL), raw_prompts());
    let text = audit(&own, folder.path(), "--samples 20 --dry-run").done();
    assert!(text.contains("4 questions to fake"), "{text}");
    assert!(text.contains("requests: 4 to 80") && text.contains("at most: 1280"), "{text}");
    // A key that is missing is no matter.
    let text = audit(&own, folder.path(), "--samples 2 --dry-run --key-env NO_SUCH_KEY").done();
    assert!(text.contains("requests: 4 to 8"), "{text}");
    assert!(own.requests().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no record is begun");
}

#[test]
fn a_run_that_was_stopped_goes_on() {
    let (own, folder) = (server(Can { n: false, ..ALL }), raw_prompts());
    let args = "--samples 5 --record kept.jsonl --in-flight 2";
    audit(&own, folder.path(), &format!("{args} --max-requests 7"))
        .refused("one more request would exceed 7", &["run again"]);
    assert_eq!(lines(folder.path(), "kept.jsonl"), 8);
    audit(&own, folder.path(), &format!("{args} --max-tokens-total 60"))
        .refused("tokens of one more request would exceed 60", &["kept.jsonl", "7 already"]);
    let ran = audit(&own, folder.path(), args);
    assert!(ran.err.contains("answers by samples"), "{}", ran.err);
    ran.done();
    assert_eq!(own.requests().len(), 20);
    audit(&own, folder.path(), &format!("{args} --max-new-tokens 9"))
        .refused("the settings", &["kept.jsonl", "--record"]);
}

/// A run that is killed leaves a record that a later run goes on from.
#[test]
fn a_run_that_was_killed_goes_on() {
    let folder = raw_prompts();
    let own = Server::new(|request| {
        std::thread::sleep(std::time::Duration::from_millis(40));
        Does::json(&answer(Can { n: false, ..ALL }, request))
    });
    let url = format!("http://{}", own.at);
    let args =
        ["audit", "--hosted", "fake", "--url", &url, "--prompts", "my.csv", "--samples", "9"];
    let mut child = std::process::Command::new(crate::bias::file())
        .args(args)
        .args(["--in-flight", "2", "--record", "kept.jsonl"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while own.requests().len() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let asked = own.requests().len();
    audit(&own, folder.path(), "--samples 9 --record kept.jsonl --in-flight 2").done();
    // Those that were on their way were asked for nothing.
    let twice = own.requests().len() - 36;
    assert!(twice <= 2 && asked < 36, "{asked}, {}", own.requests().len());
}

#[test]
fn each_way_and_each_prefill_can_be_chosen() {
    let folder = raw_prompts();
    let ways = [
        ("--raw --way exact", "answers by exact"),
        ("--way paths", "answers by paths"),
        ("--way samples --samples 40 --seed 3 --temperature 0.9", "answers by samples"),
        ("--raw --samples 40 --protocol openai", "answers by samples"),
    ];
    for (args, way) in ways {
        let own = server(ALL);
        let record = format!("r{}.jsonl", args.replace(' ', ""));
        let ran = audit(&own, folder.path(), &format!("{args} --record {record}"));
        assert!(ran.err.contains(way), "{args}: {}", ran.err);
        ran.done();
    }
    prompts(folder.path(), "", ("", ""));
    for prefill in ["last-message", "continue-final-message", "prefix"] {
        let own = server(ALL);
        let args = format!("--answer-prefix {MARK} --prefill {prefill} --record {prefill}.jsonl");
        audit(&own, folder.path(), &args).done();
        let last = &own.requests().pop().unwrap().body;
        assert_eq!(last["messages"][1]["content"], MARK, "{prefill}");
    }
    let own = server(ALL);
    audit(&own, folder.path(), &format!("--answer-prefix {MARK}"))
        .refused("cannot be asked", &["--prefill", "--template-of"]);
}

#[test]
fn a_chat_template_is_applied_here() {
    let (own, folder) = (server(ALL), small(2));
    prompts(folder.path(), "", ("", ""));
    let args = format!("--answer-prefix {MARK} --template-of model --system Hello.");
    let ran = audit(&own, folder.path(), &args);
    assert!(ran.err.contains("answers by exact"), "{}", ran.err);
    ran.done();
    let first = own.requests().remove(0);
    let prompt = first.body["prompt"].as_str().unwrap();
    assert!(first.path == "/v1/completions" && prompt.ends_with(MARK), "{prompt}");
    assert!(prompt.contains("Hello.") && prompt.contains("An offer to Emily."), "{prompt}");
    let args = format!("--answer-prefix {MARK} --template-of model --template-arg");
    audit(&own, folder.path(), &format!("{args} enable_thinking=false --record a.jsonl")).done();
    for (args, about) in [
        ("--template-arg enable_thinking=false", "--template-arg"),
        ("--date 2026-11-29", "--date"),
    ] {
        audit(&own, folder.path(), args).refused(about, &["--template-of"]);
    }
    audit(&own, folder.path(), "--template-of nowhere").refused("nowhere", &[]);
}

#[test]
fn choices_have_log_odds_or_shares() {
    let folder = tempfile::tempdir().unwrap();
    prompts(folder.path(), "", ("", ""));
    let own = server(ALL);
    let choice = "--choices 5|12 --better 5";
    let ran = audit(&own, folder.path(), &format!("{choice} --record a.jsonl"));
    assert!(ran.err.contains("answers by paths"), "{}", ran.err);
    // Everybody gets the same log-odds: ln(0.4 / 0.16).
    assert!(ran.out.contains("0.916"), "{}", ran.out);
    ran.refused("no context has a difference", &[]);
    let args = format!("{choice} --way samples --samples 30 --choice-value");
    audit(&own, folder.path(), &format!("{args} probability --record b.jsonl")).done();
    audit(&own, folder.path(), &format!("{args} log-odds --record b.jsonl")).done();
    audit(&own, folder.path(), &format!("{args} log-odds-per-token"))
        .refused("log-odds-per-token", &["use log-odds"]);
}

#[test]
fn what_is_wrong_is_said_in_a_line() {
    let (own, folder) = (server(ALL), raw_prompts());
    let before = fs::read_dir(folder.path()).unwrap().count();
    for (args, about, words) in [
        ("--hosted m", "--prompts", &["hosted model"][..]),
        ("--hosted m --model org/name", "--model", &["cannot be used with"]),
        ("--hosted m --device cpu", "--device", &["cannot be used with"]),
        ("--url http://localhost:1", "required", &["--hosted <MODEL>"]),
        ("--hosted m --url ftp://x --prompts my.csv", "ftp://x", &["https://HOST/v1"]),
        ("--hosted m --prompts my.csv --key-env NO_SUCH_KEY", "NO_SUCH_KEY is not set", &[]),
        ("--hosted m --prompts my.csv", "OPENAI_API_KEY is not set", &[]),
        ("--hosted m --prompts my.csv --protocol anthropic", "ANTHROPIC_API_KEY is not set", &[]),
        ("--hosted m --way best", "best", &["exact", "paths", "samples"]),
        ("--hosted m --in-flight 0", "--in-flight", &[]),
    ] {
        let words_of = ["audit"].into_iter().chain(args.split_whitespace());
        Program::new(&crate::bias::file(), folder.path(), words_of)
            .without("OPENAI_API_KEY")
            .without("ANTHROPIC_API_KEY")
            .run()
            .refused(about, words);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
    audit(&own, folder.path(), "--way exact --samples 3").refused("--samples", &["leave one"]);
    let url = "--hosted fake --url http://127.0.0.1:1 --prompts my.csv --samples 2";
    run("audit", folder.path(), url).refused("nobody answers at", &["check the address"]);
}

/// A key is sent, and written nowhere.
#[test]
fn the_key_is_in_no_file_and_no_line() {
    let (own, folder) = (server(ALL), raw_prompts());
    let url = format!("http://{}", own.at);
    let args =
        ["audit", "--hosted", "fake", "--url", &url, "--prompts", "my.csv", "--samples", "3"];
    let args = args.into_iter().chain(["--key-env", "MY_KEY", "--save-answers", "a.csv", "--json"]);
    let ran = Program::new(&crate::bias::file(), folder.path(), args)
        .env("MY_KEY", "sk-very-secret-123")
        .run();
    assert!(!ran.err.contains("very-secret"), "{}", ran.err);
    assert!(!ran.done().contains("very-secret"));
    let bearer = Some("Bearer sk-very-secret-123");
    assert!(own.requests().iter().all(|own| own.header("authorization") == bearer));
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("very-secret"), "{text}");
    }
}

/// A new flag of hosted models needs a test here.
#[test]
fn every_flag_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let help = run("audit", folder.path(), "--help").done();
    let own = help.split("Models behind an HTTP interface:").nth(1).unwrap();
    let own = own.split("\nOptions:").next().unwrap();
    let tests = include_str!("hosted.rs");
    let found = flags(own);
    assert!(found.iter().any(|flag| flag == "--dry-run"), "{found:?}");
    for flag in found.iter().filter(|flag| *flag != "--help") {
        let tried = [format!("{flag} "), format!("{flag}\"")];
        assert!(tried.iter().any(|own| tests.contains(own.as_str())), "{flag}");
    }
}
