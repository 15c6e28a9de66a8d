//! Patience, pace and limits, on a clock that does not wait.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bias_ask::text::{Asked, Wanted};
use bias_ask::{Decoding, Respond};
use bias_hosted::manners::{Caps, Clock, Patience};
use bias_hosted::{Estimate, Hosted, Protocol, Setup};
use jiff::Timestamp;

use crate::faults::{TWO, lines};
use crate::language::{ALL, answer};
use crate::server::{Does, Request, Server};

/// A clock on which sleep takes no time.
#[derive(Debug, Default)]
struct Quick {
    now: Mutex<Duration>,
    slept: Mutex<Vec<Duration>>,
}

impl Clock for Quick {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        "2026-11-29T12:00:00Z".parse::<Timestamp>().unwrap() + self.now()
    }

    fn sleep(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
        self.slept.lock().unwrap().push(time);
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

/// Asks so many questions one after the other; what came of it, and the time that it took.
fn run(
    change: impl FnOnce(&mut Setup),
    questions: usize,
    handler: impl Fn(&Request) -> Does + Send + Sync + 'static,
) -> (Result<f64, String>, Duration, Hosted, Server) {
    let server = Server::new(handler);
    let clock = Arc::new(Quick::default());
    let mut setup = Setup { in_flight: 1, ..server.setup() };
    change(&mut setup);
    let model = Hosted::on(setup, None, clock.clone()).unwrap();
    let asked = Asked { message: "Emily?", name: "Emily", prefix: None, raw: false };
    let question = model.prepare(&asked, Wanted::Words, 0).unwrap();
    let own = model.respond(&vec![question; questions], TWO, 1, &|_| {});
    let weight = own.map_err(|error| lines(&error));
    let weight = weight.map(|all| all.iter().flat_map(|a| &a.answers).map(|a| a.weight).sum());
    (weight, clock.now(), model, server)
}

fn good(request: &Request) -> Does {
    Does::json(&answer(ALL, request))
}

#[test]
fn waits_double_until_the_patience_ends() {
    let later = |_: &Request| Does::status(503, "later");
    let (own, time, _, server) = run(|_| {}, 1, later);
    let error = own.unwrap_err();
    assert!(error.contains("10 attempts"), "{error}");
    // 0.5 + 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60
    assert_eq!((time.as_secs_f64(), server.requests().len()), (183.5, 10));
    let short = Patience { waiting: Duration::from_secs(5), ..Patience::default() };
    let (own, time, ..) = run(|setup| setup.patience = short, 1, later);
    assert!(own.unwrap_err().contains("4 attempts and 3 s"));
    assert_eq!(time.as_secs_f64(), 3.5);
}

#[test]
fn a_pause_in_seconds_or_as_a_date_is_kept_by_all() {
    for (value, seconds) in [("7", 7.0), ("Sun, 29 Nov 2026 12:00:30 GMT", 30.0)] {
        let (own, time, ..) = run(
            |setup| setup.in_flight = 4,
            8,
            move |request| match request.number {
                3 => Does::Says(429, vec![("retry-after", value.into())], b"{}".into()),
                _ => good(request),
            },
        );
        assert_eq!(own, Ok(16.0));
        assert!(time.as_secs_f64() >= seconds && time.as_secs_f64() < seconds * 4.5, "{time:?}");
    }
}

#[test]
fn nothing_is_sent_when_headers_say_that_nothing_is_left() {
    let (own, time, ..) = run(
        |_| {},
        3,
        |request| {
            let mut headers = vec![("x-ratelimit-remaining-requests", "1".to_owned())];
            if request.number == 1 {
                headers = vec![
                    ("x-ratelimit-remaining-tokens", "0".into()),
                    ("x-ratelimit-reset-tokens", "1m3s".into()),
                ];
            }
            Does::Says(200, headers, answer(ALL, request).to_string().into_bytes())
        },
    );
    assert_eq!((own, time.as_secs_f64()), (Ok(6.0), 63.0));
    let (own, time, ..) = run(
        |_| {},
        2,
        |request| {
            let headers = vec![
                ("anthropic-ratelimit-requests-remaining", "0".to_owned()),
                ("anthropic-ratelimit-requests-reset", "2026-11-29T12:00:10Z".into()),
            ];
            let headers = if request.number == 0 { headers } else { Vec::new() };
            Does::Says(200, headers, answer(ALL, request).to_string().into_bytes())
        },
    );
    assert_eq!((own, time.as_secs_f64()), (Ok(4.0), 10.0));
}

#[test]
fn limits_are_never_exceeded() {
    let requests = |most| Caps { requests: Some(most), tokens: None };
    let (own, .., server) = run(|setup| setup.caps = requests(5), 9, good);
    let error = own.unwrap_err();
    assert!(error.contains("one more request would exceed 5 (5 used)"), "{error}");
    assert_eq!(server.requests().len(), 5);
    let (own, ..) = run(|setup| setup.caps = requests(9), 9, good);
    assert_eq!(own, Ok(18.0));
    // What is tried again counts.
    let (own, .., server) =
        run(|setup| setup.caps = requests(3), 1, |_| Does::status(503, "later"));
    assert!(own.unwrap_err().contains("would exceed 3"));
    assert_eq!(server.requests().len(), 3);
    let tokens = Caps { requests: None, tokens: Some(200) };
    let (own, _, model, _) = run(
        |setup| {
            setup.caps = tokens;
            setup.in_flight = 4;
        },
        90,
        good,
    );
    let error = own.unwrap_err();
    assert!(error.contains("tokens of one more request would exceed 200"), "{error}");
    assert!(model.spent().tokens() <= 200 && model.spent().tokens() > 100, "{:?}", model.spent());
}

#[test]
fn a_run_is_estimated_without_a_request() {
    let setup = Setup::new(Server::new(good).address(), Protocol::Openai, "fake");
    let message = "x".repeat(300);
    let asked = Asked { message: &message, name: "Emily", prefix: None, raw: false };
    let of = |setup: &Setup, how| {
        let mut own = Estimate::default();
        own.add(setup, &asked, Wanted::Words, how);
        own.add(setup, &asked, Wanted::Words, how);
        own
    };
    let own = of(&setup, Decoding::Sampled { samples: 20, seed: 0 });
    let expected = Estimate {
        questions: 2,
        requests: [2, 40],
        prompt_tokens: [2 * 112, 40 * 112],
        completion_tokens: 640,
    };
    assert_eq!(own, expected);
    let anthropic = Setup { protocol: Protocol::Anthropic, ..setup.clone() };
    assert_eq!(of(&anthropic, Decoding::Sampled { samples: 20, seed: 0 }).requests, [40, 40]);
    assert_eq!(of(&setup, Decoding::exact()).requests, [2, 2400]);
    assert_eq!(of(&setup, Decoding::Greedy).requests, [2, 2]);
}
