//! A run that was stopped goes on where it was, and asks nothing twice.

use std::fs;
use std::path::Path;

use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, Decoding, Respond};
use bias_hosted::manners::Caps;
use bias_hosted::{Hosted, Setup};

use crate::faults::{hasty, lines};
use crate::language::{ALL, Can, answer, server};
use crate::server::{Does, Server};

const NAMES: [&str; 6] = ["Emily", "Todd", "Anne", "Jamal", "Tyra", "Kenya"];
const THREE: Decoding = Decoding::Sampled { samples: 3, seed: 1 };
const EXACT: Decoding = Decoding::Exact { unexplored: 1e-3, tokens: 60, seed: 0 };

/// Asks about everybody, raw and in a chat.
fn run(setup: Setup, record: &Path, how: Decoding) -> (Result<Vec<Answers>, String>, Hosted) {
    let model = Hosted::new(setup, Some(record)).unwrap();
    let questions = NAMES.iter().enumerate().flat_map(|(i, name)| {
        let of = |raw| {
            let message = format!("An offer to {name}. Answer:");
            let asked = Asked { message: &message, name, prefix: None, raw };
            model.prepare(&asked, Wanted::Words, i as u64).unwrap()
        };
        [of(true), of(false)]
    });
    let questions: Vec<_> = questions.collect();
    let own = model.respond(&questions, how, 1, &|_| {});
    (own.map_err(|error| lines(&error)), model)
}

#[test]
fn nothing_is_asked_twice_wherever_a_run_was_stopped() {
    for (how, can) in [(THREE, Can { n: false, ..ALL }), (THREE, ALL), (EXACT, ALL)] {
        let folder = tempfile::tempdir().unwrap();
        let whole = server(can);
        let (own, _) = run(whole.setup(), &folder.path().join("whole.jsonl"), how);
        let (expected, total) = (own.unwrap(), whole.requests().len());
        let own = server(can);
        let path = folder.path().join("record.jsonl");
        let mut stops = 0;
        loop {
            // Seven requests at a time, as if it were killed then.
            let caps = Caps { requests: Some(7), tokens: None };
            let setup = Setup { caps, in_flight: 3, ..own.setup() };
            match run(setup, &path, how).0 {
                Err(error) => assert!(error.contains("run again to go on"), "{error}"),
                Ok(answers) => {
                    assert_eq!(answers, expected);
                    break;
                }
            }
            stops += 1;
        }
        assert!(stops >= 1, "{stops}");
        let sorted = |own: &Server| {
            let mut all: Vec<String> =
                own.requests().iter().map(|own| format!("{}{}", own.path, own.body)).collect();
            all.sort();
            all
        };
        assert_eq!(sorted(&own), sorted(&whole));
        let mut bodies: Vec<String> =
            own.requests().iter().map(|own| format!("{}{}", own.path, own.body)).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), total, "each was asked once");
        // Everything is known now: the server is not needed.
        let before = own.requests().len();
        let (answers, model) = run(own.setup(), &path, how);
        assert_eq!((answers.unwrap(), own.requests().len()), (expected, before));
        assert_eq!((model.seen().asked, model.spent().requests), (0, 0));
        // What the server offers was learnt from a request at each endpoint, and is known without it.
        let probes = if how == EXACT { 2 } else { 0 };
        assert_eq!(model.seen().from_record as usize, total - probes);
    }
}

#[test]
fn a_torn_last_line_is_dropped_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let own = server(ALL);
    let (expected, model) = run(own.setup(), &path, THREE);
    let (kept, total) = (model.journal().unwrap().len(), own.requests().len());
    assert!(!model.journal().unwrap().was_torn() && kept == total);
    drop(model);
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 9]).unwrap();
    let (answers, model) = run(own.setup(), &path, THREE);
    assert!(model.journal().unwrap().was_torn());
    assert_eq!((answers, own.requests().len()), (expected.clone(), total + 1));
    drop(model);
    let (answers, model) = run(own.setup(), &path, THREE);
    assert!(!model.journal().unwrap().was_torn());
    assert_eq!((answers, own.requests().len()), (expected, total + 1));
}

/// A file that was named by mistake is refused and stays, whether it has lines or not.
#[test]
fn a_file_that_is_no_record_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let own = server(ALL);
    for text in ["{\"precious\": true}", "precious\n", "\0\0"] {
        fs::write(&path, text).unwrap();
        let refused = Hosted::new(own.setup(), Some(&path)).unwrap_err();
        assert!(lines(&refused).contains("does not begin a record"), "{}", lines(&refused));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// A changed answer is not taken over. Records of earlier versions have no hashes.
#[test]
fn a_changed_response_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let own = server(ALL);
    let (expected, model) = run(own.setup(), &path, THREE);
    drop(model);
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("\"index\":0", "\"index\":1");
    assert_ne!(changed, text);
    fs::write(&path, changed).unwrap();
    let error = run(own.setup(), &path, THREE).0.unwrap_err();
    assert!(error.contains("its own hash") && error.contains("delete its line"), "{error}");
    let without = |line: &str| match line.split_once(",\"sha256\":") {
        Some((before, rest)) => format!("{before}{}\n", &rest[66..]),
        None => format!("{line}\n"),
    };
    fs::write(&path, text.lines().map(without).collect::<String>()).unwrap();
    let before = own.requests().len();
    assert_eq!(run(own.setup(), &path, THREE).0, expected);
    assert_eq!(own.requests().len(), before);
}

#[test]
fn a_record_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let own = server(ALL);
    run(own.setup(), &path, THREE).0.unwrap();
    let before = fs::read(&path).unwrap();
    let refused = |setup: Setup, words: &[&str]| {
        let error = Hosted::new(setup, Some(&path)).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before, "it is left as it was");
    };
    let other = Setup { model: "other".into(), ..own.setup() };
    refused(other, &["the model `fake`", "`other`", "--record"]);
    refused(server(ALL).setup(), &["the server"]);
    let mut longer = own.setup();
    longer.options.max_new_tokens = 17;
    refused(longer, &["the settings", "17"]);
    refused(Setup { system: Some("Hi.".into()), ..own.setup() }, &["the settings", "Hi."]);
    let mut lines: Vec<&str> = std::str::from_utf8(&before).unwrap().lines().collect();
    lines[2] = "{\"key\": \"12\"}";
    let damaged = folder.path().join("damaged.jsonl");
    for (text, word) in
        [(lines.join("\n") + "\n", "line 3"), ("name,answer\nEmily,5\n".into(), "line 1")]
    {
        fs::write(&damaged, text).unwrap();
        let error = Hosted::new(own.setup(), Some(&damaged)).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("damaged.jsonl"), "{error}");
    }
    let error = Hosted::new(own.setup(), Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("the record"), "{error}");
}

#[test]
fn two_runs_do_not_share_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let own = server(ALL);
    let first = Hosted::new(own.setup(), Some(&path)).unwrap();
    let error = Hosted::new(own.setup(), Some(&path)).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    drop(first);
    Hosted::new(own.setup(), Some(&path)).unwrap();
}

#[test]
fn what_was_learnt_of_a_server_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let own = Server::new(|request| match request.body.get("min_p") {
        Some(_) => Does::status(400, "extra field: min_p"),
        None => Does::json(&answer(Can { n: false, ..ALL }, request)),
    });
    let (expected, _) = run(hasty(&own), &path, THREE);
    let before = own.requests().len();
    let (answers, _) = run(hasty(&own), &path, THREE);
    assert_eq!((answers, own.requests().len()), (expected, before));
}
