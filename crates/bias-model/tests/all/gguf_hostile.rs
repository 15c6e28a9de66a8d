//! GGUF files that are cut, lie, or were made to do harm: an error of one line that names the file,
//! never a panic, and no more memory than the file is worth.

use std::fs;
use std::path::{Path, PathBuf};

use bias_mask::Mask;
use bias_model::interop::export_masked;
use bias_model::{Checkpoint, LanguageModel, LoadOptions, ModelError};
use burn::backend::Flex;
use proptest::prelude::*;

/// A value as it stands in a file: its type's number, and its bytes.
#[derive(Debug, Clone)]
struct Value(u32, Vec<u8>);

fn text(value: &str) -> Value {
    Value(8, string(value))
}

fn u32_of(value: u32) -> Value {
    Value(4, value.to_le_bytes().into())
}

fn f32_of(value: f32) -> Value {
    Value(6, value.to_le_bytes().into())
}

fn flag(value: u8) -> Value {
    Value(7, vec![value])
}

fn list(kind: u32, len: u64, bytes: Vec<u8>) -> Value {
    Value(9, [&kind.to_le_bytes()[..], &len.to_le_bytes(), &bytes].concat())
}

fn texts(values: &[&str]) -> Value {
    list(8, values.len() as u64, values.iter().flat_map(|value| string(value)).collect())
}

fn ints(values: &[i32]) -> Value {
    list(5, values.len() as u64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn floats(values: &[f32]) -> Value {
    list(6, values.len() as u64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn string(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
}

#[derive(Debug, Clone)]
struct Tensor {
    name: String,
    dims: Vec<u64>,
    kind: u32,
    offset: u64,
}

/// A file, part by part, each of which may lie.
#[derive(Debug, Clone)]
struct File {
    magic: [u8; 4],
    version: u32,
    /// Instead of how many there are.
    tensor_count: Option<u64>,
    key_count: Option<u64>,
    keys: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
    data: Vec<u8>,
}

const ALIGNMENT: usize = 32;
const F32: u32 = 0;
const Q8_0: u32 = 8;

impl File {
    /// A Llama of one layer that loads.
    fn good() -> Self {
        let mut file = Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            key_count: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            data: Vec::new(),
        };
        let letters = ["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁a"];
        for (key, value) in [
            ("general.architecture", text("llama")),
            ("llama.context_length", u32_of(16)),
            ("llama.embedding_length", u32_of(32)),
            ("llama.block_count", u32_of(1)),
            ("llama.feed_forward_length", u32_of(32)),
            ("llama.attention.head_count", u32_of(2)),
            ("llama.attention.head_count_kv", u32_of(1)),
            ("llama.attention.layer_norm_rms_epsilon", f32_of(1e-5)),
            ("llama.rope.freq_base", f32_of(10_000.0)),
            ("tokenizer.ggml.model", text("llama")),
            ("tokenizer.ggml.tokens", texts(&letters)),
            ("tokenizer.ggml.scores", floats(&[0., 0., 0., -3., -4., -5., -1., -2.])),
            ("tokenizer.ggml.token_type", ints(&[2, 3, 3, 1, 1, 1, 1, 1])),
            ("tokenizer.ggml.bos_token_id", u32_of(1)),
            ("tokenizer.ggml.eos_token_id", u32_of(2)),
            ("tokenizer.chat_template", text("{% for m in messages %}{{ m.content }}{% endfor %}")),
        ] {
            file.keys.push((key.into(), value));
        }
        file.tensor("token_embd.weight", &[32, 8], Q8_0);
        file.tensor("output_norm.weight", &[32], F32);
        for (name, rows) in [("attn_q", 32), ("attn_k", 16), ("attn_v", 16), ("attn_output", 32)] {
            file.tensor(&format!("blk.0.{name}.weight"), &[32, rows], F32);
        }
        for name in ["ffn_gate", "ffn_up", "ffn_down"] {
            file.tensor(&format!("blk.0.{name}.weight"), &[32, 32], Q8_0);
        }
        for name in ["attn_norm", "ffn_norm"] {
            file.tensor(&format!("blk.0.{name}.weight"), &[32], F32);
        }
        file
    }

    fn tensor(&mut self, name: &str, dims: &[u64], kind: u32) {
        let values = dims.iter().product::<u64>() as usize;
        let offset = self.data.len() as u64;
        self.tensors.push(Tensor { name: name.into(), dims: dims.into(), kind, offset });
        if kind == F32 {
            self.data.extend((0..values).flat_map(|i| (0.1 + (i % 5) as f32 / 10.0).to_le_bytes()));
        } else {
            for block in 0..values / 32 {
                self.data.extend(0x2000u16.to_le_bytes());
                self.data.extend((0..32).map(|i| (block * 7 + i) as u8));
            }
        }
        self.data.resize(self.data.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn key(&mut self, key: &str, value: Value) {
        match self.keys.iter_mut().find(|(own, _)| own == key) {
            Some((_, own)) => *own = value,
            None => self.keys.push((key.into(), value)),
        }
    }

    fn without(&mut self, key: &str) {
        self.keys.retain(|(own, _)| own != key);
    }

    fn at(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for (key, Value(kind, value)) in &self.keys {
            bytes.extend(string(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        for Tensor { name, dims, kind, offset } in &self.tensors {
            bytes.extend(string(name));
            bytes.extend((dims.len() as u32).to_le_bytes());
            bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(&self.data);
        bytes
    }
}

fn load(path: &Path) -> Result<LanguageModel<Flex>, ModelError> {
    LanguageModel::load(path, &Default::default())
}

type Attack = (&'static str, Box<dyn Fn(&mut File)>);

/// What is done to a good file, and a word of the error.
#[rustfmt::skip]
fn attacks() -> Vec<Attack> {
    fn on(word: &'static str, change: impl Fn(&mut File) + 'static) -> Attack {
        (word, Box::new(change))
    }
    fn set(word: &'static str, key: &'static str, value: Value) -> Attack {
        on(word, move |file| file.key(key, value.clone()))
    }
    let huge = 1u64 << 60;
    vec![
        // The beginning.
        on("magic", |f| f.magic = *b"GGUX"),
        on("GGJT", |f| f.magic = *b"GGJT"),
        on("big-endian", |f| f.magic = *b"FUGG"),
        on("v1", |f| f.version = 1),
        on("version 4", |f| f.version = 4),
        on("version 50331648", |f| f.version = 3u32.swap_bytes()),
        on("tensor count", move |f| f.tensor_count = Some(huge)),
        on("kv count", move |f| f.key_count = Some(huge)),
        on("", |f| f.tensor_count = Some(900_000)),
        on("", |f| f.key_count = Some(900_000)),
        // Metadata.
        set("string length", "general.name", Value(8, huge.to_le_bytes().into())),
        on("string length", move |f| f.keys.insert(0, (String::new(), Value(0, huge.to_le_bytes().into())))),
        set("array length", "general.tags", list(8, huge, vec![])),
        set("EOF", "general.tags", list(12, 15_000_000, vec![])),
        set("nesting", "general.tags", list(9, 1, (0..40).flat_map(|_| [&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat()).collect())),
        set("array inner type", "general.tags", list(77, 1, vec![])),
        set("value type", "general.name", Value(99, vec![])),
        set("bool", "tokenizer.ggml.add_bos_token", flag(2)),
        set("UTF-8", "general.name", Value(8, [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat())),
        on("keys", |f| f.keys.push(f.keys[0].clone())),
        set("alignment", "general.alignment", u32_of(0)),
        set("alignment", "general.alignment", u32_of(3)),
        set("exceeds file size", "general.alignment", u32_of(1 << 31)),
        set("alignment", "general.alignment", text("32")),
        // Tensors.
        on("two", |f| { let copy = f.tensors[1].clone(); f.tensor("x", &[32], F32); let last = f.tensors.last_mut().unwrap(); last.name = copy.name; }),
        on("overlap", |f| f.at("output_norm.weight").offset = 0),
        on("alignment", |f| f.at("output_norm.weight").offset += 4),
        on("exceeds file size", |f| f.at("output_norm.weight").offset = 1 << 40),
        on("overflow", |f| f.at("output_norm.weight").offset = u64::MAX - 31),
        on("n_dimensions", |f| f.at("output_norm.weight").dims = vec![]),
        on("n_dimensions", |f| f.at("output_norm.weight").dims = vec![1; 9]),
        on("zero-sized", |f| f.at("output_norm.weight").dims = vec![0]),
        on("element count", |f| f.at("output_norm.weight").dims = vec![u64::MAX]),
        on("element count", |f| f.at("output_norm.weight").dims = vec![1 << 33, 1 << 33]),
        on("exceeds file size", |f| f.at("output_norm.weight").dims = vec![1 << 39]),
        on("ggml_type", |f| f.at("output_norm.weight").kind = 4),
        on("ggml_type", |f| f.at("output_norm.weight").kind = u32::MAX),
        on("I8", |f| f.at("output_norm.weight").kind = 24),
        on("IQ2_XXS", |f| { f.at("token_embd.weight").kind = 16; }),
        on("blocks", |f| f.at("token_embd.weight").dims = vec![16, 16]),
        on("[33]", |f| { f.tensors.retain(|t| t.name != "output_norm.weight"); f.tensor("output_norm.weight", &[33], F32); }),
        on("[8, 1, 32]", |f| f.at("token_embd.weight").dims = vec![32, 1, 8]),
        on("missing: model.norm.weight", |f| f.tensors.retain(|t| t.name != "output_norm.weight")),
        on("unused: blk.0.extra.weight", |f| f.tensor("blk.0.extra.weight", &[32], F32)),
        on("unused: model.layers.7", |f| f.tensor("blk.7.attn_norm.weight", &[32], F32)),
        on("no name", |f| f.tensor("a\nb", &[32], F32)),
        on("no name", |f| f.tensor(&"x".repeat(1000), &[32], F32)),
        on("model.norm.weight holds NaN", |f| { let at = f.at("output_norm.weight").offset as usize; f.data[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes()); }),
        on("holds NaN or inf", |f| { let at = f.at("blk.0.ffn_up.weight").offset as usize; f.data[at..at + 2].copy_from_slice(&0x7c00u16.to_le_bytes()); }),
        on("rope_freqs", |f| f.tensor("rope_freqs.weight", &[9], F32)),
        on("rope_freqs", |f| { f.tensor("rope_freqs.weight", &[8], F32); let at = f.data.len() - 32; f.data[at..].fill(0); }),
        // Settings.
        on("general.architecture", |f| f.without("general.architecture")),
        set("general.architecture", "general.architecture", u32_of(1)),
        set("`mamba`", "general.architecture", text("mamba")),
        set("general.architecture", "general.architecture", text("a\u{1b}[2Jb\n")),
        on("llama.block_count", |f| f.without("llama.block_count")),
        set("llama.block_count", "llama.block_count", text("one")),
        set("llama.block_count", "llama.block_count", Value(5, (-1i32).to_le_bytes().into())),
        set("layers", "llama.block_count", u32_of(u32::MAX)),
        set("missing", "llama.block_count", u32_of(2)),
        set("", "llama.block_count", u32_of(0)),
        set("head", "llama.attention.head_count", u32_of(0)),
        set("", "llama.attention.head_count", u32_of(u32::MAX)),
        set("head_count", "llama.attention.head_count", ints(&[2, 3])),
        set("", "llama.attention.head_count_kv", u32_of(0)),
        set("", "llama.embedding_length", Value(10, u64::MAX.to_le_bytes().into())),
        set("key_length", "llama.attention.key_length", f32_of(0.5)),
        set("as wide", "llama.attention.value_length", u32_of(8)),
        set("partial_rotary_factor", "llama.rope.dimension_count", u32_of(8)),
        set("number", "llama.attention.layer_norm_rms_epsilon", f32_of(f32::NAN)),
        set("epsilon", "llama.attention.layer_norm_rms_epsilon", text("1e-5")),
        set("rms_norm_eps", "llama.attention.layer_norm_rms_epsilon", f32_of(-1.0)),
        set("number", "llama.rope.freq_base", f32_of(f32::INFINITY)),
        set("rope_theta", "llama.rope.freq_base", f32_of(0.0)),
        set("rope.scaling.type", "llama.rope.scaling.type", text("circular")),
        set("rope.scaling.type", "llama.rope.scaling.type", text("longrope")),
        set("attn_factor", "llama.rope.scaling.attn_factor", f32_of(2.0)),
        on("rope_freqs", |f| { f.tensor("rope_freqs.weight", &[8], F32); f.key("llama.rope.scaling.factor", f32_of(2.0)); }),
        set("factor", "llama.rope.scaling.factor", f32_of(-2.0)),
        set("mixtures", "llama.expert_count", u32_of(8)),
        set("llama.residual_scale", "llama.residual_scale", f32_of(0.5)),
        set("split", "split.count", Value(2, 3u16.to_le_bytes().into())),
        set("", "llama.vocab_size", u32_of(9)),
        // Vocabulary.
        on("tokenizer.ggml.tokens", |f| f.without("tokenizer.ggml.tokens")),
        set("tokenizer.ggml.tokens", "tokenizer.ggml.tokens", ints(&[1; 8])),
        set("tokenizer.ggml.tokens", "tokenizer.ggml.tokens", list(9, 8, [&4u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat().repeat(8))),
        set("tokenizer.ggml.tokens", "tokenizer.ggml.tokens", text("a b c")),
        set("", "tokenizer.ggml.tokens", texts(&[])),
        on("embeddings", |f| { f.without("tokenizer.ggml.token_type"); f.key("tokenizer.ggml.scores", floats(&[0.0; 9])); f.key("llama.vocab_size", u32_of(8)); f.key("tokenizer.ggml.tokens", texts(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])); }),
        set("short tokens", "tokenizer.ggml.tokens", texts(&[&*"a".repeat(1 << 20); 8])),
        on("tokenizer.ggml.model", |f| f.without("tokenizer.ggml.model")),
        set("tokenizer.ggml.model", "tokenizer.ggml.model", text("bert")),
        on("tokenizer.ggml.scores", |f| f.without("tokenizer.ggml.scores")),
        set("a list of 3", "tokenizer.ggml.scores", floats(&[0.0; 3])),
        set("tokenizer.ggml.scores", "tokenizer.ggml.scores", floats(&[f32::NAN; 8])),
        set("tokenizer.ggml.scores", "tokenizer.ggml.scores", ints(&[0; 8])),
        set("a list of 7", "tokenizer.ggml.token_type", ints(&[1; 7])),
        set("tokenizer.ggml.token_type", "tokenizer.ggml.token_type", texts(&["1"; 8])),
        set("merges", "tokenizer.ggml.merges", texts(&["a b c"])),
        set("merges", "tokenizer.ggml.merges", texts(&["ab"])),
        set("", "tokenizer.ggml.merges", texts(&["a z"])),
        on("merges", |f| f.key("tokenizer.ggml.model", text("gpt2"))),
        on("tokenizer.ggml.pre", |f| { f.key("tokenizer.ggml.model", text("gpt2")); f.key("tokenizer.ggml.merges", texts(&["a b"])); f.key("tokenizer.ggml.pre", text("other")); }),
        set("below 8", "tokenizer.ggml.bos_token_id", u32_of(8)),
        set("below 8", "tokenizer.ggml.eos_token_id", u32_of(u32::MAX)),
        set("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eos_token_id", Value(5, (-1i32).to_le_bytes().into())),
        set("below 8", "tokenizer.ggml.unknown_token_id", u32_of(100)),
        set("add_bos_token", "tokenizer.ggml.add_bos_token", u32_of(1)),
        set("chat template", "tokenizer.chat_template", text("{% for %}")),
        set("chat_template", "tokenizer.chat_template", u32_of(1)),
    ]
}

/// Address space that the process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_good_file_loads() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("good.gguf");
    fs::write(&path, File::good().bytes()).unwrap();
    let model = load(&path).unwrap();
    assert_eq!(model.text().verbatim("a ab").unwrap(), [7, 3, 6]);
}

#[test]
fn every_attack_ends_in_one_line_and_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("attack.gguf");
    #[cfg(target_os = "linux")]
    let before = peak();
    let mut odd = Vec::new();
    for (i, (word, change)) in attacks().iter().enumerate() {
        let mut file = File::good();
        change(&mut file);
        fs::write(&path, file.bytes()).unwrap();
        let error = load(&path).map_or_else(|error| error.to_string(), |_| "it loads".into());
        // A report of tensors has a line for each kind of misfit.
        let lines = if error.contains("does not hold the model") { 4 } else { 1 };
        let plain = error.trim_end().lines().count() <= lines && !error.contains(['\u{1b}', '\0']);
        if !(error.contains(word) && error.contains("attack.gguf") && plain && error.len() < 1000) {
            odd.push(format!("attack {i}, {word}: {error}"));
        }
        let target = place.path().join("out");
        if let Ok(checkpoint) = Checkpoint::open(&path) {
            let mask = Mask::default().for_model(Some(checkpoint.fingerprint().unwrap()));
            let _ = export_masked(&path, &LoadOptions::default(), &mask, &target);
        }
        // What does not fit the model may still be written whole.
        let _ = fs::remove_dir_all(&target);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "attack {i}, {word}");
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
    #[cfg(target_os = "linux")]
    assert!(peak() - before < 2 << 30, "{} bytes more", peak() - before);
}

/// A file that is nothing but a header, and of that more than any model has.
#[test]
fn a_header_without_end_is_not_read_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("long.gguf");
    let mut file = File::good();
    for i in 0..5 {
        file.key(&format!("general.text{i}"), text(&"x".repeat(15 << 20)));
    }
    fs::write(&path, file.bytes()).unwrap();
    let error = load(&path).unwrap_err().to_string();
    assert!(error.contains("header is longer"), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cut.gguf");
    let whole = File::good().bytes();
    for len in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(load(&path).is_err(), "{len} of {} bytes", whole.len());
    }
}

fn fixture(case: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf");
    fs::read(folder.join(case).join("model.gguf")).unwrap()
}

/// Loads, or says why not; what loads, encodes and decodes.
fn survives(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("changed.gguf");
    fs::write(&path, bytes).unwrap();
    if let Ok(model) = load(&path)
        && let Ok(ids) = model.text().verbatim("Hello, ab 12 ▁ é 😀 world!")
    {
        let _ = model.text().decode(&ids);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changed_bytes_of_a_small_file_are_survived(
        changes in prop::collection::vec((0usize..1400, any::<u8>()), 1..6),
        cut in prop::option::of(0usize..6000),
    ) {
        let mut bytes = File::good().bytes();
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes.truncate(cut.unwrap_or(bytes.len()));
        survives(&bytes);
    }

    #[test]
    fn changed_bytes_of_a_vocabulary_are_survived(
        changes in prop::collection::vec((0usize..6400, any::<u8>()), 1..6),
    ) {
        let mut bytes = fixture("vocabulary_tekken");
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        survives(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// In the weights too: whatever the blocks say, they are numbers or they are refused.
    #[test]
    fn changed_weights_are_survived(
        changes in prop::collection::vec((9000usize..270_000, any::<u8>()), 1..200),
    ) {
        let mut bytes = fixture("llama_k");
        let len = bytes.len();
        changes.iter().for_each(|(at, byte)| bytes[*at % len] = *byte);
        survives(&bytes);
    }
}
