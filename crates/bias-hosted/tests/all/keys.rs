//! A key goes to the server that it is for, and nowhere else.

use bias_ask::Respond as _;
use bias_ask::text::{Asked, Wanted};
use bias_hosted::{Address, Hosted, Key, Protocol, Setup};

use crate::faults::{TWO, ask, hasty};
use crate::language::{ALL, answer};
use crate::server::{Does, Server};

const SECRET: &str = "sk-very-secret-1234567890";

fn with_key(server: &Server) -> Setup {
    Setup { key: Key::new(SECRET), ..hasty(server) }
}

#[test]
fn the_key_is_sent_as_each_protocol_wants_it() {
    let server = Server::new(|request| Does::json(&answer(ALL, request)));
    ask(with_key(&server)).unwrap();
    let bearer = format!("Bearer {SECRET}");
    assert!(server.requests().iter().all(|own| own.header("authorization") == Some(&*bearer)));
    let setup = Setup::new(server.address(), Protocol::Anthropic, "fake");
    drop(ask(Setup { key: Key::new(SECRET), patience: hasty(&server).patience, ..setup }));
    let last = server.requests().pop().unwrap();
    assert_eq!((last.header("x-api-key"), last.header("authorization")), (Some(SECRET), None));
}

#[test]
fn a_redirect_is_not_followed_and_the_key_not_sent_along() {
    let other = Server::new(|request| Does::json(&answer(ALL, request)));
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://{}/v1/chat/completions", other.at);
        let server =
            Server::new(move |_| Does::Says(status, vec![("location", to.clone())], Vec::new()));
        let error = ask(with_key(&server)).unwrap_err();
        assert!(error.contains("redirects to") && error.contains("not sent along"), "{error}");
        assert!(error.contains(&other.at.to_string()), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
    assert!(other.requests().is_empty());
}

#[test]
fn no_error_record_or_debug_text_has_the_key() {
    for status in [401, 400, 429, 500] {
        let server = Server::new(move |request| {
            let said = request.header("authorization").unwrap().to_owned();
            Does::status(status, &format!("the key {said} (sk-very-secr****) is wrong"))
        });
        let error = ask(with_key(&server)).unwrap_err();
        assert!(!error.contains("sk-very") && error.contains("[key]"), "{error}");
    }
    let server = Server::new(|request| Does::json(&answer(ALL, request)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let model = Hosted::new(with_key(&server), Some(&path)).unwrap();
    let asked = Asked { message: "Emily?", name: "Emily", prefix: None, raw: false };
    let question = model.prepare(&asked, Wanted::Words, 0).unwrap();
    model.respond(&[question], TWO, 1, &|_| {}).unwrap();
    let identity = format!("{:?}", model.identity().unwrap());
    let texts = [std::fs::read_to_string(&path).unwrap(), format!("{model:?}"), identity];
    assert!(texts.iter().all(|text| !text.contains("very-secret")), "{texts:?}");
}

#[test]
fn a_key_is_for_the_host_that_it_is_named_for() {
    let here = Address::parse("http://127.0.0.1:9").unwrap();
    let away = Address::parse("http://models.example.com").unwrap();
    // Nobody's key goes to a host that is not known.
    assert_eq!(Key::for_address(&here, None).unwrap(), None);
    assert_eq!(Key::for_address(&away, None).unwrap(), None);
    let error = Key::for_address(&here, Some("NO_SUCH_KEY_17")).unwrap_err().to_string();
    assert!(error.contains("NO_SUCH_KEY_17 is not set"), "{error}");
    // Some variable that is set everywhere.
    let error = Key::for_address(&away, Some("PATH")).unwrap_err().to_string();
    assert!(error.contains("unencrypted"), "{error}");
    assert!(Key::for_address(&here, Some("PATH")).unwrap().is_some());
}
