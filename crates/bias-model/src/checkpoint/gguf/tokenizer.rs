use std::collections::BTreeSet;

use bias_chat::SpecialTokens;
use serde_json::{Value, json};
use tokenizers::{AddedToken, PostProcessorWrapper, Tokenizer};

use super::file::Gguf;
use super::tokens::{CONTROL, TOKENS, Tokens, USER_DEFINED};
use super::{byte_level, sentencepiece};
use crate::error::ModelError;

/// Everything in a GGUF file's metadata that turns text into tokens and back.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub tokenizer: Tokenizer,
    pub special: SpecialTokens,
    /// The source of the chat template.
    pub template: Option<String>,
    pub add_bos: bool,
    pub add_eos: bool,
}

/// The names of special tokens in templates and in the metadata.
const SPECIAL: [(&str, &str); 4] = [
    ("bos_token", "bos"),
    ("eos_token", "eos"),
    ("unk_token", "unknown"),
    ("pad_token", "padding"),
];

impl Gguf {
    /// The tokenizer that transformers makes of the file, with the chat template.
    pub(crate) fn vocabulary(&self) -> Result<Vocabulary, ModelError> {
        let texts =
            self.texts(TOKENS)?.ok_or_else(|| self.odd(TOKENS, "a list of texts", "nothing"))?;
        let kinds = self.integers("tokenizer.ggml.token_type")?;
        let kinds =
            self.as_many("tokenizer.ggml.token_type", kinds, texts.len())?.unwrap_or_default();
        let tokens = Tokens { gguf: self, texts, kinds };
        let kind = self.text("tokenizer.ggml.model")?.unwrap_or_default();
        let (mut tokenizer, own) = match kind {
            "gpt2" => (byte_level::tokenizer(&tokens)?, byte_level::SPECIAL),
            "llama" => sentencepiece::tokenizer(&tokens, self.architecture()?)?,
            other => {
                let shown: String = other.escape_debug().take(80).collect();
                let known = "`gpt2` (byte-level BPE) or `llama` (SentencePiece)";
                return Err(self.odd("tokenizer.ggml.model", known, format!("`{shown}`")));
            }
        };
        let keys = self.keys("tokenizer")?;
        let (mut special, mut ids) = (SpecialTokens::default(), [None; SPECIAL.len()]);
        for ((name, key), id) in SPECIAL.into_iter().zip(&mut ids) {
            let key = format!("tokenizer.ggml.{key}_token_id");
            let Some(found) = keys.size(&key)? else { continue };
            let text = texts
                .get(found)
                .ok_or_else(|| self.odd(&key, &format!("below {}", texts.len()), found))?;
            special = special.with(name, text.as_str());
            *id = Some(found);
        }
        add(&mut tokenizer, &tokens, own, &ids).map_err(|e| self.tokenizer_error(&e))?;
        // llama.cpp begins texts in a SentencePiece vocabulary that does not say otherwise.
        let begins = self.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(kind == "llama");
        let ends = self.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
        let [bos, eos, ..] = ids;
        let (bos, eos) = (bos.filter(|_| begins), eos.filter(|_| ends));
        let around = around(texts, bos, eos);
        tokenizer.with_post_processor(Some(self.part::<PostProcessorWrapper>(around)?));
        let template = self.text("tokenizer.chat_template")?.map(str::to_owned);
        Ok(Vocabulary {
            tokenizer,
            special,
            template,
            add_bos: bos.is_some(),
            add_eos: eos.is_some(),
        })
    }
}

/// Makes the tokenizer match these tokens whole: those that the file marks, those that its kind
/// always has, and those with a special id.
fn add(
    tokenizer: &mut Tokenizer,
    tokens: &Tokens<'_>,
    own: &[&str],
    ids: &[Option<usize>],
) -> Result<(), tokenizers::Error> {
    let known = |text: &str| tokenizer.token_to_id(text).is_some();
    let mut special: BTreeSet<usize> = ids.iter().flatten().copied().collect();
    let mut user_defined = Vec::new();
    for (id, text) in tokens.texts.iter().enumerate() {
        match tokens.kind(id) {
            _ if text.is_empty() || !known(text) => {}
            CONTROL => drop(special.insert(id)),
            _ if own.contains(&text.as_str()) => drop(special.insert(id)),
            USER_DEFINED => {
                user_defined.push(AddedToken::from(text.clone(), false).normalized(false))
            }
            _ => {}
        }
    }
    let special =
        special.into_iter().filter_map(|id| tokens.texts.get(id)).filter(|text| known(text));
    let special: Vec<_> =
        special.map(|text| AddedToken::from(text.clone(), true).normalized(false)).collect();
    tokenizer.add_special_tokens(special)?;
    tokenizer.add_tokens(user_defined)?;
    Ok(())
}

/// The tokens around a text.
fn around(texts: &[String], bos: Option<usize>, eos: Option<usize>) -> Value {
    let token = |id: usize| json!({"SpecialToken": {"id": texts.get(id), "type_id": 0}});
    let sequence = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let single: Vec<Value> =
        bos.map(token).into_iter().chain([sequence("A", 0)]).chain(eos.map(token)).collect();
    let named = bos.into_iter().chain(eos).filter_map(|id| {
        let text = texts.get(id)?;
        Some((text.clone(), json!({"id": text, "ids": [id], "tokens": [text]})))
    });
    json!({
        "type": "TemplateProcessing",
        "single": single,
        "pair": [sequence("A", 0), sequence("B", 1)],
        "special_tokens": named.collect::<serde_json::Map<_, _>>(),
    })
}
