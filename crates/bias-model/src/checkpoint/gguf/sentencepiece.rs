use std::collections::HashMap;

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::tokens::{TOKENS, Tokens};
use crate::arch::architecture::Architecture;
use crate::error::ModelError;

const SPACE: &str = "▁";

/// Tokens that are special wherever they are in the vocabulary.
const LLAMA: &[&str] = &["<unk>", "<s>", "</s>"];
const GEMMA: &[&str] = &["<unk>", "<bos>", "<eos>", "<pad>", "<mask>"];

/// SentencePiece's BPE: spaces count as a letter, letters are merged, and letters without a token
/// fall back to bytes. Three kinds differ in where they put a space before a text.
pub(super) fn tokenizer(
    tokens: &Tokens<'_>,
    architecture: Architecture,
) -> Result<(Tokenizer, &'static [&'static str]), ModelError> {
    let gguf = tokens.gguf;
    let gemma = matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3);
    // Tokens of several spaces are stored as such in Gemma's files.
    let spelled = |text: &String| {
        let spaces = gemma && text.contains(' ') && text.trim().is_empty();
        if spaces { SPACE.repeat(text.chars().count()) } else { text.clone() }
    };
    let texts: Vec<String> = tokens.texts.iter().map(spelled).collect();
    let vocab: Vocab = texts.iter().cloned().zip(0u32..).collect();
    let builder = BPE::builder()
        .vocab_and_merges(vocab, merges(tokens, &texts, gemma)?)
        .fuse_unk(true)
        .byte_fallback(true);
    let has_unknown = texts.iter().any(|text| text == "<unk>");
    let builder = if gemma && has_unknown { builder.unk_token("<unk>".into()) } else { builder };
    let mut tokenizer = Tokenizer::new(builder.build().map_err(|e| gguf.tokenizer_error(&e))?);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let normalizer = match architecture {
        Architecture::Phi3 => {
            let prepend = json!({"type": "Prepend", "prepend": SPACE});
            Some(json!({"type": "Sequence", "normalizers": [prepend, replace]}))
        }
        _ => gemma.then_some(replace),
    };
    let normalizer = normalizer.map(|json| gguf.part::<NormalizerWrapper>(json)).transpose()?;
    tokenizer.with_normalizer(normalizer).map_err(|e| gguf.tokenizer_error(&e))?;
    let cut = match architecture {
        Architecture::Phi3 => None,
        _ if gemma => Some(json!({
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false,
        })),
        _ => Some(json!({
            "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": false,
        })),
    };
    let cut = cut.map(|json| gguf.part::<PreTokenizerWrapper>(json)).transpose()?;
    tokenizer.with_pre_tokenizer(cut);
    tokenizer.with_decoder(Some(gguf.part::<DecoderWrapper>(decoder(!gemma))?));
    Ok((tokenizer, if gemma { GEMMA } else { LLAMA }))
}

fn decoder(strip: bool) -> Value {
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if strip {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": decoders})
}

/// The limit on the sum of squared token lengths, which bounds the cost of finding merges. Gemma's
/// 262,144 tokens have 2^24.
const MOST_WORK: usize = 1 << 28;

/// The merges that the file lists, or those that its vocabulary implies: every pair of tokens that
/// makes a token, better tokens first.
///
/// A token's score says how good it is. Gemma's scores do not follow the order in which its tokens
/// were made; their position in the vocabulary does.
fn merges(tokens: &Tokens<'_>, texts: &[String], by_place: bool) -> Result<Merges, ModelError> {
    let gguf = tokens.gguf;
    if let Some(listed) = gguf.merges()? {
        return Ok(listed);
    }
    let work =
        texts.iter().fold(0usize, |all, text| all.saturating_add(text.len().saturating_pow(2)));
    if work > MOST_WORK {
        return Err(gguf.odd(
            TOKENS,
            "made of short tokens",
            "such long ones that merging them has no end",
        ));
    }
    let score: Vec<f32> = if by_place {
        (0..texts.len()).map(|place| -(place as f32)).collect()
    } else {
        const KEY: &str = "tokenizer.ggml.scores";
        let scores = gguf.as_many(KEY, gguf.floats(KEY)?, texts.len())?;
        let scores = scores.ok_or_else(|| gguf.odd(KEY, "a list of 32-bit floats", "nothing"))?;
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(gguf.odd(KEY, "made of numbers", "others"));
        }
        // So that 0 and -0 are alike.
        scores.iter().map(|score| score + 0.0).collect()
    };
    let ids: HashMap<&str, usize> =
        texts.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
    let mut found = Vec::new();
    for (id, text) in
        texts.iter().enumerate().filter(|(id, text)| ids.get(text.as_str()) == Some(id))
    {
        let cuts = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        let mut own: Vec<_> =
            cuts.filter_map(|(l, r)| Some(((*ids.get(l)?, *ids.get(r)?), l, r))).collect();
        own.sort_by_key(|(ids, ..)| *ids);
        found.extend(own.into_iter().map(|(_, l, r)| (id, l, r)));
    }
    let letters = |text: &str| text.chars().count();
    found.sort_by(|(a, al, ar), (b, bl, br)| {
        let lengths = || (letters(bl), letters(br)).cmp(&(letters(al), letters(ar)));
        score[*b].total_cmp(&score[*a]).then_with(lengths)
    });
    Ok(found.into_iter().map(|(_, l, r)| (l.to_owned(), r.to_owned())).collect())
}
