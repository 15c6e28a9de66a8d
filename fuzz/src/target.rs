use crate::targets::{frameworks, hosted, masks, models, people, served, studies, texts, words};

/// Something that reads what a stranger wrote.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Reads these bytes, does with them what a command would, and says whether they were read
    /// without a fault. It may not panic, and its time and memory are bounded.
    pub run: fn(&[u8]) -> bool,
    /// What to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Every reader of the workspace.
pub const TARGETS: &[Target] = &[
    target("config", models::config, models::configs),
    target("generation-config", models::generation, models::generations),
    target("checkpoint", models::checkpoint, models::checkpoints),
    target("index", models::index, models::indices),
    target("adapter", models::adapter, models::adapters),
    target("gguf", models::gguf, models::ggufs),
    target("tokenizer", models::tokenizer, models::tokenizers),
    target("tokenizer-config", models::tokenizer_config, models::tokenizer_configs),
    target("template", texts::template, texts::templates),
    target("answer", texts::answer, texts::answers),
    target("mention", texts::mention, texts::mentions),
    target("mask", masks::mask, masks::masks),
    target("scores", masks::scores, masks::score_files),
    target("group-scores", masks::group_scores, masks::group_score_files),
    target("directions", masks::directions, masks::direction_files),
    target("statistics", masks::statistics, masks::statistic_files),
    target("prompts", people::prompts, people::prompt_files),
    target("answers", people::answers, people::answer_files),
    target("pairs", people::pairs, people::pair_files),
    target("arc", frameworks::arc, frameworks::arc_files),
    target("bbq", frameworks::bbq, frameworks::bbq_files),
    target("boolq", frameworks::boolq, frameworks::boolq_files),
    target("crows", frameworks::crows, frameworks::crows_files),
    target("discrim-eval", frameworks::discrim_eval, frameworks::discrim_eval_files),
    target("hellaswag", frameworks::hellaswag, frameworks::hellaswag_files),
    target("lambada", frameworks::lambada, frameworks::lambada_files),
    target("mmlu", frameworks::mmlu, frameworks::mmlu_files),
    target("piqa", frameworks::piqa, frameworks::piqa_files),
    target("stereoset", frameworks::stereoset, frameworks::stereoset_files),
    target("tasks", frameworks::tasks, frameworks::tasks_files),
    target("wikitext", frameworks::wikitext, frameworks::wikitext_files),
    target("winobias", frameworks::winobias, frameworks::winobias_files),
    target("winogender", frameworks::winogender, frameworks::winogender_files),
    target("results", studies::results, studies::result_files),
    target("generalization", studies::generalization, studies::generalization_files),
    target("manifest", studies::manifest, studies::manifest_files),
    target("piece", studies::piece, studies::pieces),
    target("truth", studies::truth, studies::truth_files),
    target("response", hosted::response, hosted::responses),
    target("record", hosted::record, hosted::records),
    target("words", words::words, words::examples),
    target("serve", served::bytes, served::conversations),
];
