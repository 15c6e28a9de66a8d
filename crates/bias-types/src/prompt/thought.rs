//! What a model thinks before it answers.

/// The marks that models set around a thought.
const MARKS: [(&str, &str); 10] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
];

/// The answer behind a model's thought, where it thinks aloud first; `None` while it still thinks.
///
/// The mark that ends a thought counts also where the one that begins it is not in the text: many
/// chat templates write it. `begun` says that the prompt ended within a thought, which
/// [`is_begun`] tells.
///
/// ```
/// use bias_types::prompt::thought;
///
/// assert_eq!(thought::answer("<think>620?</think>540", false), Some("540"));
/// assert_eq!(thought::answer("620? No.</think>540", true), Some("540"));
/// assert_eq!(thought::answer("<think>620 is", false), None);
/// assert_eq!(thought::answer("540", false), Some("540"));
/// ```
#[must_use]
pub fn answer(text: &str, begun: bool) -> Option<&str> {
    let ended = MARKS.iter().filter_map(|(_, end)| Some(text.rfind(end)? + end.len())).max();
    let rest = &text[ended.unwrap_or(0)..];
    let thinks = is_begun(rest) || (begun && ended.is_none());
    (!thinks).then_some(rest)
}

/// Whether a text, such as a prompt, ends within a thought.
#[must_use]
pub fn is_begun(text: &str) -> bool {
    MARKS.iter().any(|(begin, end)| {
        text.rfind(begin).is_some_and(|from| !text[from + begin.len()..].contains(end))
    })
}

/// The marks themselves, which a tokenizer's special tokens may be.
pub fn marks() -> impl Iterator<Item = &'static str> {
    MARKS.iter().flat_map(|(begin, end)| [*begin, *end])
}
