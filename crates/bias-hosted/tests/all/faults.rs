//! What goes wrong at a server: each fault is waited out, or said in one line.

use std::io::Write as _;
use std::time::Duration;

use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, Decoding, Respond};
use bias_hosted::http::Timeouts;
use bias_hosted::{Hosted, HostedError, Setup, Way};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::language::{ALL, answer};
use crate::server::{Does, Request, Server};

pub const TWO: Decoding = Decoding::Sampled { samples: 2, seed: 0 };

/// Fast and short of patience.
pub fn hasty(server: &Server) -> Setup {
    let mut setup = server.setup();
    setup.patience.first = Duration::from_millis(1);
    setup.patience.longest = Duration::from_millis(4);
    setup.patience.attempts = 4;
    setup.timeouts = Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(20) };
    setup
}

/// Asks a setup about Emily in a chat, several times.
pub fn ask_times(setup: Setup, times: usize, how: Decoding) -> Result<Vec<Answers>, String> {
    let model = Hosted::new(setup, None).map_err(|error| error.to_string())?;
    let asked = Asked { message: "Emily?", name: "Emily", prefix: None, raw: false };
    let question = model.prepare(&asked, Wanted::Words, 0).map_err(|error| error.to_string())?;
    model.respond(&vec![question; times], how, 1, &|_| {}).map_err(|error| lines(&error))
}

pub fn ask(setup: Setup) -> Result<Answers, String> {
    ask_times(setup, 1, TWO).map(|all| all.into_iter().next().unwrap())
}

/// An error with its causes.
pub fn lines(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(own) = cause {
        text += &format!("; {own}");
        cause = own.source();
    }
    text
}

/// A server that has this fault for some requests, and answers the others.
fn faulty(fault: impl Fn(&Request) -> Option<Does> + Send + Sync + 'static) -> Server {
    Server::new(move |request| fault(request).unwrap_or_else(|| Does::json(&answer(ALL, request))))
}

/// A fault at the first requests passes; one that stays is said.
fn passes(fault: fn(&Request) -> Does, said: &[&str]) {
    let server = faulty(move |request| (request.number < 2).then(|| fault(request)));
    let own = ask(hasty(&server)).unwrap();
    assert_eq!(own.answers.iter().map(|a| a.weight).sum::<f64>(), 2.0);
    assert_eq!(server.requests().len(), 3);
    let server = faulty(move |request| Some(fault(request)));
    let error = ask(hasty(&server)).unwrap_err();
    assert!(error.contains("gave up") && error.contains("after 4 attempts"), "{error}");
    for word in said {
        assert!(error.contains(word), "no `{word}` in {error}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn errors_of_the_server_pass() {
    for (status, number) in [(408, "408"), (409, "409"), (425, "425"), (429, "429"), (500, "500")] {
        let server =
            faulty(move |request| (request.number == 0).then(|| Does::status(status, "later")));
        ask(hasty(&server)).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(server.requests().len(), 2, "{number}");
    }
    passes(|_| Does::status(529, "overloaded_error"), &["status 529", "overloaded_error"]);
    passes(|_| Does::Says(502, vec![], b"<html>Bad Gateway</html>".into()), &["Bad Gateway"]);
    passes(|_| Does::status(429, "slow down"), &["status 429", "slow down"]);
}

#[test]
fn a_pause_that_is_asked_for_is_kept() {
    let server = faulty(|request| {
        let headers = vec![("retry-after-ms", "150".into())];
        (request.number == 0).then(|| Does::Says(429, headers, b"{}".into()))
    });
    let started = std::time::Instant::now();
    ask(hasty(&server)).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(150));
    // One that is longer than the patience is not.
    let server =
        faulty(|_| Some(Does::Says(429, vec![("retry-after", "7200".into())], b"{}".into())));
    let error = ask(hasty(&server)).unwrap_err();
    assert!(error.contains("gave up") && error.contains("after 1 attempts"), "{error}");
}

#[test]
fn broken_answers_pass() {
    passes(|_| Does::Closes, &["broke"]);
    let cut = |_: &Request| {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"model\": \"fa".to_vec();
        Does::Raw(vec![(Duration::ZERO, text)])
    };
    passes(cut, &["broke within an answer"]);
    let cut_chunk = |_: &Request| {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{\"mo".to_vec();
        Does::Raw(vec![(Duration::ZERO, text)])
    };
    passes(cut_chunk, &["broke within an answer"]);
    passes(|_| Does::Says(200, vec![], b"{\"choices\": [".into()), &["no JSON", "choices"]);
    passes(|_| Does::Says(200, vec![], b"".into()), &["no JSON"]);
    passes(|_| Does::json(&json!({"choices": []})), &["no `choices`", "--protocol"]);
    passes(|_| Does::json(&json!({"error": {"message": "odd", "code": 503}})), &["503", "odd"]);
}

#[test]
fn a_slow_server_is_waited_for_up_to_a_limit() {
    let late = |request: &Request, pause| {
        let body = answer(ALL, request).to_string();
        let (first, second) = body.split_at(body.len() / 2);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{first}", body.len());
        let parts = vec![(pause, head.into_bytes()), (pause, second.as_bytes().to_vec())];
        Does::Raw(parts)
    };
    let server = faulty(move |request| Some(late(request, Duration::from_millis(150))));
    ask(hasty(&server)).unwrap();
    let setup = Setup {
        timeouts: Timeouts {
            connect: Duration::from_millis(50),
            answer: Duration::from_millis(50),
        },
        ..hasty(&server)
    };
    let error = ask(setup).unwrap_err();
    assert!(error.contains("gave up") && error.contains("did not answer in time"), "{error}");
}

#[test]
fn characters_may_be_split_between_chunks_and_bodies_compressed() {
    let euro = json!({"model": "fake", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"content": "5 €, 谢谢"}}]});
    let said = |own: &Answers| own.answers[0].text.clone();
    let body = euro.clone();
    let server = faulty(move |_| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let bytes = body.to_string().into_bytes();
        let chunk = |byte: &u8| (Duration::ZERO, [b"1\r\n", &[*byte][..], b"\r\n"].concat());
        let mut parts = vec![(Duration::ZERO, head)];
        parts.extend(bytes.iter().map(chunk));
        parts.push((Duration::ZERO, b"0\r\n\r\n".to_vec()));
        Some(Does::Raw(parts))
    });
    assert_eq!(said(&ask(hasty(&server)).unwrap()), "5 €, 谢谢");
    let server = faulty(move |request| {
        assert!(request.header("accept-encoding").unwrap().contains("gzip"));
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(euro.to_string().as_bytes()).unwrap();
        let headers = vec![("content-encoding", "gzip".into())];
        Some(Does::Says(200, headers, out.finish().unwrap()))
    });
    assert_eq!(said(&ask(hasty(&server)).unwrap()), "5 €, 谢谢");
    // Compressed, and cut.
    let torn = |_: &Request| {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(&[b'x'; 5000]).unwrap();
        let mut bytes = out.finish().unwrap();
        bytes.truncate(bytes.len() / 2);
        Does::Says(200, vec![("content-encoding", "gzip".into())], bytes)
    };
    passes(torn, &["broke within an answer"]);
}

#[test]
fn what_does_not_pass_is_asked_once() {
    for (does, said) in [
        (Does::status(400, "max_tokens is too large"), "max_tokens is too large"),
        (Does::status(401, "no such key"), "status 401"),
        (Does::Says(401, vec![], b"".into()), "--key-env"),
        (Does::status(404, "the model `fake` does not exist"), "does not exist"),
        (Does::status(429, "You exceeded your current quota, please check"), "quota"),
        (Does::status(402, "pay"), "quota"),
        (
            Does::json(&json!({"model": "other", "choices": [{"message": {"content": "5"}}]})),
            "`other` answers",
        ),
    ] {
        let server = faulty(move |_| Some(does.clone()));
        let error = ask(hasty(&server)).unwrap_err();
        assert!(error.contains(said), "no `{said}` in {error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[test]
fn an_answer_of_100_megabytes_is_refused_before_it_is_read() {
    let server = faulty(|_| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n".to_vec();
        let mut parts = vec![(Duration::ZERO, head)];
        parts.extend((0..100).map(|_| (Duration::ZERO, vec![b' '; 1 << 20])));
        Some(Does::Raw(parts))
    });
    let error = ask(hasty(&server)).unwrap_err();
    assert!(error.contains("larger than 33554432 bytes"), "{error}");
    // The same compressed to a tenth of a megabyte.
    let server = faulty(|_| {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        (0..100).for_each(|_| out.write_all(&vec![b' '; 1 << 20]).unwrap());
        let headers = vec![("content-encoding", "gzip".into())];
        Some(Does::Says(200, headers, out.finish().unwrap()))
    });
    let error = ask(hasty(&server)).unwrap_err();
    assert!(error.contains("larger than 33554432 bytes"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn log_probabilities_that_are_missing_or_unknown_are_no_zero() {
    const EXACT: Decoding = Decoding::Exact { unexplored: 1e-3, tokens: 30, seed: 0 };
    let chat = |change: fn(&mut serde_json::Value, usize)| {
        let server = Server::new(move |request| {
            let mut own = answer(ALL, request);
            change(&mut own, request.number);
            Does::json(&own)
        });
        let setup = Setup { way: Some(Way::Paths), ..hasty(&server) };
        ask_times(setup, 1, EXACT).map(|mut all| all.remove(0))
    };
    // Not known is unexplored.
    let own = chat(|own, number| {
        if number > 0 {
            for choice in own["choices"].as_array_mut().unwrap() {
                for step in choice["logprobs"]["content"].as_array_mut().unwrap() {
                    step["logprob"] = (-9999.0).into();
                    step["top_logprobs"] = json!([{"token": "5", "logprob": -9999.0}]);
                }
            }
        }
    });
    let own = own.unwrap();
    assert!(own.answers.is_empty() && own.unexplored == 1.0, "{own:?}");
    let error = chat(|own, number| {
        if number > 0 {
            own["choices"][0]["logprobs"] = serde_json::Value::Null;
        }
    });
    assert!(error.unwrap_err().contains("no log-probabilities of this answer"));
    let error = chat(|own, number| {
        if number > 0 {
            own["choices"][0]["logprobs"]["content"][0]["logprob"] = "high".into();
        }
    });
    assert!(error.unwrap_err().contains("odd"));
}

#[test]
fn one_failure_ends_a_run_and_nothing_more_is_sent() {
    let server = faulty(|request| (request.number == 10).then(|| Does::status(400, "enough")));
    let error = ask_times(hasty(&server), 500, TWO).unwrap_err();
    assert!(error.contains("enough"), "{error}");
    // Those in flight come to their end; how many, the machine decides.
    assert!(server.requests().len() < 250, "{}", server.requests().len());
    let setup = hasty(&server);
    let model = Hosted::new(setup, None).unwrap();
    let asked = Asked { message: "Tom?", name: "Emily", prefix: None, raw: false };
    let error = model.prepare(&asked, Wanted::Words, 0).unwrap_err().to_string();
    assert!(error.contains("Emily"), "{error}");
    assert!(!HostedError::Stopped.passes());
}
