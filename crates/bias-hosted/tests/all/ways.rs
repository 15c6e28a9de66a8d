//! Each way against a language model whose distribution of answers is known.

use bias_ask::question::Choices;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, Decoding, Respond};
use bias_hosted::wire::{Endpoint, Prefill};
use bias_hosted::{Hosted, Setup, Way};

use crate::language::{self, ALL, Can, MARK, server, shares, truth};
use crate::server::{Does, Server};

const EXACT: Decoding = Decoding::Exact { unexplored: 1e-3, tokens: 400, seed: 0 };

fn samples(samples: u32) -> Decoding {
    Decoding::Sampled { samples, seed: 5 }
}

/// The answers about Emily, in a raw prompt or a chat.
fn ask(setup: Setup, raw: bool, wanted: Wanted<'_>, how: Decoding) -> Result<Answers, String> {
    let model = Hosted::new(setup, None).map_err(|error| error.to_string())?;
    let number = matches!(wanted, Wanted::Number);
    let message = format!("An offer to Emily.{}", if number { "" } else { " Answer:" });
    let asked = Asked { message: &message, name: "Emily", prefix: number.then_some(MARK), raw };
    let question = model.prepare(&asked, wanted, 3).map_err(|error| error.to_string())?;
    let answers = model.respond(&[question], how, 1, &|_| {}).map_err(|error| error.to_string())?;
    assert_eq!(answers.len(), 1);
    let own = answers.into_iter().next().unwrap();
    let total: f64 = own.answers.iter().map(|a| a.weight).sum::<f64>() + own.unexplored;
    if matches!(how, Decoding::Exact { .. }) {
        assert!((total - 1.0).abs() < 1e-9, "{total}");
    }
    Ok(own)
}

/// Whether every answer lies within what the explored part leaves open.
fn bounded(own: &Answers) {
    let known = shares(own);
    for (text, p) in truth() {
        let least = known.get(&text).copied().unwrap_or(0.0);
        assert!(least <= p + 1e-9 && p <= least + own.unexplored + 1e-9, "{text}: {least}, {p}");
    }
}

#[test]
fn the_exact_way_finds_every_answer_that_can_be_sent() {
    for tells_end in [true, false] {
        let server = server(Can { tells_end, ..ALL });
        let own = ask(server.setup(), true, Wanted::Words, EXACT).unwrap();
        bounded(&own);
        let known = shares(&own);
        // Where an answer always ends and the server does not tell it, nothing else can be drawn.
        let certain = ["500", "5 dollars", "10", "120", " I refuse.", "~"];
        let mut total = 0.0;
        for (text, p) in truth() {
            // Half a character cannot be sent, and `12` from `1` is not how the server writes it.
            let p = match text.as_str() {
                "12" => 0.08,
                "120" => 0.02,
                text if text.starts_with('€') => 0.0,
                _ => p,
            };
            let p = match certain.contains(&text.as_str()) && !tells_end {
                true => 0.0,
                false => p,
            };
            let found = known.get(&text).copied().unwrap_or(0.0);
            assert!((found - p).abs() < 1e-6, "{text}: {found} instead of {p}");
            total += p;
        }
        assert!((own.unexplored - (1.0 - total)).abs() < 1e-6, "{}", own.unexplored);
        assert!(!tells_end || (own.unexplored - 0.16).abs() < 1e-6, "{}", own.unexplored);
    }
}

#[test]
fn a_budget_ends_the_search_and_what_is_left_is_said() {
    let server = server(ALL);
    let few = Decoding::Exact { unexplored: 1e-3, tokens: 3, seed: 0 };
    let own = ask(server.setup(), true, Wanted::Words, few).unwrap();
    bounded(&own);
    assert!(own.unexplored > 0.3 && own.unexplored < 1.0, "{}", own.unexplored);
    // The probe, and one request that showed all three.
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn few_alternatives_leave_the_rest_unexplored() {
    let server = server(Can { most: 2, ..ALL });
    let own = ask(server.setup(), true, Wanted::Words, EXACT).unwrap();
    bounded(&own);
    assert!(own.unexplored > 0.39, "{}", own.unexplored);
}

#[test]
fn a_server_that_refuses_many_alternatives_is_asked_for_fewer() {
    for (most, asked) in [(500, vec![100]), (20, vec![100, 20]), (5, vec![100, 20, 5])] {
        let server = Server::new(move |request| {
            let wanted = request.body["logprobs"].as_u64().unwrap_or(0);
            match wanted > most {
                true => Does::status(400, &format!("logprobs must be at most {most}")),
                false => Does::json(&language::answer(ALL, request)),
            }
        });
        let own = ask(server.setup(), true, Wanted::Words, EXACT).unwrap();
        bounded(&own);
        let wanted: Vec<u64> =
            server.requests().iter().filter_map(|own| own.body["logprobs"].as_u64()).collect();
        let (probes, rest) = wanted.split_at(asked.len());
        assert_eq!(probes, asked);
        assert!(!rest.is_empty() && rest.iter().all(|own| Some(own) == asked.last()), "{rest:?}");
    }
}

#[test]
fn paths_give_exact_probabilities_of_what_was_seen() {
    let server = server(ALL);
    let own = ask(server.setup(), false, Wanted::Words, EXACT).unwrap();
    bounded(&own);
    assert!(own.unexplored < 0.05, "{}", own.unexplored);
    assert!(shares(&own).keys().any(|text| text.contains('€')), "half characters are no matter");
    assert!(server.requests().iter().all(|own| own.path == "/v1/chat/completions"));
    // Without the end's probability, only bounds are left, and only by request.
    let server = language::server(Can { tells_end: false, ..ALL });
    let error = ask(server.setup(), false, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("--samples N") && error.contains("--way paths"), "{error}");
    let setup = Setup { way: Some(Way::Paths), ..server.setup() };
    let own = ask(setup, false, Wanted::Words, EXACT).unwrap();
    bounded(&own);
}

#[test]
fn samples_are_counted() {
    for can in [ALL, Can { n: false, ..ALL }, Can { log_probs: false, ..ALL }] {
        for raw in [true, false] {
            let server = server(can);
            let own = ask(server.setup(), raw, Wanted::Words, samples(2000)).unwrap();
            assert_eq!(own.answers.iter().map(|a| a.weight).sum::<f64>(), 2000.0);
            let known = shares(&own);
            for (text, p) in truth() {
                let found = known.get(&text).copied().unwrap_or(0.0);
                let error = (p * (1.0 - p) / 2000.0).sqrt();
                assert!((found - p).abs() < 5.0 * error + 1e-9, "{text}: {found} instead of {p}");
            }
            let requests = server.requests().len();
            let expected = if can.n { 16 } else { 2000 };
            assert_eq!(requests, expected);
        }
    }
}

#[test]
fn numbers_are_asked_in_each_way() {
    // 5, 50 and 500 end with whatever is no digit.
    let expected = [("5", 0.2), ("50", 0.18), ("500", 0.02), ("", 0.3)];
    let server = server(ALL);
    let own = ask(server.setup(), true, Wanted::Number, EXACT).unwrap();
    let known = shares(&own);
    for (text, p) in expected {
        // The half of `€` may begin a number or not: it is taken as none.
        assert!((known[text] - p).abs() < 1e-6, "{text}: {}", known[text]);
    }
    let chat = |prefill| Setup { prefill, ..server.setup() };
    let error = ask(chat(None), false, Wanted::Number, EXACT).unwrap_err();
    assert!(error.contains("--prefill") && error.contains("--template-of"), "{error}");
    let before = server.requests().len();
    let own = ask(chat(Some(Prefill::Prefix)), false, Wanted::Number, EXACT).unwrap();
    let known = shares(&own);
    assert!((known["5"] - 0.2).abs() < 1e-6, "{}", known["5"]);
    assert_eq!(server.requests()[before + 1].body["messages"][1]["prefix"], true);
    let own = ask(chat(Some(Prefill::ContinueFinalMessage)), false, Wanted::Number, samples(2000));
    let known = shares(&own.unwrap());
    assert!((known["5"] - 0.2).abs() < 0.045, "{}", known["5"]);
    let last = &server.requests().pop().unwrap().body;
    assert_eq!(last["continue_final_message"], true);
    assert_eq!(last["add_generation_prompt"], false);
}

#[test]
fn choices_are_weighed_by_the_texts_of_tokens() {
    let choices = Choices::parse("50,5|12", "50").unwrap();
    let server = server(ALL);
    for (raw, decoding) in [(true, EXACT), (false, EXACT), (false, samples(10))] {
        // A chat has no space before the word; neither has this raw prompt, which ends with a colon
        // and would have one.
        let own = ask(server.setup(), raw, Wanted::Choice(&choices), decoding).unwrap();
        let weight =
            |text: &str| own.answers.iter().find(|a| a.text == text).map_or(f64::NAN, |a| a.weight);
        if raw {
            assert_eq!((weight("50"), weight("12")), (0.0, 0.0));
            continue;
        }
        // `5` is a word of its own, and what begins with it counts with it.
        assert!((weight("5") - 0.4).abs() < 1e-9 && weight("50") == 0.0, "{own:?}");
        // 12 as one token, or as two.
        assert!((weight("12") - 0.16).abs() < 1e-9, "{own:?}");
        assert!((weight("") - 0.44).abs() < 1e-9, "{own:?}");
    }
    let setup = Setup { way: Some(Way::Samples), ..server.setup() };
    let own = ask(setup, false, Wanted::Choice(&choices), samples(1000)).unwrap();
    assert_eq!(own.answers.iter().map(|a| a.weight).sum::<f64>(), 1001.0);
}

#[test]
fn what_a_server_does_not_offer_is_said() {
    let server = server(Can { log_probs: false, ..ALL });
    let error = ask(server.setup(), true, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("no log-probabilities") && error.contains("--samples N"), "{error}");
    let setup = Setup { way: Some(Way::Exact), ..server.setup() };
    let error = ask(setup, false, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("--raw") && error.contains("--template-of"), "{error}");
    let setup = Setup { way: Some(Way::Samples), ..server.setup() };
    let error = ask(setup, false, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("--samples N"), "{error}");
    let mut setup = language::server(ALL).setup();
    setup.options.sampling = setup.options.sampling.with_temperature(0.5).unwrap();
    let error = ask(setup, true, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("temperature 1") && error.contains("temperature 0.5"), "{error}");
}

#[test]
fn the_ways_are_reported_with_who_answered() {
    let server = server(ALL);
    let model = Hosted::new(server.setup(), None).unwrap();
    let message = format!("An offer to Emily. {MARK}");
    let of = |raw| {
        let asked = Asked { message: &message, name: "Emily", prefix: None, raw };
        model.prepare(&asked, Wanted::Words, 3).unwrap()
    };
    assert!(model.identity().unwrap().configuration.contains("\"fingerprints\":[]"));
    let own = model.respond(&[of(true), of(false), of(true)], EXACT, 1, &|_| {}).unwrap();
    assert_eq!(own[0], own[2]);
    assert_eq!(model.ways(), [(Endpoint::Completions, Way::Exact), (Endpoint::Chat, Way::Paths)]);
    assert!(model.identity().unwrap().configuration.contains("fp_1"));
    assert_eq!(model.seen().fingerprints.len(), 1);
    assert_eq!(model.seen().changed(), None);
    assert!(
        model.spent().tokens() > 10 && model.spent().requests == server.requests().len() as u64
    );
    // The words are those that the model sees, where they are known.
    assert_eq!(model.written(&of(true)).unwrap().as_deref(), Some(message.as_str()));
    assert_eq!(model.written(&of(false)).unwrap(), None);
    assert_ne!(model.key(&of(true)), model.key(&of(false)));
}

#[test]
fn a_fingerprint_that_changes_is_told() {
    let server = Server::new(|request| {
        let mut own = language::answer(ALL, request);
        own["system_fingerprint"] = if request.number < 2 { "fp_a" } else { "fp_b" }.into();
        Does::json(&own)
    });
    let model = Hosted::new(server.setup(), None).unwrap();
    let asked = Asked { message: "Emily?", name: "Emily", prefix: None, raw: false };
    let question = model.prepare(&asked, Wanted::Words, 0).unwrap();
    let all = vec![question; 5];
    model.respond(&all, samples(1), 1, &|_| {}).unwrap();
    let told = model.seen().changed().unwrap();
    assert!(told.contains("fp_a (2), fp_b (3)"), "{told}");
}

#[test]
fn anthropic_draws_one_by_one_and_is_begun_by_a_last_message() {
    let server = Server::new(|request| {
        let text = ["5", "50 dollars"][request.number % 2];
        let body = serde_json::json!({"model": "fake-20260101", "type": "message",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 1}});
        Does::json(&body)
    });
    let anthropic = bias_hosted::Protocol::Anthropic;
    let setup = Setup::new(server.address(), anthropic, "fake");
    let own = ask(setup.clone(), false, Wanted::Number, samples(4)).unwrap();
    let known = shares(&own);
    assert_eq!((known["5"], known["50 "]), (0.5, 0.5));
    let all = server.requests();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|own| own.path == "/v1/messages"
        && own.header("anthropic-version") == Some("2023-06-01")
        && own.body.get("temperature").is_none()
        && own.body.get("seed").is_none()));
    assert_eq!(all[0].body["messages"][1]["role"], "assistant");
    let error = ask(setup.clone(), true, Wanted::Words, samples(4)).unwrap_err();
    assert!(error.contains("continue no plain text"), "{error}");
    let error = ask(setup.clone(), false, Wanted::Words, EXACT).unwrap_err();
    assert!(error.contains("--samples N"), "{error}");
    let error = ask(Setup { way: Some(Way::Paths), ..setup }, false, Wanted::Words, samples(1));
    assert!(error.unwrap_err().contains("tell none"));
}
