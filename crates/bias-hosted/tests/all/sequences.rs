//! Whatever faults come in whatever order, no answer is lost and none counts twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bias_ask::text::{Asked, Wanted};
use bias_ask::{Decoding, Respond};
use bias_hosted::Hosted;
use proptest::prelude::*;
use serde_json::json;

use crate::faults::hasty;
use crate::server::{Does, Server};

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Closes,
    Cut,
    Slow,
    TooMany,
    TooManyNow,
    Status(u16),
    NoJson,
    Empty,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Closes),
        1 => Just(Fault::Cut),
        1 => Just(Fault::Slow),
        1 => Just(Fault::TooMany),
        1 => Just(Fault::TooManyNow),
        1 => prop_oneof![Just(500u16), Just(502), Just(503), Just(529), Just(408), Just(409)]
            .prop_map(Fault::Status),
        1 => Just(Fault::NoJson),
        1 => Just(Fault::Empty),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_is_lost_or_counted_twice(
        faults in prop::collection::vec(fault(), 0..40),
        people in 1usize..12,
        samples in 1u32..5,
        several in any::<bool>(),
        in_flight in 1usize..5,
    ) {
        // Every answer that the server sends whole has a number of its own.
        let sent = Arc::new(Mutex::new(BTreeSet::new()));
        let kept = sent.clone();
        let server = Server::new(move |request| {
            let n = if several { request.body["n"].as_u64().unwrap_or(1) } else { 1 };
            let texts: Vec<String> = (0..n).map(|i| format!("{}.{i}", request.number)).collect();
            let choices: Vec<_> = texts.iter().enumerate().map(|(i, text)| json!({
                "index": i, "finish_reason": "stop", "message": {"content": text}})).collect();
            let body = json!({"model": "fake", "choices": choices}).to_string().into_bytes();
            let zero = Duration::ZERO;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            match faults.get(request.number).copied().unwrap_or(Fault::None) {
                Fault::Closes => Does::Closes,
                Fault::Cut => {
                    let half = body[..body.len() / 2].to_vec();
                    Does::Raw(vec![(zero, head.into_bytes()), (zero, half)])
                }
                Fault::TooMany => {
                    Does::Says(429, vec![("retry-after-ms", "3".into())], b"{}".into())
                }
                Fault::TooManyNow => Does::status(429, "slow down"),
                Fault::Status(status) => Does::status(status, "later"),
                Fault::NoJson => Does::Says(200, vec![], b"<html>".into()),
                Fault::Empty => Does::Says(200, vec![], Vec::new()),
                own @ (Fault::None | Fault::Slow) => {
                    kept.lock().unwrap().extend(texts);
                    match own {
                        Fault::Slow => {
                            let pause = Duration::from_millis(5);
                            Does::Raw(vec![(pause, head.into_bytes()), (pause, body)])
                        }
                        _ => Does::Says(200, vec![], body),
                    }
                }
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.jsonl");
        let mut setup = hasty(&server);
        setup.patience.attempts = 60;
        setup.in_flight = in_flight;
        let run = |setup| {
            let model = Hosted::new(setup, Some(&path)).unwrap();
            let questions: Vec<_> = (0..people).map(|i| {
                let name = format!("Emily{i}");
                let message = format!("{name}?");
                let asked = Asked { message: &message, name: &name, prefix: None, raw: false };
                model.prepare(&asked, Wanted::Words, 0).unwrap()
            }).collect();
            let how = Decoding::Sampled { samples, seed: 0 };
            model.respond(&questions, how, 1, &|_| {}).unwrap()
        };
        let answers = run(setup.clone());
        let texts: Vec<&str> =
            answers.iter().flat_map(|own| &own.answers).map(|own| own.text.as_str()).collect();
        let distinct: BTreeSet<String> = texts.iter().map(|own| (*own).to_owned()).collect();
        prop_assert_eq!(texts.len(), people * samples as usize, "none is lost");
        prop_assert_eq!(distinct.len(), texts.len(), "none counts twice");
        prop_assert_eq!(&distinct, &*sent.lock().unwrap(), "all that came whole count");
        let record = std::fs::read_to_string(&path).unwrap();
        for text in &distinct {
            prop_assert_eq!(record.matches(&format!("\"{text}\"")).count(), 1);
        }
        let before = server.requests().len();
        prop_assert_eq!(run(setup), answers);
        prop_assert_eq!(server.requests().len(), before);
    }
}
