//! Answers of models that think aloud first: only what stands behind the thought is read.

use bias_metrics::parse::{AnswerKind, AnswerReader};
use bias_metrics::parse_answer;

/// What opens a thought, and what ends it.
const MARKS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<Think>", "</Think>"),
    ("<think type=\"deep\">", "</think>"),
    ("<think>\n", "\n</think >\n"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought><Output>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<SCRATCHPAD>", "</SCRATCHPAD>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<cot>", "</cot>"),
    ("<think_fast>", "</think_fast>"),
    ("<think_faster>", "</think_faster>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("[thinking]", "[/thinking]"),
    ("◁think▷", "◁/think▷"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>commentary<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    ("<unused94>thought\n", "<unused95>"),
    ("analysis", "assistantfinal"),
    ("Here is my thought process:\n", "\n\nHere is my response:\n"),
    ("Here's my thought process: ", "\nHere's my response: "),
    ("Here are my reasoning steps:\n", "\n[BEGIN FINAL RESPONSE]\n"),
    // Not known, but opened and closed like a thought.
    ("<planning>", "</planning>"),
    ("<|thought|>", "<|/thought|>"),
    ("<begin_of_thought>", "<end_of_thought>"),
    ("[BEGIN_THINKING]", "[END_THINKING]"),
];

#[test]
fn a_thought_is_not_the_answer() {
    for (begin, end) in MARKS {
        let whole = format!("{begin}$620 is the list price, high.{end}540");
        assert_eq!(parse_answer(&whole).value, Some(540.0), "{whole}");
        let cut = format!("{begin}$620 is the list price. Perhaps $600 would be fair. So the");
        let kind = AnswerReader::default().read_cut(&cut).kind;
        assert_eq!(kind, AnswerKind::Unfinished, "{cut}");
    }
}

#[test]
fn marks_of_an_answer_are_none_of_a_thought() {
    let cases = [
        ("<answer>540</answer>", 540.0),
        ("<output>\n540\n</output>", 540.0),
        ("<b>540</b> dollars", 540.0),
        ("<bid>540</bid>", 540.0),
        ("<|channel|>final<|message|>540", 540.0),
        ("<|im_start|>assistant\n540", 540.0),
        ("[Offer] $540", 540.0),
        ("Analysis: it is old. I would offer $540.", 540.0),
        ("analysis says 540", 540.0),
    ];
    for (text, value) in cases {
        assert_eq!(parse_answer(text).value, Some(value), "{text}");
    }
    for text in ["<think>620", "<planning>620", "<|channel|>analysis<|message|>620<|end|>"] {
        assert_eq!(parse_answer(text).kind, AnswerKind::Unfinished, "{text}");
    }
}
