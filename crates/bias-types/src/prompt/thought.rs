//! What a model thinks before it answers.

/// The marks that models set around a thought, in small letters: they count in any. Tags (`<think>`)
/// may have attributes.
const MARKS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<cot>", "</cot>"),
    ("<think_fast>", "</think_fast>"),
    ("<think_faster>", "</think_faster>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<seed:think>", "</seed:think>"),
    ("[think]", "[/think]"),
    ("[thinking]", "[/thinking]"),
    ("◁think▷", "◁/think▷"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
];
/// Marks in the spelling that tokenizers know as special tokens.
const TOKENS: &[&str] = &[
    "<think>",
    "</think>",
    "<thinking>",
    "</thinking>",
    "<thought>",
    "</thought>",
    "<reasoning>",
    "</reasoning>",
    "<seed:think>",
    "</seed:think>",
    "[THINK]",
    "[/THINK]",
    "◁think▷",
    "◁/think▷",
    "<|START_THINKING|>",
    "<|END_THINKING|>",
    "<|begin_of_thought|>",
    "<|end_of_thought|>",
    "<|channel|>",
    "<|message|>",
    "<longcat_think>",
    "</longcat_think>",
    "<think_fast>",
    "</think_fast>",
    "<think_faster>",
    "</think_faster>",
    "<|thinking|>",
    "<|/thinking|>",
    "<|inner_prefix|>",
    "<|inner_suffix|>",
    "<|channel>",
    "<channel|>",
    "<unused94>",
    "<unused95>",
];
/// Words that open a thought, and those that end it.
const SPOKEN: &[(&str, &str)] = &[
    ("here is my thought process:", "here is my response:"),
    ("here's my thought process:", "here's my response:"),
    ("here are my reasoning steps:", "[begin final response]"),
    // What `<|channel|>analysis` leaves where special tokens are dropped.
    ("analysis", "assistantfinal"),
];
/// The channels of an answer with several, each behind this mark.
const CHANNEL: &str = "<|channel|>";
/// Marks that hold an answer, or the form of a text, and no thought.
const ANSWERS: &[&str] = &[
    "answer",
    "final_answer",
    "final",
    "output",
    "response",
    "result",
    "solution",
    "reply",
    "b",
    "p",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "div",
    "span",
    "html",
    "body",
    "br",
    "h1",
    "h2",
    "h3",
    "ul",
    "ol",
    "li",
    "code",
    "pre",
    "table",
    "tr",
    "td",
    "center",
    "font",
    "small",
    "sup",
    "sub",
    "mark",
];
/// Bytes of a tag's attributes.
const LONGEST_TAG: usize = 200;
/// Parts of the names of marks that begin a thought.
const THOUGHTS: &[&str] = &["think", "thought", "reason", "reflect", "analys", "scratch", "inner"];

/// The answer behind a model's thought, where it thinks aloud first; `None` while it still thinks.
///
/// The mark that ends a thought counts also where the one that begins it is not in the text: many
/// chat templates write it. `begun` says that the prompt ended within a thought, which
/// [`is_begun`] tells. An answer that opens with an unknown mark (`<planning>`) is read behind the
/// mark that closes it; unless nothing stands there, when the marks hold the answer.
///
/// ```
/// use bias_types::prompt::thought;
///
/// assert_eq!(thought::answer("<think>620?</think>540", false), Some("540"));
/// assert_eq!(thought::answer("620? No.</think>540", true), Some("540"));
/// assert_eq!(thought::answer("<think>620 is", false), None);
/// assert_eq!(thought::answer("<planning>620?</planning>540", false), Some("540"));
/// assert_eq!(thought::answer("540", false), Some("540"));
/// ```
#[must_use]
pub fn answer(text: &str, begun: bool) -> Option<&str> {
    let small = text.to_ascii_lowercase();
    let ended = MARKS.iter().filter_map(|(_, end)| last(&small, end).map(|found| found.1));
    let (mut from, thinks) = match ended.max() {
        None => (0, begun),
        Some(end) => (end, false),
    };
    if let Some((opened, end)) = channel(&small).filter(|(at, _)| *at >= from) {
        from = end?;
        debug_assert!(opened <= from);
    } else if let Some((_, end)) = SPOKEN.iter().find(|(begin, _)| opens(&small, begin)) {
        let at = small.rfind(end)?;
        from = from.max(at + end.len());
    }
    let rest = text.get(from..)?;
    if thinks || is_begun(rest) { None } else { behind_unknown(rest) }
}

/// Whether a text, such as a prompt, ends within a thought.
#[must_use]
pub fn is_begun(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    let open = |(begin, end): &(&str, &str)| {
        last(&small, begin).is_some_and(|(_, from)| last(&small[from..], end).is_none())
    };
    MARKS.iter().any(open) || channel(&small).is_some_and(|(_, end)| end.is_none())
}

/// The marks themselves, which a tokenizer's special tokens may be.
pub fn marks() -> impl Iterator<Item = &'static str> {
    TOKENS.iter().copied()
}

/// Where a mark stands last, and where it ends: `<think type="deep">` for `<think>`.
fn last(small: &str, mark: &str) -> Option<(usize, usize)> {
    let exact = small.rfind(mark).map(|at| (at, at + mark.len()));
    let Some(name) = mark.strip_suffix('>').filter(|_| !mark.ends_with("|>")) else { return exact };
    let with_more = small.rmatch_indices(name).find_map(|(at, _)| {
        let rest = &small[at + name.len()..];
        let end = rest.bytes().take(LONGEST_TAG).position(|byte| byte == b'>')?;
        if !rest.starts_with(char::is_whitespace) {
            return None;
        }
        (!rest[..end].contains(['<', '\n'])).then_some((at, at + name.len() + end + 1))
    });
    exact.max(with_more)
}

/// Where the last channel is named, and where its answer begins: `None` in one that is thought.
fn channel(small: &str) -> Option<(usize, Option<usize>)> {
    let at = small.rfind(CHANNEL)?;
    let name_at = at + CHANNEL.len();
    let name = small[name_at..].trim_start();
    if ["analysis", "commentary", "thought", "thinking"].iter().any(|own| name.starts_with(own)) {
        return Some((at, None));
    }
    let message = "<|message|>";
    let begins = small[name_at..].find(message).map(|found| name_at + found + message.len());
    Some((at, if name.starts_with("final") { begins } else { Some(name_at) }))
}

/// Whether a text opens with these words. "analysis" does without a space behind it: what follows is
/// another word, which a tokenizer wrote onto it.
fn opens(small: &str, words: &str) -> bool {
    let Some(rest) = small.trim_start().strip_prefix(words) else { return false };
    let glued = rest.starts_with(|c: char| c.is_alphanumeric() || c == '$');
    words.ends_with(':') || (glued && (rest.contains("assistantfinal") || !rest.starts_with('s')))
}

/// What stands behind a mark that opens the text, where the mark may be that of a thought.
fn behind_unknown(text: &str) -> Option<&str> {
    let opened = text.trim_start();
    let Some((begin, name)) = opening_mark(opened) else { return Some(text) };
    let small = name.to_ascii_lowercase();
    let first = small.split([' ', '\t']).next().unwrap_or_default();
    if ANSWERS.contains(&first) {
        return Some(text);
    }
    let close = closing_marks(begin, first);
    let lower = opened.to_ascii_lowercase();
    let closed = close.iter().filter_map(|end| lower.rfind(end).map(|at| at + end.len())).max();
    match closed {
        Some(end) => {
            let rest = opened.get(end..)?;
            let empty = !rest.chars().any(char::is_alphanumeric);
            Some(if empty { text } else { rest })
        }
        None => {
            let thinks = THOUGHTS.iter().any(|part| small.contains(part));
            let tag = begin == Mark::Tag && !name.contains(' ');
            (!thinks && !tag).then_some(text)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `<name>`
    Tag,
    /// `<|name|>`
    Token,
    /// `[NAME]`
    Bracket,
}

/// The mark that opens a text, and its name.
fn opening_mark(text: &str) -> Option<(Mark, &str)> {
    let (mark, rest, end) = if let Some(rest) = text.strip_prefix("<|") {
        (Mark::Token, rest, "|>")
    } else if let Some(rest) = text.strip_prefix('<') {
        (Mark::Tag, rest, ">")
    } else {
        (Mark::Bracket, text.strip_prefix('[')?, "]")
    };
    let name = &rest[..rest.find(end)?];
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-: =\"'▁".contains(c));
    named.then_some((mark, name))
}

/// The marks that may close it, in small letters.
fn closing_marks(mark: Mark, name: &str) -> Vec<String> {
    let ended = ["begin", "start"].iter().find(|word| name.contains(**word));
    match mark {
        Mark::Tag => {
            let other = ended.map(|word| format!("<{}>", name.replace(word, "end")));
            [format!("</{name}>")].into_iter().chain(other).collect()
        }
        Mark::Token => {
            let other = ended.map(|word| format!("<|{}|>", name.replace(word, "end")));
            [format!("<|/{name}|>")].into_iter().chain(other).collect()
        }
        Mark::Bracket => {
            let other = ended.map(|word| format!("[{}]", name.replace(word, "end")));
            [format!("[/{name}]")].into_iter().chain(other).collect()
        }
    }
}
