use std::path::Path;

use serde_json::{Map, Value, json};

use super::class_lists::{ALWAYS, KNOWN, TYPES};
use crate::error::ModelError;

/// How transformers 5 builds the tokenizer of a folder that has a `tokenizer.json`.
///
/// Classes with an `__init__` of their own take only the vocabulary, the merges and the
/// post-processor from that file. They replace its normalizer, pre-tokenizer and decoder, and they
/// do not take its added tokens where `tokenizer_config.json` lists `added_tokens_decoder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `TokenizersBackend`, formerly `PreTrainedTokenizerFast`: the file as it is.
    AsSaved,
    Llama,
    CodeLlama,
    Gpt2,
    CodeGen,
    Qwen2,
    GptNeoX,
    Gemma,
    Cohere,
}

/// What decides the class of a folder's tokenizer.
#[derive(Debug, Default)]
pub(super) struct Named<'a> {
    /// `model_type` of `config.json`.
    pub model_type: &'a str,
    /// `tokenizer_class` of `tokenizer_config.json`.
    pub settings: Option<&'a str>,
    /// `tokenizer_class` of `config.json`.
    pub config: Option<&'a str>,
    /// Whether `tokenizer_config.json` names code of the repository (`auto_map`).
    pub remote: bool,
    /// Whether `tokenizer.json` mentions GPT-2's bytes anywhere.
    pub byte_level: bool,
}

/// A class by its name: one that is reproduced here, one that is not, or none that is known.
enum Found {
    Class(Class),
    Other,
    Unknown,
}

fn find(name: &str) -> Found {
    let name = base(name);
    Found::Class(match name {
        "TokenizersBackend" | "PreTrainedTokenizer" | "PythonBackend" => Class::AsSaved,
        "BloomTokenizer" | "MistralCommonBackend" => Class::AsSaved,
        "LlamaTokenizer" => Class::Llama,
        "CodeLlamaTokenizer" => Class::CodeLlama,
        "GPT2Tokenizer" => Class::Gpt2,
        "CodeGenTokenizer" => Class::CodeGen,
        "Qwen2Tokenizer" => Class::Qwen2,
        "GPTNeoXTokenizer" => Class::GptNeoX,
        "GemmaTokenizer" => Class::Gemma,
        "CohereTokenizer" => Class::Cohere,
        other if KNOWN.contains(&other) => return Found::Other,
        _ => return Found::Unknown,
    })
}

fn base(name: &str) -> &str {
    name.strip_suffix("Fast").unwrap_or(name)
}

impl Class {
    /// The class that `AutoTokenizer` takes, in the order in which it decides.
    ///
    /// # Errors
    /// The name of a class whose rules are not reproduced here.
    pub fn of<'a>(named: &Named<'a>) -> Result<Self, &'a str> {
        let settings = named.settings.filter(|own| !own.is_empty());
        let said = settings.or(named.config.filter(|own| !own.is_empty()));
        let always = ALWAYS.contains(&named.model_type);
        let registered = TYPES.iter().find(|(_, all)| all.contains(&named.model_type));
        let registered = registered.map(|(class, _)| *class);
        if let Some(said) = said.filter(|_| !named.remote) {
            if base(said) == "LlamaTokenizer" && named.byte_level && !always {
                return Ok(Self::AsSaved);
            }
            if let Some(registered) = registered.filter(|own| *own != base(said)) {
                return match registered {
                    "TokenizersBackend" => Ok(Self::AsSaved),
                    own if always => known(own, Self::AsSaved),
                    _ => known(said, Self::AsSaved),
                };
            }
        }
        if let Some(settings) = settings {
            return match find(settings) {
                // Transformers asks whether it may run the code, which decides the tokens.
                Found::Unknown if named.remote && registered.is_none() => Err(settings),
                _ => known(settings, Self::AsSaved),
            };
        }
        match (named.config.filter(|own| !own.is_empty()), registered) {
            (Some(config), _) => match find(config) {
                Found::Unknown => Err(config),
                _ => known(config, Self::AsSaved),
            },
            (None, Some(registered)) => known(registered, Self::AsSaved),
            (None, None) => Ok(Self::AsSaved),
        }
    }

    /// Special tokens that the class names where the files do not, in transformers' order.
    pub fn defaults(self) -> &'static [(&'static str, &'static str)] {
        const END: &str = "<|endoftext|>";
        match self {
            Self::AsSaved => &[],
            Self::Llama | Self::CodeLlama => {
                &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")]
            }
            Self::Gpt2 | Self::CodeGen => {
                &[("unk_token", END), ("bos_token", END), ("eos_token", END)]
            }
            Self::Qwen2 => &[("unk_token", END), ("eos_token", END), ("pad_token", END)],
            Self::GptNeoX => &[
                ("unk_token", END),
                ("bos_token", END),
                ("eos_token", END),
                ("pad_token", "<|padding|>"),
            ],
            Self::Gemma => &[
                ("unk_token", "<unk>"),
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            Self::Cohere => &[
                ("unk_token", "<UNK>"),
                ("bos_token", "<BOS_TOKEN>"),
                ("eos_token", "<|END_OF_TURN_TOKEN|>"),
                ("pad_token", "<PAD>"),
                ("cls_token", "<CLS>"),
                ("sep_token", "<SEP>"),
                ("mask_token", "<MASK_TOKEN>"),
            ],
        }
    }

    /// Special tokens of names of the class's own.
    pub fn own_names(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::CodeLlama => &[
                ("prefix_token", "▁<PRE>"),
                ("middle_token", "▁<MID>"),
                ("suffix_token", "▁<SUF>"),
                ("eot_token", "▁<EOT>"),
                ("fill_token", "<FILL_ME>"),
            ],
            _ => &[],
        }
    }

    /// Whether a padding token that is stored with `tokenizer.json`'s padding becomes the
    /// tokenizer's, if no file names one.
    pub fn takes_stored_padding(self) -> bool {
        matches!(self, Self::AsSaved | Self::Llama | Self::CodeLlama)
    }

    /// The pipeline that the class puts in the place of the file's; `None` for the file as it is.
    pub fn rebuilt(
        self,
        settings: &Map<String, Value>,
        unknown: Option<&str>,
    ) -> Result<Option<Pipeline>, String> {
        let flag = |key: &str, default: bool| match settings.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(own)) => Ok(*own),
            Some(other) => Err(format!("`{key}` is {other}; expected true or false")),
        };
        let spaced = flag("add_prefix_space", matches!(self, Self::Llama | Self::CodeLlama))?;
        let bytes = json!({
            "type": "ByteLevel", "add_prefix_space": spaced, "trim_offsets": true, "use_regex": true
        });
        let sequence = |all: Value| json!({"type": "Sequence", "pretokenizers": all});
        let nfc = json!({"type": "NFC"});
        let metaspace = |scheme: &str| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
        let spelled = |strip: bool| {
            let mut decoders = vec![
                json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
                json!({"type": "ByteFallback"}),
                json!({"type": "Fuse"}),
            ];
            if strip {
                decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            }
            json!({"type": "Sequence", "decoders": decoders})
        };
        let of_bytes = |normalizer: Value, pre_tokenizer: Value| Pipeline {
            normalizer,
            pre_tokenizer,
            decoder: bytes.clone(),
            unknown: None,
            bytes: false,
        };
        let of_spaces = |normalizer, pre_tokenizer, decoder, unknown: Option<&str>| Pipeline {
            normalizer,
            pre_tokenizer,
            decoder,
            unknown: unknown.map(str::to_owned),
            bytes: true,
        };
        Ok(Some(match self {
            Self::AsSaved => return Ok(None),
            Self::Llama => {
                let scheme = match (spaced, flag("legacy", false)?) {
                    (false, _) => "never",
                    (true, true) => "always",
                    (true, false) => "first",
                };
                // Transformers names no unknown token here: what bytes cannot spell is left out.
                of_spaces(Value::Null, metaspace(scheme), spelled(spaced), None)
            }
            Self::CodeLlama => {
                let scheme = if spaced { "first" } else { "never" };
                of_spaces(Value::Null, metaspace(scheme), spelled(true), unknown)
            }
            Self::Gemma => {
                let normalizer =
                    json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
                let split = json!({
                    "type": "Split", "pattern": {"String": " "},
                    "behavior": "MergedWithPrevious", "invert": false
                });
                of_spaces(normalizer, split, spelled(false), unknown)
            }
            Self::Gpt2 | Self::CodeGen => of_bytes(Value::Null, bytes.clone()),
            Self::GptNeoX => of_bytes(nfc, bytes.clone()),
            Self::Cohere => {
                let digits = json!({"type": "Digits", "individual_digits": true});
                of_bytes(nfc, sequence(json!([digits, bytes.clone()])))
            }
            Self::Qwen2 => {
                let mut plain = bytes.clone();
                plain["use_regex"] = Value::Bool(false);
                let split = json!({
                    "type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false
                });
                of_bytes(nfc, sequence(json!([split, plain])))
            }
        }))
    }
}

fn known(name: &str, otherwise: Class) -> Result<Class, &str> {
    match find(name) {
        Found::Class(class) => Ok(class),
        Found::Other => Err(name),
        Found::Unknown => Ok(otherwise),
    }
}

/// What a class puts in the place of a file's pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub normalizer: Value,
    pub pre_tokenizer: Value,
    pub decoder: Value,
    /// The token for texts that the vocabulary cannot spell.
    pub unknown: Option<String>,
    /// Whether characters outside the vocabulary are spelled as bytes, and unknown ones fused.
    pub bytes: bool,
}

impl Pipeline {
    /// The file with this pipeline, and without its added tokens.
    pub fn applied(self, file: &Value) -> Result<Value, String> {
        let model = file.get("model").unwrap_or(&Value::Null);
        let vocab = match model.get("vocab") {
            Some(Value::Object(all)) => Value::Object(all.clone()),
            // Pieces with their scores: transformers keeps their order, and has no merges for them.
            Some(Value::Array(all)) => {
                let text = |own: &Value| own.get(0).unwrap_or(own).as_str().map(str::to_owned);
                let ids = all.iter().enumerate();
                let ids = ids.map(|(id, own)| Some((text(own)?, Value::from(id))));
                ids.collect::<Option<Map<_, _>>>().map(Value::Object).unwrap_or_default()
            }
            _ => Value::Null,
        };
        if vocab.is_null() {
            return Err("it has no vocabulary".into());
        }
        // As an argument that is no text: absent for the pieces of words.
        let affix = if self.bytes { Value::Null } else { Value::from("") };
        Ok(json!({
            "version": "1.0",
            "added_tokens": [],
            "normalizer": self.normalizer,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": file.get("post_processor").unwrap_or(&Value::Null),
            "decoder": self.decoder,
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": self.unknown,
                "continuing_subword_prefix": affix,
                "end_of_word_suffix": affix,
                "fuse_unk": self.bytes,
                "byte_fallback": self.bytes,
                "ignore_merges": false,
                "vocab": vocab,
                "merges": model.get("merges").unwrap_or(&json!([])),
            },
        }))
    }
}

/// How Qwen2 splits a text into words.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The error about a folder whose class is not reproduced here.
pub(super) fn refused(folder: &Path, class: &str) -> ModelError {
    let at = folder.display();
    ModelError::Unsupported {
        path: folder.join("tokenizer_config.json"),
        key: "tokenizer_class".into(),
        value: class.into(),
        reason: format!(
            "transformers replaces rules of tokenizer.json by those of this class, which are not \
             computed here. To write them into the file, run this once: python -c \"from \
             transformers import AutoTokenizer as T; \
             T.from_pretrained('{at}').backend_tokenizer.save('{at}/tokenizer.json')\", and set \
             `tokenizer_class` to PreTrainedTokenizerFast"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Listed {
        types: BTreeMap<String, Vec<String>>,
        always: Vec<String>,
        known: Vec<String>,
    }

    #[test]
    fn types_and_classes_are_those_of_transformers() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let path = path.join("../../fixtures/tokenizers/classes.json");
        let listed: Listed = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let types: BTreeMap<String, Vec<String>> = TYPES
            .iter()
            .map(|(class, all)| ((*class).into(), all.iter().map(|own| (*own).into()).collect()))
            .collect();
        let mut expected = listed.types;
        expected.remove("");
        assert_eq!(types, expected);
        assert_eq!((ALWAYS.to_vec(), KNOWN.to_vec()), {
            let slices = |all: &'static [String]| all.iter().map(String::as_str).collect();
            (slices(listed.always.leak()), slices(listed.known.leak()))
        });
    }
}
