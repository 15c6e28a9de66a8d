use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{DecoderWrapper, PreTokenizerWrapper, Tokenizer};

use super::tokens::{MERGES, Tokens};
use crate::error::ModelError;

/// Tokens that are special wherever they are in the vocabulary.
pub(super) const SPECIAL: &[&str] = &["<|endoftext|>"];

/// Byte-level BPE: a pattern splits the text, bytes are spelled as letters, and letters are merged.
pub(super) fn tokenizer(tokens: &Tokens<'_>) -> Result<Tokenizer, ModelError> {
    let gguf = tokens.gguf;
    let spelled = |(id, text): (usize, &String)| {
        let as_is = tokens.is_added(id) || text.chars().all(|c| letter_of(c).is_some());
        (if as_is { text.clone() } else { text.bytes().map(letter).collect() }, id as u32)
    };
    let vocab: Vocab = tokens.texts.iter().enumerate().map(spelled).collect();
    let merges = gguf.merges()?.ok_or_else(|| gguf.odd(MERGES, "a list of texts", "nothing"))?;
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(String::new())
        .build()
        .map_err(|e| gguf.tokenizer_error(&e))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(gguf.part::<PreTokenizerWrapper>(cut(tokens)?)?));
    tokenizer.with_decoder(Some(gguf.part::<DecoderWrapper>(bytes(true, true))?));
    Ok(tokenizer)
}

fn bytes(add_prefix_space: bool, use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": use_regex})
}

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The pattern that splits a text before merging, by `tokenizer.ggml.pre`, as in transformers.
fn cut(tokens: &Tokens<'_>) -> Result<Value, ModelError> {
    const KEY: &str = "tokenizer.ggml.pre";
    let pattern = match tokens.gguf.text(KEY)?.unwrap_or("default") {
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" | "jina-v5-nano" | "dbrx" | "smaug-bpe" => LLAMA_3,
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" => QWEN_2,
        "tekken" => TEKKEN,
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => GPT_4O,
        // GPT-2's pattern, which transformers takes for all others. llama.cpp has these cut so too,
        // except that it cuts digits apart first for smollm.
        "default" | "gpt-2" | "gpt2" | "smollm" | "phi-2" | "mpt" | "olmo" | "exaone4"
        | "trillion" => {
            return Ok(bytes(false, true));
        }
        other => {
            let shown: String = other.escape_debug().take(80).collect();
            let known = "a way of cutting texts that is known, such as gpt-2, llama-bpe, qwen2, tekken or gpt-4o";
            return Err(tokens.gguf.odd(KEY, known, format!("`{shown}`")));
        }
    };
    let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    Ok(json!({"type": "Sequence", "pretokenizers": [split, bytes(false, false)]}))
}

/// The letter that spells a byte: visible letters of Latin-1 stay, and the others map to `Ā` and
/// the letters after it.
fn letter(byte: u8) -> char {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if visible(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !visible(*byte)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or_default()
}

fn letter_of(c: char) -> Option<u8> {
    // The last of the others is 0xad.
    match c {
        '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => u8::try_from(u32::from(c)).ok(),
        '\u{100}'..='\u{143}' => (0..=u8::MAX).find(|byte| letter(*byte) == c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter() {
        for byte in 0..=u8::MAX {
            assert_eq!(letter_of(letter(byte)), Some(byte));
        }
        assert_eq!([b' ', b'\n', b'a', 0xad, 0xc4].map(letter), ['Ġ', 'Ċ', 'a', 'Ń', 'Ä']);
        let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        assert!((0..=u8::MAX).all(|byte| alphabet.contains(&letter(byte))));
    }
}
