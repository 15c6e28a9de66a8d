//! Chat templates are found where folders keep them, and tokens get the role of what they are part
//! of.

use std::fs;
use std::path::PathBuf;

use bias_model::chat::Message;
use bias_model::{AskError, ModelError, TextCodec};
use bias_probe::Sequence;
use bias_types::TokenRole;
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn codec(folder: &str) -> TextCodec {
    TextCodec::from_folder(&fixtures().join(folder)).unwrap()
}

/// The text of a prompt's tokens in one role.
fn said_as(codec: &TextCodec, prompt: &Sequence, role: TokenRole) -> String {
    let tokens = prompt.tokens().iter().zip(prompt.roles()).filter(|(_, own)| **own == role);
    codec.decode(&tokens.map(|(token, _)| *token).collect::<Vec<_>>()).unwrap()
}

#[test]
fn names_are_marked_in_the_question_alone() {
    let codec = codec("emergent");
    let name = |message: &str, name: &str| {
        said_as(&codec, &codec.prompt(message, name).unwrap(), TokenRole::Name).trim().to_owned()
    };
    assert_eq!(name("Al and Albert met.", "Al"), "Al");
    assert_eq!(name("I met Hunter Becker.", "Hunter Becker"), "Hunter Becker");
    assert_eq!(name("Jo met Jo.", "Jo"), "Jo Jo");
    // The template says this as well.
    assert_eq!(name("I am a user of it.", "user"), "user");
    let prompt = codec.prompt("I am a user of it.", "user").unwrap();
    assert_eq!(
        (prompt.tokens()[1], prompt.roles()[1]),
        (codec.token_id("<|user|>").unwrap(), TokenRole::Prompt)
    );
    // A part of a word is somebody else.
    for (message, name) in
        [("Albert came.", "Al"), ("I met Al.", "Bo"), ("I met Al.", "assistant"), ("I met Al.", "")]
    {
        let error = codec.prompt(message, name).unwrap_err();
        assert!(
            matches!(error, ModelError::Ask(AskError::NameNotInPrompt { .. })),
            "{message} {name}: {error}"
        );
    }
}

#[test]
fn a_system_message_stands_before_the_question() {
    let golden = codec("golden/gqa_sharded").with_system(Some("offer 1 for emily".into()));
    let prompt = golden.prompt("what should emily offer ?", "emily").unwrap();
    let text = golden.render("what should emily offer ?").unwrap();
    assert_eq!(
        text,
        "<s><|system|> offer 1 for emily <|end|> <|user|> what should emily offer ? <|end|> <|assistant|>"
    );
    assert_eq!(said_as(&golden, &prompt, TokenRole::System), "offer1foremily");
    assert_eq!(said_as(&golden, &prompt, TokenRole::Name), "emily");
    let none = golden.with_system(None).prompt("what should emily offer ?", "emily").unwrap();
    assert!(!none.roles().contains(&TokenRole::System));

    let emergent = codec("emergent").with_system(Some(" Be kind. ".into()));
    let prompt = emergent.prompt("Be kind. I met Al.", "Al").unwrap();
    assert_eq!(said_as(&emergent, &prompt, TokenRole::System), "Be kind.");
    assert_eq!(prompt.roles()[0], TokenRole::Prompt);
}

/// A folder with emergent's tokenizer and these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join("emergent/tokenizer.json"), folder.path().join("tokenizer.json"))
        .unwrap();
    for (name, contents) in files {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    folder
}

#[test]
fn templates_are_found_where_folders_keep_them() {
    let one = (
        "tokenizer_config.json",
        r#"{"chat_template": "one{{ bos_token }}", "bos_token": {"content": "<b>"}}"#,
    );
    // Then transformers does not read the map.
    let decided = (
        "tokenizer_config.json",
        r#"{"chat_template": "one{{ bos_token }}", "bos_token": "<b>", "added_tokens_decoder": {}}"#,
    );
    let named = (
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d{{ eos_token }}"}],
            "eos_token": null}"#,
    );
    let older = ("chat_template.json", r#"{"chat_template": "older"}"#);
    let map = ("special_tokens_map.json", r#"{"eos_token": "<e>", "bos_token": "<m>"}"#);
    let beside = ("chat_template.jinja", "beside{{ pad_token is defined }}\r\n");
    for (files, rendered) in [
        (vec![one], "one<b>"),
        (vec![one, map, older], "one<m>"),
        (vec![decided, map], "one<b>"),
        (vec![named, map], "d<e>"),
        (vec![named, older], "d"),
        (vec![older], "Hello."),
        (vec![beside, one, older], "besideFalse"),
        (vec![map], "Hello."),
    ] {
        let folder = folder(&files);
        assert_eq!(
            TextCodec::from_folder(folder.path()).unwrap().render("Hello.").unwrap(),
            rendered,
            "{files:?}"
        );
    }
    let none = folder(&[(
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "rag", "template": "r"}]}"#,
    )]);
    assert!(matches!(TextCodec::from_folder(none.path()), Err(ModelError::Config { .. })));
    let large = folder(&[("chat_template.jinja", &" ".repeat((1 << 20) + 1))]);
    assert!(matches!(TextCodec::from_folder(large.path()), Err(ModelError::Template { .. })));
}

#[test]
fn without_a_template_the_messages_are_paragraphs() {
    let folder = folder(&[]);
    let codec = TextCodec::from_folder(folder.path()).unwrap().with_system(Some("Be kind.".into()));
    assert_eq!(codec.render("I met Al.").unwrap(), "Be kind.\n\nI met Al.");
    let prompt = codec.prompt("I met Al.", "Al").unwrap();
    assert_eq!(said_as(&codec, &prompt, TokenRole::System), "Be kind.");
    assert_eq!(prompt.roles()[0], TokenRole::Prompt, "the tokenizer's own <s>");
    let turns = [Message::user("a"), Message::assistant("b"), Message::user("c")];
    assert_eq!(codec.chat(&turns).unwrap(), "a\n\nb\n\nc");
}
