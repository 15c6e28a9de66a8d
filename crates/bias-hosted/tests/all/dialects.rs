//! Servers that refuse a field are asked without it, if that changes no answer.

use bias_ask::Respond as _;
use bias_ask::text::{Asked, Wanted};
use bias_hosted::wire::Endpoint;
use bias_hosted::{Hosted, Setup};

use crate::faults::{TWO, ask, hasty};
use crate::language::{ALL, answer};
use crate::server::{Does, Server};

/// A server that takes only these fields.
fn strict(fields: &'static [&'static str], status: u16) -> Server {
    Server::new(move |request| {
        let own = request.body.as_object().unwrap();
        match own.keys().find(|field| !fields.contains(&field.as_str())) {
            Some(field) => {
                Does::status(status, &format!("Unrecognized argument supplied: {field}"))
            }
            None => Does::json(&answer(ALL, request)),
        }
    })
}

#[test]
fn a_strict_server_is_asked_without_what_it_does_not_know() {
    let server = strict(&["model", "messages", "max_tokens", "temperature", "top_p", "n"], 400);
    let model = Hosted::new(hasty(&server), None).unwrap();
    let asked = Asked { message: "Emily?", name: "Emily", prefix: None, raw: false };
    let question = model.prepare(&asked, Wanted::Words, 0).unwrap();
    model.respond(&vec![question; 9], TWO, 1, &|_| {}).unwrap();
    let expected = ["min_p", "repeat_penalty", "repetition_penalty", "seed", "top_k"];
    assert_eq!(model.refused_fields(Endpoint::Chat), expected);
    assert_eq!(server.requests().len(), 5 + 9, "it is learnt once");
    let server = strict(&["model", "messages", "max_tokens"], 422);
    ask(hasty(&server)).unwrap();
    assert_eq!(server.requests().last().unwrap().body.as_object().unwrap().len(), 3);
}

#[test]
fn a_setting_that_matters_is_not_left_out() {
    let server = strict(&["model", "messages", "max_tokens", "temperature", "top_p", "n"], 400);
    let mut setup: Setup = hasty(&server);
    setup.options.sampling = setup.options.sampling.with_top_k(Some(3));
    let error = ask(setup).unwrap_err();
    assert!(error.contains("top_k"), "{error}");
}

#[test]
fn the_limit_has_two_names() {
    let server = Server::new(|request| match request.body.get("max_tokens") {
        Some(_) => Does::status(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
             'max_completion_tokens' instead.",
        ),
        None => Does::json(&answer(ALL, request)),
    });
    ask(hasty(&server)).unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!(last.body["max_completion_tokens"], 16);
}
